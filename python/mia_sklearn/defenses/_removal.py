"""Train without the vulnerable records that the model can spare."""

from __future__ import annotations

import warnings
from collections import deque
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.metrics import accuracy_score, get_scorer, get_scorer_names, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed

from .._models._predictors import predicts_numbers
from .._models._trainable import configured, prefers_threads
from .._process._parallel import at_most
from .._records._rows import is_documents, is_frame, to_pandas
from ..base import BaseDefense, TrainingSet, fit_clone
from ..references import ReferenceModels
from ..vulnerability import VulnerableRecords

__all__ = ["VulnerableRecordRemoval"]

_LARGEST_SEED = 2**31 - 1
# Of sums of scores and of counts of neighbours.
_ROUNDING = 1e-9


class VulnerableRecordRemoval(BaseDefense):
    """Train without the vulnerable records whose loss costs little.

    Records without neighbours leave a trace of their own in a model. They are found by
    `mia_sklearn.vulnerability.VulnerableRecords`, and those whose removal costs no more than
    `max_utility_loss` of the cross-validated score are not trained on.

    Threat model: protects the records dropped, and no others, against attackers of any kind who
    ask about records that stand alone.

    Parameters
    ----------
    estimator : classifier or regressor
        Cloned, the clone is fitted to the records kept.
    delta : float, default=0.2
        Records at a cosine distance below it are neighbours; between 0 and 2.
    beta : float, default=0.1
        A record is vulnerable when it has fewer expected neighbours in the training set; above 0.
        All of the training set's records are counted, so that any beta up to 1 stands for none.
    max_utility_loss : float, default=0.01
        How far the cross-validated score may fall in all, in its own unit; at least 0.
        0 drops what can go without the score falling at all.
    features : {"outputs", "raw"}, default="outputs"
        Where neighbours are looked for: in the answers of `n_references` models of the
        estimator's kind, or among the records themselves, which trains none.
    n_references : int, default=10
        Models to look with, each trained on a half of the records; at least 2. Unused with
        "raw".
    cv : int, cross-validation splitter or iterable of splits, default=3
        How the score is measured. A number stands for as many shuffled parts, those
        of a classifier stratified.
    scoring : str or callable, default=None
        What the score is, as in scikit-learn, the higher the better. By default the estimator's
        own `score`: accuracy for nearly all classifiers, R2 for regressors.
    max_fits : int, default=30
        Most models that are trained to measure scores; at least twice the number of parts.
        Groups that are left when they are used up are kept.
    random_state : int, RandomState instance or None, default=None
        Draws the references and the parts, and seeds the models that are compared.
    n_jobs : int, default=None
        Models trained at a time, as in joblib. The result does not depend on it.

    Attributes
    ----------
    estimator_ : fitted classifier or regressor
        What is released.
    vulnerable_ : ndarray of shape (n_vulnerable,)
        Positions of the vulnerable records.
    dropped_ : ndarray of shape (n_dropped,)
        Positions of those among them that were not trained on.
    expected_neighbors_ : ndarray of shape (n_records,), float64
        Neighbours of each record; NaN where the references say nothing about it.
    score_before_, score_after_ : float
        Cross-validated scores with all records and without the dropped ones. NaN where no
        record is vulnerable, so that none was measured.
    n_fits_ : int
        Models trained by `fit`, references and the released one among them.
    classes_ : ndarray of shape (n_classes,)
        Of classifiers.

    See Also
    --------
    mia_sklearn.vulnerability.VulnerableRecords : How vulnerable records are found.
    DistinctTraining : Drops duplicates, which are exposed for the opposite reason.

    Notes
    -----
    *The search* is a group test. All vulnerable records are dropped at once; where the score
    falls too far, the group is halved, and each half is tried with what is dropped already, the
    largest groups first, down to single records. Records of a class stand beside each other in
    the order that is halved; those of a regression are ordered by neighbours alone. Scores are
    those of all records of the validation parts: dropped records leave the training parts only. A
    group whose loss would leave the training set, or a
    training part, without one of its classes is never dropped as a whole.

    *Regressions.* Neighbours are records of which the references predict alike; those that have few
    are told apart by what models have learned of them, not by their features: on scikit-learn's
    diabetes records the rank correlation of neighbours with the gap in loss between forests that
    trained on a record and others was -.47 with "outputs" and -.13 with "raw".

    *The cost* of a `fit` is `n_references` models on half of the records, at most `max_fits` on
    what `cv` leaves (of 3 parts, two thirds) and the released model: with the defaults 41, and
    a fit at the least where no record is vulnerable and `features="raw"`. An audit pays this once
    for each of its reference models.

    *What it does not do.* Who is vulnerable depends on who else is there: once a layer of
    outliers is gone, others that were safe become the outliers [2]_. Audit the defended model,
    and read the figures of all records. What is dropped, and `dropped_` itself, depends on the
    data: whoever knows the other records may learn from a record's absence that it was there.

    *The score does not see everything.* Records that stand alone among these help none of these,
    but might have helped records to come: with half of scikit-learn's digits and a forest of 20
    trees, records held back lost .021 of the accuracy where .005 was measured (means of six
    splits). Hold some back to know. Dropped records are often those of small groups, whom the
    model then serves worse; a score over all records does not show that either.

    The paper proposes to drop outliers that contribute little, and leaves open how.

    References
    ----------
    .. [1] Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning
       Models", arXiv:1802.04889, section 6.2.
    .. [2] N. Carlini et al., "The Privacy Onion Effect: Memorization is Relative", NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn.defenses import VulnerableRecordRemoval
    >>> X, y = load_iris(return_X_y=True)
    >>> X, y = np.vstack([X, [[3.0, 5.0, 1.0, 4.0]]]), np.append(y, 0)
    >>> model = VulnerableRecordRemoval(
    ...     KNeighborsClassifier(1), delta=0.3, features="raw", random_state=0
    ... )
    >>> model.fit(X, y).dropped_
    array([150])
    """

    alters: ClassVar[str] = "training data"
    defends: ClassVar[tuple[str, ...]] = ("classifier", "regressor")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "delta": [Interval(Real, 0, 2, closed="neither")],
        "beta": [Interval(Real, 0, None, closed="neither")],
        "max_utility_loss": [Interval(Real, 0, None, closed="left")],
        "features": [StrOptions({"outputs", "raw"})],
        "n_references": [Interval(Integral, 2, None, closed="left")],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "max_fits": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: Any,
        delta: float = 0.2,
        beta: float = 0.1,
        max_utility_loss: float = 0.01,
        *,
        features: str = "outputs",
        n_references: int = 10,
        cv: Any = 3,
        scoring: Any = None,
        max_fits: int = 30,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.delta = delta
        self.beta = beta
        self.max_utility_loss = max_utility_loss
        self.features = features
        self.n_references = n_references
        self.cv = cv
        self.scoring = scoring
        self.max_fits = max_fits
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _fit(self, data: TrainingSet) -> None:
        self._check_enough(data, 4, "to find those among them that stand alone")
        rng = check_random_state(self.random_state)
        seeds = rng.randint(_LARGEST_SEED, size=3)
        scores = _Scores(self, data, self._splits(data.y, seeds[0]), seeds[1])
        self.n_fits_ = 1
        self.expected_neighbors_ = self._neighbors(data, int(seeds[2]))
        self.vulnerable_ = np.flatnonzero(self.expected_neighbors_ < self.beta - _ROUNDING)
        kept = np.ones(len(data), dtype=bool)
        self.score_before_ = self.score_after_ = np.nan
        if len(self.vulnerable_):
            kept = self._choose(data.y, scores)
        self.n_fits_ += scores.n_fits
        self.dropped_ = np.flatnonzero(~kept)
        released = data.take(np.flatnonzero(kept)) if len(self.dropped_) else data
        self.estimator_ = fit_clone(self.estimator, released)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.features == "raw":
            tags.input_tags.sparse = False
        return tags

    def _splits(self, y: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the training and the validation rows of each part."""
        if isinstance(self.cv, Integral) and self.is_of_numbers:
            splitter = KFold(self.cv, shuffle=True, random_state=seed)
        elif isinstance(self.cv, Integral):
            largest = np.unique(y, return_counts=True)[1].max()
            if largest < self.cv:
                raise ValueError(
                    f"cv={self.cv} needs as many records of a class, and the largest of y has "
                    f"{largest}: give fewer parts or more records (n_samples={len(y)})."
                )
            splitter = StratifiedKFold(self.cv, shuffle=True, random_state=seed)
        else:
            splitter = check_cv(self.cv, y, classifier=not self.is_of_numbers)
        with warnings.catch_warnings():
            # Records of small classes are in some parts only, which is all right.
            warnings.filterwarnings("ignore", message="The least populated class")
            splits = [
                (np.asarray(train), np.asarray(test))
                for train, test in splitter.split(np.zeros((len(y), 1)), y)
            ]
        for place, (train, _) in enumerate([] if self.is_of_numbers else splits):
            if len(self.classes_) > 1 and len(np.unique(y[train])) < 2:
                raise ValueError(
                    f"Part {place} of cv={self.cv!r} trains on one class only: give at least 2 "
                    "records of each class, or other parts."
                )
        if self.max_fits < 2 * len(splits):
            raise ValueError(
                f"max_fits={self.max_fits} measures no removal: with {len(splits)} parts give at "
                f"least {2 * len(splits)}."
            )
        return splits

    def _neighbors(self, data: TrainingSet, seed: int) -> np.ndarray:
        """Return how many neighbours each record has."""
        found = VulnerableRecords(self.delta, self.beta, features=self.features)
        if self.features == "raw":
            if sparse.issparse(data.X):
                raise ValueError(
                    "X is sparse, and features='raw' needs dense records: give X.toarray(), or "
                    "features='outputs'."
                )
            if is_documents(data.X):
                raise ValueError("X holds texts: give features='outputs'.")
            X = to_pandas(data.X)
            X = X if is_frame(X) else X.reshape(len(data), -1)
            return found.fit(X).expected_neighbors()
        references = ReferenceModels(
            self.estimator, self.n_references, n_jobs=self.n_jobs, random_state=seed
        )
        references.fit(data.X, data.y, fit_params=data.params)
        self.n_fits_ += references.n_models_
        features = references.features_
        # Where all references answer all classes alike there is no direction to compare.
        somewhere = features.any(axis=1)
        expected = np.full(len(data), np.nan)
        if somewhere.sum() > 1:
            expected[somewhere] = found.fit(features[somewhere]).expected_neighbors()
        return expected

    def _choose(self, y: np.ndarray, scores: _Scores) -> np.ndarray:
        """Return which records to keep."""
        kept = np.ones(len(y), dtype=bool)
        self.score_before_ = self.score_after_ = scores.of(kept)
        if not np.isfinite(self.score_before_):
            raise ValueError(
                f"The score of the model with all records is {self.score_before_}: give another "
                "scoring, or fewer parts."
            )
        least = self.score_before_ - self.max_utility_loss - _ROUNDING
        place = np.zeros(len(y)) if self.is_of_numbers else np.unique(y, return_inverse=True)[1]
        order = np.lexsort((self.expected_neighbors_, place))
        groups = deque([order[np.isin(order, self.vulnerable_)]])
        while groups and scores.may_go_on:
            group = groups.popleft()
            trial = kept.copy()
            trial[group] = False
            score = scores.of(trial)
            if score >= least:
                kept, self.score_after_ = trial, score
            elif len(group) > 1:
                groups.extend(np.array_split(group, 2))
        return kept


class _Scores:
    """Cross-validated scores of models that train on some of the records."""

    def __init__(
        self,
        defense: VulnerableRecordRemoval,
        data: TrainingSet,
        splits: list[tuple[np.ndarray, np.ndarray]],
        seed: int,
    ) -> None:
        self._defense = defense
        self._data = data
        self._splits = splits
        # The same seeds for all that are compared.
        self._seeds = np.random.RandomState(seed).randint(_LARGEST_SEED, size=len(splits))
        self._known: dict[bytes, float] = {}
        self.n_fits = 0

    @property
    def may_go_on(self) -> bool:
        """Whether there are fits left for another score."""
        return self.n_fits + len(self._splits) <= self._defense.max_fits

    def of(self, kept: np.ndarray) -> float:
        """Return the score with the records kept, minus infinity where a class would be lost.

        Of numbers where less than two records would be left.
        """
        name = kept.tobytes()
        if name not in self._known:
            self._known[name] = self._measured(kept)
        return self._known[name]

    def _measured(self, kept: np.ndarray) -> float:
        y, whole = self._data.y, np.arange(len(kept))
        numbers = self._defense.is_of_numbers
        for rows in (whole, *(train for train, _ in self._splits)):
            own = y[rows[kept[rows]]]
            if len(own) < 2 if numbers else len(np.unique(own)) < len(np.unique(y[rows])):
                return -np.inf
        estimator = self._defense.estimator
        prefer = "threads" if prefers_threads(estimator) else None
        scores = Parallel(n_jobs=at_most(self._defense.n_jobs, len(self._splits)), prefer=prefer)(
            delayed(_score)(
                configured(estimator, int(seed)),
                self._data.take(train[kept[train]]),
                self._data.take(test),
                self._defense.scoring,
            )
            for (train, test), seed in zip(self._splits, self._seeds, strict=True)
        )
        self.n_fits += len(self._splits)
        return float(np.mean(scores))


def _score(estimator: Any, train: TrainingSet, test: TrainingSet, scoring: Any) -> float:
    fitted = fit_clone(estimator, train)
    if scoring is not None:
        return float(get_scorer(scoring)(fitted, test.X, test.y))
    if hasattr(fitted, "score"):
        return float(fitted.score(test.X, test.y))
    score = r2_score if predicts_numbers(fitted) else accuracy_score
    return float(score(test.y, fitted.predict(test.X)))
