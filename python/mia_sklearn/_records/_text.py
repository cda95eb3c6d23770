"""Texts: their words, counted, left out and mixed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

__all__ = ["bags", "is_text", "mixed_words", "thinned"]

_WORD = re.compile(r"\w+")
# Values that tell whether a column holds text.
_LOOKED_AT = 1000


def is_text(column: Any) -> bool:
    """Tell whether a pandas column holds texts, or their words.

    Texts are different values, most of which have several words.
    """
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if not pd.api.types.is_object_dtype(column) and not pd.api.types.is_string_dtype(column):
        return False
    shown = column.iloc[:_LOOKED_AT].tolist()
    if any(isinstance(value, (bytes, dict, list, tuple)) for value in shown):
        return True
    shown = [value for value in shown if isinstance(value, str)]
    return 2 * len({value for value in shown if len(value.split()) > 1}) > len(shown)


def bags(documents: list[Any]) -> sparse.csr_matrix:
    """Return the counts of the words of texts, hashed, each row of length 1."""
    vectorizer = HashingVectorizer(analyzer=_words, n_features=2**18, alternate_sign=False)
    return vectorizer.transform(documents)


def thinned(document: Any, share: float, rng: Any) -> Any:
    """Return a text without a `share` of its words, drawn; anything else stays as it is."""
    parts = _parts(document)
    return _joined(parts, rng.uniform(size=len(parts)) >= share, document)


def mixed_words(own: Any, other: Any, share: float, rng: Any) -> Any:
    """Return a text of which a share of the words is another one's."""
    kept, taken = _parts(own), _parts(other)
    chosen = np.concatenate(
        [rng.uniform(size=len(kept)) >= share, rng.uniform(size=len(taken)) < share]
    )
    return _joined([*kept, *taken], chosen, own)


def _words(document: Any) -> list[str]:
    if isinstance(document, bytes):
        document = document.decode(errors="replace")
    if isinstance(document, str):
        return _WORD.findall(document.lower())
    if isinstance(document, dict):
        return [f"{name}={value}" for name, value in document.items()]
    return list(map(str, document)) if isinstance(document, (list, tuple, np.ndarray)) else []


def _parts(document: Any) -> list[Any]:
    if isinstance(document, (str, bytes)):
        return document.split()
    if isinstance(document, dict):
        return list(document.items())
    return list(document) if isinstance(document, (list, tuple, np.ndarray)) else []


def _joined(parts: list[Any], kept: np.ndarray, like: Any) -> Any:
    parts = [part for part, keep in zip(parts, kept, strict=True) if keep]
    if isinstance(like, str):
        return " ".join(parts)
    if isinstance(like, bytes):
        return b" ".join(parts)
    return type(like)(parts) if isinstance(like, (dict, list, tuple)) else like
