"""Reading a comparison of defenses: which columns it has, and which defense did best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..attacks._registry import headline_of, strongest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AFFORDABLE", "Comparison", "headline_column", "read_comparison", "score_name"]

# What a defense may cost, in accuracy or in R2, to be called a remedy.
AFFORDABLE = 0.02


@dataclass(frozen=True)
class Comparison:
    """A comparison of defenses, checked.

    Attributes
    ----------
    frame : DataFrame
        The models that did not fail.
    headline : str
        The attack that they are compared by.
    baseline : str
        The model without defense.
    lost : dict of str to str
        The models that failed, and why.
    """

    frame: pd.DataFrame
    headline: str
    baseline: str
    lost: dict[str, str]

    @property
    def names_remedies(self) -> bool:
        """Whether the attack is an audit's: altered answers alone may fool a weaker one."""
        return self.headline == strongest()

    @property
    def score(self) -> str:
        """What the score is: "accuracy", or "R2" of regressors."""
        return score_name(self.frame)

    def points(self, score: float) -> str:
        """Return a score in words: accuracies in percent, R2 as it is."""
        return f"{score:.3f}" if self.score == "R2" else f"{100 * score:.1f} %"

    @property
    def affordable(self) -> str:
        """What a remedy may cost, in words."""
        return f"{AFFORDABLE:g}" if self.score == "R2" else f"{100 * AFFORDABLE:g} points"

    @property
    def undefended(self) -> pd.Series:
        return self.frame[self.frame["defense"] == self.baseline].iloc[0]

    @property
    def n_defenses(self) -> int:
        return len(self.frame) - 1

    def best(self) -> pd.Series | None:
        """Return the affordable defense of the least AUC, if it surely lowers it.

        Intervals that do not meet are the price of choosing the best: two of 95 % part by chance
        in 3 of 1,000 cases, which pays for 17 defenses.
        """
        before, auc = self.undefended, f"{self.headline}_auc"
        others = self.frame[self.frame["defense"] != self.baseline]
        affordable = others["test_score"] >= before["test_score"] - AFFORDABLE - 1e-12
        lower = others[f"{auc}_high"] < before[f"{auc}_low"]
        found = others[affordable & lower].sort_values([auc, "test_score"], ascending=[True, False])
        return found.iloc[0] if len(found) else None


def read_comparison(frame: Any) -> Comparison:
    """Check what `compare_defenses` returned, or a copy of it.

    Parameters
    ----------
    frame : DataFrame

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If it is something else, lacks a column or the baseline, or holds one model only.
    """
    hint = "give the frame that mia_sklearn.selection.compare_defenses returns"
    if not (hasattr(frame, "columns") and hasattr(frame, "attrs")):
        raise ValueError(f"comparison must be a data frame, got {type(frame).__name__}: {hint}.")
    names = [str(name) for name in frame.columns]
    auc = headline_column(frame)
    needed = ["defense", "parameters", "test_score", auc, f"{auc}_low", f"{auc}_high"]
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(f"comparison lacks {', '.join(map(repr, missing))}: {hint}.")
    measured = frame[frame[[f"{auc}_low", f"{auc}_high", "test_score"]].notna().all(axis=1)]
    if len(measured) < 2:
        raise ValueError(
            f"comparison holds {len(measured)} model(s) with numbers: compare the model with at "
            "least one defense."
        )
    baseline = frame.attrs.get("baseline", str(frame["defense"].iloc[0]))
    if baseline not in set(measured["defense"]):
        raise ValueError(
            f"comparison holds no numbers of its baseline {baseline!r}, which the defenses are "
            "compared with."
        )
    return Comparison(measured, auc.removesuffix("_auc"), str(baseline), _lost(frame, measured))


def _lost(frame: pd.DataFrame, measured: pd.DataFrame) -> dict[str, str]:
    """Return the models without numbers, those that a frame no longer holds included."""
    rows = frame.loc[~frame.index.isin(measured.index)]
    errors = rows["error"] if "error" in rows else [""] * len(rows)
    found = {str(name): str(error) for name, error in zip(rows["defense"], errors, strict=True)}
    return found | {str(name): str(why) for name, why in frame.attrs.get("lost", {}).items()}


def score_name(frame: pd.DataFrame) -> str:
    """Return what the test score of a comparison is; by a column, which files keep too."""
    return "R2" if "mae" in frame.columns else "accuracy"


def headline_column(frame: pd.DataFrame) -> str:
    """Return the column of the AUC by which models are compared.

    Raises
    ------
    ValueError
        If there is no AUC.
    """
    attacks = [str(name)[: -len("_auc")] for name in frame.columns if str(name).endswith("_auc")]
    # A frame that was stored in a file has lost what was said beside it.
    named = frame.attrs.get("headline")
    if named is None and not attacks:
        raise ValueError(
            "comparison lacks an AUC: give the frame that mia_sklearn.selection.compare_defenses "
            "returns."
        )
    return f"{named or headline_of(attacks)}_auc"
