"""Where reference models train: here, in threads, in processes; the same models each time."""

from __future__ import annotations

import pickle
import random
import threading
import time
import warnings
from collections import Counter, deque
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from joblib._parallel_backends import ThreadingBackend
from joblib.externals.loky.backend.reduction import dumps
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.parallel import Parallel, delayed

from mia_sklearn import ReferenceModels
from mia_sklearn._models._trainable import may_draw_globally, prefers_threads
from mia_sklearn._process import _engine, _shared
from mia_sklearn._process._engine import arrived, at_home, done_here_first, may_begin_here, parallel
from mia_sklearn._process._shared import Shared
from mia_sklearn.references._coded import coded
from mia_sklearn.references._lost import CannotTrain

X, Y = make_classification(40, random_state=0)
TREE = DecisionTreeClassifier()


# How many were in `fit` of the following at a time.
BUSY = [0]


class Drawing(TransformerMixin, BaseEstimator):
    """Adds what NumPy's global generator draws, while nobody else does."""

    def fit(self, X, y=None):
        BUSY.append(BUSY[-1] + 1)
        time.sleep(0.002)
        self.shift_ = np.random.normal(size=X.shape[1])  # noqa: NPY002
        BUSY.append(BUSY[-1] - 1)
        return self

    def transform(self, X):
        return X + self.shift_ + np.random.normal(size=X.shape)  # noqa: NPY002


def state():
    return np.random.get_state()[1].tolist()  # noqa: NPY002


def answers(model, n_jobs=None):
    references = ReferenceModels(model, 4, n_jobs=n_jobs, random_state=0, smoothing=0.1)
    return references.fit(X, Y).outputs_.tobytes()


# --- threads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        lambda X, y, seed: None,
        make_pipeline(Drawing(), TREE),
        make_pipeline(FunctionTransformer(lambda X: X), TREE),
        GridSearchCV(TREE, {}, cv=KFold(3, shuffle=True)),
        GridSearchCV(make_pipeline(None, TREE), {"nonetype": [Drawing()]}),
    ],
)
def test_what_may_draw_from_the_global_generator_prefers_no_threads(model):
    assert may_draw_globally(model) and not prefers_threads(model)


def test_threads_where_they_serve():
    known = make_pipeline(FunctionTransformer(np.log1p), SelectKBest(k=2), RandomForestClassifier())
    assert prefers_threads(known)
    for split in (KFold(3), KFold(3, shuffle=True, random_state=0)):
        assert prefers_threads(GridSearchCV(TREE, {}, cv=split))
    for drawing in (LinearSVC(), SVC(probability=True), LogisticRegression(solver="liblinear")):
        assert may_draw_globally(drawing) and not prefers_threads(make_pipeline(drawing))
    assert prefers_threads(SVC())
    for held in (LogisticRegression(), HistGradientBoostingClassifier()):
        assert not may_draw_globally(held) and not prefers_threads(GridSearchCV(held, {}))


def test_what_draws_from_the_global_generator_is_the_same_in_threads_and_by_itself():
    model = make_pipeline(Drawing(), GaussianNB())
    before = state()
    alone = answers(model)
    BUSY[:] = [0]
    with parallel_config(backend="threading"):
        assert answers(model, n_jobs=2) == alone
    assert BUSY == [0, 1] * 4 + [0]
    assert state() == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["drawing", "plain", "liblinear"])
def test_models_are_the_same_wherever_they_train(kind, monkeypatch):
    def drawn(X):
        return X + np.random.normal(size=X.shape)  # noqa: NPY002

    dual = {"solver": "liblinear", "dual": True, "max_iter": 3_000}
    first = FunctionTransformer(drawn) if kind == "drawing" else StandardScaler()
    model = make_pipeline(first, LogisticRegression(**dual if kind == "liblinear" else {}))
    alone = answers(model)
    assert answers(model, n_jobs=2) == alone
    monkeypatch.setattr(_engine, "_SECONDS_OF_PROCESS", 0)
    assert answers(model, n_jobs=2) == alone
    for backend in ("loky", "threading", "multiprocessing"):
        with parallel_config(backend=backend):
            if kind == "drawing" and backend == "multiprocessing":
                # It cannot send a function of a function.
                with pytest.raises(CannotTrain, match="give n_jobs=1, or train in threads"):
                    answers(model, n_jobs=2)
            else:
                assert answers(model, n_jobs=2) == alone


def test_what_draws_from_pythons_generator_is_seeded():
    def drawing(X, y, seed):
        return LogisticRegression(C=random.random()).fit(X, y)

    before = random.getstate()
    assert answers(drawing) == answers(drawing)
    assert random.getstate() == before


# --- here first -----------------------------------------------------------------------------


@pytest.fixture
def engines(monkeypatch):
    """Let threads stand for processes, which take seconds to start; note who is asked."""
    asked = []

    def parallel(n_jobs, *, prefer, return_as, pre_dispatch=None):
        def begin(tasks):
            asked.append(prefer)
            return engine(tasks)

        engine = Parallel(n_jobs=n_jobs, backend="threading", return_as=return_as)
        return begin

    monkeypatch.setattr(_engine, "parallel", parallel)
    return asked


def here_first(function, n_tasks=8, *, in_threads=False):
    tasks = deque(range(n_tasks))
    given = done_here_first(function, tasks, lambda task: (task,), 2, in_threads=in_threads)
    return given, tasks


def where(task):
    time.sleep(0.005)
    return task, threading.get_ident()


@pytest.mark.parametrize("in_threads", [False, True])
def test_short_work_starts_no_processes(engines, in_threads):
    results, _ = here_first(where, in_threads=in_threads)
    done = list(results)
    assert engines == ["threads"] * in_threads
    assert sorted(task for task, _ in done) == list(range(8))
    here = [place == threading.get_ident() for _, place in done]
    assert here == [True] + [not in_threads] * 7


def test_processes_take_over_when_they_have_come_up(engines, monkeypatch):
    monkeypatch.setattr(_engine, "_SECONDS_OF_PROCESS", 0)
    results, _ = here_first(where, 12, in_threads=True)
    done = list(results)
    assert engines == ["processes"]
    assert Counter(task for task, _ in done) == Counter(range(12))
    assert done[0] == (0, threading.get_ident())
    assert len({place for _, place in done}) > 1


@pytest.mark.parametrize(("n_tasks", "seconds"), [(3, 9.0), (30, 1.0)])
def test_processes_are_started_while_the_first_task_goes_on(engines, monkeypatch, n_tasks, seconds):
    # It takes long, or so do all that are left if each takes no less than it has yet.
    monkeypatch.setattr(_engine, "_stopwatch", lambda: lambda: seconds)
    monkeypatch.setattr(_engine, "_SECONDS_BETWEEN_LOOKS", 0.001)
    here, elsewhere = threading.get_ident(), threading.Event()

    def wait(task):
        return elsewhere.wait(10) if threading.get_ident() == here else elsewhere.set()

    done = list(here_first(wait, n_tasks)[0])
    assert len(done) == n_tasks
    assert done[0] is True
    assert None in done


@pytest.mark.parametrize("seconds", [0, 100])
def test_nothing_is_begun_after_an_error_or_an_end(engines, seconds, monkeypatch):
    monkeypatch.setattr(_engine, "_SECONDS_OF_PROCESS", seconds)

    def fail(task):
        raise KeyboardInterrupt

    results, tasks = here_first(fail)
    with pytest.raises(KeyboardInterrupt):
        list(results)
    assert not tasks
    results, tasks = here_first(where)
    next(results)
    results.close()
    assert not tasks


@pytest.mark.parametrize("in_threads", [False, True])
def test_whoever_ends_early_is_not_warned_then_or_later(engines, in_threads, monkeypatch):
    monkeypatch.setattr(_engine, "_SECONDS_OF_PROCESS", 100 if in_threads else 0)
    begun, begin = [], threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda t: begun.append(t.name) or begin(t))
    results, _ = here_first(where, 40, in_threads=in_threads)
    while next(results)[1] == threading.get_ident():
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results.close()
    # joblib leaves it to a thread, which warns at whatever time, where a stranger closes.
    assert "GeneratorExitThread" not in begun


def test_who_chose_a_backend_gets_it():
    assert may_begin_here("processes") and not may_begin_here("threads")
    for backend in ("loky", "threading", "sequential"):
        with parallel_config(backend=backend):
            assert not may_begin_here("processes")


class Whole(ThreadingBackend):
    """Hands over results when all of them are there, as multiprocessing and Spark do."""

    supports_return_generator = False
    calls: ClassVar = []

    def start_call(self):
        self.calls.append(1)


def test_results_that_come_together_come_in_rounds():
    alone = answers(GaussianNB())
    with parallel_config(backend=Whole(), n_jobs=2):
        assert answers(GaussianNB()) == alone
        # Of four models, two at a time.
        assert len(Whole.calls) == 2
        rounds = parallel(2, prefer=None, return_as="generator")(
            delayed(where)(n) for n in [1, 2, 3]
        )
        assert [task for task, _ in rounds] == [1, 2, 3]


@pytest.mark.parametrize(
    ("hint", "model"),
    [
        ({"prefer": "processes"}, RandomForestClassifier(1)),
        ({"require": "sharedmem"}, GaussianNB()),
    ],
)
def test_hints_change_no_answer(hint, model):
    alone = answers(model)
    with parallel_config(**hint, n_jobs=2):
        assert answers(model) == alone
        with at_home():
            RandomForestClassifier(1).fit(X, Y).predict_proba(X)


def test_no_jobs_are_refused_whoever_was_told_so():
    with parallel_config(n_jobs=0), pytest.raises(ValueError, match="parallel_config was given n_"):
        answers(GaussianNB())


def test_what_cannot_be_sent_is_told_with_what_to_do(monkeypatch):
    def unsendable(*given, **options):
        raise pickle.PicklingError("Could not pickle the task to send it to the workers.")
        yield

    monkeypatch.setattr("mia_sklearn._process._engine.done_here_first", unsendable)
    with pytest.raises(RuntimeError, match="cannot be sent to another process: give n_jobs=1"):
        answers(LogisticRegression(), n_jobs=2)


# --- what is shared -------------------------------------------------------------------------


def test_a_frame_travels_as_its_arrays_and_is_made_once_by_each_process(monkeypatch):
    monkeypatch.setattr(_shared, "_held", _shared._Held())
    frame = pd.DataFrame(np.arange(300_000.0).reshape(-1, 3))
    shared = Shared({"frame": frame, "function": lambda: 3})
    _, (_, content, arrays) = shared.__reduce__()
    assert shared.__reduce__()[1][1] is content
    assert [array.nbytes for array in arrays] == [2_400_000]
    assert np.shares_memory(arrays[0], frame[0].to_numpy()) and len(content) < 2_000
    sent = dumps(shared)
    value = arrived(pickle.loads(sent))
    pd.testing.assert_frame_equal(value["frame"], frame)
    assert value["function"]() == 3
    assert arrived(pickle.loads(sent)) is value
    _shared._held.end.cancel()
    _shared._held.drop()
    assert arrived(pickle.loads(sent)) is not value
    _shared._held.end.cancel()


# --- numbers for texts ----------------------------------------------------------------------

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "number": RNG.normal(size=60),
        "city": RNG.choice(["Ulm", "Bonn", "Köln"], 60),
        "count": RNG.integers(9, size=60),
        "job": pd.Series(RNG.choice(["cook", "baker", "miner", "clerk"], 60)).where(
            RNG.random(60) > 0.1
        ),
        "rare": ["once", *["often"] * 59],
    },
    index=np.arange(60)[::-1],
)
TEXTS = ["city", "job", "rare"]
ENCODERS = [
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(handle_unknown="ignore", sparse_output=False, drop="first"),
    OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=12, drop="if_binary"),
    OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-2, encoded_missing_value=-1, dtype=int
    ),
    make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
]


def in_front(encoder, others="passthrough"):
    texts = make_column_selector(dtype_exclude="number")
    columns = make_column_transformer((encoder, texts), (StandardScaler(), ["count", "number"]))
    return make_pipeline(columns.set_params(remainder=others), GaussianNB())


def content(table):
    parts = (table.data, table.indices, table.indptr) if hasattr(table, "indptr") else (table,)
    return [(part.dtype, part.strides, part.tobytes()) for part in parts]


@pytest.mark.filterwarnings("ignore:Found unknown categories")
@pytest.mark.parametrize("kind", [object, "str"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_numbers_for_texts_give_the_next_step_the_same_bytes(encoder, kind):
    frame = FRAME.astype(dict.fromkeys(TEXTS, kind)) if kind is object else FRAME
    model, numbers = coded(in_front(encoder), frame)
    assert frame.dtypes[TEXTS].tolist() != numbers.dtypes[TEXTS].tolist()
    assert all(pd.api.types.is_numeric_dtype(dtype) for dtype in numbers.dtypes)
    rows = RNG.permutation(np.arange(1, 60))[:30]
    encoded = []
    for pipeline, table in ((in_front(encoder), frame), (model, numbers)):
        columns = pipeline[0]
        encoded.append(content(columns.fit_transform(table.iloc[rows].copy())))
        encoded.append(content(columns.transform(table)))
    assert encoded[:2] == encoded[2:]


class Own(OneHotEncoder):
    pass


@pytest.mark.parametrize(
    "model",
    [
        in_front(Own(handle_unknown="ignore")),
        in_front(OneHotEncoder(categories=[["a"], ["b"], ["c"]])),
        in_front(TargetEncoder()),
        in_front(
            make_pipeline(
                SimpleImputer(strategy="most_frequent", keep_empty_features=True),
                OneHotEncoder(handle_unknown="ignore"),
            )
        ),
        in_front(OneHotEncoder(sparse_output=False)).set_output(transform="pandas"),
        make_pipeline(make_column_transformer((OneHotEncoder(), lambda X: TEXTS)), TREE),
        make_pipeline(
            make_column_transformer((OneHotEncoder(), TEXTS), ("passthrough", TEXTS)), TREE
        ),
        make_pipeline(OneHotEncoder(), TREE),
        OneHotEncoder(),
    ],
)
def test_texts_that_others_read_stay_texts(model):
    assert coded(model, FRAME) is None


@pytest.mark.parametrize("cell", [None, 3, pd.NA])
def test_columns_of_other_things_stay_as_they_are(cell):
    model = in_front(OneHotEncoder(handle_unknown="ignore"))
    mixed = FRAME.astype({"city": object})
    mixed.iloc[0, 1] = cell
    assert coded(model, mixed) is None
    assert coded(model, FRAME.astype({"city": "category"})) is None
    assert coded(model, FRAME.to_numpy()) is None


def test_models_of_raw_frames_are_those_of_their_texts(monkeypatch):
    y = (FRAME["count"] > 4).astype(int)
    model = in_front(OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    quick = ReferenceModels(model, 2, random_state=0).fit(FRAME, y)
    monkeypatch.setattr("mia_sklearn.references._job.coded", lambda *given: None)
    plain = ReferenceModels(model, 2, random_state=0).fit(FRAME, y)
    assert quick.outputs_.tobytes() == plain.outputs_.tobytes()


def test_what_cannot_be_trained_is_told_in_the_words_of_the_records():
    y = (FRAME["count"] > 4).astype(int)
    alone = in_front(OneHotEncoder(sparse_output=False))
    with pytest.warns(UserWarning, match="categories \\['once'\\]"):
        ReferenceModels(alone, 2, random_state=0).fit(FRAME, y)
