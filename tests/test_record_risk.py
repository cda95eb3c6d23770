"""What single records risk: p-values of all attacks, and whether they are named again."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit
from mia_sklearn._audit._again import Again, named_again
from mia_sklearn._audit._findings import Context
from mia_sklearn._audit._findings._of_groups import GroupAtRisk, worst_group
from mia_sklearn._records._groups import Grouping
from mia_sklearn.references._acting import act_as_target
from mia_sklearn.report._by_attack import share_again
from mia_sklearn.report._evidence import _retold
from mia_sklearn.report._html import render_html
from mia_sklearn.stats import (
    auc_interval,
    conformal_combine,
    conformal_p_values,
    harmonic_combine,
    pooled_p_values,
)
from small_targets import BINARY, TEST, TRAIN, X


def test_harmonic_mean_is_raised_by_the_constants_of_vovk_and_wang():
    assert harmonic_combine([0.03]) == pytest.approx(0.03)
    raised = [harmonic_combine([0.01] * n) / 0.01 for n in (2, 3, 4, 8)]
    np.testing.assert_allclose(raised, [2, 2.74564, 3.21874, 4.2498], rtol=1e-5)
    found = harmonic_combine([[0.002, 0.5], [np.nan, 0.4], [np.nan, np.nan], [0, 0.9], [1, 1]])
    np.testing.assert_allclose(found, [0.00797, 0.4, 1, 0, 1], atol=5e-6)
    for bad, why in ((0.5, "one dimension"), ([0.5, 1.1], "lie in"), ([-0.1], "lie in")):
        with pytest.raises(ValueError, match=why):
            harmonic_combine(bad)


def test_the_constant_is_reached_by_some_dependence():
    """The p-values of the proof: what is below the constant would not hold."""
    # All of them equal, and equal to one shared p-value: their harmonic mean is that p-value.
    grid = (np.arange(1000) + 0.5) / 1000
    assert (harmonic_combine(np.column_stack([grid, grid])) <= 0.05).mean() <= 0.05
    # One small, the other as large as it may be: 2 / (1/p + 1/(a - p)) <= a / 2 whatever p is.
    a = 0.1
    p = grid * a
    second = np.where(grid < a, a - p, grid)
    assert harmonic_combine(np.column_stack([p, second]))[: int(1000 * a)].max() <= a + 1e-9


def test_conformal_p_values_are_ranks_among_those_who_were_not_trained_on():
    others = np.array([0.0, 1.0, 1.0, 3.0, np.nan])
    np.testing.assert_array_equal(
        conformal_p_values([4.0, 1.0, -1.0, np.nan], others), [0.2, 0.8, 1, np.nan]
    )
    # Each of them against the rest.
    np.testing.assert_array_equal(conformal_p_values(others[:4]), [1, 0.75, 0.75, 0.25])
    table = np.column_stack([others, others[::-1]])
    two = conformal_p_values([[4.0, 1.0]], table)
    np.testing.assert_array_equal(two, [[0.2, 0.8]])
    for scores, against in (([1.0], []), ([1.0], None), ([[1.0, 2.0]], [[1.0]])):
        with pytest.raises(ValueError, match=r"compare with|same columns"):
            conformal_p_values(scores, against)


def test_combined_scores_are_ranked_by_their_harmonic_means():
    rng = np.random.default_rng(0)
    scores, others = rng.normal(1, 1, (30, 3)), rng.normal(size=(19, 3))
    for own, found in zip(scores, conformal_combine(scores, others), strict=True):
        theirs = (others[None] >= others[:, None]).sum(axis=1) / 20
        ours = (1 + (others >= own).sum(axis=0)) / 20
        assert found == (1 + ((1 / theirs).sum(axis=1) >= (1 / ours).sum() - 1e-9).sum()) / 20
    # Of one attack nothing changes, and who was not trained on has ranks from 1 / n to 1.
    one = conformal_combine(scores[:, :1], others[:, :1])
    np.testing.assert_allclose(one, conformal_p_values(scores[:, 0], others[:, 0]))
    np.testing.assert_allclose(np.sort(conformal_combine(others[:, :1])), np.arange(1, 20) / 19)
    scores[0] = np.nan
    assert conformal_combine(scores, others)[0] == 1
    with pytest.raises(ValueError, match="nothing to combine"):
        conformal_combine([1.0], [0.0])


@pytest.fixture(scope="module")
def references():
    tree = DecisionTreeClassifier(random_state=0)
    return ReferenceModels(tree, n_models=8, smoothing=0.05, random_state=0).fit(X, BINARY)


def test_acting_references_are_held_against_those_of_other_blocks(references):
    acted = act_as_target(references)
    assert acted.models.tolist() == list(range(8))
    phi, inside = references.phi(), references.membership_ > 0
    np.testing.assert_array_equal(acted.trained, inside)
    for model in (0, 5):
        others = references.block_ != references.block_[model]
        out = np.where(inside[others], np.nan, phi[others]).T
        expected = pooled_p_values(phi[model], np.sort(out, axis=1)[:, :3])
        # Whichever is left aside as the last one, here votes of two kinds make it the same.
        assert np.corrcoef(expected, acted.p_values[model])[0, 1] > 0.9
        packed = np.array([row[~np.isnan(row)] for row in out])
        np.testing.assert_array_equal(
            acted.p_values[model], pooled_p_values(phi[model], packed.astype(np.float32))
        )


def test_people_act_as_one(references):
    people = Grouping(np.arange(120))
    np.testing.assert_array_equal(
        act_as_target(references, people).trained, act_as_target(references).trained
    )
    pairs = ReferenceModels(
        DecisionTreeClassifier(random_state=0), n_models=8, smoothing=0.05, random_state=0
    ).fit(X, BINARY, groups=np.arange(120) // 2)
    acted = act_as_target(pairs, Grouping(np.arange(120) // 2))
    assert acted.p_values.shape == (8, 60)
    np.testing.assert_array_equal(acted.trained, pairs.membership_[:, ::2] > 0)


def test_named_again_counts_members_of_each_rerun(references):
    again, acted = named_again(references, None), act_as_target(references)
    np.testing.assert_array_equal(again.named, acted.trained & (acted.p_values <= 0.01))
    assert not (again.named & ~again.trained).any()


def test_the_share_of_those_listed_is_a_mean_over_reruns():
    trained = np.array([[1, 1, 0, 1], [0, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 1]], dtype=bool)
    named = trained & np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=bool)
    listed = np.array([True, True, True, False])
    found = Again(trained, named).share_of(listed, 0.95)
    assert found.n_reruns == 3
    assert found.value == pytest.approx((0.5 + 1 + 0.5) / 3)
    half = 1.885618 * np.std([0.5, 1, 0.5], ddof=1) / np.sqrt(3)
    assert Again(trained, named).share_of(listed, 0.8)[1:3] == pytest.approx(
        (found.value - half, found.value + half), abs=1e-6
    )
    assert found[1:3] == (0, 1)
    assert Again(trained, named).share_of(np.array([True, False, False, False]), 0.95) is None


def test_shares_have_exact_intervals():
    assert share_again(np.nan, np.nan, 0.95) == pytest.approx((np.nan,) * 3, nan_ok=True)
    assert share_again(8, 8, 0.95) == pytest.approx((1, 0.63058, 1), abs=1e-5)


@pytest.fixture(scope="module")
def reports():
    def report(seed, **options):
        tree = DecisionTreeClassifier(random_state=seed).fit(X[TRAIN], BINARY[TRAIN])
        given = {"n_references": 8, "attacks": ["lira", "threshold"], "controls": False}
        given |= {"random_state": seed, "progress": False, "n_jobs": 1} | options
        return audit(tree, X[TRAIN], BINARY[TRAIN], X[TEST], BINARY[TEST], **given)

    return report(0), report(1), report(0, split="other", n_references=2)


def test_one_table_holds_all_attacks_scores_and_p_values(reports):
    report = reports[0]
    table = report.record_scores()
    member = table["member"] == 1
    assert list(table)[-5:] == ["lira", "lira_p", "threshold", "threshold_p", "combined_p"]
    for attack in ("lira", "threshold"):
        others = table.loc[~member, attack].to_numpy()
        expected = [(1 + (others >= score).sum()) / 61 for score in table.loc[member, attack]]
        np.testing.assert_allclose(table.loc[member, f"{attack}_p"], expected)
        assert table.loc[~member, f"{attack}_p"].min() >= 1 / 60
    scores = report.records[["lira", "threshold"]].to_numpy()
    np.testing.assert_array_equal(
        table.loc[member, "combined_p"], conformal_combine(scores[member], scores[~member])
    )
    with pytest.raises(ValueError, match="without its records"):
        report.without_records().record_scores()


def test_p_values_of_attacks_are_withheld_where_the_split_is_not_random(reports):
    with pytest.warns(UserWarning, match="withheld: train and test are no random split"):
        table = reports[2].record_scores()
    assert table[["lira_p", "threshold_p", "combined_p"]].isna().all(axis=None)
    assert "p, all attacks" not in str(reports[2])
    shifted = reports[0].without_records()
    shifted.records = reports[0].records
    shifted.controls = pd.DataFrame({"control": ["shift"], "passed": [False]})
    with pytest.warns(UserWarning, match="told apart without the model"):
        shifted.record_scores()


def test_records_say_how_often_they_are_named_again(reports):
    records = reports[0].records
    assert (records["reruns"] == 4).all()
    assert (records["named_again"] <= 4).all()
    assert "named_again" not in reports[2].records.columns or (
        reports[2].records["reruns"].max() <= 1
    )
    first = reports[0].most_exposed(1).iloc[0]
    low, high = share_again(first["named_again"], 4, 0.95)[1:]
    cell = f"{first['named_again']} of 4 ({100 * low:.3g} % to {100 * high:.3g} %)"
    assert cell in str(reports[0])
    # Where a line ends no number stands without its sign.
    assert cell.replace(" %", "\u00a0%") in render_html(reports[0])
    assert cell not in reports[0].to_markdown()


def test_other_audits_of_the_same_records_are_reruns(reports):
    one, other, _ = reports
    found = one.named_again(other)
    assert found.index.tolist() == one.most_exposed(None).index.tolist()
    again = other.records.loc[found.index, "p_value"] <= 0.01
    np.testing.assert_array_equal(found["named_again"], again)
    assert set(found["low"].round(4)) <= {0.0, 0.025}
    with pytest.raises(ValueError, match="Audit 1 has the p-values of this one"):
        one.named_again(one)
    with pytest.raises(ValueError, match="Audit 2 has the p-values of audit 1"):
        one.named_again(other, other)
    with pytest.raises(ValueError, match="give some"):
        one.named_again()
    other = other.without_records()
    with pytest.raises(ValueError, match="without its records"):
        one.named_again(other)
    other.info = other.info | {"records_digest": "another"}
    with pytest.raises(ValueError, match="Audit 2 is of other records"):
        one.named_again(one, other)


def grouped(shift):
    """Scores of four groups, in the first of which members lie higher by more than in others."""
    rng = np.random.default_rng(0)
    member, group = np.arange(1600) % 2 == 1, np.arange(1600) // 2 % 4
    score = rng.normal(size=1600) + member * np.where(group == 0, 0.3 + shift, 0.3)
    return score, member, {f"g={g}": group == g for g in range(4)}


def test_the_worst_group_is_named_where_it_is_surely_worse():
    score, member, groups = grouped(0.9)
    found = worst_group(score, member, groups, 0.95)
    assert (found.name, found.n_groups) == ("g=0", 4)
    one = groups["g=0"]
    own = auc_interval(score[one & member], score[one & ~member], confidence=1 - 0.05 / 4)
    rest = auc_interval(score[~one & member], score[~one & ~member], confidence=1 - 0.05 / 4)
    assert found.own == pytest.approx(own)
    assert found.surplus.low == pytest.approx(
        own[0] - rest[0] - np.hypot(own[0] - own[1], rest[2] - rest[0])
    )
    assert worst_group(*grouped(0.0), 0.95) is None
    # One side of a group, or all others, may be empty.
    assert worst_group(score, member, {"all": one | True, "in": member}, 0.95) is None


def test_the_finding_names_the_group_and_evidence_does_not():
    score, member, groups = grouped(0.9)
    values = np.select(list(groups.values()), list(groups), "").astype(object)
    records = pd.DataFrame({"member": member.astype(int), "lira": score, "slice_sex": values})
    run = SimpleNamespace(headline="lira", of_people=False, confidence=0.95)
    found = GroupAtRisk().find(Context(run, None, records, [], {}))
    assert found.title.startswith("Training records of the group sex=g=0 are surely at more risk")
    assert "worst of 4 groups" in found.explanation
    assert GroupAtRisk().find(Context(run, None, records.iloc[:, :2], [], {})) is None
    assert "sex" not in str(_retold(found))


@pytest.mark.slow
def test_no_group_is_named_worst_of_alike_ones_more_often_than_stated():
    """Six groups of unequal size in two slicings, and an attack that tells all alike."""
    rng, named, n = np.random.default_rng(0), 0, 1000
    for _ in range(n):
        member = rng.random(600) < 0.5
        score = rng.normal(size=600) + 0.7 * member
        one, two = rng.choice(4, 600, p=[0.1, 0.2, 0.3, 0.4]), rng.random(600) < 0.2
        groups = {f"a={g}": one == g for g in range(4)} | {"b=0": two, "b=1": ~two}
        named += worst_group(score, member, groups, 0.95) is not None
    assert named <= 0.05 * n


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("n_attacks", [2, 6])
def test_combined_p_values_hold_whatever_the_dependence(rho, n_attacks):
    """Continuous ones, those of ranks, and those of scores of which half are whole numbers."""
    rng = np.random.default_rng([int(100 * rho), n_attacks])
    n = 200_000

    def scores(n):
        both = np.sqrt(rho) * rng.normal(size=(n, 1))
        return both + np.sqrt(1 - rho) * rng.normal(size=(n, n_attacks))

    p = norm.sf(scores(n))
    for p_values in (p, np.ceil(20 * p) / 20, np.ceil(1000 * p) / 1000):
        combined = harmonic_combine(p_values)
        for level in (0.05, 0.01, 0.001):
            assert (combined <= level).mean() <= level + 4 * np.sqrt(level / n)
    hits = np.zeros(3)
    for _ in range(400):
        table = scores(1499)
        table[:, ::2] = np.round(table[:, ::2])
        found = conformal_combine(table[:500], table[500:])
        hits += [(found <= level).mean() / 400 for level in (0.05, 0.01, 0.001)]
    # Records of one run share the others: the mean of 400 runs errs by about a twentieth.
    assert (hits <= np.array([0.05, 0.01, 0.001]) * [1.06, 1.1, 1.3]).all()
    assert hits[0] >= 0.045
