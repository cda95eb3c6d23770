"""Attacks that look inside a model: answers that are known, and their place in an audit."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn import audit, observe
from mia_sklearn.attacks import GradientNormAttack, all_attacks
from mia_sklearn.metrics import roc_auc

torch = pytest.importorskip("torch")
from skorch import NeuralNetClassifier  # noqa: E402
from torch import nn  # noqa: E402

from mia_sklearn.torch import (  # noqa: E402
    TorchTarget,
    UnsupervisedWhiteBoxAttack,
    WhiteBoxAttack,
)
from mia_sklearn.torch._targets._gradients import record_features  # noqa: E402

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
SMALL = {"component_size": 8, "hidden_sizes": (8,), "max_epochs": 2, "random_state": 0}


pytestmark = pytest.mark.usefixtures("one_torch_thread")


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


@pytest.mark.one_for_all(UnsupervisedWhiteBoxAttack)
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
