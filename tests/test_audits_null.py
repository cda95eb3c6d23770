"""The null simulations of `benchmarks/null_audits.py`, with fewer audits."""

import importlib.util
import sys
from pathlib import Path

import pytest
from scipy.stats import binom

pytestmark = pytest.mark.slow

PATH = Path(__file__).parent.parent / "benchmarks" / "null_audits.py"


def load():
    spec = importlib.util.spec_from_file_location("benchmarks_null_audits", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


null = load()


def at_most(nominal, n):
    """Return the share of n that a rate at its nominal value exceeds once in 1,000."""
    return binom.isf(0.001, n, nominal) / n


@pytest.mark.parametrize("share", null.CELLS)
def test_a_stranger_is_told_apart_at_nominal_rates(share):
    n = 40
    found = null.repeat_rates(null.CELLS[share], n, stranger=True, shift=0.0)
    assert found["repeated"] == pytest.approx(share, abs=0.05)
    assert found["SHIFT"] <= at_most(0.005, n)
    for control in ("REFERENCE_CONTROL", "PIPELINE_CONTROL"):
        assert found[control] <= at_most(0.01, n)
    for verdict in ("AUC surely above .5", "TPR surely above FPR"):
        assert found[verdict] <= at_most(0.025, n)
    assert found["epsilon > 0"] <= at_most(0.05, n)
    assert found["EXPOSED_RECORDS, serious"] <= at_most(0.01, n)


@pytest.mark.parametrize("share", null.CELLS)
def test_a_leak_and_a_planted_shift_are_found(share):
    leaking = null.repeat_rates(null.CELLS[share], 20, stranger=False, shift=0.0)
    assert leaking["SHIFT"] <= at_most(0.005, 20)
    assert leaking["AUC surely above .5"] > 0.7
    shifted = null.repeat_rates(null.CELLS[share], 20, stranger=True, shift=1.5)
    assert shifted["SHIFT"] > 0.7


@pytest.mark.parametrize("name", ["tree", "KNN(3)"])
def test_lists_of_a_stranger_s_members_are_not_serious(name):
    _, serious = null.exposed_rates(null.MODELS[name], 40, stranger=True)
    assert serious <= at_most(0.01, 40)
