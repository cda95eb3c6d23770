"""What a model's structure says of the risk: a table, findings, and the ways to read them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .._process._notebook import folded, paragraph, shown, table
from .._process._printable import printable
from ._encoding import dumps, encode_rows
from ._finding import Finding, in_html, in_order
from ._markdown import escape, findings_in_markdown, table_in_markdown
from ._structure import structure_in_words
from ._text import findings_in_text, structure_in_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StructuralReport"]

_LIMITS = (
    "Estimates from the model's structure, in seconds: `audit` attacks the model and measures what "
    "is given away."
)
_HEAD = ("Measure", "Value", "Error", "Band", "", "Meaning")
_CELLS = ("measure", "value", "error", "band", "tells", "meaning")


@dataclass(eq=False, repr=False)
class StructuralReport:
    """The result of `mia_sklearn.structural_risk`.

    Parameters
    ----------
    measures : DataFrame
        One row per measure: ``measure`` (its name), ``value`` (NaN where it cannot be computed),
        ``error`` (by how much it may be off at 95 % confidence; of ``ks`` the noise floor),
        ``band``, ``predicts`` (whether it was found to predict risk) and ``meaning`` (in words;
        the reason where there is no value).
    findings : list of Finding
        The gravest first.
    info : dict
        ``model``, ``release``, ``n_train`` and ``n_test``.

    See Also
    --------
    mia_sklearn.structural_risk : Makes a report.
    """

    measures: pd.DataFrame
    findings: list[Finding]
    info: dict[str, Any]

    def __post_init__(self) -> None:
        self.findings = in_order(self.findings)

    @property
    def summary(self) -> str:
        """The gravest finding, or that there is none, and the distance of losses, in a sentence."""
        gravest = self.findings[:1]
        said = f"{gravest[0].title}." if gravest else "Nothing was found in the model's structure."
        distance = next(
            row for row in structure_in_words(self.measures) if row["measure"].endswith("(KS)")
        )
        if distance["band"] and (not gravest or gravest[0].code != "LOSS_GAP"):
            errors = "residual_ratio" in set(self.measures["measure"])
            losses = "Errors" if errors else "Losses"
            said += f" {losses} lie {distance['value']} apart ({distance['band']})."
        return printable(said)

    def to_markdown(self) -> str:
        """Return the report as Markdown, for job summaries and reviews.

        Returns
        -------
        str
        """
        rows = structure_in_words(self.measures)
        parts = [
            f"# {escape(self._title)}",
            f"**{escape(self.summary)}**",
            "## What was found",
            *(findings_in_markdown(self.findings) or ["No findings."]),
            "## Measures",
            table_in_markdown(_HEAD, [[row[name] for name in _CELLS] for row in rows]),
            escape(_LIMITS),
        ]
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> str:
        """Return the report as JSON, for programs.

        Returns
        -------
        str
            An object of ``summary``, ``info``, ``findings`` and ``measures``, each a list of
            objects in the latter two. What cannot be computed is null; what has no end,
            ``{"": "inf"}``.
        """
        content = {
            "summary": self.summary,
            "info": self.info,
            "findings": [asdict(finding) for finding in self.findings],
            "measures": encode_rows(self.measures)[1],
        }
        return dumps(content)

    @property
    def _title(self) -> str:
        return (
            f"Structural risk of {self.info['model']}, released as {self.info['release']}: "
            f"{self.info['n_train']:,} training and {self.info['n_test']:,} other records"
        )

    def __repr__(self) -> str:
        return printable(
            f"<StructuralReport of {self.info['model']}: {len(self.measures)} measures, "
            f"{len(self.findings)} findings>"
        )

    def __str__(self) -> str:
        parts = [
            self.summary,
            printable(self._title),
            findings_in_text(self.findings),
            structure_in_text(structure_in_words(self.measures)),
            _LIMITS,
        ]
        return "\n\n".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        rows = structure_in_words(self.measures)
        cells = [[row[name] for name in _CELLS] for row in rows]
        return shown(
            self._title,
            paragraph(self.summary),
            in_html(self.findings),
            folded("Measures", table("Measures", _HEAD, cells, numbers=(1, 2))),
            paragraph(_LIMITS),
        )
