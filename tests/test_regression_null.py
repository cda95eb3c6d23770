"""The null simulation and the known answers of `benchmarks/regression.py`, on fewer records."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

PATH = Path(__file__).parent.parent / "benchmarks" / "regression.py"


def load():
    spec = importlib.util.spec_from_file_location("benchmarks_regression", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


regression = load()


@pytest.mark.parametrize("name", regression.NULL)
def test_a_stranger_is_told_apart_at_nominal_rates(name):
    n_runs = 12
    runs = [
        regression.stranger(regression.NULL[name], seed, 250, regression.continuous)
        for seed in range(n_runs)
    ]
    for attack in regression.attacks():
        auc, covered, rate = np.mean([run[attack] for run in runs], axis=0)
        # A run's AUC has a standard deviation of about .026, its rate one of about .009.
        assert abs(auc - 0.5) < 0.025, attack
        assert covered >= 0.75, attack
        assert rate < 0.02, attack
    shares = np.mean([run["p"] for run in runs], axis=0)
    nominal = np.array(regression.LEVELS)
    # Answers of one target move together: some four times the error of independent records.
    error = np.sqrt(nominal * (1 - nominal) / (500 * n_runs))
    assert (shares <= nominal + 4 * error).all()


@pytest.mark.parametrize("name", regression.KNOWN)
def test_known_answers(name):
    found = regression.leak(regression.KNOWN[name], *regression.continuous(0, 1_000), 0)
    exact = name != "constant"
    for attack in ("loss", "stacked"):
        auc, at_1_percent, _ = found[attack]
        if exact:
            assert (auc, at_1_percent) == (1.0, 1.0)
        else:
            # 500 + 500 records: the standard deviations are .018 and .006.
            assert abs(auc - 0.5) < 0.06
            assert at_1_percent < 0.04
