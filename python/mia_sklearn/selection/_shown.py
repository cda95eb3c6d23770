"""A comparison of defenses as notebooks show it."""

from __future__ import annotations

import pandas as pd

from .._comparisons._comparison import Comparison, read_comparison
from .._process._notebook import badge, folded, paragraph, shown, table

__all__ = ["ComparisonFrame"]


class ComparisonFrame(pd.DataFrame):
    """What `compare_defenses` returns: a data frame; what is taken out of it is a plain one."""

    def _repr_html_(self) -> str | None:
        try:
            comparison = read_comparison(self)
        except ValueError:  # It was written to: it is a data frame all the same.
            return super()._repr_html_()  # type: ignore[misc]
        auc = f"{comparison.headline}_auc"
        head = (
            "Model",
            "R2 on others" if comparison.score == "R2" else "Accuracy on others",
            f"AUC of {comparison.headline}",
            "Fit time, relative",
        )
        rows = [
            (
                str(row["defense"]),
                _with_interval(row, "test_score"),
                _with_interval(row, auc),
                f"{row['fit_ratio']:.3g}" if "fit_ratio" in row else "",
            )
            for _, row in comparison.frame.iterrows()
        ]
        lost = [paragraph(f"{name}: {why}", before=badge("failed", "serious"))
                for name, why in comparison.lost.items()]  # fmt: skip
        return shown(
            "Defenses compared",
            paragraph(_in_words(comparison)),
            table("Defenses compared", head, rows, numbers=(1, 2, 3)),
            *lost,
            folded("All columns", super()._repr_html_()),  # type: ignore[misc]
        )


def _in_words(comparison: Comparison) -> str:
    before, best = comparison.undefended, comparison.best()
    auc = f"{comparison.headline}_auc"
    text = f"Without defense ({comparison.baseline}) the AUC is {before[auc]:.3f}."
    if not comparison.names_remedies:
        return f"{text} Altered answers alone may fool this attack: no defense is named a remedy."
    if best is None:
        return (
            f"{text} No defense surely lowers it at a cost of at most {comparison.affordable} of "
            f"{comparison.score}."
        )
    lower = before["test_score"] - best["test_score"]
    cost = f"{lower:.3f}" if comparison.score == "R2" else f"{100 * lower:.1f} points"
    cost = f"at a cost of {cost} of {comparison.score}" if lower > 0 else "at no cost"
    return (
        f"{text} {best['defense']} surely lowers it, to {best[auc]:.3f}, {cost}. Of several the "
        "best looks better than it is: audit it on other records."
    )


def _with_interval(row: pd.Series, name: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if pd.isna(low) or pd.isna(high):
        return f"{row[name]:.3f}"
    return f"{row[name]:.3f} ({low:.3f} to {high:.3f})"
