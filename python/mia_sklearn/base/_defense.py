"""What all defenses share."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._models._predictors import predicts_numbers
from .._models._trainable import check_fit_takes
from .._process._docs import Documented
from .._records._checked import note_features
from .._records._rows import as_table, copied
from ._training_set import TrainingSet
from ._wrapped import check_wrapped, tags_around, true_values

__all__ = ["ALTERED", "BaseDefense"]

#: What a defense can alter.
ALTERED = ("answers", "training data", "training")


def _releases(method: str) -> Callable[[Any], bool]:
    """Tell whether the model that a defense releases has a method."""

    def check(self: Any) -> bool:
        released = getattr(self, "estimator_", None)
        # Raises that estimator's own AttributeError, which says why.
        getattr(self._prototype() if released is None else released, method)
        known = getattr(released, "classes_", ())
        if method == "decision_function" and 0 < len(known) < len(self.classes_):
            raise AttributeError(
                f"The released model knows {len(known)} of {len(self.classes_)} classes and has "
                "no scores for the others: use predict_proba."
            )
        return True

    return check


class BaseDefense(Documented, MetaEstimatorMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of all defenses: a model that leaks less than the one it wraps, and is of its kind.

    A subclass implements `_fit`, which trains what is released as `estimator_`. What is released
    is one thing: `predict`, `predict_proba`, `predict_log_proba` and `decision_function` are
    those of `estimator_`, and there are only those that it has. Around a regressor a defense is
    one: its tags say so, `score` is R2. What else must be known of a defense stands in its class
    too: the attributes below.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in their order; of classifiers. A list of such arrays where there are several
        outputs.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame whose columns are named by strings.
    """

    #: What it alters, one of `ALTERED`.
    alters: ClassVar[str] = "training"
    #: What it defends, some of `KINDS`; all others are refused by name.
    defends: ClassVar[tuple[str, ...]] = ("classifier",)
    #: Whether it needs records beside the training set, given or set apart.
    needs_reference_data: ClassVar[bool] = False
    #: Whether it defends networks alone.
    needs_networks: ClassVar[bool] = False
    #: Whether `fit` trains the wrapped model once, as its last act, and asks it nothing: networks
    #: within then train as one with those of other references. Not inherited by a class that
    #: fits in a way of its own.
    trains_once: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    # The parameter that holds the estimator whose input and `fit` decide what is taken.
    _inner_name: ClassVar[str] = "estimator"

    @classmethod
    def as_compared(cls, estimator: Any, n_classes: int) -> BaseDefense | None:
        """Return the defense of an estimator as it is compared where no defense is named.

        Parameters
        ----------
        estimator : unfitted estimator
            Of a kind that it `defends`.
        n_classes : int
            0 of regressors, and of several outputs.

        Returns
        -------
        defense or None
            None where it does not fit, trains many models or needs to be told more. Asked of our
            own defenses alone: that a package is installed changes no comparison.
        """
        return None

    def fit(self, X: Any, y: Any, **fit_params: Any) -> BaseDefense:
        """Train the defended model.

        Parameters
        ----------
        X : table of shape (n_records, n_features)
            An array, a data frame or a sparse matrix, as the inner estimator takes it.
        y : array-like of shape (n_records,) or (n_records, n_outputs)
            Labels, or numbers.
        **fit_params
            Passed to the inner estimator's `fit`, `sample_weight` for example. Values with one
            entry per record follow their records.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of its range, there are too few records, or the inner
            estimator does not take what is passed.
        """
        self._fit(self._training_set(X, y, fit_params))
        return self

    @abstractmethod
    def _fit(self, data: TrainingSet) -> None:
        """Train what is released and keep it as `estimator_`."""

    def check_parts(self) -> None:
        """Raise if the estimators within are not what they should be, before any is trained.

        Raises
        ------
        ValueError
            If one is missing, a class in place of an instance, or of a kind that is not defended.
        """
        inner = self._inner()
        check_wrapped(self, inner, self._inner_name)
        if isinstance(inner, BaseDefense):
            inner.check_parts()

    @property
    def is_of_numbers(self) -> bool:
        """Whether it is a regressor, as what it wraps."""
        return predicts_numbers(self._inner())

    def _inner(self) -> Any:
        """Return the estimator whose input and `fit` decide what is taken."""
        return getattr(self, self._inner_name)

    def _prototype(self) -> Any:
        """Return what tells, before `fit`, which answers will be released."""
        return self._inner()

    def _training_set(self, X: Any, y: Any, fit_params: dict[str, Any]) -> TrainingSet:
        """Check the arguments of `fit` and note what they tell."""
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )
        self.check_parts()
        inner = self._inner()
        X = as_table(X)
        note_features(self, X, y)
        y, classes = true_values(self, y)
        check_consistent_length(X, y)
        if get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params)["estimator"].fit
        check_fit_takes(inner, fit_params)
        # What an earlier fit, of another estimator, may have left.
        self.classes_: Any
        if hasattr(self, "classes_"):
            delattr(self, "classes_")
        if classes is not None:
            self.classes_ = classes
        return TrainingSet(X, y, dict(fit_params))

    def _check_enough(self, data: TrainingSet, fewest: int, why: str) -> None:
        """Raise if there are fewer records than a defense can work with."""
        if len(data) < fewest:
            raise ValueError(
                f"{type(self).__name__} needs at least {fewest} records {why}, got "
                f"n_samples={len(data)}."
            )

    def _asked(self, X: Any) -> Any:
        """Return records to answer on, after checking them."""
        check_is_fitted(self)
        X = as_table(X)
        note_features(self, X, reset=False)
        return copied(X)

    @available_if(_releases("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the posteriors that are released.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records, n_classes), float64
        """
        X = self._asked(X)
        return self._for_all_classes(self.estimator_.predict_proba(X), 0.0)

    @available_if(_releases("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the posteriors that are released.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records, n_classes), float64
        """
        X = self._asked(X)
        # Trees warn of posteriors of 0.
        with np.errstate(divide="ignore"):
            return self._for_all_classes(self.estimator_.predict_log_proba(X), -np.inf)

    @available_if(_releases("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the scores that are released, as the inner estimator defines them.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records,) or (n_records, n_classes), float64
        """
        X = self._asked(X)
        return self.estimator_.decision_function(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels, or numbers, that are released.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records,) or (n_records, n_outputs)
        """
        X = self._asked(X)
        predicted = np.asarray(self.estimator_.predict(X))
        # CatBoost answers more than two classes with a column.
        return predicted.reshape(-1) if predicted.size == len(predicted) else predicted

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return how good the predictions are: the accuracy of labels, R2 of numbers.

        Parameters
        ----------
        X : table of shape (n_records, n_features)
        y : array-like of shape (n_records,) or (n_records, n_outputs)
            True values.
        sample_weight : array-like of shape (n_records,), default=None

        Returns
        -------
        float
        """
        kind = RegressorMixin if self.is_of_numbers else ClassifierMixin
        return kind.score(self, X, y, sample_weight=sample_weight)

    def _for_all_classes(self, answer: np.ndarray, absent: float) -> np.ndarray:
        """Give classes that the released model never saw a column too."""
        own = self.estimator_.classes_
        if len(own) == len(self.classes_):
            return answer
        whole = np.full((len(answer), len(self.classes_)), absent)
        whole[:, np.searchsorted(self.classes_, np.asarray(own))] = answer
        return whole

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata goes to the inner estimator.

        Returns
        -------
        MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=type(self).__name__)
        return router.add(estimator=self._inner(), method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        return tags_around(self, super().__sklearn_tags__(), self._inner())
