"""Training defended and plain networks from the same seed, and comparing them."""

import numpy as np
import torch
from sklearn.base import clone

from mia_sklearn.base import TrainingSet, fit_clone


def trained(defense, X, y, **params):
    """Train a defended network."""
    torch.manual_seed(0)
    return clone(defense).fit(X, y, **params)


def plain(net, X, y):
    """Train the network without the defense."""
    torch.manual_seed(0)
    return fit_clone(net, TrainingSet(X, y, {}))


def weights(target):
    """Return the parameters and buffers of a trained network."""
    return [w.detach().numpy() for w in target.module.state_dict().values()]


def assert_same(first, second, **tolerance):
    for a, b in zip(weights(first), weights(second), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, "atol": 0, **tolerance})


def start(net, X, y):
    """Return a module with the weights that a training begins with."""
    target = plain(clone(net).set_params(max_epochs=0), X, y)
    return target.module


def one_step(module, loss, lr):
    """Return the weights after one step of gradient descent on a loss."""
    gradients = torch.autograd.grad(loss, list(module.parameters()))
    return [
        (w - lr * g).detach().numpy() for w, g in zip(module.parameters(), gradients, strict=True)
    ]
