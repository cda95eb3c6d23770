"""One dtype for a column of two tables, and the dtypes that a model was fitted on."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from scipy import sparse

from ._rows import (
    from_pandas,
    is_documents,
    is_foreign,
    is_frame,
    through_narwhals,
    to_pandas,
)

__all__ = ["asked_with", "in_dtypes_of", "same_dtypes", "united"]

_ASKED = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)


def united(one: Any, other: Any, one_name: str, other_name: str) -> tuple[Any, Any]:
    """Return two tables of the same features with one dtype for each column.

    The other table takes the dtypes of the first where that changes no value: whole numbers of
    another width, text as objects, times of another unit. Categories of the first come first,
    those that only the other one has behind them. Where neither holds, because a value is missing
    in one of them for example, both take the dtype that holds the numbers of both.

    Raises
    ------
    ValueError
        If a column holds text in one table and numbers in the other.
    """
    if is_documents(one):
        alike = type(one) is type(other) and getattr(one, "dtype", 0) == getattr(other, "dtype", 0)
        return one, other if alike else from_pandas(to_pandas(other), one)
    names = f"{one_name} and {other_name}"
    if is_frame(one):
        return _frames(one, other, names)
    if is_foreign(one):
        return _foreign(one, other, names)
    if one.dtype == other.dtype or sparse.issparse(one):
        return one, type(one)(other) if sparse.issparse(one) else other
    cast = _array_as(other, one.dtype)
    if cast is not None:
        return one, cast
    if {one.dtype.kind in "OUS", other.dtype.kind in "OUS"} == {True, False}:
        raise ValueError(_mixed(names, "", one.dtype, other.dtype))
    common = np.result_type(one, other)
    return one.astype(common), other.astype(common)


def same_dtypes(one: Any, other: Any) -> bool:
    """Tell whether the columns of two tables have the same dtypes."""
    if is_frame(one):
        return all(map(_is_same, one.dtypes, other.dtypes))
    if is_foreign(one):
        return through_narwhals(one).schema == through_narwhals(other).schema
    return getattr(one, "dtype", None) == getattr(other, "dtype", None)


def in_dtypes_of(X: Any, like: Any) -> Any:
    """Return records with the dtypes of another table, where that changes no value."""
    if is_frame(X):
        casts = [_column_as(X.iloc[:, place], dtype) for place, dtype in enumerate(like.dtypes)]
        return _replaced(X, {j: cast for j, cast in enumerate(casts) if cast is not None})
    if is_foreign(X):
        seen, wanted = through_narwhals(X), through_narwhals(like).schema
        casts = [_narwhals_as(seen[name], wanted[name]) for name in seen.columns]
        kept = [
            seen[name] if cast is None else cast
            for name, cast in zip(seen.columns, casts, strict=True)
        ]
        return _side_by_side(kept)
    if is_documents(X) or sparse.issparse(X) or X.dtype == like.dtype:
        return X
    cast = _array_as(X, like.dtype)
    return X if cast is None else cast


def asked_with(model: Any, like: Any) -> Any:
    """Return a model that is asked about records in the dtypes of a table, as it was fitted.

    Parameters
    ----------
    model : fitted estimator
        Left as it is: what is returned is a shallow copy.
    like : table
        Whose rows do not matter.
    """

    def asking(method: Any) -> Any:
        return lambda X, *rest, **more: method(in_dtypes_of(X, like), *rest, **more)

    asked = copy.copy(model)
    for name in _ASKED:
        if hasattr(model, name):
            setattr(asked, name, asking(getattr(model, name)))
    return asked


def _frames(one: Any, other: Any, names: str) -> tuple[Any, Any]:
    changed: tuple[dict[int, Any], dict[int, Any]] = {}, {}
    for place, name in enumerate(one.columns):
        pair = one.iloc[:, place], other.iloc[:, place]
        if not _is_same(pair[0].dtype, pair[1].dtype):
            changed[0][place], changed[1][place] = _columns(*pair, f"{name!r} of {names}")
    return _replaced(one, changed[0]), _replaced(other, changed[1])


def _replaced(frame: Any, columns: dict[int, Any]) -> Any:
    """Return a frame with other columns in some places; the frame itself where none differs."""
    columns = {
        place: column
        for place, column in columns.items()
        if not _is_same(column.dtype, frame.dtypes.iloc[place])
    }
    if columns:
        frame = frame.copy()
        for place, column in columns.items():
            frame.isetitem(place, column)
    return frame


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether dtypes are the same; of categories, whether their numbers are."""
    if one != other:
        return False
    categories = getattr(one, "categories", None)
    return categories is None or list(categories) == list(other.categories)


def _columns(one: Any, other: Any, where: str) -> tuple[Any, Any]:
    import pandas as pd

    if isinstance(one.dtype, pd.CategoricalDtype):
        return _with_categories(one, other, where)
    if isinstance(other.dtype, pd.CategoricalDtype):
        other = pd.Series(np.asarray(other), index=other.index, name=other.name)
    cast = _column_as(other, one.dtype)
    if cast is not None:
        return one, cast
    if _kind(one) != _kind(other) and not (one.isna().all() or other.isna().all()):
        raise ValueError(_mixed("", where, one.dtype, other.dtype))
    with warnings.catch_warnings():
        # What columns without a value will decide in later versions does not matter here.
        warnings.simplefilter("ignore", FutureWarning)
        common = pd.concat([one, other]).dtype
    casts = [_column_as(column, common) for column in (one, other)]
    if any(cast is None for cast in casts):
        raise ValueError(_mixed("", where, one.dtype, other.dtype))
    return casts[0], casts[1]


def _kind(column: Any) -> str:
    import pandas as pd

    dtype = column.dropna().infer_objects().dtype
    if pd.api.types.is_numeric_dtype(dtype):
        return "numbers"
    return "times" if dtype.kind in "mM" else "text"


def _with_categories(one: Any, other: Any, where: str) -> tuple[Any, Any]:
    import pandas as pd

    own = one.cat.categories
    if isinstance(other.dtype, pd.CategoricalDtype):
        theirs = other.cat.categories
    else:
        theirs = pd.Index(other.dropna().unique())
    if len(theirs) and len(own) and _is_number(theirs) != _is_number(own):
        raise ValueError(_mixed("", where, own.dtype, theirs.dtype))
    known = set(own)
    more = [value for value in theirs if value not in known]
    both_ordered = one.cat.ordered and getattr(other.dtype, "ordered", False)
    if both_ordered:
        common = [value for value in theirs if value in known]
        places = own.get_indexer(common)
        if (np.diff(places) < 0).any():
            raise ValueError(f"The categories of {where} are in another order in one of them.")
    dtype = one.dtype
    if more:
        dtype = pd.CategoricalDtype([*own, *more], ordered=one.cat.ordered)
    return one.astype(dtype), other.astype(dtype)


def _is_number(categories: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(categories.dtype))


def _column_as(column: Any, dtype: Any) -> Any:
    """Return a pandas column in another dtype, None where a value would change."""
    if _is_same(column.dtype, dtype):
        return column
    categories = getattr(dtype, "categories", None)
    if categories is not None and not column.dropna().isin(categories).all():
        return None
    try:
        cast = column.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return None
    missing = column.isna()
    if (missing != cast.isna()).any():
        return None
    before = column[~missing].astype(object).tolist()
    return cast if before == cast[~missing].astype(object).tolist() else None


def _array_as(values: np.ndarray, dtype: Any) -> np.ndarray | None:
    """Return an array in another dtype, None where a value would change."""
    try:
        with np.errstate(all="ignore"):
            cast = values.astype(dtype)
        # NaN is the one value that differs from itself.
        same = (cast == values) | ((cast != cast) & (values != values))  # noqa: PLR0124
    except (TypeError, ValueError, OverflowError):
        return None
    return cast if bool(np.all(same)) else None


def _foreign(one: Any, other: Any, names: str) -> tuple[Any, Any]:
    columns: tuple[list[Any], list[Any]] = [], []
    first, second = through_narwhals(one), through_narwhals(other)
    for name in first.columns:
        pair = _pair(first[name], second[name], f"{name!r} of {names}")
        columns[0].append(pair[0])
        columns[1].append(pair[1])
    return _side_by_side(columns[0]), _side_by_side(columns[1])


def _side_by_side(columns: list[Any]) -> Any:
    import narwhals as nw

    return nw.concat([column.to_frame() for column in columns], how="horizontal").to_native()


def _pair(one: Any, other: Any, where: str) -> tuple[Any, Any]:
    import narwhals as nw

    if one.dtype == other.dtype:
        return one, other
    if isinstance(one.dtype, nw.Enum):
        own = list(one.dtype.categories)
        more = [value for value in other.cast(nw.String).unique().to_list() if value not in own]
        dtype = nw.Enum([*own, *(value for value in more if value is not None)])
        return one.cast(nw.String).cast(dtype), other.cast(nw.String).cast(dtype)
    cast = _narwhals_as(other, one.dtype)
    if cast is not None:
        return one, cast
    if not (one.dtype.is_numeric() and other.dtype.is_numeric()):
        raise ValueError(_mixed("", where, one.dtype, other.dtype))
    whole = one.dtype.is_integer() and other.dtype.is_integer()
    common = nw.Int64 if whole else nw.Float64
    return one.cast(common), other.cast(common)


def _narwhals_as(column: Any, dtype: Any) -> Any:
    if column.dtype == dtype:
        return column
    try:
        cast = column.cast(dtype)
    # Each library has errors of its own.
    except Exception:
        return None
    return cast if cast.to_list() == column.to_list() else None


def _mixed(names: str, where: str, one: Any, other: Any) -> str:
    return (
        f"{where or names} hold {one} and {other}, and the values of one are none of the other's "
        "type: read both in the same way."
    )
