"""What a model shows inside: gradients by other means, attacks with a known answer."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn._white_box import white_box_columns
from mia_sklearn.attacks import GradientNormAttack, all_attacks
from mia_sklearn.metrics import roc_auc

torch = pytest.importorskip("torch")
from skorch import NeuralNetClassifier  # noqa: E402
from torch import nn  # noqa: E402

from mia_sklearn.torch import (  # noqa: E402
    TorchTarget,
    UnsupervisedWhiteBoxAttack,
    WhiteBoxAttack,
    _gradients,
)
from mia_sklearn.torch._gradients import record_features  # noqa: E402

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
SMALL = {"component_size": 8, "hidden_sizes": (8,), "max_epochs": 2, "random_state": 0}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks as small as these gain nothing by threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
    monkeypatch.setattr("mia_sklearn._white_box._MAX_TABLE_BYTES", 1000)
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


@pytest.fixture(scope="module")
def digits():
    """Digits of which a third is mislabelled: a network can only learn them by heart."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(y))[:800]
    y = np.where(rng.random(800) < 0.3, rng.integers(0, 10, 800), y[rows])
    return X[rows] / 16, y


@pytest.fixture(scope="module")
def model(digits):
    X, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPClassifier((32,), max_iter=250, learning_rate_init=0.01, random_state=0).fit(
            X[:400], y[:400]
        )


@pytest.fixture(scope="module")
def seen(model, digits):
    return observe(model, *digits, view="white-box", layers=["layer1"])


MEMBER = np.arange(800) < 400
KNOWN = np.arange(800) % 400 < 200


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
        (SVC(), {"view": "white-box"}, "SVC has no gradients"),
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


# Attacks.


def _attacks():
    return {
        "gradient-norm": GradientNormAttack(),
        "white-box": WhiteBoxAttack(n_networks=1, max_epochs=15, random_state=0),
        "k-means": UnsupervisedWhiteBoxAttack(max_epochs=8, random_state=0),
        "spectral": UnsupervisedWhiteBoxAttack("spectral", max_epochs=8, random_state=0),
    }


every_attack = pytest.mark.parametrize("name", list(_attacks()))


@every_attack
def test_members_of_a_memorising_network_are_found(name, seen):
    attack = _attacks()[name].fit(seen[KNOWN], MEMBER[KNOWN])
    score = attack.decision_function(seen[~KNOWN])
    assert roc_auc(MEMBER[~KNOWN], score).low > 0.65
    assert attack.score(seen[~KNOWN], MEMBER[~KNOWN]) > 0.6


@every_attack
def test_nobody_is_found_where_nobody_trained(name, seen):
    strangers = seen[~MEMBER].reset_index(drop=True)
    member = np.random.default_rng(1).permutation(len(strangers)) % 2
    known = np.arange(len(strangers)) < 200
    attack = _attacks()[name].fit(strangers[known], member[known])
    estimate = roc_auc(member[~known], attack.decision_function(strangers[~known]), confidence=0.99)
    assert estimate.low < 0.5 < estimate.high


@parametrize_with_checks(
    [WhiteBoxAttack(n_networks=1, **SMALL), UnsupervisedWhiteBoxAttack(**SMALL)],
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_gradient_norm_of_a_model_that_answers_surely_is_nearly_perfect():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3000)), rng.integers(0, 2, 200)
    model = LogisticRegression(C=1e3, max_iter=1000).fit(X[:100], y[:100])
    seen = observe(model, X, y, view="white-box")
    member = np.arange(200) < 100
    for layer in (None, "coef"):
        attack = GradientNormAttack(layer=layer).fit(seen, member)
        assert roc_auc(member, attack.decision_function(seen)).value > 0.97
        np.testing.assert_array_equal(attack.predict(seen), seen["grad_norm"] < attack.threshold_)
    with pytest.raises(ValueError, match=r"'grad_norm.fc'; the observations hold grad_norm, "):
        GradientNormAttack(layer="fc").fit(seen, member)


def test_gradient_norms_of_rounds_are_averaged():
    norms = np.exp(np.random.default_rng(0).normal(size=(40, 2)))
    table = pd.DataFrame(norms, columns=["grad_norm@0", "grad_norm@1"])
    attack = GradientNormAttack().fit(table, np.arange(40) % 2)
    score = attack.score_observations(table)
    np.testing.assert_array_equal(np.argsort(score), np.argsort(-np.log(norms).mean(axis=1)))


@pytest.mark.parametrize("name", ["k-means", "spectral"])
def test_the_unsupervised_attack_asks_nobody(name, seen):
    attack = _attacks()[name].set_params(max_epochs=2)
    by_guess = attack.fit(seen, np.arange(800) % 2).decision_function(seen)
    by_opposite = attack.fit(seen, ~MEMBER).decision_function(seen)
    np.testing.assert_array_equal(by_guess, by_opposite)


@pytest.mark.parametrize("name", ["white-box", "k-means"])
def test_networks_score_alike_whatever_the_way(name, seen):
    attack = _attacks()[name].set_params(max_epochs=2)
    random = torch.random.get_rng_state()
    expected = attack.fit(seen[KNOWN], MEMBER[KNOWN]).decision_function(seen)
    assert torch.equal(random, torch.random.get_rng_state())
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(attack)).decision_function(seen), expected
    )
    np.testing.assert_allclose(attack.decision_function(seen[-3:]), expected[-3:], rtol=1e-9)
    attack.set_params(columns=list(seen.columns)).fit(seen[KNOWN].to_numpy(), MEMBER[KNOWN])
    np.testing.assert_array_equal(attack.decision_function(seen.to_numpy()), expected)


def test_missing_values_say_nothing(seen):
    holed = seen.copy()
    holed.iloc[::7, 20:] = np.nan
    holed.iloc[5] = np.nan
    for name in ("white-box", "k-means"):
        attack = _attacks()[name].set_params(max_epochs=2).fit(holed, MEMBER)
        score = attack.score_observations(holed)
        assert np.isfinite(score).all()
        assert score[5] == attack._blank


def test_groups_choose_what_is_read(seen):
    attack = WhiteBoxAttack(groups=["label", "proba", "logit"], **SMALL).fit(seen, MEMBER)
    changed = seen.copy()
    inside = [column for column in seen if column.startswith(("grad", "act"))]
    changed[inside] = 0.0
    np.testing.assert_array_equal(attack.predict(changed), attack.predict(seen))
    with pytest.raises(ValueError, match="groups must name"):
        WhiteBoxAttack(groups=["weights"]).fit(seen, MEMBER)
    with pytest.raises(ValueError, match='view="white-box"'):
        WhiteBoxAttack().fit(seen.drop(columns=inside), MEMBER)


def test_early_stopping_keeps_the_best_epoch(seen):
    attack = WhiteBoxAttack(max_epochs=12, patience=2, n_networks=2, random_state=0)
    attack.fit(seen, MEMBER)
    assert len(attack.n_epochs_) == 2
    assert all(1 <= epoch <= 12 for epoch in attack.n_epochs_)
    whole = WhiteBoxAttack(validation_fraction=0, **SMALL).fit(seen, MEMBER)
    assert whole.n_epochs_ == [2, 2, 2, 2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a device that is not there")
@pytest.mark.parametrize("attack", [WhiteBoxAttack, UnsupervisedWhiteBoxAttack])
def test_an_absent_device_is_named(attack, seen):
    with pytest.raises(ValueError, match="device='cuda'"):
        attack(device="cuda").fit(seen, MEMBER)


# Registry and audit.


def test_the_registry_needs_no_torch():
    code = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NotInstalled())
from mia_sklearn.attacks import *
from mia_sklearn import attacks
print(*(info.name for info in attacks.all_attacks()), *dir(attacks))
try:
    attacks.WhiteBoxAttack
except ImportError as error:
    print(error)
from mia_sklearn.cli import main
main(["attacks"])
"""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    names, error, *listed = run.stdout.splitlines()
    assert {"white-box", "unsupervised-white-box", "WhiteBoxAttack"} <= set(names.split())
    assert "mia-sklearn[torch]" in error
    assert any("mia-sklearn[torch]" in line for line in listed)


def test_the_attacks_that_the_registry_loads_late_are_ours():
    late = {info.name: info.attack for info in all_attacks()}
    assert late["white-box"] is WhiteBoxAttack
    assert late["unsupervised-white-box"] is UnsupervisedWhiteBoxAttack


def _halves(digits):
    X, y = digits
    return X[:400], y[:400], X[400:], y[400:]


OPTIONS = {"n_references": 0, "random_state": 0, "progress": False, "controls": False}


def test_an_audit_of_weights_looks_at_gradients(model, digits, seen):
    report = audit(model, *_halves(digits), release="weights", **OPTIONS)
    table = report.coverage.set_index("attack")
    assert table.loc["gradient-norm", "status"] == "run"
    assert table.loc["gradient-norm", "knowledge"] == "the record and its true label"
    assert table.loc["white-box", "status"] == "not run"
    assert "known" in table.loc["white-box", "reason"]
    auc = report.metrics.query("attack == 'gradient-norm' and metric == 'auc' and slice == 'all'")
    expected = roc_auc(MEMBER, -seen["grad_norm"].to_numpy())
    np.testing.assert_allclose(auc["estimate"], expected.value)


def test_gradient_norm_needs_no_references_but_stands_beside_them():
    halves = (X_IRIS[::2], Y_IRIS[::2], X_IRIS[1::2], Y_IRIS[1::2])
    model = LogisticRegression(max_iter=1000).fit(*halves[:2])
    options = {**OPTIONS, "n_references": 4, "controls": True, "release": "weights"}
    report = audit(model, *halves, attacks=["gradient-norm"], **options)
    assert report.info["headline"] == "gradient-norm"
    tree = DecisionTreeClassifier(random_state=0).fit(*halves[:2])
    table = audit(tree, *halves, release="weights", **OPTIONS).coverage.set_index("attack")
    assert table.loc["gradient-norm", "reason"] == "the model has no gradients"


@pytest.mark.parametrize(
    ("target", "attack", "message"),
    [
        (DecisionTreeClassifier(), "gradient-norm", "looks at gradients, which this model"),
        (LogisticRegression(max_iter=1000), "white-box", "does not set aside"),
    ],
)
def test_audits_refuse_what_would_not_be_honest(target, attack, message):
    target.fit(X_IRIS[::2], Y_IRIS[::2])
    halves = (X_IRIS[::2], Y_IRIS[::2], X_IRIS[1::2], Y_IRIS[1::2])
    with pytest.raises(ValueError, match=message):
        audit(target, *halves, attacks=[attack], **OPTIONS)


class Iris(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

    def forward(self, x):
        return self.layers(x)


def test_a_skorch_net_in_a_pipeline_is_looked_into():
    net = NeuralNetClassifier(Iris, criterion=nn.CrossEntropyLoss, max_epochs=2, verbose=0)
    X, y = X_IRIS.astype(np.float32), Y_IRIS.astype(np.int64)
    model = make_pipeline(StandardScaler(), net.set_params(train_split=None)).fit(X[::2], y[::2])
    seen = observe(model, X, y, view="white-box", layers=["layers.3"])
    assert seen.shape[1] == 5 + 2 + 3 + 24
    module = TorchTarget(model[-1].module_, classes=range(3), outputs="logits")
    expected = record_features(module, model[0].transform(X), y, layers=["layers.3"])[1]
    np.testing.assert_allclose(seen.to_numpy()[:, 5:], expected, rtol=1e-5, atol=1e-7)
    report = audit(model, X[::2], y[::2], X[1::2], y[1::2], release="weights", **OPTIONS)
    assert "gradient-norm" in report.info["attacks"]
