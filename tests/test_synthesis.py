"""Records for attackers who have none."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import FunctionTarget, ReferenceModels, observe, synthesize
from mia_sklearn._synthesis._climb import Chains, Rules
from mia_sklearn._synthesis._sources import RecordSource
from mia_sklearn.attacks import ShadowAttack
from mia_sklearn.metrics import roc_auc

BITS = [[0, 1]] * 12


def sure_of_the_corner(X):
    """A target that is sure of class 1 where all bits are 1, and says how near a record is."""
    near = np.asarray(X, dtype=float).mean(axis=1)
    return np.stack([1 - near, near], axis=1)


def in_the_box(X):
    """A target that is sure of class 1 in a hundredth of the square, and of 0 elsewhere."""
    inside = (np.abs(np.asarray(X) - 0.75) <= 0.05).all(axis=1).astype(float)
    return np.stack([1 - inside, inside], axis=1)


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 80, size=400),
            "income": rng.normal(size=400).astype(np.float32),
            "sex": rng.choice(["f", "m"], size=400),
            "grade": pd.Categorical(rng.choice(["a", "b", "c"], size=400), ["c", "b", "a"]),
            "member": rng.choice([True, False], size=400),
        }
    )
    return X, np.where((X["age"] > 50) ^ (X["sex"] == "m"), "yes", "no")


@pytest.fixture(scope="module")
def pipeline(people):
    X, y = people
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["sex", "grade"]), remainder="passthrough"
    )
    return make_pipeline(encode, RandomForestClassifier(20, random_state=0)).fit(X, y)


# Algorithm 1


def test_climbing_ends_where_the_target_is_sure():
    target = FunctionTarget(sure_of_the_corner, [0, 1])
    invented = synthesize(target, 60, BITS, conf_min=0.95, random_state=0)
    assert invented.complete and invented.success == 1.0
    # Only the two corners have a posterior above .95: all ones, all zeros.
    np.testing.assert_array_equal(invented.X, np.repeat(invented.y[:, None], 12, axis=1))
    assert np.bincount(invented.y).tolist() == [30, 30]
    assert invented.n_queries == target.n_queries_
    # A corner is one record in 4,096: drawing alone takes 60 * 4,096 queries.
    assert invented.n_queries < 60 * 200


def test_a_region_without_a_slope_is_found_by_drawing():
    box = synthesize(in_the_box, 200, [(0.0, 1.0)] * 2, classes=[0, 1], random_state=0)
    inside = in_the_box(box.X)[:, 1] == 1
    np.testing.assert_array_equal(inside, box.y == 1)
    # One record in a hundred for class 1 at first, nearly the first one for class 0; a chain that
    # has found half of the way keeps that half.
    assert 100 * 20 < box.n_queries < 100 * 150


def test_records_are_returned_with_the_probability_of_their_class():
    """The target answers .6 whatever it is asked: a chain ends at each query with .6."""
    constant = lambda X: np.tile([0.6, 0.4], (len(X), 1))  # noqa: E731
    shares = {"a": 1.0}
    target = FunctionTarget(constant, ["a", "b"])
    invented = synthesize(target, 4000, BITS, class_shares=shares, random_state=0)
    assert set(invented.y) == {"a"}
    # Geometric with mean 1 / .6 and standard deviation sqrt(.4) / .6: six standard errors.
    error = np.sqrt(0.4) / 0.6 / np.sqrt(4000)
    assert invented.n_queries / 4000 == pytest.approx(1 / 0.6, abs=6 * error)


def test_nothing_where_the_target_is_never_sure():
    target = DummyClassifier(strategy="uniform", random_state=0).fit([[0], [1]], [0, 1])
    with pytest.warns(UserWarning, match=r"0 of 10 records were invented: iter_max ended"):
        invented = synthesize(target, 10, [(0.0, 1.0)], conf_min=0.5, iter_max=7, random_state=0)
    assert invented.X.shape == (0, 1) and len(invented.y) == 0
    assert invented.success == 0 and not invented.complete
    # Each chain of ten began twice and asked seven times.
    assert invented.n_queries == 10 * 2 * 7


def test_a_class_that_is_never_the_answer_is_named():
    with pytest.warns(UserWarning, match="5 of 10 .* class 'never', of which 0"):
        invented = synthesize(
            FunctionTarget(lambda X: np.tile([1.0, 0.0], (len(X), 1)), ["always", "never"]),
            10,
            BITS,
            iter_max=5,
            n_starts=3,
            random_state=0,
        )
    assert invented.y.tolist() == ["always"] * 5
    assert invented.n_queries == 5 + 5 * 3 * 5
    assert invented.success == 5 / (5 + 15)


def test_rejects_halve_the_number_of_features_drawn_anew():
    rng = np.random.RandomState(0)
    source = RecordSource(rng.uniform(size=(50, 16)))
    rules = Rules(conf_min=0.2, k_max=9, k_min=2, rej_max=1, iter_max=100, n_starts=1)
    chains = Chains(source, np.array([0]), rules, rng)
    worse = np.log([[0.05, 0.95]])
    chains.step(np.log([[0.1, 0.9]]))
    kept, changed = chains.kept.copy(), []
    for _ in range(9):
        changed.append(int((chains.candidate != kept).sum()))
        chains.step(worse)
    # Ranges of 50 values: a draw is the old one in one case of 50.
    for number, most in zip(changed, [9, 9, 5, 5, 3, 3, 2, 2, 2], strict=True):
        assert most - 2 <= number <= most
    np.testing.assert_array_equal(chains.kept, kept)
    # What is accepted is kept, and ends the row of rejects, but the number stays.
    candidate = chains.candidate.copy()
    chains.step(np.log([[0.15, 0.85]]))
    np.testing.assert_array_equal(chains.kept, candidate)
    assert (chains.candidate != candidate).sum() <= 2


def test_indicators_of_one_category_are_drawn_together():
    rng = np.random.default_rng(0)
    X = np.hstack([np.eye(4)[rng.integers(4, size=300)], np.eye(3)[rng.integers(3, size=300)]])
    target = LogisticRegression().fit(X, X[:, 0] + X[:, 4])
    for draw in ("uniform", "marginals"):
        invented = synthesize(target, 90, X, draw=draw, random_state=0).X
        assert (invented[:, :4].sum(axis=1) == 1).all()
        assert (invented[:, 4:].sum(axis=1) == 1).all()


def test_chains_in_parts_find_as_much(monkeypatch):
    monkeypatch.setattr("mia_sklearn._synthesis._climb._MOST_AT_A_TIME", 12 * 7)
    invented = synthesize(sure_of_the_corner, 30, BITS, classes=[0, 1], random_state=0)
    assert invented.complete
    assert np.bincount(invented.y).tolist() == [15, 15]


# What the attacker knows of the features


def test_frames_come_out_as_they_went_in(people, pipeline):
    X, y = people
    options = [
        {},
        {"y": y},
        {"draw": "marginals"},
        {"method": "marginals"},
        {"method": "marginals", "y": y},
        {"method": "noisy"},
        {"method": "noisy", "y": y},
    ]
    for more in options:
        invented = synthesize(pipeline, 50, X, random_state=0, **more)
        assert invented.X.dtypes.equals(X.dtypes), more
        assert list(invented.X.columns) == list(X.columns)
        assert len(invented.X) == len(invented.y) == 50
        assert set(invented.y) == {"no", "yes"}
        assert invented.X["age"].between(18, 80).all()
        assert set(invented.X["sex"]) == {"f", "m"}


def test_what_is_drawn_from_columns_keeps_missing_values(people):
    X = people[0].astype({"age": float}).copy()
    X.loc[::2, "age"] = np.nan
    target = FunctionTarget(lambda X: np.full((len(X), 2), 0.5), [0, 1])
    drawn = synthesize(target, 400, X, method="marginals", random_state=0).X
    assert 0.35 < drawn["age"].isna().mean() < 0.65


def test_marginals_keep_shares_and_lose_links():
    rng = np.random.default_rng(0)
    first = rng.random(2000) < 0.2
    X = np.stack([first, first, rng.integers(30, size=2000)], axis=1).astype(int)
    target = FunctionTarget(lambda X: np.tile([0.3, 0.7], (len(X), 1)), ["a", "b"])
    invented = synthesize(target, 4000, X, method="marginals", random_state=0)
    assert invented.n_queries == 4000 and invented.X.dtype == X.dtype
    np.testing.assert_allclose(invented.X.mean(axis=0), X.mean(axis=0), rtol=0.1)
    assert abs(np.corrcoef(invented.X[:, 0], invented.X[:, 1])[0, 1]) < 0.06
    # Labels are drawn from the posterior, or are its most probable class.
    assert (invented.y == "b").mean() == pytest.approx(0.7, abs=0.04)
    predicted = synthesize(target, 100, X, method="marginals", labels="predicted", random_state=0)
    assert set(predicted.y) == {"b"}


def test_marginals_are_drawn_until_the_shares_are_there():
    shares = {1: 1, 0: 3}
    options = {"method": "marginals", "classes": [0, 1], "class_shares": shares, "random_state": 0}
    square = [(0.0, 1.0)] * 2
    invented = synthesize(in_the_box, 200, square, **options)
    assert np.bincount(invented.y).tolist() == [150, 50]
    np.testing.assert_array_equal(in_the_box(invented.X)[:, 1], invented.y)
    # One record in a hundred: each of the fifty takes a hundred draws or so.
    assert 50 * 60 < invented.n_queries < 50 * 160
    with pytest.warns(UserWarning, match="class 1, of which 1 were found"):
        part = synthesize(in_the_box, 200, square, iter_max=1, **options)
    assert part.n_queries == 200 and not part.complete
    assert len(part.X) == len(part.y) > 150
    with pytest.warns(UserWarning, match="budget"):
        part = synthesize(in_the_box, 200, square, query_budget=500, **options)
    assert part.n_queries == 500 and not part.complete


def test_marginals_of_each_class_need_no_query(people, pipeline):
    X, _ = people
    y = np.where(X["sex"] == "m", "yes", "no")
    for more in ({}, {"class_shares": {"no": 1, "yes": 3}}):
        invented = synthesize(pipeline, 200, X, y=y, method="marginals", random_state=0, **more)
        assert invented.n_queries == 0
        np.testing.assert_array_equal(invented.X["sex"] == "m", invented.y == "yes")
    assert (invented.y == "yes").sum() == 150


def test_noise_changes_the_share_asked_for():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(2, size=(500, 20)), rng.normal(size=(500, 20))])
    y = rng.integers(2, size=500)
    target = FunctionTarget(lambda X: np.full((len(X), 2), 0.5), [0, 1])
    same = synthesize(target, 500, X, y=y, method="noisy", share_changed=0.0, random_state=0)
    order = np.lexsort(X.T)
    own = np.lexsort(same.X.T)
    np.testing.assert_array_equal(same.X[own], X[order])
    np.testing.assert_array_equal(same.y[own], y[order])
    # The same seed takes the same records.
    noisy = synthesize(target, 500, X, y=y, method="noisy", share_changed=0.2, random_state=0)
    np.testing.assert_array_equal(noisy.y, same.y)
    changed = noisy.X != same.X
    assert changed[:, :20].mean() == pytest.approx(0.2, abs=0.02)
    assert changed[:, 20:].mean() == pytest.approx(0.2, abs=0.02)
    assert np.isin(noisy.X[:, 20:], X[:, 20:]).all()
    flipped = synthesize(target, 500, X, y=y, method="noisy", share_changed=1.0, random_state=0)
    np.testing.assert_array_equal(flipped.X[:, :20], 1 - same.X[:, :20])


def test_descriptions_make_tables():
    target = FunctionTarget(lambda X: np.full((len(X), 2), 0.5), [0, 1])
    known = {"age": (18, 80), "income": (-1.5, 2.5), "sex": ["f", "m"], "flag": {True, False}}
    frame = synthesize(target, 200, known, method="marginals", random_state=0).X
    assert frame["age"].dtype.kind == "i" and frame["age"].between(18, 80).all()
    assert frame["income"].between(-1.5, 2.5).all() and frame["income"].nunique() > 150
    assert set(frame["sex"]) == {"f", "m"} and frame["flag"].dtype == bool
    array = synthesize(target, 200, [(0, 3), [0.5, 0.7]], method="marginals", random_state=0).X
    assert set(array[:, 0]) == {0, 1, 2, 3} and set(array[:, 1]) == {0.5, 0.7}


def test_chains_start_from_a_function_s_own_records():
    def twins(n, random_state):
        return np.repeat(random_state.uniform(size=(n, 1)), 2, axis=1)

    target = FunctionTarget(lambda X: np.tile([1.0, 0.0], (len(X), 1)), [0, 1])
    invented = synthesize(target, 20, twins, class_shares={0: 1}, random_state=0)
    assert invented.n_queries == 20
    np.testing.assert_array_equal(invented.X[:, 0], invented.X[:, 1])


def test_images_keep_their_shape():
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(60, 1, 3, 4)).astype(np.float32)
    target = FunctionTarget(lambda X: sure_of_the_corner(X.reshape(len(X), -1)), [0, 1])
    for method in ("hill-climbing", "marginals", "noisy"):
        invented = synthesize(target, 10, images, method=method, random_state=0).X
        assert invented.shape == (10, 1, 3, 4) and invented.dtype == np.float32


# Seeds, budgets, reference models


@pytest.mark.parametrize("method", ["hill-climbing", "marginals", "noisy"])
def test_same_seed_same_records(people, pipeline, method):
    X, _ = people
    one, same, other = (
        synthesize(pipeline, 40, X, method=method, random_state=seed) for seed in (3, 3, 4)
    )
    pd.testing.assert_frame_equal(one.X, same.X)
    np.testing.assert_array_equal(one.y, same.y)
    assert one.n_queries == same.n_queries
    assert not one.X.equals(other.X)


def test_budget_that_ends_midway_returns_what_was_reached():
    whole = synthesize(sure_of_the_corner, 60, BITS, classes=[0, 1], random_state=0)
    budget = whole.n_queries // 2
    with pytest.warns(UserWarning, match=r"of 60 records were invented: the query budget ended"):
        part = synthesize(
            sure_of_the_corner, 60, BITS, classes=[0, 1], query_budget=budget, random_state=0
        )
    assert part.n_queries == budget
    assert 0 < len(part.y) < 60 and not part.complete
    assert part.success < 1
    with pytest.warns(UserWarning, match="7 of 60"):
        part = synthesize(
            sure_of_the_corner,
            60,
            BITS,
            method="marginals",
            classes=[0, 1],
            query_budget=7,
            random_state=0,
        )
    assert part.X.shape == (7, 12) and part.n_queries == 7 and not part.complete


def test_budget_of_the_target_itself_is_kept():
    target = FunctionTarget(sure_of_the_corner, [0, 1], query_budget=50)
    target.predict_proba(np.zeros((30, 12)))
    with pytest.warns(UserWarning, match="budget"):
        assert synthesize(target, 60, BITS, query_budget=1000, random_state=0).n_queries == 20
    with pytest.warns(UserWarning, match="0 of 60"):
        nothing = synthesize(target, 60, BITS, random_state=0)
    assert nothing.X.shape == (0, 12) and nothing.success == 0 and not nothing.complete


def test_budget_counts_for_any_model(people, pipeline):
    with pytest.warns(UserWarning, match="budget"):
        invented = synthesize(pipeline, 40, people[0], query_budget=30, random_state=0)
    assert invented.n_queries == 30


@pytest.mark.parametrize("leaks", [True, False])
def test_reference_models_train_on_them(leaks):
    """A tree knows its records by heart, odd labels included; one of other records knows none."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(900, 3))
    y = (rng.random(900) < np.where(X[:, 0] > 0.5, 0.8, 0.2)).astype(int)
    pool, member = slice(600), np.arange(600) < 300
    trained = slice(300) if leaks else slice(600, 900)
    model = DecisionTreeClassifier(random_state=0).fit(X[trained], y[trained])
    invented = synthesize(model, 900, [(0.0, 1.0)] * 3, random_state=0)
    references = ReferenceModels(
        DecisionTreeClassifier(), n_models=4, train_size=300, random_state=0
    ).fit(X[pool], y[pool], population=(invented.X, invented.y))
    observations = observe(model, X[pool], y[pool], references=references)
    attack = ShadowAttack(random_state=0).fit(*references.shadow_observations(random_state=0))
    found = roc_auc(member, attack.decision_function(observations))
    # The tree is right about all members and 68 % of the others: AUC .66 at least.
    assert found.low > 0.6 if leaks else found.low < 0.5 < found.high


def test_nets_are_targets():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    torch.manual_seed(0)
    X, y = load_iris(return_X_y=True)
    X, y = X[:100], y[:100]
    net = skorch.NeuralNetClassifier(
        torch.nn.Linear,
        module__in_features=4,
        module__out_features=2,
        criterion=torch.nn.CrossEntropyLoss,
        train_split=None,
        max_epochs=20,
        verbose=0,
    ).fit(X.astype(np.float32), y)
    invented = synthesize(net, 30, X.astype(np.float32), random_state=0)
    assert invented.X.dtype == np.float32
    np.testing.assert_array_equal(net.predict(invented.X), invented.y)


# Bad input


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (sparse.eye(3, format="csr"), "sampler is sparse"),
        (np.empty((0, 3)), "holds no records"),
        (np.empty((3, 0)), "has no features"),
        (np.zeros(3), "sampler must be a table"),
        ([], "describes no feature"),
        ({"age": "old"}, "feature 'age', got 'old'"),
        ({"age": 3}, "feature 'age', got 3"),
        ({"age": []}, "no value for feature 'age'"),
        ([(0, 1), (1, 2, 3)], "range of feature 1 as two numbers"),
        ([("a", "b")], "range of feature 0 as two numbers"),
        ([(2, 1)], "feature 0 a range from 2 to 1"),
        ([(0, np.inf)], "feature 0 a range from 0 to inf"),
        ([(np.nan, 1.0)], "feature 0 a range from nan"),
        (lambda n, random_state: np.zeros(n), "sampler must be a table"),
    ],
)
def test_bad_samplers(sampler, message):
    with pytest.raises(ValueError, match=message):
        synthesize(sure_of_the_corner, 5, sampler, classes=[0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "'n' parameter of synthesize"),
        ({"method": "guess"}, "'method' parameter"),
        ({"conf_min": 1.0}, "'conf_min' parameter"),
        ({"k_max": 0}, "'k_max' parameter"),
        ({"k_max": 2, "k_min": 3}, "k_min"),
        ({"rej_max": -1}, "'rej_max' parameter"),
        ({"iter_max": 0}, "'iter_max' parameter"),
        ({"share_changed": 1.5}, "'share_changed' parameter"),
        ({"query_budget": 0}, "'query_budget' parameter"),
        ({"random_state": "a"}, "'random_state' parameter"),
        ({"class_shares": [1, 2]}, "'class_shares' parameter"),
        ({"class_shares": {"x": 1}}, "names 'x', which the target does not know"),
        ({"class_shares": {0: -1, 1: 2}}, "at least 0"),
        ({"class_shares": {0: 0.0}}, "not all of them 0"),
        ({"class_shares": {0: 1}, "method": "noisy"}, "not for noisy records"),
        ({"draw": "uniform", "method": "noisy"}, "draw= is for"),
        ({"draw": "uniform", "y": np.arange(8) % 2}, "drop y"),
        ({"y": np.arange(7) % 2}, "one row per record, got 8 and 7"),
        ({"y": np.arange(8)}, "labels that the model does not know: 2"),
        ({"y": np.zeros(8, int), "class_shares": {0: 1, 1: 1}}, "no record of class 1"),
        ({"sampler": BITS, "y": np.zeros(8)}, "y labels the records of a table"),
        ({"sampler": BITS, "method": "noisy"}, 'method="noisy" changes the records of a table'),
        ({"target": DecisionTreeClassifier()}, "not fitted"),
        ({"target": 3}, "fitted classifier or a function"),
        ({"target": sure_of_the_corner}, "needs classes="),
    ],
)
def test_bad_arguments(options, message):
    def never(X):
        raise AssertionError("the target was asked")

    usual = {
        "target": FunctionTarget(never, [0, 1]),
        "n": 5,
        "sampler": np.arange(8)[:, None] % [2, 3, 4],
    }
    with pytest.raises((ValueError, TypeError), match=message):
        synthesize(**{**usual, **options})


def test_answers_that_are_no_posteriors_are_refused():
    target = FunctionTarget(lambda X: np.full((len(X), 2), 0.9), [0, 1])
    with pytest.raises(ValueError, match="sum to 1"):
        synthesize(target, 5, BITS, random_state=0)
