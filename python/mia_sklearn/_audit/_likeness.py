"""Whether the target answers as references do that were trained like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import t as student_t

from ._run import predicted_classes

if TYPE_CHECKING:
    from ._run import Run

__all__ = ["Trait", "differing_traits", "traits"]

# The level of all traits together. Of few references Student's t errs a little more often than it
# says: in simulations a target trained like them differs in at most 1 of 1,000 audits.
_ALARM = 0.0003
# A difference in accuracy that is too small to matter, however sure it is.
_LEAST_ACCURACY = 0.005
# Nor is a distance, as a ratio.
_LEAST_DISTANCE = np.log(1.15)


# Of more records than this so many drawn ones tell means and spreads closely enough.
_MOST_COMPARED = 200_000
_OF_SIGNALS = ("signal", "spread", "distance")
# Distances from an average of one or two models vary too much to be compared.
_FEWEST_BLOCKS = 4


class Trait(NamedTuple):
    """One number about a model's answers, for the target and for its references.

    Attributes
    ----------
    name : {"accuracy", "signal", "spread", "distance"}
        Mean of right answers, mean of the signal, its standard deviation, and the logarithm of
        its root mean square distance from what references say of the same records.
    side : {"training", "other"}
    target, usual : float
        The target's, and what references in the target's place have on the same records.
    unseen : float
        What references have that stand to these records as the target does not.
    p_value : float
    """

    name: str
    side: str
    target: float
    usual: float
    unseen: float
    p_value: float


def differing_traits(run: Run) -> list[Trait]:
    """Return the traits in which the target is surely unlike its references."""
    refs = run.references
    if refs is None:
        return []
    rows, kept = np.arange(refs.n_pool_), _kept(run)
    if len(rows) > _MOST_COMPARED:
        drawn = np.random.default_rng(run.seed).permutation(len(rows))[:_MOST_COMPARED]
        rows = np.sort(drawn)
    trained, member, answers = refs.membership_[:, rows] > 0, run.member[rows], run.answers[rows]
    found = traits(
        refs.phi()[np.ix_(kept, rows)],
        trained[kept],
        refs.block_[kept],
        refs.signal_of(answers, rows),
        member,
    )
    predicted = predicted_classes(refs.outputs_[:, rows], refs.access_)
    if predicted is not None:
        own = predicted_classes(answers, run.access)
        assert own is not None
        labels = refs.labels_[rows]
        right = (predicted == labels)[kept]
        arguments = (trained[kept], refs.block_[kept], own == labels, member)
        found = traits(right, *arguments, accuracy=True) + found
    return [trait for trait in found if trait.p_value <= _ALARM / len(found)]


def _kept(run: Run) -> np.ndarray:
    assert run.references is not None
    return np.setdiff1d(np.arange(run.references.n_models_), list(run.references.lost_))


def traits(
    values: np.ndarray,
    trained: np.ndarray,
    block: np.ndarray,
    own: np.ndarray,
    own_trained: np.ndarray,
    *,
    accuracy: bool = False,
) -> list[Trait]:
    """Compare one model's values on records with those of references.

    Each model is laid beside what the others answer, on average, on the *same* records in the
    same role, so that records which are harder on one side of a split make no difference. A
    reference is compared without its block, and the target without one block, so that all have
    baselines of one size. What is left is about normal, being a mean over records, and is read by
    Student's t for one more observation.

    Parameters
    ----------
    values, trained : ndarray of shape (n_models, n_records)
        What each reference says of each record, and whether it trained on it.
    block : ndarray of shape (n_models,)
    own, own_trained : ndarray of shape (n_records,)
        The same of the target.
    accuracy : bool, default=False
        Whether values are right (1) or wrong (0): of these the mean tells all.

    Returns
    -------
    list of Trait
        For training records and others. Sides for which there is nothing to compare are left
        out.
    """
    values = np.asarray(values, dtype=np.float64)
    baselines = {int(b): _baseline(values, trained, block != b) for b in np.unique(block)}
    usual = np.array(
        [
            _measures(answers, inside, baselines[b])
            for answers, inside, b in zip(values, trained, block, strict=True)
        ]
    )
    target = np.array(_measures(own.astype(np.float64), own_trained, baselines[block[-1]]))
    found = []
    for side, name in enumerate(("training", "other")):
        n = (trained if side == 0 else ~trained).sum(axis=1).mean()
        for which, kind in enumerate(("accuracy",) if accuracy else _OF_SIGNALS):
            one, others = target[side, which], usual[:, side, which]
            if kind == "distance" and len(baselines) < _FEWEST_BLOCKS:
                continue
            if not (np.isfinite(one[:2]).all() and np.isfinite(others[:, :2]).all()):
                continue
            # How far each model is from its baseline.
            away = others[:, 0] - others[:, 1]
            level = others[:, 0].mean()
            variance, least = away.var(ddof=1), 1e-3 * abs(level)
            if kind == "distance":
                least = _LEAST_DISTANCE
            if accuracy:
                # A few references may happen to err equally often.
                share = (level * n + 1) / (n + 2)
                variance, least = max(variance, share * (1 - share) / n), _LEAST_ACCURACY
            gap = abs(one[0] - one[1] - away.mean())
            spread = np.sqrt(variance * (1 + 1 / len(away)) + 1e-12)
            p = 2 * student_t.sf(gap / spread, len(away) - 1) if gap > least else 1.0
            expected, unseen = one[1:] + away.mean()
            found.append(Trait(kind, name, one[0], expected, unseen, float(p)))
    return found


def _baseline(
    values: np.ndarray, trained: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the chosen models say of each record, those that trained on it and others."""
    part, inside = values[chosen], trained[chosen]
    with np.errstate(invalid="ignore"):
        return (
            np.where(inside, part, 0).sum(axis=0) / inside.sum(axis=0),
            np.where(inside, 0, part).sum(axis=0) / (~inside).sum(axis=0),
        )


def _measures(
    values: np.ndarray, trained: np.ndarray, baseline: tuple[np.ndarray, np.ndarray]
) -> list[list[list[float]]]:
    """Return mean, spread and distance on training records, then on others.

    Each is followed by that of the baseline, in this model's place and in the other.
    """
    found: list[list[list[float]]] = []
    for side, (same, other) in ((trained, baseline), (~trained, baseline[::-1])):
        known = side & np.isfinite(same)
        if known.sum() < 2:
            found.append([[np.nan] * 3] * 3)
            continue
        parts = values[known], same[known], other[known]
        apart = float(np.log(np.square(parts[0] - parts[1]).mean() + 1e-12)) / 2
        found.append(
            [
                *([float(of(part)) for part in parts] for of in (np.mean, np.std)),
                [apart, 0.0, np.nan],
            ]
        )
    return found
