"""Whether a generator's samples are all alike."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

__all__ = ["collapse_of"]

_MOST_RECORDS = 1000
# Two records are alike where they are closer than half of what 95 % of the data's pairs are apart:
# in many dimensions nearly all pairs are about equally far from each other.
_QUANTILE, _SHARE_OF_IT = 0.05, 0.5
# Alike in a tenth of all pairs is what about ten different samples would be, and the odds have
# to be several times those of the data, whose own records may come several times each.
_LEAST_SHARE, _LEAST_ODDS = 0.1, 4.0


def collapse_of(samples: np.ndarray, X: np.ndarray) -> str:
    """Say in a sentence if hardly two of a generator's samples differ, where data do; else "".

    Counts pairs that are alike, as the birthday paradox test does (Arora and Zhang, "Do GANs
    actually learn the distribution? An empirical study", ICLR 2018): of `m` equally frequent
    samples, one pair in `m` is. Features count in units of the data's standard deviation. A
    generator that repeats its training records is not called collapsed. `samples` and `X` have
    about as many rows.
    """
    data = _spread(np.asarray(X))
    scale = data.std(axis=0)
    varying = scale > 0
    if not varying.any():
        return ""
    drawn = _spread(np.asarray(samples))
    of_data = pdist(data[:, varying] / scale[varying])
    of_samples = pdist(drawn[:, varying] / scale[varying])
    near = _SHARE_OF_IT * np.quantile(of_data[of_data > 0], _QUANTILE)
    usual, found = np.mean(of_data <= near), np.mean(of_samples <= near)
    # The share of pairs is no more than an estimate: not 0 because none was met.
    odds = usual / (1 - usual) + 1 / len(of_data)
    if found < _LEAST_SHARE or found <= _LEAST_ODDS * odds * (1 - found):
        return ""
    return (
        f"The generator has collapsed: {found:.0%} of the pairs of its samples are alike, "
        f"{usual:.1%} of those of the data."
    )


def _spread(X: np.ndarray) -> np.ndarray:
    """Return records from all over a table, which may be sorted, as vectors."""
    rows = np.linspace(0, len(X) - 1, min(len(X), _MOST_RECORDS)).round().astype(np.intp)
    return X[rows].reshape(len(rows), -1).astype(np.float64)
