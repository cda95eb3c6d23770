"""The grammar of conditions, and how intervals decide them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mia_sklearn import metrics
from mia_sklearn.conditions import Condition, check, evaluate, parse


@pytest.fixture(scope="module")
def report(make_report):
    return make_report(n=1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auc <= 0.6", Condition("auc", "<=", 0.6)),
        ("  auc<=.6  ", Condition("auc", "<=", 0.6)),
        ("tpr@0.01 <= 5e-2", Condition("tpr", "<=", 0.05, level=0.01)),
        ("tpr @ .001 < 1", Condition("tpr", "<", 1.0, level=0.001)),
        ("ppv@0.01,.5 <= 0.9", Condition("ppv", "<=", 0.9, level=0.01, prior=0.5)),
        ("lira:auc < .7", Condition("auc", "<", 0.7, attack="lira")),
        ("a-b.v2 : tpr@0.1 >= 0", Condition("tpr", ">=", 0.0, level=0.1, attack="a-b.v2")),
        ("epsilon > 1.", Condition("epsilon", ">", 1.0)),
        ("advantage > -0.2", Condition("advantage", ">", -0.2)),
        ("accuracy >= +.5", Condition("accuracy", ">=", 0.5)),
        ("auc:auc < .7", Condition("auc", "<", 0.7, attack="auc")),
    ],
)
def test_parse(text, expected):
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "position 1: expected the name of a metric or attack, found the end"),
        ("0.6 >= auc", "position 1: expected the name"),
        ("auc", "position 4: expected one of <=, >=, <, >, found the end"),
        ("auc = 0.6", "position 5: expected one of"),
        ("auc == 0.6", "position 5: expected one of"),
        ("auc <= ", "position 8: expected a number, found the end"),
        ("auc <= high", "position 8: expected a number, found 'high'"),
        ("auc <= nan", "position 8: expected a number"),
        ("auc <= 0.6 and tpr@0.1 <= 0.2", "position 12: nothing may follow the number"),
        ("auc <= 0.6%", "position 11: nothing may follow"),
        ("roc <= 0.6", "position 1: unknown metric 'roc'; choose one of auc, tpr"),
        ("lira: <= 0.6", "position 7: expected the name of a metric"),
        (":auc <= 0.6", "position 1: expected the name"),
        ("a:b:auc <= 0.6", "unknown metric 'b'"),
        ("tpr <= 0.05", "tpr needs the false-positive rate"),
        ("tpr@ <= 0.05", "expected a false-positive rate"),
        ("tpr@0 <= 0.05", "strictly between 0 and 1"),
        ("tpr@1 <= 0.05", "strictly between 0 and 1"),
        ("tpr@-0.1 <= 0.05", "strictly between 0 and 1"),
        ("auc@0.1 <= 0.6", "only tpr and ppv take a level"),
        ("ppv <= 0.9", "ppv needs the false-positive rate it is read at and a prior"),
        ("ppv@0.01 <= 0.9", "such as 'ppv@0.01,0.5'"),
        ("ppv@0.01,2 <= 0.9", "the prior of ppv must lie strictly between 0 and 1"),
        ("ppv@0.01,0.5 <= 1.5", "ppv lies between 0 and 1"),
        ("tpr@0.01,0.5 <= 0.9", "expected one of <=, >=, <, >"),
        ("auc <= 60", "auc lies between 0 and 1, a bound of 60 decides nothing"),
        ("advantage >= 2", "between -1 and 1"),
        ("epsilon <= -1", "at or above 0"),
        ("auc <= 1e999", "a bound of inf"),
        ("auc <= __import__('os').system('true')", "position 8: expected a number"),
        ("auc <= 0.6; import os", "nothing may follow"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(ValueError, match=r"Write .*for example") as error:
        parse(text)
    assert message in str(error.value)


def test_parse_wants_text():
    with pytest.raises(TypeError, match="must be a string, got float"):
        parse(0.6)


def test_parse_checks_the_attack_when_it_knows_them():
    assert parse("lira:auc <= 0.6", ["lira"]).attack == "lira"
    with pytest.raises(ValueError, match="'lira' is not part of this audit; it has threshold"):
        parse("lira:auc <= 0.6", ["threshold"])


@pytest.mark.parametrize(
    "text",
    ["auc < 1", "tpr@0.05 < 1", "advantage < 1", "accuracy < 1", "epsilon < 1", "ppv@0.05,0.3 < 1"],
)
def test_every_metric_of_the_grammar_is_one_of_metrics(text):
    name, level = metrics.parse_metric(parse(text).measure)
    condition = parse(text)
    levels = (condition.level, condition.prior) if name == "ppv" else condition.level
    assert (name, level) == (condition.metric, levels)


def test_an_interval_on_one_side_decides(report):
    estimate = metrics.compute("auc", report.records["member"], report.records["stacked"])
    inside = (estimate.low + estimate.high) / 2
    for bound, below, above in [
        (estimate.high + 0.01, "holds", "violated"),
        (inside, "open", "open"),
        (estimate.low - 0.01, "violated", "holds"),
    ]:
        for operator in ("<", "<="):
            assert evaluate(Condition("auc", operator, bound), report).outcome == below
        for operator in (">", ">="):
            assert evaluate(Condition("auc", operator, bound), report).outcome == above
    result = evaluate("auc <= 0.9", report)
    assert (result.estimate, result.low, result.high) == (
        estimate.value,
        estimate.low,
        estimate.high,
    )
    assert result.confidence == pytest.approx(0.95)


def test_an_end_on_the_bound_is_told_from_one_beyond(report):
    low = metrics.compute("auc", report.records["member"], report.records["stacked"]).low
    # Written back through the confidence, the end is the same number up to rounding.
    assert evaluate(Condition("auc", ">", low - 1e-9), report).outcome == "holds"
    assert evaluate(Condition("auc", ">", low + 1e-9), report).outcome == "open"


def test_several_conditions_share_the_confidence(report):
    alone = evaluate("auc <= 0.99", report)
    outcome = check(["auc <= 0.99"] * 5, report)
    assert outcome.outcome == "pass"
    assert outcome.results[0].confidence == pytest.approx(0.99)
    assert outcome.results[0].low < alone.low < alone.high < outcome.results[0].high
    # A bound between the two ends is decided alone and open in company.
    between = Condition("auc", "<=", (alone.high + outcome.results[0].high) / 2)
    assert evaluate(between, report).outcome == "holds"
    assert check([between] * 5, report).outcome == "inconclusive"


def test_the_confidence_of_the_report_is_used(make_report):
    result = evaluate("auc <= 0.6", make_report(confidence=0.9), n_conditions=2)
    assert result.confidence == pytest.approx(0.95)
    assert "95 % interval" in result.reason


def test_a_named_attack_is_read_instead_of_the_headline(report):
    named = evaluate("threshold:auc < 0.9", report)
    assert named.estimate < evaluate("auc < 0.9", report).estimate
    assert "auc of threshold" in named.reason
    with pytest.raises(ValueError, match="'rmia' is not part of this audit; it has stacked"):
        evaluate("rmia:auc < 0.9", report)
    with pytest.raises(ValueError, match="'rmia' is not part of this audit; it has stacked"):
        evaluate(Condition("auc", "<", 0.9, attack="rmia"), report)


def test_a_withheld_rate_decides_nothing_and_says_what_it_needs(report):
    result = evaluate("tpr@0.001 <= 0.999", report)
    assert result.outcome == "open"
    assert math.isnan(result.low)
    assert "4,044 needed" in result.reason
    assert result.reason.count("withheld") == 1


def test_epsilon_is_bounded_from_below_only(report):
    assert evaluate("epsilon > 0.5", report).outcome == "holds"
    assert evaluate("epsilon <= 0.5", report).outcome == "violated"
    assert evaluate("epsilon <= 50", report).outcome == "open"
    assert evaluate("epsilon > 50", report).outcome == "open"


def test_an_upper_bound_on_epsilon_is_said_never_to_hold(make_report):
    report = make_report(n=200)
    never = "This condition can never hold, since a lower bound bounds nothing from above"
    for text in ("epsilon <= 50", "threshold:epsilon < 50"):
        assert evaluate(text, report).reason.startswith(never)
    epsilon = report.metrics["metric"] == "epsilon"
    report.metrics.loc[epsilon, ["estimate", "low"]] = np.nan
    report.metrics.loc[epsilon, "note"] = "withheld: the split was not random"
    withheld = evaluate("epsilon <= 1", report).reason
    assert withheld.startswith(never) and withheld.endswith("the split was not random")
    assert "never" not in evaluate("epsilon > 1", report).reason


@pytest.mark.parametrize("how", ["note", "absent"])
def test_a_withheld_epsilon_stays_withheld(make_report, how):
    report = make_report()
    epsilon = report.metrics["metric"] == "epsilon"
    if how == "note":
        report.metrics.loc[epsilon, ["estimate", "low"]] = np.nan
        report.metrics.loc[epsilon, "note"] = "withheld: the split was not random"
        expected = "the split was not random"
    else:
        report.metrics = report.metrics[~epsilon]
        expected = "gives no lower bound on epsilon"
    for condition in ("epsilon > 0.1", "threshold:epsilon > 0.1"):
        result = evaluate(condition, report)
        assert result.outcome == "open"
        assert expected in result.reason


def test_an_epsilon_of_another_attack_says_nothing(make_report):
    report = make_report()
    own = (report.metrics["metric"] == "epsilon") & (report.metrics["attack"] == "threshold")
    report.metrics.loc[own, ["estimate", "low"]] = np.nan
    report.metrics.loc[own, "note"] = "withheld: too few"
    assert "too few" in evaluate("threshold:epsilon > 0.1", report).reason
    assert evaluate("epsilon > 0.1", report).outcome == "holds"


def test_nothing_is_decided_when_a_control_failed(make_report):
    report = make_report()
    report.controls.loc[1, "passed"] = False
    for condition in ("auc <= 0.99", "auc > 0.99"):
        result = evaluate(condition, report)
        assert result.outcome == "open"
        assert "pipeline" in result.reason


def test_check_outcomes(report):
    assert report.check("auc <= 0.99", "tpr@0.1 <= 0.99").outcome == "pass"
    assert report.check("auc <= 0.99", "auc <= 0.5").outcome == "fail"
    assert report.check("auc <= 0.99", "epsilon <= 50").outcome == "inconclusive"
    assert report.check("auc <= 0.5", "epsilon <= 50").outcome == "fail"


def test_only_a_pass_is_true(report):
    assert report.check("auc <= 0.99")
    assert not report.check("auc <= 0.5")
    assert not report.check("epsilon <= 50")


def test_the_outcome_says_why(report):
    lines = str(report.check("auc <= 0.99", "tpr@0.001 <= 0.5")).splitlines()
    assert lines[0] == "UNDECIDED"
    assert lines[1].startswith("  PASSED auc <= 0.99: auc of stacked is 0.")
    assert "97.5 % interval" in lines[1]
    assert lines[2].startswith("  UNDECIDED tpr@0.001 <= 0.5: ")
    assert str(report.check("auc <= 0.5")).startswith("FAILED\n  FAILED auc <= 0.5: ")


def test_a_failed_assertion_shows_one_line_that_begins_with_what_failed(report):
    shown = repr(report.check("auc <= 0.99", "tpr@0.001 <= 0.5"))
    assert "\n" not in shown
    assert shown.startswith("UNDECIDED. UNDECIDED tpr@0.001 <= 0.5: ")
    assert ". PASSED auc <= 0.99: auc of stacked is 0." in shown


def test_a_failed_assertion_of_many_conditions_loses_no_middle(report):
    asked = ["auc <= 0.99", "auc <= 0.5", "tpr@0.01 <= 0.05", "tpr@0.001 <= 0.5", "epsilon <= 50"]
    shown = repr(report.check(*asked))
    assert len(shown) <= 230 and "..." not in shown
    assert shown.startswith("FAILED. FAILED auc <= 0.5: 0.8")
    assert "UNDECIDED tpr@0.001 <= 0.5: 0." in shown and " (withheld). " in shown
    many = repr(report.check(*asked, *(f"auc <= 0.9{i}" for i in range(9))))
    assert len(many) <= 230 and many.endswith(" more.")
    report = replace(report, controls=report.controls.assign(passed=False))
    assert "UNDECIDED auc <= 0.99: in doubt." in repr(report.check(*asked))


def test_check_wants_a_condition(report):
    with pytest.raises(ValueError, match="Give at least one condition"):
        report.check()


def test_slices_do_not_stand_in_for_everyone(make_report):
    report = make_report()
    extra = report.metrics[report.metrics["metric"] == "epsilon"].assign(slice="sex=male")
    everyone = report.metrics[report.metrics["metric"] != "epsilon"]
    report.metrics = pd.concat([everyone, extra], ignore_index=True)
    assert evaluate("epsilon > 0.1", report).outcome == "open"


def test_a_precision_of_nobody_is_unknown(make_report):
    # Non-members score highest, so that nobody is named at so low a rate.
    report = make_report(gap=-5, stand_out=0)
    result = report.check("ppv@0.001,0.5 <= 0.9").results[0]
    assert result.outcome == "open"
    assert "nan" not in result.reason
    assert "is unknown, its interval is withheld (nobody is named at this" in result.reason
