"""What would lower the risk of single records, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import has_fit_parameter

from .._audit._options import seed_of
from .._models._answers import answer_of
from .._models._kinds import is_pipeline
from .._models._predictors import predicted_numbers, predicts_numbers
from .._models._trainable import check_trainable, configured, unfitted
from .._process._progress import progress_bar
from .._records._digests import row_digests
from .._records._numeric import numeric_features
from .._records._rows import take_rows
from ..access import TrueValueAccess
from ..access._choice import access_of_outputs
from ..base import TrainingSet, fit_clone
from ..references import ReferenceModels
from ..references._acting import act_as_target
from ..report._by_attack import share_again
from ..report._leak import INFERRED_AT
from ..stats import Difference, auc_interval, paired_difference, pooled_p_values
from ._compared_records import ComparedRecords, gather_compared
from ._quality import score_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["record_remedies"]

_AS_IT_IS, _REMOVAL = "as it is", "removal"
_MOST_RECORDS, _FEWEST_REFERENCES = 50, 8
_WEIGHT = 0.1
# What makes answers rest on more records: how a parameter is altered where nothing else is asked
# for. The first that a model has is taken.
_SPREADING = {
    "min_samples_leaf": lambda value: max(10, 5 * value),
    "min_child_samples": lambda value: max(100, 5 * value),
    "n_neighbors": lambda value: 5 * value,
    "C": lambda value: value / 10,
    "alpha": lambda value: 10 * value,
}


class _Remedy(NamedTuple):
    """What is trained, on what.

    Attributes
    ----------
    estimator : estimator
    weight : float
        Of the records in question; 0 where they are not trained on.
    """

    estimator: Any
    weight: float


def record_remedies(
    model: Any,
    X_train: Any,
    y_train: Any,
    X_test: Any,
    y_test: Any,
    *,
    records: Any,
    remedies: Mapping[str, Any] | None = None,
    n_references: int = 16,
    n_neighbors: int = 5,
    confidence: float = 0.95,
    n_jobs: int | None = None,
    cache: Any = None,
    random_state: Any = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Measure what lowers the risk of a few records, and what it costs the model.

    References are trained for each remedy on the same random parts of all records, so that each
    record in question is in about half of them. Each of those is audited in the target's place:
    is the record recognised at 1 % false alarms?

    Parameters
    ----------
    model : classifier or regressor
        Fitted or not; clones are trained.
    X_train, y_train : table and array-like
        What it learns from.
    X_test, y_test : table and array-like
        Other records: what references train on too, and where accuracy is measured.
    records : array-like of int
        Positions in `X_train`, 50 at most: the ``row`` of `AuditReport.most_exposed`.
    remedies : dict, default=None
        By name an estimator, trained in place of the model; a number in (0, 1), the weight that
        these records get in training; or "removal", they are not trained on. By default removal,
        a weight of 0.1 where `fit` takes ``sample_weight``, and where the model has one of them
        larger ``min_samples_leaf``, ``min_child_samples`` or ``n_neighbors``, a smaller ``C`` or a
        larger ``alpha``.
    n_references : int, default=16
        Models per remedy, at least 8; one more set for the model as it is.
    n_neighbors : int, default=5
        Nearest records of the same label, of regressors of any, that "removal" looks at.
    confidence : float, default=0.95
        Of each interval.
    n_jobs, cache : default=None
        As `ReferenceModels` has them.
    random_state : int, RandomState instance or None, default=None
        Draws the training sets, the same ones for all remedies.
    progress : bool, default=False
        Show the remedies as they are measured.

    Returns
    -------
    DataFrame
        One row per remedy, the first of which is "as it is", and record: ``remedy``, ``record``;
        ``reruns``, the references that trained on it, and ``named``, how many of them give it away
        at 1 % false alarms; their ``share`` from ``share_low`` to ``share_high``; ``auc`` from
        ``auc_low`` to ``auc_high``, how often a reference that trained on it answers it more
        like a member than one that did not; and of a model trained on all of `X_train` by the
        remedy ``test_score`` (accuracy, R2 of regressors) and ``score_change`` from ``change_low``
        to ``change_high``, on the same test records as the model as it is.

    Raises
    ------
    ValueError
        If an argument is wrong, before any model is trained; if a record in question occurs more
        than once.

    See Also
    --------
    compare_defenses : What lowers everyone's risk.

    Notes
    -----
    *Removal.* Who is not trained on is no member, but their neighbours may give them away still:
    other records of the same person, or copies with small changes. Measured are references that did
    not train on the record, but may have on its neighbours, against references that lack both:
    ``named`` counts those that answer the record as if they had known it. An AUC of .5 says
    that with the record all is gone.

    Those who are left are not measured: another record may stand out once these are gone. Audit
    again.

    Each interval is that of one number, and counts references as independent. The best of many
    remedies looks better than it is.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.selection import record_remedies
    >>> X, y = make_classification(400, flip_y=0.2, random_state=0)
    >>> tree = DecisionTreeClassifier()
    >>> frame = record_remedies(tree, X[:200], y[:200], X[200:], y[200:], records=[3, 7],
    ...                         n_references=8, random_state=0)
    >>> frame["remedy"].unique().tolist()
    ['as it is', 'removal', 'weight 0.1', 'min_samples_leaf=10']
    """
    model = unfitted(getattr(model, "best_estimator_", model))
    check_trainable(model, None)
    outputs = access_of_outputs(model, y_train)
    data = gather_compared(X_train, y_train, (X_test, y_test), None, outputs)
    chosen = _positions(records, len(data.train))
    _check_numbers(n_references, n_neighbors, confidence)
    asked = {_AS_IT_IS: _Remedy(model, 1.0)} | _remedies(model, remedies)
    study = _Study(
        data=data,
        outputs=outputs,
        chosen=chosen,
        confidence=float(confidence),
        options={
            "n_models": int(n_references),
            "train_size": len(data.train),
            "random_state": seed_of(random_state, cache),
            "n_jobs": n_jobs,
            "cache": cache,
        },
    )
    study.check_alone()
    import pandas as pd

    bar = progress_bar(asked.items(), desc="remedies", unit="remedy", disable=not progress)
    usual: ReferenceModels | None = None
    frames, before = [], None
    for name, remedy in bar:
        references = study.references(remedy, n_neighbors)
        usual = references if usual is None else usual
        risks = study.risks(references, usual if remedy.weight == 0 else None)
        cost, right = study.cost(remedy, before)
        before = right if before is None else before
        frames.append(pd.DataFrame(risks).assign(remedy=name, **cost))
    frame = pd.concat(frames, ignore_index=True)
    return frame[["remedy", *(column for column in frame.columns if column != "remedy")]]


class _Study(NamedTuple):
    """The records in question, and how each remedy is measured on them."""

    data: ComparedRecords
    outputs: TrueValueAccess | None
    chosen: np.ndarray
    confidence: float
    options: dict[str, Any]

    def check_alone(self) -> None:
        """Raise if a record in question occurs more than once."""
        digests = row_digests(self.data.X, self.data.y)
        found, counts = np.unique(digests, return_counts=True)
        repeated = counts[np.searchsorted(found, digests[self.chosen])] > 1
        if repeated.any():
            raise ValueError(
                f"records: row {self.chosen[repeated.argmax()]} of X_train occurs more than once "
                "in X_train and X_test, and nothing tells which copy a model has seen: leave it "
                "out."
            )

    def references(self, remedy: _Remedy, n_neighbors: int) -> ReferenceModels:
        """Train references by a remedy, on the same records for all but removal."""
        references = ReferenceModels(remedy.estimator, **self.options)
        groups = self._with_neighbors(n_neighbors) if remedy.weight == 0 else None
        return references.fit(
            self.data.X,
            self.data.y,
            fit_params=self._weights(remedy, np.arange(len(self.data.y))),
            groups=groups,
        )

    def _weights(self, remedy: _Remedy, rows: np.ndarray) -> dict[str, np.ndarray] | None:
        if remedy.weight in (0, 1):
            return None
        weights = np.where(np.isin(rows, self.chosen), remedy.weight, 1.0)
        return {_weight_name(remedy.estimator): weights}

    def _with_neighbors(self, n_neighbors: int) -> np.ndarray:
        """Return groups in which each record in question is with its nearest neighbours."""
        y, groups = self.data.y, np.arange(len(self.data.y))
        table = numeric_features(self.data.X, one_hot=True)
        for row in self.chosen:
            alike = np.ones(len(y), bool) if self.outputs is not None else y == y[row]
            alike[row] = False
            others = np.flatnonzero(alike)
            if not len(others):
                continue
            nearest = NearestNeighbors(n_neighbors=min(n_neighbors, len(others)))
            found = nearest.fit(table[others]).kneighbors(table[[row]], return_distance=False)[0]
            # Neighbours that two of them share put both into one group.
            joined = np.unique(groups[np.append(others[found], row)])
            groups[np.isin(groups, joined)] = joined[0]
        return groups

    def risks(
        self, references: ReferenceModels, usual: ReferenceModels | None
    ) -> list[dict[str, Any]]:
        """Return how surely each record in question is told.

        Parameters
        ----------
        references : fitted ReferenceModels
            Of the remedy.
        usual : fitted ReferenceModels or None
            Of removal those that did not train on the record take the target's place.
        """
        phi = references.phi()
        out = (references.membership_ == 0) & references.labelled_
        if usual is None:
            acted = act_as_target(references)
            signal, played, p_values = phi[acted.models], acted.trained, acted.p_values
        else:
            # On one scale and in one precision, those of the models which they are held against:
            # equal answers must tie.
            signal = references.signal_of(usual.outputs_, slice(None)).astype(phi.dtype)
            played = (usual.membership_ == 0) & usual.labelled_
            others = np.where(out, phi, np.float32(np.nan)).T
            p_values = np.full(signal.shape, np.nan)
            for model in np.setdiff1d(np.arange(len(signal)), list(usual.lost_)):
                rows = played[model]
                p_values[model, rows] = pooled_p_values(signal[model, rows], others[rows])
        told = played & ~np.isnan(p_values)
        return [
            self._risk(
                row, p_values[told[:, row], row], signal[told[:, row], row], phi[out[:, row], row]
            )
            for row in self.chosen
        ]

    def _risk(
        self, row: int, p_values: np.ndarray, inside: np.ndarray, outside: np.ndarray
    ) -> dict[str, Any]:
        """Return a record's numbers from p-values and signals of models, with it and without."""
        named, n = int((p_values <= INFERRED_AT).sum()), len(p_values)
        share = share_again(named, n, self.confidence)
        auc = auc_interval(inside, outside[~np.isnan(outside)], confidence=self.confidence)
        return {
            "record": int(row),
            "reruns": n,
            "named": named,
            **dict(zip(("share", "share_low", "share_high"), share, strict=True)),
            **dict(zip(("auc", "auc_low", "auc_high"), auc, strict=True)),
        }

    def cost(
        self, remedy: _Remedy, before: np.ndarray | None
    ) -> tuple[dict[str, float], np.ndarray]:
        """Return the test score of a model trained by a remedy, and what it loses to the usual."""
        data, rows = self.data, self.data.train
        if remedy.weight == 0:
            rows = rows[~np.isin(rows, self.chosen)]
        params = self._weights(remedy, rows) or {}
        train = TrainingSet(take_rows(data.X, rows), data.y[rows], params)
        fitted = fit_clone(configured(remedy.estimator, self.options["random_state"]), train)
        X_test, y_test = take_rows(data.X, data.test), data.y[data.test]
        score = score_of(fitted, X_test, y_test, self.outputs)
        values = _by_record(fitted, X_test, y_test, self.outputs)
        change = _change(values, values if before is None else before, self.confidence)
        if before is None:
            change = Difference(0.0, 0.0, 0.0)
        names = ("score_change", "change_low", "change_high")
        return {"test_score": score, **dict(zip(names, change, strict=True))}, values


def _by_record(model: Any, X: Any, y: np.ndarray, outputs: TrueValueAccess | None) -> np.ndarray:
    """Return what each test record adds to the score."""
    if outputs is not None and outputs.of_numbers:
        true = y.reshape(len(y), -1).astype(np.float64)
        squares = (true - predicted_numbers(model, X, true.shape[1])) ** 2
        variances = true.var(axis=0)
        return 1 - (squares / np.where(variances > 0, variances, 1.0)).mean(axis=1)
    right = np.asarray(answer_of(model, "predict", X)).reshape(y.shape) == y
    return right if right.ndim == 1 else right.mean(axis=1)


def _change(after: np.ndarray, before: np.ndarray, confidence: float) -> Difference:
    if after.dtype == bool:
        return paired_difference(after, before, confidence=confidence)
    change = after - before
    error = float(ndtri(0.5 + confidence / 2)) * change.std(ddof=1) / np.sqrt(len(change))
    mean = float(change.mean())
    return Difference(mean, mean - float(error), mean + float(error))


def _remedies(model: Any, remedies: Mapping[str, Any] | None) -> dict[str, _Remedy]:
    if remedies is None:
        found: dict[str, _Remedy] = {_REMOVAL: _Remedy(model, 0.0)}
        if _takes_weights(model):
            found[f"weight {_WEIGHT:g}"] = _Remedy(model, _WEIGHT)
        return found | _spread(model)
    if not isinstance(remedies, Mapping) or not remedies:
        raise ValueError("remedies must be a dict from names to estimators, weights or 'removal'.")
    return {str(name): _as_remedy(str(name), value, model) for name, value in remedies.items()}


def _as_remedy(name: str, value: Any, model: Any) -> _Remedy:
    if name == _AS_IT_IS:
        raise ValueError(f"remedies: {_AS_IT_IS!r} is the model itself; call this one otherwise.")
    if isinstance(value, str) and value == _REMOVAL:
        return _Remedy(model, 0.0)
    if isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < 1:
        if not _takes_weights(model):
            raise ValueError(
                f"remedies[{name!r}] is a weight, and the fit of {type(model).__name__} takes no "
                "sample_weight: give an estimator or 'removal'."
            )
        return _Remedy(model, float(value))
    if hasattr(value, "fit") and not isinstance(value, type):
        try:
            check_trainable(value, None)
        except ValueError as error:
            raise ValueError(f"remedies[{name!r}]: {error}") from error
        if predicts_numbers(value) != predicts_numbers(model):
            raise ValueError(
                f"remedies[{name!r}], {type(value).__name__}, must be a classifier if the model is "
                "one, and a regressor otherwise: their answers cannot be held side by side."
            )
        return _Remedy(value, 1.0)
    raise ValueError(
        f"remedies[{name!r}] must be an estimator, a weight between 0 and 1 or 'removal', got "
        f"{value!r:.60}."
    )


def _spread(model: Any) -> dict[str, _Remedy]:
    """Return the model with what makes its answers rest on more records, where it has that."""
    params = model.get_params(deep=True)
    for key, altered in _SPREADING.items():
        for name, value in params.items():
            own = name == key or name.endswith(f"__{key}")
            kind = Real if key in ("C", "alpha") else Integral
            if own and isinstance(value, kind) and not isinstance(value, bool):
                changed = altered(value)
                other = clone(model).set_params(**{name: changed})
                return {f"{key}={changed:g}": _Remedy(other, 1.0)}
    return {}


def _takes_weights(model: Any) -> bool:
    last = model.steps[-1][1] if is_pipeline(model) else model
    return has_fit_parameter(last, "sample_weight")


def _weight_name(model: Any) -> str:
    return f"{model.steps[-1][0]}__sample_weight" if is_pipeline(model) else "sample_weight"


def _positions(records: Iterable[Any], n_train: int) -> np.ndarray:
    rows = np.asarray(list(records) if isinstance(records, Iterable) else records)
    if rows.ndim != 1 or not len(rows) or rows.dtype.kind not in "iu":
        raise ValueError(
            "records must be positions in X_train, whole numbers from 0, and at least one."
        )
    if len(rows) > _MOST_RECORDS:
        raise ValueError(f"records holds {len(rows)} positions; there may be {_MOST_RECORDS}.")
    if len(np.unique(rows)) < len(rows) or rows.min() < 0 or rows.max() >= n_train:
        raise ValueError(f"records must be different positions from 0 to {n_train - 1}.")
    return rows.astype(np.intp)


def _check_numbers(n_references: Any, n_neighbors: Any, confidence: Any) -> None:
    if not isinstance(n_references, Integral) or n_references < _FEWEST_REFERENCES:
        raise ValueError(
            f"n_references must be at least {_FEWEST_REFERENCES}, or p-values are too coarse, got "
            f"{n_references!r}."
        )
    if not isinstance(n_neighbors, Integral) or n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors!r}.")
    if not (isinstance(confidence, Real) and 0 < float(confidence) < 1):
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}.")
