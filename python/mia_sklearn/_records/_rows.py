"""Tables of records, whatever holds them, and rows of them that a model may ruin.

A table is an array of two or more dimensions, a sparse matrix, a data frame (of pandas, or of
another library that narwhals reads: Polars, pyarrow), or documents: a list, Series or array with
one text per record. It stays what it is, since that is what models were fitted on. What looks at
values looks at `to_pandas` of it, and `from_pandas` turns what was drawn or changed there back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ._cells import own_cell, own_cells
from ._own_copy import own_copy

MAX_CATEGORIES = 64
_VALUES_PER_CHUNK = 2**24
# What a text counts for: some have more words, many share them.
_WORDS = 1024
# Arguments of `fit` that hold records beside the training set, however many they are.
_OF_OTHER_RECORDS = ("X_reference", "y_reference")
# What may stand for a text: its words, or what it holds how often.
_DOCUMENTS = (str, bytes, dict, list, tuple)
# Values that tell what the others are.
_FIRST = 100


def is_frame(X: Any) -> bool:
    """Tell whether `X` is a pandas data frame, without importing pandas."""
    return hasattr(X, "iloc") and hasattr(X, "columns")


def is_foreign(X: Any) -> bool:
    """Tell whether `X` is a data frame of another library than pandas."""
    return type(through_narwhals(X)).__name__ == "DataFrame"


def is_documents(X: Any) -> bool:
    """Tell whether a table holds one text for each record."""
    return isinstance(X, list) or len(getattr(X, "shape", ())) == 1


def through_narwhals(X: Any) -> Any:
    """Return what narwhals makes of a frame or Series that is not pandas'; other things as None."""
    if isinstance(X, (np.ndarray, list, tuple, str)) or sparse.issparse(X):
        return None
    if any(hasattr(X, name) for name in ("iloc", "detach", "fit")) or not hasattr(X, "__len__"):
        return None
    import narwhals as nw

    # Of pyarrow, whose tables may have several columns of one name, as narwhals' may not.
    _check_names(getattr(X, "column_names", ()), "A table")
    seen = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    return seen if isinstance(seen, (nw.DataFrame, nw.Series)) else None


def as_table(X: Any, name: str = "X") -> Any:
    """Return `X` as one of the kinds of table: CSR of sparse matrices, arrays of nested lists.

    Raises
    ------
    ValueError
        If it is none.
    """
    if is_frame(X):
        _check_names(X.columns.tolist(), name)
        return X
    if is_foreign(X):
        return X
    if sparse.issparse(X):
        return X.tocsr()
    if hasattr(X, "detach"):
        # A torch tensor, of whatever device.
        X = X.detach().cpu()
    documents = _as_documents(X)
    if documents is not None:
        return documents
    if hasattr(X, "collect"):
        raise ValueError(f"{name} is lazy: pass {name}.collect().")
    if (
        hasattr(X, "__getitem__")
        and not hasattr(X, "__array__")
        and not isinstance(X, (list, tuple))
    ):
        raise ValueError(
            f"{name} must be an array, a data frame or a sparse matrix, got {type(X).__name__}. "
            "Pass the arrays that it holds, of a skorch Dataset dataset.X and dataset.y."
        )
    try:
        X = np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"{name} holds records of different lengths: pad them, or give an array ({error})."
        ) from error
    if X.ndim < 2:
        raise ValueError(
            f"{name} must be a table with one row per record, got {X.ndim} dimension(s). "
            f"Reshape your data, a single feature with {name}.reshape(-1, 1)."
        )
    return X


def _check_names(columns: Sequence[Any], name: str) -> None:
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise ValueError(f"{name} has several columns named {twice!r}: rename all but one.")


def _as_documents(X: Any) -> Any:
    """Return texts as a list, a Series or an array of objects; None where `X` holds no texts."""
    if isinstance(X, (list, tuple)):
        if X and isinstance(X[0], (str, bytes, dict)):
            return list(X)
        lengths = {len(x) if isinstance(x, (list, tuple)) else -1 for x in X}
        # Lists of one length are rows; of several, the words of texts.
        of_words = len(lengths) > 1 and -1 not in lengths and any(map(_starts_with_text, X))
        return list(X) if of_words else None
    # What pyarrow holds is no text to any vectorizer.
    X = X.to_pylist() if hasattr(X, "to_pylist") else X
    seen = through_narwhals(X)
    if seen is not None or isinstance(X, list):
        return _if_texts(_not_categories(X, seen), X if seen is None else seen.to_list())
    if len(getattr(X, "shape", ())) != 1:
        return None
    if not hasattr(X, "iloc") and getattr(X.dtype, "kind", "") not in "OUST":
        return None
    return _if_texts(_not_categories(X, None), np.asarray(X).tolist())


def _not_categories(X: Any, seen: Any) -> Any:
    """Return texts that a Series holds as categories, where other ones have no place, as texts."""
    if seen is not None and hasattr(seen, "dtype"):
        import narwhals as nw

        held = seen.dtype in (nw.Categorical, nw.Enum)
        return seen.cast(nw.String).to_native() if held else X
    return X.astype(object) if getattr(X, "dtype", None) == "category" else X


def _if_texts(X: Any, values: list[Any]) -> Any:
    return X if any(isinstance(value, _DOCUMENTS) for value in values[:_FIRST]) else None


def _starts_with_text(words: Any) -> bool:
    return bool(words) and isinstance(words[0], str)


def kind_of(X: Any) -> str:
    """Return what models tell tables apart by, in a word."""
    if is_documents(X):
        return "texts"
    if is_frame(X):
        return "pandas data frame"
    if is_foreign(X):
        return f"{type(X).__module__.partition('.')[0]} data frame"
    return "sparse matrix" if sparse.issparse(X) else "array"


def n_rows(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def record_shape(X: Any) -> tuple[int, ...]:
    """Return the shape of one record; empty for texts."""
    return tuple(X.shape[1:]) if hasattr(X, "shape") else ()


def column_names(X: Any) -> list[Any]:
    """Return the names of a frame's columns; none for other tables."""
    if is_frame(X):
        return list(X.columns)
    return list(through_narwhals(X).columns) if is_foreign(X) else []


def column_of(X: Any, name: Any) -> Any:
    """Return a column of a frame by its name, as its library's Series."""
    return X[name] if is_frame(X) else through_narwhals(X)[name].to_native()


def without_column(X: Any, name: Any) -> Any:
    """Return a frame without one of its columns."""
    return X.drop(columns=name) if is_frame(X) else through_narwhals(X).drop(name).to_native()


def take_rows(X: Any, rows: Any) -> Any:
    """Return rows by position, in the kind of table that they are in.

    They are a copy, which whoever gets it may write to: many models do. So are the lists, dicts
    and other objects inside its cells.

    Parameters
    ----------
    X : table
    rows : ndarray of int or bool, or slice
    """
    if isinstance(X, (list, tuple)):
        if isinstance(rows, slice):
            return list(map(own_cell, X[rows]))
        places = np.asarray(rows)
        places = np.flatnonzero(places) if places.dtype == bool else places
        return [own_cell(X[place]) for place in places.tolist()]
    if not isinstance(rows, slice):
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp, copy=False)
    if hasattr(X, "iloc"):
        return _own_objects(X.iloc[rows].copy())
    seen = through_narwhals(X)
    if seen is not None:
        return _own_foreign_objects(seen[rows]).to_native()
    if sparse.issparse(X):
        return X[rows].copy()
    # In one layout, which decides in what order a model adds numbers up: that of a view does not
    # outlast the way to another process.
    return _own_array(np.array(X[rows], order="C"))


def _own_array(taken: Any) -> Any:
    cells = own_cells(taken.ravel().tolist()) if taken.dtype == object else None
    if cells is not None:
        taken[...] = _as_objects(cells).reshape(taken.shape)
    return taken


def _own_objects(taken: Any) -> Any:
    """Return a copy of a pandas frame or Series with objects of its own in the cells."""
    import pandas as pd

    if not hasattr(taken, "columns"):
        cells = own_cells(taken.tolist()) if taken.dtype == object else None
        if cells is None:
            return taken
        return pd.Series(_as_objects(cells), index=taken.index, name=taken.name, dtype=object)
    for place, dtype in enumerate(taken.dtypes):
        if pd.api.types.is_object_dtype(dtype):
            taken.isetitem(place, _own_objects(taken.iloc[:, place]))
    return taken


def _own_foreign_objects(seen: Any) -> Any:
    """Return a frame or a Series of narwhals with objects of its own in the cells.

    Those of other types than objects cannot be written to.
    """
    import narwhals as nw

    if isinstance(seen, nw.DataFrame):
        of_objects = [name for name, dtype in seen.schema.items() if dtype == nw.Object]
        return seen.with_columns(_own_foreign_objects(seen[name]) for name in of_objects)
    cells = own_cells(seen.to_list()) if seen.dtype == nw.Object else None
    if cells is None:
        return seen
    return nw.new_series(seen.name, cells, nw.Object, backend=seen.implementation)


def _as_objects(values: list[Any]) -> np.ndarray:
    """Return values, whatever they are, as an array with one cell for each."""
    return np.fromiter(values, dtype=object, count=len(values))


def copied(X: Any) -> Any:
    """Return all rows of a table, for a model that may write to them."""
    return take_rows(X, slice(None))


def chunks(X: Any, n: int | None = None) -> Iterator[slice]:
    """Yield parts of the first `n` rows of a table, each of a bounded number of values."""
    n = n_rows(X) if n is None else n
    width = _WORDS if is_documents(X) else max(1, int(np.prod(record_shape(X))))
    step = max(1, _VALUES_PER_CHUNK // width)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def concat_rows(*tables: Any) -> Any:
    """Stack tables of one kind on top of each other, renumbering the rows of frames."""
    first = tables[0]
    if isinstance(first, list):
        return [document for table in tables for document in table]
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat(tables, ignore_index=True)
    if sparse.issparse(first):
        return type(first)(sparse.vstack(tables, format="csr"))
    seen = through_narwhals(first)
    if seen is not None:
        import narwhals as nw

        as_frames = [
            part.to_frame() if isinstance(part, nw.Series) else part
            for part in map(through_narwhals, tables)
        ]
        whole = nw.concat(as_frames)
        return (whole[whole.columns[0]] if isinstance(seen, nw.Series) else whole).to_native()
    return np.concatenate(tables)


def take_params(params: dict[str, Any], rows: Any, n: int) -> dict[str, Any]:
    """Select rows of those arguments of `fit` that have one entry for each of `n` records.

    Others are copied: what `fit` is given it may write to, and callbacks keep count.
    """
    taken: dict[str, Any] = {}
    made: dict[int, Any] = {}
    for name, value in params.items():
        if has_entries(name, value) and n_rows(value) == n:
            taken[name] = take_rows(value, rows)
        else:
            taken[name] = _own_argument(value, made)
    return taken


def _own_argument(value: Any, made: dict[int, Any]) -> Any:
    """Return an argument of `fit` that shares nothing: tables with cells of their own, too."""
    if getattr(value, "shape", ()):
        return copied(value)
    if type(value) in (list, tuple, set):
        return type(value)(_own_argument(item, made) for item in value)
    if type(value) is dict:
        return {key: _own_argument(item, made) for key, item in value.items()}
    return own_copy(value, made)


def has_entries(name: str, value: Any) -> bool:
    """Tell whether an argument of `fit` may hold one entry per record."""
    is_array = getattr(value, "shape", ()) != () or isinstance(value, (list, tuple))
    return is_array and name not in _OF_OTHER_RECORDS


def positions(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return each label's position among the classes, -1 for a label that is none of them."""
    position = {label: code for code, label in enumerate(classes.tolist())}
    return np.array([position.get(label, -1) for label in labels.tolist()], dtype=np.intp)


def to_pandas(X: Any) -> Any:
    """Return frames and texts as pandas frames, to be looked at; arrays as they are."""
    if is_frame(X):
        return X
    if is_documents(X):
        import pandas as pd

        texts = _as_objects(X.to_list() if hasattr(X, "to_list") else list(X))
        return pd.DataFrame({"text": pd.Series(texts, dtype=object)})
    seen = through_narwhals(X)
    if seen is None:
        return X
    import pandas as pd

    # Column by column: whole frames of Polars need pyarrow for that.
    return pd.DataFrame({name: _cells_of(seen[name]) for name in seen.columns})


def _cells_of(column: Any) -> np.ndarray:
    """Return what a column of another library holds, whole numbers as such.

    Beside missing values they would be float64, in which large ones are no longer what they were.
    """
    cells = column.to_numpy()
    if cells.dtype.kind == "f" and column.dtype.is_integer() and (np.abs(cells) >= 2**53).any():
        return _as_objects(column.to_list())
    return cells


def from_pandas(frame: Any, like: Any) -> Any:
    """Return what `to_pandas` made of a table as such a table again, with its dtypes."""
    if is_documents(like):
        texts = frame.iloc[:, 0].to_numpy(dtype=object)
        if isinstance(like, np.ndarray):
            return texts
        if isinstance(like, list):
            return texts.tolist()
        if hasattr(like, "iloc"):
            import pandas as pd

            return pd.Series(texts, index=frame.index, name=like.name, dtype=like.dtype)
        return narwhals_series(like.name, texts, through_narwhals(like)).to_native()
    seen = None if is_frame(like) else through_narwhals(like)
    if seen is None:
        return frame
    import narwhals as nw

    columns = [
        narwhals_series(name, frame.iloc[:, place].to_numpy(), seen[name])
        for place, name in enumerate(seen.columns)
    ]
    return nw.concat([column.to_frame() for column in columns], how="horizontal").to_native()


def narwhals_series(name: str, values: np.ndarray, like: Any) -> Any:
    """Return values as a Series of narwhals, of the library and the dtype of another."""
    import narwhals as nw
    import pandas as pd

    missing = pd.isna(values)
    listed = [None if gone else value for value, gone in zip(values.tolist(), missing, strict=True)]
    if like.dtype.is_integer():
        listed = [None if value is None else int(value) for value in listed]
    return nw.new_series(name, listed, like.dtype, backend=like.implementation)


def plain_values(column: Any) -> np.ndarray:
    """Return a pandas column as numbers, or as objects."""
    import pandas as pd

    values = np.asarray(column)
    if values.dtype.kind == "O" and pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return values
