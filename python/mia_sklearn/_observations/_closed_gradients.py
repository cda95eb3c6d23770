"""Gradients of scikit-learn's linear models and networks, in closed form.

Layers of `LogisticRegression` and `SGDClassifier(loss="log_loss")`: `coef`, whose output is the
decision function. Layers of `MLPClassifier`: `layer0`, `layer1`, ..., with `coefs_[0]`,
`coefs_[1]`, ... as weights (turned, so that rows are outputs), whose outputs are taken before the
activation function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, log_expit, logsumexp, softmax
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_array

from .._models._kinds import is_pipeline, last_step
from .._records._rows import copied
from ._inside_columns import (
    check_parts,
    check_table_size,
    chosen_layers,
    matrix_names,
    vector_names,
)

__all__ = ["closed_features", "closed_input_gradients", "is_closed"]

_VALUES_PER_CHUNK = 2**22


class _Layer(NamedTuple):
    """One layer's part in the answers to some records.

    The gradient by its weight is the outer product of `error` and `inputs`, that by its bias is
    `error`.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    error: np.ndarray


def is_closed(target: Any) -> bool:
    """Tell whether a fitted model's gradients have a closed form here."""
    model = last_step(target)
    if isinstance(model, MLPClassifier):
        return model.out_activation_ == "softmax" or model.n_outputs_ == 1
    return isinstance(model, LogisticRegression) or (
        isinstance(model, SGDClassifier) and model.loss == "log_loss"
    )


def closed_features(
    target: Any, X: Any, labels: np.ndarray, *, layers: Sequence[str] | None, parts: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """Read gradients and activations, record by record; see `white_box_columns`.

    The loss is minus the log of the posterior that `predict_proba` answers for the true class:
    for several classes one against the rest, that of the normalised posterior.
    """
    check_parts(parts)
    model, X = _last_step_and_its_input(target, X)
    X = check_array(X, accept_sparse="csr", dtype=np.float64)
    labels = np.asarray(labels, dtype=np.intp)
    widths, bias = _shape(model)
    chosen = chosen_layers(widths, layers, list(widths)[-2:])
    names, blocks = _columns(widths, chosen, parts)
    check_table_size(len(labels), blocks)
    values = np.empty((len(labels), len(names)), dtype=np.float32)
    step = max(1, _VALUES_PER_CHUNK // max(len(names), sum(map(sum, widths.values()))))
    for start in range(0, len(labels), step):
        rows = slice(start, start + step)
        records = X[rows].toarray() if hasattr(X, "toarray") else X[rows]
        answer = dict(zip(widths, _layers(model, records, labels[rows]), strict=True))
        values[rows] = _table(answer, chosen, parts, bias)
    return names, values


def closed_input_gradients(target: Any, X: Any, labels: np.ndarray) -> np.ndarray:
    """Return the gradient of each record's log-posterior, by what the last step is given.

    `labels` are positions in `target.classes_`. Shape (n_records, n_inputs of the last step).
    """
    model, X = _last_step_and_its_input(target, X)
    first = _layers(model, check_array(X, dtype=np.float64), labels)[0]
    weights = model.coefs_[0].T if isinstance(model, MLPClassifier) else model.coef_
    # The layers' errors are those of minus the log-posterior.
    return -first.error @ weights


def _last_step_and_its_input(target: Any, X: Any) -> tuple[Any, Any]:
    while True:
        if hasattr(target, "best_estimator_"):
            target = target.best_estimator_
        elif is_pipeline(target):
            X = target[:-1].transform(copied(X)) if len(target.steps) > 1 else X
            target = target.steps[-1][1]
        else:
            return target, X


def _shape(model: Any) -> tuple[dict[str, tuple[int, int]], bool]:
    """Return each layer's number of outputs and inputs, and whether there are biases."""
    if isinstance(model, MLPClassifier):
        return {f"layer{i}": weight.T.shape for i, weight in enumerate(model.coefs_)}, True
    return {"coef": model.coef_.shape}, model.fit_intercept


def _columns(
    widths: dict[str, tuple[int, int]], chosen: list[str], parts: Sequence[str]
) -> tuple[list[str], dict[str, int]]:
    names: list[str] = []
    blocks: dict[str, int] = {}
    if "grad_norm" in parts:
        names += ["grad_norm", *(f"grad_norm.{layer}" for layer in chosen)]
        blocks["gradient norms"] = len(names)
    for layer in chosen:
        if "activation" in parts:
            names += vector_names(layer, widths[layer][0])
            blocks[f"activations of {layer}"] = widths[layer][0]
    for layer in chosen:
        if "gradient" in parts:
            names += matrix_names(layer, *widths[layer])
            blocks[f"gradients of {layer}"] = widths[layer][0] * widths[layer][1]
    return names, blocks


def _table(
    answer: dict[str, _Layer], chosen: list[str], parts: Sequence[str], bias: bool
) -> np.ndarray:
    blocks = []
    if "grad_norm" in parts:
        norms = {
            name: np.linalg.norm(layer.error, axis=1)
            * np.hypot(np.linalg.norm(layer.inputs, axis=1), float(bias))
            for name, layer in answer.items()
        }
        blocks.append(np.linalg.norm(np.stack(list(norms.values())), axis=0)[:, None])
        blocks += [norms[name][:, None] for name in chosen]
    if "activation" in parts:
        blocks += [answer[name].outputs for name in chosen]
    if "gradient" in parts:
        for name in chosen:
            layer = answer[name]
            matrix = layer.error[:, :, None] * layer.inputs[:, None, :]
            blocks.append(matrix.reshape(len(matrix), -1))
    return np.hstack(blocks)


def _layers(model: Any, X: np.ndarray, labels: np.ndarray) -> list[_Layer]:
    """Return the layers' parts in the loss of each record."""
    if isinstance(model, MLPClassifier):
        return _network(model, X, labels)
    z = X @ model.coef_.T + model.intercept_
    kind = getattr(model, "multi_class", None)
    if z.shape[1] == 1:
        # The binary soft-max of old versions is over -z and z.
        scale = 2.0 if kind == "multinomial" else 1.0
        error = scale * _binary_error(scale * z, labels)
    elif isinstance(model, SGDClassifier) or kind == "ovr" or model.solver == "liblinear":
        error = _one_vs_rest_error(z, labels)
    else:
        error = _softmax_error(z, labels)
    return [_Layer(X, z, error)]


def _binary_error(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    sign = np.where(labels == 1, 1.0, -1.0)[:, None]
    return -sign * expit(-sign * z)


def _softmax_error(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    rows = np.arange(len(z))
    error = softmax(z, axis=1)
    # Minus the sum of the others, which keeps its digits where the posterior is nearly 1.
    error[rows, labels] = 0.0
    error[rows, labels] = -error.sum(axis=1)
    return error


def _one_vs_rest_error(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the gradient, by z, of -log(expit(z_y) / sum of expit(z))."""
    log_p = log_expit(z)
    error = np.exp(log_p - logsumexp(log_p, axis=1, keepdims=True)) * expit(-z)
    rows = np.arange(len(z))
    error[rows, labels] -= expit(-z[rows, labels])
    return error


def _network(model: MLPClassifier, X: np.ndarray, labels: np.ndarray) -> list[_Layer]:
    inputs, outputs = [X], []
    for weight, bias in zip(model.coefs_, model.intercepts_, strict=True):
        outputs.append(inputs[-1] @ weight.astype(np.float64) + bias)
        inputs.append(_activated(outputs[-1], model.activation))
    output_error = _binary_error if outputs[-1].shape[1] == 1 else _softmax_error
    errors = [output_error(outputs[-1], labels)]
    for i in range(len(outputs) - 1, 0, -1):
        slope = _slope(inputs[i], model.activation)
        errors.insert(0, (errors[0] @ model.coefs_[i].T.astype(np.float64)) * slope)
    return [_Layer(*parts) for parts in zip(inputs[:-1], outputs, errors, strict=True)]


def _activated(z: np.ndarray, activation: str) -> np.ndarray:
    if activation == "relu":
        return np.maximum(z, 0.0)
    if activation == "tanh":
        return np.tanh(z)
    return expit(z) if activation == "logistic" else z


def _slope(activated: np.ndarray, activation: str) -> Any:
    """Return the slope of an activation function, by its value."""
    if activation == "relu":
        return activated > 0
    if activation == "tanh":
        return 1 - activated**2
    return activated * (1 - activated) if activation == "logistic" else 1.0
