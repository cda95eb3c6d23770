"""Records that an estimator carries among its parameters, where no training set slices them."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from .._records._digests import row_digests
from .._records._rows import is_frame
from ._kinds import is_pipeline, nested
from ._reach import parts_of

__all__ = ["check_own_records"]

# Parameters of which a list may be as long as the training set by accident.
_GRIDS = ("alphas", "Cs", "param_grid", "param_distributions", "transformers", "categories")
_DEEPEST = 5
_WAY_OUT = (
    "Reference models train on other records, so that it would be matched with the wrong ones: "
    "pass as estimator= a function (X, y, seed) that makes it anew for the records it is given and "
    "returns the fitted model."
)


def check_own_records(estimator: Any, X: Any, sizes: set[int]) -> None:
    """Refuse an estimator to train anew that holds entries of the records it was trained on.

    Parameters
    ----------
    estimator : estimator or function
    X : table of shape (n_records, ...)
        What references train on and are asked about.
    sizes : set of int
        How many records the target may have been trained on.

    Raises
    ------
    ValueError
        Names the parameter and the way out.
    """
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return
    width = X.shape[1] if len(getattr(X, "shape", ())) > 1 else None
    for part in nested(estimator):
        for name, value in part.get_params(deep=False).items():
            whose = f"{name} of {type(part).__name__}"
            if isinstance(value, str) and value == "precomputed":
                _check_square(estimator, part, whose, width in sizes)
            if name == "cv" and not hasattr(value, "split") and hasattr(value, "__iter__"):
                raise ValueError(f"{whose} lists positions of training records. {_WAY_OUT}")
            if name == "train_split":
                _check_validation(value, whose, X)
                continue
            if name in _GRIDS:
                continue
            found = next(_holding_records(value, sizes, width, _DEEPEST, set()), None)
            if found:
                raise ValueError(f"{whose} holds {found}. {_WAY_OUT}")
        if type(part).__name__ == "KernelCenterer":
            _check_square(estimator, part, "KernelCenterer", width in sizes)


def _check_square(estimator: Any, part: Any, whose: str, is_square: bool) -> None:
    """Refuse distances or kernels between training records in place of the records."""
    first = estimator
    while is_pipeline(first):
        first = first.steps[0][1]
    if part is first or is_square:
        raise ValueError(
            f"{whose} takes distances or kernels to the training records, which are others for "
            "each reference model: give the records themselves as X, and compute them in the model "
            "(a metric or kernel by name or as a function, or a step of a Pipeline)."
        )


def _is_estimator(value: Any) -> bool:
    """Tell whether a parameter is one of the nested estimators, which are looked at themselves."""
    if not hasattr(value, "get_params") or isinstance(value, type):
        return False
    return not any(kind.__module__.startswith("skorch.callbacks") for kind in type(value).__mro__)


def _holding_records(
    value: Any, sizes: set[int], width: int | None, depth: int, seen: set[int]
) -> Iterator[str]:
    """Yield what in a parameter has one entry per training record."""
    if depth < 0 or id(value) in seen or isinstance(value, (type, ModuleType, str, bytes)):
        return
    if _is_estimator(value):
        # Looked at by itself.
        return
    seen.add(id(value))
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.utils.data.Sampler):
        yield f"a {type(value).__name__}, which draws from records by their position"
    elif torch is not None and isinstance(value, torch.utils.data.Dataset):
        yield f"a {type(value).__name__}, records of its own"
    else:
        found = [n for n in _lengths(value) if n in sizes and n != width]
        if found:
            yield f"{found[0]:,} entries, one per training record"
            return
        for part in parts_of(value):
            yield from _holding_records(part, sizes, width, depth - 1, seen)


def _lengths(value: Any) -> tuple[int, ...]:
    """Return how many entries an array has along each axis, or a collection in all."""
    if isinstance(value, (str, bytes, type)):
        return ()
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return tuple(int(n) for n in shape)
    collection = isinstance(value, Collection) and not hasattr(value, "get_params")
    return (len(value),) if collection else ()


def _check_validation(split: Any, whose: str, X: Any) -> None:
    """Refuse fixed validation records that are audited or trained on too."""
    fixed = split.keywords.get("valid_ds") if isinstance(split, partial) else None
    if fixed is None:
        return
    validation, known = _digests(_records_of(fixed)), _digests(X)
    if validation is not None and known is not None and np.isin(validation, known).any():
        raise ValueError(
            f"{whose} validates on records that are in X_train or X_test too. Every reference "
            "model would be chosen by them: give as X_train what the steps were made on and leave "
            "the validation records out of X_test, or pass as estimator= a function (X, y, seed)."
        )


def _records_of(dataset: Any) -> Any:
    X = getattr(dataset, "X", None)
    if X is not None:
        return X
    return np.stack([np.asarray(dataset[k][0]) for k in range(len(dataset))])


def _digests(X: Any) -> np.ndarray | None:
    """Return digests of records in single precision, in which networks see them; None if none."""
    try:
        values = X.to_numpy() if is_frame(X) else np.asarray(X)
        return row_digests(values.reshape(len(values), -1).astype(np.float32))
    except (TypeError, ValueError, AttributeError):
        return None
