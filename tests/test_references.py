"""Reference models: who trains on what, and that training means training."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from joblib import effective_n_jobs, parallel_config
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_info

from mia_sklearn._models._trainable import configured
from mia_sklearn._process._memory import available_memory
from mia_sklearn._records._digests import row_digests
from mia_sklearn.references import ReferenceModels
from mia_sklearn.references._sampling import assign, training_rows
from mia_sklearn.signals import LEAST_LOG_POSTERIOR, rescaled_logit

pytestmark = pytest.mark.usefixtures("few_rounds")

TREE = DecisionTreeClassifier()


@pytest.fixture(scope="module")
def data():
    return make_classification(120, n_features=6, n_informative=4, n_classes=3, random_state=0)


class Memory(ClassifierMixin, BaseEstimator):
    """Answers 0.9 for the class of every record it was trained on, else evenly."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seen_ = {tuple(row): label for row, label in zip(X, y, strict=True)}
        return self

    def predict_proba(self, X):
        proba = np.full((len(X), len(self.classes_)), 1 / len(self.classes_))
        for i, row in enumerate(X):
            if tuple(row) in self.seen_:
                own = self.classes_ == self.seen_[tuple(row)]
                proba[i] = np.where(own, 0.9, 0.1 / (len(own) - 1))
        return proba

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


# --- who trains on what ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train_size", "block_size", "holdout", "trimmed"),
    [
        (None, 2, "out", False),
        (60, 2, "out", False),
        (0.75, 4, "out", False),
        (0.8, 5, "out", False),
        (0.875, 8, "out", False),
        (0.25, 4, "in", False),
        (0.125, 8, "in", False),
        (0.6, 3, "out", True),
        (0.45, 2, "in", True),
        (0.05, 8, "in", True),
    ],
)
def test_blocks_partition_the_records(train_size, block_size, holdout, trimmed):
    n = 120
    drawn = assign("block", n, train_size, 0, n_models=9, entropy=0)
    assert (drawn.block_size, drawn.holdout) == (block_size, holdout)
    assert drawn.n_models % block_size == 0
    assert 9 <= drawn.n_models < 9 + max(block_size, block_size * 2 - 9 + 1)
    asked = 60 if train_size is None else train_size * n if train_size < 1 else train_size
    sizes = drawn.membership.sum(axis=1)
    assert np.all(np.abs(sizes - asked) <= 0.05 * asked)
    assert drawn.train_size == pytest.approx(asked, rel=0.05)
    for block in range(drawn.block.max() + 1):
        own = drawn.block == block
        assert own.sum() == block_size
        # A dropped row is one that the model would have trained on.
        trained = (drawn.membership[own] == 1) | ~drawn.labelled[own]
        apart = ~trained if holdout == "out" else trained
        assert np.array_equal(apart.sum(axis=0), np.ones(n))
    assert drawn.labelled.all() == (not trimmed)
    assert not drawn.membership[~drawn.labelled].any()
    if trimmed:
        assert np.all(sizes == round(asked))


def test_blocks_of_any_size_come_within_five_percent():
    for size in range(1, 175):
        drawn = assign("block", 199, size, 0, n_models=2, entropy=size)
        sizes = drawn.membership.sum(axis=1).astype(int)
        # Sets that partition the records differ by one record.
        assert np.all(np.abs(sizes - size) <= max(1, 0.05 * size)), size
        assert drawn.block.max() >= 1


def test_answers_that_no_memory_holds_are_refused_before_anything_is_trained(
    data, monkeypatch, tmp_path
):
    free = "mia_sklearn.references._answered.available_memory"
    monkeypatch.setattr(free, lambda: 0)
    with pytest.raises(ValueError, match=r"4 reference models.*n_references.*max_records.*cache="):
        ReferenceModels(Untrainable(), 4).fit(*data)
    # The signals alone are held of answers that lie on disk.
    with pytest.raises(ValueError, match="GiB of memory are free"):
        ReferenceModels(Untrainable(), 4, cache=tmp_path).fit(*data)


def test_draws_do_not_depend_on_the_number_of_models():
    for sampling in ("block", "bootstrap", "disjoint"):
        few = assign(sampling, 50, 20, 0, n_models=4, entropy=7)
        many = assign(sampling, 50, 20, 0, n_models=20, entropy=7)
        other = assign(sampling, 50, 20, 0, n_models=4, entropy=8)
        assert np.array_equal(few.membership, many.membership[: few.n_models])
        assert not np.array_equal(few.membership, other.membership)


def test_bootstrap_draws_with_replacement():
    drawn = assign("bootstrap", 100, 130, 0, n_models=200, entropy=0)
    assert np.all(drawn.membership.sum(axis=1) == 130)
    assert drawn.membership.max() > 1
    # (1 - 1/n)^t of the records stay out.
    assert (drawn.membership == 0).mean() == pytest.approx(0.99**130, abs=0.01)
    assert drawn.labelled.all()
    assert drawn.membership.dtype == np.uint16


def test_disjoint_labels_its_own_train_and_test_halves():
    drawn = assign("disjoint", 100, 30, 0, n_models=5, entropy=0)
    assert np.all(drawn.membership.sum(axis=1) == 30)
    assert np.all(drawn.labelled.sum(axis=1) == 60)
    assert np.all(drawn.labelled[drawn.membership > 0])


def test_training_rows_repeat_and_append_the_core():
    rows = training_rows(np.array([0, 2, 1]), 2, seed=0)
    assert sorted(rows) == [1, 1, 2, 3, 4]
    assert not np.array_equal(training_rows(np.ones(50, dtype=int), 0, seed=0), np.arange(50))


@pytest.mark.parametrize("sampling", ["block", "bootstrap", "disjoint"])
def test_models_train_on_what_membership_says(data, sampling):
    X, y = data
    refs = ReferenceModels(Memory(), 4, sampling=sampling, random_state=0).fit(X, y)
    confident = refs.outputs_.max(axis=2) > np.log(0.8)
    assert np.array_equal(confident, refs.membership_ > 0)
    assert np.array_equal(refs.phi() > 1, refs.membership_ > 0)


def test_population_and_core(data):
    X, y = data
    pool, population, core = (X[:30], y[:30]), (X[30:90], y[30:90]), (X[90:], y[90:])
    refs = ReferenceModels(Memory(), 4, train_size=60, random_state=0)
    refs.fit(*pool, population=population, core=core)
    assert (refs.n_pool_, refs.n_population_, refs.train_size_) == (30, 60, 60)
    assert refs.outputs_.shape == (4, 90, 3)
    assert not refs.membership_[:, :30].any() and not refs.labelled_[:, :30].any()
    assert np.all(refs.membership_.sum(axis=1) == 30) and refs.labelled_[:, 30:].all()
    assert np.array_equal(refs.outputs_.max(axis=2) > np.log(0.8), refs.membership_ > 0)
    assert np.array_equal(refs.digests_, row_digests(X[:90], y[:90]))

    sizes = []

    def train(X, y, seed):
        sizes.append(sum(row.tobytes() in held for row in X))
        return Memory().fit(X, y)

    held = {row.tobytes() for row in core[0]}
    ReferenceModels(train, 2, train_size=0.5).fit(*pool, core=core)
    assert sizes == [30] * 4


# --- what comes out -------------------------------------------------------------------------


def test_attributes(data):
    X, y = data
    names = np.array(["a", "b", "c"])[y]
    refs = ReferenceModels(GaussianNB(), 5, random_state=0).fit(X, names)
    assert refs.classes_.tolist() == ["a", "b", "c"]
    assert (refs.n_models_, refs.n_blocks_, refs.block_size_, refs.holdout_) == (6, 3, 2, "out")
    assert refs.block_.tolist() == [0, 0, 1, 1, 2, 2]
    assert refs.outputs_.dtype == np.float32 and refs.outputs_.shape == (6, 120, 3)
    assert np.allclose(np.exp(refs.outputs_).sum(axis=2), 1, atol=1e-5)
    assert np.array_equal(refs.labels_, y)
    assert refs.smoothing_ == 1e-12 and refs.query_outputs_ is None
    assert len(set(refs.seeds_.tolist())) == 6
    expected = rescaled_logit(refs.outputs_[3], y, refs.smoothing_)
    assert refs.phi().dtype == np.float32
    assert np.array_equal(refs.phi()[3], expected.astype(np.float32))


def test_smoothing_follows_votes_and_can_be_given(data):
    assert ReferenceModels(TREE, 4).fit(*data).smoothing_ == 0.03
    refs = ReferenceModels(TREE, 4, smoothing=0.1).fit(*data)
    assert refs.smoothing_ == 0.1
    assert np.abs(refs.phi()).max() == pytest.approx(np.log(1.1 / 0.1))


def test_phi_is_made_anew_by_fit(data):
    X, y = data
    refs = ReferenceModels(GaussianNB(), 4, random_state=0)
    before = refs.fit(X, y).phi()
    assert refs.phi() is before
    assert refs.fit(X, y).phi() is not before


def test_classes_align_outputs(data):
    X, y = data
    refs = ReferenceModels(GaussianNB(), 2).fit(X, y, classes=[2, 0, 7, 1])
    assert refs.outputs_.shape[2] == 4
    assert np.isneginf(refs.outputs_[:, :, 2]).all()
    assert set(refs.labels_[y == 1]) == {3} and set(refs.labels_[y == 2]) == {0}


def test_classes_that_lack_one_are_refused(data):
    X, y = data
    extra = X[:4], np.array([0, 1, 2, 5])
    for given, classes, label, whose in (
        ({}, [2, 0, 7], 1, "y"),
        ({"population": extra}, [0, 1, 2], 5, "population"),
        ({"core": extra}, [0, 1, 2], 5, "core"),
    ):
        with pytest.raises(ValueError, match=f"classes lacks {label}, a label in {whose}:"):
            ReferenceModels(GaussianNB(), 2).fit(X, y, classes=classes, **given)


def test_class_of_one_record_is_missing_from_some_models(data):
    X, y = data
    y = np.where(np.arange(len(y)) == 0, 9, y % 2)
    refs = ReferenceModels(GaussianNB(), 4, random_state=0).fit(X, y)
    absent = np.isneginf(refs.outputs_[:, :, 2]).all(axis=1)
    assert np.array_equal(absent, refs.membership_[:, 0] == 0)
    assert absent.sum() == 2


def test_training_set_with_one_class_answers_it(data):
    X, _ = data
    y = np.zeros(len(X), dtype=int)
    y[:2] = 1
    refs = ReferenceModels(LogisticRegression(), 8, train_size=0.2, random_state=0).fit(X, y)
    one = ~(refs.membership_[:, :2] > 0).any(axis=1)
    assert one.any()
    assert np.all(refs.outputs_[one] == np.float32([0, -np.inf]))


def test_gaps_in_labels_of_libraries_that_want_none(data):
    xgboost = pytest.importorskip("xgboost")
    X, y = data
    y = np.where(np.arange(len(y)) == 0, 0, 1 + y % 2)
    model = xgboost.XGBClassifier(n_estimators=3)
    refs = ReferenceModels(model, 4, random_state=0).fit(X, y)
    absent = np.isneginf(refs.outputs_[:, :, 0]).all(axis=1)
    assert np.array_equal(absent, refs.membership_[:, 0] == 0)
    assert np.allclose(np.exp(refs.outputs_).sum(axis=2), 1, atol=1e-4)


@pytest.mark.parametrize("kind", ["frame", "sparse", "list", "images"])
def test_any_table(data, kind):
    X, y = data
    model = GaussianNB()
    if kind == "frame":
        table = pd.DataFrame(X, columns=list("abcdef"), index=np.arange(len(X))[::-1])
        table["colour"] = np.array(["red", "green"])[y % 2]
        one_hot = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
        model = make_pipeline(one_hot, DecisionTreeClassifier())
    elif kind == "sparse":
        table, model = sparse.coo_array(X), LogisticRegression()
    elif kind == "list":
        table, y = X.tolist(), y.tolist()
    else:
        table = X.reshape(-1, 2, 3)
        model = make_pipeline(FunctionTransformer(_flat), GaussianNB())
    refs = ReferenceModels(model, 2, random_state=0).fit(table, y)
    assert refs.outputs_.shape == (4, 120, 3)


def _flat(X):
    return X.reshape(len(X), -1)


def test_answers_come_in_chunks_without_a_trace(data, monkeypatch):
    whole = ReferenceModels(GaussianNB(), 2, random_state=0).fit(*data)
    monkeypatch.setattr("mia_sklearn._records._rows._VALUES_PER_CHUNK", 50)
    parts = ReferenceModels(GaussianNB(), 2, random_state=0).fit(*data)
    assert np.array_equal(whole.outputs_, parts.outputs_)


# --- parallel, seeds ------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(
    "model", [RandomForestClassifier(5), pytest.param(LogisticRegression(), marks=pytest.mark.slow)]
)
def test_same_result_whatever_the_workers(data, model):
    one = ReferenceModels(model, 4, random_state=3).fit(*data)
    two = ReferenceModels(model, 4, random_state=3, n_jobs=2).fit(*data)
    with parallel_config(backend="threading"):
        threads = ReferenceModels(model, 4, random_state=3, n_jobs=2).fit(*data)
    assert np.array_equal(one.outputs_, two.outputs_)
    assert np.array_equal(one.outputs_, threads.outputs_)


def test_random_state(data):
    model = RandomForestClassifier(3, random_state=0)
    first = ReferenceModels(model, 4, random_state=0).fit(*data)
    other = ReferenceModels(model, 4, random_state=1).fit(*data)
    state = np.random.RandomState(0)
    drawn = [ReferenceModels(model, 4, random_state=state).fit(*data) for _ in range(2)]
    assert not np.array_equal(first.membership_, other.membership_)
    assert np.array_equal(first.outputs_, drawn[0].outputs_)
    assert not np.array_equal(first.membership_, drawn[1].membership_)
    free = [ReferenceModels(model, 4).fit(*data).membership_ for _ in range(2)]
    assert not np.array_equal(*free)


def test_every_nested_seed_is_set_and_no_part_is_parallel():
    model = GridSearchCV(
        make_pipeline(
            StandardScaler(),
            BaggingClassifier(RandomForestClassifier(n_jobs=-1, random_state=0), n_jobs=2),
        ),
        {},
        n_jobs=4,
    )
    params = [configured(model, seed).get_params() for seed in (1, 1, 2)]
    seeds = [{k: v for k, v in p.items() if k.endswith("random_state")} for p in params]
    assert len(seeds[0]) == 2 and None not in seeds[0].values()
    assert len(set(seeds[0].values())) == 2
    assert seeds[0] == seeds[1] != seeds[2]
    assert {v for k, v in params[0].items() if k.endswith("n_jobs")} == {None}
    assert model.estimator.steps[1][1].estimator.n_jobs == -1


def test_seeds_and_cores_of_other_libraries():
    xgboost, lightgbm, catboost = map(pytest.importorskip, ("xgboost", "lightgbm", "catboost"))
    for model in (xgboost.XGBClassifier(), lightgbm.LGBMClassifier()):
        assert configured(model, 0).get_params()["n_jobs"] == 1
        assert configured(model, 0).get_params()["random_state"] is not None
    plain = configured(catboost.CatBoostClassifier(), 0).get_params()
    assert plain["thread_count"] == 1 and "random_state" in plain
    seeded = configured(catboost.CatBoostClassifier(random_seed=3), 0).get_params()
    assert seeded["random_seed"] != 3 and "random_state" not in seeded


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_models_find_one_core(data, n_jobs):
    def train(X, y, seed):
        assert effective_n_jobs(None) == 1
        assert _openmp_effective_n_threads() == 1
        assert all(pool["num_threads"] == 1 for pool in threadpool_info())
        return GaussianNB().fit(X, y)

    with parallel_config(backend="threading", n_jobs=2):
        ReferenceModels(train, 4, n_jobs=n_jobs).fit(*data)


@pytest.mark.filterwarnings("ignore")
def test_dask(data):
    distributed = pytest.importorskip("distributed")
    logging.getLogger("distributed").setLevel(logging.ERROR)
    here = ReferenceModels(RandomForestClassifier(3), 4, random_state=0).fit(*data)
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    )
    with cluster, distributed.Client(cluster), parallel_config(backend="dask"):
        there = ReferenceModels(RandomForestClassifier(3), 4, random_state=0).fit(*data)
    assert np.array_equal(here.outputs_, there.outputs_)


def test_progress_is_shown_on_standard_error(data, capsys):
    ReferenceModels(GaussianNB(), 4, progress=True).fit(*data)
    shown = capsys.readouterr()
    assert shown.out == "" and "4/4" in shown.err
    ReferenceModels(GaussianNB(), 4).fit(*data)
    assert capsys.readouterr().err == ""


# --- what is trained ------------------------------------------------------------------------


def test_the_estimator_itself_is_never_fitted(data):
    model = LogisticRegression()
    ReferenceModels(model, 2).fit(*data)
    assert not hasattr(model, "classes_")


def test_fitted_estimators_are_trained_anew(data):
    X, y = data
    fitted = Memory().fit(X, y)
    refs = ReferenceModels(fitted, 2, random_state=0).fit(X, y)
    assert np.array_equal(refs.outputs_.max(axis=2) > np.log(0.8), refs.membership_ > 0)


def test_searches_search_anew(data):
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2)
    assert ReferenceModels(search, 2).fit(*data).outputs_.shape == (4, 120, 3)


def test_function_as_estimator(data):
    seeds = []

    def train(X, y, seed):
        seeds.append(seed)
        return DecisionTreeClassifier(random_state=seed).fit(X, y)

    refs = ReferenceModels(train, 4, random_state=0).fit(*data)
    assert seeds == refs.seeds_.tolist()


class Weighted(DecisionTreeClassifier):
    def fit(self, X, y, sample_weight=None, check_input=True):
        # The weight repeats the first feature: any other order shows.
        assert np.array_equal(sample_weight, X[:, 0])
        assert check_input is True
        return super().fit(X, y, np.abs(sample_weight))


def test_fit_params_are_sliced_with_the_records(data):
    X, y = data
    params = {"sample_weight": X[:, 0], "check_input": True}
    ReferenceModels(Weighted(), 4).fit(X, y, fit_params=params)
    params["sample_weight"] = pd.Series(X[:, 0], index=np.arange(len(X)) + 5)
    ReferenceModels(Weighted(), 4, sampling="bootstrap").fit(X, y, fit_params=params)
    params["sample_weight"] = X[40:, 0].tolist()
    refs = ReferenceModels(Weighted(), 4, train_size=0.3)
    refs.fit(
        X[:40],
        y[:40],
        population=(X[40:80], y[40:80]),
        core=(X[80:], y[80:]),
        fit_params=params,
    )


PREFIT = {
    "frozen": FrozenEstimator,
    "calibrated": lambda m: CalibratedClassifierCV(FrozenEstimator(m)),
    "stacked": lambda m: StackingClassifier([("m", m)], cv="prefit"),
    "voting": lambda m: VotingClassifier([("m", FrozenEstimator(m)), ("n", GaussianNB())]),
    "selected": lambda m: make_pipeline(SelectFromModel(m, prefit=True), GaussianNB()),
    "uncloned": lambda m: Uncloned().fit([[0.0], [1.0]], [0, 1]),
    "bound method": lambda m: make_pipeline(FunctionTransformer(m.predict_proba), GaussianNB()),
}


class Uncloned(Memory):
    def __sklearn_clone__(self):
        return self


class NamedInAdvance(GaussianNB):
    def __init__(self):
        super().__init__()
        self.classes_ = None


@pytest.mark.parametrize("kind", PREFIT)
def test_estimators_that_stay_fitted_are_refused(data, kind):
    model = PREFIT[kind](DecisionTreeClassifier().fit(*data))
    with pytest.raises(ValueError, match=r"stays fitted when it is cloned.*estimator="):
        ReferenceModels(model, 2).fit(*data)


def test_files_that_a_container_remembers_make_room(tmp_path, monkeypatch):
    told = {
        "max": "3000",
        "current": "2900",
        "stat": "anon 100\nactive_file 500\ninactive_file 300",
    }
    for name, text in told.items():
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr("mia_sklearn._process._memory._CGROUP", tmp_path)
    assert available_memory() == 900
    (tmp_path / "memory.max").write_text("max")
    assert available_memory() != 900


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(FunctionTransformer(), Normalizer(), GaussianNB()),
        make_pipeline(make_pipeline(FunctionTransformer(), Normalizer()), GaussianNB()),
        make_pipeline("passthrough", GaussianNB()),
        VotingClassifier([("a", GaussianNB()), ("b", "drop")]),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        StackingClassifier([("a", GaussianNB())], cv=2),
        DummyClassifier(),
        NamedInAdvance(),
        KNeighborsClassifier(3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_estimators_without_a_memory_are_not(data, model):
    assert ReferenceModels(model, 2).fit(*data).n_models_ == 4
    assert ReferenceModels(clone(model).fit(*data), 2).fit(*data).n_models_ == 4


@parametrize_with_checks([ReferenceModels(DecisionTreeClassifier(), 2)])
def test_estimator_checks(estimator, check):
    check(estimator)


# --- errors ---------------------------------------------------------------------------------


class Untrainable(Memory):
    def fit(self, X, y):
        raise AssertionError("trained before the arguments were checked")


X_OK, Y_OK = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
BAD = {
    "one model": ({"n_models": 1}, {}, "n_models must be at least 2"),
    "sampling": ({"sampling": "jackknife"}, {}, "block.*bootstrap.*got 'jackknife'"),
    "smoothing": ({"smoothing": -1}, {}, "smoothing must be"),
    "train_size 0": ({"train_size": 0}, {}, "train_size=0"),
    "train_size all": ({"train_size": 20}, {}, "train_size=20.*1 to 19"),
    "train_size 1.0": ({"train_size": 1.0}, {}, "train_size must be"),
    "train_size text": ({"train_size": "half"}, {}, "train_size must be"),
    "train_size core": (
        {"train_size": 5},
        {"core": (X_OK, Y_OK)},
        "train_size=5 .* core",
    ),
    "nearly all": ({"train_size": 19}, {}, "pass the records.*as core"),
    "disjoint": ({"sampling": "disjoint", "train_size": 11}, {}, "disjoint sampling needs 1 to 10"),
    "lengths": ({}, {"y": Y_OK[:-1]}, "X and y must have one row per record, got 20 and 19"),
    "empty": ({}, {"X": X_OK[:0], "y": Y_OK[:0]}, "X holds no records"),
    "one class": ({}, {"y": np.zeros(20)}, "at least two classes"),
    "one class of population": (
        {},
        {"population": (X_OK, np.zeros(20))},
        "at least two classes among the records that models train on",
    ),
    "missing label": (
        {},
        {"y": np.where(Y_OK == 1, np.nan, 0.0)},
        "has no label in row 1; drop",
    ),
    "missing text": (
        {},
        {"y": np.array(["a", None] * 10, dtype=object)},
        "has no label in row 1; drop",
    ),
    "label table": ({}, {"y": np.zeros((20, 2))}, "there is nothing to learn"),
    "X flat": ({}, {"X": X_OK[:, 0]}, "X must be a table"),
    "population alone": ({}, {"population": X_OK}, r"population must be a pair \(X, y\)"),
    "population lengths": ({}, {"population": (X_OK, Y_OK[:3])}, r"population\[0\] and popul"),
    "population features": (
        {},
        {"population": (X_OK[:, :1], Y_OK)},
        r"X and population\[0\] must have the same features",
    ),
    "core kind": (
        {},
        {"core": (pd.DataFrame(X_OK), Y_OK)},
        r"X and core\[0\] must be tables of one kind",
    ),
    "core columns": (
        {},
        {
            "X": pd.DataFrame(X_OK, columns=["a", "b"]),
            "core": (pd.DataFrame(X_OK, columns=["b", "a"]), Y_OK),
        },
        r"X and core\[0\] must have the same columns",
    ),
    "regressor": (
        {"estimator": LinearRegression(), "signal": "label"},
        {},
        "needs a classifier.* got LinearRegression",
    ),
    "class": ({"estimator": Memory}, {}, r"Pass Memory\(\)"),
    "no estimator": ({"estimator": "forest"}, {}, "must be a model or a function"),
    "transformer": (
        {"estimator": StandardScaler()},
        {},
        "must be a classifier or regressor with fit",
    ),
    "function and params": (
        {"estimator": lambda X, y, seed: None},
        {"fit_params": {"sample_weight": Y_OK}},
        "fit_params are passed to an estimator's fit",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_training(case):
    options, arguments, message = BAD[case]
    refs = ReferenceModels(**{"estimator": Untrainable(), **options})
    with pytest.raises(ValueError, match=message):
        refs.fit(**{"X": X_OK, "y": Y_OK, **arguments})


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_failing_model_is_named(data, n_jobs):
    with parallel_config(backend="threading"):
        _check_failing_model_is_named(data, n_jobs)


def _check_failing_model_is_named(data, n_jobs):
    X, y = data
    broken = np.where(np.arange(X.size).reshape(X.shape) == 0, np.nan, X)
    with pytest.raises(ValueError, match=r"Reference model \d could not be trained: .*NaN"):
        ReferenceModels(LogisticRegression(), 4, n_jobs=n_jobs).fit(broken, y)

    def fail(X, y, seed):
        raise MemoryError("too large")

    with pytest.raises(RuntimeError, match=r"Reference model \d could not be trained: too large"):
        ReferenceModels(fail, 4, n_jobs=n_jobs).fit(X, y)


# Features: what models make of a record before the soft-max.


def test_features_are_centred_log_posteriors_side_by_side():
    X, y = load_iris(return_X_y=True)
    references = ReferenceModels(GaussianNB(), n_models=4, random_state=0).fit(X, y)
    features = references.features_
    assert features.shape == (150, 12)
    assert features.dtype == np.float32
    one = np.maximum(references.outputs_[1].astype(np.float64), LEAST_LOG_POSTERIOR)
    one = np.logaddexp(one, np.log(references.smoothing_))
    expected = one - one.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(features[:, 3:6], expected, rtol=1e-5, atol=1e-5)


def test_features_of_votes_are_finite():
    X, y = load_iris(return_X_y=True)
    references = ReferenceModels(DecisionTreeClassifier(), n_models=4, random_state=0).fit(X, y)
    assert np.isinf(references.outputs_).any()
    assert np.isfinite(references.features_).all()
