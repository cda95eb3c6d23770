"""Release a student that never saw the training records."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from .._models._predictors import predicted_numbers, predicts_numbers
from ..base import BaseDefense, BaseReferenceDefense, TrainingSet, fit_clone
from ..signals import log_posteriors
from ._output import check_answers_posteriors
from ._parts import check_student, narrow_tags
from ._soft_labels import train_on_answers

__all__ = ["Distillation"]


class Distillation(BaseReferenceDefense):
    """Release a student, taught by a model of the training records on other records.

    Threat model: protects against attackers who read posteriors, labels or the numbers that a
    regressor predicts (black-box, label-only)
    and against those who see the released parameters (white-box). What a record changes about the
    teacher's answers on the reference records can still show. Reference records are trained on
    by the student: where they come out of `X` they are members too, whose labels it never saw.

    Parameters
    ----------
    estimator : classifier with predict_proba, or regressor
        The teacher. A clone is fitted to the training records and not kept.
    student : classifier or regressor, default=None
        Of the teacher's kind; a clone is fitted to the teacher's posteriors or numbers. By default
        the same as the teacher.
    temperature : float, default=1.0
        Posteriors are raised to the power 1 / temperature and scaled to sum to 1 before the
        student learns them. Above 0; above 1 they become more even. 1 for
        regressors, which have none.
    reference_size : float, default=0.5
        Share of `X` that the student learns on, and the teacher does not, where `fit` gets no
        `X_reference`. Between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Sets the reference records apart, and draws labels where the student takes no weights.

    Attributes
    ----------
    estimator_ : fitted classifier or regressor
        The student, which is all that is released.
    classes_ : ndarray of shape (n_classes,)
        Of classifiers.

    See Also
    --------
    PATE : Many teachers and noise, with a stated epsilon.
    SELENA : Needs no records beside the training set.

    Notes
    -----
    True values of the reference records are not used. The published defense has the student learn
    those reference records only on which the teacher is surest; here it learns all of them.

    A student whose `fit` takes `sample_weight` gets each record once per class, weighted by its
    posterior; posteriors below .001 are left out. Others, and forests and bagging, get ten copies
    of each record, labelled in the posterior's shares. A student that splits its records itself,
    to stop early or to calibrate, has copies on both sides.

    Pass estimators that are not fitted: a pickle holds what was passed beside what is released.

    References
    ----------
    .. [1] V. Shejwalkar and A. Houmansadr, "Membership Privacy for Machine Learning Models
       Through Knowledge Transfer", AAAI 2021, section 3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.defenses import Distillation
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = LogisticRegression(max_iter=1000)
    >>> student = DecisionTreeClassifier(random_state=0)
    >>> Distillation(teacher, student, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    defends: ClassVar[tuple[str, ...]] = ("classifier", "regressor")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "student": [HasMethods(["fit", "predict"]), None],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "reference_size": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        student: Any = None,
        *,
        temperature: float = 1.0,
        reference_size: float = 0.5,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.student = student
        self.temperature = temperature
        self.reference_size = reference_size
        self.random_state = random_state

    @classmethod
    def as_compared(cls, estimator: Any, n_classes: int) -> BaseDefense | None:
        fits = hasattr(estimator, "predict_proba") or predicts_numbers(estimator)
        return cls(estimator) if fits else None

    def check_parts(self) -> None:
        super().check_parts()
        check_student(self)
        if self.is_of_numbers and self.temperature != 1:
            raise ValueError(
                f"temperature={self.temperature} softens posteriors, and a regressor has none: "
                "give temperature=1."
            )

    def _prototype(self) -> Any:
        return self.estimator if self.student is None else self.student

    def __sklearn_tags__(self) -> Any:
        return narrow_tags(super().__sklearn_tags__(), [self._prototype()])

    def _fit_beside(self, data: TrainingSet, reference: TrainingSet) -> None:
        if self.is_of_numbers:
            teacher = fit_clone(self.estimator, data)
            answers = predicted_numbers(teacher, reference.X, data.n_outputs)
            answers, classes = answers.reshape(-1, *data.y.shape[1:]), None
        else:
            answers, classes = self._softened(data, reference.X), self.classes_
        rng = check_random_state(self.random_state)
        self.estimator_ = train_on_answers(self._prototype(), reference, answers, classes, rng)

    def _softened(self, data: TrainingSet, X: Any) -> np.ndarray:
        """Return the posteriors of a classifier as teacher, raised to its temperature."""
        check_answers_posteriors(self.estimator, type(self).__name__)
        teacher = fit_clone(self.estimator, data)
        check_answers_posteriors(teacher, type(self).__name__)
        scaled = log_posteriors(teacher, X, self.classes_) / self.temperature
        return np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
