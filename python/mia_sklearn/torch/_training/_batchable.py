"""Which nets can be trained as one, by what they say of themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import skorch
import torch
from skorch import callbacks as known
from torch import nn

from ..._models._kinds import is_pipeline
from ..._models._predictors import predicts_numbers
from ..._models._random import seeded
from ..._models._trainable import configured
from ._acting import TrainingCallback

__all__ = [
    "ELEMENTWISE",
    "LOADING",
    "changed_steps",
    "why_not_after_start",
    "why_not_batched",
    "why_not_by_parameters",
]

# Their updates treat every number apart, so that stacked parameters are updated as each alone.
ELEMENTWISE = {
    getattr(torch.optim, name)
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam")
}
# Callbacks that watch the training and change nothing.
_WATCHING = (
    known.BatchScoring,
    known.EpochScoring,
    known.EpochTimer,
    known.PassthroughScoring,
    known.PrintLog,
    known.ProgressBar,
)
# What of a loader decides how records are loaded, not which.
LOADING = {
    "batch_size",
    "drop_last",
    "num_workers",
    "persistent_workers",
    "pin_memory",
    "prefetch_factor",
    "shuffle",
    "timeout",
}
# Methods of a net that say how it trains; a subclass that changes one trains one by one.
_STEPS = (
    "evaluation_step",
    "fit",
    "fit_loop",
    "forward_iter",
    "get_dataset",
    "get_iterator",
    "get_loss",
    "get_params_for_optimizer",
    "get_split_datasets",
    "infer",
    "initialize_optimizer",
    "on_batch_begin",
    "on_batch_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_grad_computed",
    "partial_fit",
    "run_single_epoch",
    "train_step",
    "train_step_single",
)


def why_not_batched(estimator: Any, X: Any, fit_params: dict[str, Any]) -> str:
    """Return why models of a bare net cannot be trained as one; empty where they can."""
    if is_pipeline(estimator):
        return "the steps of a Pipeline are fitted on each training set"
    if fit_params:
        return "fit_params go to the net's own fit"
    if not isinstance(X, np.ndarray):
        return f"records are a {type(X).__name__}, not an array"
    net = configured(estimator, 0)
    reason = why_not_by_parameters(net)
    if not reason:
        with seeded(0):
            net.initialize()
        reason = why_not_after_start(net)
    return reason


def why_not_by_parameters(net: Any) -> str:
    """Return why nets of a kind cannot be trained as one, by what they were given."""
    changed = changed_steps(net)
    loading = [
        f"{kind}__{name}"
        for kind in ("iterator_train", "iterator_valid")
        for name in sorted(net.get_params_for(kind).keys() - LOADING)
    ]
    unknown = [
        f"{name}={getattr(value, '__name__', value)}"
        for name, value, allowed in (
            ("iterator_train", net.iterator_train, {torch.utils.data.DataLoader}),
            # By which nets load what they are asked about.
            ("iterator_valid", net.iterator_valid, {torch.utils.data.DataLoader}),
            ("dataset", net.dataset, {skorch.dataset.Dataset}),
            ("optimizer", net.optimizer, ELEMENTWISE),
        )
        if value not in allowed
    ]
    reason = ""
    if changed:
        reason = f"{type(net).__name__} has a method {changed[0]} of its own"
    elif unknown:
        reason = f"{unknown[0]} is not known to update or load each model apart"
    elif loading:
        reason = f"{loading[0]} is not honoured"
    elif net.compile:
        reason = "compile=True compiles single networks"
    return reason


def changed_steps(net: Any) -> list[str]:
    """Return which methods that say how a net trains are its class's own, not skorch's."""
    # Regressors are asked by these, where classifiers' modules are read.
    steps = (*_STEPS, "predict", "predict_proba") if predicts_numbers(net) else _STEPS
    return [
        name for name in steps if getattr(type(net), name).__module__.partition(".")[0] != "skorch"
    ]


def why_not_after_start(net: Any) -> str:
    """Return why nets like an initialised one cannot be trained as one."""
    for _, callback in net.callbacks_:
        if not _is_followed(callback):
            return f"the callback {type(callback).__name__} may change the training"
    if isinstance(net.criterion_, nn.Module) and any(True for _ in net.criterion_.parameters()):
        return "the criterion has parameters of its own"
    return ""


def _is_followed(callback: Any) -> bool:
    """Tell whether training as one does what a callback does."""
    if isinstance(callback, TrainingCallback):
        return callback.acts_on_many_
    if type(callback) is known.LRScheduler:
        policy = callback.policy_
        # The others look at a model's own scores.
        schedulers = torch.optim.lr_scheduler
        return policy in vars(schedulers).values() and policy is not schedulers.ReduceLROnPlateau
    return type(callback) in (*_WATCHING, known.GradientNormClipping)
