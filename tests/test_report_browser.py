"""The page of a report in a browser: rules of accessibility, narrow and wide, light and dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from mia_sklearn.report import Finding
from mia_sklearn.report._html import render_html

pytestmark = pytest.mark.slow

RULES = (Path(__file__).parent / "page_rules.js").read_text(encoding="utf-8")
DARK = "--blink-settings=preferredColorScheme=0"
LONG = "a-name-of-" + "m" * 60


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("needs Chromium")
    return found


@pytest.fixture(scope="module")
def ask(browser, tmp_path_factory):
    """Open a page, evaluate an expression in it, and return what it says."""
    folder = tmp_path_factory.mktemp("pages")

    def ask(page, expression=None, *options, width=1400, height=1000):
        if expression is not None:
            # The policy of the page would stop us as it stops anybody. A frame is as narrow as it
            # is told to be, a window is not.
            page = re.sub(r"<meta http-equiv=[^>]*>", "", page)
            page += (
                "<script>addEventListener('load', () => { const answer = "
                f"{expression};\nconst told = parent.document.createElement('pre'); "
                "told.id = 'answer'; told.textContent = JSON.stringify(answer); "
                "parent.document.body.append(told); })</script>"
            )
            page = (
                '<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" '
                f'content="light dark"><body><iframe width="{width}" height="{height}" '
                f'frameborder="0" srcdoc="{html.escape(page)}"></iframe>'
            )
        path = folder / "page.html"
        path.write_text(page, encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={folder / 'profile'}", *options, "--dump-dom", path.as_uri()]
        found = subprocess.run(command, capture_output=True, timeout=120, check=True)
        dom = found.stdout.decode("utf-8")
        if expression is None:
            return dom
        answer = re.search(r'<pre id="answer">(.*?)</pre>', dom, re.DOTALL)
        assert answer, "the page did not answer"
        return json.loads(html.unescape(answer[1]))

    return ask


@pytest.fixture(scope="module")
def page(make_report):
    """A page with all that a page can have, some of it long."""
    report = make_report(n=400, title=f"A model called {LONG}", labels=(LONG, ">50K"))
    report.findings += [
        Finding("SINGLED_OUT", "serious", f"Call `{LONG}`", "Said " * 60, f"Lower `{LONG}=1`."),
        Finding("OTHER", "warning", "A warning", "It is said.", ""),
    ]
    report.records.insert(2, "index", [f"P{row:05}" for row in report.records["row"]])
    report.records["vulnerable"] = (report.records["row"] < 30).astype(int)
    report.records["expected_neighbors"] = 0.5
    report.info["vulnerable_records"] = {"delta": 0.2, "beta": 0.1, "train_size": 500}
    report.info |= {"target_train_accuracy": 0.9, "target_test_accuracy": 0.88}
    conditions = [
        {"condition": f"{LONG}:auc <= 0.6", "fails_if": kind, "outcome": outcome, "reason": LONG}
        for kind, outcome in ((True, "failed"), (False, "passed"), (False, "undecided"))
    ]
    report.info["gate"] = {"outcome": "failed", "conditions": conditions}
    places = report.most_exposed(100).index
    report.features = pd.DataFrame(
        {"age": [str(20 + place % 50) for place in places], LONG: LONG}, index=places, dtype=object
    )
    return render_html(report, "f" * 64, before=make_report(n=300, title=LONG))


@pytest.mark.parametrize("width", [1400, 800, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_rules_of_accessibility(ask, page, width, scheme):
    opened = page.replace("<details", "<details open")
    for text in (page, opened):
        found = ask(text, RULES, *([DARK] if scheme == "dark" else []), width=width)
        assert found["broken"] == []
        assert found["checked"] > 300
        assert found["width"] == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_reader(ask, page, scheme):
    ground = "getComputedStyle(document.body).backgroundColor"
    options = [DARK] if scheme == "dark" else []
    expected = "rgb(18, 22, 29)" if scheme == "dark" else "rgb(255, 255, 255)"
    assert ask(page, ground, *options) == expected


@pytest.mark.parametrize("kind", [{"n": 10}, {"n": 5000, "gap": 0.0, "stand_out": 0.0}])
def test_rules_of_accessibility_of_other_reports(ask, make_report, kind):
    report = make_report(**kind)
    for records in (True, False):
        text = render_html(report, records=records)
        for width in (1400, 400):
            assert ask(text, RULES, width=width)["broken"] == []


def test_rules_notice(ask, page):
    """Each rule finds what breaks it."""
    broken = {
        'lang="en"': ("", "lang"),
        '<label for="filter">Filter</label>': ("", "name"),
        '<h3 id="finding-1-title">': ('<h5 id="finding-1-title">', "heading order"),
        "--muted: #566074": ("--muted: #b0b6c2", "contrast"),
        "<main": ("<main><p style='min-width: 2000px'>wide</p></main><main", "sideways"),
        'id="term-auc"': ('id="term-tpr"', "ids"),
        'role="region" aria-labelledby="exposed-caption" tabindex="0"': ("", "keyboard"),
    }
    for old, (new, rule) in broken.items():
        assert old in page
        found = ask(page.replace(old, new), RULES)["broken"]
        assert any(rule in each for each in found), rule


def test_a_phone_is_not_scrolled_for_ever(ask, make_report):
    text = render_html(make_report(n=1000))
    assert ask(text, "document.documentElement.scrollHeight", width=400) < 11_000


def test_records_are_sorted_and_filtered(ask, page):
    answer = ask(
        page,
        """(() => {
          const table = document.getElementById("records");
          const heads = [...table.tHead.rows[0].cells];
          const at = (name) => heads.findIndex((head) => head.textContent === name);
          const column = (name) => [...table.tBodies[0].rows]
            .filter((row) => !row.hidden).map((row) => row.cells[at(name)].textContent.trim());
          const press = (name) => heads[at(name)].querySelector("button").click();
          const said = {};
          said.before = column("#");
          press("Score");
          said.up = column("Score").map(Number);
          said.sorted = heads.map((head) => head.getAttribute("aria-sort"));
          press("Score");
          said.down = column("Score").map(Number);
          press("Label");
          said.labels = column("Label");
          const by = document.getElementById("by");
          const choose = (name) => {
            by.value = [...by.options].find((option) => option.text === name).value;
            by.dispatchEvent(new Event("change"));
          };
          said.names = [...by.options].map((option) => option.text);
          choose("age");
          said.ages = column("Features").map((text) => Number(text.match(/age\\s+(\\d+)/)[1]));
          choose("#");
          said.after = column("#");
          const filter = document.getElementById("filter");
          filter.value = ">50K yes";
          filter.dispatchEvent(new Event("input"));
          said.filtered = column("Label");
          said.told = document.getElementById("shown").textContent;
          filter.value = "no such thing";
          filter.dispatchEvent(new Event("input"));
          said.none = column("Label");
          said.hidden = document.querySelector(".tools").hidden;
          return said;
        })()""",
    )
    places = [str(n) for n in range(1, 101)]
    assert answer["before"] == answer["after"] == places
    assert answer["up"] == sorted(answer["up"])
    assert answer["down"] == sorted(answer["up"], reverse=True)
    assert [each for each in answer["sorted"] if each] == ["ascending"]
    columns = ["#", "Row", "Index", "Label", "Score", "p", "q", "Stands out"]
    assert answer["names"] == [*columns, "age", LONG]
    assert set(answer["labels"][:20]) == {">50K"}
    assert answer["ages"] == sorted(answer["ages"])
    assert set(answer["filtered"]) == {">50K"}
    assert answer["told"] == f"{len(answer['filtered'])} of 100 shown"
    assert answer["none"] == []
    assert answer["hidden"] is False


def test_all_is_unfolded_for_print_and_folded_again(ask, page):
    opened = "[...document.querySelectorAll('details')].map((each) => each.open)"
    expression = f"""(() => {{
      const said = [{opened}];
      for (const moment of ["beforeprint", "afterprint"]) {{
        dispatchEvent(new Event(moment));
        said.push({opened});
      }}
      return said;
    }})()"""
    before, printed, after = ask(page, expression)
    assert before == after == [True, False, False, False, True, False, False]
    assert printed == [True] * 7


def test_a_printed_page_has_all_tables(browser, page, tmp_path):
    """Folded or not, as much is printed; more pages than the folded tables leave."""
    pages = {}
    for name, text in (("folded", page), ("open", page.replace("<details", "<details open"))):
        path = tmp_path / f"{name}.html"
        path.write_text(text, encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu"]
        command += [f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={path}.pdf"]
        command += ["--no-pdf-header-footer", path.as_uri()]
        subprocess.run(command, capture_output=True, timeout=120, check=True)
        made = Path(f"{path}.pdf").read_bytes()
        pages[name] = len(re.findall(rb"/Type\s*/Page\b", made))
        # A4, in points.
        assert re.search(rb"/MediaBox \[0 0 59[45](\.\d+)? 84[12]", made)
    assert pages["folded"] == pages["open"] > 5


def test_nothing_that_slips_in_can_act(ask, page):
    act = "document.documentElement.dataset.acted = 'yes'"
    slipped = (
        f'<script>{act}</script><img src="x" onerror="{act}"><svg onload="{act}"></svg>'
        '<p id="styled" style="position: fixed">in</p>'
    )
    dom = ask(page.replace("</main>", f"{slipped}</main>"))
    assert "data-acted" not in dom
    # While the page's own script ran.
    assert 'class="tools"' in dom and 'class="tools" hidden' not in dom
    assert 'role="table"' in dom
