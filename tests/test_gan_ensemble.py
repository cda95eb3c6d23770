"""GANs that are trained as one: each as if by itself, or one by one and why."""

import numpy as np
import pytest
from sklearn.base import clone

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skorch.callbacks import GradientNormClipping  # noqa: E402
from skorch.dataset import ValidSplit  # noqa: E402
from torch import nn  # noqa: E402

from gans import Affine, Logistic, Normalised  # noqa: E402
from mia_sklearn.torch import GAN, train_gans  # noqa: E402
from mia_sklearn.torch._gans import _gan_ensemble  # noqa: E402
from mia_sklearn.torch._gans._gan_ensemble import Plan, plan_for  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SEEDS = [3, 1, 4]
_MOMENTUM = {
    "generator_optimizer": torch.optim.SGD,
    "generator_optimizer__momentum": 0.9,
    "criterion": nn.MSELoss,
}


@pytest.fixture(scope="module")
def tables():
    return list(np.random.default_rng(0).normal(size=(3, 45, 8)))


def alone(gan, tables, seeds):
    return [
        clone(gan).set_params(random_state=seed).fit(X)
        for X, seed in zip(tables, seeds, strict=True)
    ]


def assert_same(one, other, X):
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(one.sample(20, 0), other.sample(20, 0), **tolerance)
    np.testing.assert_allclose(
        one.discriminator_score(X), other.discriminator_score(X), **tolerance
    )
    assert len(one.history) == len(other.history)
    for mine, theirs in zip(one.history, other.history, strict=True):
        for name in ("epoch", "train_loss", "generator_loss"):
            assert mine.get(name) == pytest.approx(theirs.get(name), rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_discriminator_steps": 2, "batch_size": 10},
        {"batch_size": -1, "generator_module__hidden": (16,), "latent_dim": 3},
        {"batch_size": 20, "iterator_train__drop_last": True},
        {"iterator_train__shuffle": False, **_MOMENTUM},
        {"generator_module": Normalised, "discriminator_module": Logistic, "batch_size": 20},
    ],
    ids=["plain", "k", "whole", "drop", "momentum", "norm"],
)
def test_each_is_trained_as_by_itself(tables, options):
    gan = GAN(max_epochs=2, **options)
    together = train_gans(gan, tables, SEEDS)
    for X, one, other in zip(tables, together, alone(gan, tables, SEEDS), strict=True):
        assert_same(one, other, X)
        # Optimizers and random numbers stand where they would: the training goes on alike.
        assert_same(one.partial_fit(X), other.partial_fit(X), X)
    assert not np.allclose(together[0].sample(20, 0), together[1].sample(20, 0))


def test_tables_of_different_lengths_and_little_memory(tables, monkeypatch):
    gan = GAN(max_epochs=2)
    tables = [*tables, tables[0][:30]]
    seeds = [*SEEDS, 3]
    together = train_gans(gan, tables, seeds)
    for X, one, other in zip(tables, together, alone(gan, tables, seeds), strict=True):
        assert_same(one, other, X)
    monkeypatch.setattr("mia_sklearn.torch._training._machine._CPU_BYTES", 1)
    for X, one, other in zip(tables, together, train_gans(gan, tables, seeds), strict=True):
        assert_same(one, other, X)


def test_random_numbers_of_others_are_left_alone(tables):
    before = torch.get_rng_state()
    train_gans(GAN(max_epochs=1), tables, SEEDS)
    assert torch.equal(before, torch.get_rng_state())


class Own(GAN):
    def generator_loss(self, made):
        return super().generator_loss(made) + made.square().mean()


class Gathering(nn.Module):
    """Which vmap cannot do for several models at once."""

    def __init__(self, record_shape):
        super().__init__()
        self.layer = nn.Linear(record_shape[0], 1)

    def forward(self, records):
        return self.layer(records) * (1.0 if records.sum().item() > 0 else 2.0)


class Viewed(nn.Module):
    """Convolutions whose answers must lie channel by channel."""

    def __init__(self, record_shape):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
        self.last = nn.Linear(2 * 36, 1)

    def forward(self, images):
        return self.last(torch.relu(self.norm(self.first(images))).view(len(images), -1))


class Noisy(Affine):
    def forward(self, noise):
        return super().forward(noise + torch.rand_like(noise))


@pytest.mark.parametrize(
    ("gan", "reason"),
    [
        (Own(), "Own has a method generator_loss of its own"),
        (GAN(callbacks=[GradientNormClipping(1.0)]), "the callback GradientNormClipping looks at"),
        (GAN(train_split=ValidSplit(3)), "train_split keeps records apart"),
        (GAN(generator_optimizer=torch.optim.LBFGS), "generator_optimizer=LBFGS is not known"),
        (GAN(iterator_train__sampler=None), "iterator_train__sampler is not honoured"),
        (GAN(compile=True), "compile=True compiles single networks"),
        (GAN(generator_module=Noisy), "its modules draw random numbers by aten.rand_like"),
    ],
    ids=lambda value: "" if isinstance(value, GAN) else value.split()[-1],
)
def test_why_not_as_one(tables, gan, reason):
    assert plan_for(gan, tables[0]).startswith(reason)
    assert plan_for(GAN(), tables[0]) == Plan(stacked=True)


@pytest.mark.parametrize(
    ("options", "plan", "jobs"),
    [
        ({}, Plan(stacked=False, channels_last=True), 2),
        ({}, Plan(stacked=True), 1),
        ({"discriminator_module": Viewed}, Plan(stacked=False), 1),
    ],
    ids=["apart", "stacked", "viewed"],
)
def test_images(options, plan, jobs, monkeypatch):
    """Stacked as on a GPU: on a CPU one model per core is faster."""
    images = list(np.random.default_rng(0).random((2, 12, 1, 8, 8)))
    gan = GAN(max_epochs=1, generator_module__channels=2, **options)
    if plan.stacked:
        monkeypatch.setattr(_gan_ensemble, "plan_for", lambda *_: plan)
    else:
        assert plan_for(gan, images[0]) == plan
    together = train_gans(gan, images, SEEDS[:2], n_jobs=jobs)
    for X, one, other in zip(images, together, alone(gan, images, SEEDS[:2]), strict=True):
        assert_same(one, other, X)
        assert_same(one.partial_fit(X), other.partial_fit(X), X)


def test_modules_that_cannot_be_stacked_train_beside_each_other(tables):
    gan = GAN(max_epochs=1, discriminator_module=Gathering)
    together = train_gans(gan, tables, SEEDS, n_jobs=2)
    for X, one, other in zip(tables, together, alone(gan, tables, SEEDS), strict=True):
        assert_same(one, other, X)


def test_dropout_is_each_model_s_own(tables):
    dropping = {"discriminator_module": Logistic, "discriminator_module__dropout": 0.5}
    gan = GAN(max_epochs=2, lr=0.05, **dropping)
    together = train_gans(gan, tables, SEEDS)
    for X, one, other in zip(
        tables[1:], together[1:], train_gans(gan, tables[1:], SEEDS[1:]), strict=True
    ):
        assert_same(one, other, X)
    whole = train_gans(clone(gan).set_params(discriminator_module__dropout=0.0), tables, SEEDS)
    assert not np.allclose(whole[0].sample(5, 0), together[0].sample(5, 0), atol=1e-3)


def test_dropout_is_drawn_anew_in_each_pass(tables):
    """So that real records and samples, and each step, have masks of their own."""
    nets = [clone(GAN(latent_dim=8)).set_params(random_state=seed) for seed in SEEDS]
    options = {"discriminator_module": Logistic, "discriminator_module__dropout": 0.5}
    nets = [net.set_params(**options) for net in nets]
    records = [net.begin(X) for net, X in zip(nets, tables, strict=True)]
    training = _gan_ensemble.GansInTraining(nets, records, Plan(stacked=True))
    x = torch.ones(3, 200, 8)
    first, second = (training._answers("discriminator", x).detach() for _ in range(2))
    assert not torch.equal(first, second)
    # Each model drops others, too.
    weights = training.learned["discriminator"]["layer.weight"].detach()
    training.learned["discriminator"]["layer.weight"] = torch.ones_like(weights)
    training.learned["discriminator"]["layer.bias"] = torch.zeros(3, 1)
    kept = training._answers("discriminator", x).detach()
    assert not torch.equal(kept[0], kept[1])
    assert kept.mean().item() == pytest.approx(8, abs=0.5)


def test_too_little_memory_is_halved_and_then_said(tables, monkeypatch):
    step = _gan_ensemble.GansInTraining.train
    most = 2

    def short_of_memory(self, bar=None):
        if len(self.nets) > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return step(self, bar)

    expected = alone(GAN(max_epochs=1), tables, SEEDS)
    monkeypatch.setattr(_gan_ensemble, "_found_by_trying", lambda *_: Plan(stacked=True))
    monkeypatch.setattr(_gan_ensemble.GansInTraining, "train", short_of_memory)
    with pytest.warns(UserWarning, match="3 GANs at a time do not fit .* going on with 2"):
        together = train_gans(GAN(max_epochs=1), tables, SEEDS)
    for X, one, other in zip(tables, together, expected, strict=True):
        assert_same(one, other, X)
    most = 0
    monkeypatch.setattr(_gan_ensemble, "_MOST_MODELS", 1)
    with pytest.raises(RuntimeError, match="with one of the GANs at a time: give the"):
        train_gans(GAN(max_epochs=1), tables, SEEDS)


def test_one_by_one_with_a_warning(tables):
    gan = Own(generator_module=Affine, max_epochs=2)
    with pytest.warns(UserWarning, match="one by one, not as one: Own has a method"):
        found = train_gans(gan, tables, SEEDS)
    for one, other in zip(found, alone(gan, tables, SEEDS), strict=True):
        assert np.array_equal(one.sample(5, 0), other.sample(5, 0))


def test_bad_input(tables):
    with pytest.raises(ValueError, match="got 3 tables, 2 seeds"):
        train_gans(GAN(), tables, [0, 1])
    with pytest.raises(ValueError, match="contains NaN"):
        train_gans(GAN(), [tables[0], np.full((45, 8), np.nan)], [0, 1])
    with pytest.raises(ValueError, match=r"loss of the generator became (nan|inf) in epoch 1"):
        options = {"lr": 1e30, "discriminator_optimizer": torch.optim.SGD}
        train_gans(GAN(max_epochs=1, batch_size=20, **options), tables, SEEDS)
    assert train_gans(GAN(), [], []) == []


@pytest.mark.gpu
def test_gpu_trains_the_same_images():
    images = list(np.random.default_rng(0).random((3, 40, 1, 8, 8)))
    gan = GAN(max_epochs=2, device="cuda")
    assert plan_for(gan, images[0]) == Plan(stacked=True)
    together = train_gans(gan, images, SEEDS)
    for one, other in zip(together, alone(gan, images, SEEDS), strict=True):
        np.testing.assert_allclose(one.sample(20, 0), other.sample(20, 0), atol=1e-3)
