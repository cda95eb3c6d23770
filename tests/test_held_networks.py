"""Networks behind steps and within defenses trained as one, against the same trained one by one."""

import logging
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skorch import NeuralNetBinaryClassifier, NeuralNetRegressor  # noqa: E402
from skorch.callbacks import EarlyStopping  # noqa: E402
from skorch.dataset import ValidSplit  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import default_collate  # noqa: E402

from mia_sklearn import ReferenceModels  # noqa: E402
from mia_sklearn.defenses import (  # noqa: E402
    DistinctTraining,
    DropoutDefense,
    InputNoise,
    LabelOnly,
    MemGuard,
    RelaxLoss,
    RoundedPrediction,
    TemperaturePosterior,
    WeightPenalty,
    all_defenses,
)
from mia_sklearn.references._training import answer_of  # noqa: E402
from mia_sklearn.torch import _backend  # noqa: E402
from mia_sklearn.torch._training import _held, _machine  # noqa: E402
from mia_sklearn.torch._training._acting import TrainingCallback  # noqa: E402
from nets import Convolutional, Dense, Frail, Recurrent, classifier, regressor  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 20)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
PIXELS = RNG.normal(size=(48, 64))
NUMBERS = X[:, :1] * 2 + 1
FRAME = pd.DataFrame(
    {
        "a": X[:, 0].astype(float),
        "b": X[:, 1].astype(float),
        "kind": RNG.choice(["u", "v", "w"], len(X)),
        # Each training set has others of these.
        "rare": np.arange(len(X)).astype(str),
    }
)
TO_SINGLE = FunctionTransformer(np.float32)
NET = classifier(max_epochs=2)
OF_NUMBERS = regressor(module__n_features=20)
BINARY = NeuralNetBinaryClassifier(
    Dense, module__n_outputs=1, max_epochs=2, train_split=None, verbose=0
)


class Flat(Convolutional):
    """Images whose pixels come as columns."""

    def forward(self, x):
        return super().forward(x.reshape(-1, 1, 8, 8))


class FirstTwo(nn.Module):
    """Reads two columns of however many there are."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(2, 3)

    def forward(self, x):
        return self.last(x[:, :2])


def columns(dtype=np.float64, **options):
    encoder = OneHotEncoder(handle_unknown="ignore", dtype=dtype, **options)
    return make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=float)), (encoder, ["kind"])
    )


def answers_of(estimator, records, y, **options):
    references = ReferenceModels(estimator, 2, random_state=0, **options).fit(records, y)
    assert not references.lost_
    return references.outputs_


def both_ways(monkeypatch, estimator, records, y, *, as_one=True, **options):
    """Return what references answer that train as one, and one by one."""
    reasons = []

    def train(*args, **kwargs):
        reasons.append(_held.train_held(*args, **kwargs))
        return reasons[-1]

    found = []
    for way, more in ((train, options), (lambda *_, **__: "", {})):
        monkeypatch.setattr(_backend, "train_held", way)
        found.append(answers_of(estimator, records, y, **more))
    assert (reasons == [None]) is as_one
    return found


ALIKE = {
    "strings": (make_pipeline(StandardScaler(), NET), X, np.array(["a", "b", "c"])[Y]),
    "target": (TransformedTargetRegressor(OF_NUMBERS, transformer=StandardScaler()), X, NUMBERS),
    "split": (make_pipeline(StandardScaler(), classifier(train_split=ValidSplit(4))), X, Y),
    "relax": (RelaxLoss(classifier(max_epochs=4), alpha=1.0), X, Y),
    "penalty": (WeightPenalty(classifier(max_epochs=2), l1=0.01, l2=0.01), X, Y),
}
OTHERS = {
    "dropout": (DropoutDefense(classifier(max_epochs=1), p=1e-9), X, Y),
    "temperature": (TemperaturePosterior(make_pipeline(StandardScaler(), NET)), X, Y),
    "frame": (make_pipeline(columns(), TO_SINGLE, classifier(module__n_features=5)), FRAME, Y),
    "nested": (
        make_pipeline("passthrough", make_pipeline(StandardScaler(), TO_SINGLE), NET),
        X,
        Y,
    ),
    "memory": (make_pipeline(StandardScaler(), NET, memory="nowhere"), X, Y),
    "binary": (make_pipeline(StandardScaler(), BINARY), X, Y > 0),
    "numbers": (make_pipeline(StandardScaler(), OF_NUMBERS), X, NUMBERS),
    "label only": (make_pipeline(StandardScaler(), LabelOnly(NET)), X, Y),
    "noise": (InputNoise(NET, sigma=0.1), X, Y),
    "distinct": (DistinctTraining(NET), X, Y),
    "rounded": (RoundedPrediction(OF_NUMBERS, step=0.1), X, NUMBERS),
    "relax a binary net": (RelaxLoss(BINARY, alpha=1.0), X, (Y > 0).astype(int)),
}


@pytest.mark.parametrize(
    ("estimator", "records", "y"),
    [
        *(pytest.param(*case, id=name) for name, case in ALIKE.items()),
        *(pytest.param(*case, id=name, marks=pytest.mark.slow) for name, case in OTHERS.items()),
    ],
)
def test_equals_one_by_one(estimator, records, y, monkeypatch):
    as_one, apart = both_ways(monkeypatch, estimator, records, y)
    np.testing.assert_allclose(as_one, apart, atol=1e-4)
    assert np.ptp(np.exp(as_one), axis=0).max() > 0


@pytest.mark.parametrize("defense", [RelaxLoss, DropoutDefense])
def test_nothing_of_the_defense_is_left_and_steps_are_fitted(defense, monkeypatch):
    answered = []

    def noted(model, *args):
        answered.append(model)
        return answer_of(model, *args)

    monkeypatch.setattr(_held, "answer_of", noted)
    references = ReferenceModels(defense(make_pipeline(StandardScaler(), NET)), 2, random_state=0)
    references.fit(X, Y)
    for model, inside in zip(answered, references.membership_ > 0, strict=True):
        scaler, net = model.estimator_.source
        np.testing.assert_array_equal(scaler.mean_, StandardScaler().fit(X[inside]).mean_)
        assert type(net.criterion_) is nn.CrossEntropyLoss
        assert not any(isinstance(call, TrainingCallback) for _, call in net.callbacks_)
        assert not any(part._forward_pre_hooks for part in net.module_.modules())
        assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("estimator", "records"),
    [
        (
            make_pipeline(StandardScaler(), classifier(Flat, max_epochs=1)),
            RNG.normal(size=(48, 64)),
        ),
        (
            make_pipeline(
                FunctionTransformer(lambda x: x.reshape(-1, 5, 4)),
                classifier(Recurrent, max_epochs=1),
            ),
            X,
        ),
        (DropoutDefense(classifier(Flat, max_epochs=1), p=1e-9), PIXELS),
    ],
    ids=["convolutions", "recurrent", "dropout"],
)
def test_what_is_not_stacked_trains_beside_each_other(estimator, records, monkeypatch):
    as_one, apart = both_ways(monkeypatch, estimator, records.astype(np.float32), Y, n_jobs=2)
    np.testing.assert_allclose(as_one, apart, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("output", [True, False], ids=["sparse", "dense"])
def test_training_sets_of_different_widths(output, monkeypatch):
    """The encoder learns other categories from each: networks of one width train together."""
    encoder = OneHotEncoder(handle_unknown="ignore", dtype=np.float32, sparse_output=output)
    rare = FRAME[["rare"]].where(FRAME[["a"]].to_numpy() > 0, "0")
    estimator = make_pipeline(encoder, classifier(FirstTwo, max_epochs=1))
    as_one, apart = both_ways(monkeypatch, estimator, rare, Y)
    np.testing.assert_allclose(as_one, apart, atol=1e-4)


@pytest.mark.slow
def test_numbers_that_steps_draw_are_those_of_each_model(monkeypatch):
    """Of the process, of the step's own seed, and of the net behind it."""

    def with_noise(x):
        return x + np.random.normal(size=x.shape).astype(np.float32)  # noqa: NPY002

    estimator = make_pipeline(FunctionTransformer(with_noise), NET)
    as_one, apart = both_ways(monkeypatch, estimator, X, Y)
    np.testing.assert_allclose(as_one, apart, atol=1e-4)


@pytest.mark.slow
def test_weights_of_records_go_to_the_step(monkeypatch):
    params = {"standardscaler__sample_weight": np.linspace(1, 2, len(X))}

    def fitted():
        references = ReferenceModels(make_pipeline(StandardScaler(), NET), 2, random_state=0)
        return references.fit(X, Y, fit_params=params).outputs_

    as_one = fitted()
    monkeypatch.setattr(_backend, "train_held", lambda *_, **__: "")
    np.testing.assert_allclose(as_one, fitted(), atol=1e-4)


@pytest.mark.slow
def test_copies_core_and_population_behind_steps():
    references = ReferenceModels(make_pipeline(StandardScaler(), NET), 2, n_queries=1)
    references.fit(X[:16], Y[:16], population=(X[16:40], Y[16:40]), core=(X[40:], Y[40:]))
    assert references.query_outputs_.shape == (4, 1, 40, 3)
    assert np.isfinite(references.outputs_).all()


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (make_pipeline(StandardScaler(), classifier(callbacks=[EarlyStopping("train_loss")])),
         "the callback EarlyStopping may change the training"),
        (make_pipeline(StandardScaler(), classifier(nn.LazyLinear, module__out_features=3)),
         "the module draws its weights when it is first called"),
        (TransformedTargetRegressor(NeuralNetRegressor(
            nn.LazyLinear, module__out_features=1, max_epochs=1, train_split=None, verbose=0)), ""),
        (make_pipeline(FunctionTransformer(lambda x: x.tolist()), NET), "the net is given a list"),
        (make_pipeline(StandardScaler(), classifier(iterator_valid__collate_fn=default_collate)),
         "iterator_valid__collate_fn is not honoured"),
    ],
    ids=["callback", "lazy", "lazy and not asked", "list", "loading"],
)  # fmt: skip
def test_why_one_by_one(estimator, reason, caplog):
    if not reason:
        # What is no net, and no Pipeline, trains one by one without a warning.
        with caplog.at_level(logging.INFO, logger="mia_sklearn"):
            answers_of(estimator, X, NUMBERS)
        assert "one by one: the module draws random numbers by aten.uniform_" in caplog.text
        return
    with pytest.warns(UserWarning, match="trained one by one, not as one") as caught:
        try:
            answers_of(estimator, X, Y)
        except (ValueError, RuntimeError):
            assert reason.endswith("list")
    assert any(f"not as one: {reason}" in str(warning.message) for warning in caught)


def test_defenses_that_train_once():
    """All that say so, but those that fit in a way of their own below what says it."""
    names = {info.name for info in all_defenses() if _held._trains_once(info.defense)}
    of_answers = {"top-k", "rounded", "rounded numbers", "temperature", "label only"}
    assert names == of_answers | {
        "input noise",
        "distinct",
        "dropout",
        "weight penalty",
        "RelaxLoss",
    }

    class Twice(TemperaturePosterior):
        def _fit(self, data):
            super()._fit(data)
            super()._fit(data)

    assert not _held._trains_once(Twice)


def test_why_a_defense_trains_by_itself(caplog):
    """Nobody would leave a defense away for this: the log says it."""
    with caplog.at_level(logging.INFO, logger="mia_sklearn"), warnings.catch_warnings():
        answers_of(MemGuard(NET, adversary=LogisticRegression(), reference_size=0.4), X, Y)
    assert "one by one: MemGuard is not known to train one network, and once" in caplog.text


def test_records_of_another_precision_are_refused_as_before():
    with (
        pytest.warns(UserWarning, match="is given float64, and its module computes in float32"),
        pytest.raises(RuntimeError, match="must have the same dtype"),
    ):
        answers_of(make_pipeline(StandardScaler(), NET), X.astype(float), Y)


def test_diverged_networks_are_lost():
    references = ReferenceModels(make_pipeline(StandardScaler(), classifier(Frail)), 8)
    with pytest.warns(UserWarning, match="left out, since they could not be trained"):
        references.set_params(random_state=0).fit(X, Y)
    assert 0 < len(references.lost_) < 7
    kept = np.setdiff1d(np.arange(8), list(references.lost_))
    assert np.isfinite(references.outputs_[kept]).all()


def test_blocks_as_memory_allows(monkeypatch):
    estimator = make_pipeline(StandardScaler(), NET)
    expected = answers_of(estimator, X, Y)
    sizes = []
    trained = _held._Together.trained
    monkeypatch.setattr(
        _held._Together,
        "trained",
        lambda self, *args: (sizes.append(len(self.begun)), trained(self, *args))[1],
    )
    monkeypatch.setattr(_machine, "_CPU_BYTES", 1)
    np.testing.assert_allclose(answers_of(estimator, X, Y), expected, atol=1e-5)
    assert sizes == [1] * 4

    def short(self, *args):
        raise MemoryError

    monkeypatch.setattr(_held._Together, "trained", short)
    with pytest.raises(RuntimeError, match=r"does not fit into the memory of cpu.*batch_size"):
        answers_of(estimator, X, Y)


@pytest.mark.gpu
@pytest.mark.parametrize("around", [TemperaturePosterior, WeightPenalty, RelaxLoss])
def test_gpu_trains_the_same_models(around, monkeypatch):
    estimator = make_pipeline(StandardScaler(), around(classifier(max_epochs=2, device="cuda")))
    as_one, apart = both_ways(monkeypatch, estimator, X, Y)
    np.testing.assert_allclose(as_one, apart, atol=1e-3)
