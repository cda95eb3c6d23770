"""The columns of the table that attacks read: their names, their groups, and one reader for all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..access import BaseAccess


GROUP_COLUMNS = ("group", "acting")


# Column groups and the names that belong to each. A group that no pattern names is "other".
_GROUPS = {
    "label": re.compile(r"label"),
    # Whose the record is, and which reference acts as the target (-1 for the target itself).
    "group": re.compile(r"group"),
    "acting": re.compile(r"acting"),
    "logit": re.compile(r"logit"),
    "proba": re.compile(r"proba_(\d+)"),
    "out": re.compile(r"out_(\d+)"),
    "in": re.compile(r"in_(\d+)"),
    "out_mean": re.compile(r"out_mean_(\d+)"),
    "in_mean": re.compile(r"in_mean_(\d+)"),
    "neighbor": re.compile(r"neighbor_.+"),
    "query": re.compile(r"query_.+"),
    # What the first stage of a cascade says of the record.
    "cascade": re.compile(r"cascade_.+"),
    # The signal of the record's class at other records, and that of the references there.
    "enhancing": re.compile(r"enhancing_(\d+)"),
    "enhancing_out": re.compile(r"enhancing_(\d+)_out_(\d+)"),
    "grad_norm": re.compile(r"grad_norm(?:\..+)?(?:@\d+)?"),
    "activation": re.compile(r"activation\..+\.\d+(?:@\d+)?"),
    "gradient": re.compile(r"gradient\..+\.\d+_\d+(?:@\d+)?"),
    # How far the answer lies from the edge of a margin.
    "edge": re.compile(r"edge"),
    # The same signal of several rounds of training, in the order of the rounds.
    "round_logit": re.compile(r"logit@(\d+)"),
    # True values of records that have no class, and what the target predicts of them.
    "target": re.compile(r"target_(\d+)"),
    "prediction": re.compile(r"prediction_(\d+)"),
    # What other records say of it and its label: no model and no membership has a say.
    "difficulty": re.compile(r"difficulty_.+"),
    # The record itself.
    "feature": re.compile(r"feature_(\d+)"),
    "round_proba": re.compile(r"proba_\d+@\d+"),
}


_HOW_TO_GET = {
    "group": "observe(..., groups=...)",
    "label": "observe(model, X, y)",
    "logit": "observe(model, X, y)",
    "proba": "observe(model, X, y)",
    "out": "observe(model, X, y, references=ReferenceModels(...).fit(X, y))",
    "in": "observe(model, X, y, references=ReferenceModels(...).fit(X, y))",
    "neighbor": "observe(..., references=..., neighbors=6)",
    "query": "ReferenceModels(..., n_queries=10) and observe(..., n_queries=10)",
    "cascade": "observe_cascade(model, X, y, references=...)",
    "enhancing": "EnhancingRecords(...).observe(target, found)",
    "enhancing_out": "EnhancingRecords(...).observe(target, found)",
    "grad_norm": 'observe(model, X, y, view="white-box")',
    "activation": 'observe(model, X, y, view="white-box")',
    "gradient": 'observe(model, X, y, view="white-box")',
    "target": "observe(regressor, X, y)",
    "prediction": "observe(regressor, X, y)",
    "edge": 'observe(model, X, y, view="white-box") of a support vector machine',
    "feature": "observe(model, X, y, features=True), of generators "
    "mia_sklearn.access.observe_auxiliary(generator, X, nonmembers=...)",
    "difficulty": "observe(..., references=...) without record_columns=False",
    "round_logit": "FederatedTraining(..., observers=[GlobalObserver(X, y)])",
}


def group_columns(names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the positions of each group's columns, numbered ones in the order of their number.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    dict of str to ndarray of int
        Only the groups that are there.
    """
    found: dict[str, list[tuple[tuple[int, ...], int]]] = {}
    for position, name in enumerate(names):
        for group, pattern in _GROUPS.items():
            match = pattern.fullmatch(str(name))
            if match:
                order = tuple(map(int, match.groups())) or (position,)
                found.setdefault(group, []).append((order, position))
                break
    return {
        group: np.array([position for _, position in sorted(places)])
        for group, places in found.items()
    }


def describe_missing(attack: str, missing: Sequence[str]) -> str:
    ways = "; ".join(
        f"'{group}' by {_HOW_TO_GET.get(group, 'a richer observer')}" for group in missing
    )
    return f"{attack} needs columns that the observations lack: {ways}."


class Reader:
    """One table of observations, read group by group, by position."""

    def __init__(
        self, values: np.ndarray, groups: dict[str, np.ndarray], names: Sequence[str] | None = None
    ) -> None:
        self.values = values
        self.groups = groups
        self.names = names

    def __contains__(self, group: str) -> bool:
        return group in self.groups

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, group: str) -> np.ndarray:
        """Return the group's columns, as a view where they lie next to one another."""
        places = self.groups[group]
        if len(places) and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
            return self.values[:, places[0] : places[0] + len(places)]
        return self.values[:, places]

    def column(self, group: str) -> np.ndarray:
        return self.values[:, self.groups[group][0]]


def n_blocks(table: Reader) -> int:
    """Count the blocks of a table with fixed slots: each owns one in or one out column."""
    return int(np.gcd(len(table.groups["out"]), len(table.groups["in"])))


def block_slots(table: Reader, block: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the ranges of a block's columns among the `out` and the `in` columns."""
    blocks = n_blocks(table)
    n_out, n_in = (len(table.groups[side]) // blocks for side in ("out", "in"))
    return (block * n_out, (block + 1) * n_out), (block * n_in, (block + 1) * n_in)


def group_values(codes: np.ndarray, acting: int = -1) -> np.ndarray:
    """Return the columns that say whose records were observed, and through which model."""
    return np.column_stack([codes, np.full(len(codes), acting)])


def answer_columns(n_classes: int, access: BaseAccess | None, labels: np.ndarray) -> list[str]:
    """Return the columns of a target's own answer; generators have no classes."""
    if access is not None and access.sees_targets:
        outputs = range(labels.shape[1])
        return [*(f"{kind}_{j}" for kind in ("target", "prediction") for j in outputs), "logit"]
    names = ["label"] if n_classes else []
    if access is None or access.sees_labels:
        names += [f"proba_{c}" for c in range(n_classes)]
    return [*names, "logit"]


def fill_answers(
    target: np.ndarray,
    answers: np.ndarray,
    signal: np.ndarray,
    labels: np.ndarray,
    access: BaseAccess | None,
) -> None:
    """Write what a model answered into `target`, the columns of the answer.

    `answers` are log-posteriors of shape (n_rows, n_classes), or what the access asks for; `labels`
    are positions of the true classes, or true values.
    """
    target[:, -1] = signal
    if access is not None and access.sees_targets:
        target[:, :-1] = np.hstack([labels, access.predicted(answers, labels)])
        return
    if target.shape[1] > 1:
        target[:, 0] = labels
    if access is None:
        target[:, 1:-1] = np.exp(answers)
    elif access.sees_labels:
        # Whoever sees labels alone sees all of the posterior on one class.
        seen = answers[:, 1:2]
        hit = seen == np.arange(target.shape[1] - 2)
        target[:, 1:-1] = np.where(np.isnan(seen), np.float32(np.nan), hit)
