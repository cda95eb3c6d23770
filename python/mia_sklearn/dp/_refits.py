"""A claim of differential privacy tested by fits with and without a record, one after another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .._process._progress import progress_bar
from ..stats import BettingTests, TradeOff, gaussian_dp_mu, stretched, stretched_epsilon
from ..stats._checks import check_level

__all__ = ["MOST_FITS", "RefitsResult", "bet_on_refits", "fits_needed", "run_refits"]

#: Up to which it is tried how many fits a claim takes.
MOST_FITS = 50_000

# Guarantees that the bound is read from; ten thousand refits show no larger ones.
_EPSILONS = np.geomspace(0.05, 12, 96)
_MUS = np.geomspace(0.05, 8, 96)
_FACTORS = np.geomspace(0.05, 8, 64)
_DELTA = 1e-5
_FAMILIES = ("pure", "gaussian", "curve")
_ASSUMED = {
    "pure": "",
    "gaussian": ", if the noise is Gaussian",
    "curve": ", if the true curve has the shape of the claimed one",
}


@dataclass(frozen=True, eq=False)
class RefitsResult:
    """What fits with and without a record say of a claim.

    Attributes
    ----------
    refuted : bool
        Whether the claim cannot be true, at this confidence.
    bound : float
        Lower bound on epsilon at `delta`, at this confidence; 0 where nothing is shown. Where the
        fits ended as soon as the claim was refuted, little more than that.
    mu : float or None
        The bound as the mu of Gaussian differential privacy, for `family="gaussian"`.
    e_value : float
        Largest capital that bets against the claim reached. It is 1/p or more with probability
        at most p if the claim is true.
    n_refits, n_with : int
        Fits in all, and those with the record.
    claimed : TradeOff
        What was tested.
    family : {"pure", "gaussian", "curve"}
        What the bound assumes.
    delta, confidence : float
    """

    refuted: bool
    bound: float
    mu: float | None
    e_value: float
    n_refits: int
    n_with: int
    claimed: TradeOff
    family: str
    delta: float
    confidence: float

    def __str__(self) -> str:
        said = "refuted" if self.refuted else "not refuted"
        bound = f"epsilon at least {self.bound:.3g} at delta {self.delta:g}{_ASSUMED[self.family]}"
        return (
            f"{self.claimed.claim} is {said} at {100 * self.confidence:g} % confidence by "
            f"{self.n_refits:,} fits, {self.n_with:,} of them with the record: e-value "
            f"{self.e_value:.3g}, {bound}."
        )


def run_refits(
    fit_and_score: Callable[[bool, int], float],
    claimed: Any,
    *,
    family: str = "pure",
    delta: float | None = None,
    max_refits: int = 1_000,
    confidence: float = 0.95,
    random_state: Any = None,
    progress: bool = True,
) -> RefitsResult:
    """Fit again and again, with a record or without it by a coin, until the claim is refuted.

    Parameters
    ----------
    fit_and_score : callable (member, seed) -> float
        Fits on the data with the record (`member` true) or on the neighbouring data without it,
        and returns a number read from the fitted model: the loss of the record, a coefficient, a
        projection. Which values speak for the record is learned as the fits go on.
    claimed : pair, TradeOff or accountant
        (epsilon, delta), or what else `TradeOff.of` reads.
    family : {"pure", "gaussian", "curve"}, default="pure"
        "pure" assumes nothing. "gaussian" takes the noise to be Gaussian: a pair that is claimed
        is read as the Gaussian differential privacy that has it, which is refuted sooner, and the
        bound is one on mu. Of another mechanism both can be wrong. "curve" takes the true curve
        for one of the shape of that which is claimed, an accountant's or a `TradeOff`: the bound
        is of those stretched, and the refutation assumes nothing.
    delta : float, default=None
        Where the bound on epsilon is read; that of a pair, 1e-5 otherwise.
    max_refits : int, default=1000
        Fits at most.
    confidence : float, default=0.95
        Of the refutation, and of the bound, each by itself.
    random_state : int, RandomState or None, default=None
        Draws the coins, and a seed for each fit.
    progress : bool, default=True
        Show how far the work is.

    Returns
    -------
    RefitsResult

    Raises
    ------
    TypeError
        If `claimed` is no guarantee.
    ValueError
        If an option is out of range, so many fits could not refute the claim whatever they show,
        or a score is not finite.

    See Also
    --------
    mia_sklearn.stats.BettingTests : The test, which may end at any time.

    Notes
    -----
    The claim is one for data that differ by this record: as it counts neighbours, the record is
    added, or put in the place of another one. A true claim is refuted with probability
    `1 - confidence` at most, however often one looks. What is not refuted is not proven: another
    record, or another number read from the model, may show more.

    The bound comes from tests of many guarantees on the same fits: it is the largest of those
    refuted from the weakest on without a gap, so that it exceeds the truth only if a true
    guarantee is refuted.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.dp import run_refits
    >>> def noisy_sum(member, seed):
    ...     return float(member) + np.random.default_rng(seed).laplace()
    >>> run_refits(noisy_sum, (1.0, 0.0), random_state=0, progress=False).refuted
    False
    >>> result = run_refits(noisy_sum, (0.4, 0.0), random_state=0, progress=False)
    >>> result.refuted, result.n_refits < 1000
    (True, True)
    """
    confidence = check_level(confidence, "confidence")
    if isinstance(max_refits, bool) or not isinstance(max_refits, Integral) or max_refits < 1:
        raise ValueError(f"`max_refits` must be a whole number of at least 1, got {max_refits!r}.")
    claim, delta = _tested(TradeOff.of(claimed), family, delta)
    if fits_needed(claim, family, confidence, max_refits) is None:
        needed = fits_needed(claim, family, confidence)
        remedy = (
            f"it takes max_refits={needed:,} or more"
            if needed
            else f"{MOST_FITS:,} fits do not suffice either, and a smaller claim can be tested"
        )
        raise ValueError(
            f"`max_refits`={max_refits:,} could not refute {claim.claim} even if each fit told at "
            f"once whether the record was in (family={family!r}): {remedy}."
        )
    return bet_on_refits(
        fit_and_score,
        claim,
        family=family,
        delta=delta,
        max_refits=max_refits,
        confidence=confidence,
        random_state=random_state,
        progress=progress,
    )


def bet_on_refits(
    fit_and_score: Callable[[bool, int], float],
    claimed: Any,
    *,
    family: str,
    delta: float | None,
    max_refits: int,
    confidence: float,
    random_state: Any,
    progress: bool,
) -> RefitsResult:
    """Do the same of checked options, also where the claim cannot fall: for its bound alone."""
    tested, delta = _tested(TradeOff.of(claimed), family, delta)
    weaker = _weaker(tested, family, delta)
    tests = BettingTests([tested, *weaker])
    enough = math.log(1 / (1 - confidence))
    rng = check_random_state(random_state)
    n_with = 0
    with progress_bar(total=max_refits, desc="refits", unit="fit", disable=not progress) as bar:
        while tests.n_scores < max_refits and tests.log_peak[0] < enough:
            member, seed = bool(rng.randint(2)), int(rng.randint(2**31 - 1))
            score = float(fit_and_score(member, seed))
            if not math.isfinite(score):
                raise ValueError(
                    f"fit_and_score({member}, {seed}) returned {score}: a finite number is needed."
                )
            tests.add(member, score)
            n_with += member
            bar.update(1)
    refuted = tests.log_peak >= enough
    # The first that stands ends the row: whatever is refuted beyond it by chance is not counted.
    n_refuted = len(weaker) if refuted[1:].all() else int(refuted[1:].argmin())
    last = weaker[n_refuted - 1] if n_refuted else TradeOff.gaussian(0.0)
    bound = last.epsilon(delta)
    if family == "curve" and n_refuted:
        bound = stretched_epsilon(tested, float(_FACTORS[n_refuted - 1]), delta)
    return RefitsResult(
        refuted=bool(refuted[0]),
        bound=bound,
        mu=last.mu if family == "gaussian" else None,
        e_value=math.exp(min(700.0, float(tests.log_peak[0]))),
        n_refits=tests.n_scores,
        n_with=n_with,
        claimed=tested,
        family=family,
        delta=delta,
        confidence=confidence,
    )


def fits_needed(claimed: Any, family: str, confidence: float, most: int = MOST_FITS) -> int | None:
    """Return after how many fits a claim falls where each tells at once whether the record was in.

    Parameters
    ----------
    claimed, family, confidence
        As of `run_refits`.
    most : int
        Fits at most.

    Returns
    -------
    int or None
        None where that many do not suffice.
    """
    tested, _ = _tested(TradeOff.of(claimed), family, None)
    test, enough = BettingTests([tested]), math.log(1 / (1 - confidence))
    while test.n_scores < most:
        member = test.n_scores % 2 == 0
        test.add(member, float(member))
        if test.log_peak[0] >= enough:
            return test.n_scores
    return None


def _weaker(tested: TradeOff, family: str, delta: float) -> list[TradeOff]:
    """Return the guarantees that a bound is read from, the strictest first."""
    if family == "gaussian":
        return [TradeOff.gaussian(mu) for mu in _MUS.tolist()]
    if family == "curve":
        return [stretched(tested, factor) for factor in _FACTORS.tolist()]
    return [TradeOff.approximate(epsilon, delta) for epsilon in _EPSILONS.tolist()]


def _tested(claim: TradeOff, family: str, delta: float | None) -> tuple[TradeOff, float]:
    """Return the guarantee to test, and the delta at which the bound is read."""
    if family not in _FAMILIES:
        raise ValueError(f"`family` must be one of {', '.join(_FAMILIES)}; got {family!r}.")
    single = None if claim.pairs is None or len(claim.pairs) > 1 else claim.pairs[0].tolist()
    if delta is None:
        delta = _DELTA if single is None else single[1]
    if family == "curve" and single is not None:
        raise ValueError(
            "family='curve' needs a whole curve: give an accountant, several pairs or "
            "TradeOff.gaussian(mu) as `claimed`, or leave family='pure'."
        )
    if not 0 <= delta < 1 or (family == "gaussian" and delta == 0):
        raise ValueError(
            f"`delta` must lie in [0, 1), above 0 for family='gaussian'; got {delta!r}."
        )
    if family == "gaussian" and single is not None:
        epsilon, of_claim = single
        if of_claim == 0:
            raise ValueError(
                "family='gaussian' needs a claimed delta above 0: with Gaussian noise "
                "no epsilon holds at delta 0."
            )
        claim = TradeOff.gaussian(gaussian_dp_mu(epsilon, of_claim))
    return claim, delta
