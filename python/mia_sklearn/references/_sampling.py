"""Who trains on what: the training sets of reference models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from numbers import Integral, Real
from typing import Any

import numpy as np

from .._records._groups import cut_nearest

__all__ = [
    "SAMPLINGS",
    "Assignment",
    "assign",
    "is_stratified",
    "parts_of",
    "shape_of_block",
    "training_rows",
]

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
    strata: np.ndarray | None = None,
) -> Assignment:
    """Draw the training sets.

    Model i's set depends on `entropy` and i alone, not on how many models there are.

    Parameters
    ----------
    groups : ndarray of int of shape (n_records,), default=None
        Records of one number are drawn together; each by itself by default. No group is cut, so
        that sizes come as near to what was asked as whole groups allow.
    strata : ndarray of shape (n_records,), default=None
        Records of one value, a class, are spread evenly over the parts, to within one record;
        they lie as they come by default. Without groups only.
    """
    size = _records_per_model(train_size, n_records, n_core, sampling)
    if strata is not None:
        codes = np.unique(strata, return_inverse=True)[1]
        return _draw(_Strata(codes), sampling, size, n_models, entropy)
    if groups is None:
        return _draw(_Units(np.ones(n_records, dtype=np.intp)), sampling, size, n_models, entropy)
    codes = np.unique(groups, return_inverse=True)[1]
    drawn = _draw(_Units(np.bincount(codes)), sampling, size, n_models, entropy)
    membership = drawn.membership[:, codes]
    return replace(
        drawn,
        membership=membership,
        labelled=drawn.labelled[:, codes],
        train_size=round(membership.sum(axis=1).mean()),
    )


def parts_of(
    n_records: int,
    n_parts: int,
    rng: np.random.Generator,
    groups: np.ndarray | None = None,
    strata: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Part records at random into equal parts; `groups` and `strata` as in `assign`."""
    codes = np.arange(n_records)
    if groups is not None:
        codes = np.unique(groups, return_inverse=True)[1]
    units = _Units(np.bincount(codes))
    if strata is not None:
        units = _Strata(np.unique(strata, return_inverse=True)[1])
    return [np.flatnonzero(np.isin(codes, part)) for part in units.parts(n_parts, rng)]


def is_stratified(member: np.ndarray, labels: np.ndarray) -> bool:
    """Tell whether each class has its share of members, to within one record.

    A plain random split that happens to have such numbers is, given them, a stratified one.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    expected = np.bincount(codes) * np.mean(member)
    found = np.bincount(codes, weights=member)
    return bool((np.abs(found - expected) <= 1 + 1e-9).all())


def training_rows(counts: np.ndarray, n_core: int, seed: int) -> np.ndarray:
    """Return the rows a model trains on, in random order; core rows follow the records'."""
    rows = np.repeat(np.arange(len(counts)), counts)
    core = np.arange(len(counts), len(counts) + n_core)
    # Models that read their records in order must not learn the order of the pool.
    return np.random.default_rng(seed).permutation(np.concatenate([rows, core]))


class _Units:
    """Units that hold `sizes` records each, drawn as they come."""

    def __init__(self, sizes: np.ndarray) -> None:
        self.sizes = sizes

    def check(self, part: int) -> None:
        """Raise if one group would fill a model's training set, or what it leaves out."""
        if self.sizes.max() > part:
            raise ValueError(
                f"groups: the largest group holds {self.sizes.max()} of {self.sizes.sum()} "
                f"records, more than the {part} that reference models are drawn in parts of. "
                "Leave it out, or cut it to fewer records."
            )

    def parts(self, n_parts: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Part all units at random, the first parts larger where they do not divide evenly."""
        n_records = int(self.sizes.sum())
        ends = np.arange(1, n_parts) * (n_records // n_parts)
        ends += np.minimum(np.arange(1, n_parts), n_records % n_parts)
        order = rng.permutation(len(self.sizes))
        return np.split(order, cut_nearest(self.sizes[order], ends))

    def surplus(self, trained: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """Return which of some units are to go, so that `size` records remain."""
        trained = rng.permutation(trained)
        surplus = max(0, int(self.sizes[trained].sum()) - size)
        return trained[: cut_nearest(self.sizes[trained], surplus)]

    def apart(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return two parts of `size` records that have none in common."""
        order = rng.permutation(len(self.sizes))
        middle, end = cut_nearest(self.sizes[order], [size, 2 * size])
        return order[:middle], order[middle:end]

    def again(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `size` records with replacement."""
        drawn = rng.integers(len(self.sizes), size=size)
        return drawn[: cut_nearest(self.sizes[drawn], size)]


class _Strata(_Units):
    """Records each of which belongs to a stratum, and strata in their share in every draw.

    Records are laid stratum by stratum, in random order, and dealt round or picked at equal
    distances, so that each stratum's share is met to within one record, however rare it is.
    """

    def __init__(self, codes: np.ndarray) -> None:
        super().__init__(np.ones(len(codes), dtype=np.intp))
        self._codes = codes
        self._n = np.bincount(codes)
        self._of_stratum = np.argsort(codes, kind="stable")

    def parts(self, n_parts: int, rng: np.random.Generator) -> list[np.ndarray]:
        order = self._laid(np.arange(len(self._codes)), rng)
        return [order[start::n_parts] for start in rng.permutation(n_parts)]

    def surplus(self, trained: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        trained = self._laid(trained, rng)
        return trained[_evenly(len(trained), max(0, len(trained) - size), rng)]

    def apart(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        order = self._laid(np.arange(len(self._codes)), rng)
        chosen = order[_evenly(len(order), 2 * size, rng)]
        first = rng.integers(2)
        return chosen[first::2], chosen[1 - first :: 2]

    def again(self, size: int, rng: np.random.Generator) -> np.ndarray:
        order = self._laid(np.arange(len(self._codes)), rng)
        own = self._codes[order[_evenly(len(order), size, rng)]]
        starts = np.cumsum(self._n) - self._n
        return self._of_stratum[starts[own] + rng.integers(self._n[own])]

    def _laid(self, records: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        order = rng.permutation(records)
        place = rng.permutation(len(self._n))
        return order[np.argsort(place[self._codes[order]], kind="stable")]


def _evenly(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return `size` places of `n` at equal distances, repeated ones where `size` is larger."""
    places = np.floor((np.arange(size) + rng.random()) * (n / max(1, size)))
    return np.minimum(places, n - 1).astype(np.intp)


def _draw(units: _Units, sampling: str, size: int, n_models: int, entropy: int) -> Assignment:
    if sampling == "block":
        return _blocks(units, size, n_models, entropy)
    n_units = len(units.sizes)
    units.check(size)
    membership = np.zeros((n_models, n_units), dtype=np.uint16)
    labelled = np.ones((n_models, n_units), dtype=bool)
    for model in range(n_models):
        rng = _generator(entropy, model)
        if sampling == "bootstrap":
            membership[model] = np.bincount(units.again(size, rng), minlength=n_units)
        else:
            train, test = units.apart(size, rng)
            membership[model, train] = 1
            labelled[model] = False
            labelled[model, train] = labelled[model, test] = True
    return Assignment(membership, labelled, np.full(n_models, -1), 0, "", size)


def _blocks(units: _Units, size: int, n_models: int, entropy: int) -> Assignment:
    n_units, n_records = len(units.sizes), int(units.sizes.sum())
    block_size, holdout = shape_of_block(n_records, size)
    units.check(min(size, n_records // block_size))
    n_blocks = max(2, ceil(n_models / block_size))
    shape = (n_blocks * block_size, n_units)
    membership = np.zeros(shape, dtype=np.uint16)
    labelled = np.ones(shape, dtype=bool)
    trims = not _is_close(n_records, block_size, holdout, size)
    for block in range(n_blocks):
        rng = _generator(entropy, block)
        for model, part in enumerate(units.parts(block_size, rng), start=block * block_size):
            membership[model, part] = 1
            if holdout == "out":
                membership[model] = 1 - membership[model]
            if trims:
                dropped = units.surplus(np.flatnonzero(membership[model]), size, rng)
                membership[model, dropped] = 0
                labelled[model, dropped] = False
    trained_on = int((membership @ units.sizes).max())
    block_of = np.repeat(np.arange(n_blocks), block_size)
    return Assignment(membership, labelled, block_of, block_size, holdout, trained_on)


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


def behind(first: int, values: np.ndarray) -> np.ndarray:
    """Put `first` columns of zeros, the pool that nothing trains on, before `values`."""
    if first == 0:
        return values
    return np.hstack([np.zeros((len(values), first), dtype=values.dtype), values])
