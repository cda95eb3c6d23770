"""Combine models that each saw a part of the training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn import get_config
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import _BaseComposition, available_if

from .._models._predictors import predicts_numbers
from .._models._trainable import check_fit_takes
from ..base import BaseDefense, TrainingSet
from ..base._wrapped import check_kind
from ..signals import log_posteriors
from ._output import check_answers_posteriors
from ._parts import draw_seeds, narrow_tags, train_part

__all__ = ["ModelStacking"]


class ModelStacking(BaseDefense, _BaseComposition):
    """Combine models of different kinds, each trained on records of its own.

    Threat model: protects against attackers who read posteriors (black-box) and, a little,
    against those who read labels. Each record is seen by one model only, so that what this model
    remembers of it is one vote among several. A combiner that trusts one base model alone
    protects little.

    Parameters
    ----------
    estimators : list of (str, classifier), default=None
        Base models, with predict_proba, and their names. Clones are fitted. By default a
        `MLPClassifier` and a `RandomForestClassifier`, as different as can be.
    final_estimator : classifier, default=None
        The combiner, which reads the base models' posteriors. A clone is fitted. By default a
        `LogisticRegression`.
    random_state : int, RandomState instance or None, default=None
        Draws the parts, and the seeds of default base models.

    Attributes
    ----------
    estimator_ : fitted classifier
        Base models and combiner as one.
    estimators_ : list of fitted classifiers
        The base models, in the order of `estimators`.
    final_estimator_ : fitted classifier
        The combiner.
    parts_ : list of ndarray of int
        Positions of the training records that each base model saw and, last, the combiner.
    classes_ : ndarray of shape (n_classes,)

    See Also
    --------
    sklearn.ensemble.StackingClassifier : Base models that each see all training records, which
        does not protect them.

    Notes
    -----
    The parts are of one size and have the classes in the same shares, as far as whole records
    allow; the paper draws them without regard to classes. What is passed to `fit` beside the
    records goes to the base models and the combiner.

    References
    ----------
    .. [1] A. Salem et al., "ML-Leaks: Model and Data Independent Membership Inference Attacks
       and Defenses on Machine Learning Models", NDSS 2019, section VI-B.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.defenses import ModelStacking
    >>> X, y = load_iris(return_X_y=True)
    >>> models = [("tree", DecisionTreeClassifier(random_state=0)), ("bayes", GaussianNB())]
    >>> stack = ModelStacking(models, random_state=0).fit(X, y)
    >>> [len(part) for part in stack.parts_]
    [50, 50, 50]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimators": [list, None],
        "final_estimator": [HasMethods(["fit", "predict"]), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self, estimators: Any = None, final_estimator: Any = None, *, random_state: Any = None
    ) -> None:
        self.estimators = estimators
        self.final_estimator = final_estimator
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the base models as `name__parameter`.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return the base models and their parameters too.

        Returns
        -------
        dict
        """
        whole = isinstance(self.estimators, list) and all(
            isinstance(entry, tuple) and len(entry) == 2 for entry in self.estimators
        )
        return self._get_params("estimators", deep=deep and (whole or self.estimators is None))

    def set_params(self, **params: Any) -> ModelStacking:
        """Set parameters, those of a base model as `name__parameter`, or a whole one as `name`.

        Parameters
        ----------
        **params

        Returns
        -------
        self
        """
        self._set_params("estimators", **params)
        return self

    def _base_models(self, seeds: Sequence[int | None] = (None, None)) -> list[tuple[str, Any]]:
        if self.estimators is not None:
            return self.estimators
        network, forest = seeds
        return [
            ("network", MLPClassifier(max_iter=1000, random_state=network)),
            ("forest", RandomForestClassifier(random_state=forest)),
        ]

    def _inner(self) -> Any:
        return LogisticRegression() if self.final_estimator is None else self.final_estimator

    def check_parts(self) -> None:
        """Raise if a base model or the combiner is not what it should be.

        Raises
        ------
        ValueError
        """
        self._check_estimators()
        super().check_parts()

    def _training_set(self, X: Any, y: Any, fit_params: dict[str, Any]) -> TrainingSet:
        # Each model gets its own share of what is passed, see `_trained`.
        data = super()._training_set(X, y, {})
        for name, model in [*self._base_models(), ("final_estimator", self._inner())]:
            check_fit_takes(model, self._routed(name, fit_params))
        self._check_counts(data)
        return replace(data, params=fit_params)

    def _check_estimators(self) -> None:
        models = self._base_models()
        if not (isinstance(models, list) and models):
            raise ValueError(f"estimators must be a list of (name, classifier), got {models!r}.")
        for entry in models:
            if not (isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)):
                raise ValueError(f"estimators must hold pairs (name, classifier), got {entry!r}.")
            name, model = entry
            if predicts_numbers(model):
                check_kind(self, "regressor", f"{name}={type(model).__name__}")
            if isinstance(model, type) or not hasattr(model, "fit"):
                raise ValueError(f"estimators: {name!r} is no classifier, got {model!r}.")
            check_answers_posteriors(model, type(self).__name__)
        self._validate_names([name for name, _ in models])

    def _check_counts(self, data: TrainingSet) -> None:
        n_parts = len(self._base_models()) + 1
        counts = np.sort(np.unique(data.y, return_counts=True)[1])[::-1]
        if len(counts) < 2 or counts[1] < n_parts:
            raise ValueError(
                f"{type(self).__name__} trains {n_parts} models on records of their own, each of "
                f"which needs two classes: y must hold at least {n_parts} records of each of two "
                f"classes, got {counts.tolist()} of its classes (n_samples={len(data)})."
            )

    def _fit(self, data: TrainingSet) -> None:
        rng = check_random_state(self.random_state)
        models = self._base_models(draw_seeds(rng, 2))
        self.parts_ = _stratified_parts(data.y, len(models) + 1, rng)
        self.estimators_ = [
            self._trained(name, model, data.take(rows))
            for (name, model), rows in zip(models, self.parts_[:-1], strict=True)
        ]
        last = data.take(self.parts_[-1])
        seen = _posteriors(self.estimators_, last.X, self.classes_)
        combiner = self._trained("final_estimator", self._inner(), replace(last, X=seen))
        self.final_estimator_ = combiner
        self.estimator_ = _Stack(self.estimators_, combiner, self.classes_)

    def _trained(self, name: str, model: Any, part: TrainingSet) -> Any:
        params = self._routed(name, part.params)
        return train_part(model, replace(part, params=params), self.classes_)

    def _routed(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return what one of the models gets of what is passed to `fit`."""
        if not get_config()["enable_metadata_routing"]:
            return params
        return process_routing(self, "fit", **params)[name].fit

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata goes to the base models and the combiner.

        Returns
        -------
        MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=type(self).__name__)
        models = {**dict(self._base_models()), "final_estimator": self._inner()}
        return router.add(**models, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # The combiner reads posteriors, whatever the records are.
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        tags.input_tags.positive_only = False
        return narrow_tags(tags, [model for _, model in self._base_models()])


def _stratified_parts(y: np.ndarray, n_parts: int, rng: np.random.RandomState) -> list[np.ndarray]:
    """Deal records out, class by class: sizes, and counts of a class, differ by one at most."""
    mixed = rng.permutation(len(y))
    by_class = mixed[np.argsort(y[mixed], kind="stable")]
    dealt = rng.permutation(n_parts)
    return [np.sort(by_class[start::n_parts]) for start in dealt]


def _posteriors(models: list[Any], X: Any, classes: np.ndarray) -> np.ndarray:
    """Return all models' posteriors side by side: what the combiner reads."""
    return np.exp(np.hstack([log_posteriors(model, X, classes) for model in models]))


def _combiner_has(method: str) -> Any:
    def check(self: Any) -> bool:
        getattr(self.combiner, method)
        return True

    return check


class _Stack:
    """Fitted base models and their combiner."""

    def __init__(self, models: list[Any], combiner: Any, classes: np.ndarray) -> None:
        self.models = models
        self.combiner = combiner
        self._all_classes = classes
        self.classes_ = np.asarray(combiner.classes_)

    def _read(self, X: Any) -> np.ndarray:
        return _posteriors(self.models, X, self._all_classes)

    def predict(self, X: Any) -> np.ndarray:
        return self.combiner.predict(self._read(X))

    @available_if(_combiner_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        return self.combiner.predict_proba(self._read(X))

    @available_if(_combiner_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        return self.combiner.predict_log_proba(self._read(X))

    @available_if(_combiner_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        return self.combiner.decision_function(self._read(X))
