"""Markdown, model cards and the annex to sign off: what they say, and that nothing in them acts."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from mia_sklearn.report import Finding, signoff
from mia_sklearn.report._frameworks import FRAMEWORKS
from mia_sklearn.report._markdown import escape
from mia_sklearn.report._summary import summarize

ACTIVE = {
    "<script>alert(1)</script>": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "[x](http://evil.example)": r"\[x\](http&#58;//evil.example)",
    "![x](https://evil.example/a.png)": r"!\[x\](https&#58;//evil.example/a.png)",
    "www.evil.example": "www&#46;evil.example",
    "mailto:a@b.example": "mailto&#58;a&#64;b.example",
    "@maintainers and #1": r"&#64;maintainers and \#1",
    "a | b": r"a \| b",
    "*a* _b_ ~~c~~ $d$": r"\*a\* \_b\_ \~\~c\~\~ \$d\$",
    "{{ 7 * 7 }}{% x %}": r"\{\{ 7 \* 7 \}\}\{% x %\}",
    "a\n\n# b\r\n- c": r"a \# b - c",
    "# a": r"\# a",
    "- a": r"\- a",
    "+ a": r"\+ a",
    "=== a": r"\=== a",
    "1. a": r"1\. a",
    "12) a": r"12\) a",
    "0.503": "0.503",
    "&lt;b&gt;": "&amp;lt;b&amp;gt;",
    "a\\": "a\\\\",
    "`a.b_c(d=1)`": "`a.b_c(d=1)`",
    "`<b>` ``": r"\`&lt;b&gt;\` \`\`",
    "\x1b[2J\u202ea\0": r"\\x1b\[2J\\u202ea\\x00",
    "half \ud83d": r"half \\ud83d",
    "plain, of (course): 5 % - so": "plain, of (course): 5 % - so",
}


@pytest.mark.parametrize("text", ACTIVE)
def test_names_from_data_are_shown_as_they_are(text):
    assert escape(text) == ACTIVE[text]


HOSTILE = "\n".join(ACTIVE).replace("\ud83d", "")


@pytest.fixture
def hostile(make_report):
    report = make_report(n=60, title=HOSTILE, split=HOSTILE, release=HOSTILE)
    report.info["versions"] = {HOSTILE: HOSTILE}
    report.info["headline"] = HOSTILE
    report.info["attacks"] = [HOSTILE, "threshold"]
    for frame in (report.metrics, report.coverage):
        frame["attack"] = frame["attack"].replace("stacked", HOSTILE)
    report.records = report.records.rename(columns={"stacked": HOSTILE})
    report.metrics["slice"] = report.metrics["slice"].replace("sex=male", f"sex={HOSTILE}")
    report.metrics["note"] = HOSTILE
    for frame in (report.coverage, report.controls):
        for name in frame.columns:
            if pd.api.types.is_string_dtype(frame[name]) and name not in ("status", "attack"):
                frame[name] = HOSTILE
    report.findings.append(Finding("SHIFT", "info", HOSTILE, HOSTILE, HOSTILE))
    report.findings.append(Finding(HOSTILE, "info", HOSTILE, HOSTILE, HOSTILE, qualifies=True))
    report.info["gate"] = {"outcome": "failed", "conditions": [
        {"condition": HOSTILE, "fails_if": True, "outcome": HOSTILE, "reason": HOSTILE}
    ]}  # fmt: skip
    return report


def cells(line):
    return len(re.findall(r"(?<!\\)\|", line))


@pytest.mark.parametrize("kind", ["to_markdown", "model_card"])
def test_nothing_that_a_user_names_is_markup(hostile, kind):
    text = getattr(hostile, kind)()
    code = re.sub(r"`[A-Za-z][\w.]*(\([\w.=, ]*\))?`", "", text)
    assert "<" not in code and ">" not in code and "@" not in code
    assert not re.search(r"\w://|www\.", code)
    assert not re.search(r"(?<!\\)[\[\]`{}$~#](?!\w*#)", re.sub(r"(?m)^#+ |&#\d+;", "", code))
    for block in text.split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith("| "):
            assert len({cells(line) for line in lines}) == 1
            assert re.fullmatch(r"\|( --- \|)+", lines[1])
        else:
            # Headings, findings and lists are ours; all else begins as text.
            assert re.match(r"#{1,3} |\*\*|- |\w|\\|&|!", lines[0])
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    assert len(headings) == (19 if kind == "to_markdown" else 0)


def test_markdown_says_what_the_report_says(make_report):
    report = make_report(n=200)
    text = report.to_markdown()
    assert text.startswith("# RandomForestClassifier on Adult\n\n**Training records can be")
    row = report.metrics.iloc[0]
    assert f"| stacked | AUC | {row.estimate:.3f} | {row.low:.3f} to {row.high:.3f} | 0.5 |" in text
    assert "| lira | not run | black-box | posteriors |" in text
    assert text.count("\n## ") == 7
    assert "## Sign-off" in text and "| Reviewer (name, role) | ............ |" in text
    # No record is in it, however exposed.
    for name in report.most_exposed(3)["stacked"]:
        assert f"{name:.3f}" not in text
    report.findings, report.controls = [], report.controls.iloc[:0]
    assert "No findings." in report.to_markdown()
    assert "No controls were run." in report.to_markdown()


def test_a_model_card_is_the_body_of_a_section(make_report):
    report = make_report(n=200)
    text = report.model_card()
    assert text.startswith(f"**{report.verdict}**")
    assert "\n#" not in text
    assert "- Attacker: black-box; access: posteriors; knows: records of the same kind" in text
    assert "- Not run: lira, gap" in text
    assert "in doubt: nothing found" in text
    report.findings.append(Finding("NO_SIGNAL", "warning", "It has collapsed", "", ""))
    assert "in doubt: it has collapsed" in report.model_card()


@pytest.mark.thorough
def test_a_model_card_goes_into_one_of_skops(make_report):
    card = pytest.importorskip("skops.card").Card(GaussianNB())
    text = make_report(n=60).model_card()
    assert text.strip() in card.add(**{"Privacy": text}).render()


# The annex.


def part(annex, name):
    return {
        field.label: field for each in annex.parts if each.name == name for field in each.fields
    }


def test_the_annex_asks_people_what_no_audit_can_tell(make_report):
    annex = signoff(make_report(n=200))
    assert [each.name for each in annex.parts] == [
        *("model", "unit", "attacker", "attacks", "risk", "doubts", "thresholds", "again"),
        "decision",
    ]
    assert part(annex, "model")["Purpose of the model"].blank
    assert all(field.blank for field in part(annex, "decision").values())
    assert part(annex, "model")["Released as"].text == "answers with posteriors"
    assert part(annex, "attacker")["Threat model"].text == "black-box"
    attacks = part(annex, "attacks")
    assert attacks["Run"].text == "stacked, threshold"
    assert attacks["Not run, and why"].text == "lira, gap (not asked for)"
    assert part(annex, "doubts")["Controls that passed"].text == "shift, pipeline"
    assert len(annex.not_answered) > 5


def test_the_annex_names_the_largest_risk(make_report):
    report = make_report(n=1000)
    report.findings.append(Finding("EXPOSED_RECORDS", "serious", "31 stand out", "", ""))
    risk = part(signoff(report), "risk")
    rate = report.metrics.query("attack == 'stacked' and at == 0.01").iloc[0]
    assert risk["Named, where errors are rarest"].text.startswith(
        f"{rate.n_identified:.0f} of 1,000 members, at {rate.n_false_alarms:.0f} false alarms"
    )
    bound = report.metrics.query("attack == 'stacked' and metric == 'epsilon'")["low"].iloc[0]
    odds = risk["Epsilon, lower bound"].text
    assert odds.startswith(f"{bound:.3g}: ") and f"grow {np.exp(bound):.3g}-fold" in odds
    slices = report.metrics[report.metrics["slice"] != "all"].sort_values("low")
    label = "Group of records that is told best"
    assert risk[label].text.startswith(f"{slices['slice'].iloc[-1]}, AUC")
    assert risk["Finding EXPOSED_RECORDS"].text == "31 stand out"
    assert not risk["What these numbers leave open"].blank


def test_thresholds_are_those_of_the_gate(make_report):
    report = make_report(n=200)
    assert len(part(signoff(report), "thresholds")) == 2
    report.info["gate"] = {"auc > 0.6": "holds"}
    asked = part(signoff(report), "thresholds")
    assert asked["Gate fails if auc > 0.6"].text == "GATE FAILED: it holds."
    # When they were agreed the audit cannot know.
    assert asked["Agreed before the audit? (date), by whom"].blank
    assert "in advance" not in " ".join(each.title for each in signoff(report).parts)


@pytest.mark.parametrize(
    ("fails_if", "outcome", "words"),
    [
        (True, "failed", "gate fails if auc > 0.6, GATE FAILED: it holds"),
        (True, "passed", "gate fails if auc > 0.6, passed: it does not hold"),
        (True, "undecided", "gate fails if auc > 0.6, undecided"),
        (False, "failed", "must hold: auc > 0.6, FAILED: it does not hold"),
        (False, "passed", "must hold: auc > 0.6, passed: it holds"),
        (False, "undecided", "must hold: auc > 0.6, undecided"),
    ],
)
def test_a_gate_says_what_was_asked_and_whether_it_holds(make_report, fails_if, outcome, words):
    condition = {"condition": "auc > 0.6", "fails_if": fails_if, "outcome": outcome}
    report = make_report(n=30, gate={"outcome": outcome, "conditions": [condition]})
    facts = dict(summarize(report).facts)
    assert facts["The gate that it was held to"] == f"{outcome} ({words})"


def test_the_annex_of_people_and_of_a_report_with_nothing_in_it(make_report):
    report = make_report(n=60, unit="person", records_per_person={"median": 3.0}, release=None)
    unit = part(signoff(report), "unit")
    assert unit["Unit of privacy"].text == "a person with all of their records, 3 in the median"
    report.metrics, report.coverage = report.metrics.iloc[:0], report.coverage.iloc[:0]
    del report.info["n_train"], report.info["model"]
    annex = signoff(report)
    assert part(annex, "attacks")["Run"].text == part(annex, "attacks")["Not run, and why"].text
    assert part(annex, "model")["Model"].blank and part(annex, "model")["Released as"].blank
    assert part(annex, "attacker")["Knowledge"].blank


def test_every_guideline_is_mapped_to_parts_that_exist(make_report):
    annex = signoff(make_report(n=30))
    names = {each.name for each in annex.parts}
    assert {topic.framework for topic in FRAMEWORKS} == {
        *("EDPB Opinion 28/2024", "ISO/IEC 27559:2022", "NIST SP 800-226", "SACRO output check")
    }
    for topic in annex.frameworks:
        assert topic.answered_in and set(topic.answered_in) <= names
        assert annex.titles_of(topic)
    said = " ".join([str(annex)]).lower()
    assert not [word for word in ("anonymous", "safe", "compliant") if word in said]
