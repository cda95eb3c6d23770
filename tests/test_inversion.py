"""Model inversion: gradients by the record, the search, and what its findings are worth."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import shuffle

from mia_sklearn import FunctionTarget
from mia_sklearn._input_gradients import has_input_gradients, input_gradients
from mia_sklearn.disclosure import Inversion, ModelInversion, inversion_contrast

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
TWO = Y_IRIS < 2


def _digits():
    X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
    return X / 16, y


def _clipped(X):
    return X.clip(0, 1)


def _fit(model, X=X_IRIS, y=Y_IRIS):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(model).fit(X, y)


def _one_each(y, n=1):
    members = np.concatenate([np.flatnonzero(y == label)[:n] for label in np.unique(y)])
    return members, np.setdiff1d(np.arange(len(y)), members)


def _by_hand(target, X, codes, step=1e-5):
    """Central differences of the log-posterior, one feature at a time."""
    rows = np.arange(len(X))
    flat = X.reshape(len(X), -1)
    slopes = np.empty_like(flat, dtype=float)
    for j in range(flat.shape[1]):
        sides = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[:, j] += sign * step
            proba = np.asarray(target.predict_proba(moved.reshape(X.shape)))
            sides.append(np.log(proba[rows, codes]))
        slopes[:, j] = (sides[0] - sides[1]) / (2 * step)
    return slopes.reshape(X.shape)


# A loss that any model of iris has, whose gradients vanish nowhere.
CLOSED = {
    "multinomial": LogisticRegression(max_iter=500),
    "one against the rest": SGDClassifier(loss="log_loss", alpha=0.1, random_state=0),
    "relu": MLPClassifier((8,), max_iter=50, random_state=0),
    "tanh": MLPClassifier((6, 5), activation="tanh", max_iter=50, random_state=0),
    "logistic": MLPClassifier((6,), activation="logistic", max_iter=50, random_state=0),
    "identity": MLPClassifier((6,), activation="identity", max_iter=50, random_state=0),
    "StandardScaler": make_pipeline(StandardScaler(), LogisticRegression()),
    "no scale": make_pipeline(StandardScaler(with_std=False), LogisticRegression()),
    "scalers": make_pipeline(RobustScaler(), "passthrough", MaxAbsScaler(), LogisticRegression()),
    "MinMaxScaler": make_pipeline(MinMaxScaler((-1, 2)), MLPClassifier((8,), random_state=0)),
    "PCA": make_pipeline(StandardScaler(), PCA(3), LogisticRegression()),
    "whitening": make_pipeline(PCA(2, whiten=True), LogisticRegression()),
    "search": GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_gradients(name):
    model = _fit(CLOSED[name])
    X = X_IRIS[::10]
    codes = np.arange(len(X)) % 3
    assert has_input_gradients(model)
    found = input_gradients(model, X, codes)
    np.testing.assert_allclose(found, _by_hand(model, X, codes), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", [LogisticRegression(), MLPClassifier((5,), max_iter=30)])
def test_closed_gradients_of_two_classes(model):
    model = _fit(model, X_IRIS[TWO], Y_IRIS[TWO])
    X = X_IRIS[::20]
    codes = np.arange(len(X)) % 2
    found = input_gradients(model, X, codes)
    np.testing.assert_allclose(found, _by_hand(model, X, codes), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(5, random_state=0),
        make_pipeline(MinMaxScaler(clip=True), LogisticRegression()),
        OneVsRestClassifier(LogisticRegression()),
    ],
)
def test_others_are_asked_for_answers(model):
    model = _fit(model)
    assert not has_input_gradients(model)
    inversion = ModelInversion(model, alpha=1, n_directions=2, random_state=0)
    assert inversion.invert().method == "directions"
    with pytest.raises(ValueError, match="method='directions'"):
        inversion.set_params(method="gradient").invert()


def test_directions_give_the_gradient():
    # A posterior that is linear: the estimate's mean is its slope whatever the radius.
    slope = np.array([0.03, -0.02, 0.0])

    def function(X):
        own = 0.5 + X @ slope
        return np.column_stack([own, 1 - own])

    target = FunctionTarget(function, classes=["a", "b"])
    inversion = ModelInversion(
        target, alpha=1, lam=1, n_directions=20_000, radius=2.0, random_state=0
    )
    found = inversion.invert(start=np.ones((1, 3)))
    np.testing.assert_allclose(found.x[0], 1 + slope, atol=1e-3)
    np.testing.assert_allclose(found.x[1], 1 - slope, atol=1e-3)
    assert found.queries.tolist() == [1 + 40_001] * 2 == [target.n_queries_ / 2] * 2


def test_known_steps():
    # Binary logistic regression with weight (2, 0): x moves along it, by lam p (1 - p) 2.
    model = LogisticRegression().fit([[0.0, 0.0], [1.0, 0.0]], [0, 1])
    model.coef_, model.intercept_ = np.array([[2.0, 0.0]]), np.zeros(1)
    found = ModelInversion(model, alpha=2, lam=0.5, gamma=-1).invert()
    x = 0.0
    for _ in range(2):
        p = 1 / (1 + np.exp(-2 * x))
        x += 0.5 * 2 * p * (1 - p)
    np.testing.assert_allclose(found.x, [[-x, 0], [x, 0]])
    np.testing.assert_allclose(found.cost, 1 / (1 + np.exp(2 * x)))
    assert found.labels.tolist() == [0, 1]
    assert found.iterations.tolist() == [2, 2]
    assert found.queries.tolist() == [3, 3]
    assert found.stopped.tolist() == ["alpha", "alpha"]


def _stepping(costs):
    """A target whose cost at x = 0, 1, 2, ... is given, and the process that walks there."""
    costs = np.asarray(costs)

    def function(X):
        own = 1 - costs[X[:, 0].astype(int)]
        return np.column_stack([own, 1 - own])

    place = iter(range(1, len(costs)))
    return FunctionTarget(function, classes=["a", "b"]), lambda X: np.full_like(X, next(place))


@pytest.mark.parametrize(
    ("beta", "gamma", "last", "rule", "best"),
    [
        # Not below the greatest of the last cost, of the last two, of the last three.
        (1, 0.0, 2, "beta", 1),
        (2, 0.0, 4, "beta", 1),
        (3, 0.0, 4, "beta", 1),
        (4, 0.0, 7, "alpha", 7),
        # Low enough, be it at the first step.
        (4, 0.45, 1, "gamma", 1),
        (4, 0.15, 7, "gamma", 7),
    ],
)
def test_rules_that_end_the_search(beta, gamma, last, rule, best):
    costs = [0.9, 0.4, 0.5, 0.49, 0.6, 0.45, 0.44, 0.1]
    target, walk = _stepping(costs)
    inversion = ModelInversion(
        target,
        process=walk,
        beta=beta,
        gamma=gamma,
        alpha=7,
        n_directions=1,
        radius=1e-9,
        random_state=0,
    )
    found = inversion.invert(["a"], start=[[0.0]])
    assert found.stopped.tolist() == [rule]
    assert found.iterations.tolist() == [last]
    assert found.x.tolist() == [[best]]
    np.testing.assert_allclose(found.cost, costs[best])


def test_auxiliary_cost_and_process():
    # Far beyond any posterior: the search minimises (x - 3)^2, within the box.
    model = _fit(LogisticRegression(max_iter=500))

    def aux(X):
        return 10 * ((X - 3) ** 2).sum(axis=1), 20 * (X - 3)

    found = ModelInversion(model, aux=aux, lam=0.01, alpha=200).invert()
    np.testing.assert_allclose(found.x, 3, atol=0.1)
    own = model.predict_proba(found.x)[np.arange(3), np.arange(3)]
    np.testing.assert_allclose(found.cost, 1 - own + aux(found.x)[0])
    boxed = ModelInversion(model, aux=aux, lam=0.01, process=lambda X: X.clip(0, 2)).invert()
    np.testing.assert_allclose(boxed.x, 2)


@pytest.mark.parametrize("method", ["gradient", "directions"])
def test_batch_equals_one_by_one(method):
    X, y = _digits()
    model = _fit(LogisticRegression(), X[:60], y[:60])
    inversion = ModelInversion(
        model, process=_clipped, lam=2, alpha=40, method=method, n_directions=10, random_state=3
    )
    together = inversion.invert()
    for i in (0, 4, 9):
        alone = inversion.invert([i])
        np.testing.assert_allclose(alone.x[0], together.x[i], atol=1e-9)
        for name in ("cost", "iterations", "queries"):
            assert getattr(alone, name)[0] == pytest.approx(getattr(together, name)[i])
    again = inversion.invert()
    np.testing.assert_array_equal(again.x, together.x)


def test_finds_records_that_the_model_is_sure_of():
    X, y = _digits()
    members, _ = _one_each(y)
    model = _fit(LogisticRegression(), X[members], y[members])
    for method in ("gradient", "directions"):
        found = ModelInversion(
            model, process=_clipped, lam=2, alpha=60, method=method, random_state=0
        ).invert()
        assert model.predict(found.x).tolist() == list(range(10))


def test_start_per_label_and_labels_in_any_order():
    model = _fit(LogisticRegression(max_iter=500))
    start = np.stack([X_IRIS[label == Y_IRIS].mean(axis=0) for label in (2, 0)])
    found = ModelInversion(model, alpha=1, lam=1e-9).invert([2, 0], start=start)
    np.testing.assert_allclose(found.x, start, atol=1e-6)
    assert found.labels.tolist() == [2, 0]


def test_frames_and_string_labels():
    frame = pd.DataFrame(X_IRIS, columns=list("abcd"))
    names = np.array(["setosa", "versicolor", "virginica"])[Y_IRIS]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    plain = ModelInversion(_fit(pipeline), alpha=20, lam=1).invert()
    named = _fit(pipeline, frame, names)
    found = ModelInversion(named, alpha=20, lam=1).invert(["virginica", "setosa"])
    np.testing.assert_allclose(found.x, plain.x[[2, 0]])
    forest = _fit(RandomForestClassifier(5, random_state=0), frame, names)
    assert ModelInversion(forest, alpha=2, n_directions=3).invert().x.shape == (3, 4)
    contrast = inversion_contrast(found, frame[::2], names[::2], frame[1::2], names[1::2])
    assert contrast.frame()["label"].tolist() == ["virginica", "setosa"]


def test_budget_ends_midway():
    model = _fit(LogisticRegression(max_iter=500))
    options = {"method": "directions", "n_directions": 5, "gamma": -1, "random_state": 0}
    # A query each to begin with, then 11 for each label and step.
    found = ModelInversion(model, query_budget=3 + 2 * 33 + 32, **options).invert()
    assert found.iterations.tolist() == [2, 2, 2]
    assert found.queries.tolist() == [23, 23, 23]
    assert found.stopped.tolist() == ["query_budget"] * 3
    full = ModelInversion(model, alpha=2, **options).invert()
    np.testing.assert_array_equal(found.x, full.x)
    target = FunctionTarget(model.predict_proba, classes=[0, 1, 2], query_budget=50)
    found = ModelInversion(target, **options).invert(start=np.zeros((1, 4)))
    assert found.stopped.tolist() == ["query_budget"] * 3
    assert found.queries.sum() == target.n_queries_ == 36
    with pytest.raises(ValueError, match="query_budget leaves 2 queries for 3 labels"):
        ModelInversion(model, query_budget=2).invert()


BAD = {
    "regressor": (LinearRegression().fit(X_IRIS, Y_IRIS), {}, "regressor"),
    "unfitted": (LogisticRegression(), {}, "not fitted"),
    "class": (LogisticRegression, {}, "class LogisticRegression"),
    "no confidences": (LinearSVC().fit(X_IRIS, Y_IRIS), {}, "predict_proba"),
    "function": (lambda X: X, {}, "FunctionTarget"),
    "no start": (FunctionTarget(lambda X: X, [0, 1]), {}, "pass start="),
    "nothing": (None, {}, "must be a fitted classifier"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_model(name):
    model, options, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        ModelInversion(model, **options).invert()


@pytest.mark.parametrize(
    ("options", "labels", "start", "message"),
    [
        ({}, [0, 7], None, "labels holds labels that the model does not know: 7"),
        ({}, [1, 1], None, "twice"),
        ({}, [], None, "list of labels"),
        ({}, 1, None, "list of labels"),
        ({}, None, np.zeros((1, 3)), "start must hold 4 features"),
        ({}, None, np.zeros((2, 4)), "one for each of 3 labels"),
        ({}, None, np.zeros(4), "one row per record"),
        ({}, None, [["a"] * 4], "start must hold numbers"),
        ({}, None, np.full((1, 4), np.nan), "start holds values that are NaN"),
        ({"alpha": 0}, None, None, "alpha"),
        ({"beta": 0}, None, None, "beta"),
        ({"lam": -1}, None, None, "lam"),
        ({"radius": 0}, None, None, "radius"),
        ({"method": "guess"}, None, None, "method"),
        ({"process": 3}, None, None, "process"),
        ({"process": lambda X: X[:, :2]}, None, None, "process must return"),
        ({"process": lambda X: X * np.inf}, None, None, "process returned values"),
        ({"aux": lambda X: (X, X)}, None, None, "aux must return one cost"),
        ({"aux": lambda X: (X[:, 0], X[:, :1])}, None, None, "aux must return gradients"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_bad_input(options, labels, start, message):
    model = _fit(LogisticRegression(max_iter=500))
    with pytest.raises(ValueError, match=message):
        ModelInversion(model, **options).invert(labels, start=start)


def test_answers_that_are_no_numbers():
    target = FunctionTarget(lambda X: np.full((len(X), 2), np.nan), [0, 1])
    with pytest.raises(ValueError, match="NaN"):
        ModelInversion(target).invert(start=[[0.0]])


def test_says_what_came_out():
    found = ModelInversion(_fit(LogisticRegression(max_iter=500)), alpha=3, gamma=-1).invert([0])
    assert str(found).startswith("1 label inverted by gradients: cost ")
    assert str(found).endswith("in 4 queries. Ended by alpha: 1.")
    assert "ModelInversion" in repr(ModelInversion(LogisticRegression()))


def test_import_loads_nothing_that_sklearn_does_not():
    code = (
        "import sys\n"
        "import sklearn.decomposition, sklearn.linear_model, sklearn.neural_network\n"
        "before = set(sys.modules)\n"
        "import mia_sklearn.disclosure\n"
        "print({'matplotlib', 'pandas', 'skorch', 'torch'} & (set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "set()"


# Contrast


def _found(x, labels):
    """An inversion whose records are given."""
    n = len(labels)
    zeros = np.zeros(n, dtype=int)
    x = np.asarray(x, dtype=float)
    return Inversion(np.asarray(labels), x, zeros, zeros, zeros, np.full(n, "alpha"), "gradient")


def test_contrast_by_hand():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6))
    y = np.repeat(["a", "b", "c"], 4)
    members, fresh = rng.normal(size=(2, 12, 6))
    contrast = inversion_contrast(_found(x, ["c", "a", "b"]), members, y, fresh, y)
    expected = [
        [np.corrcoef(x[i], table[y == label].mean(axis=0))[0, 1] for table in (members, fresh)]
        for i, label in enumerate("cab")
    ]
    differences = np.subtract(*np.transpose(expected))
    np.testing.assert_allclose(np.stack([contrast.members, contrast.fresh], axis=1), expected)
    assert contrast.value == pytest.approx(differences.mean()) == float(contrast)
    # Student's with two degrees of freedom: 4.303.
    reach = 4.302653 * differences.std(ddof=1) / np.sqrt(3)
    assert contrast.high - contrast.value == pytest.approx(reach)
    assert contrast.value - contrast.low == pytest.approx(reach)
    assert contrast.n_records.tolist() == [4, 4, 4]
    np.testing.assert_allclose(contrast.member_means[1], members[y == "a"].mean(axis=0))
    np.testing.assert_allclose(contrast.frame()["contrast"], differences)


def test_both_sides_are_cut_to_one_size():
    # The mean of 10 records correlates more than that of 2: sizes must not differ.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 30))
    y = np.repeat([0, 1], 40)
    records = x[y] + 3 * rng.normal(size=(80, 30))
    few = np.r_[0:2, 40:42]
    many = np.setdiff1d(np.arange(80), few)
    for members, fresh in ((few, many), (many, few)):
        contrast = inversion_contrast(
            _found(x, [0, 1]), records[members], y[members], records[fresh], y[fresh]
        )
        assert contrast.n_records.tolist() == [2, 2]
        drawn = contrast.fresh if fresh is many else contrast.members
        means = [
            np.corrcoef(x[label], records[many][y[many] == label][pair].mean(axis=0))[0, 1]
            for label in (0, 1)
            for pair in rng.integers(38, size=(400, 2))
        ]
        assert drawn.mean() == pytest.approx(np.mean(means), abs=0.05)


def test_contrast_is_deterministic():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5)), np.repeat([0, 1], 10)
    X, fresh = rng.normal(size=(2, 20, 5))
    one, two, other = (
        inversion_contrast(
            _found(x, [0, 1]), X[::5], y[::5], fresh, y, n_draws=5, random_state=seed
        )
        for seed in (0, 0, 1)
    )
    assert one.value == two.value != other.value


def test_one_class_has_no_interval():
    contrast = inversion_contrast(_found([[1.0, 2, 4]], [0]), [[1.0, 2, 3]], [0], [[3, 2, 1]], [0])
    assert np.isnan([contrast.low, contrast.high]).all()
    assert "-, -" in str(contrast)
    assert "no interval" in str(contrast)


def test_a_constant_record_resembles_nothing():
    x = np.full((2, 3), 0.1)
    X, y = np.arange(12.0).reshape(4, 3) ** 2, [0, 1, 0, 1]
    contrast = inversion_contrast(_found(x, [0, 1]), X[:2], y[:2], X[2:], y[2:])
    assert contrast.value == 0
    assert "not shown" in str(contrast)


@pytest.mark.parametrize("n", [1, 20])
def test_contrast_tells_one_record_from_many(n):
    X, y = _digits()
    members, fresh = _one_each(y, n)
    model = _fit(LogisticRegression(max_iter=500), X[members], y[members])
    found = ModelInversion(model, process=_clipped, lam=1, alpha=200).invert()
    own = inversion_contrast(found, X[members], y[members], X[fresh], y[fresh], random_state=0)
    if n == 1:
        assert own.low > 0.2
        assert "resemble the training records more" in str(own)
    else:
        assert own.high < 0.2


def test_contrast_of_others_records_is_none():
    # The model of one record per class, held against another record per class.
    X, y = _digits()
    values = []
    for seed in range(20):
        rows = np.random.default_rng(seed).permutation(len(y))
        members, rest = _one_each(y[rows])
        model = _fit(LogisticRegression(), X[rows][members], y[rows][members])
        found = ModelInversion(model, process=_clipped, lam=5, alpha=30).invert()
        own, others = _one_each(y[rows][rest])
        own, others = rows[rest][own], rows[rest][others]
        values.append(
            inversion_contrast(found, X[own], y[own], X[others], y[others], random_state=0)
        )
    missed = sum(not c.low <= 0 <= c.high for c in values)
    # 5 % of 20 intervals; more than 4 come about in 3 of 1,000 such tests.
    assert missed <= 4
    mean = np.mean([c.value for c in values])
    assert abs(mean) < 3 * np.std([c.value for c in values]) / np.sqrt(20)


@pytest.mark.slow
@pytest.mark.parametrize(("n_classes", "n"), [(5, 1), (10, 1), (10, 5), (40, 1)])
def test_nominal_rate_under_the_null(n_classes, n):
    """Records of a class are skewed and of unlike spread; members and fresh ones drawn alike."""
    rng = np.random.default_rng([n_classes, n])
    centre = rng.exponential(size=(n_classes, 25))
    spread = rng.uniform(0.3, 2, size=(n_classes, 1))
    wrong, runs = 0, 1500
    for _ in range(runs):
        y = np.repeat(np.arange(n_classes), 4 * n)
        X = centre[y] + spread[y] * rng.exponential(size=(len(y), 25))
        member = np.tile(np.arange(4 * n) < n, n_classes)
        contrast = inversion_contrast(
            _found(centre, np.arange(n_classes)), X[member], y[member], X[~member], y[~member]
        )
        wrong += not contrast.low <= 0 <= contrast.high
    # At most 5 %, but for what a few classes and skewed correlations add; and not far below.
    assert binomtest(wrong, runs, 0.065, alternative="greater").pvalue > 1e-3
    assert wrong / runs > 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inverted": np.zeros((2, 3))}, "ModelInversion.invert returns"),
        ({"X_members": np.zeros((4, 2))}, "X_members and X_fresh must have the same features"),
        ({"inverted": _found(np.eye(2), [0, 1])}, "X_members holds records of 3 features"),
        ({"y_fresh": [0, 0, 0, 0]}, "X_fresh holds no record of 1"),
        ({"y_members": [0, 1]}, "one row per record"),
        ({"X_fresh": np.full((4, 3), "a")}, "X_fresh must hold numbers"),
        ({"X_fresh": np.full((4, 3), np.inf)}, "X_fresh holds values that are NaN or infinite"),
        ({"confidence": 1.0}, "confidence"),
        ({"n_draws": 0}, "n_draws"),
    ],
)
def test_bad_contrast(change, message):
    y = [0, 1, 0, 1]
    given = {
        "inverted": _found(np.eye(2, 3), [0, 1]),
        "X_members": np.eye(4, 3),
        "y_members": y,
        "X_fresh": np.eye(4, 3),
        "y_fresh": y,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        inversion_contrast(given.pop("inverted"), **given)


# Networks


def _module(torch, end=None):
    torch.manual_seed(0)
    layers = [
        torch.nn.Linear(4, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.Tanh(),
        torch.nn.Linear(8, 3),
    ]
    module = torch.nn.Sequential(*layers, *([] if end is None else [end])).double()
    module[1].running_mean += 0.1
    return module


@pytest.mark.usefixtures("one_torch_thread")
@pytest.mark.parametrize("outputs", ["logits", "log_proba", "proba", "auto"])
def test_module_gradients(outputs):
    torch = pytest.importorskip("torch")
    from mia_sklearn.torch import TorchTarget

    ends = {"log_proba": torch.nn.LogSoftmax(dim=1), "proba": torch.nn.Softmax(dim=1)}
    module = _module(torch, ends.get(outputs)).train()
    target = TorchTarget(module, classes=["a", "b", "c"], outputs=outputs, batch_size=7)
    X, codes = X_IRIS[::10], np.arange(15) % 3
    found = input_gradients(target, X, codes)
    np.testing.assert_allclose(found, _by_hand(target, X, codes), rtol=1e-4, atol=1e-6)
    # The module is left as it was: in training, without gradients of its own.
    assert module.training
    assert all(p.grad is None for p in module.parameters())


@pytest.mark.usefixtures("one_torch_thread")
def test_module_equals_its_twin():
    torch = pytest.importorskip("torch")
    from mia_sklearn.torch import TorchTarget

    model = _fit(LogisticRegression(max_iter=500))
    module = torch.nn.Linear(4, 3).double()
    with torch.no_grad():
        module.weight[:] = torch.as_tensor(model.coef_)
        module.bias[:] = torch.as_tensor(model.intercept_)
    options = {"lam": 1, "alpha": 30, "gamma": -1}
    start = np.full((1, 4), 3.0)
    expected = ModelInversion(model, **options).invert(start=start)
    found = ModelInversion(TorchTarget(module, classes=[0, 1, 2]), **options).invert(start=start)
    assert found.method == "gradient"
    np.testing.assert_allclose(found.x, expected.x, atol=1e-9)
    np.testing.assert_allclose(found.cost, expected.cost, atol=1e-9)


@pytest.mark.usefixtures("one_torch_thread")
def test_skorch_nets_and_images():
    pytest.importorskip("skorch")
    from nets import Convolutional, Double, classifier

    net = classifier(Double, module__n_features=4).fit(X_IRIS, Y_IRIS)
    with pytest.raises(ValueError, match="pass start="):
        ModelInversion(net).invert()
    X, codes = X_IRIS[::10], np.arange(15) % 3
    from mia_sklearn.torch import TorchTarget

    target = TorchTarget.from_estimator(net, X)
    found = input_gradients(target, X, codes)
    np.testing.assert_allclose(found, _by_hand(target, X, codes), rtol=1e-4, atol=1e-6)

    pipeline = make_pipeline(MinMaxScaler(), classifier(Double, module__n_features=4))
    pipeline.fit(X_IRIS, Y_IRIS)
    target = TorchTarget.from_estimator(pipeline, X)
    found = input_gradients(target, X, codes)
    np.testing.assert_allclose(found, _by_hand(target, X, codes), rtol=1e-4, atol=1e-6)
    assert ModelInversion(pipeline, alpha=3).invert([2]).x.shape == (1, 4)

    images = np.random.default_rng(0).normal(size=(30, 1, 8, 8)).astype(np.float32)
    net = classifier(Convolutional).fit(images, np.arange(30) % 3)
    for method in ("gradient", "directions"):
        inversion = ModelInversion(
            net, alpha=200, lam=3, gamma=0.1, method=method, n_directions=20, random_state=0
        )
        found = inversion.invert(start=np.zeros((1, 1, 8, 8)))
        assert found.x.shape == (3, 1, 8, 8)
        assert net.predict(found.x.astype(np.float32)).tolist() == [0, 1, 2]


@pytest.mark.usefixtures("one_torch_thread")
def test_networks_without_gradients():
    torch = pytest.importorskip("torch")
    pytest.importorskip("skorch")
    from mia_sklearn.torch import TorchTarget

    class Rounds(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0].detach(), -x[:, 0].detach()], dim=1)

    target = TorchTarget(Rounds(), classes=[0, 1])
    with pytest.raises(ValueError, match="cannot be differentiated by its input"):
        ModelInversion(target).invert(start=[[0.0]])
    assert ModelInversion(target, method="directions", alpha=2).invert(start=[[0.0]])
    with pytest.raises(ValueError, match="TorchTarget"):
        ModelInversion(Rounds()).invert(start=[[0.0]])
    with pytest.raises(ValueError, match="pass start="):
        ModelInversion(target).invert()
    from nets import classifier

    with pytest.raises(ValueError, match="not fitted"):
        ModelInversion(classifier()).invert()


def test_posteriors_of_zero_have_no_slope():
    torch = pytest.importorskip("torch")
    from mia_sklearn.torch import TorchTarget

    class Certain(torch.nn.Module):
        def forward(self, x):
            own = x[:, 0].clamp(0, 1)
            return torch.stack([own, 1 - own], dim=1)

    target = TorchTarget(Certain(), classes=["a", "b"], outputs="proba")
    found = ModelInversion(target, alpha=2).invert(start=[[-1.0]])
    assert found.x.tolist() == [[-1.0], [-1.0]]
    assert found.cost.tolist() == [1.0, 0.0]
