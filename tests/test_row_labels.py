"""Labels of rows: what belongs to a record goes with its label, or is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn._records._index import in_order_of

pytestmark = pytest.mark.usefixtures("few_rounds")

K = {"n_references": 4, "random_state": 0, "progress": False, "controls": False}
N = 80
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "city": RNG.choice(["Bath", "Cork", "Deal", "Ely"], N),
        "age": RNG.integers(20, 80, N),
        "pay": RNG.normal(size=N).round(2),
    }
)
Y = ((FRAME["pay"] > 0).to_numpy() ^ (RNG.random(N) < 0.3)).astype(int)
HALF = N // 2


@pytest.fixture(scope="module")
def shuffled():
    order = np.random.default_rng(1).permutation(N)
    return FRAME[["age", "pay"]].iloc[order[:HALF]], FRAME[["age", "pay"]].iloc[order[HALF:]]


class Weighted(BaseEstimator, ClassifierMixin):
    """Fails where a weight is not its record's."""

    def fit(self, X, y, sample_weight=None):
        pay = X["pay"] if hasattr(X, "columns") else X[:, 1]
        assert sample_weight is None or np.array_equal(sample_weight, pay)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return np.zeros(len(X))


def test_values_with_an_index_go_with_its_labels(shuffled):
    train, test = shuffled
    y_train, y_test = Y[train.index], Y[test.index]
    target = Weighted().fit(train, y_train)
    age = FRAME["age"].rename("old") > 50
    options = {"attacks": ["threshold"], **K, "slices": {"old": age}}
    given = audit(
        target, train, y_train, test, y_test, fit_params={"sample_weight": FRAME["pay"]}, **options
    )
    members = given.metrics.query("metric == 'auc' and slice == 'old = True'")["n_members"]
    assert (members == (train["age"] > 50).sum()).all()
    # More labels than the records', as after records were dropped.
    audit(
        target, train[5:], y_train[5:], test, y_test,
        fit_params={"sample_weight": FRAME["pay"]}, **options,
    )  # fmt: skip


@pytest.mark.parametrize("names", [None, str])
def test_labels_of_classes_name_the_records_of_an_array(shuffled, names):
    """As after `scaler.fit_transform(frame)`, which drops the index that `y` keeps."""
    train, test = (part if names is None else part.rename(names) for part in shuffled)
    values = FRAME if names is None else FRAME.rename(names)
    y_train, y_test = (pd.Series(Y, values.index)[part.index] for part in (train, test))
    X_train, X_test = train.to_numpy(), test.to_numpy()
    params = {"sample_weight": values["pay"]}
    target = Weighted().fit(X_train, y_train)
    found = audit(
        target, X_train, y_train, X_test, y_test, fit_params=params, attacks=["threshold"],
        slices={"old": values["age"] > 50}, **K,
    )  # fmt: skip
    members = found.metrics.query("metric == 'auc' and slice == 'old = True'")["n_members"]
    assert (members == (train["age"] > 50).sum()).all()
    both, labels = np.r_[X_train, X_test], pd.concat([y_train, y_test])
    refs = ReferenceModels(Weighted(), 2, random_state=0).fit(both, labels, fit_params=params)
    who = pd.Series(np.arange(N), labels.index).sort_index()
    table = observe(target, both, labels, groups=who)
    assert_array_equal(table["group"], np.arange(N))
    assert refs.lost_ == {}


def test_groups_with_an_index_go_with_its_labels(shuffled):
    train, _ = shuffled
    both = pd.concat(shuffled)
    who = pd.Series(np.arange(N) // 2, index=both.index)
    refs = ReferenceModels(DecisionTreeClassifier(), 4, random_state=0)
    aligned = refs.fit(both, Y[both.index], groups=who.sort_index()).groups_
    assert_array_equal(aligned, np.arange(N) // 2)
    table = observe(
        DecisionTreeClassifier().fit(train, Y[train.index]),
        both, Y[both.index], references=refs, groups=who.sort_index(),
    )  # fmt: skip
    assert_array_equal(table["group"], np.arange(N) // 2)


def test_values_without_labels_of_records_are_taken_by_position_or_refused(shuffled):
    train, test = (X.reset_index(drop=True) for X in shuffled)
    values = pd.Series(np.arange(N))
    assert_array_equal(in_order_of("v", values, train, test), np.arange(N))
    assert_array_equal(in_order_of("v", values, train.to_numpy(), test.to_numpy()), np.arange(N))
    named = shuffled[0].set_axis([f"a{i}" for i in range(HALF)])
    assert_array_equal(in_order_of("v", values[:HALF], named), np.arange(HALF))
    with pytest.raises(ValueError, match="holds other labels than the records, the first"):
        in_order_of("v", values[:HALF].set_axis(np.arange(HALF) + 1000), shuffled[0])
    with pytest.raises(ValueError, match="whose labels occur more than once"):
        in_order_of("v", values.sample(frac=1, random_state=0), train, test)


def test_values_of_more_records_go_with_labels_that_were_set(shuffled):
    train, _ = shuffled
    both = pd.Series(np.arange(N)).sample(frac=1, random_state=0)
    # Of the records of a part, which say which they are.
    assert_array_equal(in_order_of("v", both, train), train.index)
    # 0, 1, 2, ... are the labels of any table: values as many go with them, and of more values
    # nothing tells which are theirs.
    unset = train.reset_index(drop=True)
    assert_array_equal(in_order_of("v", both[both < HALF], unset), np.arange(HALF))
    assert_array_equal(in_order_of("v", both, unset), both.to_numpy())


def test_labels_in_another_order_than_the_records_are_refused(shuffled):
    train, test = shuffled
    y_train = pd.Series(Y, name="y")[train.index]
    model = DecisionTreeClassifier(random_state=0).fit(train, y_train)
    with pytest.raises(ValueError, match=r"scikit-learn takes labels by position: give y_train"):
        audit(model, train, y_train.sort_index(), test, Y[test.index], **K)
    by_position = y_train.reset_index(drop=True)
    options = {**K, "n_references": 0, "attacks": ["threshold"]}
    audit(model, train, by_position, test, Y[test.index], **options)
