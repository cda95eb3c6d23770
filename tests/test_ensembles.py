"""Networks trained as one against the same networks trained by skorch."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier  # noqa: E402
from skorch.callbacks import EarlyStopping, EpochScoring, GradientNormClipping, LRScheduler  # noqa: E402
from skorch.dataset import ValidSplit  # noqa: E402
from skorch.helper import predefined_split  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.optim.lr_scheduler import OneCycleLR  # noqa: E402

from mia_sklearn import ReferenceModels, audit  # noqa: E402
from mia_sklearn._models._random import seeded  # noqa: E402
from mia_sklearn._models._trainable import configured  # noqa: E402
from mia_sklearn.references._sampling import training_rows  # noqa: E402
from mia_sklearn.torch import TorchTarget  # noqa: E402
from mia_sklearn.torch._training import _chunks, _ensemble, _machine, _trainer  # noqa: E402
from mia_sklearn.torch._training._batchable import why_not_batched  # noqa: E402
from mia_sklearn.torch._training._ensemble import Ensemble  # noqa: E402
from mia_sklearn.torch._training._functions import TrainingFunctions, step_keys  # noqa: E402
from nets import Convolutional, Dense, Frail, Recurrent, Words, classifier  # noqa: E402

SEEDS = np.array([3, 1, 4, 15])


pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 20)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


@pytest.fixture(scope="module")
def rows(records):
    rng = np.random.default_rng(1)
    return np.stack([rng.choice(len(records[0]), 90, replace=False) for _ in SEEDS])


def by_skorch(net, X, y, rows, seed):
    """Train as a user would, after `torch.manual_seed(seed)`."""
    net = configured(net, seed)
    binary = isinstance(net, NeuralNetBinaryClassifier)
    with seeded(seed):
        return net.fit(X[rows], y[rows].astype(np.float32 if binary else np.int64))


def assert_equal_models(net, X, y, rows, *, stacked, atol=1e-5):
    ensemble = Ensemble(net, [X], y, len(X))
    assert not ensemble.reason
    assert ensemble.stacked is stacked
    models = range(len(SEEDS)) if stacked else range(2)
    parts = [slice(0, len(SEEDS))] if stacked else [slice(k, k + 1) for k in models]
    used = np.stack([ensemble.used(own, int(seed)) for own, seed in zip(rows, SEEDS, strict=True)])
    fitted = [ensemble.fit_chunk(used[part], SEEDS[part])[0] for part in parts]
    for model in models:
        expected = by_skorch(net, X, y, rows[model], int(SEEDS[model]))
        for name, value in expected.module_.named_parameters():
            own = fitted[0].parameters[name][model] if stacked else fitted[model].parameters[name]
            torch.testing.assert_close(own, value, rtol=0, atol=atol)
        answer = np.empty((len(fitted[0].seeds), len(X), ensemble.n_columns), dtype=np.float32)
        fitted[0 if stacked else model].answer(answer)
        answer = answer[..., :-1]
        read = TorchTarget.from_estimator(expected, X).predict_log_proba(X)
        np.testing.assert_allclose(answer[model if stacked else 0], read, atol=10 * atol)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"iterator_train__shuffle": False},
        {"batch_size": -1},
        {"iterator_train__drop_last": True},
        {"optimizer__momentum": 0.9, "optimizer__nesterov": True, "optimizer__weight_decay": 0.01},
        {"optimizer": torch.optim.Adam, "lr": 0.01, "optimizer__weight_decay": 0.01},
        {"optimizer": torch.optim.AdamW, "lr": 0.01, "optimizer__betas": (0.8, 0.99)},
        {"optimizer": torch.optim.RMSprop, "lr": 0.001, "optimizer__momentum": 0.5},
        {"optimizer__param_groups": [("last.*", {"lr": 0.5})]},
        {"module__norm": True},
        {"criterion__weight": torch.tensor([1.0, 2.0, 3.0])},
        {"criterion__label_smoothing": 0.1},
        {"module__end": nn.Softmax(dim=1), "criterion": nn.NLLLoss},
        {"train_split": ValidSplit(5, stratified=True)},
        {"callbacks": [("train_acc", EpochScoring("accuracy", on_train=True))]},
        {"callbacks": "disable"},
        {"callbacks": [("lr", LRScheduler("StepLR", step_size=1, gamma=0.3))]},
        {
            "callbacks": [LRScheduler(OneCycleLR, step_every="batch", max_lr=0.5, total_steps=18)],
            "optimizer__momentum": 0.9,
        },
        {"callbacks": [GradientNormClipping(0.1)]},
        {"callbacks": [GradientNormClipping(0.01, gradient_clip_norm_type=float("inf"))]},
        {"module": nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 3))},
        {"module": nn.Linear, "module__in_features": 20, "module__out_features": 3},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_equals_skorch(options, records, rows):
    net = classifier(**options)
    assert why_not_batched(net, records[0], {}) == ""
    assert_equal_models(net, *records, rows, stacked=True)


def test_a_fixed_split_trains_on_all_records(records, rows):
    X, y = records
    split = predefined_split(torch.utils.data.TensorDataset(torch.as_tensor(X), torch.as_tensor(y)))
    assert_equal_models(classifier(train_split=split), X, y, rows, stacked=True)


def test_binary_net_equals_skorch(records, rows):
    X, y = records
    net = NeuralNetBinaryClassifier(
        Dense, module__n_outputs=1, lr=0.1, max_epochs=3, train_split=None, verbose=0
    )
    assert_equal_models(net, X, np.minimum(y, 1), rows, stacked=True)


@pytest.mark.parametrize(
    ("module", "shape", "stacked"),
    [(Convolutional, (1, 8, 8), False), (Recurrent, (5, 4), False), (Words, (7,), True)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_other_inputs_equal_skorch(module, shape, stacked, rows):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, *shape)).astype(np.float32)
    if module is Words:
        X = rng.integers(10, size=(200, *shape))
    y = rng.integers(3, size=200)
    assert_equal_models(classifier(module), X, y, rows, stacked=stacked)


def test_clipped_convolutions_equal_skorch(rows):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 1, 8, 8)).astype(np.float32), rng.integers(3, size=200)
    net = classifier(Convolutional, callbacks=[GradientNormClipping(0.1)])
    assert_equal_models(net, X, y, rows, stacked=False)


class Viewed(Convolutional):
    """Reads the answers of its convolutions as they lie in memory."""

    def forward(self, x):
        return self.last(F.max_pool2d(torch.relu(self.first(x)), 2).view(len(x), -1))


def test_convolutions_that_need_a_layout_equal_skorch(rows):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 1, 8, 8)).astype(np.float32), rng.integers(3, size=200)
    net = classifier(Viewed, max_epochs=1)
    assert Ensemble(net, [X], y, len(X)).layout is torch.contiguous_format
    assert Ensemble(classifier(Convolutional), [X], y, len(X)).layout is torch.channels_last
    assert_equal_models(net, X, y, rows, stacked=False)


def test_stacked_convolutions_equal_skorch(monkeypatch, rows):
    """As on a GPU: on a CPU they would be trained apart."""
    monkeypatch.setattr(_trainer, "_CONVOLUTIONS", ())
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 1, 8, 8)).astype(np.float32), rng.integers(3, size=200)
    assert_equal_models(classifier(Convolutional), X, y, rows, stacked=True)


def answers_of(net, records, rows, **options):
    X, y = records
    found = [None] * len(rows)
    Ensemble(net, [X], y, len(X)).train(
        rows.__getitem__,
        np.array([len(own) for own in rows]),
        SEEDS[: len(rows)],
        found.__setitem__,
        **options,
    )
    return np.array(found)


@pytest.mark.parametrize("options", [{"chunk_size": 1}, {"chunk_size": 3}, {"cores": 2}])
def test_same_models_whatever_the_chunk(options, records, rows):
    net = classifier(module__dropout=0.5)
    expected = answers_of(net, records, rows)
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    np.testing.assert_allclose(answers_of(net, records, rows, **options), expected, atol=1e-5)


def test_models_trained_beside_each_other_are_those_trained_alone(rows):
    rng = np.random.default_rng(0)
    records = rng.normal(size=(200, 1, 8, 8)).astype(np.float32), rng.integers(3, size=200)
    net = classifier(Convolutional)
    np.testing.assert_array_equal(
        answers_of(net, records, rows, cores=2), answers_of(net, records, rows, cores=1)
    )


def test_training_sets_of_different_sizes(records, rows):
    ragged = [rows[0], rows[1][:89], rows[2][:40], rows[3]]
    found = answers_of(classifier(), records, ragged)
    for model in (1, 2):
        net = by_skorch(classifier(), *records, ragged[model], int(SEEDS[model]))
        expected = TorchTarget.from_estimator(net, records[0]).predict_log_proba(records[0])
        np.testing.assert_allclose(found[model][:, :-1], expected, atol=1e-4)


# Dropout.


def masks(key, shape, function=F.dropout, p=0.3, times=1):
    with TrainingFunctions(torch.tensor(key, dtype=torch.int32)):
        drawn = [function(torch.ones(shape), p, training=True) for _ in range(times)]
    return [mask.numpy() for mask in drawn]


def test_dropout_keeps_the_share_and_the_mean():
    (mask,) = masks(12345, (400, 500))
    assert set(np.unique(mask)) == {0.0, np.float32(1 / 0.7)}
    # 200,000 draws: five standard errors.
    assert abs((mask > 0).mean() - 0.7) < 5 * np.sqrt(0.21 / mask.size)
    for axis in (0, 1):
        share = (mask > 0).mean(axis=axis)
        assert share.std() == pytest.approx(np.sqrt(0.21 / mask.shape[axis]), rel=0.2)


def test_dropout_differs_between_models_steps_and_layers():
    first, again = masks(1, (300, 300), times=2)
    (other,) = masks(2, (300, 300))
    keys = step_keys(np.array([7, 8]), 0), step_keys(np.array([7, 8]), 1)
    assert len(np.unique(np.concatenate(keys))) == 4
    for a, b in ((first, again), (first, other)):
        agreement = ((a > 0) == (b > 0)).mean()
        assert agreement == pytest.approx(0.7**2 + 0.3**2, abs=0.01)
    np.testing.assert_array_equal(masks(1, (300, 300))[0], first)


def test_dropout_of_channels_drops_whole_ones():
    (mask,) = masks(3, (20, 30, 4, 4), F.dropout2d)
    assert (mask.reshape(20, 30, -1).std(axis=2) == 0).all()
    assert 0.6 < (mask[:, :, 0, 0] > 0).mean() < 0.8


def test_nothing_is_dropped_outside_of_training():
    with TrainingFunctions(torch.tensor(1, dtype=torch.int32)):
        assert (F.dropout(torch.ones(50), 0.5, training=False) == 1).all()
        assert (F.dropout(torch.ones(50), 1.0, training=True) == 0).all()


def test_networks_with_dropout_are_like_those_of_skorch(records):
    X, y = records
    rng = np.random.default_rng(2)
    rows = np.stack([rng.choice(200, 100, replace=False) for _ in range(30)])
    net = classifier(module__dropout=0.5, max_epochs=8)
    seeds = np.arange(30)
    chunk, _ = Ensemble(net, [X], y, len(X)).fit_chunk(rows, seeds)
    norms = {"as one": chunk.parameters["last.weight"].detach().flatten(1).norm(dim=1).numpy()}
    norms["skorch"] = np.array(
        [
            float(by_skorch(net, X, y, own, int(seed)).module_.last.weight.detach().norm())
            for own, seed in zip(rows, seeds, strict=True)
        ]
    )
    # The same first weights and batches: pairs differ by their masks alone.
    difference = norms["as one"] - norms["skorch"]
    assert difference.std() > 1e-3
    assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(30)


# Reference models.


def test_references_train_nets_as_one(records, monkeypatch):
    X, y = records
    before = torch.get_rng_state()
    as_one = ReferenceModels(classifier(), 4, random_state=0).fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    again = ReferenceModels(classifier(), 4, random_state=0).fit(X, y)
    np.testing.assert_array_equal(as_one.outputs_, again.outputs_)
    monkeypatch.setattr(_ensemble, "why_not_batched", lambda *_: "asked for")
    with pytest.warns(UserWarning, match="one by one, not as one: asked for"):
        apart = ReferenceModels(classifier(), 4, random_state=0).fit(X, y)
    np.testing.assert_allclose(as_one.outputs_, apart.outputs_, atol=1e-4)


@pytest.mark.parametrize("as_one", [True, False])
def test_records_in_double_precision(as_one, records, monkeypatch):
    X, y = records
    if not as_one:
        monkeypatch.setattr(_ensemble, "why_not_batched", lambda *_: "asked for")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        single, double = (
            ReferenceModels(classifier(), 2, random_state=0).fit(X.astype(kind), y).outputs_
            for kind in (np.float32, np.float64)
        )
    np.testing.assert_array_equal(single, double)


def test_records_asked_about_may_have_labels_of_their_own(records):
    X, y = records
    labels = np.array(["a", "b", "c"])[y]
    pool = X[:50], np.array(["another"] * 50)
    references = ReferenceModels(classifier(), 4, random_state=0)
    references.fit(*pool, population=(X[50:], labels[50:]), classes=["a", "b", "c"])
    assert (references.labels_[:50] == -1).all()
    assert np.isfinite(references.outputs_).all()


def test_perturbed_copies_core_and_population(records):
    X, y = records
    references = ReferenceModels(classifier(), 4, n_queries=2, train_size=60, random_state=0)
    references.fit(X[:80], y[:80], population=(X[80:180], y[80:180]), core=(X[180:], y[180:]))
    assert references.train_size_ == 60
    assert references.query_outputs_.shape == (4, 2, 180, 3)
    assert not np.isnan(references.query_outputs_).any()
    # Copies are other records than their originals.
    assert np.abs(references.query_outputs_[:, 0] - references.outputs_).max() > 0.01


class Acting(NeuralNetClassifier):
    def train_step(self, batch, **fit_params):
        return super().train_step(batch, **fit_params)


class Noisy(Dense):
    def forward(self, x):
        return super().forward(x + 0.1 * torch.randn_like(x))


class Dropping(Dense):
    def forward(self, x):
        return super().forward(x * np.random.random())  # noqa: NPY002


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (classifier(callbacks=[EarlyStopping("train_loss")]), "the callback EarlyStopping"),
        (classifier(callbacks=[LRScheduler("ReduceLROnPlateau")]), "the callback LRScheduler"),
        (classifier(optimizer=torch.optim.LBFGS, max_epochs=1), "optimizer=LBFGS"),
        (Acting(Dense, criterion=nn.CrossEntropyLoss, verbose=0), "a method train_step"),
        (classifier(iterator_train__sampler=None), "iterator_train__sampler"),
        (classifier(Noisy), "draws random numbers by aten.randn_like"),
        (classifier(Dropping), "draws random numbers by NumPy's"),
    ],
    ids=["callback", "scheduler", "optimizer", "step", "sampler", "noise", "numpy"],
)
def test_what_cannot_be_trained_as_one_is_named(net, reason, records):
    X, y = records
    with pytest.warns(UserWarning, match=reason):
        references = ReferenceModels(net, 2, random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        again = ReferenceModels(net, 2, random_state=0).fit(X, y)
    assert not references.lost_
    np.testing.assert_array_equal(references.outputs_, again.outputs_)


@pytest.mark.parametrize("as_one", [True, False])
def test_diverged_models_are_left_out(as_one, records, monkeypatch):
    X, y = records
    if not as_one:
        monkeypatch.setattr(_ensemble, "why_not_batched", lambda *_: "asked for")
    with pytest.warns(UserWarning) as caught:
        references = ReferenceModels(classifier(Frail), 16, random_state=0).fit(X, y)
    lost = references.lost_
    assert 0 < len(lost) < 14
    (why,) = set(lost.values())
    assert "its loss became NaN in epoch 1" in why
    text = " ".join(str(warning.message) for warning in caught)
    assert f"{len(lost)} of 16 reference models are left out" in text
    assert f"models {', '.join(map(str, lost))}: it diverged: its loss became NaN" in text
    kept = np.setdiff1d(np.arange(16), list(lost))
    assert np.isfinite(references.outputs_[kept]).all()
    assert not references.labelled_[list(lost)].any()
    observations, _ = references.shadow_observations()
    assert set(observations.index.get_level_values("model")) == set(kept)
    columns = [name for name in observations if name.startswith(("proba", "logit", "out_mean"))]
    assert np.isfinite(observations[columns].to_numpy()).all()


def test_all_models_diverged_is_an_error(records):
    X, y = records
    with pytest.raises(ValueError, match=r"diverged: .* in epoch 1\. Lower the learning rate"):
        ReferenceModels(classifier(lr=1e30), 4, random_state=0).fit(X, y)


@pytest.mark.thorough
def test_audit_says_how_many_diverged(records):
    X, y = records
    net = classifier(Frail, max_epochs=30)
    with seeded(1):
        net.fit(X[:100], y[:100])
    with pytest.warns(UserWarning, match="left out"):
        report = audit(
            net, X[:100], y[:100], X[100:], y[100:], n_references=16, random_state=0, progress=False
        )
    (finding,) = [f for f in report.findings if f.code == "LOST_REFERENCES"]
    assert "of 16 reference models could not be trained" in finding.title
    assert "its loss became NaN" in finding.explanation
    assert report.info["n_references"] < 16
    assert report.info["estimator"].startswith("NeuralNetClassifier(module=Frail, criterion=Cross")
    assert {"torch", "skorch"} <= report.info["versions"].keys()


def test_a_chunk_that_does_not_fit_is_halved(records, rows, monkeypatch):
    net = classifier()
    expected = answers_of(net, records, rows)
    step = _chunks.Stacked.step

    def short_of_memory(self, *args):
        if len(self.seeds) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return step(self, *args)

    monkeypatch.setattr(_chunks.Stacked, "step", short_of_memory)
    with pytest.warns(UserWarning, match="4 networks at a time do not fit .* going on with 2"):
        found = answers_of(net, records, rows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_memory_sets_how_many_train_together(records, monkeypatch):
    X, y = records
    small = Ensemble(classifier(), [X], y, len(X)).chunk_size(90)
    monkeypatch.setattr(_machine, "_CPU_BYTES", 2**18)
    ensemble = Ensemble(classifier(), [X], y, len(X))
    assert 1 <= ensemble.chunk_size(90) < small

    def short_of_memory(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 9 GiB.")

    monkeypatch.setattr(ensemble, "_loss_alone", short_of_memory)
    assert ensemble.chunk_size(90) == 1


def test_a_killed_run_repeats_no_finished_chunk(records, tmp_path, monkeypatch):
    X, y = records
    monkeypatch.setattr(_trainer, "_MOST_MODELS", 2)
    expected = ReferenceModels(classifier(), 8, random_state=0).fit(X, y).outputs_
    fit_chunk = Ensemble.fit_chunk
    trained = []

    def counted(self, rows, seeds, *args):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(len(seeds))
        return fit_chunk(self, rows, seeds, *args)

    monkeypatch.setattr(Ensemble, "fit_chunk", counted)
    references = ReferenceModels(classifier(), 8, cache=tmp_path, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        references.fit(X, y)
    done = len(list(tmp_path.glob("model-*.npy")))
    assert done >= 4
    trained[:] = [0, 0]
    monkeypatch.setattr(Ensemble, "fit_chunk", fit_chunk)
    np.testing.assert_allclose(references.fit(X, y).outputs_, expected, atol=1e-5)
    assert isinstance(references.outputs_, np.memmap)


def test_diverged_models_stay_left_out_in_the_cache(records, tmp_path):
    X, y = records
    references = ReferenceModels(classifier(Frail), 8, cache=tmp_path, random_state=0)
    with pytest.warns(UserWarning, match="in epoch 1"):
        first = references.fit(X, y)
    lost, outputs = first.lost_, first.outputs_.copy()
    with pytest.warns(UserWarning, match="left out"):
        again = references.fit(X, y)
    assert again.lost_ == lost
    np.testing.assert_allclose(again.outputs_, outputs, atol=1e-5)
    assert len(list(tmp_path.glob("model-*"))) == 8 - len(lost)


def test_other_weights_of_an_instance_are_the_same_estimator(records, tmp_path):
    """The weights of a module given as an instance are drawn anew, so they do not matter."""
    X, y = records
    for _ in range(2):
        net = classifier(nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 3)))
        ReferenceModels(net, 4, cache=tmp_path, random_state=0).fit(X, y)
        assert len(list(tmp_path.glob("model-*.npy"))) == 4
    net = classifier(nn.Sequential(nn.Linear(20, 9), nn.Tanh(), nn.Linear(9, 3)))
    ReferenceModels(net, 4, cache=tmp_path, random_state=0).fit(X, y)
    assert len(list(tmp_path.glob("model-*.npy"))) == 8


def test_references_do_not_begin_with_what_the_target_learned(records):
    """A module given as an instance is the fitted one."""
    X, y = records
    net = classifier(nn.Sequential(nn.Linear(20, 3)), max_epochs=50).fit(X, y)
    learned = net.module_[0].weight.detach().clone()
    references = ReferenceModels(net.set_params(max_epochs=1, lr=1e-9), 2, random_state=0)
    references.fit(X, y)
    assert torch.equal(net.module_[0].weight, learned)
    right = (references.outputs_.argmax(axis=2) == y).mean()
    assert right < 0.6 < (net.predict(X) == y).mean()


@pytest.mark.gpu
def test_gpu_trains_the_same_models(records, rows):
    X, y = records
    options = {"module__dropout": 0.5, "optimizer": torch.optim.Adam, "lr": 0.01}
    on_cpu = answers_of(classifier(**options), records, rows)
    on_gpu = answers_of(classifier(**options, device="cuda"), records, rows)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-3)
    assert_equal_models(classifier(device="cuda"), X, y, rows, stacked=True, atol=1e-4)


def test_features_are_the_outputs_before_the_soft_max(records, tmp_path):
    X, y = records
    net = classifier(module__n_outputs=3)
    references = ReferenceModels(net, 4, random_state=0, cache=tmp_path, n_queries=2).fit(X, y)
    assert references.log_normalizers_.shape == (4, len(X))
    for model in (0, 3):
        rows = training_rows(references.membership_[model], 0, int(references.seeds_[model]))
        own = by_skorch(net, X, y, rows, int(references.seeds_[model]))
        with torch.no_grad():
            expected = own.module_.eval()(torch.as_tensor(X)).numpy()
        features = references.features_.reshape(len(X), 4, 3)[:, model]
        np.testing.assert_allclose(features, expected, atol=1e-3)
    again = ReferenceModels(net, 4, random_state=0, cache=tmp_path, n_queries=2).fit(X, y)
    np.testing.assert_array_equal(again.features_, references.features_)
    np.testing.assert_array_equal(again.query_outputs_, references.query_outputs_)
    assert again.query_outputs_.shape == (4, 2, len(X), 3)


def test_features_of_modules_without_logits_are_centred(records):
    X, y = records
    net = classifier(module__end=nn.Softmax(dim=-1), criterion=nn.NLLLoss)
    features = ReferenceModels(net, 4, random_state=0).fit(X, y).features_
    np.testing.assert_allclose(features.reshape(len(X), 4, 3).sum(axis=2), 0, atol=1e-4)
