"""Finding records among those of the references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._records._digests import mixed_digests, row_digests
from .._records._groups import identifiers, names_in_words
from .._records._rows import positions
from ..references import ReferenceModels

if TYPE_CHECKING:
    pass


def _locate(
    references: ReferenceModels, X: Any, y: np.ndarray, rows: Any, groups: Any
) -> np.ndarray:
    """Return the records' positions in the pool, by their digests and groups."""
    digests = row_digests(X, y)
    pool = references.digests_[: references.n_pool_]
    if groups is not None:
        known, codes = _known_groups(references, groups)
        digests = mixed_digests(digests, codes.astype(np.uint64))
        pool = mixed_digests(pool, known[: references.n_pool_].astype(np.uint64))
    if rows is not None:
        rows = np.asarray(rows)
        if rows.shape != (len(y),) or rows.dtype.kind not in "iu":
            raise ValueError(f"rows must hold one integer per record of X, {len(y)} in all.")
        if len(rows) and (rows.min() < 0 or rows.max() >= len(pool)):
            raise ValueError(f"rows must lie between 0 and {len(pool) - 1}.")
        wrong = np.flatnonzero(pool[rows] != digests)
        if len(wrong):
            raise ValueError(
                f"Record {wrong[0]} of X is not record {rows[wrong[0]]} of the references' pool: "
                "rows pairs records with other records' references."
            )
        return rows.astype(np.intp)
    if np.array_equal(digests, pool):
        return np.arange(len(pool))
    places: dict[int, list[int]] = {}
    for position in range(len(pool) - 1, -1, -1):
        places.setdefault(int(pool[position]), []).append(position)
    found = np.empty(len(y), dtype=np.intp)
    for record, digest in enumerate(digests.tolist()):
        left = places.get(digest)
        if not left:
            raise ValueError(
                f"Record {record} of X (with its label{' and group' * (groups is not None)}) is "
                "not in the pool that the references were fitted on. Fit them on a pool that holds "
                "every record to observe, in the same encoding."
            )
        found[record] = left.pop()
    return found


def _known_groups(references: ReferenceModels, groups: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the references' groups and those given, both as the references number them."""
    if references.groups_ is None or references.group_names_ is None:
        raise ValueError(
            "groups are given, but the references were drawn record by record, so that a person's "
            "records are in for some and out for others: fit ReferenceModels(...).fit(X, y, "
            "groups=...)."
        )
    values = np.asarray(identifiers(groups, "groups"))
    codes = positions(values, references.group_names_)
    if (codes < 0).any():
        raise ValueError(
            f"groups holds {names_in_words(values[codes < 0])}, which the references were not "
            "fitted with."
        )
    return references.groups_, codes
