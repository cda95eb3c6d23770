"""A model that knows, in memory only, what it was trained on."""

from __future__ import annotations

from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from sklearn.utils._param_validation import HasMethods

from ..base import KINDS, BaseDefense, TrainingSet, fit_clone

__all__ = ["Audited", "remembered"]

# Here and not in the estimator, so that nothing that looks at, copies or stores an estimator
# meets a record. Each use is one step of a dict, which threads cannot come between.
_RECORDS: WeakKeyDictionary[Audited, TrainingSet] = WeakKeyDictionary()


class Audited(BaseDefense):
    """Remember the training records of a model while it is scored by what it gives away.

    Threat model: none; it protects nothing, and answers as the model that it wraps. A
    scorer is given test records only, and cannot tell what a model remembers without the
    records that it was trained on: `membership_risk` asks an `Audited` estimator for them.

    The records are held in this process's memory beside the estimator, not in it. They are in
    none of its attributes and parameters, in no pickle, copy, clone, text or hash of it. They are
    dropped when the estimator is: candidates of a search after they are scored, its
    `best_estimator_` when it is collected, or told to `forget`.

    Parameters
    ----------
    estimator : classifier or regressor
        Cloned, the clone is fitted. Wrap a whole pipeline, not its last step: what an attacker
        holds are records as they come in.

    Attributes
    ----------
    estimator_ : fitted classifier or regressor
        What is released.
    classes_ : ndarray of shape (n_classes,)
        Labels, in their order; of classifiers.
    remembers : bool
        Whether the training records are still there.

    See Also
    --------
    membership_risk : The scorer.

    Notes
    -----
    The records are those that `fit` was given and no copy: they must not be altered in place
    between `fit` and scoring. What the wrapped model itself keeps of its training records,
    as nearest neighbours do, it keeps here too.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.selection import Audited
    >>> model = Audited(DecisionTreeClassifier()).fit(*load_iris(return_X_y=True))
    >>> model.remembers, pickle.loads(pickle.dumps(model)).remembers
    (True, False)
    >>> model.forget().remembers
    False
    """

    alters: ClassVar[str] = ""
    defends: ClassVar[tuple[str, ...]] = KINDS

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])]
    }

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def _fit(self, data: TrainingSet) -> None:
        self.forget()
        self.estimator_ = fit_clone(self.estimator, data)
        _RECORDS[self] = data

    @property
    def remembers(self) -> bool:
        """Whether the training records are still there."""
        return self in _RECORDS

    def forget(self) -> Audited:
        """Drop the training records; answers stay as they are.

        Returns
        -------
        self
        """
        _RECORDS.pop(self, None)
        return self


def remembered(estimator: Any) -> TrainingSet:
    """Return what an `Audited` estimator was trained on.

    Raises
    ------
    ValueError
        If it no longer knows; says how that comes.
    """
    data = _RECORDS.get(estimator)
    if data is None:
        raise ValueError(
            "This Audited estimator does not know its training records: it is not fitted, was "
            "told to forget them, or was copied or loaded from a file, where they do not go. Fit "
            "it again."
        )
    return data
