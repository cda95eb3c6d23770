"""Release posteriors with noise that leaves an attack classifier undecided."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from .._records._digests import row_digests
from ..base import BaseReferenceDefense, TrainingSet
from ._output import OutputDefense

__all__ = ["MemGuard"]

# What no posterior that the adversary sees is below, as a logarithm.
_LEAST = -30.0
_TEMPERATURES = (0.25, 0.5, 1.0, 2.0, 4.0)
_MOST_SHAPES = 512
_LEAST_LEAD = 1e-6
_VALUES_PER_CHUNK = 2**22


class MemGuard(BaseReferenceDefense, OutputDefense):
    r"""Release posteriors with noise that leaves an attack classifier undecided.

    The defender trains an attack classifier g on the model's own training records against
    reference records. Each answer is then replaced, with a probability of its own, by another
    vector with the same label, so that g's expected verdict comes as close to 1/2 as a budget of
    distortion allows.

    Threat model: protects against attackers who read posteriors (black-box) and decide like g.
    Attackers who know the defense and train on defended references lose less, and the label is
    kept, so that the gap between right and wrong labels stays visible.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned, the clone is fitted.
    max_distortion : float, default=0.5
        Largest expected distance in L1 between the released and the model's own posterior of a
        record; between 0, which releases all as it is, and 2.
    adversary : classifier with predict_proba, default=None
        The attack classifier g, cloned; by default a `HistGradientBoostingClassifier`. It reads
        the logarithms of posteriors in descending order.
    reference_size : float, default=0.25
        Share of the training set that is set apart as reference records where `fit` gets none.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    estimator_ : fitted classifier
        What is defended; answers as if there were no defense.
    adversary_ : fitted classifier
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    The published search for noise follows the gradient of a network g. Here g is any
    classifier, and the vectors that an answer may be replaced by are the reference records' own
    answers, sharpened and flattened (temperatures 1/4 to 4): their values, in descending order,
    take the places of the answer's values, which keeps the label and the order of the classes.
    With d the distance to such a vector v, it is released with the probability that makes the
    expected verdict :math:`q\,g(v) + (1 - q)\,g(p)` come closest to 1/2 with :math:`q d` within
    the budget, which is the published second phase; v is the one that comes closest, of several
    the one with the least expected distance.

    Chance is drawn once for each record, from its content and a seed of `fit`: asking again
    gives the same answer, and averages nothing out.

    References
    ----------
    .. [1] J. Jia et al., "MemGuard: Defending against Black-Box Membership Inference Attacks via
       Adversarial Examples", CCS 2019, section 4.
    .. [2] L. Song and P. Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning
       Models", USENIX Security 2021, section 4.3: how it fares against attackers who know it.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from mia_sklearn.defenses import MemGuard
    >>> X, y = make_classification(400, random_state=0)
    >>> forest = RandomForestClassifier(20, random_state=0)
    >>> guarded = MemGuard(forest, max_distortion=0.3, random_state=0).fit(X, y)
    >>> bool((guarded.predict(X) == guarded.estimator_.predict(X)).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OutputDefense._parameter_constraints,
        "max_distortion": [Interval(Real, 0, 2, closed="both")],
        "adversary": [HasMethods(["fit", "predict_proba"]), None],
        "reference_size": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        max_distortion: float = 0.5,
        *,
        adversary: Any = None,
        reference_size: float = 0.25,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.max_distortion = max_distortion
        self.adversary = adversary
        self.reference_size = reference_size
        self.random_state = random_state

    def _fit_beside(self, data: TrainingSet, reference: TrainingSet) -> None:
        self._train_as_always(data)
        rng = check_random_state(self.random_state)
        self._seed = np.uint64(rng.randint(2**31 - 1))
        members, others = (self._sorted(part.X) for part in (data, reference))
        shapes = _shapes(others, rng)
        # As many of each, so that 1/2 means undecided.
        size = min(len(members), len(others))
        members, others = (part[rng.permutation(len(part))[:size]] for part in (members, others))
        adversary = self.adversary
        if adversary is None:
            seed = rng.randint(2**31 - 1)
            adversary = HistGradientBoostingClassifier(max_iter=50, random_state=seed)
        seen = _as_seen(np.concatenate([members, others]))
        self.adversary_ = clone(adversary).fit(seen, np.repeat([1, 0], size))
        self._shapes, self._verdicts = shapes, self._verdict(shapes)

    def _sorted(self, X: Any) -> np.ndarray:
        return -np.sort(-self._answers(X), axis=1)

    def _verdict(self, ordered: np.ndarray) -> np.ndarray:
        """Return how sure the adversary is of membership, of log-posteriors in descending order."""
        return np.asarray(self.adversary_.predict_proba(_as_seen(ordered)))[:, 1]

    def _released(self, X: Any) -> np.ndarray:
        own = self._answers(X)
        order = np.argsort(-own, axis=1, kind="stable")
        ordered = np.take_along_axis(own, order, axis=1)
        chosen, share = self._replacements(ordered)
        replaced = _uniform(row_digests(X), self._seed) < share
        ordered[replaced] = self._shapes[chosen[replaced]]
        released = np.empty_like(own)
        np.put_along_axis(released, order, ordered, axis=1)
        return released

    def _replacements(self, ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each answer's replacement and the probability that it is released."""
        verdict = self._verdict(ordered)[:, None]
        proba, shapes = np.exp(ordered), np.exp(self._shapes)
        chosen = np.zeros(len(ordered), dtype=np.intp)
        share = np.zeros(len(ordered))
        step = max(1, _VALUES_PER_CHUNK // shapes.size)
        for start in range(0, len(ordered), step):
            rows = slice(start, start + step)
            distance = np.abs(proba[rows, None, :] - shapes[None]).sum(axis=2)
            gain = self._verdicts[None] - verdict[rows]
            with np.errstate(divide="ignore", invalid="ignore"):
                wanted = np.where(gain == 0, 0.0, (0.5 - verdict[rows]) / gain)
                allowed = np.where(distance == 0, 1.0, self.max_distortion / distance)
            q = np.clip(np.minimum(wanted, allowed), 0.0, 1.0)
            missed = np.abs(verdict[rows] + q * gain - 0.5)
            # Verdicts that differ by less are the same.
            best = np.lexsort((q * distance, missed.round(6)), axis=1)[:, 0]
            chosen[rows] = best
            share[rows] = np.take_along_axis(q, best[:, None], axis=1)[:, 0]
        return chosen, share


def _as_seen(ordered: np.ndarray) -> np.ndarray:
    return np.maximum(ordered, _LEAST)


def _shapes(ordered: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return log-posteriors in descending order that may stand for others."""
    scaled = np.concatenate([ordered / t for t in _TEMPERATURES])
    scaled -= np.logaddexp.reduce(scaled, axis=1, keepdims=True)
    # The first must lead, or another label would be released.
    top = np.exp(scaled[:, :2])
    leading = top[:, 0] - top[:, 1] > _LEAST_LEAD if top.shape[1] > 1 else slice(None)
    scaled = np.unique(scaled[leading], axis=0)
    if not len(scaled):
        # No reference record has a label that leads: nothing can stand for anything.
        return ordered[:1]
    return scaled[np.sort(rng.permutation(len(scaled))[:_MOST_SHAPES])]


def _uniform(digests: np.ndarray, seed: np.uint64) -> np.ndarray:
    """Return a number between 0 and 1 for each record, always the same one."""
    with np.errstate(over="ignore"):
        mixed = (digests ^ seed) * np.uint64(0x94D049BB133111EB)
        mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(30)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
