"""Gaussian likelihood ratio of a record's signal under its in and out references."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from .._rust import reference_statistics

_PSEUDO_OBSERVATIONS = 4.0
_VARIANCE_FLOOR = 0.1  # share of the pooled variance: leaves and votes have variance exactly 0
_N_BINS = 30


class Moments:
    """Count, mean and the rest of the reference values of each record.

    Parameters
    ----------
    signal : ndarray of shape (n_records,)
    references : ndarray of shape (n_records, n_references)
        NaN marks an empty place.
    skip : tuple of (int, int), default=None
        Columns start to stop that are read as empty.
    """

    def __init__(
        self,
        signal: np.ndarray,
        references: np.ndarray,
        skip: tuple[int, int] | None = None,
    ) -> None:
        table = reference_statistics(signal, references, skip)
        self.count, self.mean, self.sd, self.min, self.max = table[:, :5].T
        with np.errstate(invalid="ignore", divide="ignore"):
            self.rank = (table[:, 5] + 0.5 * table[:, 6]) / self.count
        self.mean_probability = table[:, 7]
        self.sum_of_squares = np.where(self.count > 1, self.sd**2 * (self.count - 1), 0.0)


class GaussianRatio:
    """Log-likelihood ratio of the in against the out Gaussian, with borrowed strength.

    What a few references cannot tell about one record is learned from all records: variances
    are shrunk towards the common one with four pseudo-observations and floored, the gap between
    in and out is shrunk towards its mean among records of a similar overall mean, and the
    predictive variance v (1 + 1/K) accounts for the estimated mean.

    Parameters
    ----------
    variance : {"shrunk", "student", "global", "per-record"}, default="shrunk"
        "shrunk" is the above; "student" is that with the density that allows for the variance
        being an estimate, of a Student t with the degrees of freedom of the record's own values
        and of the pseudo-observations; "global" uses the common variance and plain means;
        "per-record" each record's own variance and plain means.
    online : bool, default=True
        False: only out references exist and the score is the standardised distance above
        their mean.
    """

    def __init__(self, variance: str = "shrunk", *, online: bool = True) -> None:
        self.variance = variance
        self.online = online
        self._shrinks = variance in ("shrunk", "student")

    def fit(self, out: Moments, in_: Moments | None = None) -> GaussianRatio:
        """Learn what is common to all records."""
        self.out_mean_ = _mean_of(out.mean, 0.0)
        self.out_variance_ = _common_variance(out)
        if not self.online:
            self.floor_ = max(_VARIANCE_FLOOR * self.out_variance_, 1e-12)
            return self
        assert in_ is not None
        self.in_mean_ = _mean_of(in_.mean, self.out_mean_)
        self.in_variance_ = _common_variance(in_)
        # One floor for both: a model that always answers 1 on its own records has in-variance 0.
        degrees = [np.maximum(side.count - 1, 0).sum() for side in (out, in_)]
        pooled = np.average([self.out_variance_, self.in_variance_], weights=np.add(degrees, 1e-9))
        self.floor_ = max(_VARIANCE_FLOOR * pooled, 1e-12)
        if self._shrinks:
            self._fit_gap(out, in_)
        return self

    def _fit_gap(self, out: Moments, in_: Moments) -> None:
        complete = (out.count > 0) & (in_.count > 0)
        if not complete.any():
            self.edges_, self.gap_ = np.empty(0), np.zeros(1)
            self.gap_variance_ = np.zeros(1)
            return
        center = ((out.mean + in_.mean) / 2)[complete]
        gap = (in_.mean - out.mean)[complete]
        noise = self._mean_noise(out, in_)[complete]
        self.edges_ = np.unique(np.quantile(center, np.linspace(0, 1, _N_BINS + 1)[1:-1]))
        bins = np.searchsorted(self.edges_, center)
        n_bins = len(self.edges_) + 1
        size = np.bincount(bins, minlength=n_bins)
        total = np.maximum(size, 1)
        self.gap_ = np.bincount(bins, gap, n_bins) / total
        spread = np.bincount(bins, (gap - self.gap_[bins]) ** 2, n_bins) / np.maximum(size - 1, 1)
        self.gap_variance_ = np.maximum(spread - np.bincount(bins, noise, n_bins) / total, 0.0)

    def _mean_noise(self, out: Moments, in_: Moments) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (
                self._variance(out, self.out_variance_) / out.count
                + self._variance(in_, self.in_variance_) / in_.count
            )

    def _variance(self, side: Moments, common: float) -> np.ndarray:
        if self.variance == "global":
            variance = np.full(len(side.count), common)
        elif self.variance == "per-record":
            variance = np.where(side.count > 1, side.sd**2, common)
        else:
            variance = (side.sum_of_squares + _PSEUDO_OBSERVATIONS * common) / _degrees(side)
        return np.maximum(variance, self.floor_)

    def score(self, signal: np.ndarray, out: Moments, in_: Moments | None = None) -> np.ndarray:
        """Return the score of each record; higher means member."""
        signal = np.asarray(signal, dtype=np.float64)
        out_mean = np.where(out.count > 0, out.mean, self.out_mean_)
        out_spread = self._predictive(self._variance(out, self.out_variance_), out.count)
        if not self.online:
            z = (signal - out_mean) / np.sqrt(out_spread)
            return _normal_score(z, _degrees(out)) if self.variance == "student" else z
        assert in_ is not None
        # A side without references lies the usual gap from the other, not where most records' does.
        usual = self.in_mean_ - self.out_mean_
        seen_in_alone = (out.count == 0) & (in_.count > 0)
        out_mean = np.where(seen_in_alone, in_.mean - usual, out_mean)
        in_mean = np.where(in_.count > 0, in_.mean, out_mean + usual)
        in_spread = self._predictive(self._variance(in_, self.in_variance_), in_.count)
        if self._shrinks:
            out_mean, in_mean = self._shrink_gap(out, in_, out_mean, in_mean)
        if self.variance == "student":
            ratio = _log_student(signal, in_mean, in_spread, _degrees(in_))
            return ratio - _log_student(signal, out_mean, out_spread, _degrees(out))
        return _log_normal(signal, in_mean, in_spread) - _log_normal(signal, out_mean, out_spread)

    def _predictive(self, variance: np.ndarray, count: np.ndarray) -> np.ndarray:
        if not self._shrinks:
            return variance
        return variance * (1 + 1 / np.maximum(count, 1))

    def _shrink_gap(
        self, out: Moments, in_: Moments, out_mean: np.ndarray, in_mean: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        center = (out_mean + in_mean) / 2
        bins = np.searchsorted(self.edges_, center)
        prior, spread = self.gap_[bins], self.gap_variance_[bins]
        noise = self._mean_noise(out, in_)
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = np.where(np.isfinite(noise), spread / (spread + noise), 0.0)
        gap = prior + np.nan_to_num(weight) * (in_mean - out_mean - prior)
        out_mean = np.where(in_.count > 0, center - gap / 2, out_mean)
        in_mean = np.where(out.count > 0, out_mean + gap, in_mean)
        return np.where(out.count > 0, out_mean, in_mean - gap), in_mean


def _log_normal(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return -0.5 * ((x - mean) ** 2 / variance + np.log(variance))


def _log_student(
    x: np.ndarray, mean: np.ndarray, variance: np.ndarray, degrees: np.ndarray
) -> np.ndarray:
    """Return the log-density of a Student t with this location and this square of its scale."""
    height = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - np.log(degrees * variance) / 2
    return height - (degrees + 1) / 2 * np.log1p((x - mean) ** 2 / (degrees * variance))


def _normal_score(t: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return what a normal variable exceeds as often as a Student t exceeds `t`, to 1 % or so.

    Wallace's approximation: unlike the tails themselves it never underflows.
    """
    size = np.sqrt(degrees * np.log1p(t**2 / degrees))
    return np.sign(t) * size * (8 * degrees + 1) / (8 * degrees + 3)


def _degrees(side: Moments) -> np.ndarray:
    """Return the degrees of freedom of a variance shrunk towards the common one."""
    return np.maximum(side.count - 1, 0) + _PSEUDO_OBSERVATIONS


def _mean_of(values: np.ndarray, default: float) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else default


def _common_variance(side: Moments) -> float:
    degrees = np.maximum(side.count - 1, 0).sum()
    if degrees > 0:
        return float(side.sum_of_squares.sum() / degrees)
    # One reference per record tells no spread within records: take that between them.
    means = side.mean[np.isfinite(side.mean)]
    return float(means.var()) if len(means) > 1 else 1.0
