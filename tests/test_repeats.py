"""Records that occur more than once are audited on neither side, and counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KernelDensity
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit
from mia_sklearn._audit._plan import make_plan
from mia_sklearn._audit._pool import make_pool
from mia_sklearn._audit._repeats import shared_records
from mia_sklearn._records._digests import row_digests
from mia_sklearn.selection import Audited, membership_risk

pytestmark = pytest.mark.usefixtures("few_rounds", "no_pictures")

TREE = DecisionTreeClassifier(random_state=0)


def records(n, seed=0):
    return make_classification(n, 4, n_informative=3, n_redundant=0, flip_y=0.2, random_state=seed)


def repeated():
    """60 + 60 records: 0-4 also test 0-4, train 5-6 and 7-8 equal, test 10-12 equal."""
    X, y = records(120)
    copies = {60: 0, 61: 1, 62: 2, 63: 3, 64: 4, 6: 5, 8: 7, 71: 70, 72: 70}
    for copy, original in copies.items():
        X[copy], y[copy] = X[original], y[original]
    once = np.setdiff1d(np.arange(120), [*copies, *copies.values()])
    return X, y, once


def run(model, X, y, n_train=60, **options):
    options = {"n_references": 4, "attacks": "threshold", "random_state": 0} | options
    parts = (X[:n_train], y[:n_train], X[n_train:], y[n_train:])
    return audit(model, *parts, progress=False, **{"controls": False} | options)


def found(report, code):
    return next((finding for finding in report.findings if finding.code == code), None)


def audited(report):
    return np.sort(report.records["row"] + 60 * (report.records["member"] == 0)).tolist()


def as_frames(X, y):
    return pd.DataFrame(X, columns=list("abcd")), y


KINDS = {
    "array": lambda X, y: (X, y),
    "frame": as_frames,
    "sparse": lambda X, y: (sparse.csr_matrix(X), y),
    "text labels": lambda X, y: (X, np.array(["no", "yes"])[y]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_audited_on_neither_side(kind):
    X, y, once = repeated()
    X, y = KINDS[kind](X, y)
    report = run(TREE.fit(X[:60], y[:60]), X, y)
    assert audited(report) == once.tolist()
    info = report.info
    assert (info["n_repeated_train"], info["n_repeated_test"]) == (9, 8)
    assert (info["n_train"], info["n_test"]) == (60, 60)
    assert (info["n_members"], info["n_nonmembers"], info["n_unaudited"]) == (51, 52, 9)
    overlap, duplicates = found(report, "OVERLAP"), found(report, "DUPLICATES")
    assert overlap.title == "5 test records are training records too"
    assert overlap.explanation.startswith("5 training records and 5 test records are equal")
    assert duplicates.title == "4 training and 3 test records repeat others of their side"
    # They were not chosen at random, and there is nothing that more test records would change.
    assert found(report, "UNAUDITED_MEMBERS") is None
    assert found(report, "UNUSED_NONMEMBERS") is None
    assert report.records["p_value"].notna().all()
    assert "Training records that are repeated" in str(report)


def test_nothing_is_left_out_where_nothing_is_repeated():
    X, y = records(120)
    report = run(TREE.fit(X[:60], y[:60]), X, y)
    assert audited(report) == list(range(120))
    assert report.info["n_repeated_train"] == report.info["n_repeated_test"] == 0
    assert not {"OVERLAP", "DUPLICATES"} & {finding.code for finding in report.findings}


def test_which_records_are_audited_does_not_depend_on_the_split():
    """Exchangeable: the rule reads the pool alone, whoever is a member."""
    X, y, once = repeated()
    order = np.random.default_rng(0).permutation(120)
    X, y = X[order], y[order]
    pool = make_pool(TREE.fit(X[:70], y[:70]), X[:70], y[:70], X[70:], y[70:])
    places = pool.origin + 70 * ~pool.member
    assert np.sort(order[places[pool.auditable]]).tolist() == once.tolist()


def test_references_train_on_the_copies_of_the_training_set_and_on_no_other():
    X, y, once = repeated()
    seen = []

    def train(X, y, seed):
        seen.append(X)
        return DecisionTreeClassifier(random_state=seed).fit(X, y)

    report = run(TREE.fit(X[:60], y[:60]), X, y, estimator=train, n_references=2, n_jobs=1)
    core = np.setdiff1d(np.arange(60), once)
    assert len(seen) == report.info["n_references"]
    for trained in seen:
        assert len(trained) == pytest.approx(60, abs=1)
        counts = [(trained == row).all(axis=1).sum() for row in X]
        # Each copy of the training set is trained on as often as the target did.
        assert [counts[i] for i in core] == [1, 1, 1, 1, 1, 2, 2, 2, 2]
        assert [counts[i] for i in (70, 71, 72)] == [0, 0, 0]


def test_equal_features_with_another_label_are_another_record():
    X, y = records(120)
    X[60:70], y[60:70] = X[:10], 1 - y[:10]
    report = run(TREE.fit(X[:60], y[:60]), X, y)
    assert len(report.records) == 120
    assert found(report, "OVERLAP") is None


def test_without_labels_features_alone_are_the_record():
    X, _ = records(120)
    X[60:70] = X[:10]
    model = KernelDensity(bandwidth=0.5).fit(X[:60])
    report = audit(model, X[:60], X[60:], n_references=2, random_state=0, progress=False)
    assert audited(report) == [*range(10, 60), *range(70, 120)]


VALUES = {
    # one column of X_train, the same records in X_test
    "zeros": (np.array([0.0, 1.0]), np.array([-0.0, 1.0])),
    "missing": (np.array([np.nan, 1.0]), np.array([np.nan, 1.0])),
    "whole": (np.array([3, 1]), np.array([3.0, 1.0])),
    "small": (np.array([3, 1], dtype=np.int8), np.array([3, 1])),
    "flags": (np.array([True, False]), np.array([1, 0])),
    "nullable": (pd.array([3, None], dtype="Int64"), np.array([3.0, np.nan])),
    "objects": (np.array([3, 1], dtype=object), np.array([3.0, 1.0])),
    "missing text": (np.array(["a", None], dtype=object), np.array(["a", np.nan], dtype=object)),
    "categories": (pd.Categorical(["a", "b"]), pd.Categorical(["a", "b"], ["c", "b", "a"])),
    "numbers as categories": (pd.Categorical([3, 1]), np.array([3.0, 1.0])),
    "32 bits": (np.array([0.1, 1.0], dtype=np.float32), np.array([0.1, 1.0])),
    "times": (
        pd.array(["2024-01-01", "2024-01-02"], dtype="datetime64[s]"),
        pd.array(["2024-01-01", "2024-01-02"], dtype="datetime64[ns]"),
    ),
    "text": (np.array(["a", "b"], dtype=object), pd.array(["a", "b"], dtype="string")),
}


@pytest.mark.parametrize("kind", VALUES)
def test_equal_values_are_equal_whatever_holds_them(kind):
    one, other = (pd.DataFrame({"a": values, "b": [7, 8]}) for values in VALUES[kind])
    y = np.array([0, 1])
    assert shared_records(one, other, y, y).tolist() == [True] * 4
    assert shared_records(one, other, y, 1 - y).tolist() == [False] * 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array([2**53, 1]), np.array([2**53 + 1, 2])),
        (np.array([2**63 - 1, -(2**63)]), np.array([2**63 - 2, -(2**63) + 1])),
        (np.array(["3", "1"], dtype=object), np.array([3, 1])),
        (np.array([0.1, 0.2]), np.array([0.1 + 1e-12, 0.2 + 1e-12])),
    ],
)
def test_different_values_are_different(one, other):
    one, other = (pd.DataFrame({"a": values}) for values in (one, other))
    y = np.array([0, 1])
    assert not shared_records(one, other, y, y).any()


def test_digests_go_by_the_value_that_entries_add_up_to():
    assert row_digests(np.array([[-0.0]])) == row_digests(np.array([[0.0]]))
    twice = sparse.csr_matrix(([1.0, 2.0], [0, 0], [0, 2]), shape=(1, 1))
    assert row_digests(twice) == row_digests(sparse.csr_matrix([[3.0]]))


def test_arrays_of_two_widths_hold_the_same_records():
    X, y = records(20)
    assert shared_records(X.astype(np.float32), X, y, y).all()
    assert shared_records(sparse.csr_matrix(X.astype(np.float32)), sparse.csr_matrix(X), y, y).all()


@pytest.mark.parametrize("side", [0, 1])
def test_an_audit_finds_training_records_among_test_records_of_lower_precision(side):
    X, y = records(160)
    tables, labels = [X[:80], np.r_[X[80:], X[:20]]], [y[:80], np.r_[y[80:], y[:20]]]
    tables[side] = tables[side].astype(np.float32)
    model = TREE.fit(tables[0], labels[0])
    options = {"n_references": 0, "progress": False, "controls": False, "random_state": 0}
    options["attacks"] = "threshold"
    report = audit(model, tables[0], labels[0], tables[1], labels[1], **options)
    assert "OVERLAP" in {finding.code for finding in report.findings}
    assert (report.info["n_members"], report.info["n_nonmembers"]) == (60, 80)


# -- Too few ---------------------------------------------------------------------------------


def coarse(n_once, n_train=60):
    """All training records but `n_once` occur twice."""
    X, y = records(2 * n_train)
    twice = np.arange(n_once, n_train, 2)
    X[twice + 1], y[twice + 1] = X[twice], y[twice]
    return X, y


def test_too_few_records_that_occur_once_are_refused_before_training():
    def never(X, y, seed):
        raise AssertionError("trained")

    X, y = coarse(8)
    model = TREE.fit(X[:60], y[:60])
    with pytest.raises(ValueError, match=r"Too few records occur once: 8 of 60 in X_train and 60"):
        run(model, X, y, estimator=never)
    order = np.r_[60:120, 0:60]
    with pytest.raises(ValueError, match=r"60 of 60 in X_train and 8 of 60 in X_test"):
        run(model, X[order], y[order], estimator=never)
    assert run(model, *coarse(10), n_references=2).info["n_members"] == 10


def test_test_records_that_are_all_training_records_are_refused():
    X, y = records(60)
    with pytest.raises(ValueError, match="there are no non-members"):
        run(TREE.fit(X, y), np.vstack([X, X]), np.r_[y, y])


# -- max_records -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_train", "max_records", "sides"),
    [(60, 40, (20, 20)), (90, 60, (30, 30)), (100, 61, (41, 20)), (20, 60, (20, 40)),
     (60, 41, (21, 20)), (20, 200, (20, 100)), (110, 200, (70, 10))],
)  # fmt: skip
def test_max_records_keeps_the_sides_even(n_train, max_records, sides):
    X, y = records(120)
    parts = (X[:n_train], y[:n_train], X[n_train:], y[n_train:])
    plan = make_plan(make_pool(TREE.fit(*parts[:2]), *parts), max_records, 0)
    member = plan.audited < n_train
    assert (member.sum(), (~member).sum()) == sides
    assert len(plan.core) == plan.n_spared == n_train - sides[0]
    assert plan.n_dropped == 120 - n_train - sides[1]


def test_scarce_test_records_are_all_used():
    X, y = records(120)
    report = run(TREE.fit(X[:100], y[:100]), X, y, 100, max_records=60)
    assert report.info["n_nonmembers"] == 20
    assert found(report, "UNUSED_NONMEMBERS") is None
    assert found(report, "TOO_FEW_RECORDS").remedy.startswith("Give more test records")
    assert "max_records" in found(report, "UNAUDITED_MEMBERS").remedy
    report = run(TREE.fit(X[:60], y[:60]), X, y, 60, max_records=60)
    assert found(report, "UNUSED_NONMEMBERS").title == "30 test records were not used"
    assert "Raise max_records" in found(report, "TOO_FEW_RECORDS").remedy


# -- People ----------------------------------------------------------------------------------


def people(n=30, rows=3, seed=0):
    """30 + 30 people of three records each."""
    X, y = records(2 * n * rows, seed)
    return X, y, np.repeat(np.arange(2 * n), rows)


def of_people(X, y, who, **options):
    half = len(y) // 2
    return run(TREE.fit(X[:half], y[:half]), X, y, half, groups=who, **options)


def test_equal_records_of_one_person_are_no_repetition():
    X, y, who = people()
    X[1], y[1] = X[0], y[0]
    report = of_people(X, y, who)
    assert report.records["n_rows"].tolist() == [3] * 60
    assert report.info["n_repeated_train"] == 0
    assert found(report, "DUPLICATES") is None


def test_people_who_share_some_records_are_audited_with_all_of_them():
    X, y, who = people()
    X[[90, 3]], y[[90, 3]] = X[0], y[0]  # Persons 0 and 1 of train, 30 of test.
    report = of_people(X, y, who)
    assert report.records["n_rows"].tolist() == [3] * 60
    assert (report.info["n_repeated_train"], report.info["n_repeated_test"]) == (2, 1)
    assert "audited with all other records" in found(report, "OVERLAP").explanation


def test_people_without_a_record_of_their_own_are_audited_on_neither_side():
    X, y, who = people()
    X[90:93], y[90:93] = X[:3], y[:3]
    X[9:12], y[9:12] = X[6:9], y[6:9]
    report = of_people(X, y, who)
    assert report.records["group"].tolist() == [1, *range(4, 30), *range(31, 60)]
    explanation = found(report, "OVERLAP").explanation
    assert "3 people in the training set and 1 others have no record of their own" in explanation
    assert found(report, "DUPLICATES") is not None
    assert report.info["n_unaudited"] == 9


def test_too_few_people_are_refused():
    X, y, who = people()
    X[:75], y[:75] = X[0], 0
    with pytest.raises(ValueError, match=r"Too few people have a record of their own: 5 of 30"):
        of_people(X, y, who)


# -- The steps used alone --------------------------------------------------------------------


def test_references_tell_which_of_their_records_are_repeated():
    X, y, once = repeated()
    refs = ReferenceModels(TREE, n_models=2, random_state=0).fit(X, y)
    assert np.flatnonzero(~refs.repeated_).tolist() == once.tolist()
    X, y, who = people()
    X[[1, 4]], y[[1, 4]] = X[0], y[0]
    refs = ReferenceModels(TREE, n_models=2, random_state=0).fit(X, y, groups=who)
    assert np.flatnonzero(refs.repeated_).tolist() == [0, 1, 4]


def test_the_scorer_of_risk_leaves_out_what_an_audit_leaves_out():
    X, y, _ = repeated()
    audited_model = Audited(RandomForestClassifier(5, random_state=0)).fit(X[:60], y[:60])
    report = run(audited_model.estimator_, X, y, n_references=0, attacks="threshold")
    auc = report.metrics.query("metric == 'auc'")["estimate"].item()
    risk = membership_risk("auc", attack="threshold")
    assert risk(audited_model, X[60:], y[60:]) == pytest.approx(-auc)


# -- Rates ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_shift_in_random_splits_of_a_coarse_table():
    fired = 0
    for seed in range(20):
        X, y = records(500, seed)
        X = np.rint(1.5 * X)
        order = np.random.default_rng(seed).permutation(500)
        X, y = X[order], y[order]
        model = DecisionTreeClassifier(random_state=0).fit(X[:250], y[:250])
        report = run(model, X, y, 250, split="random", n_references=2, controls=True)
        assert report.info["n_repeated_train"] > 25
        fired += found(report, "SHIFT") is not None
    assert fired == 0
