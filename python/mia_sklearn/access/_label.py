"""What an attacker learns who sees nothing but predicted classes."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._models._answers import predicted_labels
from .._models._generators import is_function
from .._models._kinds import is_generator, may_classify
from .._records._checked import check_same_features
from .._records._index import in_order_asked, row_labels
from .._records._perturbation import Perturbation
from .._records._rows import (
    concat_rows,
    copied,
    n_rows,
    positions,
    record_shape,
    take_rows,
)
from ._base import AskedRecords, BaseAccess, Question

__all__ = ["LabelAccess"]

# Copies are drawn for blocks of records: a record's own do not depend on which others are asked
# about, nor in which order. A block is asked about at once.
_RECORDS_PER_BLOCK = 256
_VALUES_PER_BLOCK = 2**22
_LARGEST_SEED = 2**31 - 1


class LabelAccess(BaseAccess):
    r"""Predicted classes alone: how many perturbed copies of a record keep its true label.

    A record that a model was trained on lies deeper within the region of its class than one that
    it was not, so that more of its copies are answered with its class. Every model is asked about
    the same copies.

    Threat model: label-only; the attacker asks for `n_queries` + 1 predicted classes per record,
    the record's own and those of its copies, and for nothing else.

    Parameters
    ----------
    perturb : "auto" or callable, default="auto"
        "auto" adds Gaussian noise to numbers and changes binary features and categories, as each
        column of the records is, see Notes. Or a function `(X, random_state) -> X'` that takes a
        table in which each record stands `n_queries` times and a `RandomState`, and returns the
        copies.
    n_queries : int, default=25
        Copies of each record; 0 asks about the record alone.
    noise : float, default=0.5
        Largest standard deviation of the noise on numbers, in standard deviations of the column.
        Each copy draws its own, log-uniformly from a thirtieth of it up: trees tell most by
        little noise, smooth models by more.
    flip : float, default=None
        Probability with which a binary feature, or a category, of a copy becomes another of the
        column's values. By default what changes one feature of a copy on average, within 2 % and
        10 %.

    See Also
    --------
    mia_sklearn.attacks.ThresholdAttack : `ThresholdAttack("correctness")` is the gap attack, on
        the prediction of the record alone.

    Notes
    -----
    The signal is :math:`\log((k + 1/2) / (Q - k + 1/2))`, where k of all Q = `n_queries` + 1
    answers, the one to the record itself included, are the record's true label.

    *Perturbations* stay within the data: a column with more than 16 different numbers is a range,
    any other a set of its values, and neighbouring 0/1 columns that add up to 1 in every row are
    the indicators of one category and move together. Numbers are kept between the column's least
    and greatest, whole numbers are rounded, and missing values stay missing.

    *Memory.* Copies are made and asked about in blocks of at most 256 records, with one call of
    `predict` for each.

    *Budgets.* A function with a `query_budget` is asked about as many records as the budget
    allows, in their order; the others' answers are NaN, and a warning says how many were reached.

    Deviations from the paper: references answer the same copies, so that attacks compare a record
    with itself under models that did and did not train on it; distances to the decision boundary
    are not searched for.

    References
    ----------
    .. [1] C. A. Choquette-Choo et al., "Label-Only Membership Inference Attacks", ICML 2021,
       section 3.
    .. [2] S. Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to
       Overfitting", CSF 2018 (the gap attack).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import LinearSVC
    >>> from mia_sklearn import ReferenceModels, observe
    >>> from mia_sklearn.access import LabelAccess
    >>> X, y = load_iris(return_X_y=True)
    >>> access = LabelAccess(n_queries=10)
    >>> references = ReferenceModels(LinearSVC(), n_models=4, signal=access, random_state=0)
    >>> seen = observe(LinearSVC().fit(X[::2], y[::2]), X, y, references=references.fit(X, y))
    >>> seen.columns.tolist()[:6]
    ['label', 'proba_0', 'proba_1', 'proba_2', 'logit', 'out_0']
    """

    name: ClassVar[str] = "label"
    threat_model: ClassVar[str] = "label-only"
    sees_labels: ClassVar[bool] = True
    releases: ClassVar[tuple[str, ...]] = ("labels",)
    queries_copies: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "perturb": [StrOptions({"auto"}), callable],
        "n_queries": [Interval(Integral, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "flip": [Interval(Real, 0, 1, closed="both"), None],
    }

    def __init__(
        self,
        perturb: Any = "auto",
        n_queries: int = 25,
        *,
        noise: float = 0.5,
        flip: float | None = None,
    ) -> None:
        self.perturb = perturb
        self.n_queries = n_queries
        self.noise = noise
        self.flip = flip

    def check(self, model: Any) -> None:
        self._validate_params()
        if is_generator(model) or not (may_classify(model) or is_function(model)):
            raise ValueError(
                f"access='label' needs a classifier, whose predict answers labels; got "
                f"{type(model).__name__}."
            )

    def question(self, records: AskedRecords, seed: int) -> Question:
        if self.perturb == "auto":
            return _LabelQuestion(
                records, self.n_queries, seed, Perturbation(records.X, self.noise, self.flip)
            )
        copies = _ByFunction(records.X, self.perturb)
        # What the function returns is looked at before any model is trained.
        copies(np.arange(min(2, n_rows(records.X))), 1, np.random.default_rng(seed))
        return _LabelQuestion(records, self.n_queries, seed, copies)

    def doubt(self, model: Any, records: AskedRecords, answers: np.ndarray) -> str:
        # A budget may have left some without an answer.
        return super().doubt(model, records, answers[np.isfinite(answers[:, 0])])


class _ByFunction:
    """Copies by a function of the user's."""

    def __init__(self, X: Any, function: Any) -> None:
        self.X, self.function = X, function

    def __call__(self, rows: np.ndarray, n_copies: int, rng: np.random.Generator) -> Any:
        repeated = take_rows(self.X, np.repeat(rows, n_copies))
        random = np.random.RandomState(rng.integers(_LARGEST_SEED))
        copies = self.function(copied(repeated), random)
        sized = hasattr(copies, "__len__") or hasattr(copies, "shape")
        if not sized or n_rows(copies) != n_rows(repeated):
            got = getattr(copies, "shape", type(copies).__name__)
            shape = (n_rows(repeated), *record_shape(repeated))
            raise ValueError(
                "perturb must return one copy for each row of the table it gets: shape "
                f"{shape}, got {got}."
            )
        check_same_features(repeated, copies, "X", "perturb(X, random_state)")
        return in_order_asked("perturb", copies, row_labels(repeated))


class _LabelQuestion(Question):
    """Which class a model predicts for records, and how often the true one for their copies.

    Parameters
    ----------
    records : AskedRecords
    n_queries : int
    seed : int
        Draws the copies, the same for every model.
    copies : callable
        Takes rows, the number of copies of each and a Generator, returns the copies.
    """

    n_columns = 2

    def __init__(self, records: AskedRecords, n_queries: int, seed: int, copies: Any) -> None:
        self.records, self.n_queries, self.seed, self.copies = records, n_queries, seed, copies
        width = max(1, int(np.prod(record_shape(records.X))))
        fitting = _VALUES_PER_BLOCK // (width * (1 + n_queries))
        self.block_size = int(np.clip(fitting, 1, _RECORDS_PER_BLOCK))

    def ask(self, model: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        answers = np.full((len(rows), self.n_columns), np.nan)
        blocks = rows[: self._within_budget(model, len(rows))] // self.block_size
        for block in np.unique(blocks):
            places = np.flatnonzero(blocks == block)
            answers[places] = self._ask_block(model, int(block), rows[places])
        return answers

    def _within_budget(self, model: Any, n: int) -> int:
        """Return how many of `n` records may be asked about, with all of their copies."""
        left = getattr(model, "queries_left", None)
        each = 1 + self.n_queries
        if left is None or left >= n * each:
            return n
        if left < each:
            model.check_budget(each)
        warnings.warn(
            f"query_budget ends after {left // each} of {n} records, with {each} queries each: "
            "the other records' answers are NaN.",
            stacklevel=4,
        )
        return left // each

    def _ask_block(self, model: Any, block: int, rows: np.ndarray) -> np.ndarray:
        records, n = self.records, len(rows)
        asked = take_rows(records.X, rows)
        if self.n_queries:
            asked = concat_rows(asked, self._copies_of(block, rows))
        predicted = predicted_labels(model, asked)
        found = positions(predicted, records.classes)
        own, truth = found[:n], records.labels[rows]
        right = found[n:].reshape(n, self.n_queries) == truth[:, None]
        kept = (own == truth) + right.sum(axis=1)
        signal = np.log((kept + 0.5) / (self.n_queries + 1 - kept + 0.5))
        # There is no column for a class that the records' labels do not know.
        return np.stack([signal, np.where(own < 0, np.nan, own)], axis=1)

    def _copies_of(self, block: int, rows: np.ndarray) -> Any:
        start = block * self.block_size
        whole = np.arange(start, min(start + self.block_size, n_rows(self.records.X)))
        rng = np.random.default_rng([self.seed, block])
        copies = self.copies(whole, self.n_queries, rng)
        if np.array_equal(rows, whole):
            return copies
        places = (rows - start)[:, None] * self.n_queries + np.arange(self.n_queries)
        return take_rows(copies, places.ravel())
