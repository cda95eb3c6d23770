"""What a comparison measured of a model, kept so that it is not measured again."""

from __future__ import annotations

import builtins
import hashlib
import json
import logging
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import joblib
import numpy as np
import scipy
import sklearn
from sklearn import exceptions

from .._models._fingerprint import NotDescribableError, fingerprint
from ..references._cache import store_at

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KeptRows", "Measured"]

_LOG = logging.getLogger(__name__)
# Settings of scikit-learn that decide what a model is trained on.
_SETTINGS = ("enable_metadata_routing", "transform_output")


class Measured(NamedTuple):
    """What was measured of one model.

    Attributes
    ----------
    numbers : dict of str to float
        By column of the comparison.
    headline : str
    attacks : list of str
        Those that were run.
    whole : bool
        Whether nothing was lost that another try may not lose.
    """

    numbers: dict[str, float]
    headline: str
    attacks: list[str]
    whole: bool = True


class KeptRows:
    """The rows of comparisons in a folder, by all that shapes them.

    Parameters
    ----------
    folder : str, path or None
        Where references are kept, too; None keeps nothing.
    common : dict of str to Any
        What shapes the rows of all models alike: records, options, attacks.

    Notes
    -----
    Beside the models and what is common it is the code of this package, all of it, and the
    versions of those below that decide what a row holds. What cannot be told by its content is
    measured anew each time, and so is a model that lost some of its references: what kept them
    from being trained may be gone. Warnings are kept with the row, and given again.
    """

    def __init__(self, folder: Any, common: dict[str, Any]) -> None:
        self._store = store_at(folder)
        self._common = b"" if folder is None else self._name_of(common | _surroundings())

    def measured(self, model: Any, measure: Callable[[], Measured]) -> Measured:
        """Return what is kept of a model, or else what `measure` finds."""
        name_of_file = self._file_of(model)
        if self._store is None or not name_of_file:
            return measure()
        text = self._store.read_text(name_of_file)
        if text is not None:
            kept = json.loads(text)
            for category, message in kept.pop("warned"):
                warnings.warn(message, _category(category), stacklevel=5)
            return Measured(**kept)
        with _noted() as warned:
            found = measure()
        if found.whole:
            self._store.write_text(name_of_file, json.dumps(found._asdict() | {"warned": warned}))
        return found

    def lacks(self, model: Any) -> bool:
        """Tell whether a model is to be measured, as nothing is kept of it."""
        name = self._file_of(model)
        return self._store is None or not name or self._store.read_text(name) is None

    def _file_of(self, model: Any) -> str:
        """Return the name under which a model's row is kept, empty where it has none."""
        name = b"" if not self._common else self._name_of({"model": model})
        return f"row-{hashlib.sha256(self._common + name).hexdigest()}" if name else ""

    @staticmethod
    def _name_of(parts: dict[str, Any]) -> bytes:
        """Return a digest of some parts; nothing where one of them has no name by its content."""
        try:
            return b"".join(fingerprint(value, name) for name, value in parts.items())
        except NotDescribableError as error:
            _LOG.info("nothing of this comparison is kept but references: %s", error)
            return b""


def _surroundings() -> dict[str, Any]:
    import pandas as pd

    packages = (sklearn, np, scipy, pd, joblib)
    return {
        "settings": [sklearn.get_config().get(name) for name in _SETTINGS],
        "versions": [package.__version__ for package in packages],
        "code": _code_of_this_package(),
    }


@cache
def _code_of_this_package() -> bytes:
    """Return a digest of all modules of this package, the compiled one too."""
    home = Path(__file__).parents[1]
    sha = hashlib.sha256()
    for path in sorted(home.rglob("*")):
        if path.suffix in (".py", ".so", ".pyd", ".dylib"):
            sha.update(str(path.relative_to(home)).encode())
            sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.digest()


@contextmanager
def _noted() -> Iterator[list[tuple[str, str]]]:
    """Note the warnings that are shown meanwhile."""
    noted: list[tuple[str, str]] = []
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            noted.append((category.__name__, str(message)))
            shown(message, category, *where, **more)

        warnings.showwarning = show
        yield noted


def _category(name: str) -> type[Warning]:
    kind = getattr(builtins, name, None) or getattr(exceptions, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, Warning) else UserWarning
