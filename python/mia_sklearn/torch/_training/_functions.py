"""What torch's functions do otherwise while networks train as one.

Dropout: masks depend on the model, the step and the layer alone. Models of one batch draw no
numbers from a common generator: what a model drops is the same whichever models train beside
it, and on every device. Linear layers: the same product the other way round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["TrainingFunctions", "step_keys"]

_BITS = 2.0**32
# Dropout of whole channels keeps these leading dimensions of its input.
_LEADING = {F.dropout: None, F.dropout1d: 2, F.dropout2d: 2, F.dropout3d: 2}


def _signed(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


_FIRST, _SECOND, _LAYER = _signed(0x7FEB352D), _signed(0x846CA68B), _signed(0x9E3779B9)


def _mixed(x: Tensor) -> Tensor:
    """Scatter 32-bit integers over their whole range, equal ones alike.

    The constants are those of C. Wellons' "lowbias32" (public domain). Shifts of signed numbers
    keep their sign, which the masks remove.
    """
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * _FIRST
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * _SECOND
    return x ^ ((x >> 16) & 0xFFFF)


def step_keys(seeds: np.ndarray, step: int) -> np.ndarray:
    """Return a number (int32) for each model, from which the masks of a step come."""
    mixed = _scattered(_scattered(seeds.astype(np.uint64)) + np.uint64(step))
    return (mixed >> np.uint64(32)).astype(np.uint32).view(np.int32)


def _scattered(x: np.ndarray) -> np.ndarray:
    """Return numbers after the steps of splitmix64 (S. Vigna, public domain)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class TrainingFunctions(TorchFunctionMode):
    """Within it dropout takes its masks from a key, and linear layers suit stacked weights.

    Parameters
    ----------
    key : Tensor of shape (), int32
        One model's key of one step; a batch of them under `vmap`.
    stacked : bool, default=False
        Whether weights are stacked, which only then have their gradients laid out.
    """

    def __init__(self, key: Tensor, *, stacked: bool = False) -> None:
        super().__init__()
        self.key = key
        self.stacked = stacked
        self.layer = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _LEADING:
            return self._drop(_LEADING[func], *args, **kwargs)
        if self.stacked and func is F.linear and args[0].ndim == 2:
            return _linear(*args, **kwargs)
        return func(*args, **kwargs)

    def _drop(
        self,
        leading: int | None,
        input: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Tensor:
        if not training or p == 0:
            return input
        self.layer += 1
        if p == 1:
            return input * 0.0
        shape = input.shape
        if leading is not None:
            shape = input.shape[:leading] + (1,) * (input.ndim - leading)
        places = torch.arange(shape.numel(), dtype=torch.int32, device=input.device)
        bits = _mixed(_mixed(places) ^ (self.key + self.layer * _LAYER)).reshape(shape)
        kept = bits >= _signed(round(p * _BITS) + 2**31)
        return input * (kept.to(input.dtype) / (1 - p))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A linear layer whose gradient by the weight lies in memory as the weight, cheap to copy."""
    output = torch.mm(weight, input.T)
    return (output if bias is None else output + bias[:, None]).T
