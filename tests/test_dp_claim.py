"""A claimed differential privacy, beside the rates that an audit measured."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, audit
from mia_sklearn._audit._findings._of_claim import ClaimedPrivacy
from mia_sklearn.report._counted import RECORD
from mia_sklearn.report._evidence import evidence_of
from mia_sklearn.stats import TradeOff


def context(claim, n_found=0, n=1_000, split="random", shift=None):
    """Return what the finding reads: so many of 1,000 members score above all others."""
    rng = np.random.default_rng(0)
    score = rng.permutation(2 * n).astype(float)
    member = np.arange(2 * n) < n
    score[:n_found] += 2 * n
    run = SimpleNamespace(
        dp=claim,
        split=split,
        shift=shift,
        confidence=0.95,
        unit_member=member,
        scores={"lira": score},
        headline="lira",
        seed=0,
    )
    return SimpleNamespace(run=run, unit=RECORD)


def test_nothing_is_said_without_a_claim():
    assert ClaimedPrivacy().find(context(None, 900)) is None


def test_rates_below_the_ceiling_contradict_nothing():
    found = ClaimedPrivacy().find(context(TradeOff.approximate(1.0), 10))
    assert found.severity == "info"
    assert found.title == "The rates measured do not contradict (1, 0)-differential privacy"
    # exp(1) times the false alarms.
    assert re.search("At 1 % false alarms .* to .*; 2.72 % are allowed", found.explanation)
    assert "At 0.1 % false alarms" in found.explanation
    assert "interval withheld" in found.explanation
    assert "does not prove the claim" in found.explanation


@pytest.mark.parametrize(("n_found", "by_two"), [(60, False), (130, True)])
def test_more_than_the_ceiling_refutes(n_found, by_two):
    claim = TradeOff.approximate(1.0)
    found = ClaimedPrivacy().find(context(claim, n_found))
    assert found.severity == "serious"
    assert found.title == "More members are found than (1, 0)-differential privacy allows"
    # Of two steps exp(2) times the false alarms.
    assert ("than two steps allow, too" in found.explanation) == by_two
    assert ("only if it counts" in found.explanation) != by_two


def test_a_test_of_one_run_decides_where_intervals_are_withheld():
    found = ClaimedPrivacy().find(context(TradeOff.approximate(0.1), 30, n=30))
    assert found.severity == "serious"
    assert found.explanation.count("withheld") == 3
    assert re.search("p = .*e-", found.explanation)


def test_a_split_that_is_not_random_decides_nothing():
    claim = TradeOff.gaussian(0.1)
    for given in ({"split": None}, {"split": "other"}, {"shift": SimpleNamespace(low=0.6)}):
        found = ClaimedPrivacy().find(context(claim, 900, **given))
        assert (found.severity, "cannot be read" in found.title) == ("info", True)


@pytest.mark.slow
def test_true_claims_are_seldom_contradicted():
    wrong = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        given = context(TradeOff.gaussian(1.0), n=1_000)
        given.run.scores["lira"] = rng.normal(size=2_000) + given.run.unit_member
        wrong += ClaimedPrivacy().find(given).severity == "serious"
    assert wrong <= 10


def test_an_audit_keeps_the_claim_draws_it_and_says_it(tmp_path):
    X, y = make_classification(200, flip_y=0.3, random_state=0)
    model = DecisionTreeClassifier(random_state=0).fit(X[:100], y[:100])
    options = {"attacks": "threshold", "n_references": 0, "controls": False, "progress": False}
    given = (model, X[:100], y[:100], X[100:], y[100:])
    report = audit(*given, split="random", dp=(1, 1e-5), random_state=0, **options)
    assert "DP_CLAIM" in {finding.code for finding in report.findings}
    assert report.info["claimed_dp"]["pairs"] == [[1.0, 1e-5]]
    assert report.plot().ceiling_ is not None
    again = AuditReport.load(report.save(tmp_path).parent)
    assert again.plot().dp.claim == "(1, 1e-05)-differential privacy"
    assert evidence_of(again).info["claimed_dp"] == report.info["claimed_dp"]
    with pytest.raises(ValueError, match=r"^dp: Each delta must lie in"):
        audit(*given, split="random", dp=(1, 2), **options)
    with pytest.raises(TypeError, match=r"^dp: .*pair \(epsilon, delta\)"):
        audit(*given, dp=1.0, **options)
