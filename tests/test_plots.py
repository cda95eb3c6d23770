"""Displays: the numbers they draw, and that they draw."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from sklearn.naive_bayes import GaussianNB

from mia_sklearn import stats
from mia_sklearn.plots import (
    AttackRocDisplay,
    GradientNormDisplay,
    InfluenceDisplay,
    ScoreDistributionDisplay,
    VulnerableRecordsDisplay,
)
from mia_sklearn.vulnerability import VulnerableRecords

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    member = np.repeat([0, 1], 800)
    return member, rng.normal(1.5 * member)


@pytest.mark.parametrize("decimals", [12, 1, 0])
def test_roc_matches_scikit_learn(scores, decimals):
    member, score = scores[0], scores[1].round(decimals)
    display = AttackRocDisplay.from_predictions(member, score)
    fpr, tpr = display.curves["attack"]
    expected_fpr, expected_tpr, _ = roc_curve(member, score, drop_intermediate=False)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()
    # The largest true-positive rate reached at or below each rate is the same curve.
    for rate in np.linspace(0, 1, 101):
        reached = tpr[fpr <= rate + 1e-12].max()
        assert reached == pytest.approx(expected_tpr[expected_fpr <= rate + 1e-12].max())
    assert set(zip(fpr.round(9), tpr.round(9), strict=True)) <= set(
        zip(expected_fpr.round(9), expected_tpr.round(9), strict=True)
    )


def test_corners_only_are_kept():
    member = np.repeat([0, 1], 5000)
    display = AttackRocDisplay.from_predictions(member, np.arange(10_000))
    assert [len(part) for part in display.curves["attack"]] == [3, 3]


def test_band_is_the_interval_of_each_rate(scores):
    member, score = scores
    display = AttackRocDisplay.from_predictions(member, score, confidence=0.9)
    levels, low, high = display.bands["attack"]
    point = stats.tpr_interval(score[member == 1], score[member == 0], levels, confidence=0.9)
    np.testing.assert_array_equal(low, point.low)
    np.testing.assert_array_equal(high, point.high)
    assert np.isfinite(high).all()
    needed = stats.nonmembers_needed(levels[0], confidence=0.9)
    assert needed <= (member == 0).sum()


def test_no_band_where_records_are_too_few():
    display = AttackRocDisplay.from_predictions([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    assert len(display.bands["attack"][0]) < 60
    assert display.auc["attack"] == 1


def test_roc_axes_lines_and_names(scores):
    member, score = scores
    display = AttackRocDisplay.from_predictions(member, {"lira": score, "weak": -score})
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("log", "log")
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[0] == "chance"
    assert labels[1].startswith("AUC 0.8")
    assert labels[1].endswith(", lira")
    assert len(display.lines_) == 2
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize(("bands", "n_drawn"), [("first", 1), ("all", 2), ("none", 0)])
def test_which_bands_are_drawn(scores, bands, n_drawn):
    member, score = scores
    display = AttackRocDisplay.from_predictions(member, {"a": score, "b": score**3}, bands=bands)
    assert len(display.ax_.collections) == n_drawn


def test_the_ceiling_of_a_guarantee(scores):
    member, score = scores
    display = AttackRocDisplay.from_predictions(member, score, dp=(1, 1e-5))
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert "ceiling: (1, 1e-05)-differential privacy" in labels
    fpr, ceiling = display.ceiling_.get_data()
    np.testing.assert_allclose(ceiling[fpr < 0.2], np.e * fpr[fpr < 0.2] + 1e-5)
    frame = display.frame()
    np.testing.assert_allclose(
        frame["ceiling"], stats.TradeOff.approximate(1, 1e-5).ceiling(frame["fpr"])
    )
    assert AttackRocDisplay.from_predictions(member, score).ceiling_ is None


def test_unknown_bands_are_refused(scores):
    with pytest.raises(ValueError, match="bands must be 'first', 'all' or 'none', got 'some'"):
        AttackRocDisplay.from_predictions(*scores, bands="some")


def test_roc_frame(scores):
    member, score = scores
    frame = AttackRocDisplay.from_predictions(member, {"a": score, "b": -score}).frame()
    assert list(frame.columns) == ["attack", "fpr", "tpr", "low", "high"]
    assert set(frame["attack"]) == {"a", "b"}
    assert (frame["tpr"].notna() ^ frame["low"].notna()).all()


@pytest.mark.parametrize("display", [AttackRocDisplay, ScoreDistributionDisplay])
@pytest.mark.parametrize("model", [LogisticRegression(), GaussianNB()])
def test_from_estimator_reads_any_two_labels(display, model, scores):
    member, score = scores
    labels = np.where(member == 1, "in", "away")  # classes_[1] is "in"
    model.fit(score[:, None], labels)
    drawn = display.from_estimator(model, score[:, None], labels)
    if display is AttackRocDisplay:
        assert drawn.auc[type(model).__name__] > 0.8
    else:
        assert drawn.name == type(model).__name__
        assert drawn.frame()["members"].iloc[-10:].sum() > 0.05


@pytest.mark.parametrize("display", [AttackRocDisplay, ScoreDistributionDisplay])
def test_an_axes_is_used_when_given(display, scores):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert display.from_predictions(*scores, ax=ax).ax_ is ax


@pytest.mark.parametrize("display", [AttackRocDisplay, ScoreDistributionDisplay])
@pytest.mark.parametrize(
    "values",
    [np.zeros(40), np.full(40, 1e300), np.full(40, 1e-300), np.repeat([-1e308, 1e308], 20)],
    ids=["constant", "huge", "tiny", "far apart"],
)
def test_degenerate_scores_are_drawn(display, values):
    member = np.tile([0, 1], 20)
    drawn = display.from_predictions(member, values)
    drawn.figure_.savefig(io.BytesIO())
    if display is AttackRocDisplay:
        # Half of the members and half of the others score as much, or all do.
        assert list(drawn.auc.values()) == [0.5]
    else:
        # Every record of a side lies in one of its bars.
        sides = drawn.frame()[["members", "nonmembers"]]
        np.testing.assert_allclose(sides.sum(), 1)
    assert all(np.isfinite(ends).all() for ends in (drawn.ax_.get_xlim(), drawn.ax_.get_ylim()))


@pytest.mark.parametrize("display", [AttackRocDisplay, ScoreDistributionDisplay])
@pytest.mark.parametrize("name", ["$\\frac{$", "cost $5 or $6", "_hidden", "<script>", "é"])
def test_names_are_printed_as_they_are(display, name, scores):
    member, score = scores
    if display is AttackRocDisplay:
        drawn = display.from_predictions(member, {name: score})
        shown = drawn.ax_.get_legend().get_texts()[1].get_text()
    else:
        drawn = display.from_predictions(member, score, name=name)
        shown = drawn.ax_.get_xlabel()
    assert name in shown.replace("\\$", "$")
    drawn.figure_.savefig(io.BytesIO())


@pytest.mark.parametrize("display", [AttackRocDisplay, ScoreDistributionDisplay])
@pytest.mark.parametrize(
    ("member", "score", "message"),
    [
        ([0, 1], [0.1, 0.2, 0.3], "one length"),
        ([1, 1], [0.1, 0.2], "two labels"),
        ([0, 1], [0.1, np.nan], "NaN or infinite"),
    ],
)
def test_bad_input_is_refused(display, member, score, message):
    with pytest.raises(ValueError, match=message):
        display.from_predictions(member, score)


def test_distribution_shares_sum_to_one(scores):
    member, score = scores
    score = score.copy()
    score[:2] = [-1e6, 1e6]  # Counted in the outermost bins, which do not stretch to them.
    display = ScoreDistributionDisplay.from_predictions(member, score, bins=20)
    frame = display.frame()
    assert frame["members"].sum() == pytest.approx(1)
    assert frame["nonmembers"].sum() == pytest.approx(1)
    assert len(frame) == 20
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["non-members (800)", "members (800)"]


# Over rounds.


@pytest.fixture
def rounds():
    """Gradient norms and logits of 60 members and 40 others in rounds 1, 2 and 10."""
    rng = np.random.default_rng(0)
    member = np.repeat([1, 0], [60, 40])
    table = pd.DataFrame({"label": np.zeros(100)})
    for number in (10, 1, 2):
        table[f"grad_norm@{number}"] = rng.gamma(2, 1 + 3 / number - member, size=100)
        table[f"grad_norm.fc@{number}"] = table[f"grad_norm@{number}"] / 2
        table[f"logit@{number}"] = rng.normal(number + member, size=100)
    return table, member


def test_rounds_are_drawn_in_their_order_with_quartiles(rounds):
    table, member = rounds
    display = GradientNormDisplay.from_observations(table, member)
    frame = display.frame()
    assert frame["round"].tolist() == [1, 2, 10]
    expected = np.quantile(table["grad_norm@2"][:60], [0.25, 0.5, 0.75])
    columns = ["members_low", "members", "members_high"]
    np.testing.assert_allclose(frame.loc[1, columns].astype(float), expected)
    others = np.quantile(table["grad_norm@10"][60:], [0.25, 0.5, 0.75])
    columns = ["nonmembers_low", "nonmembers", "nonmembers_high"]
    np.testing.assert_allclose(frame.loc[2, columns].astype(float), others)
    lines = {line.get_label(): line for line in display.ax_.get_lines()}
    assert list(lines) == ["non-members (40)", "members (60)"]
    np.testing.assert_array_equal(lines["members (60)"].get_ydata(), frame["members"])
    assert len(display.ax_.collections) == 2
    assert display.ax_.get_ylim()[0] == 0


def test_other_quantities_over_rounds(rounds):
    table, member = rounds
    whole = GradientNormDisplay.from_observations(table, member).frame()
    layer = GradientNormDisplay.from_observations(table, member, quantity="grad_norm.fc").frame()
    np.testing.assert_allclose(layer["members"], whole["members"] / 2)
    loss = GradientNormDisplay.from_observations(table, member, quantity="loss")
    expected = np.median(np.logaddexp(0, -table["logit@2"][:60]))
    assert loss.frame()["members"][1] == pytest.approx(expected)
    assert loss.ax_.get_ylabel().startswith("Loss")
    logit = GradientNormDisplay.from_observations(table, member, quantity="logit")
    assert logit.frame()["nonmembers"][0] == pytest.approx(np.median(table["logit@1"][60:]))


def test_values_that_are_not_finite_are_left_out(rounds):
    table, member = rounds
    table.loc[0, "grad_norm@1"] = np.inf
    table.loc[1, "grad_norm@1"] = np.nan
    table.loc[60:, "grad_norm@2"] = np.nan
    frame = GradientNormDisplay.from_observations(table, member).frame()
    assert frame["members"][0] == pytest.approx(np.median(table["grad_norm@1"][2:60]))
    assert np.isnan(frame["nonmembers"][1])
    assert (
        frame.drop(columns=["nonmembers", "nonmembers_low", "nonmembers_high"])
        .notna()
        .all(axis=None)
    )


def test_bad_observations_over_rounds(rounds):
    table, member = rounds
    with pytest.raises(ValueError, match=r"loss1@<round>\. Observed in rounds: grad_norm"):
        GradientNormDisplay.from_observations(table, member, quantity="loss1")
    with pytest.raises(ValueError, match="Observed in rounds: nothing"):
        GradientNormDisplay.from_observations(table[["label"]], member)
    with pytest.raises(ValueError, match=r"one label per record, got shape \(99,\)"):
        GradientNormDisplay.from_observations(table, member[1:])
    with pytest.raises(ValueError, match="two labels, got 1"):
        GradientNormDisplay.from_observations(table, np.ones(100))


def test_over_rounds_draws_into_axes_that_are_given(rounds):
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots()
    display = GradientNormDisplay.from_observations(*rounds, ax=ax)
    assert (display.ax_, display.figure_) == (ax, figure)
    figure.savefig(io.BytesIO())


# Vulnerable records, and what one record does.


@pytest.fixture
def vulnerable():
    features = np.random.default_rng(0).normal(size=(200, 5))
    return VulnerableRecords(delta=0.2, beta=0.5).fit(features)


def test_vulnerable_records_are_counted_by_criterion(vulnerable):
    display = VulnerableRecordsDisplay.from_estimator(
        vulnerable, deltas=[0.3, 0.1], betas=[2.0, 0.5, 1.0]
    )
    frame = display.frame()
    for row in frame.itertuples():
        other = VulnerableRecords(row.delta, row.beta).fit(vulnerable._own)
        assert row.records == (other.predict() == -1).sum()
    assert frame["delta"].unique().tolist() == [0.1, 0.3]
    assert display.least == vulnerable.expected_neighbors(delta=0.1).min()
    assert len(display.ax_.lines) == 2
    assert display.ax_.get_xscale() == "log"


def test_precision_and_recall_by_criterion(vulnerable):
    rng = np.random.default_rng(1)
    p_values = rng.uniform(size=(200, 6))
    member = rng.integers(2, size=(200, 6))
    display = VulnerableRecordsDisplay.from_estimator(
        vulnerable, betas=[0.5], deltas=[0.2], p_values=p_values, member=member, level=0.3
    )
    rows = vulnerable.predict() == -1
    called = p_values[rows] <= 0.3
    frame = display.frame().iloc[0]
    assert frame["precision"] == pytest.approx(member[rows][called].mean())
    assert frame["recall"] == pytest.approx(called[member[rows] == 1].mean())
    display.plot(quantity="precision")
    assert display.ax_.get_ylabel() == "Precision at p <= 0.3"


def test_vulnerable_display_names_what_is_wrong(vulnerable):
    make = VulnerableRecordsDisplay.from_estimator
    with pytest.raises(ValueError, match="belong together"):
        make(vulnerable, p_values=np.ones(200))
    with pytest.raises(ValueError, match="one row for each of the 200 records"):
        make(vulnerable, p_values=np.ones(20), member=np.ones(20))
    with pytest.raises(ValueError, match="deltas must lie between 0 and 2"):
        make(vulnerable, deltas=[0.0])
    with pytest.raises(ValueError, match="quantity must be one of"):
        make(vulnerable, quantity="area")
    with pytest.raises(ValueError, match="precision needs p_values"):
        make(vulnerable, quantity="precision")
    with pytest.raises(ValueError, match="no record was found vulnerable"):
        VulnerableRecordsDisplay.plot_images(np.empty((0, 4, 4)))


def test_images_side_by_side():
    figure = VulnerableRecordsDisplay.plot_images(
        np.arange(9 * 16).reshape(9, 1, 4, 4), list("abcdefghi"), n_columns=4
    )
    shown = [ax for ax in figure.axes if ax.images]
    assert len(figure.axes) == 12
    assert [ax.get_title() for ax in shown] == list("abcdefghi")


def test_influence_is_drawn_with_and_without_the_record():
    from mia_sklearn.attacks import FoundQueries

    rng = np.random.default_rng(0)
    found = FoundQueries(
        queries=np.zeros((2, 3)),
        influence=np.array([0.95, 0.97]),
        optimized=np.zeros(2, dtype=bool),
        label=1,
        out_signal=rng.normal(size=(2, 30)),
        in_signal=rng.normal(size=(2, 30)) + 3,
        out_record=rng.uniform(0, 0.4, size=30),
        in_record=rng.uniform(0.5, 1, size=30),
        best_influence=0.97,
        note="",
    )
    display = InfluenceDisplay.from_found(found)
    frame = display.frame()
    np.testing.assert_array_equal(
        frame.loc[frame["with_record"] == 1, "posterior"], found.in_record
    )
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        "models without the record (30)",
        "models with the record (30)",
    ]
    query = InfluenceDisplay.from_found(found, query=1)
    np.testing.assert_allclose(query.without, 1 / (1 + np.exp(-found.out_signal[1])))
    assert "enhancing record 1" in query.ax_.get_xlabel()
    with pytest.raises(ValueError, match="one of the 2 queries, got 2"):
        InfluenceDisplay.from_found(found, query=2)
