"""Models that write over what they are given: nobody else sees it."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn._records._digests import row_digests
from mia_sklearn._records._rows import (
    take_rows,
)
from mia_sklearn.defenses import SELENA, LabelOnly
from mia_sklearn.selection import Audited, compare_defenses, membership_risk

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


def _given(X, y=Y):
    return X[:HALF], y[:HALF], X[HALF:], y[HALF:]


class Ruins(BaseEstimator, ClassifierMixin):
    """Reads what it is given, then writes over it."""

    def __init__(self, ruins=True):
        self.ruins = ruins

    def _read(self, X):
        values = X.to_numpy(dtype=float) if hasattr(X, "to_numpy") else X
        total = np.asarray(values.sum(axis=1)).ravel()
        if self.ruins and hasattr(X, "columns"):
            X["age"] = 0
        elif self.ruins and sparse.issparse(X):
            X.data[:] = 0
        elif self.ruins:
            X[:] = 0
        return total

    def fit(self, X, y, sample_weight=None):
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        self.classes_ = np.array([0, 1])
        total = self._read(X)
        self.means_ = np.array([np.average(total[y == c], weights=weight[y == c]) for c in (0, 1)])
        if self.ruins:
            y[:] = 0
            weight[:] = 0
        return self

    def predict_proba(self, X):
        distance = np.abs(self._read(X)[:, None] - self.means_)
        return 1 - distance / distance.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X):
        return np.log(self.predict_proba(X))

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


NUMBERS = FRAME[["age", "pay"]].astype(float)


@pytest.mark.parametrize(
    "make",
    [NUMBERS.copy, NUMBERS.to_numpy, lambda: sparse.csr_matrix(NUMBERS)],
    ids=["frame", "array", "sparse"],
)
def test_models_get_rows_that_they_may_ruin(make):
    def measure(ruins, X, y, weight):
        train, test = X[:HALF], X[HALF:]
        model = Ruins(ruins).fit(train.copy(), y[:HALF].copy())
        params = {"sample_weight": weight}
        report = audit(
            model, train, y[:HALF], test, y[HALF:], fit_params=params,
            attacks=["threshold", "lira"], **K,
        )  # fmt: skip
        refs = ReferenceModels(Ruins(ruins), 4, random_state=0, n_jobs=2)
        with parallel_config("threading"):
            refs.fit(X, y, fit_params=params)
        seen = observe(model, X, y, references=refs)
        asked = observe(model, X, y)
        defended = LabelOnly(Ruins(ruins)).fit(X, y, sample_weight=weight).predict(X)
        risk = membership_risk()(Audited(Ruins(ruins)).fit(X[:HALF], y[:HALF]), test, y[HALF:])
        return report.records["lira"], refs.outputs_, seen, asked, defended, risk

    X, y, weight = make(), Y.copy(), np.linspace(0.5, 1, N)
    found = measure(True, X, y, weight)
    for one, other in zip(found, measure(False, make(), Y.copy(), weight), strict=True):
        assert_array_equal(one, other)
    assert_array_equal(row_digests(X), row_digests(make()))
    assert_array_equal(y, Y)
    assert weight[-1] == 1


def test_transformers_that_scale_in_place():
    X = NUMBERS.to_numpy()
    before = X.copy()

    def model(copy):
        return make_pipeline(
            MinMaxScaler(copy=copy), DecisionTreeClassifier(max_depth=3, random_state=0)
        )

    options = {"n_queries": 2, "attacks": ["threshold", "lira"], **K}
    target = model(True).fit(X[:HALF], Y[:HALF])
    target.named_steps["minmaxscaler"].copy = False
    found = audit(target, *_given(X), estimator=model(False), **options).records
    expected = audit(model(True).fit(X[:HALF], Y[:HALF]), *_given(X), **options).records
    pd.testing.assert_frame_equal(found, expected)
    compare_defenses(
        {"a": model(False), "b": SELENA(model(False), n_models=3, n_left_out=1)},
        X, Y, n_references=4, attacks=["threshold"], random_state=0, progress=False,
    )  # fmt: skip
    assert_array_equal(X, before)


def test_networks_and_vectorizers_that_write():
    torch = pytest.importorskip("torch")
    from mia_sklearn.torch import TorchTarget

    class Doubles(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x.mul_(2))

    X = NUMBERS.to_numpy(dtype=np.float32)
    before = X.copy()
    TorchTarget(Doubles(2, 2), classes=[0, 1]).predict_proba(X)
    assert_array_equal(X, before)


def test_words_that_a_model_writes_to_are_copied():
    for make in (list, pd.Series, lambda words: np.array([*words, None], dtype=object)[:-1]):
        words = make([["a", "b"], ["c"]])
        for taken in (take_rows(words, slice(2)), take_rows(words, [0, 1])):
            next(iter(taken)).append("d")
        assert next(iter(words)) == ["a", "b"]


class RuinsCells(BaseEstimator, ClassifierMixin):
    """Reads the lists inside of cells, then empties them, also those inside of lists."""

    def _read(self, X):
        cells = X["words"].to_list() if hasattr(X, "columns") else X
        cells = [row[0] for row in cells] if isinstance(X, np.ndarray) else cells
        assert all(cell["in"][0] is not None for cell in cells), "another model was here"
        total = np.array([sum(cell["in"]) for cell in cells], dtype=float)
        for cell in cells:
            cell["in"][:] = [None] * len(cell["in"])
        return total

    def fit(self, X, y, beside=None):
        self.classes_ = np.array([0, 1])
        total = self._read(X)
        self.means_ = np.array([total[y == c].mean() for c in (0, 1)])
        if beside is not None:
            beside["tables"][0][:] = 7
        return self

    def predict_proba(self, X):
        distance = np.abs(self._read(X)[:, None] - self.means_) + 0.1
        return 1 - distance / distance.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def _cells(n):
    # Behind many values into which nothing can be written.
    return [{"in": [k % 7, k]} for k in range(n)]


def _as_polars(cells):
    pl = pytest.importorskip("polars")
    return pl.DataFrame({"words": pl.Series(cells, dtype=pl.Object)})


@pytest.mark.parametrize(
    "make",
    [
        list,
        lambda cells: pd.DataFrame({"words": cells, "rank": range(len(cells))}),
        lambda cells: np.array([[cell, 0] for cell in cells], dtype=object),
        _as_polars,
    ],
    ids=["list", "frame", "array", "polars"],
)
def test_models_may_ruin_what_lies_inside_of_cells(make):
    cells, y = _cells(80), np.arange(80) % 2
    X_train, X_test = make(cells[:40]), make(cells[40:])
    target = RuinsCells().fit(take_rows(X_train, slice(None)), y[:40])
    beside = {"tables": [np.zeros(3)]}
    audit(
        target, X_train, y[:40], X_test, y[40:], n_references=2, attacks=["threshold", "lira"],
        fit_params={"beside": beside}, random_state=0, progress=False, controls=False,
    )  # fmt: skip
    assert cells == _cells(80)
    assert beside["tables"][0].tolist() == [0, 0, 0]


def test_each_row_has_objects_of_its_own():
    late = np.array([*range(200), [1]], dtype=object)
    for X in (late, late[:, None], pd.Series(late), pd.DataFrame({"a": late})):
        taken = take_rows(X, [200, 200])
        cells = taken["a"] if hasattr(taken, "columns") else taken
        one, two = np.asarray(cells).ravel()
        one.append(2)
        assert (two, late[200]) == ([1], [1])
        # Behind many cells into which nothing can be written.
        whole = take_rows(X, slice(None))
        np.asarray(whole["a"] if hasattr(whole, "columns") else whole).ravel()[200].append(3)
        assert late[200] == [1]
    frame = pd.DataFrame({"a": late}, index=np.arange(201) + 5)
    assert take_rows(frame, [200]).index.tolist() == [205]
    assert take_rows(pd.Series([["a", "b"], ["c", "d"]]), slice(None)).tolist()[1] == ["c", "d"]


def test_rows_lie_in_memory_alike_wherever_the_table_has_been():
    strided = np.arange(24.0).reshape(3, 8).T[::2]
    for X in (strided, strided.copy(order="F"), strided[:, ::-1], np.ones((2, 4, 3)).T):
        for rows in (slice(2), [1, 0]):
            here, elsewhere = (
                take_rows(table, rows) for table in (X, pickle.loads(pickle.dumps(X)))
            )
            assert here.flags.c_contiguous and elsewhere.flags.c_contiguous


def test_cells_that_cannot_be_copied_are_refused():
    with pytest.raises(ValueError, match="holds a generator, which cannot be copied"):
        take_rows(pd.DataFrame({"a": [(k for k in "ab")]}), [0])
