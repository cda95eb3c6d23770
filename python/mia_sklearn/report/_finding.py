"""What an audit has to say: coded, with a severity and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    pass


Severity = Literal["info", "warning", "serious"]


# With one of these no number of the audit can be read, in either direction: what makes references
# or answers unlike the target's may hide a leak as well as invent one. Likeliest cause first.
QUALIFYING = (
    "CLASSES_PERMUTED",
    "ANSWERS_DIFFER",
    "REFERENCES_DIFFER",
    "BELOW_CHANCE",
    "LOST_REFERENCES",
    "NO_SIGNAL",
)


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

    def __post_init__(self) -> None:
        if self.severity not in get_args(Severity):
            raise ValueError(
                f"severity must be one of {', '.join(get_args(Severity))}, got {self.severity!r}."
            )

    @property
    def qualifies(self) -> bool:
        """Whether it leaves all numbers in doubt: the verdict says so, no condition is decided."""
        return self.code in QUALIFYING
