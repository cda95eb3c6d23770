"""The table that attacks read: its columns, how references fill it, how attacks read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from ..stats._likelihood import GaussianRatio, Moments
from ._neighborhood import Evidence, Neighborhood

if TYPE_CHECKING:
    import pandas as pd

    from ..access import BaseAccess
    from ..references import ReferenceModels

_MOST_MASKS = 8
_VALUES_PER_STEP = 2**22
GROUP_COLUMNS = ("group", "acting")
# What is told of each perturbed copy, fields of `Evidence`.
_QUERY_KINDS = ("logit", "ratio", "above_out")

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
    # The signal of the record's class at other records, and that of the references there.
    "enhancing": re.compile(r"enhancing_(\d+)"),
    "enhancing_out": re.compile(r"enhancing_(\d+)_out_(\d+)"),
    "grad_norm": re.compile(r"grad_norm(?:\..+)?(?:@\d+)?"),
    "activation": re.compile(r"activation\..+\.\d+(?:@\d+)?"),
    "gradient": re.compile(r"gradient\..+\.\d+_\d+(?:@\d+)?"),
    # The same signal of several rounds of training, in the order of the rounds.
    "round_logit": re.compile(r"logit@(\d+)"),
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
    "enhancing": "EnhancingRecords(...).observe(target, found)",
    "enhancing_out": "EnhancingRecords(...).observe(target, found)",
    "grad_norm": 'observe(model, X, y, view="white-box")',
    "activation": 'observe(model, X, y, view="white-box")',
    "gradient": 'observe(model, X, y, view="white-box")',
    "feature": "mia_sklearn.access.observe_auxiliary(generator, X, nonmembers=...)",
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


def answer_columns(n_classes: int, access: BaseAccess | None) -> list[str]:
    """Return the columns of a target's own answer; generators have no classes."""
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
    """Write what a model answered into the columns of the answer.

    Parameters
    ----------
    target : ndarray of shape (n_rows, n_columns)
    answers : ndarray of shape (n_rows, n_answers)
        Log-posteriors, or what the access asks for.
    signal : ndarray of shape (n_rows,)
    labels : ndarray of shape (n_rows,)
        Positions of the true classes.
    access : BaseAccess or None
    """
    target[:, -1] = signal
    if target.shape[1] > 1:
        target[:, 0] = labels
    if access is None:
        target[:, 1:-1] = np.exp(answers)
    elif access.sees_labels:
        # Whoever sees labels alone sees all of the posterior on one class.
        seen = answers[:, 1:2]
        hit = seen == np.arange(target.shape[1] - 2)
        target[:, 1:-1] = np.where(np.isnan(seen), np.float32(np.nan), hit)


class ReferenceTable:
    """Turns a model's answers into rows of observations beside its references'.

    Parameters
    ----------
    references : fitted ReferenceModels
    neighbors : int, default=0
        Nearest pool records to describe in `neighbor_*` columns.
    n_queries : int, default=0
        Perturbed copies to describe in `query_*` columns.
    """

    def __init__(
        self, references: ReferenceModels, *, neighbors: int = 0, n_queries: int = 0
    ) -> None:
        self.references = references
        self.phi = references.phi()
        n_classes = len(references.classes_)
        self.many_classes = n_classes > 2 and references.access_ is None
        self.n_queries = n_queries
        self.neighborhood = None
        if neighbors:
            if references.n_population_:
                raise ValueError(
                    "neighbors= needs references trained on the pool itself, not on a population."
                )
            self.neighborhood = Neighborhood(references.X_, references.labels_, neighbors)
        # With a population the pool's records are out of every model: blocks do not part them.
        self.fixed_slots = bool(references.n_blocks_) and not references.n_population_
        if self.fixed_slots:
            singles, others = references.n_blocks_, references.block_size_ - 1
            self.n_out, self.n_in = (
                (singles, singles * others)
                if references.holdout_ == "out"
                else (singles * others, singles)
            )
        else:
            out = references.membership_ == 0
            self.n_out = int(out.sum(axis=0).max())
            self.n_in = int((~out).sum(axis=0).max())
        self._lost = np.isin(np.arange(references.n_models_), list(references.lost_))
        self._sums: tuple[np.ndarray, np.ndarray] | None = None
        self._widths = {
            "answer": len(answer_columns(n_classes, references.access_)),
            "slots": self.n_out + self.n_in,
            "means": 2 * n_classes if self.many_classes else 0,
            "neighbors": len(self.neighborhood.columns()) if self.neighborhood else 0,
            "queries": len(_QUERY_KINDS) * (n_queries + 1) if n_queries else 0,
            "groups": 0 if references.groups_ is None else len(GROUP_COLUMNS),
        }

    def columns(self) -> list[str]:
        classes = range(len(self.references.classes_))
        names = answer_columns(len(classes), self.references.access_)
        names += [f"out_{k}" for k in range(self.n_out)] + [f"in_{k}" for k in range(self.n_in)]
        if self.many_classes:
            names += [f"{side}_mean_{c}" for side in ("out", "in") for c in classes]
        if self.neighborhood:
            names += self.neighborhood.columns()
        if self.n_queries:
            names += [
                f"query_{kind}_{k}"
                for kind in _QUERY_KINDS
                for k in (*range(self.n_queries), "mean")
            ]
        if self.references.groups_ is not None:
            names += GROUP_COLUMNS
        return names

    def fill(
        self,
        target: np.ndarray,
        answers: np.ndarray,
        rows: np.ndarray,
        *,
        without: np.ndarray | None = None,
        pool_phi: np.ndarray | None = None,
        query_phi: np.ndarray | None = None,
        acting: int = -1,
    ) -> None:
        """Write one model's observations of `rows` into `target`.

        Parameters
        ----------
        target : ndarray of shape (n_rows, n_columns), float32
        answers : ndarray of shape (n_rows, n_answers)
            The observed model's log-posteriors, or what the references' access asks for.
        rows : ndarray of shape (n_rows,)
            Positions among the records of the references.
        without : ndarray of int, default=None
            Reference models whose places stay empty: the acting one and its whole block, since
            the complement of the acting reference tells the answer.
        pool_phi : ndarray of shape (n_pool,), default=None
            The observed model's phi on the whole pool, for the `neighbor_*` columns.
        query_phi : ndarray of shape (n_queries, n_rows), default=None
            Its phi on the perturbed copies of `rows`, for the `query_*` columns.
        acting : int, default=-1
            The reference that is observed; -1 for the target.
        """
        edges = np.cumsum([0, *self._widths.values()])
        parts = {
            name: target[:, start:stop]
            for name, start, stop in zip(self._widths, edges[:-1], edges[1:], strict=True)
        }
        absent = np.zeros(self.references.n_models_, dtype=bool)
        if without is not None:
            absent[without] = True
        # The target passes the same float32 door as the references did.
        answers = np.asarray(answers, dtype=np.float32)
        fill_answers(
            parts["answer"],
            answers,
            self.references.signal_of(answers, rows),
            self.references.labels_[rows],
            self.references.access_,
        )
        self._fill_slots(parts["slots"], self.phi, rows, absent)
        if self.many_classes:
            self._fill_means(parts["means"], rows, absent)
        if self.neighborhood:
            assert pool_phi is not None
            pool = np.arange(self.references.n_pool_)
            evidence = self._evidence(pool_phi, self.phi, pool, absent)
            self.neighborhood.fill(parts["neighbors"], rows, evidence)
        if self.n_queries:
            assert query_phi is not None
            self._fill_queries(parts["queries"], query_phi, rows, absent)
        if self.references.groups_ is not None:
            parts["groups"][:] = group_values(self.references.groups_[rows], acting)

    def _fill_slots(
        self, slots: np.ndarray, phi: np.ndarray, rows: np.ndarray, absent: np.ndarray
    ) -> None:
        out, in_ = slots[:, : self.n_out], slots[:, self.n_out :]
        if self.fixed_slots:
            self._fill_blocks(out, in_, phi, rows, absent)
        else:
            self._fill_packed(out, in_, phi, rows, absent)

    def _fill_blocks(
        self,
        out: np.ndarray,
        in_: np.ndarray,
        phi: np.ndarray,
        rows: np.ndarray,
        absent: np.ndarray,
    ) -> None:
        refs = self.references
        size = refs.block_size_
        single, rest = (out, in_) if refs.holdout_ == "out" else (in_, out)
        step = max(1, _VALUES_PER_STEP // refs.n_models_)
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            chosen = _as_slice(rows[part])
            # Models are numbered block by block.
            shape = (refs.n_blocks_, size, -1)
            labelled = refs.labelled_[:, chosen].reshape(shape)
            values = np.where(labelled, phi[:, chosen].reshape(shape), np.float32(np.nan))
            trained = (refs.membership_[:, chosen] > 0).reshape(shape)
            alone = labelled & (trained == (refs.holdout_ == "in"))
            # A record that its own training set was trimmed of is alone in no model.
            place = np.where(alone.any(axis=1), alone.argmax(axis=1), (~labelled).argmax(axis=1))
            single[part] = np.take_along_axis(values, place[:, None], axis=1)[:, 0].T
            for k in range(size - 1):
                other = (k + (k >= place))[:, None]
                rest[part, k :: size - 1] = np.take_along_axis(values, other, axis=1)[:, 0].T
        for block in np.unique(refs.block_[absent]):
            single[:, block] = np.nan
            rest[:, block * (size - 1) : (block + 1) * (size - 1)] = np.nan

    def _fill_packed(
        self,
        out: np.ndarray,
        in_: np.ndarray,
        phi: np.ndarray,
        rows: np.ndarray,
        absent: np.ndarray,
    ) -> None:
        trained = self.references.membership_[:, rows].T > 0
        values = phi[:, rows].T
        absent = absent | self._lost
        for side, chosen in ((out, ~trained & ~absent), (in_, trained & ~absent)):
            order = np.argsort(~chosen, axis=1, kind="stable")[:, : side.shape[1]]
            packed = np.take_along_axis(values, order, axis=1)
            side[:] = np.where(np.take_along_axis(chosen, order, axis=1), packed, np.nan)

    def _fill_means(self, means: np.ndarray, rows: np.ndarray, absent: np.ndarray) -> None:
        refs = self.references
        if self._sums is None:
            self._sums = (np.zeros(refs.outputs_.shape[1:]), np.zeros(refs.outputs_.shape[1:]))
            for model in np.flatnonzero(~self._lost):
                proba = np.exp(refs.outputs_[model], dtype=np.float64)
                trained = refs.membership_[model] > 0
                self._sums[0][~trained] += proba[~trained]
                self._sums[1][trained] += proba[trained]
        trained = refs.membership_[:, rows] > 0
        n_classes = len(refs.classes_)
        sides = (means[:, :n_classes], means[:, n_classes:])
        for side, sums, chosen in zip(sides, self._sums, (~trained, trained), strict=True):
            total = sums[rows]
            for missing in np.flatnonzero(absent & ~self._lost):
                proba = np.exp(refs.outputs_[missing, rows], dtype=np.float64)
                total -= np.where(chosen[missing][:, None], proba, 0.0)
            count = chosen[~absent & ~self._lost].sum(axis=0)[:, None]
            with np.errstate(invalid="ignore", divide="ignore"):
                side[:] = np.where(count > 0, np.maximum(total, 0.0) / count, np.nan)

    def _evidence(
        self, own: np.ndarray, phi: np.ndarray, rows: np.ndarray, absent: np.ndarray
    ) -> Evidence:
        """Compare a model's phi on `rows` with its references'.

        A target has all blocks where an acting reference lacks its own: the target's values
        are averaged over leaving out each block in turn, so that both mean the same.
        """
        refs = self.references
        if refs.n_blocks_ > 1 and not absent.any():
            chosen = np.unique(np.linspace(0, refs.n_blocks_ - 1, _MOST_MASKS).astype(int))
            turns = [refs.block_ == block for block in chosen]
        else:
            turns = [absent]
        parts = []
        for turn in turns:
            slots = np.empty((len(rows), self.n_out + self.n_in), dtype=np.float32)
            self._fill_slots(slots, phi, rows, turn)
            out, in_ = (Moments(own, s) for s in (slots[:, : self.n_out], slots[:, self.n_out :]))
            ratio = GaussianRatio().fit(out, in_).score(own, out, in_)
            parts.append(
                (ratio, own - (out.mean + in_.mean) / 2, own - out.mean, in_.mean - out.mean)
            )
        return Evidence(own, *np.nan_to_num(np.mean(parts, axis=0)))

    def _fill_queries(
        self, target: np.ndarray, query_phi: np.ndarray, rows: np.ndarray, absent: np.ndarray
    ) -> None:
        for query, own in enumerate(query_phi):
            references = self.references.query_phi(query)
            evidence = self._evidence(own, references, rows, absent)
            for kind, name in enumerate(_QUERY_KINDS):
                target[:, kind * (self.n_queries + 1) + query] = getattr(evidence, name)
        for kind in range(len(_QUERY_KINDS)):
            own = target[:, kind * (self.n_queries + 1) : (kind + 1) * (self.n_queries + 1)]
            own[:, -1] = own[:, :-1].mean(axis=1)


def _as_slice(rows: np.ndarray) -> Any:
    """Return consecutive rows as a slice, which needs no copy."""
    first, last = int(rows[0]), int(rows[-1])
    consecutive = last - first == len(rows) - 1 and (np.diff(rows) == 1).all()
    return slice(first, last + 1) if consecutive else rows


def shadow_observations(
    references: ReferenceModels,
    *,
    max_rows: int = 100_000,
    random_state: Any = None,
    neighbors: int = 0,
    n_queries: int = 0,
    models: np.ndarray | None = None,
    without: np.ndarray | None = None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Let references act as targets; see `ReferenceModels.shadow_observations`.

    Parameters
    ----------
    models : ndarray of int, default=None
        References that act; all by default.
    without : ndarray of int, default=None
        References that stay absent throughout, besides each acting one's block.
    """
    import pandas as pd

    rng = check_random_state(random_state)
    table = ReferenceTable(references, neighbors=neighbors, n_queries=n_queries)
    acting = np.arange(references.n_models_) if models is None else np.asarray(models)
    acting = acting[~np.isin(acting, list(references.lost_))]
    if max_rows < len(acting):
        acting = rng.choice(acting, size=max_rows, replace=False)
    share = np.full(len(acting), max_rows // len(acting))
    share[: max_rows % len(acting)] += 1
    chosen = []
    for model, size in zip(acting, share, strict=True):
        rows = np.flatnonzero(references.labelled_[model])
        if len(rows) > size and references.groups_ is not None:
            rows = _whole_groups(rows, references.groups_[rows], size, rng)
        elif len(rows) > size:
            rows = np.sort(rng.permutation(rows)[:size])
        chosen.append(rows)
    starts = np.cumsum([0, *(len(rows) for rows in chosen)])
    values = np.empty((starts[-1], len(table.columns())), dtype=np.float32)
    membership = np.empty(starts[-1], dtype=np.int64)
    for model, rows, start in zip(acting, chosen, starts[:-1], strict=True):
        stop = start + len(rows)
        own = references.block_[model]
        absent = np.flatnonzero(references.block_ == own) if own >= 0 else np.array([model])
        if without is not None:
            absent = np.union1d(absent, without)
        query_phi = None
        if n_queries:
            query_phi = np.stack(
                [references.query_phi(query)[model, rows] for query in range(n_queries)]
            )
        table.fill(
            values[start:stop],
            references.outputs_[model, rows],
            rows,
            without=absent,
            pool_phi=table.phi[model],
            query_phi=query_phi,
            acting=int(model),
        )
        membership[start:stop] = references.membership_[model, rows] > 0
    index = pd.MultiIndex.from_arrays(
        [np.repeat(acting, np.diff(starts)), np.concatenate(chosen)], names=["model", "row"]
    )
    return as_frame(values, table.columns(), index), membership


def _whole_groups(rows: np.ndarray, codes: np.ndarray, size: int, rng: Any) -> np.ndarray:
    """Return the rows of groups drawn at random, at most `size` but of one group at least."""
    drawn = rng.permutation(np.unique(codes))
    upto = np.cumsum(np.bincount(codes)[drawn])
    kept = drawn[: max(1, np.searchsorted(upto, size, side="right"))]
    return rows[np.isin(codes, kept)]


def as_frame(values: np.ndarray, names: Sequence[str], index: Any) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(values, columns=list(names), index=index, copy=False)
