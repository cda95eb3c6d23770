"""Data frames over values that already lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def as_frame(values: np.ndarray, names: Sequence[str], index: Any) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(values, columns=list(names), index=index, copy=False)
