"""Clusters: what is sent once, what workers keep themselves, and which of them are refused."""

from __future__ import annotations

import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy
from joblib import parallel_config
from joblib._parallel_backends import ThreadingBackend
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from mia_sklearn import ReferenceModels, audit
from mia_sklearn._models._code import version_of
from mia_sklearn._process._engine import at_home, away, has_lost_workers
from mia_sklearn._process._parallel import one_thread
from mia_sklearn.defenses import SELENA
from mia_sklearn.references._cache import store_at
from mia_sklearn.references._job import CODE, Job
from mia_sklearn.references._lost import CannotTrain
from mia_sklearn.references._store import ArrayStore
from mia_sklearn.references._training import _unpacked, packed, train
from mia_sklearn.references._url_store import UrlStore
from mia_sklearn.selection import compare_defenses

X, Y = make_classification(60, random_state=0)
FAR_AWAY = ("another machine", 1)


def job_of(estimator, **options):
    return Job(estimator, X, Y, np.array([0, 1]), {}, 0, 0, **options)


def fit(estimator, cache=None, **options):
    return ReferenceModels(estimator, 4, cache=cache, random_state=0, **options).fit(X, Y)


# --- what is sent ---------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 300])
@pytest.mark.parametrize("n", [1, 8, 101])
def test_counts_arrive_as_they_were_packed(n, most):
    counts = np.random.default_rng(n).integers(0, most + 1, n).astype(np.uint16)
    content = packed(counts)
    assert np.array_equal(_unpacked(content, n), counts)
    assert most > 1 or len(content) == -(-n // 8)


def test_threads_are_as_before_when_the_last_task_has_ended():
    def threads():
        found = threadpool_info()
        return [library["num_threads"] for library in found if library["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before, (first, second) = threads(), (one_thread(), one_thread())
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(threads()) == {1} != set(before)
        second.__exit__(None, None, None)
        assert threads() == before


def test_the_end_of_workers_is_told_from_errors_of_models():
    class KilledWorker(Exception):
        """As Dask raises it."""

    assert has_lost_workers(KilledWorker())
    assert not has_lost_workers(CannotTrain())


# --- workers --------------------------------------------------------------------------------


def sent(job):
    return pickle.loads(pickle.dumps(job))


def test_a_worker_of_other_versions_is_refused(monkeypatch):
    job = sent(job_of(GaussianNB(), home=FAR_AWAY))
    with monkeypatch.context() as patch:
        patch.setattr(scipy, "__version__", "1.2.3")
        version_of.cache_clear()
        with pytest.raises(CannotTrain, match=r"has scipy 1\.2\.3 in place of .*Install the same"):
            train(job, 0, packed(np.ones(60, int)), seed=0)
    version_of.cache_clear()
    model, answers = train(job, 0, packed(np.ones(60, int)), seed=0)
    assert model == 0 and answers.shape == (60, 2)


def test_a_worker_with_other_code_is_refused(monkeypatch):
    class Tree(DecisionTreeClassifier):
        depth = 2

    monkeypatch.setitem(globals(), "Tree", Tree)
    Tree.__qualname__ = "Tree"
    job = sent(job_of(Tree(), home=FAR_AWAY))
    Tree.depth = 3
    with pytest.raises(CannotTrain, match=CODE):
        train(job, 0, packed(np.ones(60, int)), seed=0)


class Changing:
    """What it holds differs in every copy, which does not make it other code."""

    copies: ClassVar = []

    def __reduce__(self):
        self.copies.append(1)
        return Changing, (), {"copies": len(self.copies)}


def test_a_worker_is_not_refused_for_what_no_copy_keeps():
    assert job_of(Changing()).makers.keys() >= {"numpy", "scipy", "sklearn", "mia_sklearn"}
    assert CODE not in job_of(Changing()).makers
    assert CODE in job_of(GaussianNB()).makers


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_a_worker_keeps_answers_where_it_sees_the_mark_of_its_run(tmp_path, where):
    if where == "memory":
        pytest.importorskip("fsspec")
    store = store_at(tmp_path if where == "folder" else f"memory://{tmp_path}")
    job = job_of(GaussianNB(), home=FAR_AWAY, store=store)
    given = (packed(np.ones(60, int)), 0, "model-a")
    with store.alone("training"):
        assert train(job, 0, *given) == (0, None)
        kept = store.read("model-a", job.may_be_answers)
        # One that was kept already, by a worker that was given up, is not trained again.
        assert train(replace(job, estimator="none"), 1, *given) == (1, None)
    # Another folder of that name, on another machine.
    _, answers = train(job, 0, *given)
    assert np.array_equal(kept, answers)
    # In the process that began it the run itself keeps them.
    with store.alone("training"):
        assert train(job_of(GaussianNB(), store=store), 0, *given)[1].shape == (60, 2)


def test_answers_of_another_user_are_not_kept_by_a_worker(tmp_path, monkeypatch):
    store = ArrayStore(tmp_path)
    with store.alone("training"):
        assert store.is_here()
        monkeypatch.setattr("os.geteuid", lambda: -1)
        assert not store.is_here()


def test_searches_of_audits_stay_at_home():
    class DaskDistributedBackend(ThreadingBackend):
        """A cluster, by its name, of threads."""

        supports_sharedmem = False
        given: ClassVar = set()

    # joblib 1.4 calls it otherwise.
    submit = "submit" if hasattr(ThreadingBackend, "submit") else "apply_async"

    def noted(self, func, callback=None):
        self.given |= {
            getattr(function, "function", function).__name__ for function, *_ in func.items
        }
        return getattr(ThreadingBackend, submit)(self, func, callback)

    setattr(DaskDistributedBackend, submit, noted)
    near = NearestNeighbors(algorithm="kd_tree").fit(X)
    with parallel_config(backend=DaskDistributedBackend(), n_jobs=2), at_home():
        near.kneighbors(X)
        assert not DaskDistributedBackend.given
        with away():
            near.kneighbors(X)
        assert DaskDistributedBackend.given
    assert hasattr(audit, "__wrapped__") and hasattr(compare_defenses, "__wrapped__")


# --- caches at a URL ------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path):
    pytest.importorskip("fsspec")
    return f"memory://{tmp_path}"


def objects(url):
    from fsspec.core import url_to_fs

    files, root = url_to_fs(url)
    return dict.fromkeys(files.find(root), files)


class Counting:
    """Trains trees and counts them, in a way that its description leaves out."""

    def __init__(self):
        self.trained = 0

    def __call__(self, X, y, seed):
        self.trained += 1
        return DecisionTreeClassifier(max_depth=2, random_state=seed).fit(X, y)

    def __reduce__(self):
        return Counting, ()


def test_a_url_holds_what_a_folder_would(tmp_path, url):
    train_tree = Counting()
    first = fit(train_tree, url)
    assert np.array_equal(first.outputs_, fit(train_tree, tmp_path).outputs_)
    there = {Path(path).name: files.cat_file(path) for path, files in objects(url).items()}
    here = {path.name: path.read_bytes() for path in tmp_path.glob("model-*")}
    assert there == here
    again = fit(train_tree, url)
    assert train_tree.trained == 8
    assert np.array_equal(first.outputs_, again.outputs_)


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b""])
def test_a_damaged_object_is_made_anew(url, damage):
    train_tree = Counting()
    first = fit(train_tree, url)
    path, files = next(iter(objects(url).items()))
    whole = files.cat_file(path)
    files.pipe_file(path, damage(whole))
    with pytest.warns(UserWarning, match="is damaged: its content does not match"):
        assert np.array_equal(fit(train_tree, url).outputs_, first.outputs_)
    assert train_tree.trained == 5
    assert files.cat_file(path) == whole


def test_objects_that_cannot_be_written_any_more_stay_in_memory(url, monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    write = MemoryFileSystem.pipe_file

    def refuse(self, path, value, **options):
        if path.endswith(".npy"):
            raise PermissionError("quota")
        return write(self, path, value, **options)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.warns(UserWarning, match=r"cannot be written to any more \(quota\)"):
        refs = fit(GaussianNB(), url)
    assert np.array_equal(refs.outputs_, fit(GaussianNB()).outputs_)


def test_urls_are_refused_before_training(url, monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    def refuse(self, *given, **options):
        raise PermissionError("denied")

    with pytest.raises(ValueError, match="needs fsspec and its package for such URLs"):
        fit(GaussianNB(), "nowhere://bucket/folder")
    with pytest.raises(ValueError, match="lost a slash"):
        fit(GaussianNB(), Path("s3://bucket/folder"))
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "pipe_file", refuse)
        with pytest.raises(ValueError, match=r"cannot be written to \(denied\)"):
            fit(GaussianNB(), url)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "fsspec.core", None)
        with pytest.raises(ValueError, match="Install them here and on all workers"):
            fit(GaussianNB(), url)


# --- clusters of separate processes ---------------------------------------------------------


@pytest.fixture(scope="module")
def store():
    """An object store on this machine, known to workers that start after it; None without one."""
    try:
        import s3fs
        from moto.server import ThreadedMotoServer
    except ImportError:
        yield None
        return
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(names, ("key", "secret", f"http://{host}:{port}"), strict=True):
            patch.setenv(name, value)
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("references")
        yield "s3://references"
    server.stop()


@pytest.fixture
def bucket(store, tmp_path):
    if store is None:
        pytest.skip("s3fs and moto are not installed")
    return f"{store}/{tmp_path.name}"


@pytest.fixture(scope="module")
def dask(store):
    """Two workers of Dask, each with two threads."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def ray(store):
    """Two workers of Ray."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="error")
    register_ray()
    yield ray
    ray.shutdown()


@pytest.fixture(params=["dask", "ray"])
def engine(request):
    request.getfixturevalue(request.param)
    with parallel_config(backend=request.param, n_jobs=-1):
        yield request.param


def frame():
    """Records of several kinds, of which a pipeline makes numbers, with names of classes."""
    X = pd.DataFrame(make_classification(120, 6, random_state=0)[0]).add_prefix("x")
    X["kind"] = pd.Categorical(np.where(X["x0"] > 0, "a", "b"))
    return X, np.array(["no", "yes"])[(X["x1"] > 0).astype(int)]


def pipeline():
    encode = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    return make_pipeline(encode, StandardScaler(), LogisticRegression())


CASES = {
    "frame": (pipeline(), *frame(), {"sampling": "bootstrap"}),
    "labels alone": (RandomForestClassifier(3), X, Y, {"signal": "label"}),
    "numbers": (LinearRegression(), X, X[:, 0] + Y, {}),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_a_cluster_answers_as_one_process_does(engine, tmp_path, case):
    estimator, X, y, options = CASES[case]
    options = {"random_state": 0, **options}
    there = ReferenceModels(estimator, 6, cache=tmp_path, **options).fit(X, y)
    with parallel_config(backend="threading", n_jobs=1):
        here = ReferenceModels(estimator, 6, **options).fit(X, y)
    assert here.outputs_.tobytes() == there.outputs_.tobytes()
    assert len(list(tmp_path.glob("model-*"))) == 6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_job_leaves_once_whatever_the_number_of_models(engine, monkeypatch):
    pickled = []
    state = Job.__getstate__
    monkeypatch.setattr(Job, "__getstate__", lambda job: pickled.append(1) or state(job))
    ReferenceModels(DecisionTreeClassifier(), 12, random_state=0).fit(X, Y)
    assert len(pickled) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_whole_audits_and_comparisons_are_the_same_on_a_cluster(engine):
    model = DecisionTreeClassifier(random_state=0).fit(X[:30], Y[:30])
    given = (model, X[:30], Y[:30], X[30:], Y[30:])
    options = {"n_references": 4, "random_state": 0, "progress": False}
    there = audit(*given, attacks=["lira", "threshold"], **options)
    models = {"plain": model, "SELENA": SELENA(model, n_models=5, n_left_out=2)}
    compared = {"n_references": 4, "attacks": ["lira"], "random_state": 0}
    defended = compare_defenses(models, X, Y, **compared)
    with parallel_config(backend="threading", n_jobs=1):
        here = audit(*given, attacks=["lira", "threshold"], **options)
        at_home = compare_defenses(models, X, Y, **compared)
    pd.testing.assert_frame_equal(here.metrics, there.metrics)
    timed = [name for name in at_home.columns if "time" in name or "ratio" in name]
    pd.testing.assert_frame_equal(at_home.drop(columns=timed), defended.drop(columns=timed))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_workers_write_to_an_object_store(engine, bucket, monkeypatch):
    # Not this process.
    monkeypatch.setattr(UrlStore, "write", None)
    there = fit(DecisionTreeClassifier(), bucket)
    files = {Path(path).name: store for path, store in objects(bucket).items()}
    assert sorted(name[:6] for name in files) == ["model-"] * 4
    with parallel_config(backend="threading", n_jobs=1):
        here = fit(DecisionTreeClassifier())
    assert here.outputs_.tobytes() == there.outputs_.tobytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_other_versions_on_a_worker_end_the_run(dask):
    def spoil(version):
        import scipy

        from mia_sklearn._models import _code

        scipy.__version__, before = version, scipy.__version__
        _code.version_of.cache_clear()
        return before

    other = max(dask.run(spoil, "1.2.3").values())
    try:
        with (
            parallel_config(backend="dask"),
            pytest.raises(CannotTrain, match=r"On Dask: .* has scipy 1\.2\.3 in place of"),
        ):
            # Workers have found the estimators of other tests alike.
            fit(DecisionTreeClassifier(max_depth=7))
    finally:
        dask.run(spoil, other)


WITHOUT = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mia_sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Lacking())
"""
OTHER = """
import sys

class Altering:
    def find_spec(self, name, path=None, target=None):
        if name == "mia_sklearn.references._job":
            from mia_sklearn import _version

            _version.__version__ = "9.9.9"

sys.meta_path.insert(0, Altering())
"""


SPOILED = {"without it": WITHOUT, "with another": OTHER}


@pytest.fixture(params=SPOILED)
def spoiled(request, tmp_path):
    """Return the environment of Python processes that are without this package or have another."""
    (tmp_path / "sitecustomize.py").write_text(SPOILED[request.param])
    paths = [str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return request.param, {"PYTHONPATH": os.pathsep.join(paths)}


LACKING = {
    "without it": "A worker of {} cannot import 'mia_sklearn': install it on all workers",
    "with another": "On {}: A worker on .* has mia_sklearn 9.9.9 in place of .* Install the same",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_workers_of_ray_without_the_package_end_the_run(ray, spoiled):
    kind, environment = spoiled
    own = {"ray_remote_args": {"runtime_env": {"env_vars": environment}}}
    with (
        parallel_config(backend="ray", n_jobs=-1, **own),
        pytest.raises(CannotTrain, match=LACKING[kind].format("Ray")),
    ):
        fit(DecisionTreeClassifier())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_workers_of_dask_without_the_package_end_the_run(spoiled, monkeypatch):
    distributed = pytest.importorskip("distributed")
    kind, environment = spoiled
    # Of processes that start from now on.
    monkeypatch.setenv(*environment.popitem())
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
        parallel_config(backend="dask"),
        pytest.raises(CannotTrain, match=LACKING[kind].format("Dask")),
    ):
        fit(DecisionTreeClassifier())
