"""Training with differential privacy: what is promised, what is done to gradients, what not."""

import math
import pickle
import sys

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
pytest.importorskip("opacus")

from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor  # noqa: E402
from skorch.callbacks import EarlyStopping, LRScheduler  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import test_defenses_common as common  # noqa: E402
from mia_sklearn.defenses import DPSGD  # noqa: E402
from mia_sklearn.torch._defenses import _private_training as private_training  # noqa: E402
from mia_sklearn.torch._defenses._privacy_accounting import (  # noqa: E402
    PrivacyPlan,
    epsilon_spent,
    quiet,
    required_noise,
)
from mia_sklearn.torch._defenses._private_training import train_privately  # noqa: E402
from nets import Convolutional, Dense, Double, Recurrent, Words, classifier, sized  # noqa: E402
from test_defenses_common import records  # noqa: E402, F401

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def check_survives(defense, X):
    again = pickle.loads(pickle.dumps(defense))
    np.testing.assert_array_equal(again.predict_proba(X), defense.predict_proba(X))
    assert not hasattr(clone(defense), "classes_")


DEFENSES = {
    "dp": DPSGD(sized(max_epochs=15, batch_size=32), epsilon=50, accountant="rdp", random_state=0)
}
SHARED = (
    common.test_two_classes,
    common.test_names_instead_of_numbers,
    common.test_frames,
    common.test_in_a_pipeline_and_a_search,
    common.test_is_audited,
    common.test_references_are_defended_alike,
)


# Tables and labels go the way that those of all networks go.
WHEN = {
    common.test_in_a_pipeline_and_a_search: pytest.mark.thorough,
    common.test_references_are_defended_alike: pytest.mark.thorough,
}


@pytest.mark.one_for_all()
@parametrize_with_checks(list(DEFENSES.values()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def as_common(monkeypatch):
    monkeypatch.setattr(common, "DEFENSES", DEFENSES)


@pytest.mark.parametrize(
    "shared",
    [
        pytest.param(
            test, id=test.__name__.removeprefix("test_"), marks=WHEN.get(test, pytest.mark.slow)
        )
        for test in SHARED
    ],
)
def test_as_all_defenses(shared, records, as_common):  # noqa: F811
    shared("dp", records)


@pytest.mark.slow
def test_at_chance_where_the_model_never_saw_the_records(as_common):
    common.test_at_chance_where_the_model_never_saw_the_records("dp")


def test_released_answers_agree(records):  # noqa: F811
    X, y, others, _ = records
    defense = clone(DEFENSES["dp"]).fit(X, y)
    for asked in (X, others):
        common.check_defense_releases_one_thing(defense, asked)
    check_survives(defense, others)


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(200, 20, n_informative=8, n_classes=3, class_sep=1.5, random_state=0)
    return X.astype(np.float32), y


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def start(net):
    """Return the first weights of a net whose training has seed 5."""
    with private_training_seed(5):
        return clone(net).initialize().module_


def private_training_seed(seed):
    from mia_sklearn._models._random import seeded

    return seeded(seed)


def steps(net, X, y, plan, **options):
    options = {"noise": 0.0, "max_grad_norm": 1.0, "seed": 5, **options}
    with private_training_seed(5):
        target, taken = train_privately(clone(net), X, y, plan, **options)
    assert taken == plan.steps
    return target.module


def by_hand(module, X, y, limit):
    """Return the sum of clipped gradients, record by record, by autograd alone."""
    total = torch.zeros_like(weights(module))
    for x, label in zip(torch.as_tensor(X), torch.as_tensor(y), strict=True):
        loss = F.cross_entropy(module(x[None]), label[None])
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, module.parameters())])
        total += gradient * min(1.0, limit / float(gradient.norm()))
    return total


@pytest.mark.parametrize(
    ("module", "limit"), [(Dense, 0.5), (Dense, 1e6), (Convolutional, 0.3), (Words, 0.2)]
)
def test_a_step_is_the_mean_of_clipped_gradients(module, limit):
    """Over the expected number of records, not those that were drawn."""
    rng = np.random.default_rng(0)
    X = {
        Dense: rng.normal(size=(40, 20)).astype(np.float32),
        Convolutional: rng.normal(size=(40, 1, 8, 8)).astype(np.float32),
        Words: rng.integers(0, 10, (40, 7)),
    }[module]
    y = np.arange(40) % 3
    net = classifier(module, optimizer=torch.optim.SGD, lr=1.0)
    plan = PrivacyPlan(math.inf, 1e-3, sample_rate=0.4, steps=1, accountant="rdp")
    trained = steps(net, X, y, plan, max_grad_norm=limit)
    seed = int(np.random.SeedSequence(5).generate_state(2)[1])
    chances = torch.rand(40, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    drawn = (chances < 0.4).numpy()
    assert 0 < drawn.sum() != 16
    first = start(net)
    expected = weights(first) - by_hand(first, X[drawn], y[drawn], limit) / 16
    torch.testing.assert_close(weights(trained), expected, rtol=1e-4, atol=1e-6)


def test_all_records_in_one_batch(data):
    X, y = data
    net = classifier(optimizer=torch.optim.SGD, lr=0.7, max_epochs=1, batch_size=-1)
    torch.manual_seed(3)
    defense = DPSGD(net, math.inf, max_grad_norm=0.1).fit(X, y)
    assert (defense.n_steps_, defense.sample_rate_) == (1, 1.0)
    torch.manual_seed(3)
    torch.manual_seed(int(torch.randint(2**31 - 1, ())))
    first = clone(net).initialize().module_
    expected = weights(first) - 0.7 * by_hand(first, X, y, 0.1) / len(X)
    torch.testing.assert_close(weights(defense.estimator_.module), expected, rtol=1e-4, atol=1e-6)


def test_noise_has_its_size_in_empty_batches_too(data):
    X, y = data
    net = classifier(module__n_features=20, optimizer=torch.optim.SGD, lr=1.0)
    for sample_rate, number in ((1.0, 1), (1e-9, 4)):
        plan = PrivacyPlan(1.0, 1e-3, sample_rate, number, "rdp")
        options = {"max_grad_norm": 0.3}
        clear = weights(steps(net, X, y, plan, noise=0.0, **options))
        blurred = weights(steps(net, X, y, plan, noise=2.0, **options))
        moved = (blurred - clear) * sample_rate * len(X)
        expected = 0.6 * math.sqrt(number)
        # 387 numbers: the standard deviation is known to 3.6 %.
        assert float(moved.std()) == pytest.approx(expected, rel=0.15)
        assert abs(float(moved.mean())) < 0.2 * expected


def test_large_batches_are_taken_in_parts(data, monkeypatch):
    X, y = data
    net = classifier(optimizer=torch.optim.Adam, lr=0.01, batch_size=64)
    plan = PrivacyPlan(1.0, 1e-3, sample_rate=0.3, steps=5, accountant="rdp")
    whole = weights(steps(net, X, y, plan, noise=1.0))
    monkeypatch.setitem(private_training._GRADIENTS, "cpu", 0)
    parts = weights(steps(net, X, y, plan, noise=1.0))
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("accountant", "epsilon"),
    [
        ("prv", 0.5),
        ("rdp", 10.0),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [("prv", 2.0), ("prv", 10.0), ("rdp", 0.5), ("rdp", 2.0)]
        ),
    ],
)
def test_the_budget_is_kept_and_used(data, epsilon, accountant):
    X, y = data
    net = classifier(max_epochs=4, batch_size=40)
    defense = DPSGD(net, epsilon, accountant=accountant, random_state=0).fit(X, y)
    assert 0.95 * epsilon < defense.epsilon_ <= epsilon
    assert defense.delta_ == pytest.approx(1 / 2000)
    assert (defense.n_steps_, defense.sample_rate_) == (20, 0.2)
    assert defense.noise_multiplier_ > 0


def delta_of_gaussians(epsilon, mu):
    return norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)


@pytest.mark.parametrize(("noise", "number"), [(2.0, 1), (5.0, 20), (1.2, 4)])
def test_the_accountant_agrees_with_the_exact_cost_of_full_batches(noise, number):
    """Gaussian steps on all records compose to one, whose cost is known in closed form."""
    mu = math.sqrt(number) / noise
    exact = brentq(lambda epsilon: delta_of_gaussians(epsilon, mu) - 1e-5, 1e-3, 100)
    tight, loose = (
        epsilon_spent(PrivacyPlan(1.0, 1e-5, 1.0, number, name), noise, number)
        for name in ("prv", "rdp")
    )
    assert exact <= tight <= 1.02 * exact + 0.01
    assert exact <= loose <= 1.3 * exact


@pytest.mark.slow
def test_less_epsilon_is_more_noise_and_less_accuracy(data):
    X, y = data
    net = classifier(max_epochs=30, batch_size=40, lr=0.5)
    fitted = [DPSGD(net, e, random_state=0).fit(X, y) for e in (0.1, 2, math.inf)]
    strong, weak, none = (defense.score(X, y) for defense in fitted)
    assert strong < weak - 0.05 < none - 0.1
    noise = [defense.noise_multiplier_ for defense in fitted]
    assert noise[0] > noise[1] > noise[2] == 0
    assert fitted[2].epsilon_ == math.inf


def test_clipping_alone_is_the_same_model_where_gradients_are_short(data):
    """Without noise, sampling or clipping, what is left is gradient descent."""
    X, y = data
    options = {"optimizer": torch.optim.SGD, "lr": 0.5, "max_epochs": 10, "batch_size": -1}
    net = classifier(**options, iterator_train__shuffle=False)
    torch.manual_seed(0)
    private = DPSGD(net, math.inf, max_grad_norm=1e6).fit(X, y)
    torch.manual_seed(0)
    torch.manual_seed(int(torch.randint(2**31 - 1, ())))
    plain = clone(net).fit(X, y)
    np.testing.assert_allclose(private.predict_proba(X), plain.predict_proba(X), atol=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("accountant", ["prv", "rdp"])
@pytest.mark.parametrize(
    ("epsilon", "sample_rate", "number"),
    [
        (0.5, 0.1, 50),
        pytest.param(4.0, 0.3, 30, marks=pytest.mark.slow),
        (12.0, 1.0, 5),
    ],
)
def test_the_noise_is_what_opacus_finds(accountant, epsilon, sample_rate, number):
    from opacus.accountants.utils import get_noise_multiplier

    plan = PrivacyPlan(epsilon, 1e-4, sample_rate, number, accountant)
    with quiet(), np.errstate(all="ignore"):
        theirs = get_noise_multiplier(
            target_epsilon=epsilon,
            target_delta=1e-4,
            sample_rate=sample_rate,
            steps=number,
            accountant=accountant,
            epsilon_tolerance=0.01 * epsilon,
            **plan.options,
        )
    assert required_noise(plan) == pytest.approx(theirs, rel=0.025)


def test_where_an_accountant_cannot_tell_is_taken_for_too_little_noise(monkeypatch):
    from opacus.accountants import RDPAccountant

    exact = RDPAccountant.get_epsilon

    def limited(self, delta, **options):
        noise = self.history[0][0]
        if noise < 2.4:
            raise RuntimeError("Discrete mean differs significantly from continuous mean.")
        return math.nan if noise < 2.5 else exact(self, delta, **options)

    monkeypatch.setattr(RDPAccountant, "get_epsilon", limited)
    plan = PrivacyPlan(10.03, 1e-4, 0.2, 17, "rdp")
    assert required_noise(plan) == pytest.approx(2.5, rel=1e-3)


class Mixing(Dense):
    def forward(self, x):
        return super().forward(x - x.mean(dim=0))


class Pieces(nn.Module):
    """Halves of a record, beside each other as if they were records."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 4)
        self.last = nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.first(x.reshape(-1, 10)).reshape(len(x), -1))


class Borrowed(Dense):
    def forward(self, x):
        return super().forward(x) + F.linear(x @ self.first.weight.T, self.last.weight)


class Counting(Dense):
    """Keeps a statistic of its records."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(20))

    def forward(self, x):
        if self.training:
            self.seen += x.detach().sum(dim=0)
        return super().forward(x)


class Unaffine(Dense):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(16, affine=False, track_running_stats=False)


class Lasting(Dense):
    """Has a constant, and a parameter that nothing uses."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.full((20,), 0.5))
        self.spare = nn.Linear(2, 2)

    def forward(self, x):
        return super().forward(x * self.scale)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Mixing, "module mixes the records of a batch"),
        (Unaffine, "module mixes the records of a batch"),
        (Pieces, "first.weight' has gradients of [0-9]+ parts of [0-9]+ records"),
        (Borrowed, "not all of the gradient of the parameter '(first|last).weight'"),
        (Counting, "buffer 'seen' is changed by the records"),
    ],
)
def test_modules_of_which_gradients_cannot_be_clipped_are_refused(data, module, message):
    with pytest.raises(ValueError, match=message):
        DPSGD(classifier(module), random_state=0).fit(*data)


class Contrast(nn.CrossEntropyLoss):
    """Weighs each record by the others."""

    def forward(self, output, target):
        losses = F.cross_entropy(output, target, reduction="none")
        return (losses * torch.softmax(losses, dim=0)).sum()


class Unreduced(nn.Module):
    def forward(self, output, target):
        return F.cross_entropy(output, target)


class Trained(nn.CrossEntropyLoss):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (Contrast, "criterion Contrast mixes the records"),
        (Unreduced, "criterion Unreduced has no reduction"),
        (Trained, "criterion Trained has parameters of its own"),
    ],
)
def test_criteria_that_do_not_add_up_are_refused(data, criterion, message):
    with pytest.raises(ValueError, match=message):
        DPSGD(classifier(criterion=criterion), random_state=0).fit(*data)


def test_weights_of_classes_do_not_depend_on_the_batch(data):
    """torch divides a batch's loss by the weights in it; here each record stands alone."""
    X, y = data
    net = classifier(
        optimizer=torch.optim.SGD, criterion__weight=torch.tensor([1.0, 2.0, 0.0]), lr=1.0
    )
    plan = PrivacyPlan(math.inf, 1e-3, 1.0, 1, "rdp")
    trained = steps(net, X, y, plan, max_grad_norm=1e6)
    first = start(net)
    losses = F.cross_entropy(first(torch.as_tensor(X)), torch.as_tensor(y), reduction="none")
    loss = (losses * torch.tensor([1.0, 2.0, 0.0])[torch.as_tensor(y)]).sum() / len(y)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, first.parameters())])
    torch.testing.assert_close(weights(trained), weights(first) - gradient, rtol=1e-4, atol=1e-6)


def test_batch_normalisation_is_replaced_and_named(data):
    with pytest.warns(UserWarning, match=r"were replaced: norm \(BatchNorm1d by GroupNorm\)"):
        defense = DPSGD(classifier(module__norm=True), random_state=0).fit(*data)
    assert type(defense.estimator_.module) is Dense
    assert type(defense.estimator_.module.norm) is nn.GroupNorm
    check_survives(defense, data[0])


class Memory(Recurrent):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(4, 8, batch_first=True)


def test_recurrent_layers_are_replaced_and_named():
    X = np.random.default_rng(0).normal(size=(60, 5, 4)).astype(np.float32)
    with pytest.warns(UserWarning, match=r"recurrent \(LSTM by DPLSTM\)"):
        defense = DPSGD(classifier(Memory), random_state=0).fit(X, np.arange(60) % 3)
    check_survives(defense, X)


class Random(Dense):
    """Draws numbers that a vectorised gradient cannot."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(20))

    def forward(self, x):
        if float(x.detach().sum()) > 1e9:
            return super().forward(x)
        return super().forward(x + self.shift)


def test_modules_that_opacus_cannot_follow_are_named(data):
    with pytest.raises(ValueError, match="Opacus finds no gradients of single records"):
        DPSGD(classifier(Random), random_state=0).fit(*data)


def test_what_cannot_be_replaced_is_named(data, monkeypatch):
    from opacus.validators import ModuleValidator

    monkeypatch.setattr(ModuleValidator, "fix", classmethod(lambda cls, module: module))
    with pytest.raises(ValueError, match=r"Opacus cannot train the module.*BatchNorm"):
        DPSGD(classifier(module__norm=True), random_state=0).fit(*data)


def test_constants_and_idle_parameters_are_taken(data):
    defense = DPSGD(classifier(Lasting), math.inf, random_state=0).fit(*data)
    assert (defense.estimator_.module.scale == 0.5).all()


def test_what_is_released_is_plain(data):
    X, y = data
    net = classifier()
    defense = DPSGD(net, random_state=0).fit(X, y)
    module = defense.estimator_.module
    assert type(module) is Dense
    assert not hasattr(net, "module_")
    fresh = Dense()
    assert module.__dict__.keys() == fresh.__dict__.keys()
    for part in module.modules():
        assert not part._forward_hooks
        assert not part._backward_hooks
        assert not part._forward_pre_hooks
    # Attributes of parameters are pickled: per-record gradients would be released with them.
    assert all(not vars(p) and p.grad is None for p in module.parameters())
    assert b"opacus" not in pickle.dumps(defense)
    check_survives(defense, X)


def test_same_seed_same_model(data):
    X, y = data
    net = classifier(module__dropout=0.3)

    def fit(seed, **options):
        torch.manual_seed(seed)
        return weights(DPSGD(net, accountant="rdp", **options).fit(X, y).estimator_.module)

    assert torch.equal(fit(0), fit(0))
    assert not torch.equal(fit(0), fit(1))
    assert torch.equal(fit(0, random_state=7), fit(1, random_state=7))


def test_noise_is_not_what_a_callback_seeds(data):
    """Two seeds, the same first weights: what differs is batches and noise."""
    net = sized(max_epochs=1)
    first, second = (
        weights(DPSGD(net, 1.0, accountant="rdp", random_state=seed).fit(*data).estimator_.module)
        for seed in (1, 2)
    )
    assert float((first - second).abs().min()) > 0


def test_the_users_generators_are_left_alone(data):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    DPSGD(classifier(), random_state=0).fit(*data)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    DPSGD(classifier()).fit(*data)
    after = torch.get_rng_state()
    torch.set_rng_state(before[0])
    torch.randint(2**31 - 1, ())
    assert torch.equal(torch.get_rng_state(), after)


class OneColumn(Dense):
    def __init__(self):
        super().__init__(n_outputs=1)


def test_other_nets(data):
    X, y = data
    options = {"train_split": None, "verbose": 0, "lr": 0.5, "max_epochs": 10, "batch_size": 50}
    binary = NeuralNetBinaryClassifier(OneColumn, **options)
    soft = NeuralNetClassifier(Double, module__end=nn.Softmax(dim=1), **options)
    names = np.array(["a", "b", "c"])
    for net, labels in ((binary, names[1 * (y == 1)]), (soft, names[y])):
        defense = DPSGD(net, math.inf, random_state=0).fit(X, labels)
        common.check_defense_releases_one_thing(defense, X)
        assert defense.score(X, labels) > 0.6


def test_columns_without_records_are_answered(data):
    X, y = data
    defense = DPSGD(classifier(), random_state=0).fit(X[y != 1], y[y != 1])
    assert defense.classes_.tolist() == [0, 1, 2]
    assert defense.predict_proba(X).shape == (len(X), 3)


class OwnStep(NeuralNetClassifier):
    def train_step(self, batch, **fit_params):
        return super().train_step(batch, **fit_params)


class OwnLoader(torch.utils.data.DataLoader):
    pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": [LRScheduler()]}, "callback LRScheduler acts in epochs"),
        ({"callbacks": [("stop", EarlyStopping)]}, "callback EarlyStopping acts in epochs"),
        ({"iterator_train": OwnLoader}, "iterator_train=OwnLoader would not be used"),
        ({"iterator_train__sampler": [0, 1]}, "iterator_train__sampler would not be used"),
        ({"dataset": dict}, "dataset=dict would not be used"),
        ({"optimizer": torch.optim.LBFGS}, "optimizer LBFGS asks for several gradients"),
        ({"max_epochs": 0}, "max_epochs must be at least 1, got 0"),
        ({"device": "cuda:99"}, "device"),
    ],
)
def test_settings_that_would_not_be_honoured_are_named(data, options, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        DPSGD(classifier(**options)).fit(*data)


def test_a_net_that_trains_in_its_own_way_is_refused(data):
    net = OwnStep(Dense, train_split=None, verbose=0)
    with pytest.raises(ValueError, match="OwnStep has a method train_step of its own"):
        DPSGD(net).fit(*data)


class OwnFit(NeuralNetClassifier):
    def fit(self, X, y=None, **fit_params):
        return self


def test_a_net_whose_fit_does_not_train_is_refused(data):
    with pytest.raises(ValueError, match="OwnFit does not train"):
        DPSGD(OwnFit(Dense, train_split=None, verbose=0)).fit(*data)


def test_a_validation_split_is_not_used_and_said(data):
    net = NeuralNetClassifier(Dense, criterion=nn.CrossEntropyLoss, max_epochs=1, verbose=0)
    with pytest.warns(UserWarning, match="train_split=None"):
        DPSGD(net, random_state=0).fit(*data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0}, "'epsilon' parameter of DPSGD must be a float in the range"),
        ({"epsilon": -1.0}, "'epsilon' parameter of DPSGD"),
        ({"epsilon": math.nan}, "'epsilon' parameter of DPSGD"),
        ({"delta": 0.0}, "'delta' parameter of DPSGD"),
        ({"delta": 0.005}, "delta=0.005 is not below 1 / n_records = 0.005: publishing one"),
        ({"max_grad_norm": 0}, "'max_grad_norm' parameter of DPSGD"),
        ({"batch_size": 0}, "'batch_size' parameter of DPSGD"),
        ({"accountant": "gdp"}, "'accountant' parameter of DPSGD"),
        ({"epsilon": 101.0}, "reckons up to 100. Use epsilon=inf to clip without noise"),
        ({"epsilon": 0.01, "accountant": "rdp"}, "No noise keeps to epsilon=0.01"),
        ({"net": NeuralNetRegressor(Dense)}, "does not defend regressors"),
        ({"net": make_pipeline(StandardScaler(), classifier())}, "before DPSGD: make_pipeline"),
    ],
)
def test_bad_parameters(data, options, message):
    with pytest.raises(ValueError, match=message):
        DPSGD(**{"net": classifier(), **options}).fit(*data)


def test_bad_arguments_of_fit(data):
    X, y = data
    with pytest.raises(ValueError, match="passes nothing to fit of the net, got sample_weight"):
        DPSGD(classifier()).fit(X, y, sample_weight=np.ones(len(y)))
    with pytest.raises(ValueError, match="needs at least 2 records"):
        DPSGD(classifier()).fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="module answers with 3 columns"):
        DPSGD(classifier()).fit(X, np.array(["a", "b", "c", "d"])[np.arange(len(y)) % 4])


def test_training_that_diverges_is_named(data):
    X, y = data
    net = classifier(optimizer=torch.optim.SGD, lr=1e38)
    with pytest.raises(ValueError, match="NaN or infinite: lower its lr"):
        DPSGD(net, random_state=0).fit(X, y)


class Interrupting(Dense):
    def forward(self, x):
        raise KeyboardInterrupt


def test_an_interrupt_is_no_end_of_training(data):
    with pytest.raises(KeyboardInterrupt):
        DPSGD(classifier(Interrupting), random_state=0).fit(*data)


def test_opacus_missing(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(ImportError, match=r"pip install 'mia-sklearn\[dp\]'"):
        DPSGD(classifier()).fit(*data)


@pytest.mark.gpu
def test_on_a_gpu(data):
    X, y = data
    defense = DPSGD(classifier(device="cuda", max_epochs=10), math.inf, random_state=0).fit(X, y)
    assert next(defense.estimator_.module.parameters()).is_cuda
    common.check_defense_releases_one_thing(defense, X)
    on_cpu = DPSGD(classifier(max_epochs=10), math.inf, random_state=0).fit(X, y)
    np.testing.assert_allclose(defense.predict_proba(X), on_cpu.predict_proba(X), atol=1e-3)
