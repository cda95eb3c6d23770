"""Where reference models are kept: what a user names as `cache=`."""

from __future__ import annotations

import re
from typing import Any

from ._held_store import HeldStore
from ._store import ArrayStore, BaseStore
from ._url_store import UrlStore

__all__ = ["store_at"]


def store_at(cache: Any) -> BaseStore | None:
    """Return the store that a user names: a folder, or a URL of what fsspec reaches."""
    if cache is None or isinstance(cache, HeldStore):
        return cache
    if re.match(r"\w{2,}:/[^/]", str(cache)):
        raise ValueError(
            f"cache={str(cache)!r} has lost a slash of a URL, as paths of pathlib do: give it as "
            "text."
        )
    if "://" in str(cache):
        return UrlStore(str(cache))
    return ArrayStore(cache)
