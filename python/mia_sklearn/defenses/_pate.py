"""Release a student that learned from the noisy votes of many teachers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from .._records._rows import copied, n_rows, positions, take_rows
from ..base import BaseReferenceDefense, TrainingSet
from ._gaussian_privacy import epsilon_of, mu_of
from ._parts import check_student, draw_seeds, narrow_tags, train_part

__all__ = ["PATE"]

# A record changes one teacher, who takes a vote from one class and gives it to another.
_SENSITIVITY = np.sqrt(2)
_USUAL_NOISE = 0.1


class PATE(BaseReferenceDefense):
    r"""Release a student, taught by the noisy votes of teachers on records of their own.

    Threat model: protects against attackers who read posteriors or labels, or see the released
    parameters (black-box, label-only, white-box), with the differential privacy that `epsilon_`
    states for the teachers' records. The student's own records are not covered: where they come
    out of `X` they are members too, whose labels it never saw.

    Parameters
    ----------
    estimator : classifier
        The teacher. Clones with seeds of their own are fitted and not kept.
    student : classifier, default=None
        A clone is fitted to the labels that win. By default the same as the teacher.
    n_teachers : int, default=10
        At least 2. Each has its own random part of the training records.
    noise : float, default=None
        Standard deviation of the Gaussian noise on each class's votes, in votes. By default what
        `epsilon` asks for or, without that, a tenth of `n_teachers`; see `epsilon_` for what it
        is worth. 0 adds none.
    epsilon : float, default=None
        The epsilon at `delta` to be reached; it decides the noise. Give `noise` or this.
    delta : float, default=1e-5
        Between 0 and 1, far below one over the number of records.
    reference_size : float, default=0.3
        Share of `X` that is voted on, and that teachers do not see, where `fit` gets no
        `X_reference`. Between 0 and 1.
    n_queries : int, default=None
        How many reference records, drawn at random, are voted on; all by default. The noise that
        an epsilon takes grows with the root of this number.
    random_state : int, RandomState instance or None, default=None
        Draws the reference records, the parts, the teachers' seeds and the noise.

    Attributes
    ----------
    estimator_ : fitted classifier
        The student, which is all that is released.
    epsilon_ : float
        Epsilon at `delta` of all votes together; infinite without noise.
    noise_ : float
        Standard deviation of the noise, in votes.
    n_queries_ : int
        Records that were voted on.
    agreement_ : float
        Mean share of the votes that the winner got, noise included, so that `epsilon_` covers
        it. Near one over the number of classes the student learned little but noise.
    classes_ : ndarray of shape (n_classes,)

    See Also
    --------
    Distillation : One teacher, its posteriors and no noise.

    Notes
    -----
    The k noisy counts are, each given those before, Gaussian mechanisms of sensitivity
    :math:`\sqrt{2}` and compose to one of
    :math:`\mu = \sqrt{2k} / \mathtt{noise}`, whose epsilon is exact [3]_ [4]_. It does not depend
    on the data, as the papers' smaller ones do, which would have to be kept secret or be noised.

    What `epsilon_` covers: replacing one record, label included, of the teachers' parts. Records
    are set apart and dealt out by position, never by what they hold, so a part may lack classes.
    What it does not cover: the records voted on, whose features the student sees; which classes
    there are; the number of records; and whoever knows the seed, so keep `random_state` None, or
    secret, where the guarantee counts. The noise is made of floating-point numbers.

    Pass estimators that are not fitted: a pickle holds what was passed beside what is released.

    References
    ----------
    .. [1] N. Papernot et al., "Semi-supervised Knowledge Transfer for Deep Learning from Private
       Training Data", ICLR 2017.
    .. [2] N. Papernot et al., "Scalable Private Learning with PATE", ICLR 2018, section 4.1.
    .. [3] B. Balle and Y.-X. Wang, "Improving the Gaussian Mechanism for Differential Privacy",
       ICML 2018, theorem 8.
    .. [4] J. Dong, A. Roth and W. J. Su, "Gaussian Differential Privacy", JRSS B 2022,
       corollaries 2.13 and 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from mia_sklearn.defenses import PATE
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PATE(GaussianNB(), n_teachers=20, n_queries=20, epsilon=8, random_state=0)
    >>> model.fit(X, y).n_queries_, round(model.epsilon_, 3), round(model.noise_, 3)
    (20, 8.0, 3.796)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "student": [HasMethods(["fit", "predict"]), None],
        "n_teachers": [Interval(Integral, 2, None, closed="left")],
        "noise": [Interval(Real, 0, np.inf, closed="left"), None],
        "epsilon": [Interval(Real, 0, np.inf, closed="neither"), None],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "reference_size": [Interval(Real, 0, 1, closed="neither")],
        "n_queries": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    # Labels that decide who is set apart would let one record change every part.
    _stratified: ClassVar[bool] = False
    # What epsilon counts as one step, as `audit_dp` has it: a record in another's place.
    dp_neighbours: ClassVar[str] = "replace"

    def __init__(
        self,
        estimator: Any,
        student: Any = None,
        *,
        n_teachers: int = 10,
        noise: float | None = None,
        epsilon: float | None = None,
        delta: float = 1e-5,
        reference_size: float = 0.3,
        n_queries: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.student = student
        self.n_teachers = n_teachers
        self.noise = noise
        self.epsilon = epsilon
        self.delta = delta
        self.reference_size = reference_size
        self.n_queries = n_queries
        self.random_state = random_state

    def check_parts(self) -> None:
        super().check_parts()
        check_student(self)

    def _prototype(self) -> Any:
        return self.estimator if self.student is None else self.student

    def __sklearn_tags__(self) -> Any:
        return narrow_tags(super().__sklearn_tags__(), [self._prototype()])

    def _training_set(self, X: Any, y: Any, fit_params: dict[str, Any]) -> TrainingSet:
        if self.noise is not None and self.epsilon is not None:
            raise ValueError(
                f"noise={self.noise} and epsilon={self.epsilon} decide the same thing: give one of "
                "them."
            )
        return super()._training_set(X, y, fit_params)

    def _fit_beside(self, data: TrainingSet, reference: TrainingSet) -> None:
        self._check_enough(
            data, self.n_teachers, f"beside the reference records for n_teachers={self.n_teachers}"
        )
        rng = check_random_state(self.random_state)
        asked = self._asked_about(reference.X, rng)
        self.n_queries_ = n_rows(asked)
        self.noise_, self.epsilon_ = self._privacy(self.n_queries_)
        votes = self._votes(data, asked, rng)
        # Drawn for every class of every record, whatever the votes are.
        votes += self.noise_ * rng.standard_normal(votes.shape)
        self.agreement_ = float(votes.max(axis=1).mean() / self.n_teachers)
        learned = TrainingSet(asked, self.classes_[votes.argmax(axis=1)], {})
        self.estimator_ = train_part(self._prototype(), learned, self.classes_)

    def _asked_about(self, records: Any, rng: np.random.RandomState) -> Any:
        n = n_rows(records)
        if self.n_queries is None:
            return records
        if self.n_queries > n:
            raise ValueError(
                f"n_queries={self.n_queries}, but there are {n} reference records: lower it, or "
                "give more in X_reference."
            )
        return take_rows(records, np.sort(rng.permutation(n)[: self.n_queries]))

    def _privacy(self, n_queries: int) -> tuple[float, float]:
        """Return the noise and the epsilon of so many votes."""
        sensitivity = _SENSITIVITY * np.sqrt(n_queries)
        if self.epsilon is not None:
            noise = float(sensitivity / mu_of(self.epsilon, self.delta))
        else:
            noise = float(_USUAL_NOISE * self.n_teachers if self.noise is None else self.noise)
        mu = sensitivity / noise if noise > 0 else np.inf
        return noise, epsilon_of(mu, self.delta)

    def _votes(self, data: TrainingSet, asked: Any, rng: np.random.RandomState) -> np.ndarray:
        """Return how many teachers say which class."""
        parts = np.array_split(rng.permutation(len(data)), self.n_teachers)
        votes = np.zeros((n_rows(asked), len(self.classes_)))
        for rows, seed in zip(parts, draw_seeds(rng, self.n_teachers), strict=True):
            part = data.take(np.sort(rows))
            teacher = train_part(self.estimator, part, self.classes_, seed)
            said = positions(np.asarray(teacher.predict(copied(asked))).reshape(-1), self.classes_)
            # A network may have columns for classes that no record has.
            voting = np.flatnonzero(said >= 0)
            votes[voting, said[voting]] += 1
        return votes
