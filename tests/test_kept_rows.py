"""A comparison with a full cache repeats nothing, and nothing in it is stale."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

import mia_sklearn.selection._compare as compare
import mia_sklearn.selection._kept_rows as kept_rows
from mia_sklearn.attacks import ThresholdAttack
from mia_sklearn.defenses import RoundedPosterior
from mia_sklearn.references import _train_all
from mia_sklearn.selection import compare_defenses
from mia_sklearn.selection._kept_rows import KeptRows, Measured


class Own(DecisionTreeClassifier):
    leaf = 2

    def fit(self, X, y, sample_weight=None):
        return super().fit(X[:: self.leaf], y[:: self.leaf])


class Warns(DecisionTreeClassifier):
    pass


class Broken(DecisionTreeClassifier):
    pass


class Nameless:
    def __deepcopy__(self, memo):
        return self

    def __reduce_ex__(self, protocol):
        raise TypeError("it cannot be described")


class Scored(ThresholdAttack):
    def __init__(self, given=None):
        super().__init__()
        self.given = given


@pytest.fixture(scope="module")
def records():
    return make_classification(80, 4, flip_y=0.2, random_state=0)


NUMBERS = dict.fromkeys(
    ("train_score", "test_score", "test_score_low", "test_score_high", "epsilon"), 0.5
) | {"fit_time": 0.1, "predict_time": 0.01, "threshold_auc": float("nan")}


@pytest.fixture
def compared(records, tmp_path, monkeypatch):
    """Compare with a cache; return the frame and how many models were measured anew."""
    measured = []

    def measure(model, *given):
        measured.append(model)
        if isinstance(model, Warns):
            warnings.warn("answers are old", FutureWarning, stacklevel=1)
        if isinstance(model, Broken):
            raise RuntimeError("the disk is full")
        return Measured(NUMBERS, "threshold", ["threshold"])

    monkeypatch.setattr(compare, "_measure", measure)

    def run(models=None, X=records[0], y=records[1], **options):
        measured.clear()
        options = {"attacks": ["threshold"], "random_state": 0} | options
        models = {"tree": DecisionTreeClassifier()} if models is None else models
        options = {"n_references": 2, "cache": tmp_path, "progress": False} | options
        return compare_defenses(models, X, y, **options), len(measured)

    return run


def test_second_run_repeats_nothing_and_equals_the_first(records, tmp_path, monkeypatch):
    tree = DecisionTreeClassifier(min_samples_leaf=2)
    models = {"tree": tree, "rounded": RoundedPosterior(tree)}
    options = {"n_references": 2, "attacks": ["threshold"], "random_state": 0, "cache": tmp_path}
    first = compare_defenses(models, *records, progress=False, **options)
    monkeypatch.setattr(_train_all, "train", None)
    monkeypatch.setattr(compare, "_measure", lambda *given: 1 / 0)
    second = compare_defenses(models, *records, progress=False, n_jobs=2, **options)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert first.to_csv() == second.to_csv()
    assert first.attrs == second.attrs


def test_one_model_more_is_measured_alone(compared):
    tree = DecisionTreeClassifier()
    compared({"tree": tree})
    more, n_more = compared({"other name": tree, "deep": DecisionTreeClassifier(max_depth=9)})
    assert n_more == 1
    assert more["defense"].tolist() == ["other name", "deep"]


def test_whatever_differs_is_measured_anew(compared, records, monkeypatch):
    X, y = records
    compared()
    other = X.copy()
    other[0, 0] += 1e-9
    for changed in (
        {"models": {"tree": DecisionTreeClassifier(max_depth=3)}},
        {"models": {"tree": RoundedPosterior(DecisionTreeClassifier())}},
        {"models": {"tree": RoundedPosterior(DecisionTreeClassifier(), decimals=2)}},
        {"X": other},
        {"y": np.where(np.arange(80) == 7, 1 - y, y)},
        {"random_state": 1},
        {"attacks": ["lira"]},
        {"attacks": [("threshold", ThresholdAttack(per_class=True))]},
        {"n_references": 4},
        {"confidence": 0.9},
        {"max_records": 60},
        {"test_size": 0.4},
        {"fit_params": {"sample_weight": np.linspace(1, 2, 80)}},
    ):
        assert compared(**changed)[1] == 1, changed
    assert compared()[1] == 0
    monkeypatch.setattr(kept_rows, "_code_of_this_package", lambda: b"edited")
    assert compared()[1] == 1
    monkeypatch.setattr(kept_rows.scipy, "__version__", "0")
    assert compared()[1] == 1


def test_own_code_that_was_edited_is_run(compared, monkeypatch):
    assert compared({"own": Own()})[1] == 1
    assert compared({"own": Own()})[1] == 0
    monkeypatch.setattr(Own, "leaf", 9)
    assert compared({"own": Own()})[1] == 1


def test_what_has_no_name_by_its_content_is_not_kept(compared):
    for _ in range(2):
        assert compared(attacks=[("own", Scored(Nameless()))])[1] == 1


def test_models_that_lost_references_are_measured_again(tmp_path):
    kept = KeptRows(tmp_path, {"seed": 0})
    lost = Measured(NUMBERS, "lira", ["lira"], whole=False)
    whole = lost._replace(headline="rmia", whole=True)
    tries = iter([lost, whole])
    found = [kept.measured(DecisionTreeClassifier(), lambda: next(tries)) for _ in range(3)]
    assert [each.headline for each in found] == ["lira", "rmia", "rmia"]


def test_damage_is_noticed(compared, tmp_path):
    first, _ = compared()
    (path,) = tmp_path.glob("row-*.txt")
    assert path.stat().st_mode & 0o077 == 0
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0", b"1", 1))
    with pytest.warns(UserWarning, match="damaged: its content does not match"):
        again, n_measured = compared()
    assert n_measured == 1
    pd.testing.assert_frame_equal(first, again)


def test_warnings_are_given_again(compared):
    for expected in (1, 0):
        with pytest.warns(FutureWarning, match="answers are old"):
            assert compared({"own": Warns()})[1] == expected


def test_failures_are_tried_again(compared):
    models = {"tree": DecisionTreeClassifier(), "broken": Broken()}
    for n_measured in (2, 1):
        with pytest.warns(UserWarning, match="the disk is full"):
            assert compared(models)[1] == n_measured
