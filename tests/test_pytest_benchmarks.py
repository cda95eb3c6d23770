"""Attacks benchmarked in pytest: how fast and how strong, in one file."""

import json

import pytest
from sklearn.ensemble import RandomForestClassifier

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.attacks import LiRAAttack
from mia_sklearn.metrics import roc_auc, tpr_at_fpr
from small_targets import X, Y, fitted, run

SUITE = """
import pytest
from sklearn.ensemble import RandomForestClassifier
from mia_sklearn import ReferenceModels, observe
from mia_sklearn.attacks import LiRAAttack
from small_targets import X, Y

FOREST = RandomForestClassifier(5, random_state=0)
REFERENCES = ReferenceModels(FOREST, 4, random_state=0).fit(X, Y)
SEEN = observe(FOREST.fit(X[:60], Y[:60]), X, Y, references=REFERENCES)
MEMBER = [1] * 60 + [0] * 60

@pytest.mark.parametrize("attack", ["threshold", "lira"])
def test_strength(benchmark_attack, attack):
    benchmark_attack(attack, REFERENCES, SEEN, MEMBER, rounds=1)

def test_tables(benchmark_attack):
    tables = REFERENCES.shadow_observations(random_state=0)
    found = benchmark_attack(LiRAAttack(), tables, SEEN, MEMBER, rounds=1)
    assert list(found) == ["auc", "tpr@0.01", "tpr@0.001"]
"""
PLUGIN = ("-p", "mia_sklearn.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture
def suite(pytester, monkeypatch):
    # Tests may run in a worker of xdist, where pytest-benchmark measures nothing.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    run(fitted(RandomForestClassifier(5)))
    pytester.makeini("[pytest]")

    def run_(*arguments, tests=SUITE):
        pytester.makepyfile(test_attacks=tests)
        result = pytester.runpytest_inprocess(*PLUGIN, *arguments)
        result.text = result.stdout.str()
        return result

    return run_


def test_one_file_compares_attacks_in_speed_and_strength(suite, pytester):
    pytest.importorskip("pytest_benchmark")
    result = suite("--benchmark-json=out.json")
    result.assert_outcomes(passed=6)
    content = json.loads(
        (pytester.path / "out.json").read_text("utf-8"), parse_constant=pytest.fail
    )
    found = {each["name"]: each for each in content["benchmarks"]}
    assert {each["group"] for each in found.values()} == {"attacks: fit", "attacks: scoring"}
    scores = expected_scores()
    member = [1] * 60 + [0] * 60
    auc, rate = roc_auc(member, scores), tpr_at_fpr(member, scores, 0.01)
    for step in ("fit", "scoring"):
        noted = found[f"test_strength[{step}-lira]"]["extra_info"]
        assert noted["step"] == step
        assert (noted["attack"], noted["threat_model"]) == ("lira", "black-box")
        assert (noted["auc"], noted["auc_low"]) == pytest.approx((auc.value, auc.low))
        assert noted["tpr@0.01"] == pytest.approx(rate.value)
        assert noted["tpr@0.01_high"] is None
        assert (noted["n_members"], noted["n_nonmembers"], noted["n_references"]) == (60, 60, 4)
        tables = found[f"test_tables[{step}]"]["extra_info"]
        assert tables == noted
    table = result.text.partition("= attacks: strength and speed =")[2].splitlines()
    assert any(line.split()[:3] == ["test", "attack", "AUC"] for line in table)
    row = next(line for line in table if line.startswith("test_strength[lira]"))
    assert str(auc) in row and str(rate) in row and " - " not in row


def expected_scores():
    forest = RandomForestClassifier(5, random_state=0)
    references = ReferenceModels(forest, 4, random_state=0).fit(X, Y)
    attack = LiRAAttack().fit(*references.shadow_observations(random_state=0))
    return attack.decision_function(
        observe(forest.fit(X[:60], Y[:60]), X, Y, references=references)
    )


def test_versions_are_compared(suite, pytester):
    pytest.importorskip("pytest_benchmark")
    options = ("--benchmark-storage=kept", "-k", "threshold")
    suite("--benchmark-save=first", *options).assert_outcomes(passed=2, deselected=4)
    result = suite("--benchmark-compare", *options)
    result.assert_outcomes(passed=2, deselected=4)
    assert "(0001_first)" in result.text


def test_without_pytest_benchmark_they_are_skipped(suite):
    result = suite("-p", "no:benchmark", "-rs")
    result.assert_outcomes(skipped=3)
    assert "benchmark_attack needs pytest-benchmark: pip install pytest-benchmark" in result.text


def test_benchmarks_that_are_turned_off_run_once(suite):
    pytest.importorskip("pytest_benchmark")
    result = suite("--benchmark-disable", "-k", "lira")
    result.assert_outcomes(passed=2, deselected=4)
    row = next(line for line in result.text.splitlines() if line.startswith("test_strength[lira]"))
    assert row.split()[-2:] == ["-", "-"]


def test_unknown_attacks_are_named(suite):
    pytest.importorskip("pytest_benchmark")
    result = suite("-k", "threshhold", tests=SUITE.replace('"threshold"', '"threshhold"'))
    assert "Unknown attack 'threshhold'; choose from threshold, qmia, shadow" in result.text
