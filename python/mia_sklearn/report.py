"""What an audit found: plain tables, findings, and the ways to read, check and keep them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from .conditions import CheckOutcome, Condition, check

if TYPE_CHECKING:
    import pandas as pd

    from .plots import AttackRocDisplay

__all__ = ["AuditReport", "CheckOutcome", "Finding"]

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


@dataclass(eq=False, repr=False)
class AuditReport:
    """The result of `mia_sklearn.audit`.

    `print(report)` gives the verdict and the numbers in words; `save` writes them as a page for
    people (``index.html``), a file for programs (``audit.json``) and a list of records
    (``records.csv``).

    Parameters
    ----------
    metrics : DataFrame
        One row per attack, slice and metric: ``attack``, ``slice`` ("all" for everyone),
        ``metric`` (auc, tpr, advantage, accuracy, epsilon), ``at`` (the false-positive rate of
        tpr, else NaN), ``estimate``, ``low``, ``high`` (NaN where withheld), ``n_members``,
        ``n_nonmembers``, ``fpr`` (realised), ``n_identified``, ``n_false_alarms``, ``note``.
    records : DataFrame
        One row per audited record: ``set`` ("train" or "test"), ``row`` (its position in
        `X_train` or `X_test`, from 0), ``index`` (its label in that data frame's index, a tuple
        where that has several levels; the position again where there is no index), ``label``,
        ``member`` (1 or 0), one column of scores per attack (log-odds of membership),
        ``slice_*``, ``p_value``, ``q_value`` (NaN for non-members); where GMIA was run,
        ``expected_neighbors`` (in a training set) and ``vulnerable`` (1 or 0). With `groups`, one
        row per person, with ``group`` (who) and ``n_rows`` (number of records audited) in place
        of ``row``, ``index`` and ``label``.
    findings : list of Finding
    coverage : DataFrame
        One row per attack known: ``attack``, ``status`` ("run" or "not run"), ``track``,
        ``threat_model``, ``access``, ``knowledge``, ``reason``.
    controls : DataFrame
        The checks of the audit itself: ``control``, ``value``, ``low``, ``high``, ``p_value``,
        ``passed`` (missing where a control has no verdict), ``note``.
    info : dict
        How it was computed, as plain JSON values: ``headline`` (the attack fixed in advance whose
        numbers make the verdict), ``attacks``, ``confidence``, sizes, versions, timings.

    See Also
    --------
    mia_sklearn.audit : Makes a report.

    Notes
    -----
    The list of records says who was in the training set. Saved files are readable by their owner
    only; treat them like the training data.
    """

    metrics: pd.DataFrame
    records: pd.DataFrame
    findings: list[Finding]
    coverage: pd.DataFrame
    controls: pd.DataFrame
    info: dict[str, Any]

    @property
    def attacks(self) -> list[str]:
        """The attacks that were run, the headline first."""
        headline = self.info["headline"]
        return [headline, *(name for name in self.info["attacks"] if name != headline)]

    @property
    def failed_controls(self) -> list[str]:
        """Controls of the audit itself that failed; with any, its numbers decide nothing."""
        passed = self.controls["passed"]
        return self.controls.loc[passed.notna() & passed.ne(True), "control"].astype(str).tolist()

    @property
    def doubts(self) -> list[str]:
        """What leaves the audit's numbers in doubt, in words; with any, they decide nothing.

        Findings that qualify the verdict, the likeliest to be wrong first, then failed controls.
        """
        found = [finding for finding in self.findings if finding.qualifies]
        found.sort(key=lambda finding: QUALIFYING.index(finding.code))
        said = [finding.title[:1].lower() + finding.title[1:] for finding in found]
        failed = ", ".join(self.failed_controls)
        return [*said, f"a control failed ({failed})"] if failed else said

    @property
    def verdict(self) -> str:
        """The headline attack's result in plain words, with counts and intervals.

        Where something leaves it in doubt, that is said first.
        """
        from ._printable import printable
        from .reporting import summarize

        return printable(summarize(self).verdict)

    def most_exposed(self, n: int | None = 20) -> pd.DataFrame:
        """Return the members that the headline attack is surest about.

        Parameters
        ----------
        n : int, default=20
            How many; None for all members.

        Returns
        -------
        DataFrame
            Rows of `records`, in order of their p-value, ties by score.
        """
        records = self.records
        members = records[records["member"] == 1]
        order = members.assign(_score=-members[self.info["headline"]])
        ranked = members.loc[order.sort_values(["p_value", "_score"], kind="stable").index]
        return ranked if n is None else ranked.head(n)

    def check(self, *conditions: str | Condition) -> CheckOutcome:
        """Say whether conditions hold, counting what the sample can and cannot decide.

        Parameters
        ----------
        *conditions : str
            Each reads ``[attack:]metric[@level[,prior]] operator number``: ``"auc <= 0.6"``,
            ``"tpr@0.01 <= 0.05"``, ``"lira:auc < 0.7"``. Without a name the headline attack is
            meant. The confidence is shared among them, m conditions being read at
            ``(1 - confidence) / m`` each.

        Returns
        -------
        CheckOutcome
            True as a boolean only when all conditions surely hold. Where `doubts` is not empty
            none is decided: references unlike the target may hide a leak or invent one.

        Raises
        ------
        ValueError
            If a condition is malformed or names an attack that was not run.
        """
        return check(conditions, self)

    def plot(self, ax: Any = None, **options: Any) -> AttackRocDisplay:
        """Draw the attacks' ROC curves on logarithmic axes, with the headline's band.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        **options
            Passed to `AttackRocDisplay.from_predictions`.

        Returns
        -------
        AttackRocDisplay
        """
        from .plots import AttackRocDisplay

        if self.records.empty:
            raise ValueError("This report was saved without its records, of which curves are made.")
        return AttackRocDisplay.from_predictions(
            self.records["member"].to_numpy(),
            {name: self.records[name].to_numpy() for name in self.attacks},
            confidence=self.info["confidence"],
            ax=ax,
            **options,
        )

    def save(self, folder: str | os.PathLike[str], *, records: bool = True) -> Path:
        """Write ``index.html``, ``audit.json`` and ``records.csv``.

        Parameters
        ----------
        folder : path
            Made if missing; files of these names in it are replaced.
        records : bool, default=True
            False writes evidence that names nobody: no ``records.csv`` (an earlier one is
            removed), and no record in the other files. Conditions cannot be checked on it, nor
            curves drawn, once it is loaded again.

        Returns
        -------
        Path
            Where the page lies.

        Raises
        ------
        ValueError
            If the path is empty.
        OSError
            If the folder or a file in it cannot be written; the other files are.

        Examples
        --------
        >>> report.save("evidence", records=False)  # doctest: +SKIP
        """
        from .reporting import save

        return save(self, folder, records=records)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> AuditReport:
        """Read a saved report; every number is as it was.

        Parameters
        ----------
        folder : path
            The folder given to `save`.

        Returns
        -------
        AuditReport

        Raises
        ------
        FileNotFoundError
            If there is no ``audit.json`` in the folder.
        ValueError
            If the path is empty, or the file damaged, changed, no report, or of a later version.
        """
        from .reporting import load

        return load(folder)

    def __repr__(self) -> str:
        from ._printable import printable

        return printable(
            f"<AuditReport of {self.info.get('model', 'a model')}: {len(self.records)} records, "
            f"{len(self.attacks)} attacks, {len(self.findings)} findings>"
        )

    def __str__(self) -> str:
        from .reporting import render_text

        return render_text(self)

    def _repr_html_(self) -> str:
        from .reporting import render_notebook

        return render_notebook(self)
