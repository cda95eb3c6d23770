"""What an audit has to say: findings, coded, with a severity and a remedy, and what finds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from .._process._notebook import Tone, badge, folded, paragraph, shown

Severity = Literal["info", "warning", "serious"]


# With one of these no number of the audit can be read, in either direction: what makes references
# or answers unlike the target's may hide a leak as well as invent one. Likeliest cause first;
# those of other packages come behind.
QUALIFYING = (
    "CLASSES_PERMUTED",
    "TARGETS_DIFFER",
    "ANSWERS_DIFFER",
    "UNSTEADY_ANSWERS",
    "REFERENCES_DIFFER",
    "BELOW_CHANCE",
    "LOST_REFERENCES",
    "NO_SIGNAL",
)

# These name single members whatever the headline attack shows: the verdict tells of them.
NAMING = {"SUPPORT_VECTORS": "margin-edge"}


@dataclass(frozen=True)
class Finding:
    """One thing that the audit found out, about the model or about the audit itself.

    Parameters
    ----------
    code : str
        Stable name, for programs and for the documentation.
    severity : {"info", "warning", "serious"}
        Of a leak: "serious" where members are surely named ten times as often as by guessing, at
        1 % false alarms or fewer, or the AUC is surely at least 0.7; "warning" where less is
        shown. Of the audit: "serious" where its numbers cannot be read.
    title : str
        One line.
    explanation : str
        What was measured and what it means for a person in the data.
    remedy : str
        What to do next.
    qualifies : bool, default=False
        Whether it leaves all numbers in doubt: the verdict says so, no condition is decided. Of
        the package's own findings the code says it.

    Examples
    --------
    >>> from mia_sklearn.report import Finding
    >>> Finding("DUPLICATES", "info", "3 records occur twice", "...", "...").severity
    'info'
    """

    code: str
    severity: Severity
    title: str
    explanation: str
    remedy: str
    qualifies: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = bool if field.name == "qualifies" else str
            value = getattr(self, field.name)
            if not isinstance(value, kind):
                raise TypeError(f"{field.name} must be a {kind.__name__}, got {value!r:.40}.")
        if self.severity not in get_args(Severity):
            raise ValueError(
                f"severity must be one of {', '.join(get_args(Severity))}, got {self.severity!r}."
            )
        if self.code in QUALIFYING:
            object.__setattr__(self, "qualifies", True)

    def _repr_html_(self) -> str:
        return shown("", in_html([self]))


# Gravest first.
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "info")


class Findings(list[Finding]):
    """A list of findings that notebooks show in words."""

    def _repr_html_(self) -> str:
        return shown("", in_html(self))


def in_order(findings: Iterable[Finding]) -> Findings:
    """Return findings as they are read: doubts first, then the gravest, else as they were found."""

    def rank(finding: Finding) -> tuple[bool, int]:
        return not finding.qualifies, SEVERITIES.index(finding.severity)

    return Findings(sorted(findings, key=rank))


def in_html(findings: Iterable[Finding]) -> str:
    """Return what a notebook shows of findings: their titles, below which the rest unfolds."""
    pieces = []
    for finding in findings:
        tone: Tone = "quiet" if finding.severity == "info" else finding.severity
        more = [finding.explanation]
        if finding.remedy:
            more.append(f"What to do next: {finding.remedy}")
        more.append(f"`{finding.code}`")
        pieces.append(
            folded(finding.title, *map(paragraph, more), before=badge(finding.severity, tone))
        )
    return "".join(pieces) or paragraph("No findings.")


class BaseFinder(ABC):
    """What looks for one finding: each finding of an audit has a class of its own.

    Finders of other packages are found by the entry-point group ``mia_sklearn.findings``; each
    entry point names a subclass, which is made without arguments and asked once per audit, after
    our own. One that cannot be used, or raises, is left out with a warning.

    Attributes
    ----------
    code : str
        Stable name of the finding; no other finder has it.
    severities : tuple of {"info", "warning", "serious"}
        Those that the finding may have.
    summary : str
        What the finding means, in one line of the documentation.
    qualifies : bool, default=False
        Whether the finding leaves all numbers of the audit in doubt: see `Finding`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from mia_sklearn.report import BaseFinder
    >>> class SmallStudy(BaseFinder):
    ...     code = "SMALL_STUDY"
    ...     severities = ("warning",)
    ...     summary = "fewer training records than our rules ask for"
    ...
    ...     def find(self, context):
    ...         n = context.info["n_train"]
    ...         if n >= 1000:
    ...             return None
    ...         return self.found(f"Only {n} training records", "Our rules ask for 1,000.", "Wait.")
    >>> SmallStudy().find(SimpleNamespace(info={"n_train": 40})).title
    'Only 40 training records'
    """

    code: ClassVar[str]
    severities: ClassVar[tuple[Severity, ...]]
    summary: ClassVar[str]
    qualifies: ClassVar[bool] = False

    @abstractmethod
    def find(self, context: Any) -> Finding | None:
        """Look for the finding.

        Parameters
        ----------
        context : object
            What the audit knows: `metrics`, `records` and `info`, as in `AuditReport`;
            `controls`, a list of the rows of that table; and `run`, all else, whose attributes
            may change with any version.

        Returns
        -------
        Finding or None
            What `found` makes; None where there is nothing to say.
        """

    def found(
        self, title: str, explanation: str, remedy: str, severity: Severity | None = None
    ) -> Finding:
        """Make the finding.

        Parameters
        ----------
        title, explanation, remedy : str
            As in `Finding`.
        severity : {"info", "warning", "serious"}, default=None
            One of `severities`; may be left out where there is one only.

        Returns
        -------
        Finding

        Raises
        ------
        ValueError
            If the severity is not one of `severities`, or left out where there are several.
        """
        if severity is None and len(self.severities) == 1:
            severity = self.severities[0]
        if severity is None or severity not in self.severities:
            raise ValueError(
                f"severity must be one that {type(self).__name__} declares "
                f"({', '.join(self.severities)}), got {severity!r}."
            )
        return Finding(self.code, severity, title, explanation, remedy, self.qualifies)
