"""What defenses that train networks must come to, where it can be told otherwise."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import make_classification  # noqa: E402
from skorch.dataset import ValidSplit  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from mia_sklearn.defenses import (  # noqa: E402
    DropoutDefense,
    EarlyStoppingDefense,
    RelaxLoss,
    WeightPenalty,
)
from mia_sklearn.signals import signal  # noqa: E402
from nets import Recurrent, classifier  # noqa: E402
from trained_nets import assert_same, one_step, plain, start, trained, weights  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def records():
    X, y = make_classification(
        400, 20, n_informative=6, n_classes=3, flip_y=0.2, class_sep=1.2, random_state=0
    )
    X = X.astype(np.float32)
    return X[:200], y[:200], X[200:], y[200:]


# Dropout.


class Functional(nn.Module):
    """Hidden activations of every kind, with dropout written down where p is given."""

    def __init__(self, p=0.0):
        super().__init__()
        self.p = p
        self.convolution = nn.Conv1d(1, 3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.second = nn.Conv1d(3, 2, 3)
        self.third = nn.Linear(32, 8)
        self.fourth = nn.Linear(8, 3)

    def forward(self, x):
        x = F.relu(self.norm(self.convolution(x[:, None])))
        x = torch.tanh(self.second(self._dropped(x))).flatten(1)
        x = F.relu(self.third(self._dropped(x)))
        return self.fourth(self._dropped(x))

    def _dropped(self, x):
        return F.dropout(x, self.p, self.training) if self.p else x


def test_dropout_is_what_a_module_with_dropout_does(records):
    X, y, _, _ = records
    written = plain(classifier(Functional, module__p=0.4), X, y)
    added = trained(DropoutDefense(classifier(Functional), p=0.4), X, y)
    assert_same(added.estimator_, written)
    # In answers nothing is dropped.
    np.testing.assert_array_equal(added.predict_proba(X), written.predict_proba(X))


class Called(nn.Module):
    """Its layers are called by the name of their argument, and twice."""

    def __init__(self, p=0.0):
        super().__init__()
        self.p = p
        self.first = nn.Linear(20, 8)
        self.twice = nn.LazyLinear(8)
        self.last = nn.LazyLinear(3)

    def forward(self, x):
        x = torch.relu(self.first(input=x))
        for layer in (self.twice, self.twice, self.last):
            x = layer(input=torch.relu(F.dropout(x, self.p, self.training) if self.p else x))
        return x


def test_dropout_of_lazy_layers_and_named_arguments(records):
    X, y, _, _ = records
    written = plain(classifier(Called, module__p=0.4), X, y)
    added = trained(DropoutDefense(classifier(Called), p=0.4), X, y)
    assert_same(added.estimator_, written)


def test_dropout_behind_recurrent_layers(records):
    X, y, _, _ = records
    X = X.reshape(-1, 5, 4)
    added = trained(DropoutDefense(classifier(Recurrent), p=0.4), X, y)
    with pytest.raises(AssertionError):
        assert_same(added.estimator_, plain(classifier(Recurrent), X, y))


def test_dropout_without_a_hidden_layer_is_refused(records):
    X, y, _, _ = records
    module = nn.Sequential(nn.LayerNorm((20,)), nn.Linear(20, 3))
    with pytest.raises(ValueError, match=r"module Sequential has 1 layer\(s\) with weights"):
        DropoutDefense(classifier(module)).fit(X, y)
    assert DropoutDefense(classifier(module), p=0).fit(X, y).score(X, y) > 0.3


@pytest.mark.parametrize("p", [-0.1, 1])
def test_dropout_outside_its_range(p, records):
    with pytest.raises(ValueError, match="'p' parameter of DropoutDefense must be a float"):
        DropoutDefense(classifier(), p=p).fit(*records[:2])


# Penalties.


@pytest.mark.parametrize("norm", [False, True])
def test_l2_is_the_weight_decay_of_sgd(norm, records):
    X, y, _, _ = records
    net = classifier(module__norm=norm, optimizer__momentum=0.9)
    decay = [(f"{layer}.weight", {"weight_decay": 0.02}) for layer in ("first", "last")]
    expected = plain(clone(net).set_params(optimizer__param_groups=decay), X, y)
    penalised = trained(WeightPenalty(net, l2=0.01), X, y)
    assert_same(penalised.estimator_, expected, atol=1e-6)
    with pytest.raises(AssertionError):
        assert_same(penalised.estimator_, plain(net, X, y), atol=1e-3)


@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0), (0.1, 0.2)])
def test_one_step_with_penalties(l1, l2, records):
    X, y, _, _ = records
    net = classifier(batch_size=-1, max_epochs=1, lr=0.3)
    module = start(net, X, y)
    loss = F.cross_entropy(module(torch.tensor(X)), torch.tensor(y))
    for w in (module.first.weight, module.last.weight):
        loss = loss + l1 * w.abs().sum() + l2 * w.square().sum()
    expected = one_step(module, loss, 0.3)
    penalised = trained(WeightPenalty(net, l1, l2), X, y)
    for a, b in zip(weights(penalised.estimator_), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(20, 20, bias=False)
        self.second = nn.Linear(20, 20, bias=False)
        self.second.weight = self.first.weight
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))[:, :3]


def test_shared_weights_are_penalised_once(records):
    X, y, _, _ = records
    net = classifier(Tied)
    expected = plain(clone(net).set_params(optimizer__weight_decay=0.02), X, y)
    penalised = trained(WeightPenalty(net, l2=0.01), X, y)
    for a, b in zip(weights(penalised.estimator_)[:2], weights(expected)[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_penalties_below_zero(name, records):
    with pytest.raises(ValueError, match=f"'{name}' parameter of WeightPenalty"):
        WeightPenalty(classifier(), **{name: -1.0}).fit(*records[:2])


# Early stopping.


def test_the_epoch_before_the_gap_is_released(records):
    X, y, _, _ = records
    net = classifier(max_epochs=60, lr=0.5)
    stopped = trained(EarlyStoppingDefense(net, max_gap=0.15), X, y)
    assert 1 < stopped.n_epochs_ < 60
    assert len(stopped.gaps_) == stopped.n_epochs_ + 1
    assert (stopped.gaps_[:-1] <= 0.15).all()
    assert stopped.gaps_[-1] > 0.15
    history = stopped.estimator_.source.history
    gaps = np.subtract(history[:, "valid_loss"], history[:, "train_loss"])
    np.testing.assert_allclose(stopped.gaps_, gaps)
    split = {"train_split": ValidSplit(5, stratified=True), "max_epochs": stopped.n_epochs_}
    assert_same(stopped.estimator_, plain(clone(net).set_params(**split), X, y))


def test_no_gap_wide_enough(records):
    X, y, _, _ = records
    whole = trained(EarlyStoppingDefense(classifier(max_epochs=3), max_gap=10), X, y)
    assert whole.n_epochs_ == len(whole.gaps_) == 3


def test_a_gap_from_the_start_releases_what_was_not_trained(records):
    X, y, _, _ = records
    net = classifier(max_epochs=5, lr=1.0, batch_size=4)
    with pytest.warns(UserWarning, match="max_gap=0.0: the untrained network is released"):
        stopped = trained(EarlyStoppingDefense(net, max_gap=0.0), X, np.arange(200) % 3)
    assert stopped.n_epochs_ == 0
    split = clone(net).set_params(train_split=ValidSplit(5, stratified=True))
    for a, b in zip(weights(stopped.estimator_), start(split, X, y).parameters(), strict=True):
        np.testing.assert_array_equal(a, b.detach().numpy())


def test_records_to_validate_on(records):
    X, y, _, _ = records
    # A class of three records cannot be in each of five parts.
    few = np.r_[np.flatnonzero(y < 2), np.flatnonzero(y == 2)[:3]]
    whole = EarlyStoppingDefense(classifier(), max_gap=5).fit(X[few], y[few])
    assert len(whole.gaps_) == 3
    with pytest.raises(ValueError, match="at least 5 records to validate on some"):
        EarlyStoppingDefense(classifier()).fit(X[:4], y[:4])
    none = classifier(train_split=lambda data, y: (data, None))
    with pytest.raises(ValueError, match=r"train_split gives none. Use skorch's ValidSplit"):
        EarlyStoppingDefense(none).fit(X, y)


# RelaxLoss.


def test_below_alpha_odd_epochs_flatten_and_even_ones_climb(records):
    X, y, _, _ = records
    net = classifier(batch_size=-1, max_epochs=1, lr=0.3)
    x, label = torch.tensor(X), torch.tensor(y)
    module = start(net, X, y)
    log_proba = F.log_softmax(module(x), dim=1)
    own = log_proba.detach().exp()[range(len(y)), y]
    soft = ((1 - own) / 2)[:, None].repeat(1, 3)
    soft[range(len(y)), y] = own
    flattened = one_step(module, -(soft * log_proba).sum(dim=1).mean(), 0.3)
    relaxed = trained(RelaxLoss(net, alpha=100), X, y)
    for a, b in zip(weights(relaxed.estimator_), flattened, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert np.abs(flattened[-2] - list(module.parameters())[-2].detach().numpy()).max() > 1e-3
    # The second epoch begins there.
    with torch.no_grad():
        for w, value in zip(module.parameters(), flattened, strict=True):
            w.copy_(torch.tensor(value))
    loss = F.cross_entropy(module(x), label)
    climbed = one_step(module, -loss, 0.3)
    relaxed = trained(RelaxLoss(clone(net).set_params(max_epochs=2), alpha=100), X, y)
    for a, b in zip(weights(relaxed.estimator_), climbed, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    # What is reported is the cross-entropy.
    reported = relaxed.estimator_.source.history[:, "train_loss"]
    assert reported[1] == pytest.approx(loss.item(), abs=1e-5)


def test_two_classes_are_not_flattened(records):
    X, y, _, _ = records
    net = classifier(max_epochs=1, module__n_outputs=2)
    relaxed = trained(RelaxLoss(net, alpha=100), X, y == 1)
    for a, b in zip(weights(relaxed.estimator_), start(net, X, y == 1).parameters(), strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), atol=1e-6)


def test_the_loss_stays_near_alpha(records):
    X, y, _, _ = records
    net = classifier(max_epochs=150, lr=0.3, batch_size=64)
    both = trained(RelaxLoss(net, alpha=0.4), X, y), plain(net, X, y)
    losses = [signal("loss", d.predict_log_proba(X), y).mean() for d in both]
    assert losses[1] < 0.15
    assert 0.3 < losses[0] < 0.6
