"""What the tables of an audit hold, number by number."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mia_sklearn import ReferenceModels, audit
from mia_sklearn._audit._controls import distribution_shift
from mia_sklearn._audit._slices import _as_groups
from mia_sklearn.metrics import compute, roc_auc

pytestmark = pytest.mark.usefixtures("few_rounds")

FOREST = RandomForestClassifier(10, random_state=0)


@pytest.fixture(scope="module")
def halves():
    X, y = make_classification(300, 6, n_informative=4, flip_y=0.3, random_state=0)
    return X[:150], y[:150], X[150:], y[150:]


def run(model, halves, **options):
    options = {"n_references": 4, "n_jobs": 1, "controls": False, "random_state": 0} | options
    return audit(model.fit(*halves[:2]), *halves, progress=False, **options)


def metric(report, name, attack):
    own = report.metrics.query("metric == @name and slice == 'all' and attack == @attack")
    return own.iloc[0]


@pytest.fixture(scope="module")
def at_80(halves):
    return run(FOREST, halves, attacks=["lira"], split="random", confidence=0.8, n_references=8)


def test_q_values_are_of_members_alone(at_80):
    records = at_80.records
    member = records["member"] == 1
    expected = false_discovery_control(records["p_value"][member])
    np.testing.assert_array_equal(records["q_value"][member], expected)
    assert records["q_value"][~member].isna().all()
    over_all = false_discovery_control(records["p_value"])[member]
    assert not np.allclose(expected, over_all)


@pytest.mark.parametrize("name", ["auc", "tpr@0.1", "epsilon"])
def test_intervals_have_the_confidence_asked_for(at_80, name):
    member, score = at_80.records["member"], at_80.records["lira"]
    row = metric(at_80, name.partition("@")[0], "lira")
    if name == "tpr@0.1":
        row = at_80.metrics.query("metric == 'tpr' and at == 0.1").iloc[0]
    expected = compute(name, member, score, confidence=0.8)
    usual = compute(name, member, score)
    assert (row["estimate"], row["low"]) == (expected.value, expected.low)
    assert expected.low != usual.low


def test_a_threshold_chosen_on_the_same_records_is_paid_for(halves):
    report = run(LogisticRegression(), halves, release="weights", attacks=["lira", "gradient-norm"])
    member = report.records["member"]
    for attack, options in (("lira", {"threshold": 0.0}), ("gradient-norm", {})):
        for name in ("advantage", "accuracy"):
            row = metric(report, name, attack)
            expected = compute(name, member, report.records[attack], **options)
            assert (row["estimate"], row["low"], row["high"]) == (
                expected.value, expected.low, expected.high,
            )  # fmt: skip
            assert row["note"] == expected.note
    assert metric(report, "advantage", "gradient-norm")["note"] != ""
    assert metric(report, "advantage", "lira")["note"] == ""


@pytest.mark.parametrize(("off", "finite"), [(0.04, True), (0.06, False), (-0.06, False)])
def test_no_p_values_from_references_of_another_size(halves, off, finite, monkeypatch):
    original = ReferenceModels.fit

    def fit(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.train_size_ = round(150 * (1 + off))
        return self

    monkeypatch.setattr(ReferenceModels, "fit", fit)
    report = run(FOREST, halves, attacks=["lira"])
    assert report.records["p_value"].notna().all() == finite
    assert report.records["p_value"].isna().all() != finite
    assert report.records["q_value"].notna().any() == finite
    assert report.most_exposed(3).shape[0] == 3
    assert str(report)


def test_the_shift_test_reads_the_label_and_pays_for_its_folds(monkeypatch):
    """A label that tells train from test in four of five records, features that tell nothing."""
    import mia_sklearn._audit._controls

    narrow = []

    def noted(*args, **kwargs):
        # Whatever the report's confidence: an alarm takes epsilon away.
        narrow.append(roc_auc(*args, confidence=0.99))
        return roc_auc(*args, **kwargs)

    monkeypatch.setattr(mia_sklearn._audit._controls, "roc_auc", noted)
    rng = np.random.default_rng(0)
    member = np.arange(600) < 300
    X = rng.normal(size=(600, 3))
    y = (member ^ (rng.random(600) < 0.2)).astype(int)
    control, estimate = distribution_shift(X, y, member, seed=0)
    assert not control.passed
    assert 0.65 < estimate.low < 0.75
    own, value = narrow[0], estimate.value
    assert own.value == value
    assert value - estimate.low == pytest.approx(np.sqrt(2) * (value - own.low))
    assert estimate.high - value == pytest.approx(np.sqrt(2) * (own.high - value))
    # Without the label there is nothing.
    assert distribution_shift(X, np.zeros(600), member, seed=0)[1].low < 0.5


# --- slices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([10, 2, 1, 2], ["1", "2", "10"]),
        ([0.5, -1.0, np.nan], ["-1.0", "0.5", "missing"]),
        (
            [*range(95, 115)] * 2,
            ["up to 99.75", "(99.75, 104.5]", "(104.5, 109.25]", "over 109.25"],
        ),
        (["b", "10", "2"], ["10", "2", "b"]),
        ([None, None], ["missing"]),
    ],
)
def test_slices_stand_in_the_order_of_what_they_hold(values, names):
    slicing = _as_groups("s", np.array(values))
    assert slicing.names == names
    assert set(slicing.values) == set(names)


def _slices(values, halves, **options):
    report = run(
        LogisticRegression(), halves, n_references=0, attacks=["threshold"],
        slices={"s": values}, **options,
    )  # fmt: skip
    return report.records["slice_s"]


def _repeated(values):
    return (list(values) * 300)[:300]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pd.Series(_repeated([0, 1, None]), dtype="Int64"), {"0", "1", "missing"}),
        (_repeated([0, 1, None]), {"0", "1", "missing"}),
        (_repeated([1, 1.0, 2]), {"1", "2"}),
        (_repeated([Decimal("1.5"), Decimal("1.500")]), {"1.5"}),
        (_repeated([2**60, 2**60 + 1, 0.5]), {str(2**60), str(2**60 + 1), "0.5"}),
        (pd.Series(_repeated([2**60, 2**60 + 1, None]), dtype="Int64"),
         {str(2**60), str(2**60 + 1), "missing"}),
        (pd.Series(_repeated(["a", None]), dtype="category"), {"a", "missing"}),
        (_repeated(["missing", "a"]), {"missing", "a"}),
        (np.repeat([True, False], 150), {"True", "False"}),
    ],
)  # fmt: skip
def test_equal_values_are_one_slice(values, names, halves):
    assert set(_slices(values, halves)) == names


def test_numbers_with_missing_ones_are_cut_at_quartiles(halves):
    values = pd.Series([None, *range(1, 300)], dtype="Int64")
    sizes = _slices(values, halves).value_counts()
    assert sizes.pop("missing") == 1
    assert sorted(sizes) == [74, 75, 75, 75]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (_repeated([1, "1"]), "slices: 's' holds the text '1' and also 1 of the type int"),
        (_repeated(["missing", None]), "would both call 'missing' .one that is missing is called"),
        (np.append(np.arange(299.0), np.inf), "slices: 's' holds infinite values, and numbers are"),
        (
            np.zeros((300, 2)),
            r"slices\['s'\] must hold one value per record .* got shape \(300, 2\)",
        ),
        ([[1]] * 300, r"slices\['s'\] must hold one value .* got lists inside of a list"),
        (pd.Series([[1]] * 300), "slices: 's' holds values that are no names .unhashable"),
        ((k for k in range(300)), r"slices\['s'\] must hold one value .* got a generator"),
        (lambda X: X, r"slices\['s'\] must hold one value .* got a function"),
        ("half", r"slices\['s'\] must hold one value .* got a str"),
    ],
)
def test_slices_that_cannot_be_told_apart_are_refused(values, message, halves):
    with pytest.raises(ValueError, match=message):
        _slices(values, halves)
