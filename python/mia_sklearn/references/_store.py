"""Arrays, and texts, in files named by what they hold, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import itertools
import logging
import os
import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from .._process._folders import path_of
from .._process._locks import one_at_a_time

__all__ = ["DIGEST_BYTES", "ArrayStore", "BaseStore"]

DIGEST_BYTES = 32
_READ_BYTES = 2**22
_SECONDS_UNTIL_ABANDONED = 24 * 3600


class BaseStore(ABC):
    """Arrays by name, which workers write where they see what the process that sent them sees.

    A file is an ordinary `.npy` file with the SHA-256 digest of its name and content behind it.
    Texts are kept in the same way.
    """

    #: Whether what is read lies in a file that can be mapped into memory.
    maps = False

    def __init__(self, where: str) -> None:
        self.where = where
        self._work = ""
        self._has_warned = False

    @contextmanager
    def alone(self, work: str) -> Iterator[None]:
        """Let one run at a time do a work, among all that share the store, where it can tell."""
        self._work = work
        with self._begun(work):
            yield

    @abstractmethod
    def _begun(self, work: str) -> Any:
        """Leave a mark for workers while a work is being done; wait for others that do it."""

    @abstractmethod
    def is_here(self) -> bool:
        """Tell whether a worker sees the mark of the work that it was sent for."""

    def write(self, name: str, shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> bool:
        """Write a float32 array, given as consecutive parts along its first axis.

        Returns
        -------
        bool
            False, after a warning, where it cannot be written: the disk is full, for example.
        """
        return self._put(f"{name}.npy", _signed(name, _of_array(shape, parts)))

    def write_text(self, name: str, text: str) -> bool:
        """Write a text, as `write` does an array."""
        return self._put(f"{name}.txt", _signed(name, [text.encode()]))

    def read_text(self, name: str) -> str | None:
        """Return a text; None when it is absent or damaged."""
        file = f"{name}.txt"
        try:
            content = self._get(file)
            if content is None:
                return None
            text = content[:-DIGEST_BYTES]
            if hashlib.sha256(name.encode() + text).digest() != content[-DIGEST_BYTES:]:
                raise ValueError("its content does not match its checksum")
            return text.decode()
        except Exception as error:  # Each kind of store has errors of its own.
            self._warn_of_damage(f"{self.where}/{file}", error)
            return None

    @abstractmethod
    def _put(self, file: str, contents: Iterable[Any]) -> bool:
        """Write a file whole, or leave it as it is, warn and return False."""

    @abstractmethod
    def _get(self, file: str) -> bytes | None:
        """Return the content of a file; None when it is absent."""

    @abstractmethod
    def read(self, name: str, may_be: Callable[[np.ndarray], bool]) -> np.ndarray | None:
        """Return an array, read-only; None when it is absent or damaged.

        Parameters
        ----------
        name : str
        may_be : callable
            Tells whether an array can be what is to be found here.
        """

    def _warn(self, message: str) -> None:
        """Warn, of the first trouble only: more of it would be of the same kind."""
        if not self._has_warned:
            warnings.warn(message, stacklevel=4)
        self._has_warned = True

    def _warn_of_writing(self, why: Any) -> None:
        self._warn(
            f"cache={self.where!r} cannot be written to any more ({why}): answers stay in memory, "
            "and a later run will not find them."
        )

    def _warn_of_damage(self, what: Any, error: Exception) -> None:
        self._warn(f"{what} is damaged: {error}. It is made anew, as are others like it.")


class ArrayStore(BaseStore):
    """A folder of arrays and texts.

    Which records a model trained on can be read from what it answers, so nobody but the
    owner may read the files.

    Parameters
    ----------
    folder : str or path
        Made when it does not exist.

    Raises
    ------
    ValueError
        If the folder cannot be written to.
    """

    maps = True

    def __init__(self, folder: Any) -> None:
        super().__init__(str(folder))
        # Workers are in other folders.
        self.folder = path_of("cache", folder).absolute()
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"cache={str(folder)!r} is a file. Name a folder.")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            raise ValueError(
                f"cache={str(folder)!r} is not a folder that can be written to "
                f"({error.strerror}). Choose another folder, or allow writing there."
            ) from error
        for leftover in self.folder.glob(".*.tmp"):
            # Younger ones may belong to a run that shares the folder; others go while we look.
            with suppress(OSError):
                if time.time() - leftover.lstat().st_mtime > _SECONDS_UNTIL_ABANDONED:
                    leftover.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return where an array lies, once written."""
        return self.folder / f"{name}.npy"

    def _mark(self, work: str) -> Path:
        return self.folder / f".{work}.lock"

    def _begun(self, work: str) -> Any:
        def tell() -> None:
            logging.getLogger("mia_sklearn").warning(
                "Waiting for another run that trains the same reference models in %s.", self.folder
            )

        return one_at_a_time(self._mark(work), tell)

    def is_here(self) -> bool:
        try:
            owner = self._mark(self._work).stat().st_uid
        except OSError:
            return False
        # What another user wrote, its owner alone could read.
        return not hasattr(os, "geteuid") or owner == os.geteuid()

    def _put(self, file: str, contents: Iterable[Any]) -> bool:
        temporary = None
        try:
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=f".{file}.", suffix=".tmp")
            with os.fdopen(handle, "wb") as written:
                for content in contents:
                    written.write(content)
                written.flush()
                os.fsync(written.fileno())
            Path(temporary).replace(self.folder / file)
        except BaseException as error:
            if temporary is not None:
                with suppress(OSError):
                    Path(temporary).unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            self._warn_of_writing(error.strerror)
            return False
        return True

    def read(self, name: str, may_be: Callable[[np.ndarray], bool]) -> np.ndarray | None:
        path = self.path(name)
        if not path.is_file():
            return None
        try:
            if not _is_whole(path, name):
                raise ValueError("its content does not match its checksum")
            array = np.lib.format.open_memmap(path, mode="r")
            if array.dtype != np.float32 or not may_be(array):
                raise ValueError("its content is not what models answered")
        except FileNotFoundError:
            # Another run has taken it away.
            return None
        except Exception as error:  # NumPy's reader of headers raises what Python's parser does.
            self._warn_of_damage(path, error)
            return None
        return array

    def _get(self, file: str) -> bytes | None:
        try:
            return (self.folder / file).read_bytes()
        except FileNotFoundError:
            return None


def _of_array(shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> Iterator[Any]:
    """Yield the content of an array's file part by part: header, numbers."""
    header = io.BytesIO()
    about = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    numbers = (np.ascontiguousarray(part, dtype=np.float32).reshape(-1) for part in parts)
    after: Iterator[Any] = (part.view(np.uint8) for part in numbers)
    yield from itertools.chain([header.getvalue()], after)


def _signed(name: str, contents: Iterable[Any]) -> Iterator[Any]:
    """Yield contents, and a digest of them and of a name behind them."""
    sha = hashlib.sha256(name.encode())
    for content in contents:
        sha.update(content)
        yield content
    yield sha.digest()


def _is_whole(path: Path, name: str) -> bool:
    remaining = path.stat().st_size - DIGEST_BYTES
    sha = hashlib.sha256(name.encode())
    with path.open("rb") as file:
        while remaining > 0:
            content = file.read(min(_READ_BYTES, remaining))
            if not content:
                return False
            sha.update(content)
            remaining -= len(content)
        return file.read() == sha.digest()
