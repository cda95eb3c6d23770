"""What a report holds, apart from how it is stored and shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ._by_attack import by_attack, named_by, withheld
from ._finding import NAMING, QUALIFYING, Finding, in_order

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd

    from ..plots import AttackRocDisplay

__all__ = ["AuditContents"]


@dataclass(eq=False, repr=False)
class AuditContents:
    """The tables of an `AuditReport`, documented there, and what follows from them alone."""

    metrics: pd.DataFrame
    records: pd.DataFrame
    findings: list[Finding]
    coverage: pd.DataFrame
    controls: pd.DataFrame
    info: dict[str, Any]
    features: pd.DataFrame | None = None
    structural: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        self.findings = in_order(self.findings)

    def without_records(self) -> Self:
        """Return the report without its records, and without what they look like.

        Returns
        -------
        AuditReport
            Texts and parameters that quote the data stay: ``save(folder, records=False)`` leaves
            these out too.
        """
        return replace(self, records=self.records.iloc[:0], features=None)

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
    def naming(self) -> list[str]:
        """The attacks that name single members, whatever the headline attack shows."""
        named = [NAMING[finding.code] for finding in self.findings if finding.code in NAMING]
        return [attack for attack in named if attack in self.attacks]

    @property
    def doubts(self) -> list[str]:
        """What leaves the audit's numbers in doubt, in words; with any, they decide nothing.

        Findings that qualify the verdict, the likeliest to be wrong first, then failed controls.
        """
        found = [finding for finding in self.findings if finding.qualifies]
        rank = {code: place for place, code in enumerate(QUALIFYING)}
        found.sort(key=lambda finding: rank.get(finding.code, len(rank)))
        said = [finding.title[:1].lower() + finding.title[1:] for finding in found]
        failed = ", ".join(self.failed_controls)
        return [*said, f"a control failed ({failed})"] if failed else said

    def most_exposed(self, n: int | None = 20) -> pd.DataFrame:
        """Return the members that stand out most, by p-value and then by the headline's score.

        Parameters
        ----------
        n : int, default=20
            How many; None for all members.

        Returns
        -------
        DataFrame
            Rows of `records`, in order of their p-value, equal ones by the score of the headline
            attack; without p-values by that score alone.

        Raises
        ------
        ValueError
            If the report was saved without its records.
        """
        records = self.records
        if records.empty:
            raise ValueError("This report was saved without its records: it names nobody.")
        members = np.flatnonzero(records["member"] == 1)
        told = records[["p_value", self.info["headline"]]].to_numpy(dtype=np.float64)[members]
        # What is missing comes last.
        order = np.lexsort((-told[:, 1], told[:, 0]))
        return records.iloc[members[order[:n]]]

    def record_scores(self) -> pd.DataFrame:
        """Return all attacks' scores of each record, each with its p-value, and one of all.

        Returns
        -------
        DataFrame
            One row per record, with the index of `records`: who it is, as there; of each attack
            its score and, in ``NAME_p``, how often a record that was not trained on scores as
            high (`mia_sklearn.stats.conformal_p_values`); in ``combined_p`` the p-value of all
            attacks together (`mia_sklearn.stats.conformal_combine`). NaN, with a warning that
            says why, where train and test are no random split of one set of records.

        Raises
        ------
        ValueError
            If the report was saved without its records.

        Notes
        -----
        These p-values hold members against the non-members of this audit, learned attacks too:
        NAME_p is the rate of false alarms at which the attack would name the record. Those in
        ``p_value`` of `records` hold the model's own answer against references, and need no
        non-members.
        """
        reason = withheld(self.records, self.controls, self.info)
        return by_attack(self.records, self.attacks, reason)

    def named_again(self, *others: AuditContents) -> pd.DataFrame:
        """Return in how many other audits of the same records each member is named again.

        Parameters
        ----------
        *others : AuditReport
            Audits of the same members and non-members, with references, and perhaps a model, of
            other seeds.

        Returns
        -------
        DataFrame
            The members, in the order of `most_exposed`: who each is, ``p_value`` and ``q_value`` of
            this audit, ``reruns``, ``named_again`` (p-values of at most .01 in so many of them),
            and the ``share`` with its interval from ``low`` to ``high``.

        Raises
        ------
        ValueError
            If there is no other audit, or one of other records, without p-values or given twice.

        Notes
        -----
        The interval is exact where the other audits share neither models nor references with
        one another. The columns of these names in `records` come from the references of this
        audit alone, and cost no training.
        """
        given = [(other.records, other.info) for other in others]
        return named_by(self.most_exposed(None), self.info, given)

    def plot(self, ax: Any = None, **options: Any) -> AttackRocDisplay:
        """Draw the attacks' ROC curves on logarithmic axes, with the headline's band.

        Where the training claims differential privacy, its ceiling is drawn too.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        **options
            Passed to `AttackRocDisplay.from_predictions`.

        Returns
        -------
        AttackRocDisplay
        """
        from ..plots import AttackRocDisplay

        if self.records.empty:
            raise ValueError("This report was saved without its records, of which curves are made.")
        return AttackRocDisplay.from_predictions(
            self.records["member"].to_numpy(),
            {name: self.records[name].to_numpy() for name in self.attacks},
            **{"confidence": self.info["confidence"], "dp": self.info.get("claimed_dp")} | options,
            ax=ax,
        )
