"""What a network is given, and where."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def as_input(X: Any, dtype: torch.dtype) -> Any:
    """Return records as an array in the precision of a network's parameters."""
    X = np.asarray(X)
    if X.dtype.kind not in "biuf":
        raise ValueError(
            f"A network takes numbers, got records of type {X.dtype}. Encode them, in a Pipeline "
            "in front of the net for example."
        )
    precision = np.dtype(str(dtype).removeprefix("torch."))
    if X.dtype.kind == "f":
        X = X.astype(precision, copy=False)
    # torch warns of arrays that it could not write to, and writes to none.
    return X if X.flags.writeable else X.copy()


def check_device(device: Any) -> torch.device:
    """Return a device, or raise when it is not there.

    Raises
    ------
    ValueError
        If CUDA is asked for and absent; names the fix.
    """
    asked = torch.device("cpu" if device is None else device)
    if asked.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={str(device)!r}, but torch finds no CUDA device. Use device='cpu', or install "
            "a driver and a build of torch for it."
        )
    return asked
