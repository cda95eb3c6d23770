"""skorch nets as reference models: trained anew, one at a time, on class positions or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import LoadInitState
from torch import nn

from ..._models._kinds import is_generator, is_pipeline, last_step
from ..._models._predictors import predicts_numbers
from ..._models._random import seeded
from ..._records._rows import is_frame, positions, take_rows
from ...references._lost import Lost, diverged
from .._targets._inputs import as_input, check_device
from .._targets._outputs import read_output
from .._targets._regressor import NetRegressor
from .._targets._target import TorchTarget

__all__ = [
    "check_net",
    "check_shapes",
    "classes_of_columns",
    "fit_net",
    "make_fresh",
    "net_classes",
    "targets_of",
    "train_net",
]

# Losses that compare number with number, and broadcast what has another shape.
_COMPARING = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)


def check_net(net: Any) -> None:
    """Refuse a net that cannot be trained anew, saying why.

    Raises
    ------
    ValueError
        If its device is absent, its module is an instance that keeps what it has learned, or a
        callback begins with what another training has left.
    """
    check_device(net.device)
    given = net.callbacks if isinstance(net.callbacks, (list, tuple)) else []
    if any(isinstance(part, LoadInitState) for item in given for part in np.ravel(item)):
        raise ValueError(
            "The net's callback LoadInitState begins with weights from a file: reference models "
            "would begin with what the target has learned. Pass a net without it as estimator=."
        )
    known = hasattr(type(net), "classes_") or predicts_numbers(net) or is_generator(net)
    if not known:
        raise ValueError(
            f"estimator must be a classifier or regressor, got {type(net).__name__}. Use skorch's "
            "NeuralNetClassifier, NeuralNetBinaryClassifier or NeuralNetRegressor."
        )
    if isinstance(net.module, nn.Module):
        kept = [
            name or type(part).__name__
            for name, part in net.module.named_modules()
            if _own_tensors(part) and not hasattr(part, "reset_parameters")
        ]
        if kept:
            raise ValueError(
                f"The net's module is an instance whose parameters in {kept[0]!r} cannot be drawn "
                "anew: reference models would begin with what the target has learned. Pass the "
                "module's class (and its arguments as module__...), or add reset_parameters() to "
                f"{kept[0]!r}."
            )


def _own_tensors(part: nn.Module) -> list[Any]:
    return [*part.parameters(recurse=False), *part.buffers(recurse=False)]


def make_fresh(net: Any, seed: int) -> None:
    """Make a clone forget what the module of the original has learned, and print nothing."""
    net.set_params(verbose=0, warm_start=False)
    if isinstance(net.module, nn.Module):
        with seeded(seed):
            for part in net.module.modules():
                reset: Any = getattr(part, "reset_parameters", None)
                if reset is not None:
                    reset()


def net_classes(estimator: Any, X: Any, labels: np.ndarray) -> np.ndarray:
    """Return the label of each column of a net's module.

    Labels that are positions of columns are taken as such, whether or not each occurs; others
    are taken in their order.

    Raises
    ------
    ValueError
        If the module has not as many columns as there are classes.
    """
    net = last_step(estimator)
    if isinstance(net, NeuralNetBinaryClassifier):
        return _two_classes(labels)
    given = getattr(net, "classes", None)
    if given is not None and len(given):
        return np.asarray(given)
    if is_pipeline(estimator) or is_frame(X):
        return np.unique(labels)
    with seeded(0):
        probe = clone(net)
        make_fresh(probe, 0)
        probe.initialize()
        _announce(probe, X, np.unique(labels, return_inverse=True)[1])
        output = TorchTarget(probe.module_, [0, 1], device=net.device).output(
            take_rows(X, slice(2))
        )
    return classes_of_columns(net, labels, read_output(output, "logits").shape[1])


def classes_of_columns(net: Any, labels: np.ndarray, n_columns: int) -> np.ndarray:
    """Return the label of each column of a net's module, of which there are so many.

    Raises
    ------
    ValueError
        If the module has not as many columns as there are classes.
    """
    if isinstance(net, NeuralNetBinaryClassifier):
        return _two_classes(labels)
    given = getattr(net, "classes", None)
    if given is not None and len(given):
        return np.asarray(given)
    found = np.unique(labels)
    if found.dtype.kind in "iu" and found[0] >= 0 and found[-1] < n_columns:
        return np.arange(n_columns)
    if len(found) != n_columns:
        raise ValueError(
            f"y holds {len(found)} classes, but the net's module answers with {n_columns} columns. "
            "Give the module one column per class, or name the columns' labels with the net's "
            "classes=."
        )
    return found


def _announce(probe: Any, X: Any, codes: np.ndarray) -> None:
    """Tell the user's callbacks of the records: some set the module's size by them."""
    others = ("skorch", __name__.partition(".")[0])
    for _, callback in probe.callbacks_:
        if type(callback).__module__.partition(".")[0] not in others:
            callback.on_train_begin(probe, X=X, y=targets_of(probe, codes))


def _two_classes(labels: np.ndarray) -> np.ndarray:
    found = np.unique(labels)
    if len(found) > 2:
        raise ValueError(
            f"y holds {len(found)} classes; NeuralNetBinaryClassifier tells two apart. Use "
            "NeuralNetClassifier."
        )
    return found if len(found) == 2 else np.array([0, 1])


def targets_of(net: Any, y: np.ndarray, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """Return what a net learns in the type and shape that its criterion takes.

    Parameters
    ----------
    net : skorch net
    y : ndarray of shape (n_records,) or (n_records, n_outputs)
        Positions of classes, or numbers.
    dtype : torch.dtype
        The precision of the module, in which numbers are given.

    Returns
    -------
    ndarray of the same shape
    """
    if predicts_numbers(net):
        return as_input(y.astype(np.float64, copy=False), dtype)
    # Records that are asked about alone may have a label that is not among the classes.
    y = np.maximum(y, 0)
    return y.astype(np.float32 if isinstance(net, NeuralNetBinaryClassifier) else np.int64)


def check_shapes(predictor: NetRegressor, X: Any, y: np.ndarray) -> None:
    """Refuse numbers of another shape than the module's answers, which losses would broadcast.

    Raises
    ------
    ValueError
        If the loss would compare each answer with the numbers of all records of a batch.
    """
    criterion = last_step(predictor.source).criterion_
    if not isinstance(criterion, _COMPARING):
        return
    answered = tuple(predictor.output(take_rows(X, slice(2))).shape[1:])
    if answered != y.shape[1:]:
        shapes = [
            f"({', '.join(map(str, ('n', *shape)))}{',' * (not shape)})"
            for shape in (y.shape[1:], answered)
        ]
        raise ValueError(
            f"y has shape {shapes[0]}, but the net's module answers with shape {shapes[1]}: "
            f"{type(criterion).__name__} would compare each answer with the numbers of all records "
            f"of a batch. Give y in the shape {shapes[1]}, as the net was given; one that learned "
            f"from {shapes[0]} predicts the same for all, train it again."
        )


def fit_net(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    *,
    classes: np.ndarray,
    seed: int,
    params: dict[str, Any],
) -> Any:
    """Train a clone of a net, or of a pipeline that ends in one.

    Parameters
    ----------
    estimator : unfitted net or Pipeline, `configured` for this model
    X : table of shape (n_records, ...)
    y : ndarray of shape (n_records,) or (n_records, n_outputs)
        Positions of the labels in `classes`; of regressors the true values.
    classes : ndarray of shape (n_classes,)
    seed : int
    params : dict
        Arguments of `fit`.

    Returns
    -------
    TorchTarget, NetRegressor, or Lost where the loss became NaN
    """
    net, of_numbers = last_step(estimator), predicts_numbers(estimator)
    is_alone = net is estimator and isinstance(X, np.ndarray)
    dtype = None
    if is_alone or of_numbers:
        with seeded(seed):
            weights = next(clone(net).initialize().module_.parameters(), None)
        dtype = None if weights is None else weights.dtype
    if is_alone and dtype is not None:
        X = as_input(X, dtype)
    with seeded(seed):
        estimator.fit(X, targets_of(net, y, dtype or torch.float32), **params)
    for epoch in net.history:
        if any(np.isnan(batch.get("train_loss", 0.0)) for batch in epoch["batches"]):
            return diverged(epoch["epoch"])
    if of_numbers:
        predictor = NetRegressor(estimator)
        check_shapes(predictor, X, y)
        return predictor
    target = TorchTarget.from_estimator(estimator, X)
    if len(target.classes_) != len(classes):
        raise ValueError(
            f"the module answers with {len(target.classes_)} columns, but there are {len(classes)} "
            "classes"
        )
    target.classes_ = classes
    return target


def train_net(
    net: Any,
    X: Any,
    labels: np.ndarray,
    params: dict[str, Any] | None = None,
    *,
    classes: np.ndarray | None = None,
    seed: int | None = None,
) -> TorchTarget:
    """Train a net, or a pipeline that ends in one, on labels of any kind, or on numbers.

    `classes` are all labels that there are, by default those of `labels`. The seed is by default
    drawn from torch's own generator, as that of skorch's `fit`.
    """
    if predicts_numbers(net):
        classes, y = np.empty(0), labels
    else:
        classes = net_classes(net, X, labels if classes is None else classes)
        y = positions(labels, classes)
    seed = int(torch.randint(2**31 - 1, ())) if seed is None else seed
    target = fit_net(net, X, y, classes=classes, seed=seed, params=params or {})
    if isinstance(target, Lost):
        raise ValueError(f"The network cannot be trained: {target.why}")
    return target
