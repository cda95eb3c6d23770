"""What stands in the columns of observations: values, model by model, record by record."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, observe
from mia_sklearn._models._fitted import _Renamed
from mia_sklearn._observations._columns import group_columns
from mia_sklearn._observations._neighborhood import Evidence, Neighborhood
from mia_sklearn.selection import compare_defenses
from mia_sklearn.stats._likelihood import GaussianRatio, Moments


@pytest.fixture(scope="module")
def binary():
    return make_classification(160, 5, n_informative=3, n_redundant=0, flip_y=0.2, random_state=3)


@pytest.fixture(scope="module")
def model(binary):
    X, y = binary
    return LogisticRegression().fit(X[::2], y[::2])


@pytest.fixture(scope="module")
def halves(binary):
    """Two blocks."""
    return ReferenceModels(LogisticRegression(), 4, n_queries=2, random_state=0).fit(*binary)


SIDES = ("out_", "in_")


def numbered(table, prefix):
    names = [name for name in table if name.startswith(prefix) and name[len(prefix) :].isdigit()]
    return table[names].to_numpy()


@pytest.mark.parametrize(
    ("train_size", "empty_out", "empty_in"), [(0.4, 0, 192), (0.25, 0, 0), (0.6, 0, 144)]
)
def test_a_trimmed_record_leaves_the_place_of_its_own_model_empty(train_size, empty_out, empty_in):
    """Sets that records were dropped from tell nothing of these: they were near to being in."""
    X, y = make_classification(240, 5, random_state=0)
    references = ReferenceModels(LogisticRegression(), 8, train_size=train_size, random_state=0)
    references.fit(X, y)
    table = observe(LogisticRegression().fit(X, y), X, y, references=references)
    assert np.isnan(numbered(table, "out_")).sum() == empty_out
    assert np.isnan(numbered(table, "in_")).sum() == empty_in
    assert (~references.labelled_).sum() == empty_out + empty_in
    for model, row in np.argwhere(~references.labelled_)[::20]:
        block = references.block_[model]
        others = np.flatnonzero((references.block_ == block) & references.labelled_[:, row])
        places = [numbered(table, side)[row].reshape(references.n_blocks_, -1) for side in SIDES]
        found = np.concatenate([of_side[block] for of_side in places])
        assert set(found[~np.isnan(found)]) == set(references.phi()[others, row])


def test_shadow_queries_are_those_of_the_acting_model(halves):
    table, _ = halves.shadow_observations(neighbors=2, n_queries=2)
    acting = table.index.get_level_values("model")
    rows = table.index.get_level_values("row")
    for query in range(2):
        expected = halves.query_phi(query)[acting, rows]
        np.testing.assert_array_equal(table[f"query_logit_{query}"], expected)
    np.testing.assert_array_equal(table["logit"], halves.phi()[acting, rows])
    mean = (table["query_logit_0"] + table["query_logit_1"]) / 2
    assert_allclose(table["query_logit_mean"], mean, rtol=1e-5, atol=1e-6)


def evidence(own, phi, references, left_out):
    """Literal twin: what a model's answers say against all blocks but one."""
    blocks = [block for block in range(references.n_blocks_) if block != left_out]
    out, in_ = np.empty((len(own), len(blocks))), np.empty((len(own), len(blocks)))
    for row in range(len(own)):
        for place, block in enumerate(blocks):
            for model in np.flatnonzero(references.block_ == block):
                side = in_ if references.membership_[model, row] else out
                side[row, place] = phi[model, row]
    sides = Moments(own, out), Moments(own, in_)
    ratio = GaussianRatio().fit(*sides).score(own, *sides)
    out, in_ = out.mean(axis=1), in_.mean(axis=1)
    return ratio, own - (out + in_) / 2, own - out, in_ - out


def test_evidence_of_a_target_is_the_mean_over_blocks_left_out(halves, model, binary):
    """A reference lacks its own block: so does the target, each in turn."""
    table = observe(model, *binary, references=halves, neighbors=2, n_queries=2)
    scaled = (binary[0] - binary[0].mean(axis=0)) / binary[0].std(axis=0)
    distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :2]
    own = table["logit"].to_numpy(dtype=np.float64)
    parts = [evidence(own, halves.phi(), halves, block) for block in range(2)]
    ratio, residual, _, gap = np.mean(parts, axis=0)
    assert_allclose(numbered(table, "neighbor_ratio_"), ratio.clip(-6, 6)[nearest], rtol=1e-4)
    found = numbered(table, "neighbor_residual_")
    assert_allclose(found, residual.clip(-4, 4)[nearest], rtol=1e-3, atol=1e-5)
    assert_allclose(numbered(table, "neighbor_gap_"), gap[nearest], rtol=1e-3, atol=1e-5)
    own = table["query_logit_1"].to_numpy(dtype=np.float64)
    parts = [evidence(own, halves.query_phi(1), halves, block) for block in range(2)]
    ratio, _, above, _ = np.mean(parts, axis=0)
    assert_allclose(table["query_ratio_1"], ratio, rtol=1e-3, atol=1e-4)
    assert_allclose(table["query_above_out_1"], above, rtol=1e-3, atol=1e-5)


def test_evidence_of_an_acting_reference_is_that_of_its_own_answers(halves, binary):
    table, _ = halves.shadow_observations(neighbors=2)
    scaled = (binary[0] - binary[0].mean(axis=0)) / binary[0].std(axis=0)
    distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :2]
    for acting in range(4):
        rows = table.loc[acting]
        own = halves.phi()[acting].astype(np.float64)
        ratio, residual, _, gap = evidence(own, halves.phi(), halves, halves.block_[acting])
        order = rows.index.to_numpy()
        found = numbered(rows, "neighbor_ratio_")
        assert_allclose(found, ratio.clip(-6, 6)[nearest][order], rtol=1e-4, atol=1e-5)
        found = numbered(rows, "neighbor_residual_")
        assert_allclose(found, residual.clip(-4, 4)[nearest][order], rtol=1e-3, atol=1e-5)
        found = numbered(rows, "neighbor_gap_")
        assert_allclose(found, gap[nearest][order], rtol=1e-3, atol=1e-5)


def test_records_in_another_order_give_the_table_in_that_order(halves, model, binary):
    X, y = binary
    order = np.random.default_rng(0).permutation(len(y))
    options = {"references": halves, "neighbors": 3, "n_queries": 2}
    whole = observe(model, X, y, **options)
    other = observe(model, X[order], y[order], **options)
    assert other.index.tolist() == order.tolist()
    assert_allclose(other.to_numpy(), whole.to_numpy()[order], rtol=1e-4, atol=1e-5)


def test_groups_of_a_population_are_drawn_whole():
    """The pool's people are others: here each has one record, in the population four."""
    X, y = make_classification(240, 5, random_state=0)
    people = np.concatenate([np.arange(40), 1000 + np.repeat(np.arange(50), 4)])
    references = ReferenceModels(DecisionTreeClassifier(), 4, random_state=0)
    references.fit(X[:40], y[:40], population=(X[40:], y[40:]), groups=people)
    drawn = references.membership_[:, 40:].reshape(4, 50, 4)
    assert (drawn == drawn[:, :, :1]).all()
    assert (drawn[:, :, 0].sum(axis=1) == 25).all()
    assert not references.membership_[:, :40].any()


class FirstFeature(DecisionTreeClassifier):
    """Takes weights that repeat the first feature: any other order shows."""

    def fit(self, X, y, sample_weight=None):
        assert np.array_equal(sample_weight, X[:, 0])
        return super().fit(X, y, sample_weight)


def test_weights_follow_the_records_of_a_comparison():
    X, y = make_classification(80, 5, random_state=0)
    X = np.abs(X) + 0.1
    frame = compare_defenses(
        {"tree": FirstFeature(random_state=0)},
        X,
        y,
        attacks=["threshold"],
        n_references=2,
        fit_params={"sample_weight": X[:, 0]},
        random_state=0,
        progress=False,
    )
    assert frame["defense"].tolist().count("tree") == 1
    assert np.isfinite(frame["threshold_auc"]).all()


def test_models_of_positions_answer_with_labels():
    classes = np.array(["a", "c", "d"])
    X = np.arange(6.0)[:, None]
    inner = DecisionTreeClassifier().fit(X, [0, 1, 2, 0, 1, 2])
    renamed = _Renamed(inner, classes)
    assert renamed.predict(X).tolist() == ["a", "c", "d", "a", "c", "d"]
    np.testing.assert_array_equal(renamed.predict_proba(X), inner.predict_proba(X))


def test_numbered_columns_are_read_in_the_order_of_their_numbers():
    assert group_columns(["out_10", "logit", "out_2"])["out"].tolist() == [2, 0]


def test_what_neighbors_say_by_hand():
    # Distances in standard deviations, sqrt(14) / 3; the first two are one another's neighbours.
    pool = Neighborhood(np.array([[0.0], [1.0], [3.0]]), np.array([0, 1, 0]), 1)
    told = [[1, 2, 3], [10, -20, 3], [-9, 5, 1], [1, -7, 2], [0.1, 0.2, 0.3]]
    target = np.empty((3, len(pool.columns())))
    pool.fill(target, np.arange(3), Evidence(*np.array(told, dtype=float)))
    table = pd.DataFrame(target, columns=pool.columns()).filter(regex="_0$|close")
    table.columns = table.columns.str.removeprefix("neighbor_")
    expected = {
        "distance_0": np.array([3, 3, 6]) / np.sqrt(14),
        "same_0": [0, 0, 0],
        # Far ratios are cut at 6, far residuals at 4.
        "ratio_0": [-6, 6, -6],
        "residual_0": [4, -4, 4],
        # Of another class, a sure answer of the neighbour speaks against.
        "signed_logit_0": [-2, -1, -2],
        "gap_0": [0.2, 0.1, 0.2],
        "close": [1, 1, 0],
        "close_ratio": [6, -6, 0],
    }
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected), check_dtype=False)
