"""A privacy gate in a test suite: run it by pytest; `--privacy-report DIR` saves the report."""

import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from mia_sklearn.pytest_plugin import assert_private

pytestmark = pytest.mark.privacy


@pytest.fixture(scope="module")
def report(privacy_audit):
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.5, random_state=0)
    model = LogisticRegression(C=0.05).fit(X_train, y_train)
    return privacy_audit(model, X_train, y_train, X_test, y_test, n_references=8)


def test_members_are_hard_to_tell_from_others(report):
    # Passes only when the whole interval is below the bound, not when the sample cannot tell.
    assert_private(report, "auc <= 0.65")


def test_few_are_identified_at_a_low_false_positive_rate(report):
    assert_private(report, "tpr@0.01 <= 0.1")
