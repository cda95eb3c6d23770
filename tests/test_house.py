"""The plan of the package: what may import what, read from the sources."""

from __future__ import annotations

import ast
import inspect
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

import mia_sklearn
from mia_sklearn._models import _backend

PACKAGE = Path(mia_sklearn.__file__).parent
NAME = PACKAGE.name

# From the ground up: which rooms each may import. A room is a package, or a file at the root;
# "" stands for the root's own `__init__.py`.
ARROWS = {
    "_version": "",
    "_process": "",
    "stats": "",
    "neighbors": "",
    "cluster": "",
    "datasets": "_process",
    "_records": "",
    "_models": "_process _records",
    "signals": "_models _records",
    "metrics": "stats",
    "vulnerability": "_records neighbors stats",
    "conditions": "_process metrics",
    "access": "_models _records signals",
    "_observations": "_models _process _records access signals stats",
    "references": "_models _observations _process _records _version access signals stats",
    "_synthesis": "_models _process _records signals",
    "base": "_models _observations _process _records",
    "attacks": "_models _observations _process _records base cluster references signals stats",
    "defenses": "_models _process _records base references signals vulnerability",
    "disclosure": "_models _observations _process _records access metrics references signals stats",
    "_observe": "_models _observations _records access attacks references signals",
    "_comparisons": "attacks",
    "plots": "_comparisons _observations _process attacks metrics signals stats vulnerability",
    "report": "_process conditions plots stats",
    "structural": "_models _observations _process _records report signals stats",
    "dp": "_models _process _records report signals stats",
    "synthetic": "_models _process _records metrics report stats",
    "_audit": "_comparisons _models _observations _observe _process _records _version access "
    "attacks base disclosure metrics references report signals stats structural vulnerability",
    "selection": "_audit _comparisons _models _observations _observe _process _records access base "
    "defenses metrics references report signals stats",
    "torch": "_models _observations _process _records access base disclosure metrics references "
    "signals",
    "pytest_plugin": "_audit _models _process attacks conditions metrics report",
    "skore_checks": "_audit _models _records metrics report signals",
    "cli": "_audit _models _process _version attacks conditions defenses disclosure dp references "
    "report selection structural synthetic",
    "__main__": "cli",
    "": "_audit _models _observe _synthesis _version dp references report structural synthetic",
}
LARGEST, MEDIAN, LONGEST = 450, 170, 80


def modules() -> dict[str, Path]:
    """Return all files of the package by their dotted name below it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    return module.partition(".")[0]


def imports(module: str, known: dict[str, Path]) -> list[tuple[str, str | None]]:
    """Return what a file imports of the package, anywhere in it: modules, and names of modules."""
    path = known[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            asked = [(alias.name, None) for alias in node.names]
            found += [(n[len(NAME) + 1 :], name) for n, name in asked if room(n) == NAME]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".") if package else []
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            elif room(base) == NAME:
                base = base[len(NAME) + 1 :]
            else:
                continue
            for alias in node.names:
                if "_rust" in (base, alias.name):
                    continue  # The extension is no file of Python.
                inner = f"{base}.{alias.name}" if base else alias.name
                found.append((inner, None) if inner in known else (base, alias.name))
    return [(name, part) for name, part in found if name != module]


KNOWN = modules()
IMPORTED = {module: imports(module, KNOWN) for module in KNOWN}


def test_imports_are_found():
    assert ("_records._rows", "take_rows") in IMPORTED["references._training"]
    assert ("stats", None) in IMPORTED["metrics._rates"]
    assert ("torch._training._ensemble", "train_as_one") in IMPORTED["torch._backend"]
    assert len(KNOWN) > 200


def test_no_circle_between_files():
    try:
        TopologicalSorter({m: {name for name, _ in IMPORTED[m]} for m in KNOWN}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_circle_between_rooms():
    TopologicalSorter({name: allowed.split() for name, allowed in ARROWS.items()}).prepare()


@pytest.mark.parametrize("name", sorted({room(module) for module in KNOWN}))
def test_a_room_imports_what_the_plan_says(name):
    arrows = {
        room(imported)
        for module in KNOWN
        if room(module) == name
        for imported, _ in IMPORTED[module]
        if room(imported) != name
    }
    assert arrows == set(ARROWS[name].split())


def test_the_map_shows_the_plan():
    page = (PACKAGE.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.partition("## Map\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `")]
    shown = []
    for places, _, arrows in rows[1:]:  # The first is Rust's.
        rooms = re.findall(r"`(\w+)`", places)
        allowed = {arrow for name in rooms for arrow in ARROWS[name].split()}
        assert set(re.findall(r"`(\w+)`", arrows)) == allowed, places
        shown += rooms
    assert sorted(shown) == sorted(name for name in ARROWS if name)


def test_files_at_the_root():
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert files == {"__init__", *(name for name in ARROWS if (PACKAGE / f"{name}.py").exists())}
    assert len(files) <= 10


def test_private_names_stay_in_their_room():
    crossing = [
        f"{module} imports {name} of {imported}"
        for module in KNOWN
        for imported, name in IMPORTED[module]
        if name and name.startswith("_") and room(imported) not in (room(module), "_version")
    ]
    assert crossing == []


def test_files_are_short():
    lengths = {m: len(p.read_text(encoding="utf-8").splitlines()) for m, p in KNOWN.items()}
    assert {m: n for m, n in lengths.items() if n > LARGEST} == {}
    assert median(lengths.values()) <= MEDIAN


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, those of its docstring not."""
    documented = ast.get_docstring(function, clean=False)
    about = 0 if documented is None else documented.count("\n") + 1
    return (function.end_lineno or 0) - function.lineno + 1 - about


def test_functions_are_short():
    long = {
        f"{module}.{node.name}": code_lines(node)
        for module, path in KNOWN.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {name: n for name, n in long.items() if n > LONGEST} == {}


def test_networks_are_reached_through_one_door():
    for module in KNOWN:
        if room(module) == "torch":
            continue
        nodes = ast.walk(ast.parse(KNOWN[module].read_text(encoding="utf-8")))
        for node in nodes:
            named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                named = [node.module or ""]
            assert not {room(name) for name in named} & {"torch", "skorch"}, module


def test_the_backend_of_torch_does_what_is_asked_of_one():
    pytest.importorskip("skorch")
    from mia_sklearn.torch import _backend as of_torch

    for name, asked in vars(_backend.Backend).items():
        if name.startswith("_"):
            continue
        wanted = [p for p in inspect.signature(asked).parameters.values() if p.name != "self"]
        given = list(inspect.signature(getattr(of_torch, name)).parameters.values())
        more = [p for p in given if p.name not in {p.name for p in wanted}]
        assert all(p.default is not p.empty for p in more), name
        given = [p for p in given if p not in more]
        assert [(p.name, p.kind) for p in given] == [(p.name, p.kind) for p in wanted], name
