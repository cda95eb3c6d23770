"""Estimates by name, scorers, and what they refuse."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from mia_sklearn import stats
from mia_sklearn.metrics import (
    Estimate,
    accuracy,
    advantage,
    attack_scorer,
    compute,
    epsilon_lower_bound,
    parse_metric,
    precision_at_n,
    roc_auc,
    top_n,
    tpr_at_fpr,
)

Y = np.repeat([0, 1], 1000)
SCORE = np.concatenate([np.arange(1000), np.arange(500, 1500)])
METRICS = (roc_auc, tpr_at_fpr, advantage, accuracy, epsilon_lower_bound)


def test_estimate():
    estimate = Estimate(0.5, np.nan, 0.75, 10, 20, "why")
    assert float(estimate) == 0.5
    assert str(estimate) == "0.500 [-, 0.750]"
    assert pickle.loads(pickle.dumps(estimate)).note == "why"
    with pytest.raises(AttributeError):
        estimate.value = 1.0


def test_roc_auc():
    estimate = roc_auc(Y, SCORE)
    assert (estimate.value, estimate.n_members, estimate.n_nonmembers) == (0.875, 1000, 1000)
    assert (estimate.low, estimate.high) == pytest.approx((0.86015, 0.88848), abs=5e-6)


def test_tpr_at_fpr_gives_plain_counts():
    estimate = tpr_at_fpr(Y, SCORE, 0.1)
    assert (estimate.low, estimate.high) == pytest.approx((0.54296, 0.65698), abs=5e-6)
    assert (estimate.fpr, estimate.n_identified, estimate.n_false_alarms) == (0.1, 600, 100)
    assert estimate.note == ""


def test_tpr_at_fpr_says_what_it_would_need():
    estimate = tpr_at_fpr(Y, SCORE, 0.001)
    assert estimate.value == 0.501
    assert np.isnan(estimate.low)
    assert np.isnan(estimate.high)
    assert "1,000 non-members, 4,044 needed" in estimate.note


def test_advantage_and_accuracy_at_a_fixed_threshold():
    y, score = np.repeat([0, 1], 200), np.repeat([0, 1, 0, 1], [180, 20, 140, 60])
    found = advantage(y, score, threshold=1)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.12285, 0.2751), abs=5e-6)
    assert (found.fpr, found.n_identified, found.n_false_alarms, found.note) == (0.1, 60, 20, "")
    balanced = accuracy(y, score, threshold=1)
    for one, other in zip(
        (balanced.value, balanced.low, balanced.high),
        (found.value, found.low, found.high),
        strict=True,
    ):
        assert one == (1 + other) / 2


def test_advantage_at_the_best_threshold_says_so():
    found = advantage(Y, SCORE)
    assert found.value == 0.5
    assert found.low == pytest.approx(0.5 - 2 * np.sqrt(np.log(40) / 2000))
    assert "best threshold" in found.note
    assert (found.n_identified, found.n_false_alarms) == (500, 0)


def test_epsilon_is_one_sided():
    estimate = epsilon_lower_bound(Y, SCORE, delta=1e-5)
    expected = stats.one_run_epsilon(SCORE[Y == 1], SCORE[Y == 0], delta=1e-5)
    assert estimate.value == estimate.low == expected > 1
    assert np.isnan(estimate.high)
    average = epsilon_lower_bound(Y, SCORE, method="threshold")
    assert average.low > 1
    assert "average-leak" in average.note


def test_epsilon_takes_the_membership_rate_that_it_is_told():
    member = np.arange(200) < 80
    score = -np.arange(200.0)
    assert epsilon_lower_bound(member, score).value == pytest.approx(2.92387, abs=1e-5)
    told = epsilon_lower_bound(member, score, membership_rate=0.2)
    assert told.value == pytest.approx(3.57965, abs=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "labels",
    [(False, True), (-1, 1), (1, 2), ("holdout", "member")],
    ids=["bool", "signs", "one and two", "strings"],
)
def test_the_larger_label_means_member(metric, labels):
    assert metric(np.where(Y == 1, labels[1], labels[0]).tolist(), SCORE.tolist()) == metric(
        Y, SCORE
    )


@pytest.mark.parametrize("metric", METRICS)
def test_unchanged_by_increasing_transformations_and_order(metric):
    rng = np.random.default_rng(0)
    score = Y + rng.normal(size=len(Y))
    order = rng.permutation(len(Y))
    assert metric(Y[order], np.exp(score[order])) == metric(Y, score)


@pytest.mark.parametrize("metric", METRICS)
def test_wider_at_higher_confidence(metric):
    sure, unsure = (metric(Y, SCORE, confidence=level) for level in (0.99, 0.8))
    assert sure.low < unsure.low
    assert np.isnan(sure.high) or sure.high > unsure.high


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("y", "score", "options", "message"),
    [
        ([0, 1, 1], [0.1, 0.2], {}, "of one length, got shapes"),
        ([[0, 1]], [[0.1, 0.2]], {}, "must be one-dimensional"),
        ([1, 1], [0.1, 0.2], {}, r"must hold two labels.*got 1: \[1\]"),
        ([0, 1, 2], [0.1, 0.2, 0.3], {}, "must hold two labels.*got 3"),
        ([], [], {}, "must hold two labels.*got 0"),
        ([0, 1, 1], [0.1, np.nan, np.nan], {}, r"y_score holds 2 value\(s\) of 3"),
        ([0, 1, 1], [0.1, np.inf, 0.2], {}, r"y_score holds 1 value\(s\) of 3"),
        ([0, 1], [0.1, 0.2], {"confidence": 0}, "`confidence` must lie strictly"),
        ([0, 1], [0.1, 0.2], {"confidence": 1.0}, "`confidence` must lie strictly"),
    ],
)
def test_refuses_bad_input(metric, y, score, options, message):
    with pytest.raises(ValueError, match=message):
        metric(y, score, **options)


def test_refuses_bad_options():
    with pytest.raises(ValueError, match="`fpr` must lie strictly between 0 and 1"):
        tpr_at_fpr(Y, SCORE, 1.0)
    with pytest.raises(ValueError, match="`delta` must lie in"):
        epsilon_lower_bound(Y, SCORE, delta=1.0)
    with pytest.raises(ValueError, match="`method` must be 'one-run' or 'threshold', got 'best'"):
        epsilon_lower_bound(Y, SCORE, method="best")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("auc", ("auc", None)),
        (" advantage ", ("advantage", None)),
        ("accuracy", ("accuracy", None)),
        ("epsilon", ("epsilon", None)),
        ("tpr@0.01", ("tpr", 0.01)),
        ("tpr@1e-3", ("tpr", 0.001)),
    ],
)
def test_parse_metric(text, parsed):
    assert parse_metric(text) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AUROC", "Unknown metric 'AUROC'; choose one of auc, tpr@LEVEL, advantage"),
        ("", "Unknown metric"),
        ("auc@0.1", "takes no level"),
        ("tpr", "needs a false-positive rate"),
        ("tpr@", "needs a false-positive rate"),
        ("tpr@1%", "needs a false-positive rate"),
        ("tpr@1", "needs a false-positive rate"),
        ("tpr@nan", "needs a false-positive rate"),
        (None, "Unknown metric"),
    ],
)
def test_parse_metric_refuses(text, message):
    with pytest.raises(ValueError, match=message):
        parse_metric(text)
    with pytest.raises(ValueError, match=message):
        attack_scorer(text)


def test_compute_by_name():
    assert compute("auc", Y, SCORE) == roc_auc(Y, SCORE)
    assert compute("tpr@0.1", Y, SCORE, confidence=0.9) == tpr_at_fpr(Y, SCORE, 0.1, confidence=0.9)
    assert compute("accuracy", Y, SCORE, threshold=700) == accuracy(Y, SCORE, threshold=700)
    assert compute("epsilon", Y, SCORE, delta=1e-5) == epsilon_lower_bound(Y, SCORE, delta=1e-5)


class ByMeans(ClassifierMixin, BaseEstimator):
    """A classifier that has only `predict_proba`, and 'yes' as the larger label."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        score = 1 / (1 + np.exp(-X[:, 0]))
        return np.column_stack([1 - score, score])


class TestAttackScorer:
    X, y = make_classification(400, random_state=0)

    def test_reads_the_decision_function(self):
        model = LogisticRegression().fit(self.X, self.y)
        score = attack_scorer("auc")(model, self.X, self.y)
        assert score == roc_auc_score(self.y, model.decision_function(self.X))

    def test_reads_predict_proba_where_there_is_no_decision_function(self):
        y = np.where(self.y == 1, "yes", "no")
        model = ByMeans().fit(self.X, y)
        expected = roc_auc_score(self.y, self.X[:, 0])
        assert attack_scorer()(model, self.X, y) == pytest.approx(expected)

    @pytest.mark.parametrize("metric", ["auc", "tpr@0.1", "advantage", "accuracy", "epsilon"])
    def test_in_grid_search(self, metric):
        search = GridSearchCV(
            RandomForestClassifier(10, random_state=0),
            {"max_depth": [1, 5]},
            scoring=attack_scorer(metric),
            cv=3,
        )
        search.fit(self.X, self.y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.best_params_ == {"max_depth": 5}

    def test_survives_pickling_for_parallel_searches(self):
        model = LogisticRegression().fit(self.X, self.y)
        scorer = attack_scorer("tpr@0.1", confidence=0.9)
        again = pickle.loads(pickle.dumps(scorer))
        assert again(model, self.X, self.y) == scorer(model, self.X, self.y)

    def test_options_reach_the_metric(self):
        fixed = attack_scorer("advantage", threshold=0.0)
        model = LogisticRegression().fit(self.X, self.y)
        expected = advantage(self.y, model.decision_function(self.X), threshold=0.0)
        assert fixed(model, self.X, self.y) == expected.value
        assert cross_val_score(LogisticRegression(), self.X, self.y, scoring=fixed).shape == (5,)

    def test_refuses_unknown_labels_and_more_than_two_classes(self):
        model = LogisticRegression().fit(self.X, self.y)
        with pytest.raises(ValueError, match="y holds 2, which is not one of"):
            attack_scorer()(model, self.X, self.y + 1)
        model = LogisticRegression().fit(self.X, np.arange(400) % 3)
        with pytest.raises(ValueError, match="An attack has two classes"):
            attack_scorer()(model, self.X, self.y)


def test_top_n_calls_exactly_n_members_and_the_highest_ones():
    chosen = top_n([0.5, -np.inf, 3.0, 0.5, 2.0], 3)
    assert chosen.sum() == 3
    assert chosen[[2, 4]].all()
    assert not chosen[1]
    assert top_n([1.0, 2.0], 2).all()


def test_top_n_favours_no_place_among_ties():
    counts = np.mean([top_n(np.zeros(6), 2, random_state=seed) for seed in range(600)], axis=0)
    assert np.abs(counts - 1 / 3).max() < 0.08
    np.testing.assert_array_equal(top_n(np.zeros(6), 2), top_n(np.zeros(6), 2))


@pytest.mark.parametrize("n", [0, 6, -1, 2.5])
def test_top_n_refuses_more_than_the_candidates(n):
    with pytest.raises(ValueError, match="from 1 to the number of candidates, 5"):
        top_n(np.arange(5), n)
    with pytest.raises(ValueError, match="one number per candidate"):
        top_n([0.0, np.nan], 1)


def test_precision_at_n_counts_members_among_the_highest():
    # The 500 highest scores are those of members, the next 1,000 are of both alike.
    estimate = precision_at_n(Y, SCORE, 500)
    assert (estimate.value, estimate.n_identified, estimate.n_false_alarms) == (1.0, 500, 0)
    assert estimate.low == pytest.approx(0.025 ** (1 / 500))
    estimate = precision_at_n(Y, SCORE)
    assert (estimate.n_identified, estimate.n_false_alarms) == (750, 250)
    assert estimate.note == "at the 1,000 highest scores; guessing gives 0.500"
    assert estimate.fpr == 0.25
    # Three of four: at the upper end all four would be members in one case of ten.
    few = precision_at_n([0, 0, 0, 1, 1, 1, 1, 0], np.arange(8), 4, confidence=0.8)
    assert (few.value, few.high) == (0.75, pytest.approx(0.9**0.25))
    with pytest.raises(ValueError, match="number of candidates, 2000"):
        precision_at_n(Y, SCORE, 2001)
    # No place is favoured: members stand before or behind non-members.
    tied = [precision_at_n(Y, np.zeros(2000), 500, random_state=s).value for s in range(100)]
    assert np.mean(tied) == pytest.approx(0.5, abs=0.01)


@pytest.mark.slow
def test_precision_at_n_covers_what_is_to_be_expected():
    rng = np.random.default_rng(0)
    scores = np.sort(rng.normal(size=300))[::-1]
    for strength in (0.0, 0.5, 2.0):
        chance = 1 / (1 + np.exp(-strength * scores))
        expected, covered = chance[:100].mean(), []
        for _ in range(2000):
            estimate = precision_at_n(rng.uniform(size=300) < chance, scores, 100)
            covered.append(estimate.low <= expected <= estimate.high)
        assert np.mean(covered) > 0.945
