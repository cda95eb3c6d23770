"""Generative adversarial networks: how they are trained, what they show, what they refuse."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")

from skorch.callbacks import Callback, Checkpoint, GradientNormClipping  # noqa: E402
from skorch.dataset import ValidSplit  # noqa: E402
from torch import nn  # noqa: E402

from gans import Affine, Constant, Logistic, Normalised  # noqa: E402
from mia_sklearn._models._collapse import collapse_of  # noqa: E402
from mia_sklearn.metrics import roc_auc  # noqa: E402
from mia_sklearn.torch import GAN  # noqa: E402
from mia_sklearn.torch._gans._gan_modules import ConvGenerator, MLPGenerator  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(60, 8))


@pytest.fixture(scope="module")
def fitted(X, one_torch_thread):
    return GAN(max_epochs=5, random_state=0).fit(X)


def small(**options):
    return GAN(**{"max_epochs": 2, "random_state": 0, **options})


EXCUSED = {
    "check_no_attributes_set_in_init": "skorch's nets note in init that they are not trained",
    "check_do_not_raise_errors_in_init_or_set_params": "skorch's nets read `callbacks` at once",
}
if skorch.__version__ >= "1.2":
    EXCUSED["check_set_params"] = "skorch's nets read `callbacks` at once"


@pytest.mark.one_for_all()
@parametrize_with_checks([small()], expected_failed_checks=lambda _: EXCUSED)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_one_step_by_hand(X):
    """Of a constant generator and a logistic discriminator both gradients are known."""
    options = {
        "generator_optimizer": torch.optim.SGD,
        "discriminator_optimizer": torch.optim.SGD,
        "batch_size": -1,
        "lr": 0.5,
    }
    gan = small(generator_module=Constant, discriminator_module=Logistic, **options)
    start = clone(gan).set_params(max_epochs=0).fit(X)
    weight, bias = (p.detach().double().numpy() for p in start.discriminator_module_.parameters())
    made = start.generator_module_.record.detach().double().numpy()
    gan.set_params(max_epochs=1).fit(X)
    # The discriminator first: what it falls short of 1 on records, and of 0 on the sample.
    short, beyond = 1 - expit(X @ weight[0] + bias), expit(made @ weight[0] + bias)
    expected = -np.logaddexp(0, -(X @ weight[0] + bias)).mean() - np.logaddexp(
        0, made @ weight[0] + bias
    )
    assert gan.history[-1]["train_loss"] == pytest.approx(-expected.item(), rel=1e-5)
    weight = weight + 0.5 * ((short[:, None] * X).mean(axis=0) - beyond * made)
    bias = bias + 0.5 * (short.mean() - beyond)
    found = [p.detach().numpy() for p in gan.discriminator_module_.parameters()]
    np.testing.assert_allclose(found[0], weight, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], bias, rtol=1e-4, atol=1e-6)
    # Then the generator, uphill on log D of its sample: the loss that does not saturate.
    answer = (made @ weight[0] + bias).item()
    assert gan.history[-1]["generator_loss"] == pytest.approx(np.logaddexp(0, -answer), rel=1e-5)
    made = made + 0.5 * (1 - expit(answer)) * weight[0]
    np.testing.assert_allclose(gan.generator_module_.record.detach(), made, rtol=1e-4, atol=1e-6)


class Watch(Callback):
    """Notes after which batches each part has changed."""

    def initialize(self):
        self.seen_ = {"generator": [], "discriminator": []}
        self.last_ = {}
        return self

    def on_batch_end(self, net, **kwargs):
        for part, seen in self.seen_.items():
            weights = [p.detach().clone() for p in getattr(net, f"{part}_module_").parameters()]
            last = self.last_.get(part, weights)
            seen.append(any(not torch.equal(a, b) for a, b in zip(weights, last, strict=True)))
            self.last_[part] = weights


def test_the_generator_steps_behind_every_k_batches(X):
    watch = Watch()
    small(n_discriminator_steps=3, batch_size=20, callbacks=[watch]).fit(X[:40])
    # Four batches in two epochs; the first is what the others are compared with.
    assert watch.seen_["discriminator"] == [False, True, True, True]
    assert watch.seen_["generator"] == [False, False, True, False]


def test_scores_and_gradients_of_a_logistic_discriminator(X):
    gan = small(discriminator_module=Logistic).fit(X)
    weight, bias = (p.detach().double().numpy() for p in gan.discriminator_module_.parameters())
    logit = X @ weight[0] + bias
    np.testing.assert_allclose(gan.discriminator_score(X), logit, rtol=1e-4, atol=1e-6)
    # grad log D = (1 - D) (x, 1).
    norm = expit(-logit) * np.sqrt(1 + (X**2).sum(axis=1))
    np.testing.assert_allclose(gan.discriminator_gradient_norm(X), norm, rtol=1e-4)


def test_gradients_in_parts(fitted, X, monkeypatch):
    whole = fitted.discriminator_gradient_norm(X)
    monkeypatch.setattr("mia_sklearn.torch._gans._gan._GRADIENTS_AT_ONCE", 1)
    np.testing.assert_allclose(fitted.discriminator_gradient_norm(X), whole, rtol=1e-5)


def test_it_memorises_its_records_and_no_others():
    """In many dimensions a few records are known by heart; others are all alike to it."""
    X = np.random.default_rng(0).normal(size=(120, 64)).astype(np.float32)
    gan = GAN(max_epochs=150, lr=1e-3, batch_size=20, random_state=0).fit(X[:40])
    score, norm = gan.discriminator_score(X), gan.discriminator_gradient_norm(X)
    member = np.repeat([1, 0], [40, 80])
    assert roc_auc(member, score).low > 0.7
    assert roc_auc(member, -norm).low > 0.7
    null = roc_auc(member[:80], score[40:])
    assert null.low < 0.5 < null.high


def test_it_learns_the_data():
    X = np.random.default_rng(0).normal([3, -2], [1, 0.5], size=(256, 2))
    gan = GAN(max_epochs=50, lr=1e-3, random_state=0).fit(X)
    samples = gan.sample(2000, random_state=0)
    # The two networks chase each other around the data, at first from 0 and without any spread.
    np.testing.assert_allclose(samples.mean(axis=0), [3, -2], atol=0.8)
    np.testing.assert_allclose(samples.std(axis=0), [1, 0.5], atol=0.4)
    assert gan.collapse(X) == ""


def test_same_seed_same_result_and_nobody_elses(X, fitted):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = GAN(max_epochs=5, random_state=0).fit(X)
    samples = again.sample(5, random_state=3)
    again.collapse(X)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert np.array_equal(samples, fitted.sample(5, random_state=3))
    assert not np.array_equal(samples, fitted.sample(5, random_state=4))
    other = GAN(max_epochs=5, random_state=1).fit(X)
    assert not np.array_equal(samples, other.sample(5, random_state=3))


def test_it_goes_on_where_it_stands(X):
    gan = small().fit(X)
    first = gan.sample(5, random_state=0)
    gan.partial_fit(X)
    assert len(gan.history) == 4
    assert not np.array_equal(first, gan.sample(5, random_state=0))
    # Other batches and noise than in the first epochs.
    losses = [epoch["train_loss"] for epoch in gan.history]
    assert len(set(losses)) == 4
    same = small().fit(X).partial_fit(X)
    assert np.array_equal(gan.sample(5, random_state=0), same.sample(5, random_state=0))
    warm = small(warm_start=True).fit(X).fit(X)
    assert np.array_equal(gan.sample(5, random_state=0), warm.sample(5, random_state=0))
    assert np.array_equal(first, gan.fit(X).sample(5, random_state=0))


def test_clones_pickles_and_parameters(X, fitted):
    copy = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(copy.sample(5, 0), fitted.sample(5, 0))
    assert np.array_equal(copy.discriminator_score(X), fitted.discriminator_score(X))
    gan = small(generator_module__hidden=(5,), discriminator_optimizer__lr=0.1)
    assert gan.get_params()["generator_module__hidden"] == (5,)
    again = clone(gan.fit(X))
    assert not again.initialized_
    again.fit(X)
    assert again.generator_module_.layers[0].out_features == 5
    assert again.discriminator_optimizer_.param_groups[0]["lr"] == 0.1
    again.set_params(lr=0.3)
    assert again.generator_optimizer_.param_groups[0]["lr"] == 0.3
    assert again.discriminator_optimizer_.param_groups[0]["lr"] == 0.1
    assert repr(clone(gan)) == (
        "GAN(discriminator_optimizer__lr=0.1, generator_module__hidden=(5,), max_epochs=2, "
        "random_state=0)"
    )


def test_it_is_no_classifier(fitted):
    assert get_tags(fitted).estimator_type is None
    assert not hasattr(fitted, "predict")
    assert not hasattr(fitted, "predict_proba")


def test_frames_pipelines_and_labels_that_are_ignored(X, fitted):
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    gan = GAN(max_epochs=5, random_state=0).fit(frame, np.repeat(["a", "b"], 30))
    assert gan.feature_names_in_.tolist() == list("abcdefgh")
    np.testing.assert_allclose(gan.discriminator_score(frame), fitted.discriminator_score(X))
    piped = make_pipeline(StandardScaler(), small()).fit(10 * X + 3)
    scaled = StandardScaler().fit_transform(10 * X + 3)
    assert np.array_equal(piped[-1].sample(5, 0), small().fit(scaled).sample(5, 0))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7)])
def test_images(shape):
    images = np.random.default_rng(0).random((12, *shape))
    gan = small().fit(images)
    assert isinstance(gan.generator_module_, ConvGenerator)
    samples = gan.sample(3, random_state=0)
    assert samples.shape == (3, *shape)
    assert samples.dtype == np.float32
    assert gan.discriminator_score(images).shape == (12,)
    assert (gan.discriminator_gradient_norm(images) > 0).all()
    assert "alike" in gan.collapse(images)


def test_other_shapes_are_taken_as_vectors():
    sequences = np.random.default_rng(0).random((12, 4, 3))
    gan = small().fit(sequences)
    assert isinstance(gan.generator_module_, MLPGenerator)
    assert gan.sample(2).shape == (2, 4, 3)


def test_checkpoints(X, tmp_path):
    files = {
        f"f_{part}_{kind}": f"{part}_{kind}.pt"
        for part in ("generator", "discriminator")
        for kind in ("module", "optimizer")
    }
    none = {"f_params": None, "f_optimizer": None, "f_criterion": None}
    kept = Checkpoint(monitor=None, dirname=tmp_path, **none, **files)
    gan = small(callbacks=[kept, GradientNormClipping(1.0)]).fit(X)
    shape = {f"{part}_module__record_shape": (8,) for part in ("generator", "discriminator")}
    restored = small(**shape).initialize()
    restored.load_params(checkpoint=kept)
    assert np.array_equal(restored.sample(5, 0), gan.sample(5, 0))
    assert np.array_equal(restored.discriminator_score(X), gan.discriminator_score(X))
    with pytest.raises(ValueError, match="pass generator_module__record_shape"):
        small().initialize()


def test_validation_records(X):
    gan = small(train_split=ValidSplit(3)).fit(X)
    assert all(0 < epoch["valid_loss"] < 10 for epoch in gan.history)


def test_normalised_parts(X):
    gan = small(generator_module=Normalised).fit(X)
    before = pickle.dumps(gan.generator_module_.state_dict())
    single = [gan.sample(1, random_state=seed) for seed in range(3)]
    assert len({sample.tobytes() for sample in single}) == 3
    assert pickle.dumps(gan.generator_module_.state_dict()) == before


class Two(Logistic):
    def forward(self, records):
        return super().forward(records).expand(-1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_dim": 0}, "'latent_dim' parameter of GAN"),
        ({"n_discriminator_steps": 0}, "'n_discriminator_steps' parameter of GAN"),
        ({"batch_size": 0}, "'batch_size' parameter of GAN"),
        ({"lr": 0.0}, "'lr' parameter of GAN"),
        ({"generator_module": nn.Linear(64, 8)}, "generator_module is an instance of Linear"),
        ({"generator_module": Affine, "generator_module__record_shape": (3,)}, "shape \\(3,\\)"),
        ({"discriminator_module": Two}, "one logit, got shape \\(2, 2\\)"),
        ({"generator_modul__hidden": 3}, "unexpected argument"),
        ({"lr": 1e30, "generator_optimizer": torch.optim.SGD}, "became (nan|inf) in epoch [12]"),
    ],
)
def test_bad_parameters(X, options, message):
    with pytest.raises(ValueError, match=message):
        small(**options).fit(X)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_absent_device(X):
    with pytest.raises(ValueError, match="torch finds no CUDA device"):
        small(device="cuda").fit(X)


def test_bad_records(X, fitted):
    with pytest.raises(ValueError, match="contains NaN"):
        small().fit(np.where(X > 2, np.nan, X))
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        small().fit(X[:1])
    with pytest.raises(ValueError, match="could not convert string to float"):
        small().fit(pd.DataFrame({"a": ["x", "y", "z"]}))
    with pytest.raises(ValueError, match="expecting 8 features"):
        fitted.discriminator_score(X[:, :3])
    with pytest.raises(ValueError, match=r"shape \(8, 2\), but this GAN was trained"):
        fitted.discriminator_gradient_norm(np.zeros((3, 8, 2)))
    for n in (0, 1.5):
        with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
            fitted.sample(n)
    with pytest.raises(Exception, match="not initialized"):
        small().sample(3)


def test_collapse_is_named(X):
    gan = small(generator_module=Constant).fit(X)
    assert "100% of the pairs of its samples are alike" in gan.collapse(X)
    gan = small(generator_module=Affine).fit(X)
    with torch.no_grad():
        gan.generator_module_.layer.weight.copy_(torch.eye(8, 64))
        gan.generator_module_.layer.bias.zero_()
    assert gan.collapse(X) == ""
    with torch.no_grad():
        for p in gan.discriminator_module_.parameters():
            p.zero_()
    assert gan.collapse(X) == "The discriminator is constant: it scores every record alike."


@pytest.mark.parametrize("n_features", [1, 5, 200])
@pytest.mark.parametrize("n_modes", [1, 4])
def test_collapse_onto_a_few_modes(n_features, n_modes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, n_features)) * 10.0 ** rng.integers(-3, 4, n_features)
    modes = X[rng.integers(n_modes, size=300)]
    jitter = 0.02 * X.std(axis=0) * rng.normal(size=X.shape)
    assert collapse_of(modes + jitter, X)
    assert collapse_of(1e6 * (modes + jitter), 1e6 * X)
    assert collapse_of(np.repeat(X[:3], 100, axis=0), X)


def test_what_is_no_collapse():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(100, 5)), rng.normal(loc=50, scale=0.1, size=(100, 5))])
    # Other records of the same kind; its own records again; records in another order; too wide.
    others = np.vstack([rng.normal(size=(100, 5)), rng.normal(loc=50, scale=0.1, size=(100, 5))])
    for samples in (others, X[rng.integers(200, size=200)], X[::-1], 2 * X):
        assert collapse_of(samples, X) == ""
    # Data that repeat themselves: so may samples, and these are still fewer.
    often = np.repeat(rng.integers(2, size=(4, 3)), [70, 20, 5, 5], axis=0)
    assert collapse_of(often[rng.integers(100, size=100)], often) == ""
    assert collapse_of(np.ones((50, 3)), np.ones((50, 3))) == ""
