import ast
import runpy
import subprocess
import sys
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
# What a newcomer meets first; those whose output is kept run in `make thorough`.
FIRST = {"audit_a_model", "step_by_step"}
# Of the digits these get fewer here than where their output was made: all would take half a minute.
DIGITS = {"anonymizing_encoder": 500, "audit_a_network": 500}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_names_what_exists(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("mia_sklearn"):
            if ".torch" in node.module:
                pytest.importorskip("skorch")
            module = import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=() if path.stem in FIRST else pytest.mark.thorough)
        for path in EXAMPLES
        if path.stem in FIRST | KEPT - ELSEWHERE
    ],
    ids=lambda p: p.stem,
)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if number := DIGITS.get(path.stem):
        digits = [part[:number] for part in load_digits(return_X_y=True)]
        monkeypatch.setattr("sklearn.datasets.load_digits", lambda **_: digits)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.thorough
def test_the_gate_passes():
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, "examples/test_privacy.py"], cwd=ROOT, check=False, capture_output=True
    )
    assert ended.returncode == 0, ended.stdout.decode()
