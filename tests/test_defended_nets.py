"""What defenses that train networks do to the net that they are given, and what they leave."""

import pickle

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from scipy import sparse  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, StandardScaler  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402
from skorch import NeuralNetBinaryClassifier, NeuralNetRegressor  # noqa: E402
from skorch.callbacks import EpochScoring, LRScheduler  # noqa: E402
from skorch.dataset import ValidSplit  # noqa: E402
from torch import nn  # noqa: E402

import test_defenses_common as common  # noqa: E402
from mia_sklearn.base import TrainingSet, fit_clone  # noqa: E402
from mia_sklearn.defenses import (  # noqa: E402
    AdversarialRegularization,
    DropoutDefense,
    EarlyStoppingDefense,
    RelaxLoss,
    WeightPenalty,
)
from mia_sklearn.torch import TorchTarget  # noqa: E402
from nets import Dense, Double, Sized, Words, classifier  # noqa: E402

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("one_torch_thread")]
records = common.records

DEFENSES = {
    "dropout": DropoutDefense(None, p=0.3),
    "penalty": WeightPenalty(None, l1=1e-3, l2=1e-3),
    "early stopping": EarlyStoppingDefense(None, max_gap=2.0),
    "relaxed": RelaxLoss(None, alpha=0.3),
    "adversarial": AdversarialRegularization(None, lam=0.5, random_state=0),
}
IDLE = {
    "dropout": DropoutDefense(None, p=0),
    "penalty": WeightPenalty(None, l2=0),
    "early stopping": EarlyStoppingDefense(None, max_gap=1e9),
    "relaxed": RelaxLoss(None, alpha=0),
    "adversarial": AdversarialRegularization(None, lam=0, k=2, random_state=0),
}
# What differs by a penalty, a loss or the number of epochs is held by `make test-slow`.
every_defense = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("dropout", "adversarial") else pytest.mark.slow)
        for name in DEFENSES
    ],
)


def _trained(defense, X, y, seed=0, **params):
    torch.manual_seed(seed)
    return clone(defense).fit(X, y, **params)


def _of(name, net):
    """Return a defense of another net."""
    return clone(DEFENSES[name]).set_params(net=net)


def _weights(target):
    return [w.detach().numpy() for w in target.module.state_dict().values()]


def _dense(**options):
    return classifier(module__n_features=6, **options)


def _same(first, second):
    for a, b in zip(_weights(first), _weights(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", list(IDLE))
def test_does_nothing_where_it_is_told_to(name, records):
    """Bit for bit: not even a random number more or fewer is drawn."""
    X, y, others, labels = records
    params = {"X_reference": others, "y_reference": labels} if name == "adversarial" else {}
    split = ValidSplit(5) if name == "early stopping" else None
    net = _dense(module__dropout=0.3, train_split=split)
    defense = _trained(clone(IDLE[name]).set_params(net=net), X, y, **params)
    torch.manual_seed(0)
    _same(defense.estimator_, fit_clone(net, TrainingSet(X.astype(np.float32), y, {})))


@every_defense
def test_does_something_where_it_is_not(name, records):
    X, y, others, labels = records
    params = {"X_reference": others, "y_reference": labels} if name == "adversarial" else {}
    net = _dense(max_epochs=8, lr=0.5)
    options = {"alpha": 0.9} if name == "relaxed" else {}
    defense = _trained(_of(name, net).set_params(**options), X, y, **params)
    torch.manual_seed(0)
    plain = fit_clone(net, TrainingSet(X.astype(np.float32), y, {}))
    assert np.abs(_weights(defense.estimator_)[0] - _weights(plain)[0]).max() > 1e-3


@every_defense
def test_the_seed_is_torchs(name, records):
    X, y, _, _ = records
    first, again, other = (_trained(_of(name, _dense()), X, y, seed) for seed in (0, 0, 1))
    _same(first.estimator_, again.estimator_)
    assert not np.array_equal(_weights(first.estimator_)[0], _weights(other.estimator_)[0])


@every_defense
def test_nothing_is_left_in_what_is_released(name, records):
    X, y, others, labels = records
    params = {"X_reference": others, "y_reference": labels} if name == "adversarial" else {}
    user = [("accuracy", EpochScoring("accuracy")), LRScheduler]
    net = _dense(callbacks=user)
    defense = _trained(_of(name, net), X, y, **params)
    assert not net.initialized_
    assert net.callbacks is user
    target = defense.estimator_
    assert type(target.module) is Dense
    assert not any(part._forward_pre_hooks for part in target.module.modules())
    assert type(target.source.criterion_) is nn.CrossEntropyLoss
    assert target.source.callbacks[1] is LRScheduler
    assert len(target.source.callbacks) == 2
    stored = pickle.dumps(defense)
    for trace in (b"_defended_nets", b"_Opponent", b"_DefaultAttack", b"_Wrapped"):
        assert trace not in stored
    for table in (X, others):
        for width in (np.float32, np.float64):
            rows = table.astype(width)
            assert not any(row.tobytes() in stored for row in rows)
    stripped = [name for name, _ in target.source.callbacks_]
    torch.manual_seed(0)
    plain = clone(net).fit(X.astype(np.float32), y)
    assert stripped == [name for name, _ in plain.callbacks_]


@pytest.mark.parametrize("callbacks", [None, "disable", [Sized()], [("own", Sized)]], ids=repr)
@every_defense
def test_the_nets_own_callbacks_stay(name, callbacks, records):
    X, y, _, _ = records
    defense = _trained(_of(name, _dense(callbacks=callbacks)), X, y)
    source = defense.estimator_.source
    names = [name for name, _ in source.callbacks_]
    if callbacks == "disable":
        assert source.callbacks == "disable"
        assert names == []
        assert "train_loss" not in source.history[-1]
        assert not [name for name in vars(source) if name.startswith("callbacks__")]
    else:
        assert "train_loss" in names
        assert ("Sized" in names or "own" in names) == (callbacks is not None)


class Failing(Dense):
    made: list = []  # noqa: RUF012

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = 0
        Failing.made.append(self)

    def forward(self, x):
        self.calls += self.training
        if self.calls > 3:
            raise RuntimeError("out of order")
        return super().forward(x)


@every_defense
def test_nothing_is_left_in_a_module_whose_training_failed(name, records):
    X, y, _, _ = records
    Failing.made.clear()
    net = classifier(Failing, module__n_features=6)
    with pytest.raises(RuntimeError, match="out of order"):
        _of(name, net).fit(X, y)
    assert max(module.calls for module in Failing.made) > 3
    assert not any(part._forward_pre_hooks for m in Failing.made for part in m.modules())


@every_defense
def test_pipelines(name, records):
    X, y, others, _ = records
    names = np.array(["north", "south", "west"])[y]
    narrow = FunctionTransformer(np.float32)
    pipeline = make_pipeline(StandardScaler(), narrow, _dense(max_epochs=10))
    defense = _trained(_of(name, pipeline), X, names)
    common.check_defense_releases_one_thing(defense, others)
    assert defense.score(X, names) > 0.5
    # Scaled before and in between is the same.
    scaled = defense.estimator_._before.transform(others)
    inner = TorchTarget(defense.estimator_.module, defense.classes_)
    np.testing.assert_allclose(
        inner.predict_proba(scaled), defense.predict_proba(others), rtol=1e-5
    )


@every_defense
def test_one_output_for_two_classes(name, records):
    X, y, others, labels = records
    names = np.where(y == 1, "yes", "no")
    net = NeuralNetBinaryClassifier(
        Dense,
        module__n_features=6,
        module__n_outputs=1,
        lr=0.3,
        batch_size=16,
        train_split=None,
        verbose=0,
    )
    defense = _trained(_of(name, net), X, names)
    assert defense.classes_.tolist() == ["no", "yes"]
    common.check_defense_releases_one_thing(defense, others)
    assert defense.score(others, np.where(labels == 1, "yes", "no")) > 0.6


@every_defense
@pytest.mark.parametrize("criterion", [nn.NLLLoss, nn.BCELoss])
def test_modules_that_return_probabilities(name, criterion, records):
    X, y, others, _ = records
    kind, options = classifier, {"module": Double, "module__end": nn.Softmax(dim=1)}
    if criterion is nn.BCELoss:
        kind, y = NeuralNetBinaryClassifier, (y == 1).astype(int)
        options = {"module": Dense, "module__end": nn.Sigmoid(), "module__n_outputs": 1}
        options |= {"train_split": None, "verbose": 0}
    net = kind(criterion=criterion, module__n_features=6, lr=0.3, **options)
    defense = _trained(_of(name, net), X, y)
    common.check_defense_releases_one_thing(defense, others)
    assert defense.score(X, y) > 0.5


@every_defense
def test_kinds_of_tables(name, records):
    X, y, _, _ = records
    whole = np.rint(X).astype(int)
    tables = [whole, whole.astype(float), pd.DataFrame(whole), sparse.csr_matrix(whole)]
    trained = [_trained(_of(name, _dense()), table, y) for table in tables]
    for defense, table in zip(trained, tables, strict=True):
        _same(defense.estimator_, trained[0].estimator_)
        np.testing.assert_array_equal(defense.predict_proba(table), trained[0].predict_proba(whole))


def test_words_stay_whole_numbers():
    X = np.random.default_rng(0).integers(10, size=(60, 5))
    defense = DropoutDefense(classifier(Deep)).fit(X, X[:, 0] % 3)
    assert defense.predict_proba(X).shape == (60, 3)


class Deep(Words):
    """With a hidden layer."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 6)

    def forward(self, x):
        return self.last(torch.relu(self.hidden(self.embedding(x).mean(dim=1))))


@every_defense
def test_columns_of_labels_that_do_not_occur(name, records):
    X, y, others, _ = records
    defense = _of(name, _dense()).fit(X[y < 2], y[y < 2])
    assert defense.classes_.tolist() == [0, 1, 2]
    common.check_defense_releases_one_thing(defense, others)


class Scaled(Dense):
    def forward(self, x, scale=1.0):
        return super().forward(scale * x)


def test_arguments_of_fit_reach_the_module(records):
    X, y, _, _ = records
    net = classifier(Scaled, module__n_features=6)
    plain, scaled = (_trained(WeightPenalty(net), X, y, **p) for p in ({}, {"scale": 3.0}))
    doubled = _trained(WeightPenalty(net), 3.0 * X, y)
    assert not np.array_equal(_weights(plain.estimator_)[0], _weights(scaled.estimator_)[0])
    for a, b in zip(_weights(scaled.estimator_), _weights(doubled.estimator_), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@every_defense
def test_what_is_no_classifying_net_is_named(name, records):
    X, y, _, _ = records
    with pytest.raises(ValueError, match=r"net must be a skorch .* got DecisionTreeClassifier"):
        _of(name, DecisionTreeClassifier()).fit(X, y)
    with pytest.raises(ValueError, match=r"does not defend regressors \(net=NeuralNetRegressor"):
        _of(name, NeuralNetRegressor(Dense)).fit(X, y)
    with pytest.raises(ValueError, match="at least two classes"):
        _of(name, _dense()).fit(X, np.ones(len(y)))
    frame = pd.DataFrame(X).assign(colour="red")
    frame.columns = frame.columns.astype(str)
    with pytest.raises(ValueError, match=r"takes numbers.*red.*in a Pipeline in front of the net"):
        _of(name, _dense()).fit(frame, y)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="finds no CUDA device"):
            _of(name, _dense(device="cuda")).fit(X, y)


@pytest.mark.parametrize("name", ["relaxed", "adversarial"])
def test_criteria_that_are_not_understood_are_named(name, records):
    X, y, _, _ = records
    with pytest.raises(ValueError, match=r"criteria CrossEntropyLoss, .* is MultiMarginLoss"):
        _of(name, _dense(criterion=nn.MultiMarginLoss, predict_nonlinearity=None)).fit(X, y)
    with pytest.raises(ValueError, match=r"reduction='sum'. Drop criterion__reduction"):
        _of(name, _dense(criterion__reduction="sum")).fit(X, y)
