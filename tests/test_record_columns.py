"""Columns of the record itself: known answers, copies and people, odd tables, what reads them."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn._audit._findings import FINDERS, _all
from mia_sklearn._observations import _record_columns, _record_features
from mia_sklearn._observations._record_columns import RECORD_COLUMNS, record_columns
from mia_sklearn.attacks import GroupAttack, LiRAAttack, RMIAAttack, ShadowAttack, StackedAttack
from mia_sklearn.metrics import roc_auc, tpr_at_fpr
from mia_sklearn.selection import _compare, _kept_rows


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(_record_columns, "_N_TREES", 20)


def columns_of(X, y, people=None, *, first=0, seed=0):
    values = record_columns(X, np.asarray(y), people, first=first, seed=seed).values
    assert values.dtype == np.float32
    return pd.DataFrame(
        values, columns=[name.removeprefix("difficulty_") for name in RECORD_COLUMNS]
    )


def table(n=60, n_classes=2, seed=0, n_features=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    return (X - X.mean(axis=0)) / X.std(axis=0), rng.integers(n_classes, size=n)


def test_neighbors_are_those_of_all_pairs():
    X, y = table(n_classes=3)
    far = cdist(X, X)
    np.fill_diagonal(far, np.inf)
    order = np.argsort(far, axis=1)[:, :20]
    near = np.take_along_axis(far, order, axis=1)
    same = y[order] == y[:, None]
    found = columns_of(X, y)
    for k in (1, 3, 5, 10, 20):
        np.testing.assert_allclose(found[f"same_{k}"], same[:, :k].mean(axis=1), atol=1e-6)
    for k in (1, 5, 20):
        np.testing.assert_allclose(found[f"distance_{k}"], near[:, k - 1], rtol=1e-4)
    for name, side in (("nearest_same", same), ("nearest_other", ~same)):
        expected = np.where(side, near, np.inf).min(axis=1)
        np.testing.assert_allclose(found[name].fillna(np.inf), expected, rtol=1e-4)
    np.testing.assert_allclose(found["density"], (same / (1 + near)).sum(axis=1), rtol=1e-4)


def test_trees_say_how_surely_a_label_is_told():
    X, y = table(200)
    y = (X[:, 0] > 0).astype(int)
    wrong = np.flatnonzero(X[:, 0] > 1)[:5]
    y[wrong] = 0
    found = columns_of(X, y)
    assert found["forest_1"].drop(wrong).mean() > 2
    assert found["forest_1"][wrong].max() < -1
    gap = found["forest_1"] - found["forest_20"]
    np.testing.assert_allclose(found["forest_gap"], gap, atol=1e-6)


def test_larger_nodes_answer_as_the_record_s_way_through_the_tree_has_them():
    X, y = table(80)
    tree = DecisionTreeClassifier(random_state=0).fit(X, y).tree_
    for size in (1, 5, 20):
        asked = _record_columns._large_enough(tree, size)
        path = DecisionTreeClassifier(random_state=0).fit(X, y).decision_path(X).toarray() > 0
        for leaf, way in zip(tree.apply(X.astype(np.float32)), path, strict=True):
            enough = np.flatnonzero(way & (tree.n_node_samples >= size))
            assert asked[leaf] == enough[np.argmin(tree.n_node_samples[enough])]


@pytest.mark.parametrize("whose", ["copies", "people"])
def test_no_tree_answers_for_who_it_has_learned_from(whose):
    """Labels are coins, one for each pair: who has seen the other half knows the coin."""
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(100, 4)), 2, axis=0)
    y = np.repeat(rng.integers(2, size=100), 2)
    people = None
    if whose == "people":
        X[1::2, 0] += 1e-3
        people = np.repeat(np.arange(100), 2)
    found = columns_of(X, y, people)
    assert abs(found["forest_1"].mean()) < 0.3
    if whose == "people":
        assert columns_of(X, y)["forest_1"].mean() > 1


def test_a_copy_of_another_person_s_record_is_one_too():
    X, _ = table(40)
    X = np.vstack([X, X])
    y = np.tile(np.random.default_rng(0).integers(2, size=40), 2)
    found = columns_of(X, y, np.arange(80))
    assert abs(found["forest_1"].mean()) < 0.6


def test_nothing_depends_on_the_order_of_records_or_how_many_are_looked_at_at_a_time(monkeypatch):
    X, y = table(90, 3)
    X[10:20] = X[:10]
    people = np.arange(90) // 2
    found = columns_of(X, y, people)
    order = np.random.default_rng(1).permutation(90)
    monkeypatch.setattr(
        _record_columns, "map_on_cores", lambda function, items: [*map(function, items)]
    )
    monkeypatch.setattr(_record_columns, "_QUERIES_IN_TURN", 7)
    monkeypatch.setattr(_record_columns, "_RECORDS_IN_TURN", 37)
    again = columns_of(X[order], y[order], people[order])
    expected = found.iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, expected, check_exact=True)
    other = columns_of(X, y, people, seed=1)
    assert not other["forest_1"].equals(found["forest_1"])
    assert other["same_5"].equals(found["same_5"])


def test_of_many_records_some_are_compared_with_all_others(monkeypatch):
    X, y = table(300)
    y = (X[:, 0] > 0).astype(int)
    whole = columns_of(X, y)
    monkeypatch.setattr(_record_columns, "_MOST_COMPARED", 100)
    few = columns_of(X, y)
    assert few.notna().all().drop(["nearest_same", "nearest_other"]).all()
    assert few["distance_5"].mean() > 1.2 * whole["distance_5"].mean()
    assert few["forest_1"].mean() > 1.5
    monkeypatch.setattr(_record_features, "_MOST_VALUES", 300)
    assert record_columns(X, y, None, first=0, seed=0).values is None


def test_records_of_a_pool_are_compared_with_the_population_alone():
    X, y = table(120)
    y = (X[:, 0] > 0).astype(int)
    y[:60] = 1 - y[:60]
    found = columns_of(X, y, first=60)
    assert found["forest_1"][:60].max() < 1
    assert found["forest_1"][:60].mean() < -1
    assert found["same_20"][:60].mean() < 0.4
    X[1:60] += 0.001
    moved = columns_of(X, y, first=60)
    assert found.iloc[0, :11].equals(moved.iloc[0, :11])


ODD = {
    "two records": (np.zeros((2, 1)), [0, 1]),
    "one feature": (np.arange(30.0)[:, None] % 3, np.arange(30) % 2),
    "constant": (np.ones((30, 2)), np.arange(30) % 2),
    "missing": (np.full((30, 2), np.nan), np.arange(30) % 2),
    "infinite": (np.where(np.arange(60).reshape(30, 2) % 7, 1.0, np.inf), np.arange(30) % 2),
    "rare class": (table(40)[0], np.arange(40) < 2),
    "a hundred classes": (table(250)[0], np.arange(250) % 100),
    "one class": (table(30)[0], np.zeros(30)),
    "unknown labels": (table(30)[0], np.arange(30) % 3 - 1),
    "sparse": (sparse.random(40, 30, 0.2, format="csr", random_state=0), np.arange(40) % 2),
    "categories": (
        pd.DataFrame({"a": list("xyzw") * 10, "b": np.arange(40.0), "c": [None, 1] * 20}),
        np.arange(40) % 2,
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tables(name):
    X, y = ODD[name]
    found = columns_of(X, np.asarray(y).astype(int))
    assert np.isinf(found.to_numpy()).sum() == 0
    assert found["same_1"].between(0, 1).all()
    assert len(found) == len(y)


@pytest.mark.parametrize(
    "X",
    [
        pd.Series(["a text", "and another one"] * 10),
        np.zeros((20, 4, 4)),
        pd.DataFrame({"said": [f"a text {k}" for k in range(20)]}),
        np.full((4, 1025), "a", dtype=object),
    ],
    ids=["texts", "images", "frame of texts", "wide, no numbers"],
)
def test_what_has_no_distances_is_left_out(X, caplog):
    with caplog.at_level("INFO", "mia_sklearn"):
        assert record_columns(X, np.arange(len(X)) % 2, None, first=0, seed=0).values is None
    assert "left out" in caplog.text


def test_texts_have_no_part_in_what_others_say():
    said = [f"a text {k}" for k in range(30)]
    X, y = table(30)
    frame = pd.DataFrame(X).add_prefix("x")
    beside = columns_of(frame.assign(said=said), y)
    assert beside.drop(columns=list(beside.filter(like="forest"))).equals(
        columns_of(frame, y).drop(columns=list(beside.filter(like="forest")))
    )


@pytest.fixture(scope="module")
def seen():
    X, y = load_iris(return_X_y=True)
    references = ReferenceModels(DecisionTreeClassifier(), 4, random_state=0).fit(X, y)
    model = DecisionTreeClassifier(random_state=0).fit(X[::3], y[::3])
    return references, observe(model, X, y, references=references), (model, X, y)


def test_target_and_references_have_the_same_columns(seen):
    references, observed, (model, X, y) = seen
    shadow, _ = references.shadow_observations()
    assert list(shadow) == list(observed)
    names = list(RECORD_COLUMNS)
    assert list(observed)[-len(names) :] == names
    own = observed[names].loc[shadow.index.get_level_values("row")].to_numpy()
    np.testing.assert_array_equal(shadow[names].to_numpy(), own)
    some = observe(model, X[40:60], y[40:60], references=references)
    np.testing.assert_array_equal(some[names], observed[names].iloc[40:60])
    bare = observe(model, X, y, references=references, record_columns=False)
    assert not set(names) & set(bare)
    assert list(references.shadow_observations(record_columns=False)[0]) == list(bare)
    assert list(observe(model, X, y, references=references, features=True, record_columns=False))[
        : len(bare.columns)
    ] == list(bare)


@pytest.mark.parametrize(
    "attack",
    [
        StackedAttack(record_columns=False, random_state=0),
        GroupAttack(LiRAAttack(), random_state=0),
        LiRAAttack(),
        RMIAAttack(),
        ShadowAttack(random_state=0),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_who_does_not_read_them_answers_as_without(seen, attack):
    references, observed, _ = seen
    shadow, member = references.shadow_observations(200, 0)
    attack.fit(shadow, member)
    scores = attack.decision_function(observed)
    bare = [frame.drop(columns=list(RECORD_COLUMNS)) for frame in (shadow, observed)]
    np.testing.assert_array_equal(attack.fit(bare[0], member).decision_function(bare[1]), scores)


def test_the_stacked_attack_reads_them_where_there_are_some(seen):
    references, observed, _ = seen
    shadow, member = references.shadow_observations(200, 0)
    attack = StackedAttack(random_state=0).fit(shadow, member)
    assert set(RECORD_COLUMNS) <= set(attack.feature_names_in_) & set(attack.feature_names_)
    with pytest.raises(ValueError, match="difficulty_same_1"):
        attack.decision_function(observed.drop(columns=list(RECORD_COLUMNS)))
    bare = shadow.drop(columns=list(RECORD_COLUMNS))
    fitted = StackedAttack(random_state=0).fit(bare, member)
    assert not any("difficulty" in name for name in fitted.feature_names_)
    without = StackedAttack(record_columns=False, random_state=0).fit(shadow, member)
    np.testing.assert_array_equal(
        fitted.decision_function(observed), without.decision_function(observed)
    )


def test_an_audit_computes_them_for_those_who_read_them(seen, monkeypatch):
    _, _, (model, X, y) = seen
    asked = []
    kept = ReferenceModels.record_columns
    monkeypatch.setattr(
        ReferenceModels, "record_columns", lambda self: asked.append(1) or kept(self)
    )
    options = {"n_references": 4, "random_state": 0, "progress": False}
    halves = (X[::3], y[::3], X[1::3], y[1::3])
    audit(model, *halves, attacks=["lira"], **options)
    assert not asked
    audit(model, *halves, attacks=["stacked"], **options)
    assert asked


def test_models_that_answer_numbers_and_generators_have_none():
    X, _ = table(40)
    references = ReferenceModels(LogisticRegression(), 2, random_state=0).fit(X, np.arange(40) % 2)
    assert references.record_columns() is references.record_columns()
    from sklearn.linear_model import Ridge

    references = ReferenceModels(Ridge(), 4, random_state=0).fit(X, X[:, 0])
    assert references.record_columns() is None
    assert not references.shadow_observations()[0].filter(like="difficulty").size


@pytest.mark.slow
@pytest.mark.parametrize("n_references", [4, 8])
def test_who_was_not_trained_on_is_no_member_whatever_breaks_the_ties(n_references):
    """The target has seen other records: scores of trees tie, and these columns break the ties."""
    rng = np.random.default_rng(n_references)
    right, rates = [], []
    for seed in range(10):
        X = np.round(rng.normal(size=(1600, 4)), 1)
        y = (X[:, 0] + rng.normal(size=1600) > 0).astype(int)
        target = DecisionTreeClassifier(random_state=seed).fit(X[800:], y[800:])
        references = ReferenceModels(DecisionTreeClassifier(), n_references, random_state=seed)
        references.fit(X[:800], y[:800])
        attack = StackedAttack(random_state=seed).fit(*references.shadow_observations())
        score = attack.decision_function(observe(target, X[:800], y[:800], references=references))
        # Those whom the target gets wrong are no members, all alike.
        assert len(np.unique(score)) > 350
        for _ in range(20):
            member = rng.permutation(800) < 400
            auc = roc_auc(member, score)
            right.append(auc.low <= 0.5 <= auc.high)
            rates.append([tpr_at_fpr(member, score, fpr).value for fpr in (0.01, 0.1)])
    assert np.mean(right) > 0.92
    # Above the fifth largest of 400 others, and above the 41st.
    np.testing.assert_allclose(np.mean(rates, axis=0), [5 / 401, 41 / 401], rtol=0.15)


def test_columns_of_the_same_records_are_computed_once_where_many_models_are_attacked():
    X, y = table(40)
    with _record_columns.computed_once():
        found = [
            _record_columns.record_columns(X.copy(), labels, None, first=0, seed=seed)
            for labels, seed in ((y, 1), (y.copy(), 1), (1 - y, 1), (y, 2))
        ]
    assert found[0] is found[1]
    assert len({id(each) for each in found}) == 3
    alone = _record_columns.record_columns(X, y, None, first=0, seed=1)
    assert alone is not found[0]
    assert alone.values.tobytes() == found[0].values.tobytes()


def test_a_comparison_computes_them_once_and_looks_for_one_finding(monkeypatch):
    def measure(*given):
        kept.append(_record_columns._KEPT.get())
        found = [code for code in (each.code for each in FINDERS) if code in _all._SOUGHT.get()]
        assert found == ["LOST_REFERENCES"]
        return _kept_rows.Measured({"fit_time": 1.0, "predict_time": 1.0}, "lira", ["lira"])

    kept: list = []
    monkeypatch.setattr(_compare, "_measure", measure)
    X, y = table(40)
    trees = {name: DecisionTreeClassifier() for name in "ab"}
    with suppress(KeyError):  # Of columns that nothing was measured for.
        _compare.compare_defenses(trees, X, y, n_references=4, progress=False)
    assert kept[0] is not None and kept[0] is kept[1]
    assert _record_columns._KEPT.get() is None and _all._SOUGHT.get() is None
