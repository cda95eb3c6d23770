"""Observations as a network takes them: scalars, vectors and matrices, on common scales."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..._observations._columns import Reader

__all__ = ["READ", "Components", "Inputs", "RobustScale"]

#: Column groups that are read where they are there.
READ = (
    "label",
    "logit",
    "proba",
    "out",
    "in",
    "grad_norm",
    "activation",
    "gradient",
    "round_logit",
    "round_proba",
)
_ACTIVATION = re.compile(r"activation\.(.+)\.(\d+)(@\d+)?")
_GRADIENT = re.compile(r"gradient\.(.+)\.(\d+)_(\d+)(@\d+)?")
_PROBA = re.compile(r"proba_(\d+)(@\d+)?")
_TINY = float(np.finfo(np.float32).smallest_subnormal)
_LEAST_PROBA = 1e-12
# Rows from which scales are learned.
_MOST_ROWS = 2000
_CLIP = 5.0
_VALUES_PER_CHUNK = 2**23


class Inputs(NamedTuple):
    """Some records, ready for the components of a network."""

    scalars: np.ndarray
    #: Of shape (n_records, length) each.
    vectors: dict[str, np.ndarray]
    #: Of shape (n_records, n_rows, n_columns) each.
    matrices: dict[str, np.ndarray]
    #: Class index of each record, -1 where it is not known.
    label: np.ndarray


class RobustScale:
    """A column's place and width, robust against a few extreme records."""

    def __init__(self, values: np.ndarray) -> None:
        with warnings.catch_warnings():
            # Columns that are empty throughout.
            warnings.simplefilter("ignore", RuntimeWarning)
            low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
            spread = np.nanstd(values, axis=0)
        width = (high - low) / 1.349
        width = np.where(width > 1e-6 * np.nan_to_num(spread), width, spread)
        self.middle = np.nan_to_num(middle)
        self.width = np.where(np.nan_to_num(width) > 0, width, 1.0)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return values on the common scale; what is missing lies in the middle."""
        return np.nan_to_num((values - self.middle) / self.width, posinf=0.0, neginf=0.0)


class Components:
    """Learns from observations which components there are, and their scales.

    Parameters
    ----------
    table : Reader
    groups : sequence of str
        Column groups to read.
    """

    def __init__(self, table: Reader, groups: tuple[str, ...]) -> None:
        self.groups = [group for group in groups if group in table]
        names = {place: str(table.names[place]) for g in self.groups for place in table.groups[g]}  # type: ignore[index]
        self._read = np.array(sorted(names))
        self._activations = _matrices(names, _ACTIVATION)
        self._gradients = _matrices(names, _GRADIENT)
        self._posteriors = _matrices(names, _PROBA)
        self.n_classes = 0
        if "label" in self.groups and len(table):
            largest = np.nanmax(np.append(table.column("label"), 0.0))
            widths = [places.shape[1] for places in self._posteriors.values()]
            self.n_classes = int(min(max([largest + 1, *widths]), 10_000))
        some = table.values[:: max(1, -(-len(table) // _MOST_ROWS))]
        scalars, vectors, matrices = self._raw(Reader(some, table.groups, table.names))
        self._scalar_scale = RobustScale(scalars)
        self._vector_scales = {name: RobustScale(values) for name, values in vectors.items()}
        self._matrix_widths = {name: _root_mean_square(values) for name, values in matrices.items()}

    def __call__(self, table: Reader, dtype: Any) -> Iterator[Inputs]:
        """Yield records as a network takes them, some rows at a time."""
        step = max(1, _VALUES_PER_CHUNK // max(1, len(self._read)))
        for start in range(0, len(table), step):
            rows = table.values[start : start + step]
            yield self._inputs(Reader(rows, table.groups, table.names), dtype)

    def _inputs(self, table: Reader, dtype: Any) -> Inputs:
        scalars, vectors, matrices = self._raw(table)
        # The inverse hyperbolic sine keeps the order of extreme records, and tames them.
        inputs = {"": np.arcsinh(self._scalar_scale(scalars))}
        for name, values in vectors.items():
            inputs[name] = np.clip(self._vector_scales[name](values), -_CLIP, _CLIP)
        label = self._label(table)
        if self.n_classes:
            inputs["label"] = (label[:, None] == np.arange(self.n_classes)).astype(float)
        return Inputs(
            inputs.pop("").astype(dtype),
            {name: values.astype(dtype) for name, values in inputs.items()},
            {
                name: np.clip(values / self._matrix_widths[name], -_CLIP, _CLIP).astype(
                    dtype, copy=False
                )
                for name, values in matrices.items()
            },
            label,
        )

    def blank(self, table: Reader) -> np.ndarray:
        """Tell which rows hold nothing of what is read, but for the label."""
        places = np.setdiff1d(self._read, table.groups.get("label", []))
        return np.isnan(table.values[:, places]).all(axis=1)

    def _label(self, table: Reader) -> np.ndarray:
        if not self.n_classes:
            return np.full(len(table), -1)
        label = np.nan_to_num(table.column("label"), nan=-1.0)
        known = (label >= 0) & (label < self.n_classes)
        return np.where(known, label, -1).astype(np.intp)

    def _raw(
        self, table: Reader
    ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        label = self._label(table)
        scalars: list[np.ndarray] = [np.zeros((len(table), 0))]
        vectors, matrices = {}, {}
        for group in ("logit", "round_logit"):
            if group in self.groups:
                scalars.append(table[group].astype(np.float64))
        if "grad_norm" in self.groups:
            scalars.append(_log(table["grad_norm"], _TINY))
        if "logit" in self.groups:
            for side in ("out", "in"):
                if side in self.groups:
                    scalars.append(_against(table.column("logit"), table[side]))
        for name, places in self._posteriors.items():
            proba = table.values[:, places[0]]
            vectors[f"posterior{name}"] = _log(proba, _LEAST_PROBA)
            vectors[f"sorted posterior{name}"] = -np.sort(-_log(proba, _LEAST_PROBA), axis=1)
            scalars.append(_summary(proba.astype(np.float64), label))
        for name, places in self._activations.items():
            values = table.values[:, places[0]].astype(np.float64)
            vectors[f"activation {name}"] = values
            scalars.append(_log(np.linalg.norm(values, axis=1, keepdims=True), _TINY))
        for name, places in self._gradients.items():
            values = table.values[:, places.ravel()]
            values[:, places.ravel() < 0] = 0.0
            missing = np.isnan(values.sum(axis=1, keepdims=True))
            values[missing[:, 0]] = 0.0
            # The direction alone: the length is a scalar. By its peak first, so that squares of
            # small gradients do not vanish.
            peak = np.maximum(values.max(axis=1), -values.min(axis=1))[:, None]
            values /= np.where(peak > 0, peak, 1.0)
            norm = np.linalg.norm(values, axis=1, keepdims=True)
            values /= np.where(norm > 0, norm, 1.0)
            matrices[f"gradient {name}"] = values.reshape(-1, *places.shape)
            length = _log(peak, _TINY) + _log(norm, _TINY) * (norm > 0)
            scalars.append(np.where(missing, np.nan, length))
        return np.hstack(scalars), vectors, matrices


def _matrices(names: dict[int, str], pattern: re.Pattern[str]) -> dict[str, np.ndarray]:
    """Return the places of each layer's values as a matrix, -1 where one is missing."""
    found: dict[str, dict[tuple[int, int], int]] = {}
    for place, name in names.items():
        match = pattern.fullmatch(name)
        if match:
            *key, round_ = match.groups()
            layer = key.pop(0) if pattern is not _PROBA else ""
            position = tuple(map(int, key)) if len(key) == 2 else (0, int(key[0]))
            found.setdefault(f"{layer}{round_ or ''}", {})[position] = place  # type: ignore[index]
    matrices = {}
    for layer, places in found.items():
        rows, columns = np.array(list(places)).T
        matrix = np.full((rows.max() + 1, columns.max() + 1), -1)
        matrix[rows, columns] = list(places.values())
        matrices[layer] = matrix
    return matrices


def _log(values: np.ndarray, least: float) -> np.ndarray:
    return np.log(np.maximum(values.astype(np.float64), least))


def _against(logit: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Compare a record's answer with its references'."""
    with warnings.catch_warnings():
        # Rows without any reference.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nanmean(references, axis=1, dtype=np.float64)
        spread = np.nanstd(references, axis=1, dtype=np.float64)
    return np.stack([mean, spread, logit - mean, (logit - mean) / (spread + 1.0)], axis=1)


def _summary(proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the logit of the largest posterior, the log entropy, and whether it is right."""
    log_proba = np.log(np.maximum(proba, _LEAST_PROBA))
    top = np.nan_to_num(log_proba, nan=-np.inf).max(axis=1)
    others = np.log(np.maximum(proba.sum(axis=1) - np.exp(top), _LEAST_PROBA))
    entropy = np.log(np.maximum(-(proba * log_proba).sum(axis=1), _LEAST_PROBA))
    right = np.where(label < 0, np.nan, proba.argmax(axis=1) == label)
    return np.stack([top - others, entropy, right], axis=1)


def _root_mean_square(values: np.ndarray) -> np.ndarray:
    width = np.sqrt((values**2).mean(axis=0))
    # Entries that hardly ever move are not blown up.
    least = values.dtype.type(1e-2) * np.sqrt((width**2).mean())
    return np.maximum(width, least) if least > 0 else np.ones_like(width)
