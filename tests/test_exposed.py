"""Lists of exposed members, and whether members are surely on them more often than others."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn._audit._findings import Context
from mia_sklearn._audit._findings._of_leak import ExposedRecords
from mia_sklearn.report._counted import PERSON, RECORD
from mia_sklearn.report._summary import summarize
from mia_sklearn.stats import _listing, pooled_p_values
from mia_sklearn.stats._listing import list_members
from mia_sklearn.stats._p_values import least_pooled_p_values


@pytest.mark.parametrize("seed", range(20))
def test_the_list_is_that_of_benjamini_and_hochberg(seed):
    rng = np.random.default_rng(seed)
    member = rng.random(60) < rng.choice([0.2, 0.5, 0.9])
    p = np.where(rng.random(60) < 0.3, 0.01, 1.0) * rng.integers(1, 40, 60) / 40
    listed = false_discovery_control(p[member]) <= 0.1
    found = list_members(p, member, 0.1, 0)
    assert (found.n_members, found.of_members) == (listed.sum(), member.sum())
    others = (p[~member] <= p[member][listed].max()).sum() if listed.any() else 0
    assert (found.n_others, found.of_others) == (others, (~member).sum())
    assert np.isnan(found.p_value) == (not listed.any())


def test_the_p_value_is_that_of_all_memberships_alike():
    p = np.array([0.001, 0.002, 0.003, 0.02, 0.04, 0.3, 0.6, 0.9])
    member = np.arange(8) < 4

    def surplus(member):
        listed = false_discovery_control(p[member]) <= 0.1
        cut = p[member][listed].max() if listed.any() else -1.0
        total, n = (p <= cut).sum(), len(p)
        if total in (0, n):
            return 0.0
        spread = 0.25 * total * (n - total) / (n - 1)
        return ((p[member] <= cut).sum() - total / 2) / np.sqrt(spread)

    drawn = [surplus(np.isin(np.arange(8), chosen)) for chosen in combinations(range(8), 4)]
    exact = np.mean(np.array(drawn) >= surplus(member) - 1e-9)
    assert list_members(p, member, 0.1, 0).p_value == pytest.approx(exact, abs=0.02)


def test_it_is_seldom_small_where_p_values_tell_nothing_and_are_far_too_small(monkeypatch):
    """Of votes most p-values may lie below the cut-off, of members and others alike."""
    monkeypatch.setattr(_listing, "_N_PERMUTATIONS", 99)
    small = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p = np.where(rng.random(100) < 0.2, 0.001 * rng.integers(1, 4, 100), rng.random(100))
        found = list_members(p, rng.permutation(100) < 60, 0.1, seed)
        small += found.p_value <= 0.05
    assert small <= 20  # Binomial(200, .05): exceeded once in 500 times.


def test_few_others_cannot_show_a_surplus():
    p = np.concatenate([np.full(20, 1e-4), np.full(181, 0.5)])
    few = list_members(p, np.arange(201) < 200, 0.1, 0)
    assert (few.n_members, few.n_others, few.of_others) == (20, 0, 1)
    assert few.p_value > 0.5
    assert not few.sure
    many = list_members(p, np.arange(201) < 100, 0.1, 0)
    assert many.p_value <= 0.001
    assert many.sure


def test_nothing_is_tested_where_there_is_nothing_to_compare():
    member = np.arange(10) < 5
    none = list_members(np.full(10, np.nan), member, 0.1, 0)
    assert (none.n_members, none.n_others) == (0, 0)
    assert np.isnan(none.p_value)
    alone = list_members(np.where(member, 1e-5, np.nan), member, 0.1, 0)
    assert (alone.n_members, alone.of_others) == (5, 0)
    assert np.isnan(alone.p_value)
    assert not alone.sure


def finding(p, member, unit=RECORD):
    records = pd.DataFrame({"p_value": p, "member": member.astype(int)})
    run = SimpleNamespace(seed=0, of_people=unit is PERSON, again=None)
    return ExposedRecords().find(Context(run, None, records, [], {}))


@pytest.mark.parametrize("unit", [RECORD, PERSON])
def test_the_finding_is_serious_only_where_members_surely_outnumber_others(unit):
    member = np.arange(200) < 100
    p = np.where(np.arange(200) % 100 < 30, 1e-4, 0.5)
    both = finding(p, member, unit)
    assert both.severity == "info"
    assert both.title.startswith(f"30 {unit.members} are listed, not surely")
    assert "30 of 100 non-members would have been listed (p = " in both.explanation
    serious = finding(np.where(member, p, 0.5), member, unit)
    assert serious.severity == "serious"
    assert serious.title == f"30 {unit.members} stand out one by one"
    assert "0 of 100 non-members would have been listed (p = 0.0005 that" in serious.explanation
    assert finding(np.full(200, 0.5), member, unit) is None
    assert finding(np.full(200, np.nan), member, unit) is None


def test_the_least_p_values_are_those_of_an_answer_beyond_all_references():
    out = np.random.default_rng(0).normal(size=(6, 4))
    out[0, :] = np.nan
    out[1, 1:] = np.nan
    out[2, 2:] = np.nan
    out[3, 3:] = np.nan
    found = pooled_p_values(np.full(6, 1e6), out)
    least = least_pooled_p_values((~np.isnan(out)).sum(axis=1))
    assert found == pytest.approx(least)
    assert least == pytest.approx([1, 1 / 2, 1 / 3, 1 / 12, 1 / 12, 1 / 12])


@pytest.mark.parametrize("groups", [None, np.arange(200)])
def test_with_two_references_without_a_record_nobody_could_be_listed(groups):
    X, y = make_classification(200, 5, flip_y=0.5, random_state=0)
    model = DecisionTreeClassifier(random_state=0).fit(X[:100], y[:100])
    options = {"attacks": "threshold", "controls": False, "n_jobs": 1, "progress": False}
    options |= {"random_state": 0, "groups": groups}
    few, more = (
        audit(model, X[:100], y[:100], X[100:], y[100:], n_references=n, **options) for n in (4, 6)
    )
    assert few.info["references_without"] == 2
    assert few.info["least_q_value"] == pytest.approx(1 / 3)
    unit = "record" if groups is None else "person"
    words = f"with 2 references that did not train on a {unit}"
    summary = summarize(few)
    told = f"stand out cannot be told {words}: no q-value could fall below 0.33"
    assert told in summary.exposed_note and told in " ".join(str(few).split())
    assert (summary.tiles[-1]["value"], summary.tiles[-1]["interval"]) == ("cannot be told", words)
    assert "0 of" not in summary.exposed_note and "0 stand out" not in str(few)
    assert not (few.records["q_value"] <= 0.1).any()
    assert more.info["least_q_value"] < 0.1
    assert "cannot be told" not in str(more)


def test_a_report_does_not_say_that_members_stand_out_where_others_do_as_well():
    X, y = make_classification(300, 6, n_informative=4, flip_y=0.2, random_state=0)
    stranger = DecisionTreeClassifier(random_state=0).fit(X[200:], y[200:])
    parts = (X[:100], y[:100], X[100:200], y[100:200])
    options = {"attacks": "threshold", "controls": False, "random_state": 0, "progress": False}
    report = audit(stranger, *parts, n_references=6, **options)
    # Whatever the p-values are: as small ones for members as for others.
    report.records["p_value"] = np.tile(np.repeat([1e-4, 0.5], 50), 2)
    report.records["q_value"] = np.tile(np.repeat([2e-4, 0.5], 50), 2)
    assert "50 of 100 members are listed" in str(report)
    assert "surely listed more often than others is not shown" in str(report).replace("\n", " ")
    assert "members stand out" not in str(report)
