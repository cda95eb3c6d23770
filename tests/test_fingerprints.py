"""What a cache names its files by: whatever decides how a model is trained, and nothing else."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import importlib.util
import json
import logging
import os
import subprocess
import sys
import threading
import types
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import defenses
from mia_sklearn._models._code import is_installed
from mia_sklearn._models._fingerprint import fingerprint
from mia_sklearn.references import ReferenceModels


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
