"""Release what models say of records that they never saw."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.parallel import delayed

from .._models._predictors import predicts_numbers
from .._models._trainable import prefers_threads
from .._process._engine import arrived, away, parallel, preference, sent_once
from .._process._parallel import at_most
from .._records._digests import row_digests
from .._records._rows import n_rows, record_shape, take_rows
from ..base import BaseDefense, TrainingSet
from ._output import check_answers_posteriors
from ._parts import answers_of, draw_seeds, train_part
from ._soft_labels import train_on_answers

__all__ = ["SELENA"]


class SELENA(BaseDefense):
    """Train on what an ensemble answers on each record without the models that saw it.

    Threat model: protects against attackers who read posteriors, labels or the numbers that a
    regressor predicts, or see the released parameters (black-box, label-only, white-box). What a
    record changes about the answers on its neighbours can still show.

    Parameters
    ----------
    estimator : classifier with predict_proba, or regressor
        Clones with seeds of their own are fitted as sub-models; one more, as it is, is what is
        released.
    n_models : int, default=25
        Sub-models, K in the paper.
    n_left_out : int, default=10
        Sub-models that do not see a record, L in the paper. At least 1, below `n_models`. Each
        sub-model sees about 1 - n_left_out / n_models of the records.
    distill : bool, default=True
        True: a model learns the ensemble's answers on the training records and is released.
        False: the ensemble itself is. It then holds digests of the training records, which tell
        whoever has the object (not just its answers) who the members are.
    random_state : int, RandomState instance or None, default=None
        Draws who is left out of what, the sub-models' seeds, and labels where the released model
        takes no weights.
    n_jobs : int, default=None
        Sub-models trained at a time, as joblib counts. The result does not depend on it.

    Attributes
    ----------
    estimator_ : fitted classifier or regressor
        What is released. With `distill=True` no sub-model is kept.
    classes_ : ndarray of shape (n_classes,)
        Of classifiers.

    See Also
    --------
    Distillation : One teacher, and other records for the student.

    Notes
    -----
    A training record is answered by the mean posterior, or number, of the `n_left_out` sub-models
    that never saw it, another record by those of a training record drawn by its digest: the same
    answer each time. Records with equal features are left out together, or a copy would answer for
    the record; the paper draws for each alone. Left-out sets are drawn so that all sub-models see
    as many records, up to the last few.

    The released model learns answers as in `Distillation`, `sample_weight` multiplied in.

    Pass estimators that are not fitted: a pickle holds what was passed beside what is released.

    References
    ----------
    .. [1] X. Tang et al., "Mitigating Membership Inference Attacks by Self-Distillation Through a
       Novel Ensemble Architecture", USENIX Security 2022, section 4.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.defenses import SELENA
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier(random_state=0)
    >>> model = SELENA(tree, n_models=5, n_left_out=2, random_state=0).fit(X, y)
    >>> tree.fit(X, y).score(X, y) > model.score(X, y) > 0.9
    True
    """

    defends: ClassVar[tuple[str, ...]] = ("classifier", "regressor")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "n_models": [Interval(Integral, 2, None, closed="left")],
        "n_left_out": [Interval(Integral, 1, None, closed="left")],
        "distill": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        n_models: int = 25,
        n_left_out: int = 10,
        distill: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_models = n_models
        self.n_left_out = n_left_out
        self.distill = distill
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    def as_compared(cls, estimator: Any, n_classes: int) -> BaseDefense | None:
        # Eleven models instead of one; the default number of sub-models costs 26.
        fits = hasattr(estimator, "predict_proba") or predicts_numbers(estimator)
        return cls(estimator, n_models=10, n_left_out=4) if fits else None

    def _prototype(self) -> Any:
        if self.distill:
            return self.estimator
        return _SplitAI if self.is_of_numbers else _SplitClassifier

    def _fit(self, data: TrainingSet) -> None:
        if not self.is_of_numbers:
            check_answers_posteriors(self.estimator, type(self).__name__)
        if 0 in record_shape(data.X):
            raise ValueError(
                f"X has 0 feature(s) (shape={data.X.shape}) while a minimum of 1 is required."
            )
        digests, record = np.unique(row_digests(data.X), return_inverse=True)
        self._check_sizes(len(data), len(digests))
        rng = check_random_state(self.random_state)
        left_out = _draw_left_out(len(digests), self.n_models, self.n_left_out, rng)
        seeds = draw_seeds(rng, self.n_models)
        # One row per record, one column per sub-model: True where it does not see the record.
        unseen = np.zeros((len(digests), self.n_models), dtype=bool)
        np.put_along_axis(unseen, left_out, True, axis=1)
        unseen = unseen[record.reshape(-1)]
        classes = None if self.is_of_numbers else self.classes_
        total = np.zeros((len(data), data.n_outputs if classes is None else len(classes)))
        models = []
        with away():
            trained = self._train_all(data, classes, unseen, seeds)
            for number, (answers, model) in enumerate(trained):
                total[unseen[:, number]] += answers
                models.append(model)
        if self.distill:
            mean = total / self.n_left_out
            mean = mean if classes is not None else mean.reshape(data.y.shape)
            self.estimator_ = train_on_answers(self.estimator, data, mean, classes, rng)
            return
        salt = int(rng.randint(2**31 - 1))
        self.estimator_ = self._prototype()(models, (digests, left_out), total.shape[1], salt)
        if classes is not None:
            self.estimator_.classes_ = classes

    def _check_sizes(self, n_records: int, n_different: int) -> None:
        if self.n_left_out >= self.n_models:
            raise ValueError(
                f"n_left_out={self.n_left_out} must be below n_models={self.n_models}, or no "
                "model would see a record."
            )
        if n_different < self.n_models:
            raise ValueError(
                f"{type(self).__name__} needs at least {self.n_models} different records for "
                f"n_models={self.n_models}, got {n_different} (n_samples={n_records})."
            )

    def _train_all(
        self, data: TrainingSet, classes: np.ndarray | None, unseen: np.ndarray, seeds: list[int]
    ) -> Any:
        """Yield each sub-model's answers on the records that it did not see, and itself."""
        keep = not self.distill
        prefer = preference(threads=prefers_threads(self.estimator))
        n_jobs = at_most(self.n_jobs, len(seeds))
        sent = sent_once(data, n_jobs, prefer)
        return parallel(n_jobs, prefer=prefer, return_as="generator")(
            delayed(_train_one)(
                self.estimator, sent, unseen[:, number], classes, seed=seed, keep=keep
            )
            for number, seed in enumerate(seeds)
        )


def _draw_left_out(
    n: int, n_models: int, n_left_out: int, rng: np.random.RandomState
) -> np.ndarray:
    """Return the sub-models that do not see each record.

    Of every `n_models` records each gets as many neighbours on a circle of the sub-models in
    random order, so that these leave out equally many. To a record every set is as likely.
    """
    n_circles = -(-n // n_models)
    circles = rng.random_sample((n_circles, n_models)).argsort(axis=1)
    arcs = (np.arange(n_models)[:, None] + np.arange(n_left_out)) % n_models
    sets = circles[:, arcs].reshape(-1, n_left_out)
    return sets[rng.permutation(n)]


def _train_one(
    estimator: Any,
    sent: Any,
    unseen: np.ndarray,
    classes: np.ndarray | None,
    *,
    seed: int,
    keep: bool,
) -> tuple[np.ndarray, Any]:
    data = arrived(sent)
    model = train_part(estimator, data.take(np.flatnonzero(~unseen)), classes, seed)
    asked = np.flatnonzero(unseen)
    answers: Any = 0.0
    if len(asked):
        answers = answers_of(model, take_rows(data.X, asked), classes, data.n_outputs)
    return answers, model if keep else None


class _SplitAI:
    """The ensemble: a record is answered by the sub-models that never saw it.

    Attributes
    ----------
    classes_ : ndarray or None
        None of regressors.
    """

    classes_: np.ndarray | None = None

    def __init__(
        self,
        models: list[Any],
        sets: tuple[np.ndarray, np.ndarray],
        n_answers: int,
        salt: int,
    ) -> None:
        self.models = models
        self.digests, self.left_out = sets
        self.n_answers = n_answers
        self.salt = salt

    def _mean(self, X: Any) -> np.ndarray:
        asked = row_digests(X)
        found = np.searchsorted(self.digests, asked) % len(self.digests)
        # The paper takes the sub-models of a training record drawn at random.
        drawn = ((asked ^ np.uint64(self.salt)) % np.uint64(len(self.digests))).astype(np.intp)
        sets = self.left_out[np.where(self.digests[found] == asked, found, drawn)]
        total = np.zeros((n_rows(X), self.n_answers))
        for number, model in enumerate(self.models):
            rows = np.flatnonzero((sets == number).any(axis=1))
            if len(rows):
                own = take_rows(X, rows)
                total[rows] += answers_of(model, own, self.classes_, self.n_answers)
        return total / self.left_out.shape[1]

    def predict(self, X: Any) -> np.ndarray:
        return self._mean(X)


class _SplitClassifier(_SplitAI):
    """The ensemble of classifiers."""

    classes_: np.ndarray

    def predict_proba(self, X: Any) -> np.ndarray:
        return self._mean(X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
