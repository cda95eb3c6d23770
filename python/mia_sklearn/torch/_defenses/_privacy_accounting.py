"""What differential privacy costs, by the accountants of Opacus."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isnan, log, sqrt

import numpy as np

__all__ = ["PrivacyPlan", "check_opacus", "epsilon_spent", "quiet", "required_noise"]

# Of the accountant by numbers ("prv"), whose grid has to be as wide as epsilon is large.
_LARGEST_PRV = 100.0
# Relative and least error of that grid.
_GRID, _FINEST = 0.01, 0.002
# How close to epsilon the noise is searched, and where the search ends.
_TOLERANCE, _NARROWEST, _LOUDEST = 0.02, 1e-4, 1e6


@dataclass(frozen=True)
class PrivacyPlan:
    """How often and how strongly a training looks at its records."""

    epsilon: float
    delta: float
    sample_rate: float
    steps: int
    accountant: str

    @property
    def options(self) -> dict[str, float]:
        """What the accountant is told beside."""
        if self.accountant != "prv":
            return {}
        return {"eps_error": max(_GRID * self.epsilon, _FINEST)}


def check_opacus() -> None:
    """Raise if Opacus is absent, naming the extra that installs it."""
    try:
        import opacus  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "DPSGD needs Opacus, which is optional: pip install 'mia-sklearn[dp]'."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back those of Opacus's warnings that call for nothing."""
    with warnings.catch_warnings():
        # An accountant whose orders end too early states more than is spent, never less.
        warnings.filterwarnings("ignore", "Optimal order is the (largest|smallest) alpha")
        # A first layer's hooks fire although no gradient of the records is asked for.
        warnings.filterwarnings("ignore", "Full backward hook is firing")
        yield


@lru_cache(maxsize=256)
def required_noise(plan: PrivacyPlan) -> float:
    """Return the noise, as a multiple of the longest gradient, that uses up the epsilon of a plan.

    Not Opacus's own search: that tries far less noise than is needed, where an accountant is slow
    or cannot tell, and comes no closer.

    Raises
    ------
    ValueError
        If the accountant cannot tell, naming what to change.
    """
    if plan.epsilon == inf:
        return 0.0
    if plan.accountant == "prv" and plan.epsilon > _LARGEST_PRV:
        raise ValueError(
            f"epsilon={plan.epsilon:g} protects nothing, and accountant='prv' reckons up to "
            f"{_LARGEST_PRV:g}. Use epsilon=inf to clip without noise, or accountant='rdp'."
        )
    little, spent_little = 0.0, inf
    enough, spent = 1.0, epsilon_spent(plan, 1.0, plan.steps)
    while spent > plan.epsilon:
        little, spent_little = enough, spent
        enough, spent = 2 * enough, epsilon_spent(plan, 2 * enough, plan.steps)
        if enough > _LOUDEST:
            raise ValueError(
                f"No noise keeps to epsilon={plan.epsilon:g} and delta={plan.delta:g} by "
                f"accountant={plan.accountant!r}. Raise epsilon, or use accountant='prv'."
            )
    while spent < (1 - _TOLERANCE) * plan.epsilon and enough - little > _NARROWEST * enough:
        if little == 0:
            tried = enough / 2
        elif spent_little == inf:
            tried = sqrt(little * enough)
        else:
            # Both axes logarithmic, the curve is nearly straight.
            slope = log(spent / spent_little) / log(enough / little)
            aim = (1 - _TOLERANCE / 2) * plan.epsilon
            tried = enough * (aim / spent) ** (1 / slope)
            # Off the ends, so that either moves.
            tried = min(max(tried, little**0.9 * enough**0.1), little**0.1 * enough**0.9)
        found = epsilon_spent(plan, tried, plan.steps)
        if found <= plan.epsilon:
            enough, spent = tried, found
        else:
            little, spent_little = tried, found
    return enough


@lru_cache(maxsize=1024)
def epsilon_spent(plan: PrivacyPlan, noise: float, steps: int) -> float:
    """Return the epsilon of so many steps of a plan with some noise.

    It is infinite where the accountant cannot tell, for the noise is so small.
    """
    from opacus.accountants import create_accountant

    if noise == 0:
        return inf
    accountant = create_accountant(mechanism=plan.accountant)
    accountant.history = [(noise, plan.sample_rate, steps)]
    with quiet(), np.errstate(all="ignore"):
        try:
            spent = float(accountant.get_epsilon(delta=plan.delta, **plan.options))
        except (RuntimeError, ValueError):
            return inf
    return inf if isnan(spent) else spent
