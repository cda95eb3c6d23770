"""Whether a model gives away more than an earlier one did: two reports, one beside the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .. import stats
from .._process._notebook import Tone, badge, paragraph, shown, table
from ._contents import AuditContents
from ._time_budget import lowered

__all__ = ["BaselineComparison", "BaselineDifference", "compare_reports"]

# An assertion passes unless it is worse: what is open must not read as a failure, nor as a proof.
_WORDS = {"worse": "SURELY WORSE", "better": "SURELY BETTER", "open": "NOT SURELY WORSE"}
_TONES: dict[str, Tone] = {"worse": "serious", "better": "good", "open": "warning"}
# What is compared, fixed in advance: how well members are told apart, and singled out.
_RATE = 0.01
_MEASURES = ("auc", f"tpr@{_RATE:g}")

Outcome = Literal["worse", "better", "open"]


@dataclass(frozen=True)
class BaselineDifference:
    """One number of an audit beside that of its baseline.

    Attributes
    ----------
    measure : {"auc", "tpr@0.01"}
    outcome : {"worse", "better", "open"}
        "worse" and "better" mean that the whole interval of the difference lies on one side of 0.
    now, before : float
    difference, low, high : float
        What is given away more than before, with its interval; NaN where withheld.
    """

    measure: str
    outcome: Outcome
    now: float
    before: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, repr=False)
class BaselineComparison:
    """The answer of `AuditReport.compare`.

    It is false only when the model is surely worse than its baseline, so that
    ``assert report.compare(previous)`` fails where more is given away than before.

    Attributes
    ----------
    outcome : {"worse", "better", "open"}
        "worse" when one number is surely larger than before, "better" when one is surely smaller
        and none surely larger, "open" when neither can be told.
    differences : tuple of BaselineDifference
        Of the headline attack.
    attack : str
        The attack whose numbers are compared.
    paired : bool
        Whether the numbers were compared record by record.
    reason : str
        What is compared with what; where nothing is decided, why.
    doubts : list of str
        What leaves one of the audits in doubt; with any, nothing is decided.
    confidence : float
        The confidence of all decisions together.
    """

    outcome: Outcome
    differences: tuple[BaselineDifference, ...]
    attack: str
    paired: bool
    reason: str
    doubts: list[str]
    confidence: float

    def __bool__(self) -> bool:
        return self.outcome != "worse"

    def __str__(self) -> str:
        head = f"{_WORDS[self.outcome]} than the baseline: {self.reason}"
        lines = [head, *map(self._told, self.differences)]
        return "\n  ".join(lines)

    def __repr__(self) -> str:
        # A failed assertion shows its beginning on one line: what made it fail comes first.
        first = sorted(self.differences, key=lambda each: each.outcome != self.outcome)
        return " ".join([f"{_WORDS[self.outcome]}.", *map(self._told, first)])

    def _repr_html_(self) -> str:
        rows = [
            (_WORDS[each.outcome], each.measure, f"{each.now:.4g}", f"{each.before:.4g}", *said)
            for each in self.differences
            for said in [(f"{each.difference:+.4f}", self._interval(each))]
        ]
        head = ("Result", "Measure", "Now", "Before", "Difference", "Interval")
        return shown(
            f"{self.attack} beside the baseline",
            paragraph(self.reason, before=badge(_WORDS[self.outcome], _TONES[self.outcome])),
            table("Differences", head, rows),
        )

    def _told(self, each: BaselineDifference) -> str:
        by = f"{each.measure} of {self.attack} is {each.now:.4g}, was {each.before:.4g}"
        interval = self._interval(each)
        if not interval:
            return f"{_WORDS[each.outcome]} {by}, the interval of the difference is withheld."
        return f"{_WORDS[each.outcome]} {by}: {each.difference:+.4f}, {interval}."

    def _interval(self, each: BaselineDifference) -> str:
        """Say where a difference lies; empty where that is withheld."""
        alone = f"{100 * (1 - (1 - self.confidence) / len(self.differences)):.4g} %"
        ends = {"at least": each.low, "at most": each.high}
        known = [f"{end} {value:+.4f}" for end, value in ends.items() if not math.isnan(value)]
        if len(known) == len(ends):
            return f"{alone} interval {each.low:+.4f} to {each.high:+.4f}"
        return f"at {alone} confidence {known[0]}" if known else ""


def compare_reports(
    now: AuditContents, before: AuditContents, *, paired: bool | None
) -> BaselineComparison:
    """Compare the headline attack's numbers of two reports; see `AuditReport.compare`."""
    attack = now.info["headline"]
    if attack not in before.attacks:
        raise ValueError(
            f"The baseline has no numbers of {attack!r}, this report's headline attack; it has "
            f"{', '.join(before.attacks)}. Audit both with the same attacks."
        )
    units = [report.info.get("unit", "record") for report in (now, before)]
    if len(set(units)) > 1:
        raise ValueError(
            f"This report counts each {units[0]} once and the baseline each {units[1]}: audit "
            "both with groups=, or both without."
        )
    unlike = _unlike(now, before)
    if paired and unlike:
        raise ValueError(f"The baseline cannot be compared record by record: {unlike}.")
    paired = not unlike if paired is None else paired
    n_members, n_others = now.info["n_members"], now.info["n_nonmembers"]
    confidence = float(now.info["confidence"])
    if paired:
        reason = f"record by record, on the same {n_members:,} members and {n_others:,} others."
        found = _paired(now, before, attack, _shared(confidence))
    elif now.records.empty or before.records.empty:
        # Intervals as they were printed, each at its own confidence.
        weakest = min(confidence, float(before.info["confidence"]))
        confidence = max(0.0, 1 - len(_MEASURES) * (1 - weakest))
        reason = (
            f"by the intervals that both audits printed, each at {100 * weakest:.4g} %, together "
            f"at {100 * confidence:.4g} % confidence, since {unlike or 'that was asked for'}."
        )
        found = _by_limits(*(_printed(report, attack) for report in (now, before)))
    else:
        reason = f"by the intervals of both audits, since {unlike or 'that was asked for'}."
        level = _shared(confidence)
        found = _by_limits(*(_intervals(report, attack, level) for report in (now, before)))
    if lowered(now.info) and now.info["n_references"] < before.info.get("n_references", 0):
        reason += (
            f" A time budget gave this audit {now.info['n_references']} references and the "
            f"baseline had {before.info['n_references']}: it may find less for that reason."
        )
    doubts = [f"in this audit, {doubt}" for doubt in now.doubts]
    doubts += [f"in the baseline, {doubt}" for doubt in before.doubts]
    if doubts:
        reason = f"nothing is decided: {'; '.join(doubts)}."
    differences = tuple(
        BaselineDifference(
            measure,
            "open" if doubts else _decided(difference),
            *estimates,
            *map(float, difference),
        )
        for measure, estimates, difference in zip(_MEASURES, *found, strict=True)
    )
    outcomes = {each.outcome for each in differences}
    outcome: Outcome = next((o for o in ("worse", "better") if o in outcomes), "open")
    return BaselineComparison(outcome, differences, attack, paired, reason, doubts, confidence)


def _shared(confidence: float) -> float:
    return 1 - (1 - confidence) / len(_MEASURES)


def _unlike(now: AuditContents, before: AuditContents) -> str:
    """Return why two reports cannot be laid beside each other record by record; empty if so."""
    if now.records.empty or before.records.empty:
        which = "this report" if now.records.empty else "the baseline"
        return f"{which} was saved without its records"
    marks = [report.info.get("records_digest") for report in (now, before)]
    if None in marks:
        which = "this report" if marks[0] is None else "the baseline"
        return f"{which} has no digest of its records, by which they are held together"
    if marks[0] != marks[1]:
        return "it is of other records, of the same in another order, or others were trained on"
    return ""


def _scores(report: AuditContents, attack: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of members and of non-members."""
    member = report.records["member"].to_numpy() == 1
    score = report.records[attack].to_numpy()
    return score[member], score[~member]


Found = tuple[list[tuple[float, float]], list[stats.Difference]]


def _paired(now: AuditContents, before: AuditContents, attack: str, level: float) -> Found:
    sides = list(zip(_scores(now, attack), _scores(before, attack), strict=True))
    auc = stats.paired_auc_difference(sides[0], sides[1], confidence=level)
    intervals = [_intervals(report, attack, level) for report in (now, before)]
    estimates = [(a.value, b.value) for a, b in zip(*intervals, strict=True)]
    return estimates, [auc, _rate_difference(sides, intervals[0][1], intervals[1][1], level)]


def _rate_difference(
    sides: list[tuple[np.ndarray, np.ndarray]],
    now: stats.Difference,
    before: stats.Difference,
    level: float,
) -> stats.Difference:
    """Return the difference of two rates, each at a threshold that its own non-members set.

    Members named by one audit and not by the other would give a tight interval, were the
    thresholds known. They are estimated, and such an interval misses in up to half of all cases
    where it should in 2.5 %: what both rates are unsure by is added up instead. Where all scores
    are the same so are the thresholds, wherever they lie.
    """
    (members, members_before), (others, others_before) = sides
    if np.array_equal(members, members_before) and np.array_equal(others, others_before):
        if math.isnan(now.low):
            return stats.Difference(0.0, math.nan, math.nan)
        named = np.zeros(len(members), dtype=bool)
        return stats.paired_difference(named, named, confidence=level)
    return stats.unpaired_difference(now, before)


def _by_limits(now: list[stats.Difference], before: list[stats.Difference]) -> Found:
    """Return differences that hold whatever records the audits share, and on whichever side."""
    pairs = list(zip(now, before, strict=True))
    return (
        [(a.value, b.value) for a, b in pairs],
        [stats.Difference(a.value - b.value, a.low - b.high, a.high - b.low) for a, b in pairs],
    )


def _intervals(report: AuditContents, attack: str, level: float) -> list[stats.Difference]:
    members, others = _scores(report, attack)
    auc = stats.auc_interval(members, others, confidence=level)
    point = stats.tpr_interval(members, others, _RATE, confidence=level)
    return [
        stats.Difference(*auc),
        stats.Difference(float(point.tpr), float(point.low), float(point.high)),
    ]


def _printed(report: AuditContents, attack: str) -> list[stats.Difference]:
    table: Any = report.metrics
    rows = table[(table["attack"] == attack) & (table["slice"] == "all")]
    found = []
    for measure in _MEASURES:
        metric, _, at = measure.partition("@")
        own = rows[(rows["metric"] == metric) & (~rows["at"].notna() if not at else True)]
        if at:
            own = own[np.isclose(own["at"], float(at))]
        if own.empty:
            raise ValueError(f"A report without records lacks the {measure} of {attack!r}.")
        line = own.iloc[0]
        found.append(stats.Difference(*(float(line[k]) for k in ("estimate", "low", "high"))))
    return found


def _decided(difference: stats.Difference) -> Outcome:
    if difference.low > 0:
        return "worse"
    return "better" if difference.high < 0 else "open"
