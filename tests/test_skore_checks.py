"""Checks for skore: what they flag, what they pass, and what they cannot tell."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mia_sklearn.metrics import roc_auc
from mia_sklearn.skore_checks import LossGap, MembershipInference, _too_few

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    skore = pytest.importorskip("skore")

pytestmark = pytest.mark.filterwarnings("ignore")

SMALL = {"n_references": 4, "attacks": ["lira", "threshold"], "n_jobs": 1}


@pytest.fixture(scope="module")
def records():
    X, y = make_classification(1000, 5, flip_y=0.5, random_state=2)
    return pd.DataFrame(X, columns=list("abcde")), np.where(y == 1, "ill", "well")


def report_of(model, X, y, n=500):
    return skore.EstimatorReport(model, X_train=X[:n], y_train=y[:n], X_test=X[n:], y_test=y[n:])


def rows(report, *checks, **options):
    report.checks.add(list(checks))
    frame = report.checks.summarize(**options).frame().set_index("code")
    return frame.loc[[check.code for check in checks]]


def test_a_memoriser_is_an_issue(records):
    X, y = records
    report = report_of(DecisionTreeClassifier(min_samples_leaf=3, random_state=0), X, y)
    audit = MembershipInference(**SMALL)
    found = rows(report, LossGap(), audit)
    assert found["section"].tolist() == ["issue", "issue"]
    model = report.estimator_
    proba = model.predict_proba(X)
    loss = -np.log(np.maximum(proba[np.arange(1000), (y == "well").astype(int)], 1e-300))
    auc = roc_auc(np.repeat([1, 0], 500), -loss)
    assert f"AUC of {auc.value:.3f} (95 % interval {auc.low:.3f}" in found["explanation"]["MIA001"]
    assert found["explanation"]["MIA002"].startswith(audit.report_.verdict)


def test_a_model_that_generalises_passes(records):
    X, y = records
    report = report_of(LogisticRegression(), X, y)
    found = rows(report, LossGap(), MembershipInference(**SMALL))
    assert found["section"].tolist() == ["passed", "passed"]


def test_the_audit_is_left_out_where_checks_must_be_fast(records):
    X, y = records
    found = rows(report_of(LogisticRegression(), X, y), MembershipInference(), fast_mode=True)
    assert found["section"].tolist() == ["skipped"]


def test_a_report_without_training_records_is_not_judged(records):
    X, y = records
    fitted = LogisticRegression().fit(X[:500], y[:500])
    without = skore.EstimatorReport(fitted, X_test=X[500:], y_test=y[500:])
    found = rows(without, LossGap(), MembershipInference(**SMALL))
    assert found["section"].tolist() == ["not_applicable"] * 2


@pytest.mark.parametrize(("depth", "section"), [(None, "issue"), (1, "passed")])
@pytest.mark.parametrize("outputs", [1, 2])
def test_regressors_are_judged_by_their_errors(records, depth, section, outputs):
    X, _ = records
    y = X.to_numpy()[:, :outputs] * [1e3, 1.0][:outputs] + 0.1 * X.to_numpy()[:, 2:3]
    model = DecisionTreeRegressor(max_depth=depth, min_samples_leaf=1 if depth is None else 100)
    found = rows(report_of(model, X, y.squeeze()), LossGap())
    assert found["section"].tolist() == [section]


def test_a_regressor_that_memorises_is_an_issue_of_both(records):
    X, _ = records
    report = report_of(DecisionTreeRegressor(), X[:200], X["a"][:200] + X["b"][:200], 100)
    found = rows(report, MembershipInference(**SMALL))
    assert found["section"].tolist() == ["issue"]


def test_too_few_records_pass_nothing(records):
    X, y = records
    report = report_of(LogisticRegression(), X[:60], y[:60], 30)
    found = rows(report, MembershipInference(**SMALL))
    assert found["section"].tolist() == ["not_applicable"]
    assert "Inconclusive" in found["explanation"].iloc[0]


def test_what_too_few_records_leave_open_is_no_pass(records):
    X, y = records
    report = report_of(LogisticRegression(), X, y, 850)
    found = rows(report, MembershipInference(**SMALL))
    assert found["section"].tolist() == ["not_applicable"]
    explanation = found["explanation"].iloc[0]
    assert "did not tell training records from others" in explanation
    assert "150 non-members, 403 needed for a false-positive rate of 0.01" in explanation


@pytest.mark.parametrize(
    ("high", "at_1", "reason"),
    [
        (0.59, 0.05, ""),
        (0.6, 0.05, "Not passed: the AUC may be 0.6 or more."),
        (np.nan, 0.05, "Not passed: the AUC may be 0.6 or more."),
        (0.59, np.nan, "Not passed: nothing is known of the rate at 1 % false alarms (few)."),
    ],
)
def test_a_pass_rules_out_large_numbers(high, at_1, reason):
    headline = pd.DataFrame(
        {"metric": ["auc", "tpr"], "at": [np.nan, 0.01], "high": [high, at_1], "note": "few"}
    )
    assert _too_few(headline) == reason


def test_doubts_are_no_pass(records):
    X, y = records
    halves = X[:500] * 4 + 3, X[500:]
    report = skore.EstimatorReport(
        LogisticRegression(), X_train=halves[0], y_train=y[:500], X_test=halves[1], y_test=y[500:]
    )
    found = rows(report, MembershipInference(**SMALL))
    assert found["section"].tolist() == ["issue"]
    assert "Not to be relied on" in found["explanation"].iloc[0]
