"""The cache of reference models: whole files, named by content; runs that go on."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import os
import stat
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import FunctionTarget
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
def test_killed_runs_go_on(networks, capsys):
    file = Path(__file__).parents[1] / "benchmarks" / "kill_resume.py"
    spec = importlib.util.spec_from_file_location("kill_resume", file)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    # It raises where finished models are trained again, or answers are others.
    benchmark.main(["--kills=5", "--seed=1", *["--networks"] * networks])
    assert "5 kills, 5 resumes, the same answers at the end." in capsys.readouterr().out


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


@pytest.mark.parametrize(
    "setting", [{"enable_metadata_routing": True}, {"transform_output": "pandas"}]
)
def test_settings_that_decide_what_is_trained_count(tmp_path, data, setting):
    fit(tmp_path, data, DecisionTreeClassifier())
    n_files = len(list(tmp_path.rglob("*.npy")))
    with config_context(**setting):
        fit(tmp_path, data, DecisionTreeClassifier())
    assert len(list(tmp_path.rglob("*.npy"))) == 2 * n_files > 0


def test_parameter_that_cannot_be_described_is_named(tmp_path, data):
    model = make_pipeline(FunctionTransformer(kw_args={"on": (i for i in "ab")}), GaussianNB())
    with pytest.raises(ValueError, match=r"estimator\.steps.*generator.*Drop cache="):
        fingerprint(model, "estimator")
