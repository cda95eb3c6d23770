"""The gaps between members and non-members in what a model answers, and their picture."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from mia_sklearn import observe
from mia_sklearn.plots import UncertaintyGapDisplay
from mia_sklearn.signals import log_proba_from_proba, signal

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.full(4, 0.4), size=500)
    label = np.where(rng.random(500) < 0.6, proba.argmax(axis=1), rng.integers(4, size=500))
    return proba, label, rng.random(500) < 0.4


def test_known_gaps():
    # Of members half answer .9, half .7; of non-members .7 and .5.
    own = np.repeat([0.9, 0.7, 0.7, 0.5], 10)
    proba = np.column_stack([own, 1 - own])
    member = np.repeat(["yes", "no"], 20)
    display = UncertaintyGapDisplay.from_predictions(proba, np.zeros(40, int), member)
    accuracy, uncertainty = (row for _, row in display.frame().iterrows())
    assert accuracy["model"] == "model"
    assert accuracy[["n_members", "n_nonmembers"]].tolist() == [20, 20]
    # Half of the non-members lie below .7 from .5 on, half of the members below .9 from .7 on.
    assert accuracy["largest_gap"] == pytest.approx(0.5)
    assert accuracy["at"] == pytest.approx(0.5)
    assert accuracy["mean_gap"] == pytest.approx(0.5 * 0.2 + 0.5 * 0.2)
    low, middle = (-(p * np.log2(p) + (1 - p) * np.log2(1 - p)) for p in (0.9, 0.7))
    assert uncertainty["largest_gap"] == pytest.approx(0.5)
    assert uncertainty["at"] == pytest.approx(low)
    assert uncertainty["mean_gap"] == pytest.approx(0.5 * (middle - low) + 0.5 * (1 - middle))


def test_gaps_are_those_of_other_implementations(model):
    proba, label, member = model
    frame = UncertaintyGapDisplay.from_predictions(*model).frame().set_index("quantity")
    log_proba = log_proba_from_proba(proba)
    for quantity, kind in (("accuracy", "confidence"), ("uncertainty", "normalized_entropy")):
        values = signal(kind, log_proba, label)
        parts = values[member], values[~member]
        row = frame.loc[quantity]
        assert row["largest_gap"] == pytest.approx(ks_2samp(*parts).statistic)
        assert row["mean_gap"] == pytest.approx(wasserstein_distance(*parts), abs=1e-8)


def test_members_that_answer_as_others_do_show_no_gap(model):
    proba, label, _ = model
    twice = np.tile(proba, (2, 1)), np.tile(label, 2), np.repeat([0, 1], len(label))
    frame = UncertaintyGapDisplay.from_predictions(*twice).frame()
    assert (frame[["largest_gap", "mean_gap"]] == 0).all(axis=None)


def test_models_side_by_side(model):
    proba, label, member = model
    sure = np.eye(4)[label]
    models = {"cost $ plain": model, "sure of all": (sure, label, member)}
    display = UncertaintyGapDisplay.from_predictions(models)
    assert display.axes_.shape == (2, 2)
    assert [ax.get_title() for ax in display.axes_[0]] == [r"cost \$ plain", "sure of all"]
    frame = display.frame()
    assert frame["model"].tolist() == ["cost $ plain"] * 2 + ["sure of all"] * 2
    assert frame["largest_gap"].tolist()[2:] == [0, 0]
    # What is drawn is the cumulative distribution.
    below, members, _ = display.axes_[0, 0].lines
    for line, rows in ((below, ~member), (members, member)):
        x, y = line.get_data()
        own = proba[rows, label[rows]].round(9)
        inside = x[1:-1]
        np.testing.assert_allclose(inside, np.sort(own))
        np.testing.assert_allclose(y[1:-1], np.arange(1, len(own) + 1) / len(own))
    assert f"largest gap {frame['largest_gap'][0]:.3f}" in display.axes_[0, 0].texts[0].get_text()
    display.figure_.canvas.draw()


def test_observations(target, pool, target_member):
    X, y = pool
    seen = observe(target, X, y)
    display = UncertaintyGapDisplay.from_observations(seen, target_member, name="forest")
    codes = np.searchsorted(target.classes_, y)
    expected = UncertaintyGapDisplay.from_predictions(
        {"forest": (target.predict_proba(X), codes, target_member)}
    )
    pd.testing.assert_frame_equal(display.frame(), expected.frame(), atol=1e-6)
    assert display.frame()["largest_gap"].min() > 0.3
    several = UncertaintyGapDisplay.from_observations({"forest": (seen, target_member)})
    pd.testing.assert_frame_equal(several.frame(), display.frame())
    with pytest.raises(ValueError, match="'model' lack the columns label and proba"):
        UncertaintyGapDisplay.from_observations(seen[["logit"]], target_member)
    with pytest.raises(ValueError, match="member goes into the tuples"):
        UncertaintyGapDisplay.from_observations({"forest": (seen, target_member)}, target_member)


def test_draws_where_it_is_told_to(model):
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 1)
    display = UncertaintyGapDisplay.from_predictions(*model, axes=axes)
    assert display.figure_ is figure
    assert display.axes_.shape == (2, 1)
    with pytest.raises(ValueError, match=r"axes must have the shape \(2, 1\), got \(3,\)"):
        display.plot(plt.subplots(3)[1])


def test_bad_input(model):
    proba, label, member = model
    draw = UncertaintyGapDisplay.from_predictions
    with pytest.raises(ValueError, match="one column per class, got shape"):
        draw(proba[:, 0], label, member)
    with pytest.raises(ValueError, match="one label and one membership per record"):
        draw(proba, label[1:], member)
    with pytest.raises(ValueError, match="must hold two labels, got 1"):
        draw(proba, label, np.ones(len(label)))
    for wrong in (label + 1, label - 1, label + 0.5):
        with pytest.raises(ValueError, match="columns of its posteriors: 0 to 3"):
            draw(proba, wrong, member)
    with pytest.raises(ValueError, match="go into the tuples"):
        draw({"model": model}, label, member)
    with pytest.raises(ValueError, match="holds no model"):
        draw({})
