"""What a model gives away of a feature, beyond what the other features tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import Estimate
from ..stats import Difference, paired_difference, unpaired_difference
from ..stats._advantage import wilson_interval
from ..stats._checks import check_level

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AttributeReport", "Guesses"]


@dataclass(frozen=True)
class Guesses:
    """Who guessed what of some records.

    Attributes
    ----------
    truth : ndarray of shape (n_records,)
        Position of each record's value among the candidates; -1 for another value.
    by : dict of str to ndarray of shape (n_records,)
        Positions guessed by each attack and by the imputation.
    """

    truth: np.ndarray
    by: dict[str, np.ndarray]

    def right(self, name: str) -> np.ndarray:
        return self.by[name] == self.truth


@dataclass(frozen=True)
class AttributeReport:
    """Guesses of a feature by attacks on a model, and without the model.

    Attributes
    ----------
    feature : label
    values : ndarray of shape (n_values,)
        The candidates.
    confidence : float
        Of all intervals, two-sided.
    members, nonmembers : Guesses
        The guesses themselves.
    on_members : Estimate
        Accuracy of the learned attack less that of the imputation, on members.
    on_nonmembers : Estimate
        The same on non-members: what the model has learned of people in general.
    difference : Estimate
        `on_members` less `on_nonmembers`: what it has learned of its own records.
    overridden : float
        Share of the members for whom the attack guesses otherwise than the imputation.
    right_when_overridden : float
        Share of those for whom the attack's guess is right; NaN where there are none.
    """

    feature: Any
    values: np.ndarray
    confidence: float
    members: Guesses = field(repr=False)
    nonmembers: Guesses = field(repr=False)

    @property
    def on_members(self) -> Estimate:
        return self._estimate(self._gain("learned", self.members), members=True)

    @property
    def on_nonmembers(self) -> Estimate:
        return self._estimate(self._gain("learned", self.nonmembers), nonmembers=True)

    @property
    def difference(self) -> Estimate:
        return self._estimate(self._difference("learned"), members=True, nonmembers=True)

    @property
    def leaks(self) -> bool:
        """Whether the lower ends of `on_members` and of `difference` are both above 0."""
        return self.on_members.low > 0 and self.difference.low > 0

    @property
    def overridden(self) -> float:
        return float(self._overridden().mean())

    @property
    def right_when_overridden(self) -> float:
        rows = self._overridden()
        return float(self.members.right("learned")[rows].mean()) if rows.any() else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """Return all figures, one per row.

        Returns
        -------
        DataFrame
            Columns "attack", "records" ("members", "non-members" or "difference" of the two),
            "figure" ("accuracy", or "above imputation": accuracy less that of the imputation),
            "value", "low", "high".
        """
        import pandas as pd

        columns = ["attack", "records", "figure", "value", "low", "high"]
        return pd.DataFrame(list(self._rows()), columns=columns)

    def __str__(self) -> str:
        n_members, n_nonmembers = len(self.members.truth), len(self.nonmembers.truth)
        lines = [
            f"Attribute inference: {self.feature!r}, {len(self.values)} candidate values; "
            f"{n_members:,} members, {n_nonmembers:,} non-members",
            self._verdict(),
            self._overrides(),
            "",
            f"{'':12} {'members':>8} {'non-members':>12}   {'above imputation':25} difference",
        ]
        for name in self.members.by:
            accuracy = [side.right(name).mean() for side in (self.members, self.nonmembers)]
            line = f"{name:12} {accuracy[0]:8.3f} {accuracy[1]:12.3f}"
            if name != "imputation":
                gain = _signed(self._gain(name, self.members))
                line += f"   {gain:25} {_signed(self._difference(name))}"
            lines.append(line)
        lines.append(f"Above imputation: on members. Intervals of {self.confidence:.0%}.")
        return "\n".join(lines)

    def _verdict(self) -> str:
        if self.leaks:
            return (
                f"Leakage: the model gives away {self.feature!r} of records that it was trained on."
            )
        if self.on_members.low > 0:
            return (
                "No leakage of its training records shown: the model may tell as much of other "
                "people."
            )
        return "No leakage shown: the attack is not shown to beat the other features alone."

    def _overrides(self) -> str:
        if not self.overridden:
            return "The attack never overrides the guess from the other features."
        return (
            "The attack overrides the guess from the other features for "
            f"{_percent(self.overridden)} of members, right in "
            f"{_percent(self.right_when_overridden)} of those."
        )

    def _overridden(self) -> np.ndarray:
        return self.members.by["learned"] != self.members.by["imputation"]

    def _gain(self, name: str, side: Guesses) -> Difference:
        right, imputed = side.right(name), side.right("imputation")
        return paired_difference(right, imputed, confidence=self.confidence)

    def _difference(self, name: str) -> Difference:
        return unpaired_difference(*(self._gain(name, s) for s in (self.members, self.nonmembers)))

    def _estimate(
        self, found: Difference, *, members: bool = False, nonmembers: bool = False
    ) -> Estimate:
        n_members = len(self.members.truth) if members else 0
        n_nonmembers = len(self.nonmembers.truth) if nonmembers else 0
        return Estimate(*found, n_members=n_members, n_nonmembers=n_nonmembers)

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        sides = {"members": self.members, "non-members": self.nonmembers}
        for name in self.members.by:
            for records, side in sides.items():
                yield name, records, "accuracy", *self._accuracy(side.right(name))
            if name != "imputation":
                for records, side in sides.items():
                    yield name, records, "above imputation", *self._gain(name, side)
                yield name, "difference", "above imputation", *self._difference(name)

    def _accuracy(self, right: np.ndarray) -> tuple[float, float, float]:
        from scipy.special import ndtri

        z = float(ndtri(0.5 + check_level(self.confidence, "confidence") / 2))
        value, low, high = wilson_interval(np.count_nonzero(right), len(right), z)
        return float(value), float(low), float(high)


def _signed(found: Difference) -> str:
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.01 else f"{share:.0%}"
