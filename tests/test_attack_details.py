"""Small choices of attacks and defenses, each by a value that another choice would not give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logit
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mia_sklearn import ReferenceModels, observe
from mia_sklearn._models._fitted import _Renamed
from mia_sklearn._observations._columns import Reader, group_columns
from mia_sklearn.attacks import (
    GMIAAttack,
    GroupAttack,
    IndirectGMIAAttack,
    LiRAAttack,
    LOGANAttack,
    RMIAAttack,
    ShadowAttack,
    StackedAttack,
    ThresholdAttack,
    random_query_threshold,
)
from mia_sklearn.attacks._cut import best_threshold
from mia_sklearn.attacks._grouped import _parts
from mia_sklearn.attacks._round_loss import _features
from mia_sklearn.base._attack import platt
from mia_sklearn.defenses import MemGuard, RoundedPosterior
from mia_sklearn.signals import SIGNALS, signal_of_posteriors

# --- thresholds ----------------------------------------------------------------------------------


class Line:
    """Answers that are the record itself, and what it was asked."""

    classes_ = np.array([0, 1])

    def predict_proba(self, X):
        self.asked = np.asarray(X)
        return np.column_stack([self.asked[:, 0], 1 - self.asked[:, 0]])

    def fit(self, X, y):
        return self


@pytest.mark.parametrize(("signal", "share"), [("max_confidence", 0.9), ("entropy", 0.1)])
def test_the_top_of_random_points_is_on_the_members_side(signal, share):
    model = Line()
    found = random_query_threshold(
        model, np.array([[0.0], [1.0]]), signal=signal, top=0.1, n_queries=4000, random_state=0
    )
    top = np.maximum(model.asked[:, 0], 1 - model.asked[:, 0])
    values = (
        top if signal == "max_confidence" else -(top * np.log(top) + (1 - top) * np.log1p(-top))
    )
    assert found == pytest.approx(np.quantile(values, share))
    assert np.quantile(top, 0.9) == pytest.approx(0.95, abs=0.01)


def test_no_cut_between_equal_scores():
    member = np.array([True, False, False, False])
    assert best_threshold(np.array([1.0, 1, 0, 0]), member) == 0.5
    # All at one value: nothing to cut between.
    assert best_threshold(np.ones(4), member) == 1.0
    # Of unequal sizes, rates and not counts decide: 1 of 1 against 1 of 9.
    score = np.arange(10.0)[::-1]
    assert best_threshold(score, np.arange(10) == 1) == 7.5


# --- tables with other columns -------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables():
    X, y = make_classification(200, 5, n_informative=3, n_redundant=0, flip_y=0.2, random_state=0)
    forest = RandomForestClassifier(5, random_state=0)
    references = ReferenceModels(forest, 4, random_state=0).fit(X, y)
    observed, member = references.shadow_observations()
    target = forest.fit(X[:100], y[:100])
    return observed, member, observe(target, X, y, references=references), observe(target, X, y)


@pytest.mark.parametrize("attack", [ThresholdAttack(), ShadowAttack(LogisticRegression())])
def test_columns_that_are_not_read_are_ignored(attack, tables):
    observed, member, beside, alone = tables
    attack.fit(observed, member)
    assert attack.feature_names_in_.tolist() == observed.columns.tolist()
    expected = attack.decision_function(alone.assign(out_0=0.0, in_0=1.0))
    assert_allclose(attack.decision_function(alone), expected, rtol=1e-5)
    assert len(np.unique(expected)) > 3
    text = beside.assign(note="x")[["note", *beside.columns[::-1]]]
    assert_array_equal(attack.decision_function(text), attack.decision_function(beside))


@pytest.mark.parametrize("attack", [LiRAAttack(), RMIAAttack(), StackedAttack(random_state=0)])
def test_columns_in_another_order_tell_the_same(attack, tables):
    observed, member, beside, _ = tables
    attack.fit(observed, member)
    expected = attack.decision_function(beside)
    mixed = beside[beside.columns[::-1]].assign(new=np.nan)
    assert_array_equal(attack.decision_function(mixed), expected)
    assert_array_equal(attack.predict(mixed), attack.predict(beside))


def test_columns_that_are_read_and_missing_are_named(tables):
    observed, member, beside, alone = tables
    lira = LiRAAttack().fit(observed, member)
    with pytest.raises(ValueError, match=r"now missing:\n- out_0\n- out_1\n- in_0\n- in_1\nLiRAA"):
        lira.predict(alone)
    offline = LiRAAttack(mode="offline").fit(observed, member)
    assert len(offline.predict(beside.drop(columns=["in_0", "in_1"]))) == 200
    # Columns of `fit` that are not read are missing before those that are read.
    backwards = LiRAAttack(mode="offline").fit(observed[observed.columns[::-1]], member)
    assert_array_equal(
        backwards.decision_function(beside.drop(columns=["in_0", "in_1"])),
        backwards.decision_function(beside),
    )
    with pytest.raises(ValueError, match=r"now missing:\n- label\nShadowAttack reads them"):
        ShadowAttack(LogisticRegression()).fit(observed, member).predict(
            alone.drop(columns="label")
        )
    grouped = GroupAttack(ThresholdAttack()).fit(
        observed.assign(group=np.arange(len(observed))), member
    )
    with pytest.raises(ValueError, match=r"now missing:\n- group"):
        grouped.predict(alone)


# --- shadow, groups, blanks ----------------------------------------------------------------------


def test_a_class_is_judged_by_its_own_classifier_and_not_by_the_common_one():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"label": [0.0] * 100 + [1.0] * 100 + [2.0] * 9})
    frame["proba_0"] = rng.random(209)
    frame["proba_1"] = 1 - frame["proba_0"]
    member = rng.random(209) < np.where(frame["label"] == 0, frame["proba_0"], frame["proba_1"])
    attack = ShadowAttack(LogisticRegression()).fit(frame, member)
    assert set(attack.estimators_) == {0.0, 1.0, None}
    features = frame[["proba_0", "proba_1"]].to_numpy()
    decision = attack.decision_function(frame)
    for label, key in ((0, 0.0), (1, 1.0), (2, None)):
        rows = frame["label"].to_numpy() == label
        own = attack.estimators_[key].decision_function(features[rows])
        assert_allclose(decision[rows], own, rtol=1e-9)


def test_evidence_of_a_record_is_less_what_was_known_before():
    rng = np.random.default_rng(0)
    member = np.arange(50) % 5 > 0
    table = pd.DataFrame({"logit": rng.normal(size=50) + member, "group": np.arange(50)})
    attack = GroupAttack(ThresholdAttack(), clip=100.0, random_state=0).fit(table, member)
    assert attack._prior == pytest.approx(logit(0.8))
    evidence = attack._evidence(attack.attack_, attack._prior, table.to_numpy())
    assert_allclose(evidence, attack.attack_.decision_function(table.to_numpy()) - logit(0.8))


@pytest.mark.parametrize("seed", range(5))
def test_every_part_gets_members(seed):
    member = np.zeros(40, dtype=bool)
    member[[3, 11, 30]] = True
    table = Reader(np.zeros((40, 1)), group_columns(["logit"]))
    part = _parts(table, member, 3, np.random.RandomState(seed))
    assert sorted(part[member]) == [0, 1, 2]
    assert sorted(np.bincount(part)) == [13, 13, 14]


def test_a_blank_row_gets_the_median_decision():
    rng = np.random.default_rng(0)
    phi, member = rng.exponential(size=101) ** 2, np.arange(101) % 3 == 0
    table = pd.DataFrame({"logit": phi})
    attack = ThresholdAttack("logit").fit(table, member)
    blank = attack.decision_function(pd.DataFrame({"logit": [np.nan]}))
    assert blank[0] == pytest.approx(np.median(attack.decision_function(table)))


def test_a_score_at_the_given_threshold_is_no_members():
    attack = ThresholdAttack("logit", threshold=1.5)
    attack.fit(pd.DataFrame({"logit": [0.0, 1.0, 2.0, 3.0]}), [0, 0, 1, 1])
    assert attack.predict(pd.DataFrame({"logit": [1.0, 1.5, 2.0]})).tolist() == [0, 0, 1]


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_sure_and_right_answer_speaks_for_a_member(signal):
    table = pd.DataFrame({"label": [0, 0], "proba_0": [0.9, 0.4], "proba_1": [0.1, 0.6]})
    table["logit"] = logit(table["proba_0"])
    attack = ThresholdAttack(signal).fit(table, [1, 0])
    assert attack.predict(table).tolist() == [1, 0]
    value = signal_of_posteriors(signal, table[["proba_0", "proba_1"]].to_numpy(), np.zeros(2))
    assert attack.threshold_ == pytest.approx(value.mean())


def test_summaries_of_rounds_by_hand():
    # phi; mean, last and sum over times -1, 0, 1 of the loss and of phi; largest, least change.
    phi = np.array([1.0, 2.0, 4.0])
    loss = np.log1p(np.exp(-phi))
    expected = [*phi, loss.mean(), loss[2], loss[2] - loss[0], 7 / 3, 4, 3, 2, 0]
    assert_allclose(_features(phi[None].copy())[0], expected)


def test_scores_that_part_members_from_others_keep_finite_log_odds():
    # Of two each, three of four are taken for members at the higher score, one at the lower.
    slope, offset = platt(np.array([0.0, 0.0, 1.0, 1.0]), np.array([False, False, True, True]))
    assert (offset, slope + offset) == pytest.approx((-np.log(3), np.log(3)), abs=1e-4)


def test_a_feature_that_is_missing_is_read_as_the_mean():
    features = pd.DataFrame({"feature_0": [-2.0, -1, 1, 2], "feature_1": [0.5, -0.5, 0.5, -0.5]})
    attack = LOGANAttack("discriminative", LogisticRegression(), random_state=0)
    attack.fit(features, [0, 0, 1, 1])
    lost = features.assign(feature_0=np.nan)
    assert_array_equal(attack.decision_function(lost), attack.decision_function(lost.fillna(0.0)))


# --- GMIA ----------------------------------------------------------------------------------------


def test_published_p_value_of_0_is_one_reference_more():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        rng.normal(size=(40, 7)), columns=["logit", *(f"out_{k}" for k in range(6))]
    )
    attack = GMIAAttack(p_value="pchip").fit(table, np.arange(40) % 2)
    surest = table.iloc[:1].assign(logit=100.0)
    assert attack.p_values(surest)[0] == 0
    assert attack.score_observations(surest)[0] == pytest.approx(np.log(7))


@pytest.mark.parametrize("combine", ["rank", "kost"])
def test_a_query_without_an_answer_changes_nothing(combine):
    rng = np.random.default_rng(1)
    names = [f"enhancing_{q}" for q in range(3)]
    names += [f"enhancing_{q}_out_{k}" for q in range(3) for k in range(20)]
    table = pd.DataFrame(rng.normal(size=(10, 63)), columns=names)
    table[names[:3]] += 1.0
    lost = table.copy()
    lost[[name for name in names if name.startswith("enhancing_2")]] = np.nan
    two = table.drop(columns=[name for name in names if name.startswith("enhancing_2")])
    member = np.arange(10) % 2
    attack = IndirectGMIAAttack(combine=combine)
    without = attack.fit(two, member).p_values(two)
    assert_allclose(attack.fit(lost, member).p_values(lost), without, rtol=1e-12)
    assert (attack.fit(table, member).p_values(table) != without).any()


# --- defenses ------------------------------------------------------------------------------------


def test_rounding_keeps_the_label_and_the_larger_of_equal_remainders():
    says = RoundedPosterior(Line(), decimals=1)
    says.estimator_, says.classes_, says.n_features_in_ = Line(), np.array([0, 1]), 1
    assert_array_equal(says.predict_proba([[0.45], [0.55]]), [[0.4, 0.6], [0.6, 0.4]])
    assert_array_equal(says.predict([[0.45], [0.55]]), [1, 0])


def test_mem_guard_draws_by_its_seed():
    X, y = make_classification(160, 5, flip_y=0.3, random_state=0)
    forest = RandomForestClassifier(5, random_state=0)
    # Set apart by hand, so that the seed draws nothing but what is released.
    one, again, other = (
        MemGuard(forest, 0.3, random_state=seed).fit(X[:100], y[:100], X[100:130], y[100:130])
        for seed in (0, 0, 1)
    )
    assert one._seed == again._seed != other._seed
    altered = [
        np.abs(model.predict_proba(X) - model.estimator_.predict_proba(X)).max(axis=1) > 1e-6
        for model in (one, again, other)
    ]
    assert_array_equal(altered[0], altered[1])
    assert 0 < altered[0].sum() < 160
    assert (altered[0] != altered[2]).any()


def test_a_renamed_model_answers_with_labels():
    model = LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 2])
    renamed = _Renamed(model, np.array([30, 10, 20]))
    assert renamed.predict([[-5.0], [9.0]]).tolist() == [30, 20]
    assert_allclose(renamed.predict_proba([[9.0]]), model.predict_proba([[9.0]]))


# --- default formulas, written out ---------------------------------------------------------------


def test_rmia_by_hand():
    """Unequal numbers of in and out references, and places that are empty."""
    rng = np.random.default_rng(2)
    phi = rng.normal(size=30)
    out, in_ = rng.normal(size=(30, 3)), rng.normal(size=(30, 1)) + 1
    out[4, :2] = np.nan
    names = ["logit", "out_0", "out_1", "out_2", "in_0"]
    table = pd.DataFrame(np.column_stack([phi, out, in_]), columns=names)
    member = np.arange(30) % 3 == 0
    for mode, a in (("online", 0.3), ("offline", 0.7)):
        mean = np.nanmean(expit(out), axis=1)
        online = (mean + expit(in_)[:, 0]) / 2
        mean = online if mode == "online" else ((1 + a) * mean + 1 - a) / 2
        ratio = expit(phi) / mean
        share = (ratio[:, None] >= 1.3 * ratio[~member][None, :]).mean(axis=1)
        attack = RMIAAttack(mode=mode, gamma=1.3, offline_a=a).fit(table, member)
        found = attack.score_observations(table)
        # Ties are broken by less than one record of the population.
        assert_allclose(found - share, ratio / (1 + ratio) / (2 * (~member).sum()), rtol=1e-6)
