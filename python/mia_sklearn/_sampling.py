"""Who trains on what: the training sets of reference models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from numbers import Integral, Real
from typing import Any

import numpy as np

from ._groups import cut_nearest

__all__ = ["SAMPLINGS", "Assignment", "assign", "shape_of_block", "training_rows"]

SAMPLINGS = ("block", "bootstrap", "disjoint")

_SMALLEST_BLOCK = 2
_LARGEST_BLOCK = 8
# Reference models whose training sets differ more than this from what was asked would
# answer differently for that reason alone.
_TOLERATED_SIZE_ERROR = 0.05


@dataclass(frozen=True)
class Assignment:
    """Training sets of all models, over the records that may be trained on.

    `membership` counts how often a model trains on a record, `labelled` says where that count
    may be learned from, `block` numbers each model's block (-1 without blocks).
    """

    membership: np.ndarray
    labelled: np.ndarray
    block: np.ndarray
    block_size: int
    holdout: str
    train_size: int

    @property
    def n_models(self) -> int:
        return len(self.membership)


def assign(
    sampling: str,
    n_records: int,
    train_size: Any,
    n_core: int,
    *,
    n_models: int,
    entropy: int,
    groups: np.ndarray | None = None,
) -> Assignment:
    """Draw the training sets.

    Model i's set depends on `entropy` and i alone, not on how many models there are.

    Parameters
    ----------
    groups : ndarray of int of shape (n_records,), default=None
        Records of one number are drawn together; each by itself by default. No group is cut, so
        that sizes come as near to what was asked as whole groups allow.
    """
    size = _records_per_model(train_size, n_records, n_core, sampling)
    if groups is None:
        return _draw(sampling, np.ones(n_records, dtype=np.intp), size, n_models, entropy)
    codes = np.unique(groups, return_inverse=True)[1]
    drawn = _draw(sampling, np.bincount(codes), size, n_models, entropy)
    membership = drawn.membership[:, codes]
    return replace(
        drawn,
        membership=membership,
        labelled=drawn.labelled[:, codes],
        train_size=round(membership.sum(axis=1).mean()),
    )


def _draw(sampling: str, sizes: np.ndarray, size: int, n_models: int, entropy: int) -> Assignment:
    """Draw units that hold `sizes` records each."""
    if sampling == "block":
        return _blocks(sizes, size, n_models, entropy)
    n_units = len(sizes)
    _check_largest(sizes, size)
    membership = np.zeros((n_models, n_units), dtype=np.uint16)
    labelled = np.ones((n_models, n_units), dtype=bool)
    for model in range(n_models):
        rng = _generator(entropy, model)
        if sampling == "bootstrap":
            drawn = rng.integers(n_units, size=size)
            drawn = drawn[: cut_nearest(sizes[drawn], size)]
            membership[model] = np.bincount(drawn, minlength=n_units)
        else:
            order = rng.permutation(n_units)
            middle, end = cut_nearest(sizes[order], [size, 2 * size])
            membership[model, order[:middle]] = 1
            labelled[model] = False
            labelled[model, order[:end]] = True
    return Assignment(membership, labelled, np.full(n_models, -1), 0, "", size)


def training_rows(counts: np.ndarray, n_core: int, seed: int) -> np.ndarray:
    """Return the rows a model trains on, in random order; core rows follow the records'."""
    rows = np.repeat(np.arange(len(counts)), counts)
    core = np.arange(len(counts), len(counts) + n_core)
    # Models that read their records in order must not learn the order of the pool.
    return np.random.default_rng(seed).permutation(np.concatenate([rows, core]))


def _blocks(sizes: np.ndarray, size: int, n_models: int, entropy: int) -> Assignment:
    n_records = int(sizes.sum())
    block_size, holdout = shape_of_block(n_records, size)
    _check_largest(sizes, min(size, n_records // block_size))
    n_blocks = max(2, ceil(n_models / block_size))
    shape = (n_blocks * block_size, len(sizes))
    membership = np.zeros(shape, dtype=np.uint16)
    labelled = np.ones(shape, dtype=bool)
    trims = not _is_close(n_records, block_size, holdout, size)
    # Parts of equal size, the first ones larger by one where the records do not divide evenly.
    ends = np.arange(1, block_size) * (n_records // block_size)
    ends += np.minimum(np.arange(1, block_size), n_records % block_size)
    for block in range(n_blocks):
        rng = _generator(entropy, block)
        order = rng.permutation(len(sizes))
        parts = np.split(order, cut_nearest(sizes[order], ends))
        for model, part in enumerate(parts, start=block * block_size):
            membership[model, part] = 1
            if holdout == "out":
                membership[model] = 1 - membership[model]
            if trims:
                trained = rng.permutation(np.flatnonzero(membership[model]))
                surplus = max(0, int(sizes[trained].sum()) - size)
                dropped = trained[: cut_nearest(sizes[trained], surplus)]
                membership[model, dropped] = 0
                labelled[model, dropped] = False
    trained_on = int((membership @ sizes).max())
    block_of = np.repeat(np.arange(n_blocks), block_size)
    return Assignment(membership, labelled, block_of, block_size, holdout, trained_on)


def _check_largest(sizes: np.ndarray, part: int) -> None:
    """Raise if one group would fill a model's training set, or what it leaves out."""
    if sizes.max() > part:
        raise ValueError(
            f"groups: the largest group holds {sizes.max()} of {sizes.sum()} records, more than "
            f"the {part} that reference models are drawn in parts of. Leave it out, or cut it to "
            "fewer records."
        )


def shape_of_block(n_records: int, size: int) -> tuple[int, str]:
    """Return the number of models in a block and which of their sets partition the records.

    Where the nearest number does not give sets of about `size`, the one whose sets are larger:
    their surplus is dropped.
    """
    held_out = n_records - size
    holdout = "out" if size >= held_out else "in"
    ideal = n_records / min(size, held_out)
    block_size = _clip(round(ideal))
    if _is_close(n_records, block_size, holdout, size):
        return block_size, holdout
    block_size = ceil(ideal) if holdout == "out" else _clip(floor(ideal))
    if block_size > _LARGEST_BLOCK:
        most = floor(n_records * (1 - 1 / _LARGEST_BLOCK))
        raise ValueError(
            f"train_size leaves {held_out} of {n_records} records out, fewer than blocks of "
            f"{_LARGEST_BLOCK} models can. Train on {most} of them, or pass the records that "
            "every model is to train on as core."
        )
    return block_size, holdout


def _clip(block_size: int) -> int:
    return min(max(block_size, _SMALLEST_BLOCK), _LARGEST_BLOCK)


def _is_close(n_records: int, block_size: int, holdout: str, size: int) -> bool:
    parts = (n_records // block_size, ceil(n_records / block_size))
    trained = [n_records - part if holdout == "out" else part for part in parts]
    return max(abs(n - size) for n in trained) <= max(1, _TOLERATED_SIZE_ERROR * size)


def _records_per_model(train_size: Any, n_records: int, n_core: int, sampling: str) -> int:
    """Return how many of the sampled records, core left aside, a model trains on."""
    if train_size is None:
        size = n_records // 2
    elif isinstance(train_size, Integral) and not isinstance(train_size, bool):
        size = int(train_size) - n_core
    elif isinstance(train_size, Real) and 0 < float(train_size) < 1:
        size = round(float(train_size) * n_records)
    else:
        raise ValueError(
            "train_size must be None, a number of records, or a share between 0 and 1, "
            f"got {train_size!r}."
        )
    most = {"block": n_records - 1, "disjoint": n_records // 2}.get(sampling)
    if size < 1 or (most is not None and size > most):
        core = f" beside the {n_core} of the core" if n_core else ""
        limit = f"1 to {most}" if most is not None else "at least 1"
        raise ValueError(
            f"train_size={train_size!r} makes each reference model train on {size} of "
            f"{n_records} records{core}; {sampling} sampling needs {limit}."
        )
    return size


def _generator(entropy: int, index: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(index,)))
