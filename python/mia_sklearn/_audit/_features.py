"""What records look like, as text: of the most exposed members alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from .._records._rows import record_shape, take_rows, to_pandas
from ._run import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["features_table"]

# Of a record with more, pixels or words, no line of text gives a picture.
_MOST_FEATURES = 40
_LETTERS = 80


def features_table(run: Run, places: Any) -> pd.DataFrame | None:
    """Return the features of records, as text.

    Parameters
    ----------
    run : Run
    places : Index
        Rows of the report's table of records.

    Returns
    -------
    DataFrame or None
        Its index is `places`. None where the unit is a person, whose records may differ, or a
        record has too many features.
    """
    import pandas as pd

    if run.of_people or len(record_shape(run.pool.X)) > 1:
        return None
    rows = take_rows(run.pool.X, run.plan.audited[run.units.first][np.asarray(places)])
    if max(record_shape(rows), default=1) > _MOST_FEATURES:
        return None
    frame = to_pandas(rows.toarray() if sparse.issparse(rows) else rows)
    if isinstance(frame, np.ndarray):
        frame = pd.DataFrame(frame)
    named = [
        f"feature {name}" if isinstance(name, (int, np.integer)) else str(name)
        for name in frame.columns
    ]
    # Names may occur twice.
    texts = {place: list(map(_as_text, frame.iloc[:, place])) for place in range(len(named))}
    return pd.DataFrame(texts, index=places, dtype=object).set_axis(named, axis=1)


def _as_text(value: Any) -> str:
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "missing"
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    # Cut first: a text may be a book.
    text = str(value[: _LETTERS + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 3]}..."
