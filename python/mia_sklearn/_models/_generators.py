"""What any generator can be asked for, whatever it is: samples, densities, scores."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from .._records._numeric import numeric_features
from .._records._rows import as_table, from_pandas, is_frame, n_rows, to_pandas
from ._asking import beside_other_work
from ._collapse import collapse_of
from ._kinds import is_pipeline
from ._random import seeded

__all__ = [
    "answer",
    "can_answer",
    "check_samples",
    "draw",
    "is_function",
    "samples_collapse",
]

_SAMPLES_FOR_COLLAPSE = 1000
# Fewer hold too few pairs.
_FEWEST_FOR_COLLAPSE = 10
_SEEDS = ("random_state", "seed")


def is_function(model: Any) -> bool:
    """Tell whether a model is a plain function, of which nothing is known before it is called."""
    return callable(model) and not hasattr(model, "fit") and not hasattr(model, "sample")


def can_answer(model: Any, method: str) -> bool:
    """Tell whether a model, or what a pipeline or a search ends in, has a method."""
    return hasattr(model, method) or hasattr(_end(model), method)


def answer(model: Any, X: Any, method: str) -> Any:
    """Call a method of a model that takes records; pipelines transform them first."""
    if hasattr(model, method):
        with beside_other_work(model):
            return getattr(model, method)(X)
    if hasattr(model, "best_estimator_"):
        return answer(model.best_estimator_, X, method)
    if not is_pipeline(model):
        raise ValueError(f"{type(model).__name__} has no {method}.")
    first, last = model[:-1], model.steps[-1][1]
    return answer(last, first.transform(X) if len(model.steps) > 1 else X, method)


def check_samples(model: Any) -> None:
    """Raise if samples cannot be drawn from a model, fitted or not."""
    end = _end(model)
    if not hasattr(end, "sample"):
        if is_function(model):
            return
        raise ValueError(
            "access='samples' needs a generator with sample(n), or a function (n, random_state) "
            f"that returns n records; {type(end).__name__} has no sample."
        )
    found = getattr(model, "best_estimator_", model)
    for name, step in found.steps[:-1] if is_pipeline(found) else ():
        if step not in (None, "passthrough") and not hasattr(step, "inverse_transform"):
            raise ValueError(
                f"Samples of the pipeline cannot be turned back into records: its step {name!r}, "
                f"{type(step).__name__}, has no inverse_transform. Pass a function "
                "(n, random_state) that returns n records."
            )


def _end(model: Any) -> Any:
    """Return the generator itself: the last step, the estimator that is searched for."""
    while not hasattr(model, "sample"):
        if is_pipeline(model):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(getattr(model, "estimator", None), "fit"):
            model = model.estimator
        else:
            break
    return model


def draw(model: Any, n: int, seed: int, like: Any) -> Any:
    """Draw `n` records from a generator, in the form of `like`, with its columns.

    A generator has `sample(n)`, which may return a pair whose first part are the records, or is a
    function `(n, random_state)`. It is left as it is: where its `sample` takes no random state, a
    copy of it gets one; and where it has none either, the global generators of NumPy and torch are
    seeded meanwhile. NaN in samples is an error where `like` has none.
    """
    with beside_other_work(model):
        drawn = as_table(_drawn(model, n, seed), "The generator's samples")
    drawn = _in_the_form_of(drawn, like)
    if n_rows(drawn) != n:
        raise ValueError(f"The generator was asked for {n} samples and drew {n_rows(drawn)}.")
    row = _first_missing(drawn)
    if row is not None and _first_missing(like) is None:
        raise ValueError(
            f"The generator's samples hold NaN or infinite values, first in sample {row}."
        )
    return drawn


def _drawn(model: Any, n: int, seed: int) -> Any:
    if hasattr(model, "sample"):
        drawn = _sampled(model, n, seed)
        return drawn[0] if isinstance(drawn, tuple) else drawn
    if hasattr(model, "best_estimator_"):
        return _drawn(model.best_estimator_, n, seed)
    if is_pipeline(model):
        drawn = _drawn(model.steps[-1][1], n, seed)
        return model[:-1].inverse_transform(drawn) if len(model.steps) > 1 else drawn
    drawn = model(n, seed)
    return drawn[0] if isinstance(drawn, tuple) else drawn


def _sampled(model: Any, n: int, seed: int) -> Any:
    seeding = _seeding(model.sample)
    if seeding:
        return model.sample(n, **{seeding: seed})
    if hasattr(model, "random_state"):
        model = copy.copy(model)
        model.random_state = seed
        return model.sample(n)
    with seeded(seed):
        return model.sample(n)


def _seeding(sample: Callable[..., Any]) -> str | None:
    try:
        taken = inspect.signature(sample).parameters
    except ValueError:
        return None
    return next((name for name in _SEEDS if name in taken), None)


def _in_the_form_of(drawn: Any, like: Any) -> Any:
    if sparse.issparse(like) or sparse.issparse(drawn):
        raise ValueError("Samples are compared with dense records: pass X.toarray().")
    given, like, drawn = like, to_pandas(like), to_pandas(drawn)
    if not is_frame(like):
        drawn = np.asarray(drawn)
    elif is_frame(drawn):
        missing = [name for name in like.columns if name not in set(drawn.columns)]
        if missing:
            raise ValueError(
                f"The generator's samples lack the column {missing[0]!r} of the records."
            )
        return from_pandas(drawn[list(like.columns)].reset_index(drop=True), given)
    if drawn.shape[1:] != like.shape[1:]:
        raise ValueError(
            f"The generator draws records of shape {drawn.shape[1:]}; the records asked about have "
            f"shape {like.shape[1:]}. Pass them as they were in training."
        )
    if is_frame(like):
        import pandas as pd

        return from_pandas(pd.DataFrame(drawn, columns=like.columns), given)
    return drawn


def _first_missing(X: Any) -> int | None:
    """Return the first record that holds NaN or an infinite value."""
    import pandas as pd

    X = to_pandas(X)
    values = X.to_numpy() if is_frame(X) else X
    values = values.reshape(len(values), -1)
    fine = np.isfinite(values) if values.dtype.kind == "f" else ~pd.isna(values)
    bad = np.flatnonzero(~fine.all(axis=1))
    return int(bad[0]) if len(bad) else None


def samples_collapse(model: Any, X: Any, n: int = _SAMPLES_FOR_COLLAPSE) -> str:
    """Say in a sentence if a generator's samples hardly differ, where records do; else ""."""
    n = min(n, n_rows(X), _SAMPLES_FOR_COLLAPSE)
    if n < _FEWEST_FOR_COLLAPSE:
        return ""
    samples = numeric_features(draw(model, n, 0, X), one_hot=True, like=X)
    return collapse_of(samples, numeric_features(X, one_hot=True))
