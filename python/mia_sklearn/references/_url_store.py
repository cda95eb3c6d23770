"""Arrays in an object store, or wherever else fsspec reaches."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from .._process._printable import told
from ._store import DIGEST_BYTES, BaseStore

__all__ = ["UrlStore"]


class UrlStore(BaseStore):
    """Arrays below a URL, such as ``s3://bucket/folder``, each one object.

    Nobody waits for another run: object stores know no locks, and equal work gives equal bytes.
    Who may read the objects, and so who was trained on, is for the store to say.

    Parameters
    ----------
    url : str

    Raises
    ------
    ValueError
        If fsspec, or what it needs for such URLs, is not installed, or nothing can be written.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        try:
            from fsspec.core import url_to_fs

            self._files, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ValueError(
                f"cache={url!r} is a URL, which needs fsspec and its package for such URLs (for "
                f"s3:// it is s3fs): {told(error)}. Install them here and on all workers, or name "
                "a folder."
            ) from error
        self._root = root.rstrip("/")
        probe = self._path(f".{uuid.uuid4().hex}.tmp")
        try:
            self._files.makedirs(self._root, exist_ok=True)
            self._files.pipe_file(probe, b"")
            self._files.rm_file(probe)
        except Exception as error:  # Each kind of store has errors of its own.
            raise ValueError(
                f"cache={url!r} cannot be written to ({told(error)}). Choose another place, or "
                "give this process the right to write and delete there."
            ) from error

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _begun(self, work: str) -> Iterator[None]:
        mark = self._path(f".{work}.lock")
        self._files.pipe_file(mark, b"")
        try:
            yield
        finally:
            with suppress(Exception):
                self._files.rm_file(mark)

    def is_here(self) -> bool:
        try:
            return bool(self._files.exists(self._path(f".{self._work}.lock")))
        except Exception:  # This worker may lack the right to look.
            return False

    def _put(self, file: str, contents: Iterable[Any]) -> bool:
        try:
            self._files.pipe_file(self._path(file), b"".join(bytes(part) for part in contents))
        except Exception as error:
            self._warn_of_writing(told(error))
            return False
        return True

    def _get(self, file: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(self._path(file)))
        except FileNotFoundError:
            return None

    def read(self, name: str, may_be: Callable[[np.ndarray], bool]) -> np.ndarray | None:
        try:
            content = self._get(f"{name}.npy")
            return None if content is None else _array(name, memoryview(content), may_be)
        except Exception as error:  # NumPy's reader of headers raises what Python's parser does.
            self._warn_of_damage(f"{self.where}/{name}.npy", error)
            return None


def _array(name: str, content: memoryview, may_be: Callable[[np.ndarray], bool]) -> Any:
    numbers, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    sha = hashlib.sha256(name.encode())
    sha.update(numbers)
    if sha.digest() != digest:
        raise ValueError("its content does not match its checksum")
    file = io.BytesIO(numbers)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("its header is not of this package")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype != np.float32 or fortran_order:
        raise ValueError("its content is not what models answered")
    array = np.frombuffer(numbers[file.tell() :], dtype=dtype).reshape(shape)
    if not may_be(array):
        raise ValueError("its content is not what models answered")
    return array
