"""The cache of reference models: whole files, named by content; runs that go on."""

from __future__ import annotations

import collections
import dataclasses
import enum
import errno
import functools
import hashlib
import importlib.util
import io
import json
import logging
import os
import stat
import subprocess
import sys
import threading
import time
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import FunctionTarget, defenses
from mia_sklearn._models._code import is_installed
from mia_sklearn._models._fingerprint import fingerprint
from mia_sklearn.references import ReferenceModels
from mia_sklearn.references._store import ArrayStore


@pytest.fixture
def data():
    return make_classification(80, random_state=0)


class Counted:
    """Trains trees and counts them, in a way that its description leaves out."""

    def __init__(self, depth=3, fail_at=None, error=KeyboardInterrupt):
        self.depth, self.fail_at, self.error = depth, fail_at, error
        self.trained = []

    def __call__(self, X, y, seed):
        if len(self.trained) == self.fail_at:
            raise self.error
        self.trained.append(seed)
        return DecisionTreeClassifier(max_depth=self.depth, random_state=seed).fit(X, y)

    def __reduce__(self):
        return Counted, (self.depth,)


def fit(folder, data, train, **options):
    return ReferenceModels(train, 4, cache=folder, **{"random_state": 0, **options}).fit(*data)


# --- resuming -------------------------------------------------------------------------------


def test_second_run_trains_nothing_and_answers_the_same(tmp_path, data):
    train = Counted()
    first = fit(tmp_path, data, train)
    assert len(train.trained) == 4
    second = fit(tmp_path, data, train)
    assert len(train.trained) == 4
    assert np.array_equal(first.outputs_, second.outputs_)
    assert np.array_equal(first.outputs_, fit(None, data, train).outputs_)
    assert isinstance(first.outputs_, np.memmap) and not first.outputs_.flags.writeable
    assert first.outputs_.dtype == np.float32


def test_more_models_keep_the_first_ones(tmp_path, data):
    train = Counted()
    few = fit(tmp_path, data, train)
    many = ReferenceModels(train, 10, cache=tmp_path, random_state=0).fit(*data)
    assert len(train.trained) == 10
    assert np.array_equal(few.outputs_, many.outputs_[:4])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError("too large")])
def test_interrupted_run_leaves_finished_models(tmp_path, data, error):
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        fit(tmp_path, data, Counted(fail_at=3, error=error))
    assert len(list(tmp_path.glob("model-*.npy"))) == 3
    train = Counted()
    resumed = fit(tmp_path, data, train)
    assert len(train.trained) == 1
    assert np.array_equal(resumed.outputs_, fit(None, data, Counted()).outputs_)


def test_unseeded_run_resumes(tmp_path, data):
    train = Counted()
    first = fit(tmp_path, data, train, random_state=None)
    second = fit(tmp_path, data, train, random_state=None)
    assert len(train.trained) == 4
    assert np.array_equal(first.membership_, second.membership_)


def test_seed_and_cores_of_the_estimator_do_not_matter(tmp_path, data):
    fit(tmp_path, data, RandomForestClassifier(3))
    before = sorted(tmp_path.iterdir())
    fit(tmp_path, data, RandomForestClassifier(3, random_state=5, n_jobs=2), n_jobs=2)
    assert sorted(tmp_path.iterdir()) == before


X, Y = make_classification(80, random_state=0)
OTHER = X.copy()
OTHER[79, 19] += 1e-9
CHANGES = {
    "data": {"data": (OTHER, Y)},
    "type of data": {"data": (X.astype(np.float32), Y)},
    "order": {"data": (X[::-1], Y[::-1])},
    "labels": {"data": (X, np.where(np.arange(80) == 0, 1 - Y, Y))},
    "names of labels": {"data": (X, np.array(["a", "b"])[Y])},
    "columns": {"data": (pd.DataFrame(X).add_prefix("a"), Y)},
    "parameter": {"estimator": DecisionTreeClassifier(max_depth=2)},
    "estimator": {"estimator": GaussianNB()},
    "seed": {"random_state": 1},
    "size": {"train_size": 0.75},
    "sampling": {"sampling": "disjoint"},
    "fit_params": {"fit": {"fit_params": {"sample_weight": np.ones(80)}}},
    "classes": {"fit": {"classes": [1, 0]}},
    "core": {"fit": {"core": (X[:1], Y[:1])}},
    "population": {"fit": {"population": (X, Y)}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_trains_anew(tmp_path, change):
    def files(estimator=None, data=(X, Y), fit=(), **options):
        options = {"random_state": 0, **options}
        refs = ReferenceModels(estimator or DecisionTreeClassifier(), 4, cache=tmp_path, **options)
        refs.fit(*data, **dict(fit))
        return set(tmp_path.iterdir())

    before = files()
    after = files(**CHANGES[change])
    assert len(after - before) >= 5


def test_versions_are_part_of_the_name(tmp_path, data, monkeypatch):
    train = Counted()
    fit(tmp_path, data, train)
    monkeypatch.setattr("sklearn.__version__", "99")
    fit(tmp_path, data, train)
    assert len(train.trained) == 8


@pytest.mark.slow
@pytest.mark.parametrize("networks", [False, True])
def test_killed_runs_go_on(networks):
    file = Path(__file__).parents[1] / "benchmarks" / "kill_resume.py"
    spec = importlib.util.spec_from_file_location("kill_resume", file)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    rows = benchmark.kill_and_resume(kills=5, n_jobs=2, seed=1, networks=networks)
    assert len(rows) == 5
    assert not any(again for *_, again in rows)


# --- files ----------------------------------------------------------------------------------


def test_files_are_private_plain_arrays(tmp_path, data):
    refs = fit(tmp_path / "new" / "folder", data, Counted())
    folder = tmp_path / "new" / "folder"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert len(files) == 5
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert np.isin(np.load(file, allow_pickle=False), refs.outputs_).all()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "longer", "swap"])
@pytest.mark.parametrize("which", ["model-*", "outputs-*"])
def test_damaged_file_is_noticed_and_made_anew(tmp_path, data, damage, which):
    expected = np.array(fit(tmp_path, data, Counted()).outputs_)
    files = sorted(tmp_path.glob(which))
    content = bytearray(files[0].read_bytes())
    if damage == "flip":
        content[200] ^= 1
    elif damage == "cut":
        del content[-100:]
    elif damage == "empty":
        content = bytearray()
    elif damage == "longer":
        content += b"x"
    else:
        content = bytearray(sorted(tmp_path.glob("model-*"))[-1].read_bytes())
    files[0].write_bytes(content)
    if which == "model-*":
        next(tmp_path.glob("outputs-*")).unlink()
    train = Counted()
    with pytest.warns(UserWarning, match="is damaged.*made anew"):
        again = fit(tmp_path, data, train)
    assert np.array_equal(again.outputs_, expected)
    assert len(train.trained) == (which == "model-*")


def test_write_is_all_or_nothing(tmp_path):
    store = ArrayStore(tmp_path)

    def parts():
        yield np.zeros(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write("a", (6,), parts())
    assert list(tmp_path.iterdir()) == []
    assert store.read("a", np.any) is None
    assert store.write("a", (2, 3), [np.arange(3), np.arange(3)])
    assert np.array_equal(store.read("a", np.any), [[0, 1, 2], [0, 1, 2]])


def test_abandoned_files_go_and_those_of_other_runs_stay(tmp_path):
    old, new = tmp_path / ".model-a.1.tmp", tmp_path / ".model-a.2.tmp"
    for file in (old, new):
        file.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    ArrayStore(tmp_path)
    assert list(tmp_path.iterdir()) == [new]


def test_folder_that_cannot_be_written_is_refused_before_training(tmp_path, data):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        train = Counted()
        with pytest.raises(ValueError, match=r"cache=.* is (a file|not a folder that)"):
            fit(folder, data, train)
        assert train.trained == []


# Trouble with files: what is computed is never lost.


def answers_in(folder, data, train=None):
    return np.array(fit(folder, data, train or Counted()).outputs_)


def test_files_that_cannot_be_answers_are_passed_over(tmp_path, data):
    expected = answers_in(tmp_path, data)
    store = ArrayStore(tmp_path)
    models = sorted(file.stem for file in tmp_path.glob("model-*"))
    together = next(tmp_path.glob("outputs-*")).stem
    # Whole files, with the checksum that belongs to them.
    forged = {
        "another shape": [np.zeros((80, 3))],
        "above 1": [np.full((80, 2), 0.5)],
        "half and more": [np.full((80, 2), -0.1)],
        "no number": [np.full((80, 2), np.nan)],
    }
    for name, parts in zip(models, forged.values(), strict=True):
        assert store.write(name, parts[0].shape, parts)
    assert store.write(together, (1, 80, 2), [np.full((1, 80, 2), -1.0)])
    train = Counted()
    with pytest.warns(UserWarning, match="is damaged: its content is not what models answered"):
        assert np.array_equal(answers_in(tmp_path, data, train), expected)
    assert len(train.trained) == 4
    assert np.array_equal(answers_in(tmp_path, data, train), expected)
    assert len(train.trained) == 4


@pytest.mark.parametrize("forged", [-np.inf, -80.0])
def test_answers_that_leave_no_class_likely_are_passed_over(tmp_path, data, forged):
    expected = answers_in(tmp_path, data)
    store = ArrayStore(tmp_path)
    together = next(tmp_path.glob("outputs-*")).stem
    for name in sorted(file.stem for file in tmp_path.glob("model-*")):
        assert store.write(name, (80, 2), [np.full((80, 2), forged)])
    assert store.write(together, (4, 80, 2), [np.full((4, 80, 2), forged)])
    with pytest.warns(UserWarning, match="not what models answered"):
        assert np.array_equal(answers_in(tmp_path, data), expected)


def test_several_answers_in_the_place_of_one_are_passed_over(tmp_path, data):
    expected = answers_in(tmp_path, data)
    next(tmp_path.glob("outputs-*")).unlink()
    first = next(tmp_path.glob("model-*")).stem
    assert ArrayStore(tmp_path).write(first, (2, 80, 2), [np.log(np.full((2, 80, 2), 0.5))])
    with pytest.warns(UserWarning, match="not what models answered"):
        assert np.array_equal(answers_in(tmp_path, data), expected)


def with_another_class(X, y, seed):
    return GaussianNB().fit(np.concatenate([X, X[:9] + 1]), np.concatenate([y, np.full(9, 7)]))


def test_models_that_know_other_classes_too_are_found_again(tmp_path):
    X, y = make_classification(80, random_state=0)
    for _ in range(2):
        # A file taken for a damaged one would be a warning, which fails the test.
        refs = ReferenceModels(with_another_class, 4, cache=tmp_path, random_state=0)
        assert refs.fit(X, y, classes=[0, 1]).outputs_.shape == (4, 80, 2)


@pytest.mark.parametrize("header", [b"{[]:1}", b"(" * 100, b"[" * 5000, b"\xff", b"{'descr': 1}"])
def test_headers_that_are_none_are_passed_over(tmp_path, data, header):
    expected = answers_in(tmp_path, data)
    next(tmp_path.glob("outputs-*")).unlink()
    file = next(tmp_path.glob("model-*"))
    content = b"\x93NUMPY\x01\x00" + len(header + b"\n").to_bytes(2, "little") + header + b"\n"
    file.write_bytes(content + hashlib.sha256(file.stem.encode() + content).digest())
    with pytest.warns(UserWarning, match="is damaged"):
        assert np.array_equal(answers_in(tmp_path, data), expected)


@pytest.mark.parametrize("folder", ["", " ", "a\0b"])
def test_what_names_no_folder_is_refused(folder):
    with pytest.raises(ValueError, match=r"cache=.*names no folder"):
        ArrayStore(folder)


def test_pickles_and_texts_with_a_checksum_are_passed_over(tmp_path, data):
    expected = answers_in(tmp_path, data)
    next(tmp_path.glob("outputs-*")).unlink()
    first, second, *_ = sorted(tmp_path.glob("model-*"))
    objects = io.BytesIO()
    np.save(objects, np.array([print]), allow_pickle=True)
    for file, content in ((first, objects.getvalue()), (second, b"no array at all")):
        file.write_bytes(content + hashlib.sha256(file.stem.encode() + content).digest())
    with pytest.warns(UserWarning, match=r"is damaged.*as are others") as caught:
        assert np.array_equal(answers_in(tmp_path, data), expected)
    assert len(caught) == 1


@pytest.mark.parametrize("header", ["{[]:1}", "(" * 100, "{'shape': " + "-" * 5000 + "1}"])
def test_headers_that_are_no_code_are_passed_over(tmp_path, header):
    content = np.lib.format.magic(1, 0) + len(header).to_bytes(2, "little") + header.encode()
    store = ArrayStore(tmp_path)
    store.path("a").write_bytes(content + hashlib.sha256(b"a" + content).digest())
    with pytest.warns(UserWarning, match=r"a\.npy is damaged"):
        assert store.read("a", np.any) is None


def test_rows_in_which_no_class_is_likely_are_passed_over(tmp_path, data):
    expected = answers_in(tmp_path, data)
    next(tmp_path.glob("outputs-*")).unlink()
    first, second, *_ = sorted(file.stem for file in tmp_path.glob("model-*"))
    for name, answer in ((first, -np.inf), (second, -80.0)):
        assert ArrayStore(tmp_path).write(name, (80, 2), [np.full((80, 2), answer)])
    train = Counted()
    with pytest.warns(UserWarning, match="is damaged: its content is not what models answered"):
        assert np.array_equal(answers_in(tmp_path, data, train), expected)
    assert len(train.trained) == 2


def test_posteriors_for_more_classes_than_are_audited_are_trained_once(tmp_path, data):
    def three(X, y, seed):
        trained.append(seed)
        return FunctionTarget(lambda X: np.full((len(X), 3), 1 / 3), classes=[0, 1, 2])

    trained = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = answers_in(tmp_path, data, three)
    assert len(trained) == 4
    assert np.allclose(answers, np.log(1 / 3))


def test_links_to_nothing_are_replaced_and_folders_are_left(tmp_path, data):
    expected = answers_in(tmp_path, data)
    next(tmp_path.glob("outputs-*")).unlink()
    link, folder, *_ = sorted(tmp_path.glob("model-*"))
    for file in (link, folder):
        file.unlink()
    link.symlink_to(tmp_path / "nowhere")
    folder.mkdir()
    leftover = tmp_path / ".model-a.1.tmp"
    leftover.symlink_to(tmp_path / "nowhere")
    with pytest.warns(UserWarning, match=r"cache=.* cannot be written to any more.*in memory"):
        assert np.array_equal(answers_in(tmp_path, data), expected)
    assert link.is_file() and not link.is_symlink() and folder.is_dir()


@pytest.mark.parametrize("written", [0, 2, 4])
def test_a_full_disk_keeps_answers_in_memory(tmp_path, data, monkeypatch, written):
    expected = answers_in(None, data)
    done = []

    def fsync(handle):
        done.append(handle)
        if len(done) > written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    train = Counted()
    with pytest.warns(UserWarning, match="No space left on device.*in memory") as caught:
        assert np.array_equal(answers_in(tmp_path, data, train), expected)
    assert len(caught) == 1
    assert len(train.trained) == 4
    assert len(list(tmp_path.iterdir())) == written


def test_a_folder_that_is_emptied_meanwhile_loses_nothing(tmp_path, data):
    expected = answers_in(None, data)

    def train(X, y, seed):
        for file in tmp_path.glob("model-*"):
            file.unlink()
        return Counted()(X, y, seed)

    assert np.array_equal(answers_in(tmp_path, data, train), expected)


def test_files_that_vanish_while_one_looks_are_no_trouble(tmp_path, monkeypatch):
    for k in range(3):
        (tmp_path / f".model-a.{k}.tmp").touch()
    lstat = Path.lstat

    def vanish(path):
        path.unlink(missing_ok=True)
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", vanish)
    ArrayStore(tmp_path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_two_runs_on_one_folder_answer_the_same(tmp_path, data):
    expected = answers_in(None, data)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: answers_in(tmp_path, data), range(4)))
    assert all(np.array_equal(answers, expected) for answers in found)
    assert len(list(tmp_path.iterdir())) == 5


# --- names ----------------------------------------------------------------------------------


def _make(parameter):
    offset = parameter

    def function(X, scale=2, *, shift=0):
        return X * scale + shift + offset + HELPERS["x"] + _helper(0)

    return function


def _helper(x):
    return x + 1


HELPERS = {"x": 1}


class Own(BaseEstimator):
    def __init__(self, value=1):
        self.value = value


class Plain:
    def __init__(self, value):
        self.value = value


@dataclasses.dataclass
class Options:
    depth: int = 3
    names: list = dataclasses.field(default_factory=list, metadata={"unit": "none"})


@dataclasses.dataclass(frozen=True)
class Fixed:
    depth: int = 3


class Slots:
    __slots__ = ("depth", "unset")

    def __init__(self, depth):
        self.depth = depth


class Depth(enum.Enum):
    LOW = 3
    HIGH = 4


class Pair(NamedTuple):
    one: int
    other: int = 2


class Lazy:
    lock = threading.Lock()
    log = logging.getLogger("of.somebody")
    current = ContextVar("current")

    def __init__(self, value):
        self.value = value

    @functools.cached_property
    def twice(self):
        return 2 * self.value

    @functools.lru_cache(maxsize=3)  # noqa: B019
    def thrice(self):
        return 3 * self.value


def _local(depth):
    class Local(BaseEstimator):
        deepest = depth

        def __init__(self, value=1):
            self.value = value

    return Local()


def _keyword_only(depth):
    def train(X, y, seed, *, depth=depth):
        return DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(X, y)

    return train


def _inner(depth):
    return lambda v: [lambda w: w + depth for _ in v]


FRAME = pd.DataFrame({"n": [1.0, np.nan], "s": ["a", None], "c": pd.Categorical(["u", "v"])})
DISTINCT = {
    "none": None,
    "false": False,
    "zero": 0,
    "zero float": 0.0,
    "text": "0",
    "bytes": b"0",
    "list": [0],
    "tuple": (0,),
    "nested": [[0]],
    "dict": {0: 0},
    "dict order 1": {"a": 1, "b": 2},
    "dict order 2": {"b": 2, "a": 1},
    "set": {"a", "b", "c"},
    "array": np.array([0]),
    "array float": np.array([0.0]),
    "array shape": np.array([[0]]),
    "array text": np.array(["0"]),
    "array objects": np.array([0, "0"], dtype=object),
    "array other objects": np.array(["0", 0], dtype=object),
    "sparse": sparse.csr_array(np.array([[0, 1]])),
    "sparse other": sparse.csr_array(np.array([[1, 0]])),
    "frame": FRAME,
    "frame names": FRAME.rename(columns={"n": "m"}),
    "frame value": FRAME.assign(n=[1.0, 2.0]),
    "frame missing": FRAME.assign(s=["a", "None"]),
    "frame categories": FRAME.assign(c=FRAME["c"].cat.reorder_categories(["v", "u"])),
    "frame order": FRAME.assign(c=FRAME["c"].cat.as_ordered()),
    "frame text": FRAME.assign(s=FRAME["s"].astype("string")),
    "frame type": FRAME.assign(n=FRAME["n"].astype("float32")),
    "series": FRAME["n"],
    "lambda 1": lambda v: v + 1,
    "lambda 2": lambda v: v + 2,
    "lambda name": lambda v: np.log(v) + 0,
    "lambda other name": lambda v: np.exp(v) + 0,
    "lambda default": lambda v=1: v,
    "lambda other default": lambda v=2: v,
    "lambda set": lambda v: v in {"a", "b", "c", "d"},
    "closure 1": _make(1),
    "closure 2": _make(2),
    "partial": functools.partial(_make(1), scale=3),
    "partial other": functools.partial(_make(1), scale=4),
    "ufunc": np.log1p,
    "other ufunc": np.expm1,
    "builtin": len,
    "installed function": np.median,
    "module": np,
    "class": Own,
    "other class": Plain,
    "installed class": StandardScaler,
    "method": Plain(1).__init__,
    "object": Plain(1),
    "object value": Plain(2),
    "estimator": Own(1),
    "estimator value": Own(2),
    "estimator nested": Own(Own(2)),
    "pipeline": make_pipeline(FunctionTransformer(_make(1)), LogisticRegression()),
    "pipeline function": make_pipeline(FunctionTransformer(_make(2)), LogisticRegression()),
    "generator": np.random.default_rng(0),
    "generator state": np.random.default_rng(1),
    "random state": np.random.RandomState(0),
    "data class": Options(),
    "data class value": Options(4),
    "data class itself": Options,
    "frozen data class": Fixed(),
    "slots": Slots(1),
    "slots value": Slots(2),
    "enumeration": Depth,
    "low": Depth.LOW,
    "high": Depth.HIGH,
    "named pair": Pair(1),
    "other named pair": Pair(1, 3),
    "lazy": Lazy(1),
    "lazy value": Lazy(2),
    "local class": _local(3),
    "other local class": _local(4),
    "keyword only": _keyword_only(3),
    "keyword only value": _keyword_only(4),
    "inner": _inner(3),
    "inner value": _inner(4),
    "read-only dict": types.MappingProxyType({"c": 1}),
    "default dict": collections.defaultdict(list, a=1),
    "other default dict": collections.defaultdict(set, a=1),
    "remembering function": functools.lru_cache(lambda v: v + 3),
    "other remembering function": functools.lru_cache(lambda v: v + 4),
    "dispatching function": functools.singledispatch(lambda v: v + 5),
    "other dispatching function": functools.singledispatch(lambda v: v + 6),
    "path": Path("a"),
    "other path": Path("b"),
}


def test_everything_has_its_own_name():
    names = {key: fingerprint(value, key) for key, value in DISTINCT.items()}
    assert len(set(names.values())) == len(names)
    # Whoever walks again, in whatever order, comes to the same.
    for key in reversed(DISTINCT):
        assert fingerprint(DISTINCT[key], "again") == names[key]


def _digests():
    return {key: fingerprint(value, key).hex() for key, value in DISTINCT.items()}


def test_names_are_the_same_in_every_process():
    script = (
        "import importlib.util, json, sys\n"
        "spec = importlib.util.spec_from_file_location(sys.argv[2], sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules[sys.argv[2]] = module\n"
        "spec.loader.exec_module(module)\n"
        "print(json.dumps(module._digests()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, __file__, __name__],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == _digests()


def test_code_and_globals_of_functions_count(monkeypatch):
    before = fingerprint(_make(1), "f")
    monkeypatch.setitem(HELPERS, "x", 2)
    assert fingerprint(_make(1), "f") != before
    monkeypatch.undo()
    assert fingerprint(_make(1), "f") == before
    monkeypatch.setitem(globals(), "_helper", lambda x: x)
    assert fingerprint(_make(1), "f") != before


def test_globals_of_inner_code_and_attributes_of_functions_count(monkeypatch):
    def outer():
        def inner():
            return _helper(0)

        return inner

    before = fingerprint(outer, "f")
    outer.depth = 3
    assert fingerprint(outer, "f") != before
    del outer.depth
    assert fingerprint(outer, "f") == before
    monkeypatch.setitem(globals(), "_helper", lambda x: x)
    assert fingerprint(outer, "f") != before


def test_what_a_module_trains_counts(one_torch_thread):
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(3, 2)
    before = fingerprint(layer, "module")
    torch.nn.init.zeros_(layer.weight)
    assert fingerprint(layer, "module") == before, "weights are drawn anew"
    layer.weight.requires_grad_(False)
    assert fingerprint(layer, "module") != before


def test_copies_count(tmp_path, data):
    plain = fit(tmp_path, data, DecisionTreeClassifier())
    asked = fit(tmp_path, data, DecisionTreeClassifier(), n_queries=2)
    assert plain.query_outputs_ is None
    assert asked.query_outputs_.shape == (4, 2, 80, 2)
    assert np.array_equal(asked.outputs_, plain.outputs_)
    again = fit(tmp_path, data, DecisionTreeClassifier(), n_queries=2)
    assert np.array_equal(again.query_outputs_, asked.query_outputs_)


def test_what_is_trained_on_counts(tmp_path):
    """The same records in the same order: half of them are drawn from, or in each training set."""
    some, rest = (X[:40], Y[:40]), (X[40:], Y[40:])
    refs = [
        ReferenceModels(DecisionTreeClassifier(), 4, cache=tmp_path, random_state=0).fit(*some, **x)
        for x in ({"population": rest}, {"core": rest})
    ]
    assert [one.outputs_.shape[1] for one in refs] == [80, 40]


@pytest.mark.parametrize("defense", sorted(vars(defenses)["__all__"]))
def test_every_defense_has_a_name(defense):
    """Wherever this package lies: its version tells its code."""
    kind = getattr(defenses, defense)
    if isinstance(kind, type) and hasattr(kind, "get_params"):
        wrapped = kind(DecisionTreeClassifier(max_depth=3))
        assert fingerprint(wrapped, "one") == fingerprint(clone(wrapped), "other")
        assert fingerprint(wrapped, "one") != fingerprint(kind(GaussianNB()), "other")


def test_code_of_own_classes_and_modules_counts(tmp_path, monkeypatch):
    file = tmp_path / "own_model.py"

    def described(text):
        file.write_text(text)
        spec = importlib.util.spec_from_file_location("own_model", file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "own_model", module)
        # Its own line, or the byte code of the earlier text, written in the same second, serves.
        exec(compile(text, file, "exec"), module.__dict__)
        return fingerprint(module.Model(), "model"), fingerprint(module, "module")

    text = (
        "from sklearn.base import BaseEstimator\n"
        "class Model(BaseEstimator):\n"
        "    def fit(self, X, y):\n"
        "        return super().fit(X, 1)\n"
    )
    one, again, other = described(text), described(text), described(text.replace("1", "2"))
    assert one == again
    assert one[0] != other[0] and one[1] != other[1]


@pytest.fixture
def own_modules(tmp_path, monkeypatch):
    """Write modules into a folder that Python imports from, and forget the earlier ones."""
    # Bytecode tells a text by its time and length alone.
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "own_package").mkdir()
    names = ("own_helper", "own_inner", "own_package", "own_package.part")

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name.replace('__', '/')}.py").write_text(text)
        for name in names:
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()

    yield write
    for name in names:
        sys.modules.pop(name, None)


def _imports_within(X, y, seed):
    import own_helper

    return own_helper.train(X, y)


def _imports_a_part(X, y, seed):
    from own_package import part

    return part.train(X, y)


def _imports_deep_inside(X, y, seed):
    def inner():
        from own_helper import train as trained

        return trained

    return inner()(X, y)


def _may_lack(X, y, seed):
    import own_nowhere

    return own_nowhere.train(X, y)


HELPER = "import own_inner\nDEPTH = 1\n\ndef train(X, y):\n    return own_inner.DEPTH + DEPTH\n"


@pytest.mark.parametrize("function", [_imports_within, _imports_deep_inside])
def test_modules_that_code_imports_count(function, own_modules):
    own_modules(own_inner="DEPTH = 1", own_helper=HELPER)
    before = fingerprint(function, "f")
    own_modules(own_inner="DEPTH = 1", own_helper=HELPER)
    assert fingerprint(function, "f") == before
    own_modules(own_inner="DEPTH = 2", own_helper=HELPER)
    assert fingerprint(function, "f") != before, "a module that the module imports"
    own_modules(own_inner="DEPTH = 1", own_helper=HELPER.replace("+", "-"))
    assert fingerprint(function, "f") != before


def test_parts_of_packages_that_code_imports_count(own_modules):
    names = []
    for depth in (1, 2, 1):
        own_modules(own_package__part=f"def train(X, y):\n    return {depth}\n")
        names.append(fingerprint(_imports_a_part, "f"))
    assert names[0] == names[2] != names[1]
    assert fingerprint(_may_lack, "f") == fingerprint(_may_lack, "f")


def test_a_package_without_init_is_told_by_its_own_folder(
    own_modules, tmp_path_factory, monkeypatch
):
    part = "def train(X, y):\n    return 1\n"
    own_modules(own_package__part=part)
    before = fingerprint(_imports_a_part, "f")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "unrelated.py").write_text("DEPTH = 3")
    monkeypatch.chdir(elsewhere)
    own_modules(own_package__part=part)
    assert fingerprint(_imports_a_part, "f") == before


def test_what_is_set_in_a_module_at_run_time_counts(own_modules, monkeypatch):
    own_modules(own_inner="DEPTH = 1", own_helper=HELPER)
    helper, inner = map(importlib.import_module, ("own_helper", "own_inner"))

    def in_a_cell(X, y, seed):
        return helper.train(X, y)

    monkeypatch.setitem(globals(), "own_helper_here", helper)
    as_global = eval("lambda X, y, seed: own_helper_here.train(X, y)", globals())
    functions = (_imports_within, in_a_cell, as_global)
    before = [fingerprint(function, "f") for function in functions]
    for module in (helper, inner):
        module.DEPTH = 2
        assert all(map(bytes.__ne__, before, [fingerprint(f, "f") for f in functions]))
        module.DEPTH = 1
    assert before == [fingerprint(function, "f") for function in functions]
    # What no code names may differ from run to run.
    helper.n_calls = 7
    # Modules that hold one another end.
    inner.own_helper, helper.own_inner = helper, inner
    assert before[1] == fingerprint(in_a_cell, "f")


def test_requests_of_metadata_and_outputs_count():
    with config_context(enable_metadata_routing=True):
        plain = make_pipeline(StandardScaler(), LogisticRegression())
        asks = clone(plain)
        asks.steps[1][1].set_fit_request(sample_weight=True)
        refuses = clone(plain)
        refuses.steps[1][1].set_fit_request(sample_weight=False)
        framed = clone(plain).set_output(transform="pandas")
        models = (plain, asks, refuses, framed)
        assert len({fingerprint(model, "m") for model in models}) == 4
        assert len({fingerprint(clone(model), "m") for model in models}) == 4
        assert fingerprint(clone(asks), "m") == fingerprint(asks, "m")


@pytest.mark.parametrize(
    "setting", [{"enable_metadata_routing": True}, {"transform_output": "pandas"}]
)
def test_settings_that_decide_what_is_trained_count(tmp_path, data, setting):
    fit(tmp_path, data, DecisionTreeClassifier())
    n_files = len(list(tmp_path.rglob("*.npy")))
    with config_context(**setting):
        fit(tmp_path, data, DecisionTreeClassifier())
    assert len(list(tmp_path.rglob("*.npy"))) == 2 * n_files > 0


def test_this_package_counts_by_its_version():
    for module in (defenses, sys.modules[ReferenceModels.__module__]):
        assert is_installed(module)


def test_objects_within_themselves_have_names():
    loop = [1]
    loop.append(loop)
    longer = [1, 2]
    longer.append(longer)
    assert fingerprint(loop, "loop") == fingerprint(loop, "loop")
    assert fingerprint(loop, "loop") != fingerprint(longer, "longer")


def test_parameter_that_cannot_be_described_is_named(tmp_path, data):
    model = make_pipeline(FunctionTransformer(kw_args={"on": (i for i in "ab")}), GaussianNB())
    with pytest.raises(ValueError, match=r"estimator\.steps.*generator.*Drop cache="):
        fingerprint(model, "estimator")
