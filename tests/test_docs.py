"""What documents say of the code must be so; those of the guide are run in `test_guide.py`."""

import re
import runpy
from pathlib import Path

import pytest

import mia_sklearn
from mia_sklearn import defenses
from mia_sklearn._audit._findings import FINDERS
from mia_sklearn.attacks import all_attacks
from mia_sklearn.base import BaseDefense
from mia_sklearn.synthetic._findings import EVERY_FINDER

ROOT = Path(__file__).parents[1]
GUIDE = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}


def test_tables_are_those_of_the_code():
    """`make tables` writes them."""
    tables = runpy.run_path(str(ROOT / "tools" / "tables.py"))
    for name, page in GUIDE.items():
        assert tables["written"](page) == page, name
    marked = re.findall(r"^<!-- (table|finding): (\w+) -->$", "\n".join(GUIDE.values()), re.M)
    wanted = [("table", name) for name in tables["TABLES"]]
    assert sorted(marked) == sorted(
        wanted + [("finding", finder.code) for finder in (*FINDERS, *EVERY_FINDER)]
    )


def test_public_names_are_code_and_no_roles():
    # The theme's writer does not know them; the build finds public names by themselves.
    for name, page in GUIDE.items():
        assert not re.search(r"\{(class|func|meth|mod|attr)\}`", page), name


def test_every_attack_of_ours_is_explained():
    for info in all_attacks():
        if info.source == "mia-sklearn":
            assert f"| `{info.attack.__name__}` |" in GUIDE["attacks"]


def test_every_defense_is_explained():
    for name in dir(defenses):
        value = getattr(defenses, name)
        if isinstance(value, type) and issubclass(value, BaseDefense):
            assert f"| `{name}` |" in GUIDE["defenses"], name


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "examples/README.md"])
def test_links_lead_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_the_map_names_files_that_exist():
    package = Path(mia_sklearn.__file__).parent
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w/]+\.(?:py|rs))`", page):
        if "yours" not in name:
            assert (package / name).exists() or (ROOT / name).exists(), name


def test_changes_are_named_by_their_kind():
    kinds = re.findall(r'^directory = "(\w+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    for path in (ROOT / "changes").iterdir():
        if path.name not in ("README.md", "template.md.jinja"):
            assert re.fullmatch(rf"[\w-]+\.({'|'.join(kinds[1:])})\.md", path.name), path.name


def test_commands_of_the_documents_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("README.md", "CONTRIBUTING.md", *(f"docs/{stem}.md" for stem in GUIDE)):
        for target in re.findall(
            r"(?:`|^)make ([a-z-]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
