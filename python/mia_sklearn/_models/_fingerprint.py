"""A name for any estimator, function or table that says what it holds, not where it lies."""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from logging import Logger
from threading import Lock, RLock
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np
from scipy import sparse

from .._records._rows import is_frame, through_narwhals
from ._code import (
    globals_of,
    imports_of,
    is_installed,
    is_installed_file,
    names_in,
    source_of,
    version_of,
)
from ._kinds import is_module
from ._reach import enclosed

__all__ = ["NotDescribableError", "fingerprint"]

# Their representation says all that they are.
_PLAIN = (type(None), bool, int, float, complex, str, bytes)

# What a class carries beside its behaviour.
_NOT_BEHAVIOUR = {
    "__abstractmethods__",
    "__annotations__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__qualname__",
    "__slotnames__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}


class NotDescribableError(ValueError):
    """Something has no name by its content, so that no cache can keep what it makes."""


def fingerprint(value: Any, name: str) -> bytes:
    """Return the SHA-256 digest of a description of `value`, which errors call `name`.

    Equal in every process and for every copy, different when anything differs that could change a
    model: parameters, the code of functions and classes that no installed package holds, the
    globals that they use, the versions of packages, data types, names of columns. What can be
    described by its memory address alone is a `NotDescribableError`.
    """
    return _Describer().digest(value, name)


class _Describer:
    def __init__(self) -> None:
        # Digests by identity; the objects are kept, so that no identity is given out twice.
        self._known: dict[int, tuple[Any, bytes]] = {}
        self._active: dict[int, int] = {}
        # Modules that are being described, by what is named of them: they may hold one another.
        self._modules: set[tuple[int, frozenset[str]]] = set()
        # Of these classes themselves: subclasses may hold more than their items.
        self._exact: dict[type, Callable[[Any, str], bytes]] = {
            list: lambda value, name: self._items("list", value, name),
            tuple: lambda value, name: self._items("tuple", value, name),
            dict: lambda value, name: self._items("dict", list(value.items()), name),
            MappingProxyType: lambda value, name: self._items("dict", list(value.items()), name),
        }
        self._kinds: tuple[tuple[Any, Callable[[Any, str], bytes]], ...] = (
            ((np.ndarray, np.generic), lambda value, name: self._array(np.asarray(value), name)),
            ((set, frozenset), self._set),
            (ModuleType, lambda value, name: _hash("module", value.__name__, source_of(value))),
            (type, self._class),
            (FunctionType, self._function),
            (CodeType, self._code),
            (MethodType, self._attributes("__func__", "__self__")),
            ((staticmethod, classmethod), self._attributes("__func__")),
            (property, self._attributes("fget", "fset", "fdel")),
            (functools.partial, self._attributes("func", "args", "keywords")),
            (functools.cached_property, self._attributes("func", "attrname")),
            # Whether somebody holds it changes nothing that is computed.
            ((type(Lock()), type(RLock())), lambda value, name: _hash("lock", _kind(value))),
            # What is logged, and where, changes nothing either.
            ((ContextVar, Logger), lambda value, name: _hash(_kind(value), value.name)),
        )

    def digest(self, value: Any, name: str) -> bytes:
        if isinstance(value, _PLAIN):
            return _hash(type(value).__qualname__, repr(value))
        key = id(value)
        if key in self._known:
            return self._known[key][1]
        if key in self._active:
            # Met again inside itself, an object is told by how far up it began.
            return _hash("above", str(len(self._active) - self._active[key]))
        self._active[key] = len(self._active)
        result = self._describe(value, name)
        del self._active[key]
        self._known[key] = (value, result)
        return result

    def _describe(self, value: Any, name: str) -> bytes:
        fitting = (describe for types, describe in self._kinds if isinstance(value, types))
        describe = self._exact.get(type(value)) or next(fitting, None)
        if describe is not None:
            return describe(value, name)
        if sparse.issparse(value):
            coo = value.tocoo()
            return self._items("sparse", [value.shape, coo.row, coo.col, coo.data], name)
        if hasattr(value, "iloc"):
            return self._frame(value, name) if is_frame(value) else self._column(value, name)
        if through_narwhals(value) is not None:
            return self._foreign(value, name)
        if hasattr(value, "get_params"):
            params = value.get_params(deep=False)
            parts = [self.digest(params[key], f"{name}.{key}") for key in sorted(params)]
            # What clones keep besides: which arguments of fit are for it, how it answers.
            parts.append(self.digest(_requests_of(value), name))
            parts.append(self.digest(getattr(value, "_sklearn_output_config", {}), name))
            return _hash("estimator", self.digest(type(value), name), repr(sorted(params)), *parts)
        return self._object(value, name)

    def _frame(self, frame: Any, name: str) -> bytes:
        columns = [frame.iloc[:, j] for j in range(frame.shape[1])]
        return self._items("frame", [list(frame.columns), *columns], name)

    def _foreign(self, value: Any, name: str) -> bytes:
        """Describe a frame or a Series of Polars, pyarrow and the like."""
        seen = through_narwhals(value)
        seen = seen if hasattr(seen, "columns") else seen.to_frame()
        values = [seen[column].to_list() for column in seen.columns]
        return self._items("foreign", [str(seen.schema), *values], name)

    def _attributes(self, *attributes: str) -> Callable[[Any, str], bytes]:
        def describe(value: Any, name: str) -> bytes:
            parts = [getattr(value, attribute) for attribute in attributes]
            return self._items(type(value).__qualname__, parts, name)

        return describe

    def _items(self, kind: str, items: Sequence[Any], name: str) -> bytes:
        if all(type(item) in _PLAIN for item in items):
            return _hash(kind, repr(list(items)))
        return _hash(kind, *(self.digest(item, name) for item in items))

    def _set(self, items: Any, name: str) -> bytes:
        return _hash("set", *sorted(self.digest(item, name) for item in items))

    def _array(self, array: np.ndarray, name: str) -> bytes:
        shape = repr(array.shape)
        if array.dtype.kind in "OT":
            return self._items(f"objects {shape}", array.ravel().tolist(), name)
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return _hash("array", repr(array.dtype.descr), shape, content)

    def _column(self, column: Any, name: str) -> bytes:
        parts: list[Any] = [column.name, str(column.dtype)]
        if hasattr(column.dtype, "categories"):
            codes = column.cat.codes.to_numpy()
            categories = column.dtype.categories.to_numpy()
            ordered = bool(column.dtype.ordered)
            return self._items("column", [*parts, codes, categories, ordered], name)
        if isinstance(column.dtype, np.dtype) and column.dtype.kind != "O":
            return self._items("column", [*parts, column.to_numpy()], name)
        missing = column.isna().to_numpy()
        values = column.to_numpy(dtype=object, copy=True)
        # There are several ways to be missing, one of which is not equal to itself.
        values[missing] = None
        return self._items("column", [*parts, values], name)

    def _module(self, module: Any, name: str) -> bytes:
        """Describe a torch module; its weights, which are drawn anew, by their shapes alone."""
        own = dict(vars(module))
        weights = [
            (kind, key, tuple(tensor.shape), str(tensor.dtype), tensor.requires_grad)
            for kind in ("_parameters", "_buffers")
            for key, tensor in own.pop(kind).items()
            if tensor is not None
        ]
        return self._items("module", [type(module), weights, own], name)

    def _class(self, cls: type, name: str) -> bytes:
        where = [cls.__module__, cls.__qualname__, version_of(cls.__module__)]
        if is_installed(sys.modules.get(cls.__module__)):
            return _hash("class", *where)
        behaviour = {
            key: self.digest(value, f"{name}.{key}")
            for key, value in sorted(_body(cls).items())
            if key not in _NOT_BEHAVIOUR
        }
        bases = [self.digest(base, name) for base in cls.__bases__]
        members = [part for item in behaviour.items() for part in item]
        return _hash("class", *where, *bases, *members)

    def _function(self, function: FunctionType, name: str) -> bytes:
        code = function.__code__
        registry = getattr(function, "registry", None)
        if isinstance(registry, MappingProxyType):
            # Of `functools.singledispatch`, whose code says nothing.
            return self.digest(registry, name)
        held = [function.__defaults__, function.__kwdefaults__, vars(function), enclosed(function)]
        state = self._items("state", held, name)
        where = [function.__module__, function.__qualname__, version_of(function.__module__)]
        parts = [self.digest(code, name)]
        if not is_installed_file(code.co_filename):
            inside, names = function.__globals__, names_in(code)
            parts += [
                _hash(used, self._as_used(inside[used], names, f"{name}.{used}"))
                for used in sorted(globals_of(code))
                if used in inside
            ]
            parts += [
                self._as_used(cell, names, name) for cell in enclosed(function) if _is_module(cell)
            ]
            for imported, module in imports_of(code, inside.get("__package__")):
                parts.append(_hash(imported, self._as_used(module, names, f"{name}.{imported}")))
        return _hash("function", *where, state, *parts)

    def _as_used(self, value: Any, names: frozenset[str], name: str) -> bytes:
        """Describe a value; of a module that is not installed, also what of it code names.

        Its text does not tell what others have set in it, nor the modules that it uses.
        """
        key = (id(value), names)
        if not _is_module(value) or is_installed(value) or key in self._modules:
            return self.digest(value, name)
        self._modules.add(key)
        held = vars(value)
        # Those with underscores say where a module lies.
        used = sorted(key for key in names if key in held and not key.startswith("__"))
        parts = [_hash(key, self._as_used(held[key], names, f"{name}.{key}")) for key in used]
        self._modules.discard(key)
        return _hash("used", self.digest(value, name), *parts)

    def _code(self, code: CodeType, name: str) -> bytes:
        names = repr((code.co_name, code.co_names, code.co_varnames, code.co_freevars))
        arguments = repr((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount))
        return _hash(
            "code",
            code.co_code,
            names,
            arguments,
            repr(code.co_flags),
            self.digest(code.co_consts, name),
        )

    def _object(self, value: Any, name: str) -> bytes:
        """Describe an object by what pickle would keep of it, what torch makes by its content."""
        if is_module(value):
            return self._module(value, name)
        if hasattr(value, "detach") and hasattr(value, "numpy"):
            return self._array(value.detach().cpu().numpy(), name)
        try:
            reducer = copyreg.dispatch_table.get(type(value))
            reduced = reducer(value) if reducer else value.__reduce_ex__(4)
        except Exception as error:
            raise NotDescribableError(
                f"{name} holds a {type(value).__qualname__}, which differs from run to run or "
                f"cannot be described ({error}), so that the cache could not tell it from "
                "another. Drop cache= or replace the value."
            ) from error
        if isinstance(reduced, str):
            where = getattr(value, "__module__", None) or type(value).__module__
            # Of a function that is cached by `functools.lru_cache`, for example.
            inside = self.digest(getattr(value, "__wrapped__", None), name)
            return _hash("global", where, reduced, version_of(where), inside)
        make, arguments, *more = reduced
        state, items, pairs = [*more, None, None, None][:3]
        # The class is an argument of the general makers, and may be of this session's making.
        parts = [make, arguments, type(value), state, list(items or ()), list(pairs or ())]
        return self._items("object", parts, name)


def _requests_of(estimator: Any) -> dict[str, Any]:
    """Return what an estimator asks of metadata routing, by method."""
    methods = vars(getattr(estimator, "_metadata_request", object)).items()
    return {name: dict(part.requests) for name, part in methods if hasattr(part, "requests")}


def _body(cls: type) -> dict[str, Any]:
    """Return what the body of a class defines.

    Of an enumeration the values of its members and its own functions: Python keeps more beside
    them, which other code may alter.
    """
    if not issubclass(cls, enum.Enum):
        return dict(vars(cls))
    members = {name: member.value for name, member in cls.__members__.items()}
    others = {name: value for name, value in vars(cls).items() if name not in members}
    return members | {
        name: value
        for name, value in others.items()
        if not name.startswith("_")
        or (isinstance(value, FunctionType) and not is_installed_file(value.__code__.co_filename))
    }


def _is_module(value: Any) -> bool:
    return isinstance(value, ModuleType)


def _kind(value: Any) -> str:
    return type(value).__qualname__


def _hash(*parts: Any) -> bytes:
    sha = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        sha.update(len(content).to_bytes(8, "little"))
        sha.update(content)
    return sha.digest()
