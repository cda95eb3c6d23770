"""Networks that predict numbers: trained as one, asked as skorch asks them, audited."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from sklearn.compose import TransformedTargetRegressor  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from skorch import NeuralNetRegressor  # noqa: E402
from skorch.dataset import ValidSplit  # noqa: E402
from torch import nn  # noqa: E402

from mia_sklearn import ReferenceModels, audit, observe  # noqa: E402
from mia_sklearn.disclosure import AttributeInference  # noqa: E402
from mia_sklearn.references._sampling import training_rows  # noqa: E402
from mia_sklearn.torch import TorchTarget  # noqa: E402
from mia_sklearn.torch._training import _ensemble  # noqa: E402
from nets import Dense, Frail, regressor  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = X[:, :1] + RNG.normal(size=(60, 1)).astype(np.float32)
QUICK = {"n_references": 2, "random_state": 0, "progress": False}


class Flat(Dense):
    def forward(self, x):
        return super().forward(x).reshape(-1)


class Doubling(NeuralNetRegressor):
    def predict(self, X):
        return 2 * super().predict(X)


@pytest.fixture
def one_by_one(monkeypatch):
    def train(*args, y=Y, random_state=0):
        with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            patch.setattr(_ensemble, "why_not_batched", lambda *_: "asked for")
            fitted = ReferenceModels(*args, random_state=random_state).fit(X, y)
        assert any("one by one, not as one: asked for" in str(one.message) for one in said)
        return fitted

    return train


@pytest.mark.parametrize(
    ("options", "y"),
    [
        ({}, Y),
        ({"criterion": nn.HuberLoss, "module__n_outputs": 2}, np.hstack([Y, X[:, 1:2]])),
        ({"criterion": nn.L1Loss, "optimizer": torch.optim.Adam, "train_split": ValidSplit(4)}, Y),
        ({"module": Flat, "criterion": nn.SmoothL1Loss}, Y[:, 0]),
        ({"predict_nonlinearity": torch.exp, "criterion": nn.PoissonNLLLoss}, np.abs(Y)),
    ],
    ids=["MSE", "two outputs", "L1, Adam, validation", "one dimension", "Poisson"],
)
def test_references_train_as_one_as_they_would_apart(options, y, one_by_one):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        as_one = ReferenceModels(regressor(**options), 2, random_state=0).fit(X, y)
    apart = one_by_one(regressor(**options), 2, y=y)
    assert as_one.outputs_.shape == (4, 60, y[0].size)
    np.testing.assert_allclose(as_one.outputs_, apart.outputs_, atol=1e-5)


def test_references_are_what_skorch_trains():
    references = ReferenceModels(regressor(), 2, random_state=0).fit(X, Y)
    seed = int(references.seeds_[1])
    rows = training_rows(references.membership_[1], 0, seed)
    torch.manual_seed(seed)
    net = regressor().fit(X[rows], Y[rows])
    np.testing.assert_allclose(references.outputs_[1], Y - net.predict(X), atol=1e-5)


def test_numbers_are_read_in_the_precision_of_the_module():
    net = regressor().fit(X, Y)
    single, double = (observe(net, X.astype(kind), Y.astype(kind)) for kind in ("f4", "f8"))
    np.testing.assert_allclose(single, double, rtol=1e-5)
    both = [
        ReferenceModels(regressor(), 2, random_state=0).fit(X.astype(kind), Y.astype(kind))
        for kind in ("f4", "f8")
    ]
    np.testing.assert_allclose(both[0].outputs_, both[1].outputs_, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The reference networks are trained one by one")
@pytest.mark.parametrize(
    "model",
    [
        regressor(),
        make_pipeline(StandardScaler(), regressor()),
        pytest.param(
            TransformedTargetRegressor(regressor(), transformer=StandardScaler()),
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            GridSearchCV(regressor(), {"lr": [0.01, 0.1]}, cv=2), marks=pytest.mark.thorough
        ),
    ],
    ids=["net", "pipeline", "transformed", "search"],
)
def test_networks_are_audited_wherever_they_stand(model):
    model.fit(X[:30], Y[:30])
    report = audit(model, X[:30], Y[:30], X[30:], Y[30:], **QUICK)
    assert report.info["release"] == "predictions"
    assert report.info["target_test_mae"] == pytest.approx(
        float(np.abs(Y[30:] - model.predict(X[30:])).mean()), rel=1e-4
    )
    assert {"threshold", "lira", "stacked"} <= set(report.metrics["attack"])


def test_a_network_that_interpolates_is_told_apart():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 80)).astype(np.float32)
    y = rng.normal(size=(40, 1)).astype(np.float32)
    options = {"in_features": 80, "out_features": 1}
    net = NeuralNetRegressor(
        nn.Linear,
        **{f"module__{name}": value for name, value in options.items()},
        lr=0.1,
        max_epochs=40,
        batch_size=-1,
        train_split=None,
        verbose=0,
    ).fit(X[:20], y[:20])
    report = audit(net, X[:20], y[:20], X[20:], y[20:], release="weights", **QUICK)
    own = report.metrics.query("metric == 'auc' and slice == 'all'").set_index("attack")
    assert own["estimate"]["threshold"] > 0.95


def test_a_net_answers_by_its_own_predict():
    options = {"module__n_features": 5, "module__n_outputs": 1, "train_split": None, "verbose": 0}
    net = Doubling(Dense, max_epochs=1, **options).fit(X, Y)
    seen = observe(net, X, Y)
    np.testing.assert_allclose(seen["prediction_0"], net.predict(X)[:, 0], rtol=1e-4, atol=1e-6)
    with pytest.warns(UserWarning, match="one by one, not as one: Doubling has a method predict"):
        references = ReferenceModels(Doubling(Dense, max_epochs=1, **options), 2, random_state=0)
        references.fit(X, Y)


@pytest.mark.parametrize(
    ("net", "y"), [(regressor(), Y[:, 0]), (regressor(Flat), Y)], ids=["column", "flat"]
)
def test_numbers_that_the_loss_would_broadcast_are_refused(net, y, one_by_one):
    # (n,) against (n, 1): torch compares each answer with all numbers of a batch.
    message = r"answers with shape .*MSELoss would compare each answer with .* all"
    with pytest.raises(ValueError, match=message):
        ReferenceModels(net, 2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=message), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ReferenceModels(make_pipeline(StandardScaler(), net), 2, random_state=0).fit(X, y)


def test_diverged_networks_are_left_out(one_by_one):
    with pytest.warns(UserWarning, match="left out"):
        lost = ReferenceModels(regressor(Frail), 8, random_state=1).fit(X, Y).lost_
    assert 0 < len(lost) < 8
    assert all("its loss became NaN in epoch 1" in why for why in lost.values())
    assert one_by_one(regressor(Frail), 8, random_state=1).lost_ == lost


@pytest.mark.parametrize("together", [True, False])
def test_infinite_weights_of_the_last_step_are_a_loss(together, one_by_one):
    net = regressor(lr=1e38, max_epochs=1, batch_size=-1)
    with pytest.raises(ValueError, match=r"could not be trained: predict of .* no finite number"):
        ReferenceModels(net, 2, random_state=0).fit(X, Y) if together else one_by_one(net, 2)


def test_what_is_no_regressor_is_refused():
    module = Dense(5, 1)
    with pytest.raises(ValueError, match=r"mia_sklearn\.FunctionRegressor"):
        observe(module, X, Y, access="predictions")
    net = regressor()
    with pytest.raises(ValueError, match="is not fitted"):
        observe(net, X, Y)
    with pytest.raises(ValueError, match="is a NeuralNetRegressor, or a mia_sklearn"):
        TorchTarget.from_estimator(net.fit(X, Y), X)
    with pytest.raises(ValueError, match="shows nothing of NeuralNetRegressor"):
        observe(net, X, Y, view="white-box")
    with pytest.raises(ValueError, match="n_queries is of models that are asked for posteriors"):
        observe(net, X, Y, n_queries=2)
    with pytest.raises(ValueError, match="query_budget counts the queries of a plain function"):
        audit(net, X[:30], Y[:30], X[30:], Y[30:], query_budget=10, **QUICK)


def test_a_feature_of_records_is_guessed_from_what_networks_predict():
    guess = AttributeInference(0, LogisticRegression(), n_bins=2, n_references=2, random_state=0)
    guess.set_params(estimator=regressor(max_epochs=1)).fit(X[30:], Y[30:])
    net = regressor(max_epochs=1).fit(X[:30], Y[:30])
    assert set(guess.predict(net, X[:30], Y[:30])) <= set(guess.values_)
