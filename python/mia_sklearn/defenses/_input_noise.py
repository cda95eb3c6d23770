"""Train on records with noise."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from .._records._feature_space import FeatureSpace, other_rows
from .._records._rows import from_pandas, is_documents, is_frame, to_pandas
from ..base import KINDS, BaseDefense, TrainingSet, fit_clone

__all__ = ["InputNoise"]


class InputNoise(BaseDefense):
    r"""Train on records with noise: Gaussian on numbers, flips on binary features and categories.

    Threat model: protects against attackers who know a record exactly and ask a model that would
    have memorised it, with posteriors or labels. The noise is drawn once, at `fit`: what remains
    of a record after it is learned as ever, and no bound on what is learned of it is implied.

    Parameters
    ----------
    estimator : classifier or regressor
        Cloned, the clone is fitted to the noisy records. Answers are given without noise.
    sigma : float, default=0.1
        Standard deviation of the noise on numbers, in standard deviations of the column; at
        least 0.
    flip : float, default=None
        Probability with which a binary feature or a category becomes another of the column's
        values, each as likely as the next; between 0 and 1. By default
        :math:`(1 - 1 / \sqrt{1 + \sigma^2}) / 2`, see Notes.
    random_state : int, RandomState instance or None, default=None
        Draws the noise.

    Attributes
    ----------
    estimator_ : fitted classifier or regressor
        What is released.
    flip_ : float
        The probability in use.
    classes_ : ndarray of shape (n_classes,)
        Of classifiers.

    Notes
    -----
    A numeric column with more than 16 distinct values is a number, one with fewer is a set of
    values, as is every column of text, categories or truth values. Neighbouring 0/1 columns that
    add up to 1 in every row are the indicators of one category and move together. Columns of
    numbers become floating point, all others keep their type. Noise is not cut off at the
    largest and smallest values, so that its standard deviation is `sigma`. Missing and infinite
    values stay as they are, and so do labels
    and numbers to predict.

    With the default a balanced binary feature is correlated with what it was as much as a number
    is, :math:`1 / \sqrt{1 + \sigma^2}`: `sigma=0.1` flips 1 in 400, `sigma=1` 15 in 100, and no
    sigma more than half. A flip to any other value alike is k-ary randomised response [2]_: a
    rare value is as deniable as a frequent one.

    Noise on training records acts like a penalty on the derivatives of the model [1]_. For a
    network it is the same in each epoch.

    References
    ----------
    .. [1] C. M. Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", Neural
       Computation 7(1), 1995.
    .. [2] S. L. Warner, "Randomized Response: A Survey Technique for Eliminating Evasive Answer
       Bias", Journal of the American Statistical Association 60(309), 1965.
    .. [3] Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning
       Models", arXiv:1802.04889, section 6.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.defenses import InputNoise
    >>> X, y = load_iris(return_X_y=True)
    >>> model = DecisionTreeClassifier(random_state=0)
    >>> model.fit(X, y).score(X, y)
    1.0
    >>> InputNoise(model, sigma=0.5, random_state=0).fit(X, y).score(X, y) < 1
    True
    """

    alters: ClassVar[str] = "training data"
    trains_once: ClassVar[bool] = True
    defends: ClassVar[tuple[str, ...]] = KINDS

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "sigma": [Interval(Real, 0, None, closed="left")],
        "flip": [Interval(Real, 0, 1, closed="both"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        sigma: float = 0.1,
        *,
        flip: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.sigma = sigma
        self.flip = flip
        self.random_state = random_state

    @classmethod
    def as_compared(cls, estimator: Any, n_classes: int) -> BaseDefense | None:
        return cls(estimator)

    def _fit(self, data: TrainingSet) -> None:
        if sparse.issparse(data.X):
            raise ValueError(
                "X is sparse: noise leaves no zero as it is. Give InputNoise dense records, "
                "X.toarray()."
            )
        if is_documents(data.X):
            raise ValueError(
                "X holds texts: InputNoise adds noise to numbers and categories. Put it behind the "
                "vectorizer."
            )
        usual = float((1 - 1 / np.sqrt(1 + self.sigma**2)) / 2)
        self.flip_ = usual if self.flip is None else self.flip
        rng = check_random_state(self.random_state)
        if len(data) and (self.sigma or self.flip_):
            noisy = _with_noise(data.X, self.sigma, self.flip_, rng)
            data = TrainingSet(noisy, data.y, data.params)
        self.estimator_ = fit_clone(self.estimator, data)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


def _with_noise(X: Any, sigma: float, flip: float, rng: np.random.RandomState) -> Any:
    """Return a copy of a table, with noise on all that is there."""
    given, X = X, to_pandas(X)
    if not is_frame(X):
        return _array_with_noise(X, sigma, flip, rng)
    space = FeatureSpace(X, missing=True)
    noisy = X.copy()
    for place in space.ranges() if sigma else ():
        column = X.iloc[:, place].to_numpy(dtype=np.float64, na_value=np.nan)
        kind = X.dtypes.iloc[place]
        moved = _with_gaussian(column, sigma, rng)
        noisy.isetitem(place, moved.astype(kind) if kind.kind == "f" else moved)
    for places in space.choices() if flip else ():
        rows = other_rows([X.iloc[:, place] for place in places], flip, rng)
        for place in places:
            noisy.isetitem(place, X.iloc[:, place].array.take(rows))
    return from_pandas(noisy, given)


def _array_with_noise(X: Any, sigma: float, flip: float, rng: np.random.RandomState) -> Any:
    if X.dtype.kind == "O":
        import pandas as pd

        # Numbers among objects are numbers.
        frame = pd.DataFrame(X.reshape(len(X), -1)).infer_objects()
        noisy = _with_noise(frame, sigma, flip, rng).to_numpy(dtype=object).reshape(X.shape)
        return np.where(pd.isna(X), X, noisy)
    flat = X.reshape(len(X), -1)
    space = FeatureSpace(flat, missing=True)
    ranges = space.ranges() if sigma else []
    noisy = flat.astype(np.float64 if ranges and X.dtype.kind in "iu" else X.dtype)
    for place in ranges:
        noisy[:, place] = _with_gaussian(flat[:, place], sigma, rng)
    for places in space.choices() if flip else ():
        rows = other_rows([flat[:, place] for place in places], flip, rng)
        noisy[:, places] = flat[rows[:, None], places]
    return noisy.reshape(X.shape)


def _with_gaussian(column: np.ndarray, sigma: float, rng: np.random.RandomState) -> np.ndarray:
    column = column.astype(np.float64)
    spread = column[np.isfinite(column)].std()
    return column + sigma * spread * rng.normal(size=len(column))
