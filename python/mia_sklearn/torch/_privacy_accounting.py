"""What differential privacy costs, by the accountants of Opacus."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import inf

__all__ = ["PrivacyPlan", "check_opacus", "epsilon_spent", "quiet", "required_noise"]

# Of the accountant by numbers ("prv"), whose grid has to be as wide as epsilon is large.
_LARGEST_PRV = 100.0
# Relative and least error of that grid, and how close to epsilon the noise is searched.
_GRID, _FINEST, _TOLERANCE = 0.01, 0.002, 0.02


@dataclass(frozen=True)
class PrivacyPlan:
    """How often and how strongly a training looks at its records."""

    epsilon: float
    delta: float
    sample_rate: float
    steps: int
    accountant: str

    @property
    def grid(self) -> float:
        return max(_GRID * self.epsilon, _FINEST)


def check_opacus() -> None:
    """Raise if Opacus is absent.

    Raises
    ------
    ImportError
        Names the extra that installs it.
    """
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
        # The logarithm of the chance to be left out where every record is in every batch.
        warnings.filterwarnings("ignore", "divide by zero encountered in log", RuntimeWarning)
        # A first layer's hooks fire although no gradient of the records is asked for.
        warnings.filterwarnings("ignore", "Full backward hook is firing")
        yield


@lru_cache(maxsize=256)
def required_noise(plan: PrivacyPlan) -> float:
    """Return the least noise, as a multiple of the largest gradient, that keeps to a plan.

    Raises
    ------
    ValueError
        If the accountant cannot tell, naming what to change.
    """
    from opacus.accountants.utils import get_noise_multiplier

    if plan.epsilon == inf:
        return 0.0
    if plan.accountant == "prv" and plan.epsilon > _LARGEST_PRV:
        raise ValueError(
            f"epsilon={plan.epsilon:g} protects nothing, and accountant='prv' reckons up to "
            f"{_LARGEST_PRV:g}. Use epsilon=inf to clip without noise, or accountant='rdp'."
        )
    try:
        with quiet():
            return get_noise_multiplier(
                target_epsilon=plan.epsilon,
                target_delta=plan.delta,
                sample_rate=plan.sample_rate,
                steps=plan.steps,
                accountant=plan.accountant,
                epsilon_tolerance=_TOLERANCE * plan.epsilon,
                eps_error=plan.grid,
            )
    except ValueError as error:
        raise ValueError(
            f"No noise keeps to epsilon={plan.epsilon:g} and delta={plan.delta:g} by "
            f"accountant={plan.accountant!r}: {error} Raise epsilon, or use accountant='prv'."
        ) from error


def epsilon_spent(plan: PrivacyPlan, noise: float, steps: int) -> float:
    """Return the epsilon of so many steps of a plan with some noise."""
    from opacus.accountants import create_accountant

    if noise == 0:
        return inf
    accountant = create_accountant(mechanism=plan.accountant)
    accountant.history = [(noise, plan.sample_rate, steps)]
    with quiet():
        return float(accountant.get_epsilon(delta=plan.delta, eps_error=plan.grid))
