"""What a network's answer to a record changes by when the record does."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..._models._random import seeded
from ._target import TorchTarget

__all__ = ["torch_input_gradients"]


def torch_input_gradients(target: TorchTarget, X: Any, labels: np.ndarray) -> np.ndarray:
    """Return the gradient of each record's log-posterior, in the shape of the module's input.

    The module is asked in evaluation mode and left as it was; `labels` are columns of
    `target.classes_`.
    """
    if target.outputs == "auto":
        # Its first answers tell what the module returns.
        target.predict_log_proba(X)
    inputs = target.inputs(X)
    codes = torch.as_tensor(labels, dtype=torch.int64, device=inputs.device)
    modes = [(part, part.training) for part in target.module.modules()]
    target.module.eval()
    try:
        # Modules that draw noise draw the same; recurrent ones of cuDNN have no gradients here.
        with seeded(0), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            batches = zip(
                inputs.split(target.batch_size), codes.split(target.batch_size), strict=True
            )
            parts = [_gradients(target, *batch) for batch in batches]
    finally:
        for part, training in modes:
            part.training = training
    return torch.cat(parts).double().numpy()


def _gradients(target: TorchTarget, inputs: Tensor, codes: Tensor) -> Tensor:
    inputs = inputs.detach().requires_grad_(True)
    output = target.module(inputs)
    answer = target.log_posteriors(output[0] if isinstance(output, tuple) else output)
    own = answer.gather(1, codes[:, None]).sum()
    if not own.requires_grad:
        raise ValueError(
            f"{type(target.module).__name__} cannot be differentiated by its input. Pass "
            "method='directions', which asks for its answers only."
        )
    (gradients,) = torch.autograd.grad(own, inputs)
    return gradients.cpu()
