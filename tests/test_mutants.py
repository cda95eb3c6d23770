"""The list of faults must fit the code."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytest.importorskip("tomllib", reason="part of Python from 3.11 on")
read_mutants = runpy.run_path(str(ROOT / "tools" / "mutants.py"))["read_mutants"]
MUTANTS = read_mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.label)
def test_a_fault_has_its_place_and_its_tests(mutant):
    text = (ROOT / mutant.path).read_text(encoding="utf-8")
    assert text.count(mutant.before) == 1
    compile(text.replace(mutant.before, mutant.after), mutant.file, "exec")
    assert mutant.tests or mutant.equivalent
    for test in mutant.tests:
        assert (ROOT / test.partition("::")[0]).exists(), test


def test_enough_faults_are_kept():
    assert len({(m.file, m.before, m.after) for m in MUTANTS if not m.equivalent}) >= 120
