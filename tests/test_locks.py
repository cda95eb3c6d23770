"""Runs that share a folder do each work once."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels
from mia_sklearn._process import _locks
from mia_sklearn._process._locks import one_at_a_time

HOLD = """
import sys, time
from pathlib import Path
from mia_sklearn._process._locks import one_at_a_time
with one_at_a_time(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


class Slow:
    """Trains trees, counts them, and gives others the time to begin the same."""

    def __init__(self):
        self.trained = []

    def __call__(self, X, y, seed):
        self.trained.append(seed)
        time.sleep(0.01)
        return DecisionTreeClassifier(max_depth=3, random_state=seed).fit(X, y)

    def __reduce__(self):
        return Slow, ()


def test_runs_at_the_same_time_train_each_model_once(tmp_path, caplog):
    data, train = make_classification(60, random_state=0), Slow()

    def fit(n_models):
        models = ReferenceModels(train, n_models, cache=tmp_path, random_state=0)
        return models.fit(*data).outputs_

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(fit, [4, 4, 6]))
    assert sorted(train.trained) == sorted(set(train.trained))
    assert len(train.trained) == 6
    assert np.array_equal(answers[0], answers[1])
    assert list(tmp_path.glob(".*")) == []
    assert "Waiting for another run" in caplog.text


def test_one_goes_on_at_a_time(tmp_path):
    path, waited, inside, most = tmp_path / "lock", [], [], []

    def work(_):
        for _ in range(20):
            with one_at_a_time(path, lambda: waited.append(1)):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert max(most) == 1 and len(most) == 80
    assert waited
    assert not path.exists()


def test_a_run_that_was_killed_holds_nobody_up(tmp_path):
    path, waited = tmp_path / "lock", threading.Event()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        threading.Thread(target=lambda: waited.wait(10) and process.kill()).start()
        with one_at_a_time(path, waited.set):
            assert process.wait(timeout=10) != 0
    assert waited.is_set()


def test_a_file_that_was_taken_away_meanwhile_is_no_lock(tmp_path, monkeypatch):
    path, lock, n_tries = tmp_path / "lock", _locks._lock, []

    def lock_late(handle):
        if not n_tries:
            path.unlink()
        n_tries.append(1)
        lock(handle)

    monkeypatch.setattr(_locks, "_lock", lock_late)
    with one_at_a_time(path, pytest.fail):
        assert path.exists()
    assert len(n_tries) == 2


@pytest.mark.parametrize("there", ["folder", "link", "nothing"])
def test_where_nothing_can_be_locked_nothing_is_waited_for(tmp_path, there):
    path = tmp_path / "lock"
    if there == "folder":
        path.mkdir()
    elif there == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path = tmp_path / "missing" / "lock"
    with one_at_a_time(path, pytest.fail):
        pass
    assert not (tmp_path / "elsewhere").exists()
    assert there != "folder" or path.is_dir()
