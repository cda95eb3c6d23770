"""Training on per-record gradients that are clipped, summed and blurred."""

from __future__ import annotations

import copy
import inspect
import warnings
from typing import Any

import numpy as np
import skorch
import torch
from skorch.callbacks import Callback
from torch import Tensor, nn

from ..._records._rows import positions
from .._targets._outputs import read_output
from .._targets._target import TorchTarget
from .._training._batchable import LOADING, changed_steps
from .._training._machine import is_out_of_memory
from .._training._nets import classes_of_columns, targets_of
from ._defended_nets import as_numbers
from ._privacy_accounting import PrivacyPlan, quiet
from ._step_watch import StepWatch

__all__ = ["PrivateLoop", "check_honoured", "train_privately"]

# Numbers in the per-record gradients that are held at a time. 16 MB stay in a processor's cache,
# more take twice the time there; other devices like 256 MB. Records at a time, at least.
_GRADIENTS = {"cpu": 2**22}
_GRADIENTS_ELSEWHERE = 2**26
_FEWEST = 8
# Records on which is tried whether the module treats each by itself.
_TRIED = 8
# What is called all the same, before the training or around it.
_CALLED = {"fit", "partial_fit", "initialize_optimizer", "get_params_for_optimizer"}
_IN_TRAINING = (
    "on_epoch_begin",
    "on_epoch_end",
    "on_batch_begin",
    "on_batch_end",
    "on_grad_computed",
)


def check_honoured(net: Any) -> None:
    """Refuse a net with settings that training in private steps would pass over.

    Raises
    ------
    ValueError
        Names the setting and what to do.
    """
    reasons = [
        f"{type(net).__name__} has a method {name} of its own, which would not be called"
        for name in changed_steps(net)
        if name not in _CALLED
    ]
    reasons += [
        f"the callback {kind.__name__} acts in epochs or batches, of which there are none"
        for kind in _callbacks(net)
        if any(getattr(kind, name) is not getattr(Callback, name) for name in _IN_TRAINING)
    ]
    reasons += [
        f"{name}={getattr(value, '__name__', value)} would not be used"
        for name, value, usual in (
            ("iterator_train", net.iterator_train, torch.utils.data.DataLoader),
            ("dataset", net.dataset, skorch.dataset.Dataset),
            ("compile", net.compile, False),
        )
        if value is not usual
    ]
    loading = sorted(net.get_params_for("iterator_train").keys() - LOADING)
    reasons += [f"iterator_train__{name} would not be used" for name in loading]
    closure = inspect.signature(net.optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        reasons.append(
            f"the optimizer {net.optimizer.__name__} asks for several gradients in a step"
        )
    if reasons:
        raise ValueError(
            f"DPSGD draws its batches and takes its steps by itself, and {reasons[0]}: drop it "
            "from the net."
        )
    if net.max_epochs < 1:
        raise ValueError(f"The net's max_epochs must be at least 1, got {net.max_epochs!r}.")
    if net.train_split is not None:
        warnings.warn(
            "DPSGD trains on all records, and validates on none: the net's train_split is not "
            "used. Say so with train_split=None.",
            stacklevel=2,
        )


def _callbacks(net: Any) -> list[type]:
    """Return the classes of the callbacks that a user gave."""
    given = net.callbacks if isinstance(net.callbacks, (list, tuple)) else []
    named = [entry[1] if isinstance(entry, tuple) else entry for entry in given]
    return [entry if isinstance(entry, type) else type(entry) for entry in named]


class PrivateLoop:
    """What a net runs through instead of its epochs.

    Parameters
    ----------
    net : initialized net, whose `fit` calls this
    labels : ndarray of shape (n_records,)
    plan : PrivacyPlan
    noise : float
        Standard deviation of the noise, as a multiple of `max_grad_norm`.
    max_grad_norm : float
    seed : int
        Of batches and noise.
    watch : StepWatch, default=None
        Looks on.

    Attributes
    ----------
    started : bool
    steps : int
        Steps taken.
    module : torch.nn.Module or None
        What was trained, without anything that was needed to do so; None before the training.
    classes : ndarray of shape (n_columns,)
        Labels of the module's columns.
    """

    def __init__(
        self,
        net: Any,
        labels: np.ndarray,
        plan: PrivacyPlan,
        *,
        noise: float,
        max_grad_norm: float,
        seed: int,
        watch: StepWatch | None = None,
    ) -> None:
        self.watch = watch or StepWatch()
        self.net = net
        self.labels = labels
        self.plan = plan
        self.noise = noise
        self.max_grad_norm = max_grad_norm
        self.seed = seed
        self.started = False
        self.steps = 0
        self.module: nn.Module | None = None
        self.classes = np.unique(labels)

    def __call__(self, X: Any, y: Any = None, **_: Any) -> None:
        """Train, with the signature of a net's `fit_loop`."""
        net = self.net
        self.started = True
        _take_sums(net)
        _make_separable(net)
        records = torch.as_tensor(as_numbers(X, net.module_))
        tried = net.infer(records[:_TRIED])
        self.classes = classes_of_columns(
            net, self.labels, read_output(tried.detach(), "logits").shape[1]
        )
        targets = torch.as_tensor(targets_of(net, positions(self.labels, self.classes)))
        _check_apart(net, records[:_TRIED], targets[:_TRIED])
        plain = copy.deepcopy(net.module_)
        self._train(records, targets)
        trained = dict(net.module_.named_buffers())
        for name, buffer in plain.named_buffers():
            if not torch.equal(trained[name], buffer):
                raise ValueError(_KEEPS.format(name))
        plain.load_state_dict(net.module_.state_dict())
        self.module = plain.eval()

    def _train(self, records: Tensor, targets: Tensor) -> None:
        from opacus import GradSampleModule
        from opacus.optimizers import DPOptimizer

        net, plan = self.net, self.plan
        # Buffers are looked after here; Opacus refuses constant ones too.
        hooked = GradSampleModule(net.module_, loss_reduction="sum", strict=False)
        hooked.train()
        weights = next(net.module_.parameters())
        # Not from the global generator, which modules and callbacks may have seeded.
        seeds = np.random.SeedSequence(self.seed).generate_state(2).tolist()
        blur = torch.Generator(device=weights.device).manual_seed(seeds[0])
        draw = torch.Generator().manual_seed(seeds[1])
        optimizer = DPOptimizer(
            net.optimizer_,
            noise_multiplier=self.noise,
            max_grad_norm=self.max_grad_norm,
            expected_batch_size=plan.sample_rate * len(records),
            generator=blur,
        )
        room = _GRADIENTS.get(weights.device.type, _GRADIENTS_ELSEWHERE)
        at_once = max(_FEWEST, room // sum(p.numel() for p in optimizer.params))
        checked = False
        self.watch.start(
            net.module_,
            plan,
            n_records=len(records),
            noise=self.noise,
            max_grad_norm=self.max_grad_norm,
        )
        while self.steps < plan.steps:
            chances = torch.rand(len(records), generator=draw, dtype=torch.float64)
            rows = torch.nonzero(chances < plan.sample_rate)[:, 0]
            # Of an empty batch too: no gradient, but the noise of every step.
            parts = rows.split(at_once) if len(rows) else [rows]
            for number, part in enumerate(parts, start=1):
                optimizer.zero_grad(set_to_none=True)
                if len(part):
                    _backward(net, records[part], targets[part])
                _complete(net.module_, optimizer.params, len(part))
                if len(part) and not checked:
                    _check_sums(net.module_)
                    checked = True
                self.watch.drawn(part)
                optimizer.signal_skip_step(number < len(parts))
                optimizer.step()
            self.steps += 1
            self.watch.stepped(self.steps)


def _backward(net: Any, records: Tensor, targets: Tensor) -> None:
    try:
        net.get_loss(net.infer(records), targets).sum().backward()
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(
            f"Opacus finds no gradients of single records of {type(net.module_).__name__}: {error} "
            "Build it of torch's own layers."
        ) from error


def _take_sums(net: Any) -> None:
    """Make the criterion add up over records, so that none changes another's gradient."""
    criterion = net.criterion_
    name = type(criterion).__name__
    if not hasattr(criterion, "reduction"):
        raise ValueError(
            f"The criterion {name} has no reduction, so that its loss cannot be taken record by "
            "record. Use one of torch's, or give it a reduction that it honours."
        )
    if isinstance(criterion, nn.Module) and any(True for _ in criterion.parameters()):
        raise ValueError(
            f"The criterion {name} has parameters of its own, whose gradients cannot be clipped "
            "record by record. Put them into the module."
        )
    criterion.reduction = "sum"


def _make_separable(net: Any) -> None:
    """Replace layers in which records of a batch meet, where Opacus knows what by."""
    from opacus.validators import ModuleValidator

    module = net.module_.train()
    if not ModuleValidator.validate(module):
        return
    fixed = ModuleValidator.fix(module).train()
    before = dict(module.named_modules())
    replaced = [
        f"{name or 'the module'} ({type(before[name]).__name__} by {type(layer).__name__})"
        for name, layer in fixed.named_modules()
        if name in before and type(layer) is not type(before[name])
    ]
    errors = ModuleValidator.validate(fixed)
    if errors:
        raise ValueError(f"Opacus cannot train the module with differential privacy: {errors[0]}")
    warnings.warn(
        "Layers that cannot be trained with differential privacy were replaced: "
        f"{', '.join(replaced)}.",
        stacklevel=2,
    )
    net.module_ = fixed
    net.initialize_optimizer()


_MIXES = (
    "The {} mixes the records of a batch, so that the gradient of one depends on others and "
    "clipping bounds nothing. Treat each record by itself: GroupNorm or LayerNorm in place of "
    "batch statistics, sums in place of means over the batch."
)
_KEEPS = (
    "The module's buffer {!r} is changed by the records in training and would be released without "
    "noise. Drop it, track_running_stats=False for example."
)


def _check_apart(net: Any, records: Tensor, targets: Tensor) -> None:
    """Refuse a module or a criterion that does not treat records one by one."""
    module = net.module_.train()
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    differentiable = records.is_floating_point()
    inputs = records.clone().requires_grad_(differentiable)
    output = net.infer(inputs)
    for name, buffer in module.named_buffers():
        if not torch.equal(before[name], buffer):
            raise ValueError(_KEEPS.format(name))
    if differentiable and output.requires_grad:
        (slope,) = torch.autograd.grad(
            output[0].sum(), inputs, retain_graph=True, allow_unused=True
        )
        if slope is not None and bool((slope[1:] != 0).any()):
            raise ValueError(_MIXES.format("module"))
    output = output.detach()
    whole = net.get_loss(output, targets).sum()
    single = [
        net.get_loss(output[i : i + 1], targets[i : i + 1]).sum() for i in range(len(targets))
    ]
    if not torch.allclose(whole, torch.stack(single).sum(), rtol=1e-3, equal_nan=True):
        raise ValueError(_MIXES.format(f"criterion {type(net.criterion_).__name__}"))


def _complete(module: nn.Module, trained: list[nn.Parameter], n: int) -> None:
    """Give parameters without gradients those that they have: none of any record."""
    for parameter in trained:
        kept: Any = parameter
        if getattr(kept, "grad_sample", None) is None:
            kept.grad_sample = torch.zeros((n, *kept.shape), dtype=kept.dtype, device=kept.device)
        elif len(kept.grad_sample) != n:
            name = next(name for name, other in module.named_parameters() if other is kept)
            raise ValueError(
                f"The parameter {name!r} has gradients of {len(kept.grad_sample)} parts of {n} "
                "records: the module puts parts of a record beside each other as if they were "
                "records. Keep records on the first axis throughout."
            )


def _check_sums(module: nn.Module) -> None:
    """Refuse a module whose gradient is more than what is clipped of it."""
    for name, parameter in module.named_parameters():
        kept: Any = parameter
        if not kept.requires_grad:
            continue
        whole = torch.zeros_like(kept) if kept.grad is None else kept.grad
        missing = (kept.grad_sample.sum(dim=0) - whole).norm()
        if missing > 1e-3 * (1 + kept.grad_sample.norm()):
            raise ValueError(
                f"Opacus finds not all of the gradient of the parameter {name!r}. Use it in the "
                "forward of the layer that owns it, and let that layer be in training mode."
            )


def train_privately(
    net: Any, X: np.ndarray, labels: np.ndarray, plan: PrivacyPlan, **options: Any
) -> tuple[TorchTarget, int]:
    """Train a net with differential privacy.

    Parameters
    ----------
    net : unfitted net, which is used up
    X : ndarray of shape (n_records, ...)
    labels : ndarray of shape (n_records,)
    plan : PrivacyPlan
    **options
        Of `PrivateLoop`.

    Returns
    -------
    TorchTarget
        It holds a module and nothing else of the training.
    int
        Steps taken.

    Raises
    ------
    ValueError
        If the module or the criterion mixes records, or the parameters became NaN.
    """
    net.set_params(verbose=0)
    loop = PrivateLoop(net, labels, plan, **options)
    # The net's own `fit` calls it: what that, or a callback, does before the training is done.
    net.fit_loop = loop
    with quiet():
        net.fit(X, targets_of(net, np.unique(labels, return_inverse=True)[1].reshape(-1)))
    if loop.module is None:
        if loop.started:
            # skorch takes an interrupt for the end of the training.
            raise KeyboardInterrupt
        raise ValueError(f"fit of {type(net).__name__} does not train: it calls no fit_loop.")
    if not all(bool(torch.isfinite(p).all()) for p in loop.module.parameters()):
        raise ValueError("The network's parameters became NaN or infinite: lower its lr.")
    net.module_ = loop.module
    read = TorchTarget.from_estimator(net, X[:_TRIED])
    if len(read.classes_) != len(loop.classes):
        raise ValueError(
            f"The net's module answers with {len(read.classes_)} columns, but there are "
            f"{len(loop.classes)} classes."
        )
    target = TorchTarget(loop.module, loop.classes, outputs=read.outputs, device=net.device)
    target._nonlinearity = read._nonlinearity
    return target, loop.steps
