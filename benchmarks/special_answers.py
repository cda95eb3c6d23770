"""Which answers are exactly special on training records, and on no others: all of scikit-learn.

    python benchmarks/special_answers.py            # models that have some
    python benchmarks/special_answers.py --all      # all

Each classifier and regressor of `all_estimators()` with default parameters, and variants of some,
is trained on 300 records of five features with noise, and asked about them and about 1,000 fresh
ones. Of each answer (log-odds of the true class, or the margin; the residual and its size) the
value that sets members apart most is found on half of the records and counted on the other half,
so that the choice is paid for. Beside it stand the members whom two attacks name with no
reference at 1 % false alarms: a threshold on the loss, or on the size of the residual; and the
edge of a margin.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import fisher_exact
from sklearn import ensemble, linear_model, neighbors, svm, tree
from sklearn.base import is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cross_decomposition import CCA, PLSCanonical
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils import all_estimators

from mia_sklearn._observations._edges import edge_distances, edges_shown
from mia_sklearn.signals import log_posteriors, rescaled_logit

N_TRAIN, N_FRESH = 300, 1000
# Equal but for rounding, or but for the tolerance of an optimiser; in quartile ranges.
WIDTHS = (1e-9, 1e-4, 1e-3)
# Six numbers per model are looked at, of a hundred models.
SURE_AT = 0.01 / 6
COUNTS = ("CategoricalNB", "ComplementNB", "MultinomialNB")
POSITIVE = ("GammaRegressor", "PoissonRegressor")
SEVERAL = ("MultiTask", "MultiOutput", "RegressorChain")


class Found(NamedTuple):
    """What is special about a model's answers."""

    answer: str
    value: float
    members: int
    fresh: int
    of_members: int
    of_fresh: int

    @property
    def p_value(self) -> float:
        """Of Fisher's exact test that members lie there no more often than others."""
        there = (self.members, self.fresh)
        elsewhere = (self.of_members - self.members, self.of_fresh - self.fresh)
        return float(fisher_exact([there, elsewhere], alternative="greater").pvalue)


def models() -> Iterator[tuple[str, Any]]:
    """Yield names and unfitted models."""
    for kind, machine in (("classifier", svm.SVC), ("regressor", svm.SVR)):
        for name, maker in all_estimators(type_filter=kind):
            if "estimators" in signature(maker).parameters:
                yield f"{name} of a machine", maker([("machine", machine())])
                continue
            needed = signature(maker).parameters.get("estimator")
            if needed is not None and needed.default in (needed.empty, None):
                yield f"{name}({machine.__name__}())", maker(machine())
            if needed is None or needed.default is not needed.empty:
                yield f"{name}()", _default(maker)
    variants = [
        *(svm.SVC(C=100), svm.SVC(kernel="linear"), svm.LinearSVC(loss="hinge", max_iter=100_000)),
        *(svm.NuSVC(nu=0.3), svm.SVR(C=100), svm.SVR(kernel="linear"), svm.NuSVR(nu=0.3)),
        svm.LinearSVR(epsilon=0.3, max_iter=100_000, tol=1e-8),
        make_pipeline(StandardScaler(), svm.SVC()),
        GridSearchCV(svm.SVC(), {"C": [1, 10]}),
        CalibratedClassifierCV(svm.SVC(), ensemble=False),
        neighbors.KNeighborsClassifier(1),
        neighbors.KNeighborsClassifier(weights="distance"),
        neighbors.KNeighborsRegressor(1),
        neighbors.KNeighborsRegressor(weights="distance"),
        tree.DecisionTreeClassifier(min_samples_leaf=10, random_state=0),
        tree.DecisionTreeRegressor(min_samples_leaf=10, random_state=0),
        tree.DecisionTreeRegressor(criterion="absolute_error", min_samples_leaf=11, random_state=0),
        ensemble.RandomForestClassifier(bootstrap=False, random_state=0),
        ensemble.RandomForestClassifier(oob_score=True, random_state=0),
        ensemble.RandomForestRegressor(bootstrap=False, random_state=0),
        ensemble.ExtraTreesRegressor(min_samples_leaf=3, random_state=0),
        *(
            ensemble.GradientBoostingRegressor(loss=loss, random_state=0)
            for loss in ("absolute_error", "huber", "quantile")
        ),
        ensemble.HistGradientBoostingRegressor(loss="absolute_error", random_state=0),
        ensemble.HistGradientBoostingRegressor(loss="quantile", quantile=0.5, random_state=0),
        linear_model.QuantileRegressor(alpha=0),
        make_pipeline(PolynomialFeatures(7), linear_model.LinearRegression()),
        GaussianProcessRegressor(RBF() + WhiteKernel()),
        KernelRidge(alpha=1e-8, kernel="rbf"),
    ]
    for model in variants:
        yield " ".join(repr(model).split()), model


def _default(maker: Any) -> Any:
    options: dict[str, Any] = {}
    if "random_state" in signature(maker).parameters:
        options["random_state"] = 0
    if maker in (CCA, PLSCanonical):
        options["n_components"] = 1
    if maker is neighbors.RadiusNeighborsClassifier:
        options["outlier_label"] = "most_frequent"
    return maker(**options)


def records(name: str, regression: bool, n: int, rng: np.random.RandomState) -> tuple[Any, Any]:
    X = rng.normal(size=(n, 5))
    value = X[:, 0] + np.sin(2 * X[:, 1]) + 0.5 * X[:, 2] * X[:, 3] + 0.7 * rng.normal(size=n)
    if name.startswith(COUNTS):
        X = np.minimum(np.abs(np.rint(X)), 2)
    if name.startswith("IsotonicRegression"):
        X = X[:, 0]
    if not regression:
        return X, (value > 0).astype(int)
    if name.startswith(SEVERAL):
        return X, np.stack([value, value + X[:, 4]], axis=1)
    return X, np.exp(value) if name.startswith(POSITIVE) else value


def answers(model: Any, X: Any, y: Any, regression: bool) -> dict[str, np.ndarray]:
    """Return one number per record for each kind of answer; the last of them is minus the loss."""
    if regression:
        predicted = np.asarray(model.predict(X), dtype=float).reshape(y.shape)
        residual = (y - predicted).reshape(len(y), -1)[:, 0]
        residual = residual[np.isfinite(residual)]
        return {"residual": residual, "size of the residual": -np.abs(residual)}
    phi = rescaled_logit(log_posteriors(model, X), y, 1e-12)
    return {"log-odds" if hasattr(model, "predict_proba") else "margin": phi}


def special(answer: str, inside: np.ndarray, outside: np.ndarray) -> Iterator[Found]:
    """Yield what is found on one half and counted on the other, for each width."""
    spread = np.subtract(*np.quantile(outside, [0.75, 0.25])) or 1.0
    for width in np.multiply(WIDTHS, spread):
        counts, value = np.zeros(2, dtype=int), 0.0
        for half in (0, 1):
            value = _best(inside[half::2], outside[half::2], width)
            here = np.array([value])
            counts += [int(_near(s[1 - half :: 2], here, width)[0]) for s in (inside, outside)]
        yield Found(answer, abs(value), *counts, len(inside), len(outside))


def _best(members: np.ndarray, fresh: np.ndarray, width: float) -> float:
    values = np.unique(members)
    shares = [_near(side, values, width) / len(side) for side in (members, fresh)]
    return float(values[np.argmax(shares[0] - shares[1])])


def _near(side: np.ndarray, values: np.ndarray, width: float) -> np.ndarray:
    ordered = np.sort(side)
    first = np.searchsorted(ordered, values - width, "left")
    return np.searchsorted(ordered, values + width, "right") - first


def named(inside: np.ndarray, outside: np.ndarray) -> float:
    """Return the share of members above all but 1 % of others."""
    return float((inside > np.sort(outside)[-1 - len(outside) // 100]).mean())


def survey(name: str, model: Any) -> tuple[Found, float, float]:
    """Return what is most special of a model, and whom the two attacks name."""
    rng = np.random.RandomState(0)
    regression = is_regressor(model)
    own, fresh = (records(name, regression, n, rng) for n in (N_TRAIN, N_FRESH))
    model.fit(*own)
    sides = [answers(model, *data, regression) for data in (own, fresh)]
    found = [row for answer in sides[0] for row in special(answer, *(s[answer] for s in sides))]
    loss = named(*(list(side.values())[-1] for side in sides))
    edge = np.nan
    if edges_shown(model):
        far = [edge_distances(model, *data, inside=True) for data in (own, fresh)]
        edge = named(*(-np.nan_to_num(distances, nan=np.inf) for distances in far))
    return min(found, key=lambda row: row.p_value), loss, edge


def described(found: Found) -> list[str]:
    """Return the answer, its value, and who got it, as cells; dashes where nothing is shown."""
    if found.p_value > SURE_AT:
        return ["-"] * 4
    value = f"{found.value:.3g}" if found.value > 1e-8 else "0"
    if found.answer in ("log-odds", "margin") and found.value > 27:
        value = "posterior 1"
    shares = found.members / found.of_members, found.fresh / found.of_fresh
    return [found.answer, value, *(f"{share:.1%}" for share in shares)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers that are special on training records.")
    parser.add_argument("--all", action="store_true", help="models with nothing special, too")
    options = parser.parse_args()
    print("| model | answer | value | members there | others there | loss names | edge names |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    quiet, left_out = [], []
    for name, model in models():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found, loss, edge = survey(name, model)
        except Exception as error:
            left_out.append(f"{name} ({type(error).__name__})")
            continue
        if found.p_value > SURE_AT and not edge > 0.02 and not options.all:
            quiet.append(name)
            continue
        told = ["" if np.isnan(rate) else f"{rate:.1%}" for rate in (loss, edge)]
        print(f"| `{name}` | {' | '.join([*described(found), *told])} |", flush=True)
    print(f"\nNothing special: {', '.join(quiet)}.\n\nLeft out: {', '.join(left_out)}.")


if __name__ == "__main__":
    main()
