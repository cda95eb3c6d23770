"""What an audit found: plain tables, findings, and the ways to read, check and keep them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..conditions import CheckOutcome, Condition, check
from ._baseline import BaselineComparison, compare_reports
from ._contents import AuditContents

__all__ = ["AuditReport"]


@dataclass(eq=False, repr=False)
class AuditReport(AuditContents):
    """The result of `mia_sklearn.audit`.

    `print(report)` gives the verdict and the numbers in words; `save` writes them as a page for
    people (``index.html``), a file for programs (``audit.json``) and a list of records
    (``records.csv``, or a file of columns where they are many).

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
        where that has several levels; the position again where there is no index), ``label``
        (the true value of a regressor; ``label_0``, ... of several outputs, in the order of
        ``info["outputs"]``, their names),
        ``member`` (1 or 0), one column of scores per attack (log-odds of membership),
        ``slice_*``, ``p_value``, ``q_value`` (NaN for non-members); ``reruns``, how many
        references trained on it that can be audited like the model, and ``named_again``, how many
        of these audits name it at 1 % false alarms (of at most 64; missing where p-values could
        not be as small); where GMIA was run,
        ``expected_neighbors`` (in a training set) and ``vulnerable`` (1 or 0). With `groups`, one
        row per person, with ``group`` (who) and ``n_rows`` (number of records audited) in place
        of ``row``, ``index`` and ``label``.
    findings : list of Finding
        What leaves all numbers in doubt first, then the gravest.
    coverage : DataFrame
        One row per attack known: ``attack``, ``status`` ("run" or "not run"), ``track``,
        ``threat_model``, ``access``, ``knowledge``, ``reason``.
    controls : DataFrame
        The checks of the audit itself: ``control``, ``value``, ``low``, ``high``, ``p_value``,
        ``passed`` (missing where a control has no verdict), ``note``.
    info : dict
        How it was computed, as plain JSON values: ``headline`` (the attack fixed in advance whose
        numbers make the verdict), ``attacks``, ``confidence``, sizes, versions, timings.
    features : DataFrame, default=None
        What the members that are most exposed look like, as text: one column per feature, its
        index that of their rows in `records`. None where there is no such thing: the unit is a
        person, a record has more than 40 features, or they were not kept.
    structural : DataFrame, default=None
        What the model's structure shows, the ``measures`` of a `StructuralReport`. None in
        reports that were saved by an earlier version.

    See Also
    --------
    mia_sklearn.audit : Makes a report.

    Notes
    -----
    The list of records says who was in the training set. Saved files are readable by their owner
    only; treat them like the training data.
    """

    @property
    def verdict(self) -> str:
        """The headline attack's result in plain words, with counts and intervals.

        Where something leaves it in doubt, that is said first.
        """
        from ._summary import verdict_of

        return verdict_of(self)

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

    def compare(
        self, previous: AuditReport | str | os.PathLike[str], *, paired: bool | None = None
    ) -> BaselineComparison:
        """Say whether more is given away than in an earlier audit, the baseline.

        Parameters
        ----------
        previous : AuditReport or path
            The earlier report; or the folder that it was saved to, or its ``audit.json``.
        paired : bool, default=None
            True compares AUCs record by record, which tells smaller differences apart, and refuses
            a baseline of other records (the rate at 1 %, whose threshold each audit's non-members
            set, keeps an interval of what both rates are unsure by); False compares intervals;
            None pairs where the records are the same, and the same ones of them were trained on.

        Returns
        -------
        BaselineComparison
            False as a boolean only when the model is surely worse.

        Raises
        ------
        ValueError
            If the headline attack was not run in the earlier audit, one of the two is about people
            and the other about records, or records are to be paired that differ.
        FileNotFoundError
            If there is no report at a path.

        Notes
        -----
        The AUC of the headline attack and its true-positive rate at 1 % false alarms are compared,
        at a confidence that they share. On the same records the AUC is compared by
        `mia_sklearn.stats.paired_auc_difference`, and the rate as if the samples were independent,
        which is cautious where the same people are named. On others, a difference is sure where
        the intervals do not overlap: that holds whatever records both audits share.

        All differences are those of the two models that were audited. Training one of them again
        with another seed may differ by as much.

        Examples
        --------
        >>> report.compare("release-1/audit.json").outcome  # doctest: +SKIP
        'open'
        """
        if not isinstance(previous, AuditContents):
            previous = AuditReport.load(previous)
        return compare_reports(self, previous, paired=paired)

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        records: bool = True,
        gate: CheckOutcome | dict[str, Any] | None = None,
        before: AuditReport | None = None,
    ) -> Path:
        """Write a page, a file for programs and a list of records.

        They are ``index.html``, ``audit.json`` and ``records.csv``. Of more than 20,000 records
        the list is ``records.parquet`` in place of CSV, without pyarrow ``records.npz``, and
        ``audit.json`` holds none.

        Parameters
        ----------
        folder : path
            Made if missing; files of these names in it are replaced.
        records : bool, default=True
            False writes evidence that can be handed on, of counts and rates alone: no list of
            records (an earlier one is removed), and in the other files no record, no digest of
            the data, no group of fewer than ten, no text or parameter that may quote the data.
            Conditions cannot be checked on it, nor curves drawn, once it is loaded again.
        gate : CheckOutcome, default=None
            What `check` returned, to be kept with the report; a dict that
            `mia_sklearn.report.gate_of` made of other conditions.
        before : AuditReport, default=None
            An earlier report, whose numbers stand beside these on the page; see `compare`.

        Returns
        -------
        Path
            Where the page lies.

        Raises
        ------
        TypeError
            If `records` is no truth, or `gate` is neither of the two.
        ValueError
            If the path is empty.
        OSError
            If the folder or a file in it cannot be written; the other files are.

        Notes
        -----
        `mia_sklearn.report.schema` describes ``audit.json``.

        Examples
        --------
        >>> gate = report.check("auc <= 0.6")  # doctest: +SKIP
        >>> report.save("evidence", records=False, gate=gate)  # doctest: +SKIP
        """
        from ._store import save

        return save(self, folder, records=records, gate=gate, before=before)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> AuditReport:
        """Read a saved report; every number is as it was.

        Parameters
        ----------
        folder : path
            The folder given to `save`, or the ``audit.json`` in it.

        Returns
        -------
        AuditReport

        Raises
        ------
        FileNotFoundError
            If there is no ``audit.json`` in the folder, or no ``records.parquet`` or
            ``records.npz`` where it needs one.
        ValueError
            If the path is empty, or a file damaged, changed, no report, or of a later version.
        """
        from ._store import load

        return load(folder, cls)

    def to_markdown(self) -> str:
        """Return the report as Markdown, for job summaries and reviews.

        It holds what ``save(records=False)`` does, and the annex by which a person signs it off;
        no name from the data can act as markup.

        Returns
        -------
        str
        """
        from ._markdown import render_markdown

        return render_markdown(self)

    def model_card(self) -> str:
        """Return what a model card says of this audit: the body of a section, in Markdown.

        Returns
        -------
        str

        Examples
        --------
        >>> from skops.card import Card  # doctest: +SKIP
        >>> card = Card(model)  # doctest: +SKIP
        >>> card.add(**{"Privacy": report.model_card()})  # doctest: +SKIP
        """
        from ._markdown import render_model_card

        return render_model_card(self)

    def __repr__(self) -> str:
        from .._process._printable import printable

        n = "no list of" if self.records.empty else len(self.records)
        return printable(
            f"<AuditReport of {self.info.get('model', 'a model')}: {n} records, "
            f"{len(self.attacks)} attacks, {len(self.findings)} findings>"
        )

    def __str__(self) -> str:
        from ._text import render_text

        return render_text(self)

    def _repr_html_(self) -> str:
        from ._notebook import render_notebook

        return render_notebook(self)
