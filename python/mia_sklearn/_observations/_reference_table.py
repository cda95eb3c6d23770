"""The table that attacks read: its columns, how references fill it, how attacks read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..stats._likelihood import GaussianRatio, Moments
from ._columns import GROUP_COLUMNS, answer_columns, fill_answers, group_values
from ._neighborhood import Evidence, Neighborhood
from ._record_columns import RECORD_COLUMNS

if TYPE_CHECKING:
    from ._references import References

_MOST_MASKS = 8
_VALUES_PER_STEP = 2**22
# What is told of each perturbed copy, fields of `Evidence`.
_QUERY_KINDS = ("logit", "ratio", "above_out")


class ReferenceTable:
    """Turns a model's answers into rows of observations beside its references'.

    Parameters
    ----------
    references : fitted ReferenceModels
    neighbors : int, default=0
        Nearest pool records to describe in `neighbor_*` columns.
    n_queries : int, default=0
        Perturbed copies to describe in `query_*` columns.
    record_columns : bool, default=True
        Whether there are `difficulty_*` columns, where the records allow them.
    """

    def __init__(
        self,
        references: References,
        *,
        neighbors: int = 0,
        n_queries: int = 0,
        record_columns: bool = True,
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
            if references.access_ is not None and references.access_.sees_targets:
                raise ValueError(
                    "neighbors= compares records of one class, and these models answer numbers or "
                    "several labels: leave it out."
                )
            self.neighborhood = Neighborhood(references.X_, references.labels_, neighbors)
        self.of_records = references.record_columns() if record_columns else None
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
            "answer": len(answer_columns(n_classes, references.access_, references.labels_)),
            "slots": self.n_out + self.n_in,
            "means": 2 * n_classes if self.many_classes else 0,
            "neighbors": len(self.neighborhood.columns()) if self.neighborhood else 0,
            "queries": len(_QUERY_KINDS) * (n_queries + 1) if n_queries else 0,
            "groups": 0 if references.groups_ is None else len(GROUP_COLUMNS),
            "records": 0 if self.of_records is None else len(RECORD_COLUMNS),
        }

    def columns(self) -> list[str]:
        refs = self.references
        classes = range(len(refs.classes_))
        names = answer_columns(len(classes), refs.access_, refs.labels_)
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
        if self.of_records is not None:
            names += RECORD_COLUMNS
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
        if self.of_records is not None:
            parts["records"][:] = self.of_records[rows]

    def signal_and_out(self, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a model's signal on the first records, and that of their out references."""
        n = len(answers)
        signal = np.empty(n, dtype=np.float32)
        out = np.empty((n, self.n_out), dtype=np.float32)
        answers = np.asarray(answers, dtype=np.float32)
        absent = np.zeros(self.references.n_models_, dtype=bool)
        step = max(1, _VALUES_PER_STEP // self.references.n_models_)
        for start in range(0, n, step):
            rows = np.arange(start, min(start + step, n))
            slots = np.empty((len(rows), self.n_out + self.n_in), dtype=np.float32)
            self._fill_slots(slots, self.phi, rows, absent)
            out[rows] = slots[:, : self.n_out]
            signal[rows] = self.references.signal_of(answers[rows], rows)
        return signal, out

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
