"""Worker processes: no more than there is work for, and none that outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from joblib import cpu_count, parallel_config
from sklearn.datasets import make_classification
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.parallel import Parallel, delayed

from mia_sklearn import ReferenceModels
from mia_sklearn._process._parallel import at_most, map_on_cores, settled_warnings

SLEEPING = """
import os, time
import numpy as np
from joblib import parallel_config
from mia_sklearn import ReferenceModels

def train(X, y, seed):
    print(os.getpid(), flush=True)
    time.sleep(60)

with parallel_config(backend="loky"):
    ReferenceModels(train, 4, n_jobs=2).fit(np.zeros((8, 2)), np.arange(8) % 2)
"""


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_workers_end_with_their_parent(number):
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPING], stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            worker = int(parent.stdout.readline())
            assert worker != parent.pid
            parent.send_signal(number)
            # Standard output ends when nobody holds it any more.
            parent.communicate(timeout=60)
        finally:
            parent.kill()
    deadline = time.monotonic() + 60
    while is_alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_more_jobs_than_models_or_cores(monkeypatch):
    X, y = make_classification(40, random_state=0)
    asked = []
    begin = Parallel.__init__

    def noted(self, n_jobs=None, **options):
        asked.append(n_jobs)
        begin(self, n_jobs=n_jobs, **options)

    monkeypatch.setattr(Parallel, "__init__", noted)
    with parallel_config(backend="threading"):
        many = ReferenceModels(GaussianNB(), 4, n_jobs=99_999, random_state=0).fit(X, y)
        one = ReferenceModels(GaussianNB(), 4, n_jobs=1, random_state=0).fit(X, y)
    assert asked == [min(4, cpu_count()), 1]
    assert np.array_equal(many.outputs_, one.outputs_)
    # Of an empty list of tasks there is still a number of jobs.
    assert [at_most(n, 0) for n in (None, -1, 1, 99_999)] == [None, -1, 1, 1]


def test_networks_take_no_more_cores_than_there_are(one_torch_thread):
    from mia_sklearn.torch._training._machine import n_cores

    assert n_cores(99_999) == cpu_count()
    assert n_cores(None) == 1


def test_work_on_cores_keeps_its_order_and_tells_the_first_error():
    assert map_on_cores(lambda n: -n, iter([3, 1, 2])) == [-3, -1, -2]
    assert map_on_cores(abs, []) == []

    def fail(n):
        raise ValueError(n)

    with pytest.raises(ValueError, match=r"^0$"):
        map_on_cores(fail, range(9))


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_whoever_interrupts_work_on_cores_does_not_wait_for_it():
    begun, end, done = [], threading.Event(), []

    def work(n):
        begun.append(n)
        if n == 0:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        done.append(end.wait(5))

    # Whoever was started in the background by a shell hears no SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            map_on_cores(work, range(9 * cpu_count()))
    finally:
        signal.signal(signal.SIGINT, before)
    assert not done
    assert len(begun) <= cpu_count()
    end.set()


def test_warnings_are_as_before_after_threads_have_altered_them():
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        own = list(warnings.filters)
        with settled_warnings():
            # As any thread of scikit-learn leaves them for a moment.
            warnings.resetwarnings()
            function, arguments, _ = delayed(abs)(-1)
            assert function(*arguments) == 1
            warnings.warn("of a model", UserWarning, stacklevel=1)
        assert list(warnings.filters) == own
        warnings.warn("after", UserWarning, stacklevel=1)
    assert [str(each.message) for each in shown] == ["of a model", "after"]
    assert list(warnings.filters) == before
