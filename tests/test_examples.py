import ast
import runpy
from importlib import import_module
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[1]
# Run by tests of their own: one by pytest, one where diffprivlib can be imported.
ELSEWHERE = {"test_privacy", "differential_privacy"}
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# `make docs` runs the examples of the guide, but for those whose output is kept.
KEPT = {path.stem for path in (ROOT / "docs" / "kept").glob("*.txt")}
# Of the digits these get fewer here than where their output was made: all would take half a minute.
DIGITS = {"anonymizing_encoder": 300, "audit_a_network": 300}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_names_what_exists(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("mia_sklearn"):
            if ".torch" in node.module:
                pytest.importorskip("skorch")
            module = import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path.stem in KEPT - ELSEWHERE], ids=lambda p: p.stem
)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if number := DIGITS.get(path.stem):
        digits = [part[:number] for part in load_digits(return_X_y=True)]
        monkeypatch.setattr("sklearn.datasets.load_digits", lambda **_: digits)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
