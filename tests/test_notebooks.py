"""What notebooks show: outcomes, findings, comparisons, displays, diagrams of estimators."""

from __future__ import annotations

import pickle
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import plots
from mia_sklearn._process._docs import DOCS
from mia_sklearn._process._notebook import marked, table
from mia_sklearn.attacks import GMIAAttack, LiRAAttack
from mia_sklearn.base import BaseAttack
from mia_sklearn.conditions import Condition, ConditionResult
from mia_sklearn.defenses import LabelOnly
from mia_sklearn.report import CheckOutcome, Finding, _notebook
from mia_sklearn.report._summary import summarize
from mia_sklearn.selection import Audited
from mia_sklearn.selection._shown import ComparisonFrame
from pages import Page

ACTS = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def no_windows():
    with mpl.rc_context({"backend": "agg"}):
        yield


def read(shown):
    """Return a notebook's form as a page, once it is seen to be small and to act on nothing."""
    page = Page(shown)
    assert page.tags[0] == ("div", {"class": "mia-sklearn"})
    assert not {"script", "link", "iframe", "img"} & {tag for tag, _ in page.tags}
    assert all("scope" in cell for cell in page.all("th"))
    assert "url(" not in shown
    return page


def test_marked_text_is_escaped():
    assert marked("`<b>` & `x") == "<code>&lt;b&gt;</code> &amp; `x"
    told = marked("lower: svc__C=3.0 (lower it), w='a' (weigh), p = 0.1 (none), x=1")
    assert re.findall("<code>(.*?)</code>", told) == ["svc__C=3.0", "w=&#x27;a&#x27;"]
    assert marked("a\x1b[2J") == "a\\x1b[2J"
    assert ACTS not in table(ACTS, (ACTS,), [(ACTS,)])


def test_report_and_findings(make_report):
    report = make_report(n=300)
    page = read(report._repr_html_())
    assert report.verdict in page.text
    assert "Serious leak" in page.text
    listed = read(report.findings._repr_html_())
    for finding in report.findings:
        assert finding.title in listed.text and finding.remedy in listed.text
        assert finding.code in read(finding._repr_html_()).text
    assert report.findings == list(report.findings)
    report.findings = []
    assert "No findings." in report._repr_html_()


def test_a_report_in_a_notebook_is_made_without_its_records(make_report, monkeypatch):
    report = make_report(n=40)
    read_by = []

    def note(given):
        read_by.append(given)
        return summarize(given)

    monkeypatch.setattr(_notebook, "summarize", note)
    report._repr_html_()
    assert [len(given.records) for given in read_by] == [0]
    assert len(report.records) == 80


@pytest.mark.parametrize(
    ("outcome", "result", "said"),
    [
        ("pass", "holds", "PASSED"),
        ("fail", "violated", "FAILED"),
        ("inconclusive", "open", "UNDECIDED"),
    ],
)
def test_outcome_of_a_check(outcome, result, said):
    condition = Condition("auc", "<=", 0.6)
    results = (ConditionResult(condition, result, f"measured {ACTS}", 0.5, 0.4, 0.7, 0.95),)
    page = read(CheckOutcome(outcome, results)._repr_html_())
    assert page.text.count(said) == 2
    assert "auc <= 0.6" in page.text and ACTS in page.text


@pytest.fixture
def comparison():
    rows = {
        "defense": ["undefended", ACTS, "lost"],
        "parameters": ["", "", ""],
        "test_score": [0.8, 0.79, np.nan],
        "test_score_low": [0.75, 0.74, np.nan],
        "test_score_high": [0.85, 0.84, np.nan],
        "stacked_auc": [0.8, 0.55, np.nan],
        "stacked_auc_low": [0.77, 0.51, np.nan],
        "stacked_auc_high": [0.83, 0.59, np.nan],
        "fit_ratio": [1.0, 2.5, np.nan],
        "error": ["", "", f"ValueError: {ACTS}"],
    }
    frame = ComparisonFrame(pd.DataFrame(rows))
    frame.attrs = {"headline": "stacked", "baseline": "undefended"}
    return frame


def test_comparison_of_defenses(comparison):
    # What is lost is told; the frame itself is pandas', which escapes too.
    page = read(comparison._repr_html_().replace(' border="1" class="dataframe"', "")
                .replace("<th>", '<th scope="col">'))  # fmt: skip
    text = " ".join(page.text.split())
    assert f"{ACTS} surely lowers it, to 0.550, at a cost of 1.0 points of accuracy" in text
    assert "0.550 (0.510 to 0.590)" in text
    assert f"lost: ValueError: {ACTS}" in text
    comparison.attrs["headline"] = "threshold"
    renamed = comparison.rename(columns=lambda name: name.replace("stacked", "threshold"))
    renamed = ComparisonFrame(renamed)
    renamed.attrs = comparison.attrs
    assert "no defense is named a remedy" in renamed._repr_html_()


def test_a_comparison_is_a_data_frame(comparison):
    again = pickle.loads(pickle.dumps(comparison))
    pd.testing.assert_frame_equal(again, comparison)
    assert again.attrs == comparison.attrs
    assert type(comparison[["defense"]]) is type(comparison.head()) is pd.DataFrame
    part = ComparisonFrame(comparison[["defense"]])
    assert "dataframe" in part._repr_html_()


def test_displays():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    scores = rng.normal(y)
    roc = plots.AttackRocDisplay.from_predictions(y, {ACTS: scores})
    text = read(roc._repr_html_()).text
    assert ACTS in text and f"{roc.auc[ACTS]:.4g}" in text
    drawn = plots.ScoreDistributionDisplay.from_predictions(y, scores, name="lira")
    text = read(drawn._repr_html_()).text
    assert f"{drawn.frame()['members'].iloc[0]:.4g}" in text
    curve = roc.frame()
    roc._brief_frame = lambda: curve
    assert f"The first 12 of {len(curve):,} rows." in roc._repr_html_()
    for name in plots.__all__:
        kind = getattr(plots, name)
        assert kind._repr_html_ and kind.frame


def test_diagrams_link_to_our_documentation():
    page = f"{DOCS}api/generated/mia_sklearn."
    tree = DecisionTreeClassifier()
    for estimator, name in (
        (LiRAAttack(), "attacks.LiRAAttack"),
        # Public in the package above its folder.
        (GMIAAttack(), "attacks.GMIAAttack"),
        (LabelOnly(tree), "defenses.LabelOnly"),
        (Audited(tree), "selection.Audited"),
    ):
        assert f'href="{page}{name}.html"' in estimator._repr_html_()
        assert f'href="{page}{name}.html"' in clone(estimator)._repr_html_()
    # The model inside is scikit-learn's.
    assert "scikit-learn.org" in LabelOnly(tree)._repr_html_()


def test_diagrams_of_others_link_nowhere():
    class Own(BaseAttack):
        threat_model, requires = "black-box", ("logit",)

        def __init__(self, *, columns=None):
            super().__init__(columns=columns)

        def _fit(self, table, member):
            pass

        def _score(self, table):
            pass

    Own.__module__ = "a_package.attacks"
    assert DOCS not in Own()._repr_html_()


def test_a_finding_is_still_plain(make_report):
    finding = Finding("X", "info", "t", "e", "")
    assert "What to do next" not in finding._repr_html_()
