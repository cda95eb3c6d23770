"""What targets answer: of every kind, and held against their own predict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import FunctionTarget, observe
from mia_sklearn._models._agreement import agreement_with_predict
from mia_sklearn._models._answers import predicted_labels
from mia_sklearn.signals import log_posteriors
from small_targets import (
    BINARY,
    TRAIN,
    TREE,
    X,
    Y,
    codes,
    fitted,
    run,
)


@pytest.mark.parametrize(
    "estimator",
    [
        TunedThresholdClassifierCV(LogisticRegression(), cv=2),
        FixedThresholdClassifier(LogisticRegression(), threshold=0.9),
        SVC(probability=True, class_weight={0: 20}, random_state=0),
    ],
)
@pytest.mark.filterwarnings("ignore:.*probability.*:FutureWarning")
def test_thresholds_and_calibration_are_no_disagreement(estimator):
    model = fitted(estimator, BINARY)
    differing = (model.predict_proba(X).argmax(axis=1) != model.predict(X)).mean()
    assert differing > 0.02
    assert "ANSWERS_DIFFER" not in codes(run(model, BINARY))


class Swapped(DecisionTreeClassifier):
    """Its columns are not in the order of its classes."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:, [1, 0, 2]]

    def predict(self, X):
        return super().predict_proba(X).argmax(axis=1)


class ByRule(DecisionTreeClassifier):
    """Decides by a rule of its own for half of the records."""

    def predict(self, X):
        return np.where(X[:, 0] > 0, X[:, 1] > 0, super().predict(X)).astype(int)


class Other(DecisionTreeClassifier):
    def predict(self, X):
        return np.array(["low", "middle", "top"])[super().predict(X)]


def test_columns_of_another_meaning_are_an_error():
    for model in (fitted(Swapped(max_depth=3)), fitted(Other(max_depth=3))):
        with pytest.raises(ValueError, match=f"{type(model).__name__} .*its classes_"):
            run(model)
        with pytest.raises(ValueError, match="classes_"):
            observe(model, X, Y)


def test_predictions_of_another_origin_are_a_finding():
    model = fitted(ByRule(max_depth=3), BINARY)
    share = (model.predict_proba(X).argmax(axis=1) != model.predict(X)).mean()
    finding = next(f for f in run(model, BINARY).findings if f.code == "ANSWERS_DIFFER")
    assert f"on {100 * share:.0f} % of" in finding.title


class Told:
    """Answers what it is told: the probability of class 1, the decision, the prediction."""

    classes_ = np.array([0, 1])

    def __init__(self, second, decision, predicted):
        self.second, self.decision, self.predicted = map(np.array, (second, decision, predicted))

    def predict_proba(self, X):
        return np.column_stack([1 - self.second, self.second])

    def decision_function(self, X):
        return self.decision

    def predict(self, X):
        return self.predicted

    def agreement(self):
        rows = np.arange(len(self.second))
        return agreement_with_predict(
            self, np.zeros((len(rows), 1)), np.log(self.predict_proba(0)), rows
        )


def test_a_label_that_is_no_class_is_another_prediction():
    assert Told([0.1, 0.2, 0.1, 0.9], [-1, -1, -1, 1], [0, 0, 7, 1]).agreement().share == 0.25


def test_a_decision_function_vouches_only_for_what_it_decides():
    second, decision = [0.1] * 20 + [0.9] * 20, [1.0] * 20 + [-1.0] * 20
    found = Told(second, decision, [1] * 20 + [0] * 20).agreement()
    assert (found.share, found.order) == (1, 0)
    with pytest.raises(ValueError, match="do not mean what its classes_ say"):
        Told(second, decision[::-1], [1] * 20 + [0] * 20).agreement()


# -- What functions and models answer -----------------------------------------------------------

PROBA = fitted(TREE).predict_proba
SECOND = fitted(LogisticRegression(), BINARY)
ORDER = [2, 0, 1]
ANSWERS = {
    "dicts": (lambda X: [dict(zip(ORDER, row, strict=True)) for row in PROBA(X)[:, ORDER]], Y),
    "outputs of a session": (
        lambda X: [PROBA(X).argmax(axis=1), [dict(enumerate(row)) for row in PROBA(X)]],
        Y,
    ),
    "named columns": (lambda X: pd.DataFrame(PROBA(X)[:, ORDER], columns=ORDER), Y),
    "columns named by strings": (
        lambda X: pd.DataFrame(PROBA(X)[:, ORDER], columns=["2", "0", "1"]),
        Y,
    ),
    "unnamed columns": (lambda X: pd.DataFrame(PROBA(X)), Y),
    "half precision": (lambda X: PROBA(X).astype(np.float16), Y),
    "lists": (lambda X: PROBA(X).tolist(), Y),
    "one per record": (lambda X: SECOND.predict_proba(X)[:, 1], BINARY),
    "one column": (lambda X: SECOND.predict_proba(X)[:, 1:], BINARY),
    "certain": (lambda X: SECOND.predict(X).astype(float), BINARY),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_posteriors_of_every_kind(name):
    function, y = ANSWERS[name]
    classes = np.unique(y)
    report = run(function, y, classes=classes, estimator=TREE)
    expected = (PROBA(X).argmax(axis=1) if y is Y else SECOND.predict(X)) == y
    assert report.info["target_train_accuracy"] == pytest.approx(expected[TRAIN].mean())


def test_posteriors_in_tensors_and_polars_frames():
    torch = pytest.importorskip("torch")
    polars = pytest.importorskip("polars")
    for answer in (
        lambda X: torch.tensor(PROBA(X), requires_grad=True),
        lambda X: polars.DataFrame(PROBA(X)[:, ORDER], schema=["2", "0", "1"]),
    ):
        target = FunctionTarget(answer, [0, 1, 2])
        np.testing.assert_array_equal(target.predict_proba(X), PROBA(X))


REFUSED_ANSWERS = {
    "keys": (lambda X: [{0: 0.5, 9: 0.5}] * len(X), [0, 1], "dicts whose keys are 0, 9"),
    "names": (
        lambda X: pd.DataFrame(PROBA(X), columns=list("abc")),
        [0, 1, 2],
        "columns are 'a', 'b', 'c'.*name the columns by the classes",
    ),
    "outputs": (lambda X: [PROBA(X), PROBA(X)], [0, 1, 2], "answers several outputs"),
    "scores": (lambda X: np.log(PROBA(X) + 0.1), [0, 1, 2], "<lambda>'s posteriors must be"),
    "labels": (SECOND.predict, [0, 1], r"labels is asked with .*release='labels'"),
    "either": (lambda X: SECOND.predict(X).astype(float), [1, 0], "release='labels'"),
    "words": (lambda X: np.full((len(X), 2), "yes"), [0, 1], "no posteriors"),
}


@pytest.mark.parametrize("name", REFUSED_ANSWERS)
def test_what_are_no_posteriors_is_refused(name):
    function, classes, message = REFUSED_ANSWERS[name]
    y = Y if len(classes) == 3 else BINARY
    with pytest.raises(ValueError, match=message):
        run(function, y, classes=classes, estimator=TREE)


# --- rows in another order ------------------------------------------------------------------


def _half_known(X):
    """Answer what the record's own number says, so that a row in a wrong place shows."""
    share = X["a"].to_numpy() / 100
    return pd.DataFrame({0: 1 - share, 1: share}, index=X.index)


def _in_place(X):
    turned = X[::-1]
    X["a"], X.index = turned["a"].to_numpy(), turned.index
    return _half_known(X)


ORDERS = {
    "as asked": _half_known,
    "sorted": lambda X: _half_known(X.sort_values("a")),
    "sorted in place": _in_place,
    "by label": lambda X: _half_known(X).sort_index(),
    "without its index": lambda X: _half_known(X).reset_index(drop=True),
    "one column": lambda X: _half_known(X)[1].sort_values(),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("index", [None, list("hgfedcba"), [3, 1, 2, 0, 7, 4, 6, 5]])
def test_rows_of_an_answer_go_with_the_labels_of_the_records(order, index):
    X = pd.DataFrame({"a": [30, 10, 20, 80, 70, 50, 60, 40]}, index=index)
    target = FunctionTarget(ORDERS[order], classes=[0, 1])
    assert_allclose(target.predict_proba(X.copy())[:, 1], X["a"] / 100)
    assert_allclose(np.exp(log_posteriors(target, X))[:, 1], X["a"] / 100)
    table = observe(target, X, np.zeros(8, dtype=int))
    assert_allclose(table["proba_1"], X["a"] / 100, rtol=1e-6)


def test_rows_of_an_answer_about_an_array_are_numbered():
    X = np.array([[30.0], [10.0], [20.0]])

    def function(X):
        return pd.Series(X[:, 0] / 100).sort_values()

    assert_allclose(FunctionTarget(function, [0, 1]).predict_proba(X)[:, 1], X[:, 0] / 100)


@pytest.mark.parametrize(
    "answer",
    [
        lambda X: _half_known(X).set_axis(list("xyz")),
        lambda X: _half_known(X).set_axis(["a", "b", "b"]),
        lambda X: _half_known(X).set_axis([1, 2, 3]),
    ],
)
def test_rows_of_an_answer_with_other_labels_are_refused(answer):
    X = pd.DataFrame({"a": [30, 10, 20]}, index=list("abc"))
    with pytest.raises(ValueError, match="The function answered with other labels in the index"):
        FunctionTarget(answer, [0, 1]).predict_proba(X)


def test_all_that_answer_about_frames_are_read_by_label():
    class Sorting:
        classes_ = np.array([0, 1])

        def predict_proba(self, X):
            return _half_known(X.sort_values("a"))

        def decision_function(self, X):
            return logit(_half_known(X.sort_values("a"))[1])

        def predict(self, X):
            return (_half_known(X.sort_values("a"))[1] > 0.5).astype(int)

    X = pd.DataFrame({"a": [30, 10, 20, 80]}, index=list("abcd"))
    assert_allclose(np.exp(log_posteriors(Sorting(), X))[:, 1], X["a"] / 100)
    assert predicted_labels(Sorting(), X).tolist() == [0, 0, 0, 1]
    signal = observe(Sorting(), X, [0] * 4, access=lambda model, X: model.predict_proba(X)[1])
    assert_allclose(signal["logit"], X["a"] / 100, rtol=1e-6)
