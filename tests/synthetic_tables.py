"""Tables of mixed types for tests of synthetic ones."""

from __future__ import annotations

import numpy as np
import pandas as pd


def people(n: int, seed: object) -> pd.DataFrame:
    """Draw records of one population: numbers, categories, truth values, a date, some missing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    table = pd.DataFrame(
        {
            "income": np.exp(z[:, 0] + 0.5 * rng.normal(size=n)).round(2),
            "age": np.clip(40 + 12 * z[:, 1] + 5 * rng.normal(size=n), 18, 90).round(),
            "job": np.array(list("abcdefghij"))[np.minimum(9, rng.geometric(0.35, size=n) - 1)],
            "town": np.minimum(40, rng.zipf(1.7, size=n)).astype(str),
            "sick": z[:, 0] + z[:, 1] + rng.normal(size=n) > 1,
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 2000, size=n), unit="D"),
        }
    )
    table.loc[rng.random(n) < 0.05, "age"] = np.nan
    return table


def copying(n: int, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return a synthetic table that copies a share of its training records, these, and others."""
    train, control, synthetic = (people(n, [seed, part]) for part in range(3))
    k = round(share * n)
    synthetic = pd.concat([train[:k], synthetic[k:]], ignore_index=True)
    return synthetic, train, control
