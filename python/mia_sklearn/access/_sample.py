"""What an attacker learns from a generator's samples alone."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances_argmin, pairwise_distances_argmin_min
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from .._models._generators import (
    answer,
    can_answer,
    check_samples,
    draw,
    samples_collapse,
)
from .._models._trainable import configured
from .._records._checked import check_same_features
from .._records._index import in_order_asked, row_labels
from .._records._numeric import numeric_features
from .._records._rows import take_rows
from ._base import AskedRecords, BaseAccess, Question

__all__ = ["SampleAccess"]

_VALUES_PER_CHUNK = 2**22
# Records that are closer than this, in standard deviations, are the same but for rounding.
_SAME = 1e-6
_MOST_COMPONENTS = 20
_FEWEST_TO_TRAIN_ON = 50
_SCORES = ("discriminator_score", "score_samples")
_OWN = ("nearest", "ball", "density-ratio")


class SampleAccess(BaseAccess):
    """Samples of a generator: how closely they lie around a record.

    Threat model: generator; the attacker draws samples, and sees nothing of what makes them.

    Parameters
    ----------
    n_samples : int, default=4000
        Samples drawn from each model.
    local : None, {"nearest", "ball", "density-ratio"} or estimator, default=None
        What is made of the samples:

        - "nearest" (and None): minus the logarithm of the distance to the nearest one [1]_.
        - "ball": log-odds of the share of samples within a radius [2]_.
        - "density-ratio": log density of the samples less that of reference data, at the
          record [3]_.
        - an unfitted estimator with `discriminator_score` or `score_samples`: it is trained on
          the samples and scores the records. With a GAN this is LOGAN's black-box attack without
          knowledge [4]_.
    standardize : bool, default=True
        Whether distances are measured in standard deviations, between indicators of categories
        as well. Give False where all features have one unit already (pixels, principal
        components): what varies most then counts most.

    See Also
    --------
    mia_sklearn.attacks.LOGANAttack : What known members and non-members add.

    Notes
    -----
    *Distances* are Euclidean. Scales come from the records asked about, so that they are the same
    for all models. A local estimator gets samples and records as they are.

    *The radius* of the ball is the median distance of the records to their nearest samples, the
    paper's median heuristic, for each model its own; with references over all of their records.

    *The density ratio* compares Gaussian kernel densities on the first 20 principal components,
    whitened, of the reference data, with the bandwidth of Scott's rule; the paper prefers a
    normalising flow. Reference data are the records asked about, each one left out of its own
    density (with references all of theirs, the population included), unless
    `observe(reference_data=)` gives others.

    *Samples* of a pipeline are those of its last step, sent back through the others'
    `inverse_transform`; of several things that `sample` returns the first is taken. Each model
    draws from its own seed, and stays as it is.

    References
    ----------
    .. [1] D. Chen et al., "GAN-Leaks: A Taxonomy of Membership Inference Attacks against
       Generative Models", CCS 2020, section 4.2.
    .. [2] B. Hilprecht et al., "Monte Carlo and Reconstruction Membership Inference Attacks
       against Generative Models", PoPETs 2019, section 3.
    .. [3] B. van Breugel et al., "Membership Inference Attacks against Synthetic Data through
       Overfitting Detection", AISTATS 2023.
    .. [4] J. Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models",
       PoPETs 2019, section 4.3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KernelDensity
    >>> from mia_sklearn import observe
    >>> from mia_sklearn.metrics import roc_auc
    >>> X, _ = load_iris(return_X_y=True)
    >>> model = KernelDensity(bandwidth=0.01).fit(X[::2])
    >>> seen = observe(model, X, access="samples", n_samples=1000, random_state=0)
    >>> roc_auc([1, 0] * 75, seen["logit"]).value > 0.9
    True
    """

    name: ClassVar[str] = "samples"
    threat_model: ClassVar[str] = "generator"
    of_generators: ClassVar[bool] = True
    releases: ClassVar[tuple[str, ...]] = ("samples",)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "standardize": ["boolean"],
    }

    def __init__(
        self, n_samples: int = 4000, *, local: Any = None, standardize: bool = True
    ) -> None:
        self.n_samples = n_samples
        self.local = local
        self.standardize = standardize

    def check(self, model: Any) -> None:
        constraints = self._parameter_constraints
        given = {name: getattr(self, name) for name in constraints}
        validate_parameter_constraints(constraints, given, type(self).__name__)
        _check_local(self.local, self.n_samples)
        check_samples(model)

    def question(self, records: AskedRecords, seed: int) -> Question:
        if records.reference_data is not None and self.local != "density-ratio":
            raise ValueError(
                "reference_data= is compared with samples by local='density-ratio' only."
            )
        if self.local == "ball":
            return _Ball(self.n_samples, records, self.standardize)
        if self.local == "density-ratio":
            return _DensityRatio(self.n_samples, records, self.standardize)
        if self.local in (None, "nearest"):
            return _Nearest(self.n_samples, records, self.standardize)
        return _Local(self.n_samples, records, self.local)

    def doubt(self, model: Any, records: AskedRecords, answers: np.ndarray) -> str:
        collapse = samples_collapse(model, records.X, self.n_samples)
        return collapse or super().doubt(model, records, answers)


def _check_local(local: Any, n_samples: int) -> None:
    if local in (None, "nearest", "ball"):
        return
    if isinstance(local, str) and local != "density-ratio":
        raise ValueError(
            f"local must be one of {', '.join(_OWN)} or an unfitted estimator, got {local!r}."
        )
    if not isinstance(local, str) and (
        isinstance(local, type)
        or not (hasattr(local, "fit") and hasattr(local, "get_params"))
        or not any(can_answer(local, name) for name in _SCORES)
    ):
        raise ValueError(
            f"local must be one of {', '.join(_OWN)} or an unfitted estimator with "
            f"{' or '.join(_SCORES)}, got {local!r}."
        )
    if n_samples < _FEWEST_TO_TRAIN_ON:
        raise ValueError(
            f"n_samples={n_samples} are too few to train on: give at least {_FEWEST_TO_TRAIN_ON}."
        )


class _OfSamples(Question):
    """A measure of records beside samples."""

    def __init__(self, n_samples: int, records: AskedRecords) -> None:
        self.n_samples = n_samples
        self.records = records

    def ask(self, model: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        # Not the numbers that the model was trained with.
        drawing, training = np.random.default_rng([seed, 1]).integers(2**31 - 1, size=2)
        samples = draw(model, self.n_samples, int(drawing), self.records.X)
        return np.asarray(self.measure(samples, rows, int(training)), dtype=np.float64)[:, None]

    @abstractmethod
    def measure(self, samples: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return one number per record, higher where the samples lie about it."""


class _Measured(_OfSamples):
    """A measure of distances between records."""

    def __init__(self, n_samples: int, records: AskedRecords, standardize: bool) -> None:
        super().__init__(n_samples, records)
        self.standardize = standardize
        self.numbers = self.as_numbers(records.X)

    def as_numbers(self, X: Any) -> np.ndarray:
        if self.standardize:
            return numeric_features(X, one_hot=True, like=self.records.X)
        try:
            return np.asarray(X, dtype=np.float64).reshape(len(X), -1)
        except ValueError as error:
            raise ValueError(
                f"standardize=False needs features that are numbers ({error}): leave it out."
            ) from error

    def measure(self, samples: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        return self.compare(self.as_numbers(samples), rows)

    @abstractmethod
    def compare(self, drawn: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return one number per record, from samples as numbers."""


class _Nearest(_Measured):
    def compare(self, drawn: np.ndarray, rows: np.ndarray) -> np.ndarray:
        own = self.numbers[rows]
        nearest = drawn[pairwise_distances_argmin(own, drawn)]
        # Anew: what finds the nearest is not exact where they are the same.
        return -np.log(np.maximum(np.linalg.norm(own - nearest, axis=1), _SAME))


class _Ball(_Measured):
    def compare(self, drawn: np.ndarray, rows: np.ndarray) -> np.ndarray:
        n = len(drawn)
        # Of all records, so that no answer depends on which are asked about.
        reach = pairwise_distances_argmin_min(self.numbers, drawn)[1]
        radius = max(float(np.median(reach)), _SAME)
        counts = np.concatenate(
            [
                np.count_nonzero(distances <= radius**2, axis=1)
                for distances in _squared_distances(self.numbers[rows], drawn)
            ]
        )
        return np.log((counts + 0.5) / (n - counts + 0.5))


class _DensityRatio(_Measured):
    def __init__(self, n_samples: int, records: AskedRecords, standardize: bool) -> None:
        super().__init__(n_samples, records, standardize)
        others = records.reference_data
        held = self.numbers
        if others is not None:
            check_same_features(records.X, others, "X", "reference_data")
            held = self.as_numbers(others)
        n_components = min(_MOST_COMPONENTS, held.shape[1], len(held) - 1)
        if len(held) < _FEWEST_TO_TRAIN_ON:
            raise ValueError(
                f"The density ratio needs at least {_FEWEST_TO_TRAIN_ON} records of reference "
                f"data, got {len(held)}."
            )
        components = PCA(n_components, whiten=True, random_state=0)
        self.components = components.set_output(transform="default").fit(held)
        self.numbers = self.components.transform(self.numbers)
        centres = self.numbers if others is None else self.components.transform(held)
        self.usual = _log_density(self.numbers, centres, leave_out=others is None)

    def compare(self, drawn: np.ndarray, rows: np.ndarray) -> np.ndarray:
        centres = self.components.transform(drawn)
        return _log_density(self.numbers[rows], centres) - self.usual[rows]


def _log_density(points: np.ndarray, centres: np.ndarray, *, leave_out: bool = False) -> np.ndarray:
    """Return Gaussian kernel densities, up to a constant; of centres without themselves."""
    n, width = centres.shape
    bandwidth = n ** (-1 / (width + 4))
    parts, start = [], 0
    for distances in _squared_distances(points, centres):
        if leave_out:
            own = np.arange(len(distances))
            distances[own, start + own] = np.inf
        parts.append(_log_sum_exp(distances * (-0.5 / bandwidth**2)))
        start += len(distances)
    return np.concatenate(parts) - np.log(n - leave_out) - width * np.log(bandwidth)


def _log_sum_exp(values: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of exponentials of each row, in place."""
    most = values.max(axis=1)
    values -= most[:, None]
    return most + np.log(np.exp(values, out=values).sum(axis=1))


def _squared_distances(points: np.ndarray, others: np.ndarray) -> Any:
    """Yield squared distances of all points to all others, in parts of bounded size."""
    step = max(1, _VALUES_PER_CHUNK // len(others))
    for start in range(0, len(points), step):
        yield euclidean_distances(points[start : start + step], others, squared=True)


class _Local(_OfSamples):
    """A model of the samples, trained by the attacker."""

    def __init__(self, n_samples: int, records: AskedRecords, local: BaseEstimator) -> None:
        super().__init__(n_samples, records)
        self.local = local

    def measure(self, samples: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        model = configured(self.local, seed).fit(samples)
        score = next(name for name in _SCORES if can_answer(model, name))
        X = take_rows(self.records.X, rows)
        labels = row_labels(X)
        signal = np.asarray(in_order_asked(score, answer(model, X, score), labels))
        if signal.shape != (len(rows),) or np.isnan(signal).any():
            raise ValueError(
                f"{score} of the local {type(model).__name__} must return one number per record."
            )
        return signal
