"""The guide: what it says runs as written, and nothing public is forgotten in it."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils import Bunch

from mia_sklearn._process._docs import finding_page, number_page
from mia_sklearn.cli import main
from mia_sklearn.report._glossary import _TERMS

pytestmark = pytest.mark.usefixtures("no_pictures")

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
TEXTS = PAGES | {"README": (ROOT / "README.md").read_text(encoding="utf-8")}
API = runpy.run_path(str(DOCS / "_ext" / "api_pages.py"))
GALLERY = runpy.run_path(str(DOCS / "_ext" / "gallery.py"))
FINDERS = runpy.run_path(str(ROOT / "tools" / "tables.py"))["FINDERS"]


def blocks(page: str) -> list[str]:
    """Return the code of a page, in its order; files with a caption are not of it."""
    return re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def files(page: str) -> dict[str, str]:
    """Return the files that a page shows, by the name in their caption."""
    fence = r"^```\{code-block\} python\n:caption: (\S+)\n\n(.*?)^```"
    return dict(re.findall(fence, page, re.DOTALL | re.MULTILINE))


WITH_CODE = sorted(name for name, page in TEXTS.items() if blocks(page))


# -- Nothing is forgotten --------------------------------------------------------------------


def test_every_public_name_has_a_page():
    homes, pages = API["homes"](), API["pages"]()
    for module, names in API["public_names"]().items():
        assert f"   {module}\n" in pages["index"]
        for name in names:
            page = pages[module]
            assert f"   {name}\n" in page or f":obj:`{homes[name]}.{name}`" in page, name


def test_public_names_are_those_of_the_modules():
    found = API["public_names"]()
    assert {"mia_sklearn", "mia_sklearn.attacks", "mia_sklearn.torch"} <= set(found)
    homes = API["homes"]()
    for module, names in found.items():
        if module == "mia_sklearn.torch" and not find_spec("skorch"):
            continue
        imported = import_module(module)
        assert names == imported.__all__
        for name in names:
            # What has one name is one thing, and may have one page.
            assert getattr(imported, name) is getattr(import_module(homes[name]), name)


def test_every_finding_has_a_section_with_an_example():
    sections = re.split(r"^## ", PAGES["findings"], flags=re.MULTILINE)[1:]
    assert [section.partition("\n")[0] for section in sections] == [
        finder.code for finder in FINDERS
    ]
    for section in sections:
        assert "```text\n" in section and "**What to do.**" in section


def test_every_example_is_listed_and_has_a_title():
    paths = {path.stem: path for path in (ROOT / "examples").glob("*.py")}
    assert sorted(GALLERY["order"]()) == sorted(paths)
    for path in paths.values():
        title, line = ast.get_docstring(ast.parse(path.read_text("utf-8"))).split("\n")[:2]
        assert line == "=" * len(title), path.name


def test_examples_that_need_torch_show_kept_output():
    kept = {path.stem for path in (DOCS / "kept").glob("*.txt")}
    for path in (ROOT / "examples").glob("*.py"):
        imported = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, (ast.Import, ast.ImportFrom))
        }
        needed = {"torch", "skorch", "diffprivlib", "mia_sklearn.torch"}
        if imported & needed or any(name.startswith("diffprivlib") for name in imported):
            assert path.stem in kept, path.name
    assert kept <= set(GALLERY["order"]())


def test_every_page_can_be_reached():
    listed = {
        re.sub(r".*<(.*)>", r"\1", line)
        for page in PAGES.values()
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
        for line in tree.splitlines()
        if line and not line.startswith(":")
    }
    assert listed - {"examples/index", "api/index"} == set(PAGES) - {"index"}


# -- It is so as written ---------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_CODE)
def test_code_names_what_exists(name):
    for block in [*blocks(TEXTS[name]), *files(TEXTS[name]).values()]:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and find_spec(node.module.partition(".")[0]):
                if node.module.endswith("pytest_plugin"):
                    pytest.importorskip(node.module)
                module = import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)


def few_digits(return_X_y=False):
    """A quarter of scikit-learn's digits, which takes a quarter of the time."""
    X, y = (part[:450] for part in load_digits(return_X_y=True))
    return (X, y) if return_X_y else Bunch(data=X, target=y)


@pytest.mark.thorough
@pytest.mark.parametrize("name", WITH_CODE)
def test_code_runs(name, tmp_path, monkeypatch, boost_less):
    """All code of a page, one block after the other; a quoted title is the one shown."""
    monkeypatch.chdir(tmp_path)
    boost_less(monkeypatch)
    monkeypatch.setattr(RandomForestClassifier.__init__, "__defaults__", (20,))  # n_estimators
    if name not in ("attacks", "findings", "gate"):  # Where it counts how many there are.
        monkeypatch.setattr("sklearn.datasets.load_digits", few_digits)
    if "import torch" in TEXTS[name]:
        pytest.importorskip("skorch")
    if any("pytest_plugin" in block for block in blocks(TEXTS[name])):
        pytest.importorskip("mia_sklearn.pytest_plugin")
    scope = {"__name__": "page"}
    shown = {}
    for block in blocks(TEXTS[name]):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            if name == "findings":  # They bring up what is warned of, too.
                warnings.simplefilter("ignore", UserWarning)
            exec(compile(block, f"{name}.md", "exec"), scope)
        shown[block] = printed.getvalue()
    if name == "findings":
        for section in re.split(r"^## ", TEXTS[name], flags=re.MULTILINE)[1:]:
            (title,) = re.findall(r"^```text\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
            for block in blocks(section):
                assert without_numbers(shown[block]) == without_numbers(title)
        return
    if name == "dp_audit":  # The others run on fewer records, trees and rounds than they show.
        beside = r"^```python\n(.*?)^```\n\n```text\n(.*?)^```"
        for block, output in re.findall(beside, TEXTS[name], re.DOTALL | re.MULTILINE):
            assert shown[block.rpartition("```python\n")[2]] == output


def without_numbers(text: str) -> str:
    """Numbers differ between versions of scikit-learn."""
    return re.sub(r"\d[\d.,]*", "#", text)


@pytest.mark.thorough
def test_test_files_pass(tmp_path):
    plugin = pytest.importorskip("mia_sklearn.pytest_plugin").__name__
    example = (ROOT / "examples" / "test_privacy.py").read_text(encoding="utf-8")
    for name, text in {**files(PAGES["gate"]), "test_example.py": example}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", plugin]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


COMMANDS = [
    (name, line)
    for name, page in TEXTS.items()
    for block in re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("mia-sklearn ")
]


@pytest.mark.parametrize(("name", "line"), COMMANDS)
def test_commands_are_understood(name, line, tmp_path, monkeypatch, capsys):
    """The files that they name are not there, which is another error than an unknown option."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line, comments=True)[1:]
    with contextlib.suppress(SystemExit):
        main([*words, "--help"] if words == ["demo"] else words)
    assert "usage:" not in capsys.readouterr().err


# -- Links -----------------------------------------------------------------------------------


def headings(page: str) -> set[str]:
    """Return the headings of a page as links name them."""
    found = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", text.lower()).replace(" ", "-") for text in found}


def marks(page: str) -> set[str]:
    """Return the places that a page marks itself: links name them from any page."""
    return set(re.findall(r"^\(([\w-]+)\)=$", page, re.MULTILINE))


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", PAGES[name], flags=re.S)):
        page, _, place = target.partition("#")
        if target.startswith("http") or (DOCS / page).suffix == ".png":
            continue
        if page.startswith("examples/"):
            assert Path(page).stem in GALLERY["order"](), target
        elif page.startswith("api/"):
            assert page == "api/index.rst"
        else:
            assert not page or page.endswith(".md"), target
            there = PAGES[Path(page).stem if page else name]
            known = headings(there) | marks(there if page else "\n".join(PAGES.values()))
            assert not place or place in known, target


def test_addresses_that_reports_link_to_are_those_of_the_guide():
    for term in _TERMS:
        assert number_page(term).endswith(f"/numbers.html#{term}")
        assert term in marks(PAGES["numbers"])
    for finder in FINDERS:
        place = finder.code.lower().replace("_", "-")
        assert finding_page(finder.code).endswith(f"/findings.html#{place}")


def test_links_of_a_site_are_checked(tmp_path):
    faults = runpy.run_path(str(ROOT / "tools" / "check_links.py"))["faults"]
    (tmp_path / "a.html").write_text('<a href="b.html#there">b</a><p id="here">', "utf-8")
    (tmp_path / "b.html").write_text('<a href="a.html#here">a</a><p id="there">', "utf-8")
    assert faults(tmp_path) == []
    (tmp_path / "c.html").write_text(
        '<a href="b.html#gone">b</a><a href="d.html">d</a><script src="https://x.org/y.js">',
        "utf-8",
    )
    assert len(faults(tmp_path)) == 3


def test_what_changed_lately_is_shown():
    changes = runpy.run_path(str(DOCS / "_ext" / "changes.py"))
    noted = [path for path in (ROOT / "changes").glob("*.*.md") if path.name != "README.md"]
    assert changes["lately"]().count("\n- ") == len(noted)
    assert "<!-- lately -->\n" in PAGES["changelog"]
