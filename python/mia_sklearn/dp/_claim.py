"""What is claimed: an epsilon and a delta, or a whole curve, given or stated by the model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from .._models._answers import name_of
from .._models._kinds import last_step
from ..stats import TradeOff, epsilon_bound, gaussian_dp_bound, gaussian_dp_epsilon, stretch_bound
from ._refits import MOST_FITS, fits_needed

__all__ = [
    "FAMILIES",
    "Claim",
    "check_fits",
    "check_reach",
    "claim_of",
    "counted_by",
    "has_a_curve",
    "stated_by",
    "warn_of_delta",
]

#: What a bound takes for granted of how the claimed privacy comes about.
FAMILIES = ("pure", "gaussian", "curve")
# One bound for each number of guesses and way to guess, as in `stats.one_run_epsilon`.
_N_CHOICES = 14
# Up to which it is tried how many canaries it takes; of the Gaussian family each try takes a while.
_MOST_CANARIES = {"pure": 2**24, "gaussian": 2**13, "curve": 2**13}


@dataclass(frozen=True)
class Claim:
    """The differential privacy that a mechanism is said to have.

    Attributes
    ----------
    epsilon, delta : float
    stated : bool
        Whether the model states it, so that the numbers after its training count.
    curve : TradeOff or None
        All that is claimed, of which epsilon and delta are one point; None where they are all.
    """

    epsilon: float
    delta: float
    stated: bool
    curve: TradeOff | None = None

    @property
    def families(self) -> tuple[str, ...]:
        """Those that can be asked about: without a delta no Gaussian noise has an epsilon."""
        if self.curve is not None:
            return ("pure", "curve")
        return ("pure", "gaussian") if self.delta > 0 else ("pure",)

    def known_as(self, family: str) -> str:
        """Return the family; before a training states its curve Gaussian noise stands for it."""
        return "gaussian" if family == "curve" and self.curve is None else family

    def guarantee(self, family: str) -> Any:
        """Return what fits are to refute in a family: the curve, or the pair."""
        return self.curve if family == "curve" else (self.epsilon, self.delta)

    def reach(self, family: str, n_canaries: int, confidence: float) -> float:
        """Return the bound that a run would give in which every guess is right.

        Of a curve as many claimed epsilons as the factor by which it has to be stretched.
        """
        confidence = 1 - (1 - confidence) / _N_CHOICES
        # As many are guessed to be in as out.
        n_guesses = n_canaries - n_canaries % 2
        counts = (n_canaries, n_guesses, n_guesses)
        if family == "pure":
            return epsilon_bound(*counts, delta=self.delta, confidence=confidence)
        if family == "curve" and self.curve is not None:
            return self.epsilon * stretch_bound(*counts, self.curve, confidence=confidence)
        mu = gaussian_dp_bound(*counts, confidence=confidence)
        return gaussian_dp_epsilon(mu, self.delta)

    def falls_by_refits(self, family: str, max_refits: int, confidence: float) -> bool:
        """Tell whether so many fits could refute the claim."""
        family = self.known_as(family)
        return fits_needed(self.guarantee(family), family, confidence, max_refits) is not None

    def fits_in_words(self, family: str, confidence: float) -> str:
        """Say how many fits could refute the claim."""
        family = self.known_as(family)
        needed = fits_needed(self.guarantee(family), family, confidence)
        return f"some {needed:,} fits" if needed else f"more than {MOST_FITS:,} fits"

    def needed_in_words(self, family: str, needed: int | None) -> str:
        """Say how many canaries could refute the claim."""
        if needed is not None:
            return f"it takes {needed:,} canaries or more"
        if family != "pure" or self.delta == 0:
            return f"it takes more than {_MOST_CANARIES[family]:,} canaries"
        return f"no number of canaries can, with delta={self.delta:g}"

    def needed(self, family: str, confidence: float) -> int | None:
        """Return the fewest canaries that could refute the claim; None where no number does."""
        # With a delta the reach first grows, then falls: chances of delta add up over canaries.
        low, high, last = 1, 2, 0.0
        while (reach := self.reach(family, high, confidence)) <= self.epsilon:
            if reach < last or high > _MOST_CANARIES[family]:
                return None
            low, high, last = high, math.ceil(1.5 * high), reach
        while high - low > 1:
            middle = (low + high) // 2
            if self.reach(family, middle, confidence) > self.epsilon:
                high = middle
            else:
                low = middle
        return high


def claim_of(estimator: Any, claimed: Any, n_records: int) -> Claim:
    """Return what is claimed, checked; of None what the estimator asks to be trained with.

    Raises
    ------
    ValueError
        If it is no claim, or there is none.
    """
    if claimed is None:
        return _own_claim(estimator, n_records)
    if (curve := _curve_of(claimed)) is not None:
        return _of_curve(curve, n_records)
    try:
        epsilon, delta = () if isinstance(claimed, (str, Mapping)) else tuple(claimed)
    except (TypeError, ValueError):
        raise ValueError(
            "claimed must be a pair (epsilon, delta), such as (1.0, 1e-5), an accountant or a "
            f"TradeOff, got {claimed!r}."
        ) from None
    return Claim(_epsilon(epsilon, "claimed[0], epsilon,"), _delta(delta), stated=False)


def _curve_of(claimed: Any) -> TradeOff | None:
    """Return the curve of an accountant, of several pairs or of a TradeOff; None of a pair."""
    if isinstance(claimed, (str, Mapping)):
        return None
    if isinstance(claimed, (list, tuple, np.ndarray)) and not (
        len(claimed) and isinstance(claimed[0], (list, tuple, np.ndarray))
    ):
        return None
    try:
        return TradeOff.of(claimed)
    except TypeError:
        return None
    except ValueError as error:
        raise ValueError(f"claimed: {error}") from None


def _of_curve(curve: TradeOff, n_records: int) -> Claim:
    """Return the claim of a curve, told by a delta that is small for so many records."""
    if curve.pairs is not None and len(curve.pairs) == 1:
        epsilon, delta = curve.pairs[0].tolist()
        return Claim(_epsilon(epsilon, "epsilon of claimed"), delta, stated=False)
    # A power of ten, as accountants are asked at.
    delta = 10.0 ** math.floor(math.log10(0.1 / n_records))
    if math.isinf(curve.epsilon(delta)) and curve.pairs is not None:
        delta = float(curve.pairs[-1, 1])
    epsilon = _epsilon(curve.epsilon(delta), f"epsilon of claimed at delta {delta:g}")
    return Claim(epsilon, delta, stated=False, curve=curve)


def has_a_curve(estimator: Any, claim: Claim) -> bool:
    """Tell whether all of a curve is claimed, or will be stated after the training."""
    return claim.curve is not None or (
        claim.stated and claim.delta > 0 and hasattr(last_step(estimator), "get_epsilon")
    )


def _own_claim(estimator: Any, n_records: int) -> Claim:
    last = last_step(estimator)
    known = last.get_params(deep=False) if hasattr(last, "get_params") else {}
    epsilon, delta = known.get("epsilon"), known.get("delta")
    if delta is None and hasattr(last, "delta_for"):
        delta = last.delta_for(n_records)
    if not isinstance(epsilon, Real) or type(last).__module__.startswith("sklearn."):
        # Some of scikit-learn's estimators have an epsilon of another kind.
        raise ValueError(
            f"claimed is None, and {name_of(last)} does not say which privacy it promises, as "
            "DPSGD does by its parameter epsilon: give claimed=(epsilon, delta)."
        )
    what = f"epsilon of {name_of(last)}"
    return Claim(_epsilon(epsilon, what), _delta(0.0 if delta is None else delta), stated=True)


def counted_by(estimator: Any) -> str:
    """Return what an estimator's claim counts as one step, as far as it is known."""
    last = last_step(estimator)
    of_others = "replace" if type(last).__module__.startswith("diffprivlib.") else "add"
    return str(getattr(last, "dp_neighbours", of_others))


def stated_by(model: Any, claim: Claim, family: str) -> Claim:
    """Return the claim with the numbers that a fitted model states in place of its parameters.

    Raises
    ------
    ValueError
        If they are no claim, or none that the family could have.
    """
    last = last_step(model)
    if not claim.stated:
        return claim
    # An epsilon_ alone may be of another kind: that of GaussianNB is added to variances.
    has_delta = hasattr(last, "delta_") or "delta" in last.get_params(deep=False)
    if not (hasattr(last, "epsilon_") and has_delta):
        return claim
    epsilon = _epsilon(last.epsilon_, f"epsilon_ of {name_of(last)}")
    delta = _delta(getattr(last, "delta_", claim.delta))
    if family == "gaussian" and delta == 0:
        raise ValueError(
            f"{name_of(last)} states delta_=0 after its training, and with delta=0 Gaussian noise "
            "has no epsilon. Use family='pure'."
        )
    stated = Claim(epsilon, delta, stated=True)
    if family != "curve":
        return stated
    curve = TradeOff.of(last)
    if curve.pairs is not None:
        told = f"what the accountant of {name_of(last)} says"
        curve = TradeOff(np.vstack([curve.pairs, (epsilon, delta)]), claim=told)
    return replace(stated, curve=curve)


def _epsilon(value: Any, name: str) -> float:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not 0 < number < math.inf:
        raise ValueError(
            f"{name} must be a finite number above 0, got {value!r}: an infinite one promises "
            "nothing, and 0 that the model does not depend on its records."
        )
    return number


def _delta(value: Any) -> float:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not 0 <= number < 1:
        raise ValueError(f"delta, the second of claimed, must lie in [0, 1), got {value!r}.")
    return number


def warn_of_delta(claim: Claim, n: int) -> bool:
    """Warn of a delta that allows to publish a record; tell whether there was reason to."""
    if claim.delta < 1 / n:
        return False
    warnings.warn(
        f"delta={claim.delta:g} is not below 1 / n_records = {1 / n:g}: publishing one of the "
        "records in full would keep this promise. It says next to nothing, true or not.",
        UserWarning,
        stacklevel=3,
    )
    return True


def check_reach(
    claim: Claim, family: str, n_canaries: int, confidence: float
) -> dict[str, int | None]:
    """Return of the other family how many canaries could refute the claim, where these cannot.

    Raises
    ------
    ValueError
        If they cannot in the family that decides, saying how many it takes.
    """
    family = claim.known_as(family)
    out_of_reach = {
        name: claim.needed(name, confidence)
        for name in claim.families
        if claim.reach(name, n_canaries, confidence) <= claim.epsilon
    }
    if family not in out_of_reach:
        return out_of_reach
    other = (
        " family='gaussian' asks for fewer, where the mechanism adds Gaussian noise."
        if family == "pure" and "gaussian" in claim.families and "gaussian" not in out_of_reach
        else ""
    )
    told = claim.needed_in_words(family, out_of_reach[family])
    raise ValueError(
        f"n_canaries={n_canaries:,} could not refute epsilon={claim.epsilon:g} even if every guess "
        f"were right (family={family!r}): {told}.{other} method='refits' takes "
        f"{claim.fits_in_words(family, confidence)} (max_refits), where one is cheap."
    )


def check_fits(claim: Claim, family: str, max_refits: int, confidence: float) -> None:
    """Refuse an audit by refits that could not refute the claim.

    Raises
    ------
    ValueError
        Says how many fits it takes.
    """
    if claim.falls_by_refits(family, max_refits, confidence):
        return
    raise ValueError(
        f"max_refits={max_refits:,} could not refute epsilon={claim.epsilon:g} even if each fit "
        f"told at once whether the canary was in (family={family!r}): it takes "
        f"{claim.fits_in_words(family, confidence)}. Give max_refits=, or method='one-run' with "
        "enough records."
    )
