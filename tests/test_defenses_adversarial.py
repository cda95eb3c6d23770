"""Adversarial regularisation: the loss, the attack beside it, and what neither may touch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import make_classification  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from skorch.callbacks import Callback  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from mia_sklearn.defenses import AdversarialRegularization  # noqa: E402
from mia_sklearn.signals import signal  # noqa: E402
from nets import classifier  # noqa: E402
from trained_nets import assert_same, one_step, plain, start, trained, weights  # noqa: E402

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("one_torch_thread")]


@pytest.fixture(scope="module")
def records():
    X, y = make_classification(
        400, 20, n_informative=6, n_classes=3, flip_y=0.2, class_sep=1.2, random_state=0
    )
    X = X.astype(np.float32)
    return X[:200], y[:200], X[200:], y[200:]


class Fixed(nn.Module):
    """An attack that holds every confident record for a member."""

    made: list = []  # noqa: RUF012

    def __init__(self, n_classes):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(2.0))
        self.n_classes = n_classes
        Fixed.made.append(self)

    def forward(self, posteriors, label):
        assert posteriors.shape == label.shape == (len(label), self.n_classes)
        return self.slope * (posteriors * label).sum(dim=1) - 0.5


def test_the_nets_loss_is_increased_by_the_attacks_gain(records):
    X, y, others, labels = records
    net = classifier(batch_size=-1, max_epochs=1, lr=0.3)
    module = start(net, X, y)
    output = module(torch.tensor(X))
    own = F.softmax(output, dim=1)[range(len(y)), y]
    loss = F.cross_entropy(output, torch.tensor(y))
    expected = one_step(module, loss + 4 * F.logsigmoid(2 * own - 0.5).mean(), 0.3)
    Fixed.made.clear()
    defense = AdversarialRegularization(net, Fixed, 4.0, attack_lr=1e-30, random_state=0)
    defense = trained(defense, X, y, X_reference=others, y_reference=labels)
    for a, b in zip(weights(defense.estimator_), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    # What is reported is the loss alone; and the net's optimizer leaves the attack alone.
    assert defense.history_[0]["train_loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert [attack.slope.item() for attack in Fixed.made] == [2.0]


def test_the_attack_learns_where_there_is_something_to_learn(records):
    X, y, others, labels = records
    net = classifier(max_epochs=40, lr=0.5, batch_size=50)
    options = {"lam": 0, "attack_lr": 0.01, "random_state": 0}
    told = {"X_reference": others, "y_reference": labels}
    seen = trained(AdversarialRegularization(net, **options), X, y, **told).history_
    assert [row["epoch"] for row in seen] == list(range(1, 41))
    assert seen[0]["gain"] == pytest.approx(np.log(0.5), abs=0.05)
    assert seen[-1]["attack_accuracy"] > 0.6
    assert seen[-1]["gain"] > -0.67
    # To a net that does not learn, members are strangers too.
    still = clone(net).set_params(lr=0.0, max_epochs=10)
    seen = trained(AdversarialRegularization(still, **options), X, y, **told).history_
    assert abs(np.mean([row["attack_accuracy"] for row in seen]) - 0.5) < 0.06


@pytest.mark.slow
def test_members_are_harder_to_tell_under_regularisation():
    X, y = make_classification(900, 20, n_informative=6, n_classes=3, flip_y=0.3, random_state=0)
    X = X.astype(np.float32)
    member, reference, fresh = slice(150), slice(150, 500), slice(500, None)
    net = classifier(max_epochs=50, lr=0.5, batch_size=50)

    def auc(lam):
        defense = AdversarialRegularization(net, lam=lam, attack_lr=3e-3, k=2, random_state=0)
        told = {"X_reference": X[reference], "y_reference": y[reference]}
        defense = trained(defense, X[member], y[member], **told)
        loss = [signal("loss", defense.predict_log_proba(X[s]), y[s]) for s in (member, fresh)]
        return roc_auc_score(np.repeat([1, 0], [len(part) for part in loss]), -np.concatenate(loss))

    undefended, defended = auc(0.0), auc(3.0)
    assert undefended > 0.65
    assert defended < undefended - 0.05


def test_reference_records_that_are_set_aside_are_not_trained_on(records):
    X, y, _, _ = records
    net = classifier(callbacks=[("seen", Counting())])
    defense = AdversarialRegularization(net, reference_size=0.25, random_state=0).fit(X, y)
    assert dict(defense.estimator_.source.callbacks_)["seen"].rows_ == 150


class Counting(Callback):
    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.rows_ = len(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attack": nn.Linear(2, 1)}, "attack is an instance of Linear.*Pass its class"),
        ({"attack": lambda n: None}, "attack must make a torch.nn.Module, got NoneType"),
        ({"attack": lambda n: nn.Bilinear(n, n, 2)}, r"one logit per record, got shape \(2, 2\)"),
        ({"attack": 3}, "'attack' parameter"),
        ({"lam": -1}, "'lam' parameter"),
        ({"k": 0}, "'k' parameter"),
        ({"attack_lr": 0}, "'attack_lr' parameter"),
        ({"reference_size": 1.0}, "'reference_size' parameter"),
    ],
)
def test_what_adversarial_regularisation_refuses(options, message, records):
    with pytest.raises(ValueError, match=message):
        AdversarialRegularization(classifier(), **options).fit(*records[:2])


def test_reference_records_need_labels(records):
    X, y, others, _ = records
    with pytest.raises(ValueError, match="AdversarialRegularization uses the labels"):
        AdversarialRegularization(classifier()).fit(X, y, X_reference=others)


def test_attacks_with_noise_of_their_own_leave_the_nets_alone(records):
    """The attack's dropout draws no number of the net's."""
    X, y, others, labels = records

    class Noisy(Fixed):
        def forward(self, posteriors, label):
            return super().forward(F.dropout(posteriors, 0.5, self.training), label)

    told = {"X_reference": others, "y_reference": labels}
    net = classifier(module__dropout=0.2)
    noisy = AdversarialRegularization(net, Noisy, lam=0, random_state=0)
    assert_same(trained(noisy, X, y, **told).estimator_, plain(net, X, y))
