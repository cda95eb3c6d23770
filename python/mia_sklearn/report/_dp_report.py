"""What an audit of differential privacy found: bounds, findings, and the ways to read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .._process._notebook import Tone, badge, folded, paragraph, shown, table
from .._process._printable import printable
from ._finding import Finding, Findings, in_html
from ._markdown import escape, findings_in_markdown, table_in_markdown
from ._tables_page import PageTable
from ._tables_report import TablesReport
from ._text import findings_in_text, table_in_text
from ._wording import percent

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DPAuditReport"]

_HEAD = ("Score", "Family", "Epsilon at least", "Above the claim", "Takes for granted")
_TONES: dict[str, Tone] = {
    "refuted": "serious",
    "not refuted": "quiet",
    "undecided": "warning",
}
# What a claim counts as one step.
_STEPS = {
    "add": "a record added or left out",
    "replace": "a record put in the place of another",
}
_GIVEN = {
    "pure": "",
    "gaussian": " (if the noise is Gaussian)",
    "curve": " (if its curve has the shape of the claimed one)",
}
_LIMITS = (
    "A claim that is not refuted is not proved: other canaries, other scores or more of them may "
    "show more. What holds is the bound. It speaks of the training as it was run here, its code "
    "and its parameters, and of no other; of the neighbours named; in the Gaussian family, of "
    "noise like that alone; and in that of a claimed curve, of curves of its shape alone, which "
    "the verdict does not need."
)


@dataclass(eq=False, repr=False)
class DPAuditReport(TablesReport):
    """The result of `mia_sklearn.audit_dp`.

    `save` writes it as a page for people, a file for programs and a list of canaries, and `load`
    reads it back.

    Parameters
    ----------
    bounds : DataFrame
        One row per score and family: ``score``, ``family`` ("pure", "gaussian" or "curve"),
        ``epsilon`` (what it is at least, at the stated confidence; 0 where nothing is shown),
        ``refutes`` (whether the claim cannot be true), ``decides`` (whether the verdict rests on
        it, fixed before the training) and ``assumes`` (in words).
    canaries : DataFrame
        One row per canary: ``included``, and the scores, higher meaning included. With refits
        one row per fit. None of a report that was saved without them.
    findings : list of Finding
    info : dict
        ``estimator``, ``epsilon`` and ``delta`` (claimed), ``curve`` (whose, where all of one is
        claimed), ``stated`` (whether the model stated them), ``method``, ``chosen`` (why),
        ``family`` (that decides), ``canaries`` (their kind), ``neighbours``, ``confidence``,
        ``n_records``, ``n_canaries``, ``n_included``, ``n_fits``, ``auc``,
        ``auc_low`` and ``auc_high`` (of the score that decides), ``seconds``.

    See Also
    --------
    mia_sklearn.audit_dp : Makes a report.
    """

    bounds: pd.DataFrame
    canaries: pd.DataFrame | None
    findings: list[Finding]
    info: dict[str, Any]

    _KIND = "dp"
    _KIND_IN_WORDS = "A claim, held against trainings with canaries"
    _LIMITS = _LIMITS
    _LISTED = "canaries"
    _NUMBERS: ClassVar[dict[str, Sequence[str]]] = {
        "bounds": ["epsilon", "refutes", "decides"],
        "canaries": ["included"],
    }

    def __post_init__(self) -> None:
        self.findings = Findings(self.findings)

    @property
    def epsilon(self) -> float:
        """What epsilon is at least, by the bound that decides."""
        return float(self.bounds["epsilon"][self.bounds["decides"]].iloc[0])

    @property
    def gap(self) -> float:
        """The claimed epsilon less what was shown of it: negative where the claim is refuted."""
        return float(self.info["epsilon"] - self.epsilon)

    @property
    def outcome(self) -> Literal["refuted", "not refuted", "undecided"]:
        """What is said of the claim; "undecided" where the canaries could not be seen at all."""
        if bool(self.bounds["refutes"][self.bounds["decides"]].iloc[0]):
            return "refuted"
        unseen = any(finding.qualifies for finding in self.findings)
        return "undecided" if unseen else "not refuted"

    @property
    def summary(self) -> str:
        """The verdict, in a sentence or two."""
        info = self.info
        claim = f"epsilon {info['epsilon']:.4g} at delta {info['delta']:.3g}"
        if info["curve"] is not None:
            claim = f"{info['curve']}, {claim} among it"
        at = f"at {percent(info['confidence'])} confidence"
        given = _GIVEN[info["family"]]
        if self.outcome == "refuted":
            # Refits end as soon as the claim falls.
            more = "more than that" if info["method"] == "refits" else f"{self.epsilon:.3g} or more"
            return printable(
                f"The claim, {claim}, is refuted: {info['estimator']} has an epsilon of {more}"
                f"{given}, {at}."
            )
        if self.outcome == "undecided":
            return printable(
                f"Nothing can be said of the claim, {claim}: the canaries could not be told apart, "
                "and an audit in which they cannot would not notice a false claim."
            )
        return printable(
            f"The claim is not refuted, which is no proof of it: {self.epsilon:.3g} of {claim} is "
            f"shown{given}, {at}."
        )

    def to_markdown(self) -> str:
        """Return the report as Markdown, for job summaries and reviews.

        Returns
        -------
        str
        """
        parts = [
            f"# {escape(self._title)}",
            f"**{escape(self.summary)}**",
            "## What was found",
            *(findings_in_markdown(self.findings) or ["No findings."]),
            "## Bounds",
            table_in_markdown(_HEAD, self._rows()),
            escape(self._counts),
            escape(_LIMITS),
        ]
        return "\n\n".join(parts) + "\n"

    @property
    def _tone(self) -> str:
        return {"refuted": "shown", "undecided": "open"}.get(self.outcome, "")

    def _page_tables(self) -> list[PageTable]:
        return [PageTable("Bounds", self._counts, _HEAD, self._rows(), numbers=(2,), wide=(4,))]

    def without_records(self) -> DPAuditReport:
        """Return the report less what tells of single records, as ``save(records=False)`` keeps it.

        Returns
        -------
        DPAuditReport
        """
        return self._less()

    def _rows(self) -> list[list[str]]:
        return [
            [
                f"{row.score}, decides" if row.decides else str(row.score),
                str(row.family),
                f"{row.epsilon:.3f}",
                "yes" if row.refutes else "no",
                str(row.assumes),
            ]
            for row in self.bounds.itertuples()
        ]

    @property
    def _title(self) -> str:
        info = self.info
        return (
            f"Audit of differential privacy: {info['estimator']}, epsilon {info['epsilon']:.4g}, "
            f"delta {info['delta']:.3g}"
        )

    @property
    def _counts(self) -> str:
        info = self.info
        if info["method"] == "refits":
            said = f"{info['n_fits']:,} fits on two neighbouring sets of {info['n_records']:,}"
        else:
            many = "one training" if info["n_fits"] == 1 else f"{info['n_fits']:,} trainings"
            said = (
                f"{info['n_canaries']:,} canaries ({info['canaries']}), {info['n_included']:,} of "
                f"them included by fair coins, in {many} on {info['n_records']:,}"
            )
        auc = info["auc"]
        apart = (
            ""
            if math.isnan(auc)
            else f" Told apart with an AUC of {auc:.3f} "
            f"({info['auc_low']:.3f} to {info['auc_high']:.3f})."
        )
        step = _STEPS.get(info["neighbours"], info["neighbours"])
        chosen = "" if info["chosen"] == "as asked for" else f" Method: {info['chosen']}."
        return f"{said} records; neighbours by {step}.{apart}{chosen}"

    def __repr__(self) -> str:
        return printable(
            f"<DPAuditReport of {self.info['estimator']}: {self.outcome}, epsilon at least "
            f"{self.epsilon:.3g} of {self.info['epsilon']:.4g}>"
        )

    def __str__(self) -> str:
        parts = [
            self.summary,
            printable(self._title),
            findings_in_text(self.findings),
            table_in_text(self._rows(), _HEAD),
            printable(self._counts),
            _LIMITS,
        ]
        return "\n\n".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        return shown(
            self._title,
            paragraph(self.summary, before=badge(self.outcome, _TONES[self.outcome])),
            in_html(self.findings),
            folded("Bounds", table("Bounds", _HEAD, self._rows(), numbers=(2,))),
            paragraph(self._counts),
            paragraph(_LIMITS),
        )
