"""Each attack against its definition, and where the answer is known."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import norm, spearmanr
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from mia_sklearn._observations import _layout
from mia_sklearn._observations._reference_table import ReferenceTable
from mia_sklearn.attacks import (
    LiRAAttack,
    RMIAAttack,
    ShadowAttack,
    StackedAttack,
    ThresholdAttack,
    _stacked,
    random_query_threshold,
)
from mia_sklearn.metrics import roc_auc
from mia_sklearn.stats._likelihood import GaussianRatio, Moments


@pytest.fixture
def gaussian():
    """Records whose references are Gaussian, with and without the record."""
    rng = np.random.default_rng(0)
    n, k = 3000, 8
    center = rng.normal(size=n)
    out = center[:, None] + rng.normal(size=(n, k))
    in_ = center[:, None] + 2 + rng.normal(size=(n, k))
    member = rng.random(n) < 0.5
    phi = center + 2 * member + rng.normal(size=n)
    names = ["logit", *(f"out_{j}" for j in range(k)), *(f"in_{j}" for j in range(k))]
    return pd.DataFrame(np.column_stack([phi, out, in_]), columns=names), member


def parts(frame):
    values = frame.to_numpy()
    return values[:, 0], values[:, 1:9], values[:, 9:17]


# LiRA


def test_lira_per_record_is_the_ratio_of_two_normal_densities(gaussian):
    frame, member = gaussian
    phi, out, in_ = parts(frame)
    score = LiRAAttack(variance="per-record").fit(frame, member).score_observations(frame)
    expected = norm.logpdf(phi, in_.mean(1), in_.std(1, ddof=1)) - norm.logpdf(
        phi, out.mean(1), out.std(1, ddof=1)
    )
    # The floor of a tenth of the pooled variance moves the records of smallest spread only.
    free = np.minimum(out.var(1, ddof=1), in_.var(1, ddof=1)) > 0.11
    assert free.mean() > 0.9
    assert_allclose(score[free], expected[free], rtol=1e-9)


def test_lira_global_shares_one_variance(gaussian):
    frame, member = gaussian
    phi, out, in_ = parts(frame)
    score = LiRAAttack(variance="global").fit(frame, member).score_observations(frame)
    s_out, s_in = (np.sqrt(x.var(1, ddof=1).mean()) for x in (out, in_))
    expected = norm.logpdf(phi, in_.mean(1), s_in) - norm.logpdf(phi, out.mean(1), s_out)
    assert_allclose(score, expected, rtol=1e-9)


def test_lira_offline_orders_as_the_p_value(gaussian):
    frame, member = gaussian
    phi, out, _ = parts(frame)
    attack = LiRAAttack(mode="offline", variance="per-record").fit(frame, member)
    p_value = norm.sf((phi - out.mean(1)) / out.std(1, ddof=1))
    assert spearmanr(attack.score_observations(frame), -p_value).statistic > 0.995


def test_lira_shrunk_nears_the_best_possible_score(gaussian):
    frame, member = gaussian
    scores = {
        variance: roc_auc(
            member, LiRAAttack(variance=variance).fit(frame, member).decision_function(frame)
        ).value
        for variance in ("shrunk", "per-record")
    }
    # Known centre: two normals 2 apart have AUC Phi(sqrt 2) = .921; 16 references estimate it.
    assert scores["shrunk"] > scores["per-record"] + 0.005
    assert 0.90 < scores["shrunk"] < norm.cdf(np.sqrt(2)) + 0.01


def test_lira_reads_only_places_that_are_filled(gaussian):
    frame, member = gaussian
    padded = frame.copy()
    padded.insert(9, "out_8", np.nan)
    expected = LiRAAttack().fit(frame, member).decision_function(frame)
    assert_allclose(LiRAAttack().fit(padded, member).decision_function(padded), expected)


def test_lira_survives_constant_references():
    rng = np.random.default_rng(0)
    member = np.arange(400) % 2 == 1
    out = np.where(rng.random((400, 4)) < 0.5, 3.5, -3.5)
    in_ = np.full((400, 4), 3.5)
    phi = np.where(member | (rng.random(400) < 0.5), 3.5, -3.5)
    frame = pd.DataFrame(
        np.column_stack([phi, out, in_]),
        columns=["logit", *(f"out_{j}" for j in range(4)), *(f"in_{j}" for j in range(4))],
    )
    score = LiRAAttack().fit(frame, member).score_observations(frame)
    assert np.isfinite(score).all()
    assert score[phi > 0].min() > score[phi < 0].max()


def test_moments_skip_a_block():
    rng = np.random.default_rng(0)
    references = rng.normal(size=(20, 6))
    masked = references.copy()
    masked[:, 2:4] = np.nan
    signal = rng.normal(size=20)
    one, other = Moments(signal, references, (2, 4)), Moments(signal, masked)
    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_ratio_with_no_references_at_all_says_nothing_wild():
    rng = np.random.default_rng(0)
    out, in_ = rng.normal(size=(50, 4)), rng.normal(2, 1, size=(50, 4))
    out[3], in_[4], out[5], in_[5] = np.nan, np.nan, np.nan, np.nan
    signal = rng.normal(size=50)
    sides = Moments(signal, out), Moments(signal, in_)
    assert np.isfinite(GaussianRatio().fit(*sides).score(signal, *sides)).all()


# RMIA


@pytest.mark.parametrize("gamma", [1.0, 2.0])
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_rmia_is_its_dense_definition(gaussian, mode, gamma):
    frame, member = gaussian
    phi, out, in_ = parts(frame)
    attack = RMIAAttack(mode=mode, gamma=gamma).fit(frame, member)
    outside, inside = expit(out).mean(1), expit(in_).mean(1)
    average = {"online": (outside + inside) / 2, "offline": (1.3 * outside + 0.7) / 2}[mode]
    ratio = expit(phi) / average
    population = ratio[~member]
    dense = (ratio[:, None] / population[None, :] >= gamma).mean(axis=1)
    score = attack.score_observations(frame)
    # The tie-break is worth less than one population record.
    slack = 1 / (2 * len(population))
    assert (score >= dense - 1e-12 - 1 / len(population) * (gamma == 1)).all()
    assert (score <= dense + slack + 1e-12).all()
    order = np.argsort(ratio)
    assert (np.diff(score[order]) >= 0).all()


# Thresholds


def test_threshold_splits_where_it_must():
    frame = pd.DataFrame({"logit": [3.0, 2.0, 1.0, 0.0, -1.0, -2.0]})
    attack = ThresholdAttack("logit").fit(frame, [1, 1, 1, 0, 0, 0])
    assert attack.threshold_ == 0.5
    assert attack.predict(frame).tolist() == [1, 1, 1, 0, 0, 0]
    loss = ThresholdAttack("loss").fit(frame, [1, 1, 1, 0, 0, 0])
    assert_allclose(loss.threshold_, np.mean(np.log1p(np.exp([-1.0, 0.0]))))


def test_given_threshold_is_in_the_signals_own_unit():
    frame = pd.DataFrame({"label": [0, 0], "proba_0": [0.9, 0.4], "proba_1": [0.1, 0.6]})
    attack = ThresholdAttack("confidence", threshold=0.5).fit(frame, [0, 1])
    assert attack.predict(frame).tolist() == [1, 0]
    entropy = ThresholdAttack("entropy", threshold=0.5).fit(frame, [0, 1])
    assert entropy.predict(frame).tolist() == [1, 0]


def test_each_class_has_its_own_threshold():
    rng = np.random.default_rng(0)
    label = np.arange(400) % 2
    member = rng.random(400) < 0.5
    phi = 4.0 * label + member + rng.uniform(-0.4, 0.4, 400)
    frame = pd.DataFrame({"label": label, "logit": phi})
    one = ThresholdAttack("logit").fit(frame, member)
    each = ThresholdAttack("logit", per_class=True).fit(frame, member)
    assert each.score(frame, member) == 1
    assert one.score(frame, member) < 0.8
    assert set(each.class_thresholds_) == {0.0, 1.0}
    assert abs(each.class_thresholds_[1.0] - each.class_thresholds_[0.0] - 4) < 0.5


def test_rare_classes_use_the_common_threshold():
    frame = pd.DataFrame({"label": [0.0] * 40 + [1.0] * 2, "logit": [*range(42)]})
    member = np.arange(42) >= 20
    attack = ThresholdAttack("logit", per_class=True).fit(frame, member)
    assert set(attack.class_thresholds_) == {0.0}


def test_random_queries_find_where_members_lie():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 20))
    y = rng.integers(0, 2, 300)
    model = MLPClassifier((50,), tol=1e-2, max_iter=1000, random_state=0).fit(X[:150], y[:150])
    threshold = random_query_threshold(model, X, n_queries=500, top=0.5, random_state=0)
    members, others = model.predict_proba(X[:150]).max(1), model.predict_proba(X[150:]).max(1)
    assert 0.5 < threshold < 1
    assert (members >= threshold).mean() > (others >= threshold).mean()


def test_random_queries_keep_the_kind_of_each_feature():
    frame = pd.DataFrame(
        {"n": [1, 5, 9], "x": [0.0, 0.5, 1.0], "c": ["a", "b", "b"]}, index=[7, 8, 9]
    )
    seen = []

    class Model:
        classes_ = np.array([0, 1])

        def predict_proba(self, X):
            seen.append(X)
            return np.full((len(X), 2), 0.5)

    assert random_query_threshold(Model(), frame, n_queries=50, random_state=0) == 0.5
    assert seen[0].dtypes.tolist() == frame.dtypes.tolist()
    assert set(seen[0]["n"]) == {1, 5, 9}
    assert seen[0]["x"].between(0, 1).all()
    for arguments, message in (
        ({"signal": "loss"}, "signal must be one of max_confidence"),
        ({"top": 0.0}, "top must lie between 0 and 1"),
        ({"n_queries": 0}, "n_queries must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            random_query_threshold(Model(), frame, **arguments)


# Shadow attack


def test_shadow_attack_has_a_classifier_for_each_class(shadow, target_observations):
    attack = ShadowAttack(LogisticRegression()).fit(*shadow)
    assert set(attack.estimators_) == {0.0, 1.0, 2.0}
    joint = ShadowAttack(LogisticRegression(), per_class=False, top_k=3).fit(*shadow)
    assert set(joint.estimators_) == {None}
    label = target_observations["label"].to_numpy()
    own = attack.estimators_[1.0].predict_proba(
        target_observations.loc[label == 1, ["proba_0", "proba_1", "proba_2"]].to_numpy()
    )[:, 1]
    assert_allclose(attack.predict_proba(target_observations)[label == 1, 1], own, rtol=1e-6)


def test_shadow_attack_reads_the_largest_posteriors():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1, 1, 1], 200)
    member = proba.max(axis=1) > np.median(proba.max(axis=1))
    names = [f"proba_{c}" for c in range(4)]
    attack = ShadowAttack(KNeighborsClassifier(5), per_class=False, top_k=1)
    attack.fit(pd.DataFrame(proba, columns=names), member)
    shuffled = pd.DataFrame(rng.permuted(proba, axis=1), columns=names)
    assert attack.score(shuffled, member) > 0.95


def test_shadow_attack_shares_a_classifier_among_rare_classes():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"label": [0.0] * 100 + [1.0] * 4, "proba_0": rng.random(104), "proba_1": 0.5}
    )
    member = rng.random(104) < 0.5
    attack = ShadowAttack(LogisticRegression()).fit(frame, member)
    assert set(attack.estimators_) == {0.0, None}
    unseen = frame.assign(label=9.0)
    assert np.isfinite(attack.decision_function(unseen)).all()


# The stacked attack


def test_stacked_masks_one_block_at_a_time(references, shadow, target_observations):
    observations, membership = shadow
    attack = StackedAttack(LogisticRegressionOnMeans()).fit(observations, membership)
    score = attack.score_observations(target_observations)
    parts = []
    for block in range(references.n_blocks_):
        masked = target_observations.copy()
        masked[[f"out_{block}", f"in_{block}"]] = np.nan
        parts.append(attack.score_observations(masked))
    assert_allclose(score, np.mean(parts, axis=0), rtol=1e-6)
    few = StackedAttack(LogisticRegressionOnMeans(), max_masks=2).fit(observations, membership)
    assert_allclose(
        few.score_observations(target_observations), np.mean([parts[0], parts[-1]], axis=0)
    )
    # A block of which one place alone is empty is not what an acting reference lacks.
    trimmed = target_observations.assign(in_0=np.nan)
    without = [
        attack.score_observations(trimmed.assign(**{f"out_{block}": np.nan, f"in_{block}": np.nan}))
        for block in range(1, references.n_blocks_)
    ]
    assert_allclose(
        attack.score_observations(trimmed), np.mean([parts[0], *without], axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("attack", [ThresholdAttack(), LiRAAttack(), RMIAAttack(), StackedAttack()])
def test_records_seen_a_few_at_a_time_are_those_of_the_whole_table(
    references, shadow, target_observations, monkeypatch, attack
):
    attack = clone(attack).fit(*(part[::16] for part in shadow))
    monkeypatch.setattr(_layout, "_RECORDS_IN_TURN", 37)
    monkeypatch.setattr(_stacked, "_ROWS_IN_TURN", 29)
    table, rows = ReferenceTable(references), np.arange(references.n_pool_)
    log_proba = np.log(np.maximum(target_observations.filter(like="proba_").to_numpy(), 1e-30))
    parts = list(_layout.laid_in_turns(table, log_proba, rows))
    whole = _layout.lay_beside_references(table, log_proba, rows)
    assert len(parts) == np.ceil(len(rows) / 37)
    pd.testing.assert_frame_equal(pd.concat([part for _, part in parts]), whole, check_exact=True)
    scores = np.concatenate([attack.decision_function(part) for _, part in parts])
    monkeypatch.undo()
    np.testing.assert_array_equal(scores, attack.decision_function(whole))


class LogisticRegressionOnMeans(LogisticRegression):
    """Takes no NaN and needs none: a stand-in whose answers are smooth in its input."""

    def __init__(self, C=1e-3):
        super().__init__(C=C, max_iter=5000)

    def fit(self, X, y):
        return super().fit(np.nan_to_num(np.clip(X, -5, 5)), y)

    def decision_function(self, X):
        return super().decision_function(np.nan_to_num(np.clip(X, -5, 5)))


def test_stacked_beats_its_ingredients_on_mixed_records():
    """Where half of the records have wide references, no single ratio is right for all."""
    rng = np.random.default_rng(0)
    n, k = 6000, 8
    wide = rng.random(n) < 0.5
    spread = np.where(wide, 4.0, 0.5)[:, None]
    out = spread * rng.normal(size=(n, k))
    in_ = 2 + spread * rng.normal(size=(n, k))
    member = rng.random(n) < 0.5
    phi = 2 * member + spread[:, 0] * rng.normal(size=n)
    names = ["logit", *(f"out_{j}" for j in range(k)), *(f"in_{j}" for j in range(k))]
    frame = pd.DataFrame(np.column_stack([phi, out, in_]), columns=names)
    half = slice(0, n // 2), slice(n // 2, n)
    auc = {}
    for attack in (StackedAttack(random_state=0), LiRAAttack(variance="global"), RMIAAttack()):
        attack.fit(frame.iloc[half[0]], member[half[0]])
        auc[type(attack)] = roc_auc(
            member[half[1]], attack.decision_function(frame.iloc[half[1]])
        ).value
    assert auc[StackedAttack] > max(auc[LiRAAttack], auc[RMIAAttack])


def test_stacked_reads_neighbors_only_when_told(target, pool, references):
    from mia_sklearn import observe

    observations, membership = references.shadow_observations(2000, 0, neighbors=3)
    plain = StackedAttack(random_state=0).fit(observations, membership)
    assert not any(name.startswith("neighbor_") for name in plain.feature_names_)
    wide = StackedAttack(pool_features=True, random_state=0).fit(observations, membership)
    assert any(name.startswith("neighbor_") for name in wide.feature_names_)
    seen = observe(target, *pool, references=references, neighbors=3)
    assert wide.predict_proba(seen).shape == (len(seen), 2)


def test_stacked_reads_many_classes(shadow):
    attack = StackedAttack(random_state=0).fit(*shadow)
    assert {"discriminant", "in_divergence", "out_entropy"} <= set(attack.feature_names_)


@pytest.mark.parametrize(
    "attack",
    [ThresholdAttack(), ShadowAttack(random_state=0), LiRAAttack(), RMIAAttack()],
    ids=lambda attack: type(attack).__name__,
)
def test_rows_without_a_signal_get_a_score_that_says_nothing(attack, shadow):
    observations, membership = shadow
    attack.fit(observations, membership)
    blank = observations.iloc[:5].copy()
    blank[["logit", "label"]] = np.nan
    decision = attack.decision_function(blank)
    assert np.isfinite(decision).all()


def test_probabilities_match_the_rate_of_members(shadow):
    observations, membership = shadow
    for attack in (LiRAAttack(), RMIAAttack(), ShadowAttack(random_state=0)):
        proba = attack.fit(observations, membership).predict_proba(observations)[:, 1]
        assert abs(proba.mean() - membership.mean()) < 0.03
