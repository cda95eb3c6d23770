"""What a model shows inside: gradients and activations, computed by other means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, observe
from mia_sklearn._observations._inside import white_box_columns

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from mia_sklearn.torch import TorchTarget  # noqa: E402
from mia_sklearn.torch._targets import _gradients  # noqa: E402
from mia_sklearn.torch._targets._gradients import record_features  # noqa: E402

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


pytestmark = pytest.mark.usefixtures("one_torch_thread")


# Gradients of networks.


class Words(nn.Module):
    """Embedding and both normalisations."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.layer_norm = nn.LayerNorm(4)
        self.batch_norm = nn.BatchNorm1d(4)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        return self.out(self.batch_norm(self.layer_norm(self.embedding(x)).mean(1)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 5, batch_first=True)
        self.out = nn.Linear(5, 3)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


class Branching(nn.Module):
    """Goes one way or the other by what it computes, and counts in a buffer."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.count += 1
        z = self.fc(x)
        return z * 2 if z.sum() > 0 else z


def _convolutional():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2),
        nn.BatchNorm2d(3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(27, 3),
    )


def _softmax():
    return nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))


def _one_column():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))


CASES = {
    "convolution": (_convolutional, (2, 8, 8), ["0", "4"], "logits"),
    "embedding": (Words, None, ["embedding", "out"], "logits"),
    "recurrent": (Recurrent, (6, 4), ["out"], "logits"),
    "branching": (Branching, (4,), ["fc"], "logits"),
    "softmax": (_softmax, (4,), ["0"], "proba"),
    "one column": (_one_column, (4,), ["0", "2"], "logits"),
}


def _target(case, dtype=torch.float32, n=7):
    make, shape, _, outputs = CASES[case]
    torch.manual_seed(0)
    module = make().to(dtype)
    for buffer in module.buffers():
        if buffer.is_floating_point() and buffer.ndim:
            buffer.uniform_(0.5, 1.5)
    X = torch.randint(0, 11, (n, 6)) if shape is None else torch.randn(n, *shape)
    n_classes = 2 if case == "one column" else 3
    target = TorchTarget(module, classes=range(n_classes), outputs=outputs)
    return target, X.numpy(), np.arange(n) % n_classes


def _by_autograd(target, X, y, weights):
    """The columns of gradients, by one backward pass per record."""
    module = target.module.eval()
    params = dict(module.named_parameters())
    norms, gradients = [], []
    for x, label in zip(target.inputs(X), y, strict=True):
        loss = -target.log_posteriors(module(x[None]).double())[0, label]
        found = dict(zip(params, torch.autograd.grad(loss, list(params.values())), strict=True))
        norms.append(float(torch.cat([g.double().flatten() for g in found.values()]).norm()))
        gradients.append(torch.cat([found[name].flatten() for name in weights]).numpy())
    return np.array(norms), np.stack(gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:.*one at a time:RuntimeWarning")
def test_gradients_agree_with_one_backward_pass_per_record(case, dtype):
    target, X, y = _target(case, dtype)
    names, values = record_features(target, X, y)
    table = pd.DataFrame(values, columns=names)
    layers = CASES[case][2]
    norms, gradients = _by_autograd(target, X, y, [f"{layer}.weight" for layer in layers])
    assert values.dtype == np.float32
    np.testing.assert_allclose(table["grad_norm"], norms, rtol=1e-5)
    np.testing.assert_allclose(table.filter(regex=r"^gradient\."), gradients, rtol=1e-4, atol=1e-6)
    assert [name for name in names if name.startswith("grad_norm.")] == [
        f"grad_norm.{layer}" for layer in layers
    ]


def test_names_tell_the_shape_and_activations_are_the_layers_outputs():
    target, X, y = _target("convolution")
    names, values = record_features(target, X, y)
    table = pd.DataFrame(values, columns=names)
    assert "gradient.0.2_17" in names
    assert "gradient.4.2_26" in names
    before_relu = target.module[0](torch.from_numpy(X)).detach().flatten(1).numpy()
    np.testing.assert_allclose(table.filter(regex=r"^activation\.0\."), before_relu, atol=1e-6)


@pytest.mark.parametrize("case", ["convolution", "branching"])
@pytest.mark.filterwarnings("ignore:.*one at a time:RuntimeWarning")
def test_the_module_is_left_as_it_was(case):
    target, X, y = _target(case)
    module = target.module.train()
    module[1].eval() if case == "convolution" else None
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    random = torch.random.get_rng_state()
    record_features(target, X, y)
    assert modes == [part.training for part in module.modules()]
    assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert not any(part._forward_hooks for part in module.modules())
    assert torch.equal(random, torch.random.get_rng_state())


def test_chunks_change_nothing():
    target, X, y = _target("convolution", n=11)
    _, whole = record_features(target, X, y)
    for chunk in (1, 4):
        np.testing.assert_allclose(record_features(target, X, y, chunk=chunk)[1], whole, atol=1e-6)


def test_what_cannot_be_batched_is_taken_one_at_a_time_and_says_why():
    target, X, y = _target("branching")
    with pytest.warns(RuntimeWarning, match=r"Branching cannot .* one at a time: vmap"):
        record_features(target, X, y)


def test_when_memory_runs_out_chunks_are_halved(monkeypatch):
    target, X, y = _target("softmax", n=9)
    _, expected = record_features(target, X, y)
    table = _gradients._Reading.table

    def short_of_memory(self, rows):
        if rows.stop - rows.start > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return table(self, rows)

    monkeypatch.setattr(_gradients._Reading, "table", short_of_memory)
    with pytest.warns(RuntimeWarning, match="Memory ran out") as caught:
        _, values = record_features(target, X, y, chunk=8)
    assert len(caught) == 2
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_parts_and_layers_as_asked():
    target, X, y = _target("convolution")
    names, values = record_features(target, X, y, parts=("grad_norm",), layers=["1"])
    assert names == ["grad_norm", "grad_norm.1"]
    assert values.shape == (7, 2)
    frozen, X, y = _target("one column")
    frozen.module[0].requires_grad_(False)
    table = pd.DataFrame(record_features(frozen, X, y)[1], columns=record_features(frozen, X, y)[0])
    assert not [name for name in table if name.startswith(("gradient.0", "grad_norm.0"))]
    np.testing.assert_allclose(table["grad_norm"], table["grad_norm.2"])


def _frozen():
    return _convolutional().requires_grad_(False)


class Detached(nn.Linear):
    def forward(self, x):
        return super().forward(x).detach()


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (_convolutional(), {"layers": ["fc"]}, r"'fc', .* it has module, 0, 1, 2, 3, 4"),
        (_frozen(), {}, "no trainable parameters"),
        (nn.Sequential(nn.Flatten(), Detached(128, 3)), {}, "No parameter of Sequential"),
        (_convolutional(), {"parts": ["weights"]}, "parts must be"),
    ],
)
def test_what_has_no_gradients_says_so(module, options, message):
    target = TorchTarget(module, classes=range(3), outputs="logits")
    with pytest.raises(ValueError, match=message):
        record_features(target, np.zeros((2, 2, 8, 8), np.float32), np.array([0, 1]), **options)


def test_a_table_beyond_all_bounds_is_refused(monkeypatch):
    monkeypatch.setattr("mia_sklearn._observations._inside_columns._MAX_TABLE_BYTES", 1000)
    message = r"would take .* GiB: 7 records with .*gradients of 4\. Name fewer"
    target, X, y = _target("convolution")
    with pytest.raises(ValueError, match=message):
        record_features(target, X, y)
    with pytest.raises(ValueError, match="150 records"):
        observe(
            LogisticRegression(max_iter=1000).fit(X_IRIS, Y_IRIS), X_IRIS, Y_IRIS, view="white-box"
        )


# Gradients of scikit-learn's models.

CLOSED = {
    "logistic": LogisticRegression(max_iter=1000),
    "logistic without intercept": LogisticRegression(max_iter=1000, fit_intercept=False),
    "one against the rest": SGDClassifier(loss="log_loss", alpha=0.1, random_state=0),
    **{
        activation: MLPClassifier((5, 4), activation=activation, max_iter=30, random_state=0)
        for activation in ("relu", "tanh", "logistic", "identity")
    },
}


def _twin(model):
    """The same model in torch, and the layers' names there."""
    z, names = [], []
    if isinstance(model, MLPClassifier):
        act = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid, "identity": nn.Identity}
        pairs = list(zip(model.coefs_, model.intercepts_, strict=True))
        for i, (coef, intercept) in enumerate(pairs):
            z += [_linear(coef.T, intercept), act[model.activation]()]
            names.append(f"layer{i}")
        return nn.Sequential(*z[:-1]), names
    layers = [_linear(model.coef_, model.intercept_ if model.fit_intercept else None)]
    if isinstance(model, SGDClassifier) and len(model.coef_) > 1:
        layers.append(_Normalised())
    return nn.Sequential(*layers), ["coef"]


class _Normalised(nn.Module):
    def forward(self, z):
        s = torch.sigmoid(z)
        return torch.log(s / s.sum(dim=1, keepdim=True))


def _linear(weight, bias):
    layer = nn.Linear(*weight.shape[::-1], bias=bias is not None).double()
    layer.weight.data = torch.tensor(np.ascontiguousarray(weight), dtype=torch.float64)
    if bias is not None:
        layer.bias.data = torch.tensor(bias, dtype=torch.float64)
    return layer


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("case", CLOSED)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_closed_forms_agree_with_a_network_and_with_differences(case, n_classes):
    rows = n_classes > Y_IRIS
    X, y = X_IRIS[rows][::3] - 3, Y_IRIS[rows][::3]
    model = CLOSED[case].fit(X, y)
    module, layers = _twin(model)
    names, values = white_box_columns(model, X, y, layers=layers)
    target = TorchTarget(module, classes=model.classes_, outputs="logits")
    np.testing.assert_allclose(target.predict_proba(X), model.predict_proba(X), atol=1e-9)
    linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    twins, expected = record_features(target, X, y, layers=linear)
    for theirs, ours in zip(linear, layers, strict=True):
        twins = [name.replace(f".{theirs}.", f".{ours}.") for name in twins]
        twins = [f"grad_norm.{ours}" if n == f"grad_norm.{theirs}" else n for n in twins]
    assert names == twins
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-9)
    differences = _differences(model, X, y)
    table = pd.DataFrame(values, columns=names).filter(regex=rf"^gradient\.{layers[-1]}\.")
    np.testing.assert_allclose(table, differences, rtol=1e-5, atol=1e-7)


def _differences(model, X, y, step=1e-6):
    """Gradient of each record's loss by the last layer's weight, by central differences."""
    is_network = isinstance(model, MLPClassifier)
    weight = model.coefs_[-1] if is_network else model.coef_
    columns = []
    for place in np.ndindex(*(weight.T if is_network else weight).shape):
        at = place[::-1] if is_network else place
        kept, losses = weight[at], []
        for value in (kept + step, kept - step):
            weight[at] = value
            losses.append(-model.predict_log_proba(X)[np.arange(len(X)), y])
        weight[at] = kept
        columns.append((losses[0] - losses[1]) / (2 * step))
    return np.stack(columns, axis=1)


def test_pipelines_and_searches_are_looked_into():
    scaled = StandardScaler().fit_transform(X_IRIS)
    alone = LogisticRegression(C=2.0).fit(scaled, Y_IRIS)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [2.0]}, cv=2).fit(X_IRIS, Y_IRIS)
    frame = pd.DataFrame(X_IRIS, columns=list("abcd"))
    by_name = make_pipeline(StandardScaler(), LogisticRegression(C=2.0)).fit(frame, Y_IRIS)
    expected = white_box_columns(alone, scaled, Y_IRIS)
    for model, X in ((search, X_IRIS), (by_name, frame)):
        names, values = white_box_columns(model, X, Y_IRIS)
        assert names == expected[0]
        np.testing.assert_allclose(values, expected[1], rtol=1e-5, atol=1e-7)


def test_a_well_known_record_keeps_its_gradient():
    model = LogisticRegression(C=1e6, max_iter=5000).fit([[-1.0], [1.0]], [0, 1])
    model.coef_ = np.array([[60.0]])
    names, values = white_box_columns(model, np.array([[1.0], [-1.0]]), np.array([1, 0]))
    np.testing.assert_allclose(
        values[:, names.index("gradient.coef.0_0")], -np.exp(-60.0), rtol=0.02
    )


# observe(view="white-box")


def test_white_box_columns_stand_beside_the_others():
    X, y = X_IRIS[::5], Y_IRIS[::5]
    model = LogisticRegression(max_iter=1000)
    references = ReferenceModels(model, n_models=4, random_state=0).fit(X, y)
    model.fit(X[::2], y[::2])
    plain = observe(model, X, y, references=references)
    table = observe(model, X, y, references=references, view="white-box")
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert (table.dtypes == np.float32).all()
    assert list(table.columns[len(plain.columns) :]) == white_box_columns(model, X, y)[0]


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (
            DecisionTreeClassifier(),
            {"view": "white-box"},
            "DecisionTreeClassifier has no gradients",
        ),
        (SVC(), {"view": "white-box", "layers": ["coef"]}, "SVC has no gradients"),
        (SGDClassifier(), {"view": "white-box"}, r"log_loss.*MLPClassifier"),
        (LogisticRegression(max_iter=1000), {"view": "inside"}, "view must be"),
        (LogisticRegression(max_iter=1000), {"layers": ["coef"]}, 'with view="white-box" only'),
        (
            LogisticRegression(max_iter=1000),
            {"view": "white-box", "layers": ["fc"]},
            "'fc', which the model does not have; it has coef",
        ),
    ],
)
def test_bad_views_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        observe(model.fit(X_IRIS, Y_IRIS), X_IRIS, Y_IRIS, **options)
