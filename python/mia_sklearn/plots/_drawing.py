"""What all displays draw with."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's colours, which people with colour blindness tell apart; line styles repeat them.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
MEMBER, NONMEMBER = "#D55E00", "#0072B2"


def axes_or_new(ax: Any) -> Any:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(5.6, 4.4), layout="constrained")[1]


def plain_text(name: str) -> str:
    """Return a name that matplotlib prints as it is: a dollar sign would start a formula."""
    return name.replace("$", r"\$")
