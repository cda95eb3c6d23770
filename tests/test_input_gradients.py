"""Gradients of a model's answer by the record: closed forms and networks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from mia_sklearn._observations._input_gradients import (
    has_input_gradients,
    input_gradients,
)
from mia_sklearn.disclosure import ModelInversion

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
TWO = Y_IRIS < 2


def _fit(model, X=X_IRIS, y=Y_IRIS):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(model).fit(X, y)


def _by_hand(target, X, codes, step=1e-5):
    """Central differences of the log-posterior, one feature at a time."""
    rows = np.arange(len(X))
    flat = X.reshape(len(X), -1)
    slopes = np.empty_like(flat, dtype=float)
    for j in range(flat.shape[1]):
        sides = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[:, j] += sign * step
            proba = np.asarray(target.predict_proba(moved.reshape(X.shape)))
            sides.append(np.log(proba[rows, codes]))
        slopes[:, j] = (sides[0] - sides[1]) / (2 * step)
    return slopes.reshape(X.shape)


# A loss that any model of iris has, whose gradients vanish nowhere.
CLOSED = {
    "multinomial": LogisticRegression(max_iter=500),
    "one against the rest": SGDClassifier(loss="log_loss", alpha=0.1, random_state=0),
    "relu": MLPClassifier((8,), max_iter=50, random_state=0),
    "tanh": MLPClassifier((6, 5), activation="tanh", max_iter=50, random_state=0),
    "logistic": MLPClassifier((6,), activation="logistic", max_iter=50, random_state=0),
    "identity": MLPClassifier((6,), activation="identity", max_iter=50, random_state=0),
    "StandardScaler": make_pipeline(StandardScaler(), LogisticRegression()),
    "no scale": make_pipeline(StandardScaler(with_std=False), LogisticRegression()),
    "scalers": make_pipeline(RobustScaler(), "passthrough", MaxAbsScaler(), LogisticRegression()),
    "MinMaxScaler": make_pipeline(MinMaxScaler((-1, 2)), MLPClassifier((8,), random_state=0)),
    "PCA": make_pipeline(StandardScaler(), PCA(3), LogisticRegression()),
    "whitening": make_pipeline(PCA(2, whiten=True), LogisticRegression()),
    "search": GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_gradients(name):
    model = _fit(CLOSED[name])
    X = X_IRIS[::10]
    codes = np.arange(len(X)) % 3
    assert has_input_gradients(model)
    found = input_gradients(model, X, codes)
    np.testing.assert_allclose(found, _by_hand(model, X, codes), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", [LogisticRegression(), MLPClassifier((5,), max_iter=30)])
def test_closed_gradients_of_two_classes(model):
    model = _fit(model, X_IRIS[TWO], Y_IRIS[TWO])
    X = X_IRIS[::20]
    codes = np.arange(len(X)) % 2
    found = input_gradients(model, X, codes)
    np.testing.assert_allclose(found, _by_hand(model, X, codes), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(5, random_state=0),
        make_pipeline(MinMaxScaler(clip=True), LogisticRegression()),
        OneVsRestClassifier(LogisticRegression()),
    ],
)
def test_others_are_asked_for_answers(model):
    model = _fit(model)
    assert not has_input_gradients(model)
    inversion = ModelInversion(model, alpha=1, n_directions=2, random_state=0)
    assert inversion.invert().method == "directions"
    with pytest.raises(ValueError, match="method='directions'"):
        inversion.set_params(method="gradient").invert()


# Networks


def _module(torch, end=None):
    torch.manual_seed(0)
    layers = [
        torch.nn.Linear(4, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.Tanh(),
        torch.nn.Linear(8, 3),
    ]
    module = torch.nn.Sequential(*layers, *([] if end is None else [end])).double()
    module[1].running_mean += 0.1
    return module


@pytest.mark.usefixtures("one_torch_thread")
@pytest.mark.parametrize("outputs", ["logits", "log_proba", "proba", "auto"])
def test_module_gradients(outputs):
    torch = pytest.importorskip("torch")
    from mia_sklearn.torch import TorchTarget

    ends = {"log_proba": torch.nn.LogSoftmax(dim=1), "proba": torch.nn.Softmax(dim=1)}
    module = _module(torch, ends.get(outputs)).train()
    target = TorchTarget(module, classes=["a", "b", "c"], outputs=outputs, batch_size=7)
    X, codes = X_IRIS[::10], np.arange(15) % 3
    found = input_gradients(target, X, codes)
    np.testing.assert_allclose(found, _by_hand(target, X, codes), rtol=1e-4, atol=1e-6)
    # The module is left as it was: in training, without gradients of its own.
    assert module.training
    assert all(p.grad is None for p in module.parameters())


@pytest.mark.usefixtures("one_torch_thread")
def test_module_equals_its_twin():
    torch = pytest.importorskip("torch")
    from mia_sklearn.torch import TorchTarget

    model = _fit(LogisticRegression(max_iter=500))
    module = torch.nn.Linear(4, 3).double()
    with torch.no_grad():
        module.weight[:] = torch.as_tensor(model.coef_)
        module.bias[:] = torch.as_tensor(model.intercept_)
    options = {"lam": 1, "alpha": 30, "gamma": -1}
    start = np.full((1, 4), 3.0)
    expected = ModelInversion(model, **options).invert(start=start)
    found = ModelInversion(TorchTarget(module, classes=[0, 1, 2]), **options).invert(start=start)
    assert found.method == "gradient"
    np.testing.assert_allclose(found.x, expected.x, atol=1e-9)
    np.testing.assert_allclose(found.cost, expected.cost, atol=1e-9)


@pytest.mark.usefixtures("one_torch_thread")
def test_skorch_nets_and_images():
    pytest.importorskip("skorch")
    from nets import Convolutional, Double, classifier

    net = classifier(Double, module__n_features=4).fit(X_IRIS, Y_IRIS)
    with pytest.raises(ValueError, match="pass start="):
        ModelInversion(net).invert()
    X, codes = X_IRIS[::10], np.arange(15) % 3
    from mia_sklearn.torch import TorchTarget

    target = TorchTarget.from_estimator(net, X)
    found = input_gradients(target, X, codes)
    np.testing.assert_allclose(found, _by_hand(target, X, codes), rtol=1e-4, atol=1e-6)

    pipeline = make_pipeline(MinMaxScaler(), classifier(Double, module__n_features=4))
    pipeline.fit(X_IRIS, Y_IRIS)
    target = TorchTarget.from_estimator(pipeline, X)
    found = input_gradients(target, X, codes)
    np.testing.assert_allclose(found, _by_hand(target, X, codes), rtol=1e-4, atol=1e-6)
    assert ModelInversion(pipeline, alpha=3).invert([2]).x.shape == (1, 4)

    images = np.random.default_rng(0).normal(size=(30, 1, 8, 8)).astype(np.float32)
    net = classifier(Convolutional).fit(images, np.arange(30) % 3)
    for method in ("gradient", "directions"):
        inversion = ModelInversion(
            net, alpha=200, lam=3, gamma=0.1, method=method, n_directions=20, random_state=0
        )
        found = inversion.invert(start=np.zeros((1, 1, 8, 8)))
        assert found.x.shape == (3, 1, 8, 8)
        assert net.predict(found.x.astype(np.float32)).tolist() == [0, 1, 2]


@pytest.mark.usefixtures("one_torch_thread")
def test_networks_without_gradients():
    torch = pytest.importorskip("torch")
    pytest.importorskip("skorch")
    from mia_sklearn.torch import TorchTarget

    class Rounds(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0].detach(), -x[:, 0].detach()], dim=1)

    target = TorchTarget(Rounds(), classes=[0, 1])
    with pytest.raises(ValueError, match="cannot be differentiated by its input"):
        ModelInversion(target).invert(start=[[0.0]])
    assert ModelInversion(target, method="directions", alpha=2).invert(start=[[0.0]])
    with pytest.raises(ValueError, match="TorchTarget"):
        ModelInversion(Rounds()).invert(start=[[0.0]])
    with pytest.raises(ValueError, match="pass start="):
        ModelInversion(target).invert()
    from nets import classifier

    with pytest.raises(ValueError, match="not fitted"):
        ModelInversion(classifier()).invert()


def test_posteriors_of_zero_have_no_slope():
    torch = pytest.importorskip("torch")
    from mia_sklearn.torch import TorchTarget

    class Certain(torch.nn.Module):
        def forward(self, x):
            own = x[:, 0].clamp(0, 1)
            return torch.stack([own, 1 - own], dim=1)

    target = TorchTarget(Certain(), classes=["a", "b"], outputs="proba")
    found = ModelInversion(target, alpha=2).invert(start=[[-1.0]])
    assert found.x.tolist() == [[-1.0], [-1.0]]
    assert found.cost.tolist() == [1.0, 0.0]
