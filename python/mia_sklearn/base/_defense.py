"""What all defenses share."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._models._kinds import is_net, may_classify, tags_of
from .._models._trainable import check_fit_takes
from .._process._docs import Documented
from .._records._checked import check_same_features, note_features
from .._records._digests import row_digests
from .._records._dtypes import united
from .._records._rows import (
    as_table,
    copied,
    n_rows,
    take_rows,
)
from ._training_set import TrainingSet

__all__ = ["ALTERED", "BaseDefense", "BaseReferenceDefense"]

#: What a defense can alter.
ALTERED = ("answers", "training data", "training")

_NAMED = 5


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


class BaseDefense(
    Documented, ClassifierMixin, MetaEstimatorMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of all defenses: a classifier that leaks less than the one it wraps.

    A subclass implements `_fit`, which trains what is released as `estimator_`. What is released
    is one thing: `predict`, `predict_proba`, `predict_log_proba` and `decision_function` are
    those of `estimator_`, and there are only those that it has. What else must be known of a
    defense stands in its class too: the attributes below.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in their order.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame whose columns are named by strings.
    """

    #: What it alters, one of `ALTERED`.
    alters: ClassVar[str] = "training"
    #: Whether it needs records beside the training set, given or set apart.
    needs_reference_data: ClassVar[bool] = False
    #: Whether it defends networks alone.
    needs_networks: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    # The parameter that holds the estimator whose input and `fit` decide what is taken.
    _inner_name: ClassVar[str] = "estimator"

    @classmethod
    def as_compared(cls, estimator: Any, n_classes: int) -> BaseDefense | None:
        """Return the defense of an estimator as it is compared where no defense is named.

        Parameters
        ----------
        estimator : unfitted classifier
        n_classes : int

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
        y : array-like of shape (n_records,)
            Labels.
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
            If one is missing, a class in place of an instance, or no classifier.
        """
        inner = self._inner()
        name = f"{self._inner_name} of {type(self).__name__}"
        if isinstance(inner, type):
            raise ValueError(
                f"{name} must be an instance, got the class {inner.__name__}: give "
                f"{inner.__name__}()."
            )
        if not may_classify(inner):
            raise ValueError(f"{name} must be a classifier, got {type(inner).__name__}.")
        if isinstance(inner, BaseDefense):
            inner.check_parts()

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
        y = check_array(column_or_1d(y, warn=True), ensure_2d=False, dtype=None, input_name="y")
        check_classification_targets(y)
        check_consistent_length(X, y)
        if get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params)["estimator"].fit
        check_fit_takes(inner, fit_params)
        self.classes_ = np.unique(y)
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
        """Return the labels that are released.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records,)
        """
        X = self._asked(X)
        # CatBoost answers more than two classes with a column.
        return np.asarray(self.estimator_.predict(X)).reshape(-1)

    def _for_all_classes(self, answer: np.ndarray, absent: float) -> np.ndarray:
        """Give classes that the released model never saw a column too."""
        own = np.asarray(self.estimator_.classes_)
        if len(own) == len(self.classes_):
            return answer
        whole = np.full((len(answer), len(self.classes_)), absent)
        whole[:, np.searchsorted(self.classes_, own)] = answer
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
        tags = super().__sklearn_tags__()
        inner = self._inner()
        inner_tags = None if is_net(inner) else tags_of(inner)
        if inner_tags is not None:
            tags.input_tags = inner_tags.input_tags
            if inner_tags.classifier_tags is not None:
                tags.classifier_tags.multi_class = inner_tags.classifier_tags.multi_class
        # A defense gives some of the score away, a few records of a check's all of it.
        tags.classifier_tags.poor_score = True
        return tags


class BaseReferenceDefense(BaseDefense):
    """Base of defenses that need records beside the training set.

    A subclass has the parameters `reference_size` and `random_state`, and implements
    `_fit_beside`.
    """

    needs_reference_data: ClassVar[bool] = True

    # Whether the labels of the reference records are needed.
    _needs_labels: ClassVar[bool] = False

    # Whether records are set apart class by class, so that labels decide which ones.
    _stratified: ClassVar[bool] = True

    reference_size: float
    random_state: Any

    def fit(
        self,
        X: Any,
        y: Any,
        X_reference: Any = None,
        y_reference: Any = None,
        **fit_params: Any,
    ) -> BaseReferenceDefense:
        """Train the defended model.

        Parameters
        ----------
        X : table of shape (n_records, n_features)
            An array, a data frame or a sparse matrix, as the inner estimator takes it.
        y : array-like of shape (n_records,)
            Labels.
        X_reference : table of shape (n_reference, n_features), default=None
            Records of the same kind, none of which is in `X`. By default a random share
            `reference_size` of `X`, which the released model is then not trained on.
        y_reference : array-like of shape (n_reference,), default=None
            Their labels, where the defense uses them.
        **fit_params
            Passed to the inner estimator's `fit`. Values with one entry per record of `X` follow
            their records.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of its range, there are too few records, reference records are
            training records too (named), or the inner estimator does not take what is passed.
        """
        data = self._training_set(X, y, fit_params)
        data, reference = self._set_apart(data, X_reference, y_reference)
        self._fit_beside(data, reference)
        return self

    def _fit(self, data: TrainingSet) -> None:
        raise NotImplementedError

    @abstractmethod
    def _fit_beside(self, data: TrainingSet, reference: TrainingSet) -> None:
        """Train what is released and keep it as `estimator_`.

        Labels of the reference records that were not given are an empty array.
        """

    def _set_apart(
        self, data: TrainingSet, X_reference: Any, y_reference: Any
    ) -> tuple[TrainingSet, TrainingSet]:
        """Return the training records and the reference records."""
        if X_reference is not None:
            return data, self._given(data, X_reference, y_reference)
        if y_reference is not None:
            raise ValueError("y_reference holds labels of X_reference, which was not given.")
        n_reference = round(self.reference_size * len(data))
        fewest = max(2, len(self.classes_))
        if min(n_reference, len(data) - n_reference) < fewest:
            raise ValueError(
                f"Too few records to set some apart: {len(self.classes_)} classes need at least "
                f"{fewest} on each side, and reference_size={self.reference_size} of "
                f"n_samples={len(data)} is {n_reference}. Give more records, or X_reference."
            )
        counts = np.unique(data.y, return_counts=True)[1]
        rows = train_test_split(
            np.arange(len(data)),
            test_size=n_reference,
            stratify=data.y if self._stratified and counts.min() > 1 else None,
            random_state=self.random_state,
        )
        kept, apart = (np.sort(part) for part in rows)
        return data.take(kept), TrainingSet(take_rows(data.X, apart), data.y[apart], {})

    def _given(self, data: TrainingSet, X_reference: Any, y_reference: Any) -> TrainingSet:
        records = as_table(X_reference, "X_reference")
        check_same_features(data.X, records, "X", "X_reference")
        records = united(data.X, records, "X", "X_reference")[1]
        if n_rows(records) == 0:
            raise ValueError("X_reference holds no records.")
        shared = np.flatnonzero(np.isin(row_digests(records), row_digests(data.X)))
        if len(shared):
            named = ", ".join(map(str, shared[:_NAMED]))
            more = ", ..." if len(shared) > _NAMED else ""
            raise ValueError(
                f"X_reference must hold none of the records of X; {len(shared)} of its "
                f"{n_rows(records)} rows are there too: {named}{more}. Drop them."
            )
        if y_reference is None:
            if self._needs_labels:
                raise ValueError(
                    f"{type(self).__name__} uses the labels of the reference records: give "
                    "y_reference with X_reference."
                )
            return TrainingSet(records, np.empty(0, dtype=data.y.dtype), {})
        labels = column_or_1d(y_reference)
        if len(labels) != n_rows(records):
            raise ValueError(
                f"X_reference and y_reference must have one row per record, got "
                f"{n_rows(records)} and {len(labels)} rows."
            )
        unknown = labels[~np.isin(labels, self.classes_)]
        if len(unknown):
            raise ValueError(f"y_reference holds {unknown.tolist()[0]!r}, which y does not.")
        return TrainingSet(records, labels, {})
