"""What makes the model leak, and what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...attacks._registry import strongest
from ...report import BaseFinder, Finding
from ...report._leak import INFERRED_AT
from .._quality import gap_of

if TYPE_CHECKING:
    import pandas as pd

    from ..._comparisons._comparison import Comparison
    from ._context import Context

_SURE = 2.6  # standard errors
_READABLE = 1000  # letters of an estimator's parameters in a sentence


class MeasuredRemedy(BaseFinder):
    code = "MEASURED_REMEDY"
    severities = ("info",)
    summary = (
        "with `comparison=` by the stacked attack: the defense that lowered the AUC most, for sure "
        "and at no more than .02 of accuracy, or of R2; or that none did. Weaker attacks name no "
        "remedy"
    )

    def find(self, context: Context) -> Finding | None:
        compared = context.run.comparison
        if compared is None:
            return None
        auc = f"{compared.headline}_auc"
        before, after = compared.undefended, compared.best()

        def numbers(row: pd.Series) -> str:
            return f"{row[auc]:.3f} ({row[f'{auc}_low']:.3f} to {row[f'{auc}_high']:.3f})"

        lost = _lost_defenses(compared)
        if not compared.names_remedies:
            return self.found(
                f"The comparison cannot name a remedy: its attack was {compared.headline!r}",
                "A defense that alters answers without taking anything away may fool an attack "
                f"that is weaker than the audit's own ({strongest()!r}), so that what lowers the "
                f"AUC of {compared.headline!r} may lower no risk.{lost}",
                'Compare again with attacks="auto" and with references.',
            )
        if after is None:
            return self.found(
                f"None of the {compared.n_defenses} defenses measured is a remedy",
                f"Without defense the AUC of the attack {compared.headline!r} is "
                f"{numbers(before)}; none of them lowers it beyond doubt at a test score "
                f"({compared.score}) at most {compared.affordable} below "
                f"{compared.points(before['test_score'])}.{lost}",
                f"Compare stronger defenses, or other models; or decide what {compared.score} may "
                "be given up.",
            )
        return self.found(
            f"Of {compared.n_defenses} defenses measured, {str(after['defense'])!r} lowers the "
            "risk most",
            f"It lowers the AUC of the attack {compared.headline!r} from {numbers(before)} to "
            f"{numbers(after)}, at a test score ({compared.score}) of "
            f"{compared.points(after['test_score'])} in place of "
            f"{compared.points(before['test_score'])}; defenses that cost more than "
            f"{compared.affordable} are left aside.{lost}",
            f"Train {_in_short(str(after['parameters']))} and audit that model, on other records "
            "where there are some: it was chosen as the best of several on these.",
        )


class VulnerableRecords(BaseFinder):
    code = "VULNERABLE_RECORDS"
    severities = ("warning", "info")
    summary = (
        "members with next to no neighbours, at risk however well the model generalises (where "
        "`gmia` is run)"
    )

    def find(self, context: Context) -> Finding | None:
        run, records = context.run, context.records
        if run.vulnerable is None:
            return None
        members = records[(records["member"] == 1) & (records["vulnerable"] == 1)]
        if not len(members):
            return None
        inferred = int((members["p_value"] <= INFERRED_AT).sum())
        return self.found(
            f"{len(members):,} training records have next to no neighbours",
            "To models like this one they look like nobody else (fewer than "
            f"{run.vulnerable.beta:g} neighbours expected in a training set), so that what the "
            "model learned from them can be told from what it learned from others, however well "
            f"it generalises; {inferred:,} of them are recognised at p <= {INFERRED_AT:g}.",
            "Ask whether the model needs these records: train without those that do not help it "
            "(`mia_sklearn.defenses.VulnerableRecordRemoval`), or collect more people like them. "
            "Then audit again.",
            "warning" if inferred else "info",
        )


class Overfitted(BaseFinder):
    code = "OVERFITTED"
    severities = ("warning", "info")
    summary = (
        "the model is right more often on its training records than on others, or, predicting "
        "numbers, nearer to them"
    )

    def find(self, context: Context) -> Finding | None:
        gap = gap_of(context.run)
        if gap is None or gap.size <= _SURE * gap.error:
            return None
        sides = gap.text.format(train="the training records audited", test="the others")
        return self.found(
            f"The model {sides}",
            "It answers its training records differently from other people's, which is what "
            "membership attacks read.",
            "Reduce the gap: regularise, stop earlier, or use more data.",
            "warning" if gap.large else "info",
        )


def _lost_defenses(compared: Comparison) -> str:
    if not compared.lost:
        return ""
    said = "; ".join(f"{name} ({why or 'no numbers'})" for name, why in compared.lost.items())
    return f" Missing from the comparison, since they failed: {said}."


def _in_short(parameters: str) -> str:
    if len(parameters) <= _READABLE:
        return parameters
    return f"it ({parameters.partition('(')[0]}, with the parameters of the comparison)"
