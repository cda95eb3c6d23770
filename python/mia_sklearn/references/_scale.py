"""The scale of posteriors on which reference models tell members from others best."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import logit, logsumexp
from scipy.stats import rankdata

from ..signals import choose_smoothing, rescaled_logit
from ..stats._likelihood import GaussianRatio, Moments

__all__ = ["PosteriorScale", "choose_scale"]

# The typical lead of the first class over the second, in nats, of the scales that are tried.
_LEADS = (1.0, 2.0, 4.0, 8.0)
_SMOOTHINGS = (1e-12, 0.03)
# What is added where ranks follow, so that every answer has one.
_LEAST = 1e-300
_MOST_KNOTS = 2048
# Losses of AUC by LiRA and by RMIA that are no reason to leave a scale; of few records, over the
# root of their number.
_SLACK, _CHANCE = np.array([0.005, 0.01]), 0.4
# By how many of its standard errors, paired over the models that act, a gain must exceed 0.
_ERRORS = 2.0
# Leads that are too even or too sure to be taken as they come.
_USUAL_LEADS = 0.25, 32.0
_MOST_MODELS, _MOST_ACTING, _MOST_RECORDS = 16, 4, 1000
_MOST_VALUES, _MOST_LOOKED_AT = 2**18, 2_000_000


@dataclass(frozen=True)
class PosteriorScale:
    """From log-posteriors to the rescaled logit that attacks read.

    Attributes
    ----------
    smoothing : float
        See `mia_sklearn.signals.rescaled_logit`.
    power : float, default=1
        Posteriors are raised to it and scaled to sum to 1 before they are smoothed.
    knots : tuple of two ndarray, default=()
        Where ranks are read: rescaled logits, and the log-odds of a reference's answer to lie
        below them.
    saturated : bool, default=False
        Whether references answer exactly 0 or 1.
    """

    smoothing: float
    power: float = 1.0
    knots: tuple[np.ndarray, ...] = field(default=(), repr=False)
    saturated: bool = False

    @property
    def text(self) -> str:
        """What becomes of posteriors, in words."""
        if self.knots:
            return "read by their ranks among the references' answers"
        raised = "" if self.power == 1 else f"raised to the power {self.power:.3g} and "
        return f"{raised}smoothed by {self.smoothing:g}"

    def phi(self, log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Return the rescaled logit on this scale; log-posteriors end in (n_records, n_classes)."""
        phi = rescaled_logit(self.powered(log_proba), label, self.smoothing)
        return np.interp(phi, self.knots[0], self.knots[1]) if self.knots else phi

    def powered(self, log_proba: np.ndarray) -> np.ndarray:
        """Return log-posteriors raised to the power of this scale."""
        if self.power == 1:
            return log_proba
        raised = self.power * np.asarray(log_proba, dtype=np.float64)
        total = logsumexp(raised, axis=-1, keepdims=True)
        # Where all classes that are known have a posterior of 0, they keep it.
        return raised - np.where(np.isneginf(total), 0.0, total)


def choose_scale(
    outputs: np.ndarray,
    labels: np.ndarray,
    membership: np.ndarray,
    labelled: np.ndarray,
    block: np.ndarray,
) -> PosteriorScale:
    """Choose the scale on which references that act as targets lose most to LiRA and RMIA.

    A defense may answer on a scale of its own, more even or surer, and hides nothing by it from
    whoever undoes it. The references' answers as they come are kept where no other scale shows
    clearly more. Nothing but references is looked at.

    Parameters
    ----------
    outputs : ndarray of shape (n_models, n_records, n_classes)
        Log-posteriors.
    labels : ndarray of shape (n_records,)
        Positions of the true classes.
    membership, labelled : ndarray of shape (n_models, n_records)
        Who trained on what, and where that may be learned from: nowhere of a model that was lost.
    block : ndarray of shape (n_models,)
        Models of one block lie next to one another; -1 for models without blocks.

    Returns
    -------
    PosteriorScale
    """
    models = _whole_blocks(np.flatnonzero(labelled.any(axis=1)), block)
    n_records, n_classes = outputs.shape[1:]
    step = max(1, len(models) * n_records * n_classes // _MOST_LOOKED_AT)
    some = outputs[np.ix_(models, np.arange(0, n_records, step))]
    smoothing = choose_smoothing(some)
    natural = PosteriorScale(smoothing, saturated=smoothing > min(_SMOOTHINGS))
    lead = _typical_lead(some) if n_classes > 1 else 0.0
    if lead == 0:
        # Labels, or votes that are all of one mind: every scale is the same one.
        return natural
    most = min(_MOST_RECORDS, max(100, _MOST_VALUES // (len(models) * n_classes)))
    rows = np.flatnonzero(labelled[models].any(axis=0))
    rows = rows[:: max(1, -(-len(rows) // most))]
    place = np.ix_(models, rows)
    answers, labels, block = outputs[place], labels[rows], block[models]
    trained = np.where(labelled[place], membership[place] > 0, np.nan)
    by_ranks = _by_ranks(answers, labels, 2.0 / lead, natural.saturated)
    first = [
        _separations(scale.phi(answers, labels), trained, block) for scale in (natural, by_ranks)
    ]
    if not len(first[0]):
        return natural
    slack = np.maximum(_SLACK, _CHANCE / np.sqrt(_MOST_ACTING * len(rows)))
    as_good = (first[0] - first[1]).mean(axis=0) >= -slack
    if as_good.all() and _USUAL_LEADS[0] < lead < _USUAL_LEADS[1]:
        return natural
    scales = [natural, by_ranks] + [
        PosteriorScale(smoothing, power, saturated=natural.saturated)
        for power in (1.0, *(wanted / lead for wanted in _LEADS))
        for smoothing in _SMOOTHINGS
    ]
    more = [_separations(scale.phi(answers, labels), trained, block) for scale in scales[2:]]
    found = np.array(first + more)
    lira, rmia = found.mean(axis=1).T
    near = lira >= lira.max() - _SLACK[0]
    best = int(np.where(near, lira + rmia, -np.inf).argmax())
    # The best of many is better by chance, too: few models that act as targets tell little.
    gains = found[best] - found[0]
    error = gains.std(axis=0) / np.sqrt(max(1, len(gains) - 1))
    surely = gains.mean(axis=0) > np.maximum(slack, _ERRORS * error)
    return scales[best] if surely.any() else natural


def _typical_lead(answers: np.ndarray) -> float:
    """Return the median log-odds of a model's first class against its second; 0 without any."""
    first, second = -np.partition(-answers, 1, axis=-1)[..., :2].reshape(-1, 2).T
    with np.errstate(invalid="ignore"):
        lead = (first - second).astype(np.float64)
    lead = lead[np.isfinite(lead) & (lead > 1e-6)]
    return float(np.median(lead)) if len(lead) else 0.0


def _whole_blocks(kept: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return models of the first blocks, of those that were not lost."""
    size = int(np.count_nonzero(block == block[0])) if block[0] >= 0 else 1
    return kept[: max(2 * size, _MOST_MODELS // size * size)]


def _by_ranks(
    answers: np.ndarray, labels: np.ndarray, power: float, saturated: bool
) -> PosteriorScale:
    """Return the scale of log-odds of ranks, which whatever keeps the order leaves as it is."""
    phi = PosteriorScale(_LEAST, power).phi(answers, labels).astype(np.float32).ravel()
    share = (rankdata(phi) - 0.5) / len(phi)
    knots, first = np.unique(phi, return_index=True)
    some = np.unique(np.linspace(0, len(knots) - 1, _MOST_KNOTS).astype(int))
    return PosteriorScale(_LEAST, power, (knots[some], logit(share[first[some]])), saturated)


def _separations(phi: np.ndarray, trained: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return the AUC of LiRA and of RMIA on each reference that acts as a target."""
    phi = phi.astype(np.float32)
    out, in_ = (np.where(trained == side, phi, np.float32(np.nan)).T for side in (0, 1))
    found = []
    for acting in np.unique(np.linspace(0, len(phi) - 1, _MOST_ACTING).astype(int)):
        rows = ~np.isnan(trained[acting])
        member = trained[acting, rows] == 1
        own = np.flatnonzero(block == block[acting]) if block[acting] >= 0 else [acting]
        # Its block tells the answer.
        skip = int(own[0]), int(own[-1]) + 1
        sides = [Moments(phi[acting], side, skip) for side in (out, in_)]
        if not 0 < member.sum() < len(member) or any((s.count == 0).all() for s in sides):
            continue
        signal = phi[acting].astype(np.float64)
        ratio = GaussianRatio().fit(*sides).score(signal, *sides)
        means = np.stack([side.mean_probability for side in sides])
        there = ~np.isnan(means)
        mean = np.where(there, means, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        tiny = np.finfo(np.float64).tiny
        over_mean = -np.logaddexp(0, -signal) - np.log(np.maximum(mean, tiny))
        found.append([_auc(score[rows], member) for score in (ratio, over_mean)])
    return np.reshape(found, (-1, 2))


def _auc(score: np.ndarray, member: np.ndarray) -> float:
    n_members = int(member.sum())
    ranks = rankdata(score)[member].sum() - n_members * (n_members + 1) / 2
    return float(ranks / (n_members * (len(member) - n_members)))
