"""Arrays, and texts, in files named by what they hold, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from .._process._folders import path_of
from .._process._locks import one_at_a_time

__all__ = ["ArrayStore"]

_DIGEST_BYTES = 32
_READ_BYTES = 2**22
_SECONDS_UNTIL_ABANDONED = 24 * 3600


class ArrayStore:
    """A folder of arrays and texts.

    A file is an ordinary `.npy` file with the SHA-256 digest of its name and content behind
    it. Which records a model trained on can be read from what it answers, so nobody but the
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

    def __init__(self, folder: Any) -> None:
        self.folder = path_of("cache", folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"cache={str(folder)!r} is a file. Name a folder.")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            raise ValueError(
                f"cache={str(folder)!r} is not a folder that can be written to "
                f"({error.strerror}). Choose another folder or free this one."
            ) from error
        self._has_warned = False
        for leftover in self.folder.glob(".*.tmp"):
            # Younger ones may belong to a run that shares the folder; others go while we look.
            with suppress(OSError):
                if time.time() - leftover.lstat().st_mtime > _SECONDS_UNTIL_ABANDONED:
                    leftover.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return where an array lies, once written."""
        return self.folder / f"{name}.npy"

    def alone(self, work: str) -> AbstractContextManager[None]:
        """Let one run at a time do a work, among all that share the folder; others wait."""

        def tell() -> None:
            logging.getLogger("mia_sklearn").warning(
                "Waiting for another run that trains the same reference models in %s.", self.folder
            )

        return one_at_a_time(self.folder / f".{work}.lock", tell)

    def write(self, name: str, shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> bool:
        """Write a float32 array, given as consecutive parts along its first axis.

        Returns
        -------
        bool
            False, after a warning, where it cannot be written: the disk is full, for example.
        """
        return self._put(self.path(name), name, _contents(shape, parts))

    def write_text(self, name: str, text: str) -> bool:
        """Write a text, as `write` does an array."""
        return self._put(self.folder / f"{name}.txt", name, [text.encode()])

    def _put(self, path: Path, name: str, contents: Iterable[Any]) -> bool:
        temporary = None
        try:
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=f".{name}.", suffix=".tmp")
            with os.fdopen(handle, "wb") as file:
                sha = hashlib.sha256(name.encode())
                for content in contents:
                    sha.update(content)
                    file.write(content)
                file.write(sha.digest())
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException as error:
            if temporary is not None:
                with suppress(OSError):
                    Path(temporary).unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            self._warn(
                f"cache={str(self.folder)!r} cannot be written to any more ({error.strerror}): "
                "answers stay in memory, and a later run will not find them."
            )
            return False
        return True

    def read(self, name: str, may_be: Callable[[np.ndarray], bool]) -> np.ndarray | None:
        """Return an array, memory-mapped and read-only; None when it is absent or damaged.

        Parameters
        ----------
        name : str
        may_be : callable
            Tells whether an array can be what is to be found here.
        """
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
            self._warn(f"{path} is damaged: {error}. It is made anew, as are others like it.")
            return None
        return array

    def read_text(self, name: str) -> str | None:
        """Return a text; None when it is absent or damaged."""
        path = self.folder / f"{name}.txt"
        try:
            if _is_whole(path, name):
                return path.read_bytes()[:-_DIGEST_BYTES].decode()
        except FileNotFoundError:
            return None
        self._warn(f"{path} is damaged: its content does not match its checksum. It is made anew.")
        return None

    def _warn(self, message: str) -> None:
        """Warn, of the first trouble only: more of it would be of the same kind."""
        if not self._has_warned:
            warnings.warn(message, stacklevel=4)
        self._has_warned = True


def _contents(shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> Iterable[Any]:
    header = io.BytesIO()
    about = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    yield header.getvalue()
    for part in parts:
        yield np.ascontiguousarray(part, dtype=np.float32).reshape(-1).view(np.uint8)


def _is_whole(path: Path, name: str) -> bool:
    remaining = path.stat().st_size - _DIGEST_BYTES
    sha = hashlib.sha256(name.encode())
    with path.open("rb") as file:
        while remaining > 0:
            content = file.read(min(_READ_BYTES, remaining))
            if not content:
                return False
            sha.update(content)
            remaining -= len(content)
        return file.read() == sha.digest()
