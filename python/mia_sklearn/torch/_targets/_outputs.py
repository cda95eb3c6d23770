"""What a network's output is: logits or posteriors, and of which classes."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SUMS_TO_ONE = 1e-3


def read_output(output: Tensor, kind: str) -> Tensor:
    """Return the log-posteriors that a module's output stands for.

    Parameters
    ----------
    output : Tensor of shape (n,), (n, 1) or (n, n_classes)
        One column is the second of two classes.
    kind : {"logits", "log_proba", "proba"}

    Returns
    -------
    Tensor of shape (n, n_classes)
    """
    if output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1):
        z = output.reshape(-1)
        if kind == "logits":
            return torch.stack([F.logsigmoid(-z), F.logsigmoid(z)], dim=1)
        if kind == "proba":
            return torch.stack([torch.log1p(-z), torch.log(z)], dim=1)
        return torch.stack([torch.log(-torch.expm1(z)), z], dim=1)
    if output.ndim != 2:
        raise ValueError(
            f"The module answers with shape {tuple(output.shape)}; a classifier's has one row per "
            "record and one column per class."
        )
    if kind == "logits":
        return F.log_softmax(output, dim=1)
    return torch.log(output) if kind == "proba" else output


def kind_of(output: Tensor) -> str:
    """Tell what a module returns from its answers to some records."""
    columns = output.reshape(len(output), -1).double()
    if columns.shape[1] == 1:
        return "proba" if bool(((columns >= 0) & (columns <= 1)).all()) else "logits"
    if _are_posteriors(columns):
        return "proba"
    return "log_proba" if _are_posteriors(columns.exp()) else "logits"


def _are_posteriors(columns: Tensor) -> bool:
    off = (columns.sum(dim=1) - 1).abs()
    return bool((columns >= 0).all() and (off <= _SUMS_TO_ONE).all())


def _declared(net: Any, output: Tensor, is_proba: bool) -> str:
    """Return what a skorch net's module returns, by its criterion, checked on some answers."""
    if not bool(torch.isfinite(output).any()):
        raise ValueError(
            "The module answers NaN to all records: its training diverged. Lower its lr, and train "
            "it again."
        )
    # read_output names answers of a wrong shape.
    read_output(output, "logits")
    seen = kind_of(output)
    name = type(net.criterion_).__name__
    if is_proba or isinstance(net.criterion_, nn.BCELoss):
        declared = "proba"
    elif isinstance(net.criterion_, (nn.CrossEntropyLoss, nn.BCEWithLogitsLoss)):
        declared = "logits"
        if output.ndim == 2 and output.shape[1] > 1 and seen == "proba":
            warnings.warn(
                f"The module returns probabilities, but its criterion {name} takes logits and "
                "applies a soft-max to them again. They are read as the probabilities that they "
                "are.",
                stacklevel=4,
            )
            declared = "proba"
    elif output.ndim == 2 and output.shape[1] > 1 and seen != "logits":
        # skorch's NLLLoss takes probabilities, torch's takes log-probabilities.
        declared = seen
    else:
        raise ValueError(
            f"The module's answers are no probabilities, and its criterion {name} does not say "
            "what they are. Set predict_nonlinearity on the net, a function from them to "
            "probabilities."
        )
    return declared
