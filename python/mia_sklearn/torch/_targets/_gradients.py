"""What a network shows of each record inside: gradients of its loss, activations."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from ..._observations._inside_columns import (
    PARTS,
    check_parts,
    check_table_size,
    chosen_layers,
    matrix_names,
    vector_names,
)
from ..._records._rows import is_frame, n_rows, take_rows
from .._training._machine import is_out_of_memory
from ._target import TorchTarget

__all__ = ["record_features"]

# Numbers held per chunk of records, about 256 MB of float32.
_VALUES_PER_CHUNK = 2**26
_MOST_RECORDS = 1024
# What the layer is called when the module itself owns a weight.
_ROOT = "module"
_NORMALISING = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.LocalResponseNorm,
)


class _Found(NamedTuple):
    """What is read of one chunk of records."""

    gradients: dict[str, Tensor]
    activations: dict[str, Tensor]


def record_features(
    target: TorchTarget,
    X: Any,
    y: np.ndarray,
    *,
    layers: Sequence[str] | None = None,
    parts: Sequence[str] = PARTS,
    chunk: int | None = None,
) -> tuple[list[str], np.ndarray]:
    """Return names and values, (n_records, n_columns), of gradients and activations of a network.

    Threat model: white-box. The module is asked in evaluation mode and left as it was. `y` are
    columns of `target.classes_`. Layers are named as in `module.named_modules()` ("module" is the
    module itself, where it owns a weight); by default the last two that own a weight,
    normalisations left out. Columns are `grad_norm` (by all trainable parameters),
    `grad_norm.<layer>`, `activation.<layer>.<i>` and `gradient.<layer>.<row>_<column>` (by the
    layer's weight as a matrix). A layer that is not called as a module has no activations, one
    without trainable parameters no gradients. Values that are not finite are NaN. Records go
    `chunk` at a time, by default as many as a fixed budget of memory allows, and half as many, with
    a warning, where memory runs out.
    """
    check_parts(parts)
    reading = _Reading(target, X, y, layers, parts)
    with reading.listening():
        reading.probe()
        names, widths = reading.columns()
        check_table_size(len(y), widths)
        values = np.empty((len(y), len(names)), dtype=np.float32)
        if chunk is None:
            chunk = min(_MOST_RECORDS, max(1, _VALUES_PER_CHUNK // reading.values_per_record))
        start = 0
        while start < len(y):
            rows = slice(start, start + chunk)
            try:
                values[rows] = reading.table(rows)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or chunk == 1:
                    raise
                chunk = max(1, chunk // 2)
                warnings.warn(
                    f"Memory ran out; from now on gradients of {chunk} records are computed at a "
                    "time.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                continue
            start += chunk
    return names, values


class _Reading:
    """One reading of records: what is asked for, and how it is computed."""

    def __init__(
        self,
        target: TorchTarget,
        X: Any,
        y: np.ndarray,
        layers: Sequence[str] | None,
        parts: Sequence[str],
    ) -> None:
        module = target.module
        self.target, self.module, self.parts = target, module, parts
        self.modules = {name or _ROOT: layer for name, layer in module.named_modules()}
        self.layers = chosen_layers(self.modules, layers, _last_layers(self.modules))
        if target.outputs == "auto":
            target.predict_log_proba(take_rows(X, slice(min(64, n_rows(X)))))
        if is_frame(X) and target._net is not None and target._before is None:
            raise ValueError(
                "Gradients are read from records given as one array: the columns of a data frame "
                "are handed to the net one by one. Pass X.to_numpy() to nets that take arrays."
            )
        self.X = target.inputs(X)
        self.y = torch.as_tensor(np.asarray(y), dtype=torch.int64, device=self.X.device)
        if len(self.X) != len(self.y) or not len(self.y):
            raise ValueError(f"X holds {len(self.X)} records, y {len(self.y)}: one label each.")
        if self.y.min() < 0 or self.y.max() >= len(target.classes_):
            raise ValueError(f"y must hold class indices below {len(target.classes_)}.")
        trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if not trainable:
            raise ValueError(
                f"{type(module).__name__} has no trainable parameters, so there are no gradients: "
                "module.requires_grad_(True) thaws frozen ones."
            )
        self.weights, own = _parameters_of(self.modules, self.layers, trainable)
        self.own = own if "grad_norm" in parts else {}
        wanted = set(trainable) if "grad_norm" in parts else set()
        if "gradient" in parts:
            wanted |= set(self.weights.values())
        self.params = {name: trainable[name].detach() for name in trainable if name in wanted}
        self.fixed = {
            name: tensor.detach()
            for name, tensor in module.named_parameters()
            if name not in wanted
        }
        self.buffers = dict(module.named_buffers())
        self._heard: dict[str, Tensor] = {}
        self._batched = True

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Put the module into evaluation mode and hear its layers; leave it as it was."""
        modes = [(part, part.training) for part in self.module.modules()]
        handles = [
            self.modules[name].register_forward_hook(self._listener(name))
            for name in (self.layers if "activation" in self.parts else ())
        ]
        self.module.eval()
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            for part, training in modes:
                part.training = training

    def probe(self) -> None:
        """Ask about one record, which tells the shapes and whether gradients arrive."""
        self.first = self._one_by_one(self.X[:1], self.y[:1])
        sizes = [tensor.numel() for group in self.first for tensor in group.values()]
        self.values_per_record = max(1, sum(sizes))

    def columns(self) -> tuple[list[str], dict[str, int]]:
        """Return the columns' names, and the number of columns of each block of the table."""
        names: list[str] = []
        widths: dict[str, int] = {}
        if "grad_norm" in self.parts:
            names += ["grad_norm", *(f"grad_norm.{layer}" for layer in self.own)]
            widths["gradient norms"] = len(names)
        for layer, activation in self.first.activations.items():
            size = widths[f"activations of {layer}"] = activation.numel()
            names += vector_names(layer, size)
        if "gradient" in self.parts:
            for layer, weight in self.weights.items():
                rows, *others = self.first.gradients[weight].shape[1:]
                size = math.prod(others)
                widths[f"gradients of {layer}"] = rows * size
                names += matrix_names(layer, rows, size)
        return names, widths

    def table(self, rows: slice) -> np.ndarray:
        """Return the columns of some records."""
        found = self._ask(self.X[rows], self.y[rows])
        n = len(self.y[rows])
        blocks = []
        if "grad_norm" in self.parts:
            norms = {
                name: torch.linalg.vector_norm(g.reshape(n, -1), dim=1, dtype=torch.float64)
                for name, g in found.gradients.items()
            }
            blocks.append(_joint(norms, norms)[:, None])
            blocks += [_joint(norms, names)[:, None] for names in self.own.values()]
        blocks += [found.activations[layer].reshape(n, -1) for layer in self.first.activations]
        if "gradient" in self.parts:
            blocks += [found.gradients[name].reshape(n, -1) for name in self.weights.values()]
        table = torch.cat([block.to(torch.float32) for block in blocks], dim=1)
        return torch.where(torch.isfinite(table), table, torch.nan).cpu().numpy()

    def _ask(self, X: Tensor, y: Tensor) -> _Found:
        if self._batched:
            try:
                with warnings.catch_warnings():
                    # Some operations have no batched form: slower, no less right.
                    warnings.filterwarnings("ignore", message="There is a performance drop")
                    gradients, heard = vmap(grad(self._loss, has_aux=True), in_dims=(None, 0, 0))(
                        self.params, X, y
                    )
                return _Found(gradients, heard)
            except (RuntimeError, NotImplementedError, ValueError) as error:
                if is_out_of_memory(error):
                    raise
                self._batched = False
                reason = str(error).strip().partition("\n")[0]
                warnings.warn(
                    f"{type(self.module).__name__} cannot be differentiated for many records at "
                    f"once, so they are taken one at a time: {reason}",
                    RuntimeWarning,
                    stacklevel=5,
                )
        return self._one_by_one(X, y)

    def _loss(
        self, params: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return one record's loss, and the activations of the layers on the way."""
        self._heard.clear()
        # Copies of the buffers, which a forward may write into.
        buffers = {name: tensor.clone() for name, tensor in self.buffers.items()}
        output = functional_call(self.module, {**params, **self.fixed, **buffers}, (x[None],))
        output = output[0] if isinstance(output, tuple) else output
        # In double, so that the loss of a record that is known well keeps its gradient.
        log_proba = self.target.log_posteriors(output.double())
        if log_proba.shape[1] != len(self.target.classes_):
            raise ValueError(
                f"The module answers with {log_proba.shape[1]} classes; classes names "
                f"{len(self.target.classes_)}."
            )
        heard = {name: self._heard[name] for name in self.layers if name in self._heard}
        self._heard.clear()
        return -log_proba[0].gather(0, y[None])[0], heard

    def _one_by_one(self, X: Tensor, y: Tensor) -> _Found:
        found = []
        for x, label in zip(X, y, strict=True):
            params = {name: p.clone().requires_grad_() for name, p in self.params.items()}
            # cuDNN differentiates recurrent layers in training mode only.
            with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
                loss, heard = self._loss(params, x, label)
                got: Any = [None] * len(params)
                if loss.requires_grad:
                    got = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
            if params and all(g is None for g in got):
                raise ValueError(
                    f"No parameter of {type(self.module).__name__} gets a gradient: its forward "
                    "detaches what it computes, or runs under torch.no_grad()."
                )
            gradients = {
                name: (torch.zeros_like(p) if g is None else g.to_dense()).detach()
                for (name, p), g in zip(params.items(), got, strict=True)
            }
            found.append(_Found(gradients, {name: a.detach() for name, a in heard.items()}))
        return _Found(*(_stacked(records) for records in zip(*found, strict=True)))

    def _listener(self, name: str) -> Callable[..., None]:
        def hear(module: nn.Module, inputs: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            if isinstance(output, Tensor):
                # A copy, which no later operation changes in place.
                self._heard[name] = output[0].clone()

        return hear


def _last_layers(modules: dict[str, nn.Module]) -> list[str]:
    """Return the last two layers that own a weight, else the last two that own parameters."""
    for names in (("weight",), None):
        owners = [
            name
            for name, part in modules.items()
            if not isinstance(part, _NORMALISING)
            and any(
                p is not None and (names is None or own in names)
                for own, p in part._parameters.items()
            )
        ]
        if owners:
            return owners[-2:]
    return list(modules)[-2:]


def _parameters_of(
    modules: dict[str, nn.Module], layers: Sequence[str], trainable: dict[str, nn.Parameter]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the name of each layer's weight, and of all its trainable parameters."""
    # A parameter that several layers share goes by its first name.
    names = {id(p): name for name, p in trainable.items()}
    weights, own = {}, {}
    for layer in layers:
        weight = modules[layer]._parameters.get("weight")
        if weight is not None and weight.ndim and id(weight) in names:
            weights[layer] = names[id(weight)]
        inside = [names[id(p)] for p in modules[layer].parameters() if id(p) in names]
        if inside:
            own[layer] = inside
    return weights, own


def _joint(norms: dict[str, Tensor], names: Iterable[str]) -> Tensor:
    """Return the norm of several gradients as one vector."""
    return torch.linalg.vector_norm(torch.stack([norms[name] for name in names]), dim=0)


def _stacked(records: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([record[name] for record in records]) for name in records[0]}
