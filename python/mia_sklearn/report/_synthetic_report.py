"""What a synthetic table gives away: a table of risks, findings, and the ways to read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

from .._process._notebook import folded, paragraph, shown, table
from .._process._printable import printable
from ..conditions import CheckOutcome, Condition, check
from ..conditions._of_risks import RiskReading
from ..stats import Difference, excess_risk
from . import _wording as wording
from ._finding import Finding, Findings, in_html
from ._markdown import escape, findings_in_markdown, table_in_markdown
from ._tables_page import PageTable
from ._tables_report import TablesReport
from ._text import findings_in_text, table_in_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEASURES", "SyntheticReport", "below_guessing", "risk_interval"]

# The columns of `SyntheticReport.measures`.
MEASURES = (
    *("name", "of", "attacked", "success", "baseline", "control_attacked", "control"),
    *("risk", "lower", "upper", "error", "meaning"),
)
_LIMITS = (
    "These are the attacks that were run, by an attacker who has the synthetic table, and of the "
    "records what each attack says. Others may find more. A risk is what the table tells of the "
    "records behind it beyond what it tells of others of the same population; what it tells of "
    "everybody alike is not counted. The control must be of that population and unseen by the "
    "generator."
)
_NAMES = {
    "copies": "Copies of records",
    "singling_out": "Singling out",
    "linkability": "Linkability",
    "inference": "Inference",
}
# Copied rows that the text names.
_NAMED = 5
_WHO = "Who was in the training table"
_TOLD = ("Attack", "AUC", "Named at 1 % false alarms", "Named at 0.1 %")
_HEAD = ("Risk", "Attacked", "Success", "By guessing", "Control", "Above control", "Interval")


def risk_interval(row: Mapping[str, Any], confidence: float) -> Difference:
    """Return the risk above control with its interval, from a row of `MEASURES`.

    Where there is a standard error it is that of the risk; elsewhere each attack is on a record
    of its own, and the counts tell.
    """
    if math.isnan(row["error"]):
        n, n_control = int(row["attacked"]), int(row["control_attacked"])
        counts = round(row["success"] * n), n, round(row["control"] * n_control), n_control
        return excess_risk(*counts, confidence=confidence)
    if row["control"] >= 1:
        return Difference(math.nan, math.nan, math.nan)
    value = (row["success"] - row["control"]) / (1 - row["control"])
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * row["error"]
    return Difference(value, value - half, min(value + half, 1.0))


def below_guessing(row: Mapping[str, Any], confidence: float) -> bool:
    """Tell whether an attack surely does worse than guessing, from a row of `MEASURES`."""
    from scipy.stats import binomtest

    n = int(row["attacked"])
    if not n or row["success"] >= row["baseline"]:
        return False
    found = binomtest(round(row["success"] * n), n, min(1.0, row["baseline"]), alternative="less")
    return bool(found.pvalue <= 1 - confidence)


@dataclass(eq=False, repr=False)
class SyntheticReport(TablesReport):
    """The result of `mia_sklearn.audit_synthetic`.

    `save` writes it as a page for people, a file for programs and a list of records, and `load`
    reads it back.

    Parameters
    ----------
    measures : DataFrame
        One row per risk: ``name`` ("copies", "singling_out", "linkability", "inference"), ``of``
        (the kind of predicate, or the secret column), ``attacked`` (how many training records, or
        with how many predicates), ``success`` (the share of attacks that succeeded), ``baseline``
        (the share by guessing), ``control_attacked`` and ``control`` (the same of records that
        the generator has not seen), ``risk`` (above control: (success - control) / (1 -
        control)), ``lower``, ``upper`` (its interval), ``error`` (its standard error, where
        attacks depend on one another) and ``meaning`` (in words).
    findings : list of Finding
    info : dict
        ``n_synthetic``, ``n_train``, ``n_control``, ``n_columns``, ``confidence``, what was
        asked, and ``copied_rows`` (which rows of X_train are copied, exactly first).
    membership : DataFrame, default=None
        One row per attack that tells training records from others; None where none was run.
    records : DataFrame, default=None
        The scores of those attacks: ``member``, ``row`` (the position in its table), and a column
        for each attack, higher meaning member.

    See Also
    --------
    mia_sklearn.audit_synthetic : Makes a report.

    Notes
    -----
    ``info["copied_rows"]`` and `records` say who was in the training table: treat saved files like
    the training data, or save with ``records=False``.
    """

    measures: pd.DataFrame
    findings: list[Finding]
    info: dict[str, Any]
    membership: pd.DataFrame | None = None
    records: pd.DataFrame | None = None

    _KIND = "synthetic"
    _KIND_IN_WORDS = "Audit of a synthetic table"
    _LIMITS = _LIMITS
    _LISTED = "records"
    _NUMBERS: ClassVar[dict[str, Sequence[str]]] = {
        "measures": [name for name in MEASURES if name not in ("name", "of", "meaning")],
        "membership": ["headline", "auc", "n_members", "n_nonmembers"],
        "records": ["member", "row"],
    }

    def __post_init__(self) -> None:
        self.findings = Findings(self.findings)

    def check(self, *conditions: str | Condition) -> CheckOutcome:
        """Say whether conditions hold, counting what the sample can and cannot decide.

        Parameters
        ----------
        *conditions : str
            Each reads ``[of:]name operator number``, where the name is "copies", "singling_out",
            "linkability" or "inference": ``"linkability <= 0.1"``, ``"income:inference < 0.05"``.
            Of several risks of a name the worst counts. Where membership was attacked, those of
            `AuditReport.check` too: ``"auc <= 0.6"``. The confidence is shared among all.

        Returns
        -------
        CheckOutcome
            True as a boolean only when all conditions surely hold. An attack that does worse than
            guessing shows no safety: such a condition is not decided.

        Raises
        ------
        ValueError
            If a condition is malformed, or names what was not measured.
        """
        return check(conditions, self)

    def read_risks(self, name: str, of: str | None, share: int) -> list[RiskReading]:
        """Return the risks of a name, each at the confidence that some conditions leave it.

        Parameters
        ----------
        name : {"copies", "singling_out", "linkability", "inference"}
        of : str or None
            The kind of predicate or the secret column; None for all.
        share : int
            How many conditions share the confidence, with each other and all risks returned.

        Returns
        -------
        list of RiskReading

        Raises
        ------
        ValueError
            If no such risk was measured.
        """
        rows = [row for row in _each(self.measures) if row["name"] == name]
        meant = [row for row in rows if of is None or row["of"].lower() == of.lower()]
        if not meant:
            known = ", ".join(f"{row['of']}:{name}" if row["of"] else name for row in rows)
            raise ValueError(
                f"{f'{of}:' if of else ''}{name} was not measured of this table"
                f"{f'; there is {known}' if rows else ''}."
            )
        confidence = 1 - (1 - self.info["confidence"]) / (share * len(meant))
        return [
            RiskReading(
                _label(row),
                *risk_interval(row, confidence),
                _counted(row),
                "guessing does better" if below_guessing(row, confidence) else "",
            )
            for row in meant
        ]

    @property
    def attacks(self) -> list[str]:
        """The attacks on membership that were run."""
        if self.records is None and self.membership is not None:
            raise ValueError("This report was saved without its records: it names nobody.")
        if self.records is None:
            raise ValueError(
                "Membership was not attacked: that needs audit_synthetic(..., membership=True), "
                "and ten records that occur once on either side. Risks of the table are copies, "
                "singling_out, linkability and inference."
            )
        return [str(name) for name in self.records.columns if name not in ("member", "row")]

    @property
    def naming(self) -> list[str]:
        """Attacks that name single members beside the headline's: none."""
        return []

    @property
    def doubts(self) -> list[str]:
        """What leaves all numbers in doubt: no condition is decided."""
        return [finding.title for finding in self.findings if finding.qualifies]

    @property
    def summary(self) -> str:
        """The gravest finding, or that there is none, and the largest risk, in a sentence."""
        order = ("serious", "warning", "info")
        gravest = sorted(self.findings, key=lambda finding: order.index(finding.severity))
        said = f"{gravest[0].title}." if gravest else "No attack did surely better than on others."
        known = [row for row in _each(self.measures) if not math.isnan(row["risk"])]
        if known:
            worst = max(known, key=lambda row: row["risk"])
            name = _label(worst)
            said += (
                f" The largest risk above control is {name[0].lower()}{name[1:]}: "
                f"{wording.percent(worst['risk'])} ({_interval(worst)})."
            )
        return printable(said)

    def to_markdown(self) -> str:
        """Return the report as Markdown, for job summaries and reviews. It names no record.

        Returns
        -------
        str
        """
        told = self._told()
        parts = [
            f"# {escape(self._title)}",
            f"**{escape(self.summary)}**",
            "## What was found",
            *(findings_in_markdown(self.findings) or ["No findings."]),
            f"## Risks, with {self._confidence} intervals",
            table_in_markdown(_HEAD, self._rows()),
            *(escape(each) for each in self._meanings()),
            *([f"## {_WHO}", table_in_markdown(_TOLD, told)] if told else []),
            escape(_LIMITS),
        ]
        return "\n\n".join(parts) + "\n"

    @property
    def _title(self) -> str:
        return (
            f"Privacy risks of a synthetic table: {self.info['n_synthetic']:,} rows, made from "
            f"{self.info['n_train']:,} records, held against {self.info['n_control']:,} others"
        )

    @property
    def _confidence(self) -> str:
        return wording.percent(self.info["confidence"])

    @property
    def _tone(self) -> str:
        found = {finding.severity for finding in self.findings}
        if self.doubts:
            return "open"
        return "shown" if "serious" in found else "open" if "warning" in found else ""

    def _page_tables(self) -> list[PageTable]:
        about = (
            "Each attack on training records, by guessing, and on records of the control; what the "
            f"first adds to the last, with its {self._confidence} interval."
        )
        numbers = range(1, len(_HEAD))
        tables = [PageTable("Risks", about, _HEAD, self._rows(), numbers, notes=self._meanings())]
        told = self._told()
        if told:
            about = (
                "Attacks that tell training records from others: the area under the curve, and the "
                "share of members that are named at so many false alarms."
            )
            tables.append(PageTable(_WHO, about, _TOLD, told, range(1, len(_TOLD))))
        return tables

    def without_records(self) -> SyntheticReport:
        """Return the report less what tells of single records, as ``save(records=False)`` keeps it.

        Returns
        -------
        SyntheticReport
        """
        return self._less("copied_rows")

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                _label(row),
                wording.count(row["attacked"]),
                *(wording.percent(row[name]) for name in ("success", "baseline", "control")),
                "-" if math.isnan(row["risk"]) else wording.percent(row["risk"]),
                _interval(row),
            )
            for row in _each(self.measures)
        ]

    def _copied(self) -> str:
        """Return which training records are copied: for whoever holds them, and not handed on."""
        rows = self.info.get("copied_rows", [])
        if not rows:
            return ""
        more = ', ... (all of them: report.info["copied_rows"])' if len(rows) > _NAMED else ""
        return f"Copied rows of X_train: {', '.join(map(str, rows[:_NAMED]))}{more}"

    def _told(self) -> list[tuple[str, ...]]:
        """Return what attacks on membership reached, a line each."""
        if self.membership is None:
            return []
        return [
            (
                row["attack"] + (" (fixed as headline)" if row["headline"] else ""),
                *(
                    f"{row[metric]:.3f} ({_ends(row, metric)})"
                    for metric in ("auc", "tpr@0.01", "tpr@0.001")
                ),
            )
            for row in _each(self.membership)
        ]

    def _meanings(self) -> list[str]:
        return [printable(f"{_label(row)}: {row['meaning']}") for row in _each(self.measures)]

    def __repr__(self) -> str:
        return printable(
            f"<SyntheticReport of {self.info['n_synthetic']:,} rows: {len(self.measures)} risks, "
            f"{len(self.findings)} findings>"
        )

    def __str__(self) -> str:
        told = self._told()
        parts = [
            self.summary,
            self._title,
            findings_in_text(self.findings),
            self._copied(),
            f"Risks, with {self._confidence} intervals\n{table_in_text(self._rows(), _HEAD)}",
            "\n".join(self._meanings()),
            f"{_WHO}\n{table_in_text(told, _TOLD)}" if told else "",
            _LIMITS,
        ]
        return "\n\n".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        told = self._told()
        return shown(
            self._title,
            paragraph(self.summary),
            in_html(self.findings),
            folded("Risks", table("Risks", _HEAD, self._rows(), numbers=range(1, len(_HEAD)))),
            folded("What each means", *map(paragraph, self._meanings())),
            folded(_WHO, table(_WHO, _TOLD, told, numbers=(1, 2, 3))) if told else "",
            paragraph(_LIMITS),
        )


def _each(measures: pd.DataFrame) -> Iterable[dict[str, Any]]:
    return [{str(name): cell for name, cell in row.items()} for row in measures.to_dict("records")]


def _label(row: Mapping[str, Any]) -> str:
    name = _NAMES.get(row["name"], str(row["name"]))
    return printable(f"{name}: {row['of']}" if row["of"] else name)


def _counted(row: Mapping[str, Any]) -> str:
    n, n_control = int(row["attacked"]), int(row["control_attacked"])
    if row["name"] == "singling_out":
        return f"{round(row['success'] * n):,} of {n:,} predicates"
    return (
        f"{round(row['success'] * n):,} of {n:,} training records, "
        f"{round(row['control'] * n_control):,} of {n_control:,} others"
    )


def _interval(row: Mapping[str, Any]) -> str:
    return wording.interval("tpr", row["lower"], row["upper"])


def _ends(row: Mapping[str, Any], metric: str) -> str:
    ends = (row[f"{metric} {end}"] for end in ("lower", "upper"))
    return wording.interval(metric.partition("@")[0], *ends)
