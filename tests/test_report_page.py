"""The page of a report: what stands on it, that nothing acts in it, that nothing is named."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mia_sklearn._process._docs import DOCS, finding_page
from mia_sklearn.report import AuditReport, Finding
from mia_sklearn.report._glossary import glossary
from mia_sklearn.report._html import render_html
from mia_sklearn.report._leak import read_leak
from mia_sklearn.report._scale import scale_of
from mia_sklearn.report._signoff import signoff
from mia_sklearn.report._summary import summarize
from mia_sklearn.report._wording import MEASURES
from pages import Page

HOSTILE = "<script>alert(1)</script><img src=http://x onerror=alert(2)>\"'&amp;{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def report(make_report):
    return make_report(n=1000)


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    report.save(folder)
    return folder


@pytest.fixture(scope="module")
def text(folder):
    return (folder / "index.html").read_text()


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_page_needs_nothing_from_outside(text):
    page = Page(text)
    assert not {"link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    assert page.all("script") == [{}]
    assert [image["src"][:26] for image in page.all("img")] == ["data:image/svg+xml;base64,"] * 2
    for _, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        assert not {"srcset", "action", "background", "target"} & set(attrs)
    assert "url(" not in text
    assert "@import" not in text


def test_page_allows_its_own_style_and_script_only(text):
    policy = next(m["content"] for m in Page(text).all("meta") if "http-equiv" in m)
    style = text.split("<style>")[1].split("</style>")[0]
    script = text.split("<script>")[1].split("</script>")[0]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest(style)}'; script-src "
        f"'sha256-{digest(script)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    # The policy stands before anything that it governs.
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_links_lead_to_the_page_itself_or_to_the_documentation(report, text):
    page = Page(text)
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = [attrs["href"] for attrs in page.all("a")]
    inner = {link[1:] for link in links if link.startswith("#")}
    assert inner <= ids
    assert all(link.startswith(DOCS) for link in links if not link.startswith("#"))
    for finding in report.findings:
        assert finding_page(finding.code) in links
    assert finding_page("SINGLED_OUT").endswith("findings.html#singled-out")
    # Each measure is explained on the page, and in the documentation.
    terms = {word.key: word for word in glossary(summarize(report).unit)}
    assert set(MEASURES) <= set(terms)
    for row in summarize(report).metrics[0]["rows"]:
        assert f"term-{row['metric']}" in inner
        assert terms[row["metric"]].link in links
    # The contents list has all sections.
    named = {attrs["aria-labelledby"] for attrs in page.all("section")} - {"scale"}
    assert named <= inner


def test_page_can_be_read_aloud(text):
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("caption")) == len(page.all("table")) == 9
    assert all(image["alt"] for image in page.all("img"))
    assert all("scope" in cell for cell in page.all("th"))
    assert [len(page.all(tag)) for tag in ("h1", "main", "header", "footer", "nav")] == [1] * 5
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for a in page.all("section")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_page_says_what_the_text_says(report, text):
    page = " ".join(Page(text).text.split())
    summary = summarize(report)
    assert summary.verdict in page
    assert summary.limits in page
    for finding in report.findings:
        assert finding.title in page
        assert finding.explanation in page
        assert finding.remedy in page
    for name, value in summary.facts:
        assert f"{name} {value}" in page or f"{name}{value}" in page
    for attack in summary.metrics:
        for row in attack["rows"]:
            assert row["interval"] in page
            assert row["note"] in page


def test_without_a_script_all_is_there(text):
    page = Page(text)
    hidden = [attrs for _, attrs in page.tags if "hidden" in attrs]
    assert hidden == [{"class": "tools", "hidden": None}]
    body = text.split('id="records"')[1].split("</table>")[0]
    assert body.count("<tr") == 101
    assert "<button" not in text


def test_page_is_the_same_for_the_same_report(report, text, folder):
    mark = json.loads((folder / "audit.json").read_text())["fingerprint"]
    assert render_html(report, mark) == text
    assert mark in text


def test_attacks_fold_but_for_the_headline(text):
    page = Page(text)
    folded = ["open" not in attrs for attrs in page.all("details")]
    assert folded == [False, True, True, True, False, True, True, True]
    first = text.split("<summary>")[1].split("</summary>")[0]
    assert "stacked" in first and "AUC 0." in first and "at 1 % false alarms" in first


def test_what_stands_between_backticks_is_code(make_report):
    report = make_report(n=40)
    report.findings = [Finding("X", "info", "`a<b`", "Call `audit()`, or `", "No `C=1`.")]
    page = render_html(report)
    assert "<code>a&lt;b</code>" in page
    assert "Call <code>audit()</code>, or `</p>" in page
    assert "No <code>C=1</code>." in page


def test_many_records_make_no_large_page(make_report):
    few, many = (make_report(n=n) for n in (200, 20_000))
    page = render_html(many)
    assert "the first 100 of 20,000 members" in page
    assert page.split('id="records"')[1].count('<th scope="row" data-label="Row"') == 100
    assert len(page) < 2 * len(render_html(few)) < 1_000_000
    assert "All 40 members are listed." in render_html(make_report(n=40))


def test_an_earlier_report_stands_beside(make_report):
    report, before = make_report(n=200), make_report(n=200, seed=1, title="Release 1")
    before.metrics = before.metrics[before.metrics["metric"] != "advantage"]
    page = render_html(report, before=before)
    for attack in summarize(before).metrics:
        for row in attack["rows"]:
            assert f">{row['estimate']} ({row['interval']})</td>" in page
    assert "Before: the numbers of Release 1" in " ".join(Page(page).text.split())
    assert page.count('<th scope="col" class="number">Before</th>') == 4
    # What the earlier report lacks is left empty.
    assert page.count('<td data-label="Before" class="number empty">–</td>') == 2
    assert "Before" not in render_html(report)
    # What is withheld with its interval is said to be once.
    epsilon = before.metrics["metric"] == "epsilon"
    before.metrics.loc[epsilon, ["estimate", "low", "high"]] = np.nan
    page = render_html(report, before=before)
    assert ">withheld</td>" in page and "withheld (withheld)" not in page


def test_conditions_come_with_the_verdict_and_say_what_was_asked(make_report):
    report = make_report(n=200)
    assert 'id="gate"' not in render_html(report)
    gate = [
        {"condition": "auc <= 0.6", "fails_if": False, "outcome": "failed", "reason": "It is 0.8."},
        {"condition": "auc > 0.9", "fails_if": True, "outcome": "undecided", "reason": None},
        "damaged",
    ]
    report.info["gate"] = {"outcome": "failed", "conditions": gate}
    page = render_html(report)
    assert '<a href="#gate">' in page
    text = "".join(Page(page).text.split())
    assert "musthold:auc<=0.6FAILED:itdoesnotholdItis0.8.gatefailsifauc>0.9undecided" in text
    assert page.index("Conditions it was held to</h2>") < page.index("What was found")
    report.info["gate"] = {"auc > 0.6": "holds"}
    page = render_html(report)  # As 0.1 kept it.
    assert "gatefailsifauc>0.6GATEFAILED:itholds" in "".join(Page(page).text.split())


# The scale of risk.


def scale(report):
    return summarize(report).scale


def test_scale_of_what_is_shown(make_report):
    serious = scale(make_report(n=1000))
    assert (serious.level, serious.name) == ("serious", "Serious leak")
    slight = make_report(n=1000, gap=0.25, stand_out=0.0)
    assert scale(slight).level == "warning"
    nothing = make_report(n=1000, gap=0.0, stand_out=0.0, seed=3)
    assert scale(nothing).level == "info"
    assert "no proof of protection" in scale(nothing).text
    # A few who surely stand out are serious, however little it is for all.
    named = make_report(n=1000, gap=0.0, stand_out=0.02)
    assert named.metrics.query("attack == 'stacked' and metric == 'auc'")["low"].iloc[0] < 0.6
    assert scale(named).level == "serious"
    assert scale(named).text.startswith(f"{summarize(named).tiles[-1]['value']} stand out one by")
    few = make_report(n=10, gap=0.0, stand_out=0.0)
    assert (scale(few).level, scale(few).name) == ("open", "Not decided")


def test_numbers_in_doubt_have_no_place_on_the_scale(make_report):
    report = make_report(n=1000)
    report.findings.append(Finding("REFERENCES_DIFFER", "serious", "They differ", "", ""))
    assert scale(report).level == "open"
    assert scale(report).bars == []
    page = render_html(report)
    assert '<li class="open" aria-current="true">Not decided</li>' in page
    assert page.count('aria-current="true"') == 1
    assert 'class="bar"' not in page


def test_places_on_the_scale(make_report):
    """An AUC of .7 lies half way from .4 to 1; 10 % at 1 % two thirds from .1 % to all."""
    metrics = make_report(n=1000).metrics.query("attack == 'stacked' and slice == 'all'").copy()
    metrics.loc[metrics["metric"] == "auc", ["estimate", "low", "high"]] = [0.7, 0.4, 1.0]
    rates = metrics["at"] == 0.01
    metrics.loc[rates, ["estimate", "low", "high"]] = [0.1, 0.0, 1.0]
    metrics.loc[metrics["at"] == 0.001, "low"] = np.nan
    rate, auc = scale_of(read_leak(metrics), decided=True).bars
    np.testing.assert_allclose([auc.point, auc.low, auc.high, auc.serious], [50, 0, 100, 50])
    np.testing.assert_allclose([rate.point, rate.low, rate.high], [200 / 3, 0, 100])
    np.testing.assert_allclose([rate.guess, rate.serious], [100 / 3, 200 / 3])
    metrics.loc[rates, "low"] = np.nan
    wide = scale_of(read_leak(metrics), decided=True).bars[0]
    assert wide.name == "Members identified at 10 % false alarms"
    # 10 % false alarms single nobody out: on that axis nothing is serious.
    assert wide.serious is None


# What names people.


def with_features(make_report, value="of Jane Roe"):
    report = make_report(n=60)
    places = report.most_exposed(100).index
    report.features = pd.DataFrame({"age": "39", "note": value}, index=places, dtype=object)
    return report


def test_features_of_the_exposed_are_shown(make_report):
    page = render_html(with_features(make_report))
    assert page.count('<span class="told">of Jane Roe</span>') == 60
    assert "shows what they look like" in page
    assert "Features</th>" in page
    assert "Features</th>" not in render_html(make_report(n=60))


def test_evidence_without_records_names_nobody(make_report, tmp_path):
    report = with_features(make_report, "of Jane Roe")
    page = render_html(report, records=False)
    report.save(tmp_path, records=False)
    assert page.count("<img") == 1  # Scores of single members are not drawn.
    for text in (page, *(path.read_text() for path in tmp_path.iterdir())):
        assert "of Jane Roe" not in text
    assert 'id="records"' not in page
    assert "names members" not in page
    bare = report.without_records()
    assert bare.features is None and bare.records.empty
    assert report.features is not None and len(report.records) == 120


def test_notebooks_name_nobody(make_report):
    report = with_features(make_report, "of Jane Roe")
    report.records["label"] = "a label of theirs"
    shown = report._repr_html_()
    assert "of Jane Roe" not in shown and "a label of theirs" not in shown
    assert report.verdict in shown
    assert len(shown) < 20_000


# What users name.


@pytest.fixture(scope="module")
def hostile(make_report):
    """A report in which everything that a user names is an attack on its reader."""
    report = make_report(n=60, labels=(HOSTILE, "b"), title=HOSTILE, model=HOSTILE)
    report.info[HOSTILE] = [HOSTILE, {HOSTILE: HOSTILE}]
    report.findings.append(Finding(HOSTILE, "warning", HOSTILE, HOSTILE, HOSTILE))
    report.metrics["slice"] = report.metrics["slice"].replace("sex=male", f"{HOSTILE}={HOSTILE}")
    report.metrics["note"] = HOSTILE
    for frame in (report.coverage, report.controls):
        for name in frame.columns:
            if pd.api.types.is_string_dtype(frame[name]) and name not in ("status", "attack"):
                frame[name] = HOSTILE
    renamed = {"threshold": HOSTILE, "slice_sex": f"slice_{HOSTILE}"}
    report.records = report.records.rename(columns=renamed)
    report.metrics["attack"] = report.metrics["attack"].replace("threshold", HOSTILE)
    report.info["attacks"] = [HOSTILE, "stacked"]
    places = report.most_exposed(100).index
    report.features = pd.DataFrame({HOSTILE: HOSTILE}, index=places, dtype=object)
    return report


def test_hostile_names_are_text_on_the_page(hostile):
    page = Page(render_html(hostile))
    assert page.all("script") == [{}]
    assert len(page.all("img")) == 2
    assert all("onerror" not in attrs for _, attrs in page.tags)
    assert page.text.count("<script>alert(1)</script>") > 15
    assert "{{ 7 * 7 }}" in page.text
    for attrs in page.all("a"):
        assert attrs["href"].startswith(("#", DOCS))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_hostile_names_are_text_in_a_notebook(hostile):
    for shown in (hostile._repr_html_(), hostile.findings._repr_html_()):
        page = Page(shown)
        assert {tag for tag, _ in page.tags} <= {
            *("div", "style", "p", "span", "details", "summary", "code"),
            *("table", "thead", "tbody", "tr", "th", "td"),
        }
        assert all("onerror" not in attrs for _, attrs in page.tags)
        assert "<script>alert(1)</script>" in page.text


def test_hostile_names_survive_the_round_trip(hostile, tmp_path):
    hostile.save(tmp_path)
    loaded = AuditReport.load(tmp_path)
    assert loaded.info == hostile.info
    assert_frame_equal(loaded.records, hostile.records, check_exact=True)


def test_the_annex_is_on_the_page_with_lines_to_fill_in(report, text):
    annex = signoff(report)
    page = " ".join(Page(text).text.split())
    blanks = [field for part in annex.parts for field in part.fields if field.blank]
    assert text.count('<dd class="blank">') == len(blanks) > 3
    for part in annex.parts:
        assert part.title in page
    for topic in annex.frameworks:
        assert topic.heading in page and topic.left_open.replace("`", "") in page
    assert all(each.replace("`", "") in page for each in annex.not_answered)


def test_an_earlier_report_stands_beside_a_saved_one(make_report, tmp_path):
    now, earlier = make_report(n=60), with_features(make_report, "of Jane Roe")
    now.save(tmp_path / "whole", before=earlier)
    now.save(tmp_path / "evidence", before=earlier, records=False)
    pages = [(tmp_path / name / "index.html").read_text() for name in ("whole", "evidence")]
    assert all("Before" in page for page in pages)
    assert "of Jane Roe" not in pages[1]
    now.save(tmp_path / "alone")
    assert 'data-label="Before"' not in (tmp_path / "alone" / "index.html").read_text()


def test_times_are_written_as_people_do(make_report):
    report = make_report(n=30)
    report.info["created"] = "2026-11-22T10:30:05+00:00"
    assert "· 2026-11-22 10:30 UTC</p>" in render_html(report)
    report.info["created"] = "<long ago>"
    assert "· &lt;long ago&gt;</p>" in render_html(report)
