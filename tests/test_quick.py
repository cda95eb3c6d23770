"""The first look: no references, in seconds, and it says what it did not see."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit

X, Y = make_classification(200, 8, flip_y=0.2, random_state=0)
GIVEN = X[:100], Y[:100], X[100:], Y[100:]
QUIET = {"random_state": 0, "progress": False}


def test_it_is_an_audit_without_references():
    model = DecisionTreeClassifier(random_state=0).fit(*GIVEN[:2])
    quick = audit(model, *GIVEN, quick=True, **QUIET)
    plain = audit(model, *GIVEN, n_references=0, **QUIET)
    assert quick.metrics.equals(plain.metrics)
    assert quick.info["headline"] == "qmia"
    assert quick.info["quick"] and "quick" not in plain.info
    assert set(quick.controls["control"]) == {"shift", "memoriser"}
    assert quick.structural is not None
    unseen = next(finding for finding in quick.findings if finding.code == "NO_REFERENCES")
    assert "nobody is listed" in unseen.explanation
    assert unseen.remedy == "Leave quick out."
    assert "| A first look alone | yes |" in quick.to_markdown()


def test_it_looks_at_edges_and_regressors():
    machine = SVC(C=100.0).fit(*GIVEN[:2])
    assert audit(machine, *GIVEN, quick=True, **QUIET).attacks == [
        "qmia",
        "threshold",
        "margin-edge",
    ]
    X, y = load_diabetes(return_X_y=True)
    forest = RandomForestRegressor(10, random_state=0).fit(X[:200], y[:200])
    report = audit(forest, X[:200], y[:200], X[200:], y[200:], quick=True, **QUIET)
    assert report.attacks[0] == "qmia"
    auc = report.metrics.query("attack == 'qmia' and metric == 'auc' and slice == 'all'")
    assert float(auc["low"].iloc[0]) > 0.6


def test_it_looks_at_no_more_records_than_it_can_in_seconds(monkeypatch):
    monkeypatch.setattr("mia_sklearn._audit._options._QUICK_RECORDS", 60)
    model = LogisticRegression().fit(*GIVEN[:2])
    assert len(audit(model, *GIVEN, quick=True, **QUIET).records) == 60
    assert len(audit(model, *GIVEN, quick=True, max_records=80, **QUIET).records) == 80


def test_references_are_refused():
    model = LogisticRegression().fit(*GIVEN[:2])
    with pytest.raises(ValueError, match="quick=True trains no reference models"):
        audit(model, *GIVEN, quick=True, n_references=4, **QUIET)
    assert audit(model, *GIVEN, quick=True, n_references=0, **QUIET).info["quick"]


def test_nothing_is_found_where_nothing_was_learned():
    rng = np.random.default_rng(0)
    model = DecisionTreeClassifier(random_state=0).fit(rng.normal(size=(100, 8)), Y[:100])
    report = audit(model, *GIVEN, quick=True, **QUIET)
    auc = report.metrics.query("attack == 'qmia' and metric == 'auc' and slice == 'all'")
    assert float(auc["low"].iloc[0]) <= 0.5 <= float(auc["high"].iloc[0])
