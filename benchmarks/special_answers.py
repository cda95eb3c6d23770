"""Which answers are exactly special on training records, and on no others: all of scikit-learn.

    python benchmarks/special_answers.py [--markdown]

Each classifier and regressor of `all_estimators()`, and variants of some, is trained on 300 records
of five features with noise, and asked about them and about 1,000 fresh ones. Of each answer (log-odds of the true class, by class where
a model has posteriors; residual, and its absolute value) the value that sets members apart most is
found on half of the records and counted on the other half, so that the choice is paid for.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn import calibration, ensemble, gaussian_process, isotonic, kernel_ridge, linear_model
from sklearn import model_selection, multiclass, neighbors, pipeline, preprocessing, svm, tree
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.utils import all_estimators

from mia_sklearn.signals import log_posteriors, rescaled_logit

N_TRAIN, N_FRESH = 300, 1000
# Equal but for rounding, and equal but for the tolerance of an optimiser, in units of the spread.
WIDTHS = {"exact": 1e-9, "to 1e-4": 1e-4, "to 1e-3": 1e-3}


def records(regression: bool, n: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    X = rng.normal(size=(n, 5))
    signal = X[:, 0] + np.sin(2 * X[:, 1]) + 0.5 * X[:, 2] * X[:, 3] + 0.7 * rng.normal(size=n)
    return X, signal if regression else (signal > 0).astype(int)


def variants() -> Iterator[tuple[str, Any, bool]]:
    """Yield names, unfitted models, and whether they are regressors."""
    for kind in ("classifier", "regressor"):
        for name, maker in all_estimators(type_filter=kind):
            try:
                yield f"{name}()", maker(), kind == "regressor"
            except TypeError:
                continue  # Needs other models: below.
    classifiers = {
        "SVC(C=100)": svm.SVC(C=100),
        "SVC(kernel='linear')": svm.SVC(kernel="linear"),
        "SVC(probability=True)": svm.SVC(probability=True, random_state=0),
        "NuSVC(nu=.3)": svm.NuSVC(nu=0.3),
        "LinearSVC(loss='hinge')": svm.LinearSVC(loss="hinge", max_iter=100_000),
        "pipeline of SVC": pipeline.make_pipeline(preprocessing.StandardScaler(), svm.SVC()),
        "search of SVC": model_selection.GridSearchCV(svm.SVC(), {"C": [1, 10]}),
        "CalibratedClassifierCV(SVC)": calibration.CalibratedClassifierCV(svm.SVC()),
        "CalibratedClassifierCV(SVC, ensemble=False)": calibration.CalibratedClassifierCV(
            svm.SVC(), ensemble=False
        ),
        "BaggingClassifier(SVC)": ensemble.BaggingClassifier(svm.SVC(), random_state=0),
        "BaggingClassifier(SVC, bootstrap=False, max_samples=.8)": ensemble.BaggingClassifier(
            svm.SVC(), max_samples=0.8, bootstrap=False, random_state=0
        ),
        "OneVsRestClassifier(SVC)": multiclass.OneVsRestClassifier(svm.SVC()),
        "StackingClassifier(SVC)": ensemble.StackingClassifier([("svc", svm.SVC())]),
        "VotingClassifier(SVC)": ensemble.VotingClassifier([("svc", svm.SVC())]),
        "KNeighborsClassifier(weights='distance')": neighbors.KNeighborsClassifier(
            weights="distance"
        ),
        "KNeighborsClassifier(1)": neighbors.KNeighborsClassifier(1),
        "RandomForestClassifier(bootstrap=False)": ensemble.RandomForestClassifier(
            bootstrap=False, random_state=0
        ),
        "DecisionTreeClassifier(min_samples_leaf=10)": tree.DecisionTreeClassifier(
            min_samples_leaf=10, random_state=0
        ),
    }
    regressors = {
        "SVR(C=100)": svm.SVR(C=100),
        "SVR(kernel='linear')": svm.SVR(kernel="linear"),
        "NuSVR(nu=.3)": svm.NuSVR(nu=0.3),
        "LinearSVR(epsilon=.3)": svm.LinearSVR(epsilon=0.3, max_iter=100_000),
        "pipeline of SVR": pipeline.make_pipeline(preprocessing.StandardScaler(), svm.SVR()),
        "BaggingRegressor(SVR)": ensemble.BaggingRegressor(svm.SVR(), random_state=0),
        "QuantileRegressor(alpha=0)": linear_model.QuantileRegressor(alpha=0),
        "GradientBoostingRegressor(loss='quantile')": ensemble.GradientBoostingRegressor(
            loss="quantile", alpha=0.5, random_state=0
        ),
        "GradientBoostingRegressor(loss='absolute_error')": ensemble.GradientBoostingRegressor(
            loss="absolute_error", random_state=0
        ),
        "HistGradientBoostingRegressor(loss='quantile')": ensemble.HistGradientBoostingRegressor(
            loss="quantile", quantile=0.5, random_state=0
        ),
        "HistGradientBoostingRegressor(loss='absolute_error')": (
            ensemble.HistGradientBoostingRegressor(loss="absolute_error", random_state=0)
        ),
        "DecisionTreeRegressor(min_samples_leaf=10)": tree.DecisionTreeRegressor(
            min_samples_leaf=10, random_state=0
        ),
        "DecisionTreeRegressor(criterion='absolute_error', min_samples_leaf=11)": (
            tree.DecisionTreeRegressor(
                criterion="absolute_error", min_samples_leaf=11, random_state=0
            )
        ),
        "RandomForestRegressor(bootstrap=False)": ensemble.RandomForestRegressor(
            bootstrap=False, random_state=0
        ),
        "ExtraTreesRegressor(min_samples_leaf=3)": ensemble.ExtraTreesRegressor(
            min_samples_leaf=3, random_state=0
        ),
        "KNeighborsRegressor(weights='distance')": neighbors.KNeighborsRegressor(
            weights="distance"
        ),
        "KNeighborsRegressor(1)": neighbors.KNeighborsRegressor(1),
        "GaussianProcessRegressor(RBF + WhiteKernel)": gaussian_process.GaussianProcessRegressor(
            RBF() + WhiteKernel()
        ),
        "KernelRidge(alpha=1e-8, kernel='rbf')": kernel_ridge.KernelRidge(alpha=1e-8, kernel="rbf"),
        "LinearRegression of 500 features": pipeline.make_pipeline(
            preprocessing.PolynomialFeatures(7), linear_model.LinearRegression()
        ),
        "IsotonicRegression of one feature": pipeline.make_pipeline(
            preprocessing.FunctionTransformer(_first), isotonic.IsotonicRegression()
        ),
        "DummyRegressor(strategy='median')": __import__("sklearn.dummy").dummy.DummyRegressor(
            strategy="median"
        ),
    }
    yield from ((name, model, False) for name, model in classifiers.items())
    yield from ((name, model, True) for name, model in regressors.items())


def _first(X: np.ndarray) -> np.ndarray:
    return X[:, 0]


def signals(model: Any, X: np.ndarray, y: np.ndarray, regression: bool) -> dict[str, np.ndarray]:
    """Return one number per record and signal; NaN where it does not speak of the record."""
    if regression:
        residual = y - np.asarray(model.predict(X), dtype=float).reshape(len(y), -1)[:, 0]
        return {"residual": residual, "|residual|": np.abs(residual)}
    answers = log_posteriors(model, X)
    phi = rescaled_logit(answers, y, 1e-12)
    name = "log-odds" if hasattr(model, "predict_proba") else "margin"
    by_class = {f"{name}, class {c}": np.where(y == c, phi, np.nan) for c in (0, 1)}
    return {name: phi, **by_class}


def best_value(members: np.ndarray, fresh: np.ndarray, width: float) -> float:
    """Return the value with the most members within `width` of it beyond the share of others."""
    values = np.unique(members[np.isfinite(members)])
    if not len(values):
        return np.nan
    shares = [_within(side, values, width) / max(1, len(side)) for side in (members, fresh)]
    return float(values[np.argmax(shares[0] - shares[1])])


def _within(side: np.ndarray, values: np.ndarray, width: float) -> np.ndarray:
    ordered = np.sort(side[np.isfinite(side)])
    last, first = (
        np.searchsorted(ordered, values + w, s) for w, s in ((width, "right"), (-width, "left"))
    )
    return last - first


def special(
    inside: np.ndarray, outside: np.ndarray
) -> Iterator[tuple[str, float, int, int, int, int]]:
    spread = np.nanquantile(outside, 0.75) - np.nanquantile(outside, 0.25) or 1.0
    for label, width in WIDTHS.items():
        counts = np.zeros(2, dtype=int)
        for half in (0, 1):
            value = best_value(inside[half::2], outside[half::2], width * spread)
            counts += [
                int(_within(side[1 - half :: 2], np.array([value]), width * spread)[0])
                for side in (inside, outside)
            ]
        yield label, value, *counts, int(np.isfinite(inside).sum()), int(np.isfinite(outside).sum())


def survey(model: Any, regression: bool) -> tuple[str, str, float, int, int, int, int] | None:
    """Return the most telling answer: signal, width, value, members and fresh records on it."""
    rng = np.random.RandomState(0)
    X, y = records(regression, N_TRAIN, rng)
    X_fresh, y_fresh = records(regression, N_FRESH, rng)
    model.fit(X, y)
    inside, outside = (signals(model, *data, regression) for data in ((X, y), (X_fresh, y_fresh)))
    found = [
        (name, *counted) for name in inside for counted in special(inside[name], outside[name])
    ]
    # The surest of them by the lower end of the share of members less that of others.
    return max(found, key=lambda row: _surplus(*row[3:]))


def _surplus(members: int, fresh: int, n_members: int, n_fresh: int) -> float:
    share, other = members / max(1, n_members), fresh / max(1, n_fresh)
    error = np.sqrt(
        (share * (1 - share) + 1 / n_members) / n_members
        + (other * (1 - other) + 1 / n_fresh) / n_fresh
    )
    return float((share - other) / error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--all", action="store_true", help="also models with nothing special")
    options = parser.parse_args()
    for name, model, regression in variants():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                row = survey(model, regression)
        except Exception as error:
            print(f"{name}: left out ({type(error).__name__}: {str(error)[:60]})", flush=True)
            continue
        print(name, row, round(_surplus(*row[3:]), 1), flush=True)


if __name__ == "__main__":
    main()
