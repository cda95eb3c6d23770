"""A claimed differential privacy, beside the rates that an audit measured."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, audit
from mia_sklearn._audit._findings._of_claim import ClaimedPrivacy
from mia_sklearn.report._counted import RECORD
from mia_sklearn.report._evidence import evidence_of
from mia_sklearn.stats import TradeOff


def context(low, claim, split="random", shift=None, high=None):
    """Return what the finding reads: lower ends of the rates at 1 % and .1 %."""
    rng = np.random.default_rng(0)
    member = np.repeat([True, False], 500)
    headline = pd.DataFrame(
        {
            "metric": ["auc", "tpr", "tpr", "tpr"],
            "at": [np.nan, 0.001, 0.01, 0.1],
            "estimate": [0.9, low[1] + 0.01, low[0] + 0.01, 0.99],
            "low": [0.8, low[1], low[0], 0.98],
            "high": [0.9, low[1] + 0.02 if high is None else high, low[0] + 0.02, 1.0],
        }
    )
    run = SimpleNamespace(
        dp=claim,
        split=split,
        shift=shift,
        unit_member=member,
        scores={"lira": rng.normal(3 * member)},
        headline="lira",
        seed=0,
    )
    return SimpleNamespace(run=run, headline=headline, unit=RECORD)


def test_nothing_is_said_without_a_claim():
    assert ClaimedPrivacy().find(context((0.9, 0.5), None)) is None


def test_rates_below_the_ceiling_contradict_nothing():
    claim = TradeOff.approximate(1.0)  # 2.72 % at 1 %, .272 % at .1 %
    found = ClaimedPrivacy().find(context((0.027, 0.0027), claim))
    assert found.severity == "info"
    assert "At 1 % false alarms 2.7 % to 4.7 % of members are found, and 2.72 % at most" in (
        found.explanation
    )
    assert "does not prove the claim" in found.explanation


@pytest.mark.parametrize("low", [(0.028, 0.0), (0.0, 0.0028)], ids=["at 1 %", "at .1 %"])
def test_a_rate_above_the_ceiling_refutes_a_claim_about_records_replaced(low):
    found = ClaimedPrivacy().find(context(low, TradeOff.approximate(1.0)))
    assert found.severity == "serious"
    assert found.title == "More members are found than (1, 0)-differential privacy allows"
    # exp(2) times the false alarms are allowed of two steps.
    assert "which is not surely exceeded" in found.explanation
    assert ("7.39 % at 1 %" if low[0] else "0.739 % at 0.1 %") in found.explanation
    assert "p = " in found.explanation


def test_a_rate_above_two_steps_refutes_both():
    found = ClaimedPrivacy().find(context((0.074, 0.0), TradeOff.approximate(1.0)))
    assert "The same holds where the claim counts records added or removed" in found.explanation


def test_a_split_that_is_not_random_decides_nothing():
    claim = TradeOff.gaussian(0.1)
    for given in (
        context((0.9, 0.9), claim, split=None),
        context((0.9, 0.9), claim, split="other"),
        context((0.9, 0.9), claim, shift=SimpleNamespace(low=0.6)),
    ):
        found = ClaimedPrivacy().find(given)
        assert (found.severity, "cannot be read" in found.title) == ("info", True)
    withheld = ClaimedPrivacy().find(context((0.02, np.nan), claim, high=np.nan))
    assert "interval withheld" in withheld.explanation


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
    with pytest.raises(TypeError, match=r"pair \(epsilon, delta\)"):
        audit(*given, dp=1.0, **options)
