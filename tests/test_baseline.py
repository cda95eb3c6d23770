"""An audit beside an earlier one: surely worse, surely better, or no telling."""

import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn.cli import main
from mia_sklearn.report._baseline import _rate_difference
from mia_sklearn.stats import (
    Difference,
    auc_interval,
    paired_auc_difference,
    paired_difference,
    tpr_interval,
)
from small_targets import FRAME, TEST, TRAIN, TREE, Y, fitted, run

pytestmark = pytest.mark.usefixtures("few_rounds", "no_pictures")


@pytest.fixture(scope="module")
def leaky():
    return run(fitted(DecisionTreeClassifier(random_state=0)))


@pytest.fixture(scope="module")
def tight():
    return run(fitted(LogisticRegression(C=0.01)))


def scores(report, attack="stacked"):
    member = report.records["member"] == 1
    return [report.records.loc[side, attack].to_numpy() for side in (member, ~member)]


def simulated(make_report, digest="same", **options):
    return make_report(**options, records_digest=digest)


def test_worse_better_and_the_same(leaky, tight):
    worse, better = leaky.compare(tight), tight.compare(leaky)
    assert (worse.outcome, bool(worse)) == ("worse", False)
    assert (better.outcome, bool(better)) == ("better", True)
    assert worse.paired and better.paired
    same = leaky.compare(leaky)
    assert (same.outcome, bool(same)) == ("open", True)
    assert same.differences[0].difference == 0
    assert same.differences[0].low < 0 < same.differences[0].high


def test_the_same_records_are_paired(make_report):
    now, before = simulated(make_report), simulated(make_report, gap=0.9)
    auc, rate = now.compare(before).differences
    members, others = zip(scores(now), scores(before), strict=True)
    expected = paired_auc_difference(members, others, confidence=0.975)
    assert (auc.difference, auc.low, auc.high) == pytest.approx(expected)
    points = [tpr_interval(*scores(report), 0.01, confidence=0.975) for report in (now, before)]
    assert rate.difference == pytest.approx(points[0].tpr - points[1].tpr)
    low = math.hypot(points[0].tpr - points[0].low, points[1].high - points[1].tpr)
    assert rate.low == pytest.approx(rate.difference - low, nan_ok=True)


def test_an_audit_held_against_itself_differs_by_next_to_nothing(make_report):
    compared = simulated(make_report).compare(simulated(make_report))
    rate = compared.differences[1]
    assert rate.difference == 0 and -0.01 < rate.low < 0 < rate.high < 0.01
    assert (compared.outcome, bool(compared)) == ("open", True)
    few = simulated(make_report, n=60)
    assert math.isnan(few.compare(few).differences[1].low)


@pytest.mark.slow
def test_members_named_by_one_audit_alone_do_not_bound_a_difference_of_rates():
    """Thresholds are estimated: only what both rates are unsure by covers the difference."""
    rng, n, missed = np.random.default_rng(0), 1000, np.zeros(2)
    for _ in range(200):
        first = rng.normal(size=(2, n))
        second = 0.9 * first + math.sqrt(1 - 0.81) * rng.normal(size=(2, n))
        sides = [(first[0] + 2, second[0] + 2), (first[1], second[1])]
        points = [
            Difference(*tpr_interval(*own, 0.01, confidence=0.975)[:3])
            for own in zip(*sides, strict=True)
        ]
        found = _rate_difference(sides, *points, 0.975)
        cut = [np.sort(others)[-11] for others in sides[1]]
        named = [members > at for members, at in zip(sides[0], cut, strict=True)]
        known = paired_difference(*named, confidence=0.975)
        missed += [not each.low <= 0 <= each.high for each in (found, known)]
    assert missed[0] <= 5
    assert missed[1] > 40


def test_a_notebook_shows_a_comparison(make_report):
    now, before = simulated(make_report, gap=2), simulated(make_report, gap=0.5)
    shown = now.compare(before)._repr_html_()
    assert '<span class="mia-badge mia-serious">SURELY WORSE</span> record by record' in shown
    auc = now.compare(before).differences[0]
    assert f"<td>{auc.now:.4g}</td><td>{auc.before:.4g}</td><td>{auc.difference:+.4f}</td>" in shown
    assert f"97.5 % interval {auc.low:+.4f} to {auc.high:+.4f}" in shown
    assert "NOT SURELY WORSE" in now.compare(now)._repr_html_()


def test_other_records_are_compared_by_limits(make_report):
    now, before = simulated(make_report), simulated(make_report, "other", gap=0.9, seed=1)
    compared = now.compare(before)
    assert not compared.paired
    assert "it is of other records" in compared.reason
    here, there = (auc_interval(*scores(report), confidence=0.975) for report in (now, before))
    auc = compared.differences[0]
    assert (auc.low, auc.high) == pytest.approx((here[1] - there[2], here[2] - there[1]))


def test_a_baseline_of_other_records_is_refused_where_pairing_is_asked(make_report):
    now = simulated(make_report)
    for other, why in (
        (simulated(make_report, "other"), "of other records"),
        (make_report(), "the baseline has no digest of its records"),
    ):
        with pytest.raises(ValueError, match=f"cannot be compared record by record.*{why}"):
            now.compare(other, paired=True)
    assert now.compare(simulated(make_report), paired=True).paired
    assert not now.compare(simulated(make_report), paired=False).paired


def test_without_records_the_printed_intervals_are_compared(leaky, tight, tmp_path):
    tight.save(tmp_path / "kept", records=False)
    for path in (tmp_path / "kept", tmp_path / "kept" / "audit.json"):
        compared = leaky.compare(path)
        assert "saved without its records" in compared.reason
        assert "each at 95 %, together at 90 % confidence" in compared.reason
        assert compared.confidence == pytest.approx(0.9)
        auc = compared.differences[0]
        here, there = (
            report.metrics[report.metrics["metric"] == "auc"].iloc[0] for report in (leaky, tight)
        )
        assert auc.low == pytest.approx(here["low"] - there["high"])


def test_nothing_is_decided_in_doubt(make_report):
    now, before = simulated(make_report, gap=3), simulated(make_report, gap=0)
    assert now.compare(before).outcome == "worse"
    before.controls.loc[1, "passed"] = False
    compared = now.compare(before)
    assert (compared.outcome, bool(compared)) == ("open", True)
    assert compared.doubts == ["in the baseline, a control failed (pipeline)"]
    assert {each.outcome for each in compared.differences} == {"open"}


def test_the_digest_is_of_the_records_and_of_who_is_a_member():
    def digest(records=FRAME, y=Y, model=TREE, **options):
        plain = records.drop(columns="city")
        return run(fitted(model, y, plain), y, plain, **options).info["records_digest"]

    first = digest()
    assert digest(model=LogisticRegression(max_iter=1000), random_state=1) == first
    swapped = np.r_[60:120, 0:60]
    assert digest(FRAME.iloc[swapped], Y[swapped]) != first
    # The same records in the same order, one more of which was trained on.
    plain = FRAME.drop(columns="city")
    halves = plain[:61], Y[:61], plain[61:], Y[61:]
    options = {"n_references": 2, "attacks": "threshold", "controls": False, "progress": False}
    more = audit(clone(TREE).fit(*halves[:2]), *halves, **options, n_jobs=1, random_state=0)
    assert more.info["records_digest"] != first
    assert digest(FRAME.assign(a=FRAME["a"] + 1e-9)) != first
    assert digest(y=(Y + 1) % 3) != first
    whose = np.arange(120) // 2
    assert digest(groups=whose) != first


def test_what_cannot_be_compared_is_refused(make_report, tmp_path):
    now = simulated(make_report)
    before = simulated(make_report, headline="threshold", attacks=["threshold"])
    with pytest.raises(ValueError, match=r"no numbers of 'stacked'.*it has threshold"):
        now.compare(before)
    with pytest.raises(ValueError, match="each record once and the baseline each person"):
        now.compare(simulated(make_report, unit="person"))
    with pytest.raises(FileNotFoundError, match=r"No audit\.json"):
        now.compare(tmp_path)
    (tmp_path / "page.html").write_text("<p>")
    with pytest.raises(ValueError, match="is not a saved audit report"):
        now.compare(tmp_path / "page.html")
    now.save(tmp_path)
    content = json.loads((tmp_path / "audit.json").read_text("utf-8"))
    (tmp_path / "audit.json").write_text(json.dumps({"format": 7, "rows": content["metrics"]}))
    with pytest.raises(ValueError, match=r"has format 7.* 1 and 2. It was saved by a later one"):
        now.compare(tmp_path)


def test_the_text_begins_with_the_outcome(make_report):
    now, before = simulated(make_report, gap=2), simulated(make_report, gap=0.5)
    compared = now.compare(before)
    lines = str(compared).splitlines()
    assert lines[0] == (
        "SURELY WORSE than the baseline: record by record, on the same 500 members and 500 others."
    )
    assert lines[1].startswith("  SURELY WORSE auc of stacked is 0.9")
    assert "97.5 % interval +0." in lines[1]
    assert repr(compared).startswith("SURELY WORSE. SURELY WORSE auc of stacked is 0.9")
    assert "\n" not in repr(compared)
    assert str(now.compare(now)).startswith("NOT SURELY WORSE than the baseline: ")


def test_one_end_of_a_difference_may_be_withheld(make_report):
    now, before = simulated(make_report, gap=3), simulated(make_report, "other", gap=0)
    compared = now.compare(before)
    half = replace(compared.differences[1], outcome="worse", low=0.1, high=math.nan)
    shown = repr(replace(compared, differences=(half,)))
    assert "SURELY WORSE tpr@0.01 of stacked is " in shown
    assert shown.endswith("at 95 % confidence at least +0.1000.")


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The arguments of an audit of a linear model on the command line."""
    folder = tmp_path_factory.mktemp("case")
    X = FRAME.drop(columns="city").to_numpy()
    for name, side in (("train", TRAIN), ("test", TEST)):
        np.savez(folder / f"{name}.npz", X=X[side], y=Y[side])
    skops.io.dump(fitted(DecisionTreeClassifier(random_state=0), Y, X), folder / "model.skops")
    files = [(f"--{name}", str(folder / f"{name}.npz")) for name in ("train", "test")]
    found = ["audit", "--model", str(folder / "model.skops"), "--quiet", "--references", "2"]
    return [*found, *files[0], *files[1], "--attacks", "threshold", "--jobs", "1"]


def test_the_command_line_fails_where_more_is_given_away(command, leaky, tight, tmp_path, capsys):
    for report, expected in ((tight, ("FAILED", 1)), (leaky, ("PASSED", 0))):
        report.save(tmp_path)
        word, code = expected
        assert main([*command, "--baseline", str(tmp_path / "audit.json")]) == code
        lines = capsys.readouterr().out.splitlines()
        assert any(line.startswith(f"{word} --baseline: ") for line in lines)
        assert lines[-1] == f"gate: {word} (exit {code})"


def test_saved_reports_are_held_against_a_baseline(leaky, tight, tmp_path, capsys):
    for name, report in (("now", leaky), ("before", tight)):
        report.save(tmp_path / name)
    junit = tmp_path / "junit.xml"
    asked = ["check", str(tmp_path / "now"), "--baseline", str(tmp_path / "before")]
    assert main([*asked, "--junit", str(junit)]) == 1
    assert "FAILED --baseline: SURELY WORSE than the baseline" in capsys.readouterr().out
    [case] = ElementTree.parse(junit).iter("testcase")
    assert case.get("name") == "baseline"
    assert case.find("failure").get("message").startswith("FAILED: SURELY WORSE")


def test_a_baseline_that_turns_out_to_be_of_another_kind_loses_no_report(
    command, make_report, tmp_path, capsys
):
    before = simulated(make_report, unit="person")
    before.records = before.records.rename(columns={"row": "group"}).assign(n_rows=1)
    before.save(tmp_path / "before")
    asked = ["--baseline", str(tmp_path / "before"), "--output", str(tmp_path / "now")]
    assert main([*command, *asked, "--fail-if", "auc > 0.99"]) == 2
    printed = capsys.readouterr()
    assert "each record once and the baseline each person" in printed.err
    assert "PASSED --fail-if auc > 0.99" in printed.out
    assert (tmp_path / "now" / "index.html").exists()


def test_the_command_line_refuses_a_baseline_before_it_trains(
    command, make_report, tmp_path, capsys
):
    assert main([*command, "--baseline", str(tmp_path)]) == 2
    assert "No audit.json" in capsys.readouterr().err
    report = make_report()
    report.records = report.records.rename(columns={"threshold": "lira"})
    report.info["attacks"] = ["lira", "stacked"]
    report.save(tmp_path)
    assert main([*command, "--baseline", str(tmp_path)]) == 2
    assert "no numbers of 'threshold'" in capsys.readouterr().err
