"""Indirect inference: queries that are not the record, and what they tell."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn.attacks import EnhancingRecords, IndirectGMIAAttack
from mia_sklearn.metrics import roc_auc

SMALL = {"n_references": 12, "n_candidates": 200, "n_clusters": 20, "random_state": 0}


@parametrize_with_checks([EnhancingRecords(LogisticRegression(), n_references=2)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def records():
    """Two classes, and first a record of class 1 deep inside class 0, alone in its corner."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 3)) + np.repeat([[2, 0, 0], [-2, 0, 0]], 120, axis=0)
    y = np.repeat([0, 1], 120)
    X[0], y[0] = [3.0, 9.0, 9.0], 1
    order = np.r_[0, 1 + rng.permutation(239)]
    return X[order].astype(np.float32), y[order]


@pytest.fixture(scope="module")
def searched(records):
    X, y = records
    search = EnhancingRecords(LogisticRegression(C=10), theta=0.8, **SMALL).fit(X[120:], y[120:])
    return search, search.search(X[:2], y[:2])


def test_queries_carry_the_records_influence(searched):
    search, (found, other) = searched
    assert len(found) > 0
    assert (found.influence > 0.8).all()
    assert found.best_influence == 1
    # Its own posterior rises in every reference.
    assert (found.in_record > found.out_record).all()
    assert found.out_signal.shape == found.in_signal.shape == (len(found), 12)
    assert search.candidates_ == "uniform"
    assert not found.optimized.any()
    # A record amid many like it pulls less.
    assert (found.in_record - found.out_record).mean() > 5 * abs(
        (other.in_record - other.out_record).mean()
    )


def test_influence_is_what_its_definition_says(records, searched):
    """Refit one reference by hand: with the record its posterior at the queries rises as told."""
    X, y = records
    search, (found, _) = searched
    inside, outside = search._models.with_record(X[:1], int(y[0]), epochs=1)
    gains = [
        one.predict_proba(found.queries)[:, 1] > other.predict_proba(found.queries)[:, 1]
        for one, other in zip(inside.models, outside.models, strict=True)
    ]
    np.testing.assert_allclose(np.mean(gains, axis=0), found.influence)
    rows = search._models.rows[0]
    by_hand = clone(outside.models[0]).fit(
        np.vstack([X[120:][rows], X[:1]]), np.append(y[120:][rows], y[0])
    )
    np.testing.assert_allclose(
        by_hand.predict_proba(X[:9]), inside.models[0].predict_proba(X[:9]), atol=1e-6
    )


class Watched:
    """A target that raises when it is asked about a record."""

    def __init__(self, model, record):
        self.model, self.record, self.classes_ = model, record, model.classes_

    def predict_proba(self, X):
        if (np.asarray(X) == self.record).all(axis=1).any():
            raise AssertionError("asked about the record")
        return self.model.predict_proba(X)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_the_record_is_never_asked_about_and_yet_found(records, searched):
    X, y = records
    search, found = searched
    attack = IndirectGMIAAttack().fit(*search.shadow_observations(found))
    rng = np.random.default_rng(1)
    p_values = {True: [], False: []}
    for member in (True, False):
        for _ in range(10):
            rows = rng.choice(np.arange(2, 120), size=60, replace=False)
            rows = np.r_[0, rows] if member else rows
            target = LogisticRegression(C=10).fit(X[rows], y[rows])
            seen = search.observe(Watched(target, X[0]), found[:1])
            p_values[member].append(attack.p_values(seen)[0])
    # One of twelve references may be beaten by chance.
    assert np.mean(p_values[True]) < 0.2
    assert np.mean(p_values[False]) > 0.3


def test_shadow_observations_hide_the_acting_reference(searched):
    search, found = searched
    table, member = search.shadow_observations(found)
    assert len(table) == 2 * 2 * 12
    assert member.mean() == 0.5
    assert table.index.names == ["model", "row"]
    # Not `loc`, which warns in some versions of pandas where an index is not sorted.
    models, rows = (table.index.get_level_values(name) for name in ("model", "row"))
    acting = table[(models == 3) & (rows == 0)].iloc[0]
    assert np.isnan(acting["enhancing_0_out_3"])
    assert np.isfinite(acting["enhancing_0_out_4"])
    assert acting["enhancing_0"] == found[0].out_signal[0, 3]
    for combine in ("rank", "kost"):
        attack = IndirectGMIAAttack(combine=combine).fit(table, member)
        own = table.index.get_level_values("row") == 0
        scores = attack.decision_function(table)
        assert roc_auc(member[own], scores[own]).value > 0.85
        assert ((attack.p_values(table) > 0) & (attack.p_values(table) <= 1)).all()


def test_null_p_values_of_shadow_rows_hold(searched):
    """References without the record, acting as targets, rank evenly among the others."""
    search, found = searched
    table, member = search.shadow_observations(found[:1])
    attack = IndirectGMIAAttack().fit(table, member)
    p = np.sort(attack.p_values(table)[member == 0])
    np.testing.assert_allclose(p, np.arange(1, 13) / 12)


def test_nothing_found_says_how_far_it_came(records):
    X, y = records
    search = EnhancingRecords(RandomForestClassifier(5), theta=0.99, **SMALL)
    found = search.fit(X[120:], y[120:]).search(X[1:2], y[1:2])
    assert len(found[0]) == 0
    assert "no candidate has an influence above theta=0.99; the best is" in found[0].note
    assert "RandomForestClassifier has no gradients" in found[0].note
    seen = search.observe(search._models.models[0], found)
    attack = IndirectGMIAAttack().fit(*search.shadow_observations(found))
    assert attack.p_values(seen).tolist() == [1]


def test_frames_with_categories():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(20, 70, 200), "job": rng.choice(list("abc"), 200)})
    y = np.where(frame["job"] == "a", "yes", "no")
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough"
        ),
        LogisticRegression(max_iter=1000),
    )
    search = EnhancingRecords(model, theta=0.6, **SMALL).fit(frame[100:], y[100:])
    odd = pd.DataFrame({"age": [69], "job": ["a"]})
    (found,) = search.search(odd, ["no"])
    assert len(found) > 0
    assert list(found.queries.columns) == ["age", "job"]
    assert not ((found.queries["age"] == 69) & (found.queries["job"] == "a")).any()
    target = clone(model).fit(frame[:100], y[:100])
    seen = search.observe(target, [found])
    assert seen.shape == (1, 20 * 13)
    assert np.isfinite(seen.to_numpy()).sum() == len(found) * 13


def test_same_seed_same_queries_whatever_the_cores(records):
    X, y = records
    several = []
    for n_jobs in (1, 2):
        search = EnhancingRecords(RandomForestClassifier(5), theta=0.5, n_jobs=n_jobs, **SMALL).fit(
            X[120:], y[120:]
        )
        several.append(search.search(X[:1], y[:1])[0])
    np.testing.assert_array_equal(several[0].queries, several[1].queries)
    np.testing.assert_array_equal(several[0].in_signal, several[1].in_signal)


def test_bad_input_is_named_before_anything_is_trained(records):
    X, y = records
    for params, name in (
        ({"theta": 1.0}, "theta"),
        ({"n_references": 1}, "n_references"),
        ({"n_clusters": 0}, "n_clusters"),
        ({"candidates": "all"}, "candidates"),
        ({"margin": 0}, "margin"),
        ({"noise": 0}, "noise"),
    ):
        with pytest.raises(ValueError, match=name):
            EnhancingRecords(LogisticRegression(), **{**SMALL, **params}).fit(X, y)
    with pytest.raises(ValueError, match="Column 1 holds missing"):
        EnhancingRecords(LogisticRegression(), **SMALL).fit(np.array([[1, np.nan]] * 9), y[:9])


def test_bad_records_are_named(records, searched):
    X, y = records
    search, found = searched
    with pytest.raises(ValueError, match=r"label 7 in row 1, which none of the references"):
        search.search(X[:2], [1, 7])
    with pytest.raises(ValueError, match=r"Row 1 of X is among the records"):
        search.search(X[[0, 130]], y[[0, 130]])
    with pytest.raises(ValueError, match="same features"):
        search.search(X[:1, :2], y[:1])
    one_class = LogisticRegression().fit(X[:40], np.where(np.arange(40) < 20, 0, 5))
    with pytest.raises(ValueError, match="label 1, which the target does not know"):
        search.observe(one_class, found)


def test_the_attack_says_what_observations_lack():
    table = pd.DataFrame({"enhancing_0": [0.0, 1.0], "enhancing_0_out_0": [0.0, 0.1]})
    table["enhancing_1"] = 0.0
    with pytest.raises(ValueError, match="every query needs the same references"):
        IndirectGMIAAttack().fit(table, [0, 1])
    with pytest.raises(ValueError, match="EnhancingRecords"):
        IndirectGMIAAttack().fit(table[["enhancing_0"]], [0, 1])


# Networks: updated all at once, and queries moved along gradients.

torch = pytest.importorskip("torch")


def network(**options):
    from skorch import NeuralNetClassifier

    from nets import Dense

    return NeuralNetClassifier(
        Dense,
        module__n_features=3,
        module__n_outputs=2,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=20,
        batch_size=16,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
        **options,
    )


@pytest.fixture(scope="module")
def nets(records):
    X, y = records
    return EnhancingRecords(network(), theta=0.8, **SMALL).fit(X[120:], y[120:])


def test_networks_learn_the_record_and_nothing_else_differs(records, nets):
    X, y = records
    inside, outside = nets._models.with_record(X[:1], int(y[0]), epochs=1)
    own = [np.exp(side.log_posteriors(X[:1])[:, 0, 1]) for side in (inside, outside)]
    assert (own[0] > own[1]).all()
    # The references themselves stay as they were.
    again, _ = nets._models.with_record(X[:1], int(y[0]), epochs=1)
    np.testing.assert_array_equal(again.log_posteriors(X[:9]), inside.log_posteriors(X[:9]))
    # Updated with one of its own records in place of the record, a network hardly moves.
    before = nets._models.log_posteriors(X[120:])
    moved = np.abs(np.exp(outside.log_posteriors(X[120:])) - np.exp(before)).mean()
    assert moved < 0.1


def test_an_update_is_a_step_of_skorch(records):
    """One epoch with the record in every batch, done by hand for one network."""
    X, y = records
    search = EnhancingRecords(
        network(iterator_train__drop_last=False), theta=0.8, **{**SMALL, "n_references": 2}
    ).fit(X[120:], y[120:])
    kept = search._models
    rows, chunk = kept.chunks[0]
    inside, _ = kept.with_record(X[:1], int(y[0]), epochs=1)
    from mia_sklearn.torch._training._chunks import shuffled

    twin = chunk.twin()
    order = rows[0][shuffled(rows.shape[1], twin.generators[0]).numpy()]
    weights = [value[0].detach().clone().requires_grad_() for value in twin.parameters.values()]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    optimizer.load_state_dict(_of_one(chunk.optimizer.state_dict(), 0))
    table, labels = X[120:], y[120:]
    for start in range(0, len(order), 16):
        part = order[start : start + 16]
        batch = torch.as_tensor(np.vstack([table[part], X[:1]]))
        classes = torch.as_tensor(np.append(labels[part], y[0]))
        named = dict(zip(twin.parameters, weights, strict=True))
        output = torch.func.functional_call(kept.ensemble.template, named, (batch,))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(output, classes).backward()
        optimizer.step()
    for name, value in named.items():
        updated = inside.chunks[0][1].parameters[name][0]
        torch.testing.assert_close(updated, value, rtol=0, atol=1e-5)


def _of_one(state, model):
    def cut(value):
        return value[model] if torch.is_tensor(value) and value.ndim > 0 else value

    return {
        "param_groups": state["param_groups"],
        "state": {k: {n: cut(v) for n, v in s.items()} for k, s in state["state"].items()},
    }


def test_moving_queries_raises_their_influence(records, nets):
    X, y = records
    from mia_sklearn.attacks.gmia._found_queries import influence_of

    inside, outside = nets._models.with_record(X[:1], int(y[0]), epochs=1)
    start = nets._space.uniform(30, np.random.RandomState(0))
    moved = inside.improve(
        outside, start, int(y[0]), space=nets._space, margin=0.05, n_steps=60, rate=0.05
    )
    low, high = nets._space.limits()
    assert ((moved >= low - 1e-5) & (moved <= high + 1e-5)).all()
    before, after = (
        influence_of(outside.log_posteriors(q), inside.log_posteriors(q), 1).mean()
        for q in (start, moved)
    )
    assert after > before + 0.05


def test_few_accepted_queries_are_joined_by_moved_ones(records, nets):
    X, y = records
    asked = clone(nets).set_params(theta=0.95, least=20).fit(X[120:], y[120:])
    (found,) = asked.search(X[:1], y[:1])
    plain = clone(nets).set_params(theta=0.95, least=0).fit(X[120:], y[120:])
    (without,) = plain.search(X[:1], y[:1])
    assert len(found) > len(without)
    assert found.optimized.sum() == len(found) - len(without)
    assert (found.influence > 0.95).all()
    assert (found.queries != X[:1]).any(axis=1).all()


def test_networks_one_model_at_a_time(records):
    """Convolutions on a CPU are trained side by side, not stacked."""
    from skorch import NeuralNetClassifier

    from nets import Convolutional

    rng = np.random.default_rng(0)
    images = rng.normal(size=(90, 1, 8, 8)).astype(np.float32)
    labels = rng.integers(3, size=90)
    net = NeuralNetClassifier(
        Convolutional,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=2,
        batch_size=16,
        train_split=None,
        verbose=0,
    )
    search = EnhancingRecords(
        net, theta=0.5, candidates="noise", **{**SMALL, "n_references": 3}
    ).fit(images[1:], labels[1:])
    (found,) = search.search(images[:1], labels[:1])
    assert found.queries.shape[1:] == (1, 8, 8)
    assert len(found) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert search.observe(_fitted(net, images, labels), [found]).shape[0] == 1


def _fitted(net, X, y):
    torch.manual_seed(0)
    return clone(net).fit(X, y)


def test_a_diverging_network_is_named(records):
    X, y = records
    search = EnhancingRecords(network().set_params(optimizer=torch.optim.SGD, lr=1e20), **SMALL)
    with pytest.raises(ValueError, match=r"Reference model \d+ diverged"):
        search.fit(X[120:], y[120:])


@pytest.mark.gpu
def test_gpu_finds_the_same_queries(records):
    X, y = records
    found = []
    for device in ("cpu", "cuda"):
        search = EnhancingRecords(
            network().set_params(device=device), theta=0.95, least=20, **SMALL
        ).fit(X[120:], y[120:])
        found.append(search.search(X[:1], y[:1])[0])
    np.testing.assert_allclose(found[1].out_record, found[0].out_record, atol=1e-3)
    assert found[1].best_influence == pytest.approx(found[0].best_influence, abs=0.1)
