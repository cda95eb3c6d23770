"""Evidence that can be handed on: a report less whatever could name a record, or hold one."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ._finding import Finding
from ._structure import NAMES_A_FEW
from ._without_data import without_data

if TYPE_CHECKING:
    import pandas as pd

    from ._contents import AuditContents

__all__ = ["COUNTS_ONLY", "FEWEST_IN_A_GROUP", "RETOLD", "evidence_of"]

Report = TypeVar("Report", bound="AuditContents")

# A group of fewer, on either side, is a few people whom others know.
FEWEST_IN_A_GROUP = 10
# Findings whose texts hold counts, rates and names of classes of code, and no value of the data.
COUNTS_ONLY = frozenset(
    {
        *("ANSWERS_DIFFER", "DP_CLAIM", "DUPLICATES", "EXPOSED_RECORDS", "FEW_REFERENCES"),
        *("HELD_ASIDE", "NOT_SHOWN", "NO_REFERENCES", "OVERFITTED", "OVERLAP", "PIPELINE_CONTROL"),
        *("LOSS_GAP", "SELF_INFLUENCE", "STORES_RECORDS"),
        *("REFERENCE_CONTROL", "SATURATED", "SEARCH", "SHIFT", "SINGLED_OUT"),
        *(
            "TIME_BUDGET",
            "TOO_FEW_RECORDS",
            "UNAUDITED_MEMBERS",
            "UNSTEADY_ANSWERS",
            "UNUSED_NONMEMBERS",
        ),
        *("SUPPORT_VECTORS", "TELLS_APART", "VULNERABLE_RECORDS"),
    }
)
# Those that quote parameters, errors or labels, or say what is greatest: what is said in place of
# their title; None where that may stay. All others, of other packages too, are named alone.
RETOLD: dict[str, str | None] = {
    "BELOW_CHANCE": None,
    "CLASSES_PERMUTED": None,
    # The group is called by values of the data, and may be of few.
    "GROUP_AT_RISK": "Members of one group are surely at more risk than others",
    "LOST_REFERENCES": None,
    "MEASURED_REMEDY": "Defenses were measured",
    "NO_SIGNAL": None,
    "PEOPLE": "The unit of privacy is a person: all of their records",
    "REFERENCES_DIFFER": "The target was not trained like its references",
    "TARGETS_DIFFER": None,
}
_LEFT_OUT = "Details may quote the data, and are in the report with records only."
_QUOTES = "values of parameters and texts of findings that may quote the data"
_NUMBERS = {
    *("n_train", "n_test", "n_members", "n_nonmembers", "n_unaudited", "n_repeated_train"),
    *("n_repeated_test", "confidence", "random_state", "target_train_accuracy"),
    *(
        "target_test_accuracy",
        "n_references",
        "n_references_for_target",
        "n_references_more",
        "first_stage_auc",
        "block_size",
        "stratified",
        "smoothing",
        "quick",
    ),
    *("queries_per_record", "references_without", "least_q_value"),
    *("n_outputs", "target_train_r2", "target_test_r2", "target_train_mae", "target_test_mae"),
}
# Texts of this library, or what the user calls the report.
_TEXTS = {
    *("title", "created", "headline", "release", "split", "unit", "sampling", "answers_are"),
    *("left_out", "whole_report"),
}
_DESCRIBED = {"model", "estimator", "asked_for"}
_PARTS = {"references_would", "timings", "vulnerable_records"}


def evidence_of(report: Report, whole: str = "") -> Report:
    """Return a report without records, and without what else could name one.

    Left out are groups of fewer than ten members or others (and further groups of a slice, until
    what is left out of it has as many), texts of findings that may quote the data, parameters
    that may hold some, greatest and least values, digests of the data, and all facts that are
    not this library's own.

    Parameters
    ----------
    report : AuditReport
    whole : str, default=""
        Fingerprint of the report with its records, by which its owner proves what this is of.

    Returns
    -------
    AuditReport
    """
    metrics, hidden = _large_groups(report)
    info = _facts(report.info)
    if len(report.records):
        groups = (f"groups of {name!r} with fewer than {FEWEST_IN_A_GROUP}" for name in hidden)
        info["left_out"] = "; ".join(["the records", *groups, _QUOTES, "digests of the data"])
    if whole:
        info["whole_report"] = whole
    # Of the known parts alone: what a report may hold besides is left out.
    return type(report)(
        metrics=metrics,
        records=report.records.iloc[:0],
        findings=[_retold(finding) for finding in report.findings],
        coverage=report.coverage,
        controls=report.controls,
        info=info,
        structural=_without_single_records(report.structural),
    )


def _without_single_records(measures: pd.DataFrame | None) -> pd.DataFrame | None:
    if measures is None:
        return None
    return measures[~measures["measure"].isin(NAMES_A_FEW)].reset_index(drop=True)


def _retold(finding: Finding) -> Finding:
    if finding.code in COUNTS_ONLY:
        return finding
    title = RETOLD.get(finding.code, f"A finding of another package: {_code(finding.code)}")
    return replace(
        finding,
        code=_code(finding.code),
        title=finding.title if title is None else title,
        explanation=_LEFT_OUT,
        remedy="",
    )


def _code(code: str) -> str:
    """Return a code as far as it is one."""
    return code if code.isidentifier() and code.isascii() else "OTHER"


def _facts(info: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in info.items():
        number = name in _NUMBERS and isinstance(value, (Real, np.bool_))
        if number or (name in _TEXTS and isinstance(value, str)):
            kept[name] = value
        elif name in _DESCRIBED and isinstance(value, str):
            kept[name] = without_data(value)
        elif name in _PARTS and isinstance(value, dict):
            kept[name] = {k: v for k, v in value.items() if isinstance(v, Real)}
        elif name == "records_per_person" and isinstance(value, dict):
            # The most that a person has is one person's number.
            kept[name] = {k: v for k, v in value.items() if k == "median"}
        elif name == "digests" and isinstance(value, dict):
            # Whoever has all records but one could try values of that one on a digest of the data.
            kept[name] = {k: v for k, v in value.items() if k == "model_file"}
        elif name in (
            "attacks",
            "claimed_dp",
            "gate",
            "thresholds_chosen_here",
            "time_budget",
            "versions",
        ):
            kept[name] = value
    return kept


def _large_groups(report: AuditContents) -> tuple[pd.DataFrame, list[str]]:
    """Return the metrics of groups that are large enough, and the slices that lack some."""
    metrics = report.metrics
    sizes = metrics.groupby("slice", sort=False)[["n_members", "n_nonmembers"]].max()
    everyone = sizes.loc[sizes.index == "all"].max()
    slicings = [str(name)[6:] for name in report.records.columns if str(name).startswith("slice_")]
    groups: dict[str, list[str]] = {}
    for group in sizes.index:
        if group != "all":
            of = [name for name in slicings if str(group).startswith(f"{name}=")]
            groups.setdefault(max(of, key=len, default=""), []).append(group)
    shown, hidden = ["all"], []
    for slicing, names in groups.items():
        kept = _largest(sizes.loc[names], everyone)
        shown += kept
        if len(kept) < len(names):
            hidden.append(slicing)
    return metrics[metrics["slice"].isin(shown)].reset_index(drop=True), hidden


def _largest(sizes: pd.DataFrame, everyone: pd.Series) -> list[str]:
    """Return the groups to show: large ones, whose complement is large too or nobody.

    What is left out can be had by subtraction from everyone, so that it must be of several people.
    """
    order = sizes.min(axis=1).sort_values(kind="stable").index
    kept = [name for name in order if sizes.loc[name].min() >= FEWEST_IN_A_GROUP]
    while kept:
        left = everyone - sizes.loc[kept].sum()
        if ((left == 0) | (left >= FEWEST_IN_A_GROUP)).all():
            break
        kept = kept[1:]
    return kept
