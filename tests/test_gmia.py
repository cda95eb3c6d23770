"""The direct attack of GMIA, with answers that are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm

from mia_sklearn.attacks import GMIAAttack
from mia_sklearn.metrics import roc_auc
from mia_sklearn.stats import pchip_p_values, pooled_p_values, rank_p_values, t_p_values

EVERY = ["pooled", "pchip", "rank", "t"]
every_p_value = pytest.mark.parametrize("p_value", EVERY)


def observations(n=2_000, k=20, gap=3.0, seed=0):
    """Members answer `gap` standard deviations above their references; every record differs."""
    rng = np.random.default_rng(seed)
    member = rng.uniform(size=n) < 0.5
    values = rng.normal(size=(n, k + 1))
    values[:, 0] += gap * member
    values = values * rng.uniform(0.2, 3, (n, 1)) + rng.normal(size=(n, 1))
    names = ["logit", *(f"out_{i}" for i in range(k))]
    return pd.DataFrame(values, columns=names), member.astype(int)


@pytest.mark.parametrize(
    ("p_value", "function"),
    [("pchip", pchip_p_values), ("rank", rank_p_values), ("t", t_p_values)],
)
def test_p_values_are_those_of_stats(p_value, function):
    X, member = observations(300)
    X.iloc[3, 0] = np.nan
    X.iloc[5, 1:] = np.nan
    values = X.to_numpy()
    p = GMIAAttack(p_value=p_value).fit(X, member).p_values(X)
    np.testing.assert_array_equal(p, function(values[:, 0], values[:, 1:]))
    assert np.isnan(p[3]) and p[5] == 1


def test_pooled_p_values_of_the_rows_of_fit_are_those_of_stats():
    X, member = observations(300)
    X.iloc[3, 0] = np.nan
    X.iloc[5, 3:] = np.nan  # two references: by rank
    X.iloc[6, 1:] = 1.0  # equal ones stay in the pool
    values = X.to_numpy()
    attack = GMIAAttack().fit(X, member)
    expected = pooled_p_values(values[:, 0], values[:, 1:])
    np.testing.assert_allclose(attack.p_values(X), expected, rtol=1e-12)
    np.testing.assert_array_equal(attack.pool_.values, np.sort(attack.pool_.values))
    assert len(attack.pool_.values) == 299 * 20


def test_pooled_p_values_of_a_record_do_not_depend_on_those_beside_it():
    X, member = observations(300)
    attack = GMIAAttack().fit(X, member)
    together = attack.p_values(X)
    np.testing.assert_array_equal(
        [attack.p_values(X[i : i + 1])[0] for i in range(9)], together[:9]
    )
    assert together.min() < 1 / 1_000


def test_a_large_pool_is_thinned(monkeypatch):
    X, member = observations(400)
    whole = GMIAAttack().fit(X, member)
    monkeypatch.setattr("mia_sklearn.attacks.gmia._direct._MOST_POOLED", 1_000)
    thin = GMIAAttack().fit(X, member)
    assert len(thin.pool_.values) == 50 * 20
    np.testing.assert_allclose(thin.p_values(X), whole.p_values(X), atol=0.06)


@every_p_value
def test_answers_known_in_closed_form(p_value):
    X, member = observations(n=4_000, k=60)
    attack = GMIAAttack(p_value=p_value).fit(X, member)
    # Two normals three standard deviations apart, less what 60 references leave unknown.
    auc = roc_auc(member, attack.decision_function(X))
    expected = norm.cdf(3 / np.sqrt(2))
    assert expected - 0.02 < auc.value < expected + 0.005
    p = attack.p_values(X)
    found = (p <= 0.05)[member == 1].mean()
    assert found == pytest.approx(norm.sf(norm.isf(0.05) - 3), abs=0.06)
    wrong = int((p <= 0.05)[member == 0].sum())
    assert binomtest(wrong, int((member == 0).sum()), 0.05).pvalue > 0.001


@every_p_value
def test_an_independent_target_is_not_told_apart(p_value):
    X, member = observations(gap=0.0)
    auc = roc_auc(member, GMIAAttack(p_value=p_value).fit(X, member).decision_function(X))
    assert auc.low < 0.5 < auc.high


@every_p_value
def test_the_score_keeps_the_order_of_the_p_values_and_is_finite(p_value):
    X, member = observations(500, gap=40.0)
    X.iloc[:100, 5:] = np.nan  # as few as four references
    attack = GMIAAttack(p_value=p_value).fit(X, member)
    p, score = attack.p_values(X), attack.score_observations(X)
    assert np.isfinite(score).all() and np.isfinite(attack.decision_function(X)).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(score[order]) <= 0).all()
    different = np.diff(p[order]) > 0
    assert (np.diff(score[order])[different] < 0).all()
    if p_value == "pchip":
        assert (p == 0).sum() > 200
        assert (score[p == 0] == score.max()).all()


@every_p_value
def test_membership_only_calibrates(p_value):
    X, member = observations(400)
    one, other = (GMIAAttack(p_value=p_value).fit(X, y) for y in (member, 1 - member))
    np.testing.assert_array_equal(one.p_values(X), other.p_values(X))
    np.testing.assert_array_equal(one.score_observations(X), other.score_observations(X))


@pytest.mark.parametrize(
    ("p_value", "most", "needed"), [("pooled", 2, 3), ("t", 1, 2), ("rank", 0, 1), ("pchip", 0, 1)]
)
def test_too_few_references_are_refused(p_value, most, needed):
    X, member = observations(50)
    X.iloc[:, 1 + most :] = np.nan
    message = rf"p_value='{p_value}'\) needs at least {needed} reference.*more than {most}"
    attack = GMIAAttack(p_value=p_value)
    with pytest.raises(ValueError, match=message):
        attack.fit(X, member)
    with pytest.raises(ValueError, match=message):
        attack.set_params(columns=list(X)).fit(X.to_numpy(), member)


def test_arrays_without_names_fall_back_on_ranks():
    X, member = observations(50, k=2)
    attack = GMIAAttack().fit(X.to_numpy(), member)
    expected = rank_p_values(X.to_numpy()[:, 0], X.to_numpy()[:, 1:])
    np.testing.assert_array_equal(attack.p_values(X.to_numpy()), expected)


def test_unknown_p_values_are_refused():
    X, member = observations(50)
    with pytest.raises(ValueError, match="'p_value' parameter of GMIAAttack must be a str among"):
        GMIAAttack(p_value="beta").fit(X, member)


@every_p_value
def test_single_precision(p_value):
    X, member = observations(200)
    attack = GMIAAttack(p_value=p_value).fit(X.astype("float32"), member)
    p = attack.p_values(X.astype("float32"))
    assert p.dtype == np.float64
    exact = GMIAAttack(p_value=p_value).fit(X, member).p_values(X)
    np.testing.assert_allclose(p, exact, atol=1e-3)


@every_p_value
def test_acting_references_and_a_real_target(p_value, shadow, target_observations, target_member):
    attack = GMIAAttack(p_value=p_value).fit(*shadow)
    p = attack.p_values(target_observations)
    auc = roc_auc(target_member, -p)
    assert auc.low > 0.55
    # Nobody who was out is called a member at a level that few of them may reach.
    if p_value in ("pooled", "rank"):
        assert (p[~target_member] <= 0.05).mean() <= 0.08
