"""The picture of utility against risk: what it draws, and that names keep clear."""

from __future__ import annotations

import io
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from mia_sklearn.plots import RiskUtilityDisplay
from mia_sklearn.stats._frontier import on_frontier

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


@pytest.fixture
def comparison():
    rng = np.random.default_rng(0)
    names = ["undefended", "rounded", "label only", "stacked", "broken"]
    score = np.array([0.83, 0.83, 0.82, 0.80, np.nan])
    frame = pd.DataFrame({"defense": names, "parameters": names, "test_score": score})
    frame["test_score_low"], frame["test_score_high"] = score - 0.01, score + 0.02
    for rate, values in (
        ("lira_auc", [0.7, 0.69, 0.6, 0.65, np.nan]),
        ("lira_tpr@0.01", rng.uniform(0.01, 0.2, 5)),
    ):
        frame[rate] = values
        frame[f"{rate}_low"], frame[f"{rate}_high"] = frame[rate] - 0.02, frame[rate] + 0.03
    frame.loc[1, "lira_tpr@0.01_high"] = np.nan
    frame.attrs = {"headline": "lira", "baseline": "undefended"}
    return frame


def _notes(display):
    return [text for text in display.ax_.texts if isinstance(text, Annotation) and text.get_text()]


def _results(n=6, n_splits=4):
    rng = np.random.default_rng(0)
    results = {"params": [{"model__tree__depth": i, "model__leaf": 5} for i in range(n)]}
    for split in range(n_splits):
        results[f"split{split}_test_accuracy"] = 0.7 + 0.02 * np.arange(n) + rng.normal(0, 0.01, n)
        results[f"split{split}_test_risk"] = -0.05 * np.arange(n) + rng.normal(0, 0.01, n)
    return results


def test_frontier():
    utility = [0.9, 0.8, 0.8, 0.7, 0.95, np.nan]
    risk = [0.3, 0.1, 0.2, 0.1, np.nan, 0.0]
    assert on_frontier(utility, risk).tolist() == [True, True, False, False, False, False]
    # Equal ones do not beat each other.
    assert on_frontier([0.5, 0.5], [0.1, 0.1]).all()


def test_a_comparison_is_drawn(comparison):
    display = RiskUtilityDisplay.from_comparison(comparison)
    frame = display.frame()
    assert frame["name"].tolist() == comparison["defense"].tolist()
    assert frame["frontier"].tolist() == [False, True, True, False, False]
    np.testing.assert_array_equal(frame["risk"], comparison["lira_auc"])
    np.testing.assert_array_equal(frame["risk_high"], comparison["lira_auc_high"])
    np.testing.assert_array_equal(frame["utility_low"], comparison["test_score_low"])
    assert display.chance == 0.5
    *notes, missing = sorted(note.get_text() for note in _notes(display))
    assert [*notes, missing] == sorted([*frame["name"][:4], "Not measured: broken"])
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["chance", "beaten by another", "beaten by none", "without defense"]
    assert "attack lira" in display.ax_.get_ylabel()
    display.figure_.savefig(io.BytesIO())


def test_another_rate_is_drawn(comparison):
    display = RiskUtilityDisplay.from_comparison(comparison, risk="lira_tpr@0.01")
    assert display.chance == 0.01
    assert "at 1 %" in display.ax_.get_ylabel()
    display.figure_.savefig(io.BytesIO())
    stored = comparison.copy()
    stored.attrs = {}
    assert RiskUtilityDisplay.from_comparison(stored).baseline == "undefended"
    with pytest.raises(
        ValueError, match=r"risk must be one of lira_auc, lira_tpr@0\.01, got 'auc'"
    ):
        RiskUtilityDisplay.from_comparison(comparison, risk="auc")
    with pytest.raises(ValueError, match="comparison lacks an AUC"):
        RiskUtilityDisplay.from_comparison(stored[["defense", "test_score"]])


def test_error_bars_are_the_intervals(comparison):
    display = RiskUtilityDisplay.from_comparison(comparison)
    bars = [
        segment
        for container in display.ax_.containers
        for collection in container[2]
        for segment in collection.get_segments()
    ]
    expected = {(round(x, 6), round(y, 6)) for x, y in [(0.83, 0.68), (0.83, 0.73), (0.82, 0.70)]}
    ends = {tuple(np.round(end, 6).tolist()) for segment in bars for end in segment}
    assert {(0.83, 0.68), (0.83, 0.73), (0.82, 0.7), (0.85, 0.7)} <= ends
    assert expected <= ends


def test_a_search_is_drawn():
    results = _results()
    display = RiskUtilityDisplay.from_cv_results(results, chance=0, confidence=0.9)
    frame = display.frame()
    accuracy = np.stack([results[f"split{i}_test_accuracy"] for i in range(4)])
    risk = np.stack([-results[f"split{i}_test_risk"] for i in range(4)])
    np.testing.assert_allclose(frame["utility"], accuracy.mean(axis=0))
    np.testing.assert_allclose(frame["risk"], risk.mean(axis=0))
    # t of 3 degrees at .95 is 2.353; three folds are trained on for each that is tested on.
    half = 2.3533634 * risk.std(axis=0, ddof=1) * np.sqrt(1 / 4 + 1 / 3)
    np.testing.assert_allclose(frame["risk_high"] - frame["risk"], half, rtol=1e-6)
    assert frame["name"][3] == "depth=3, leaf=5"
    # Written is what differs, under a title that says what it is.
    assert sorted(note.get_text() for note in _notes(display)) == list("012345")
    assert display.ax_.get_legend().get_title().get_text() == "Names: depth"
    one_split = RiskUtilityDisplay.from_cv_results(_results(n_splits=1))
    assert one_split.frame()["risk_low"].isna().all()
    alone = RiskUtilityDisplay.from_cv_results(_results(n=1))
    assert alone.written == ["depth=0, leaf=5"]
    with pytest.raises(ValueError, match="no score 'auc'; they hold 'accuracy', 'risk'"):
        RiskUtilityDisplay.from_cv_results(results, risk="auc")


@pytest.mark.parametrize("n", [8, 25])
def test_names_keep_clear_of_each_other(n):
    rng = np.random.default_rng(1)
    utility = rng.uniform(0.7, 0.9, n)
    display = RiskUtilityDisplay(
        names=[f"defense {i}" for i in range(n)], utility=utility, risk=0.3 * utility
    ).plot()
    display.figure_.canvas.draw()
    boxes = [note.get_window_extent() for note in _notes(display)]
    assert len(boxes) == n
    # Corner to corner counts for nothing.
    shared = [
        max(0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0, min(a.y1, b.y1) - max(a.y0, b.y0))
        for a, b in combinations(boxes, 2)
    ]
    assert max(shared) < 0.1 * boxes[0].width * boxes[0].height
    frame = display.ax_.get_window_extent()
    assert all(frame.x0 - 2 < box.x0 and box.x1 < frame.x1 + 2 for box in boxes)
    points = display.ax_.transData.transform(np.column_stack([utility, 0.3 * utility]))
    assert not any(box.contains(*point) for box in boxes for point in points)


def test_which_models_are_named():
    options = {"names": list("abc"), "utility": [0.9, 0.8, 0.7], "risk": [0.3, 0.1, 0.2]}
    named = {
        labels: [
            note.get_text() for note in _notes(RiskUtilityDisplay(**options).plot(labels=labels))
        ]
        for labels in ("auto", "all", "frontier", "none")
    }
    assert sorted(named["auto"]) == sorted(named["all"]) == ["a", "b", "c"]
    assert sorted(named["frontier"]) == ["a", "b"]
    assert named["none"] == []
    with pytest.raises(ValueError, match="labels must be one of auto, all, frontier, none"):
        RiskUtilityDisplay(**options).plot(labels="some")
    crowd = RiskUtilityDisplay(
        names=list(range(60)), utility=np.arange(60), risk=np.abs(np.arange(60) - 50)
    ).plot()
    assert len(_notes(crowd)) == crowd.frontier_.sum() == 10


@pytest.mark.parametrize("name", ["$\\frac{$", "cost $5 or $6", "_hidden", "<script>", "é", ""])
def test_names_are_printed_as_they_are(name):
    display = RiskUtilityDisplay(names=[name, "b"], utility=[1, 2], risk=[0, 1]).plot()
    assert {note.get_text().replace("\\$", "$") for note in _notes(display)} == {name, "b"} - {""}
    display.figure_.savefig(io.BytesIO())


def test_an_axes_is_used_when_given(comparison):
    ax = Figure().subplots()
    display = RiskUtilityDisplay.from_comparison(comparison, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    part = Figure().subfigures(1, 2)[0].subplots()
    assert RiskUtilityDisplay.from_comparison(comparison, ax=part).ax_ is part


def test_one_point_and_equal_points_are_drawn():
    for n in (1, 4):
        display = RiskUtilityDisplay(names=["a"] * n, utility=[0.5] * n, risk=[0.25] * n).plot()
        display.figure_.savefig(io.BytesIO())
        # None beats an equal one: each is a point of the frontier, at its place.
        assert display.frontier_.tolist() == [True] * n
        drawn = [line.get_xydata() for line in display.ax_.lines if len(line.get_xydata()) == n]
        assert any((points == [0.5, 0.25]).all() for points in drawn)
        (low, high), (bottom, top) = display.ax_.get_xlim(), display.ax_.get_ylim()
        assert low < 0.5 < high
        assert bottom < 0.25 < top


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"utility": [1.0]}, r"utility must hold one number for each of 2 names"),
        ({"risk": [[1.0, 2.0]]}, "risk must hold one number"),
        ({"risk_interval": ([0], [1])}, "risk_interval must hold one number"),
        ({"written": ["a"]}, "written must hold a text for each of 2 names"),
        ({"risk": [np.nan, np.nan]}, "nothing to draw"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RiskUtilityDisplay(**{"names": ["a", "b"], "utility": [1, 2], "risk": [0, 1]} | options)
