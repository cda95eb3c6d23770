"""What an attacker asks a model for where that is not posteriors: one number per record.

`observe(access=)` and `ReferenceModels(signal=)` take one of these, or its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ._data import n_rows, take_rows

__all__ = [
    "AskedRecords",
    "BaseAccess",
    "DensityAccess",
    "DiscriminatorAccess",
    "FunctionAccess",
    "Question",
    "choose_access",
]

_VALUES_PER_CHUNK = 2**24


class AskedRecords(NamedTuple):
    """The records of a pool, which every model is asked about in the same way."""

    #: Table of shape (n_records, n_features).
    X: Any
    #: Column of each record's class; zeros where there are no labels.
    labels: np.ndarray
    #: Labels, in the order of the columns; empty where there are none.
    classes: np.ndarray


class Question(ABC):
    """One question about the records of a pool, put to many models."""

    #: Numbers in an answer: the signal, and where labels are seen the predicted class.
    n_columns: int = 1

    @abstractmethod
    def ask(self, model: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return a model's answers.

        Parameters
        ----------
        model : fitted estimator
        rows : ndarray of int of shape (n_rows,)
            Which records of the pool.
        seed : int
            Draws what the model is asked to draw.

        Returns
        -------
        ndarray of shape (n_rows, n_columns), float64
            The signal, higher meaning member, and the position of the predicted class.
        """


class BaseAccess(BaseEstimator, ABC):
    """What an attacker asks for.

    Attributes
    ----------
    name : str
        As `observe(access=)` takes it.
    threat_model : str
        What the attacker needs to see.
    """

    name: ClassVar[str]
    threat_model: ClassVar[str]
    #: Whether answers tell the predicted class beside the signal.
    sees_labels: ClassVar[bool] = False

    @abstractmethod
    def check(self, model: Any) -> None:
        """Raise if a model, fitted or not, cannot be asked for this.

        Raises
        ------
        ValueError
            Names the method that it lacks.
        """

    @abstractmethod
    def question(self, records: AskedRecords, seed: int) -> Question:
        """Return the question, with all that does not depend on the model drawn from `seed`."""


class FunctionAccess(BaseAccess):
    """Any number per record: a function of a model and records.

    Threat model: what the function looks at.

    Parameters
    ----------
    function : callable
        Takes a fitted model and a table of records, returns an array of shape (n_records,),
        higher meaning member.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KernelDensity
    >>> from mia_sklearn import observe
    >>> from mia_sklearn.access import FunctionAccess
    >>> X, _ = load_iris(return_X_y=True)
    >>> access = FunctionAccess(lambda model, X: model.score_samples(X))
    >>> observe(KernelDensity().fit(X[::2]), X, access=access).columns.tolist()
    ['logit']
    """

    name: ClassVar[str] = "function"
    threat_model: ClassVar[str] = "generator"

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function

    def check(self, model: Any) -> None:
        if not callable(self.function):
            raise ValueError(
                "function must take a model and records and return one number per record, got "
                f"{type(self.function).__name__}."
            )

    def question(self, records: AskedRecords, seed: int) -> Question:
        return AskedInChunks(records.X, self.function)


class _MethodAccess(BaseAccess):
    """One of the model's own methods."""

    _method: ClassVar[str]
    _who: ClassVar[str]

    def check(self, model: Any) -> None:
        if not hasattr(model, self._method):
            raise ValueError(
                f"access={self.name!r} needs a model with {self._method}, {self._who}; "
                f"{type(model).__name__} has none."
            )

    def question(self, records: AskedRecords, seed: int) -> Question:
        return AskedInChunks(records.X, _Method(self._method))


class _Method:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, model: Any, X: Any) -> Any:
        return getattr(model, self.name)(X)


class DensityAccess(_MethodAccess):
    """The density that a model gives a record, `score_samples`, as a logarithm.

    Threat model: white-box; the attacker holds a model that computes densities (Gaussian
    mixtures, kernel densities, flows), or asks a service that does.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KernelDensity
    >>> from mia_sklearn import ReferenceModels, observe
    >>> X, _ = load_iris(return_X_y=True)
    >>> references = ReferenceModels(KernelDensity(), n_models=4, signal="density", random_state=0)
    >>> references.fit(X).phi().shape
    (4, 150)
    >>> observe(KernelDensity().fit(X[::2]), X, references=references).columns.tolist()[:3]
    ['logit', 'out_0', 'out_1']
    """

    name: ClassVar[str] = "density"
    threat_model: ClassVar[str] = "white-box"
    _method = "score_samples"
    _who = "as density estimators have it"


class DiscriminatorAccess(_MethodAccess):
    """The score of a generative adversarial network's own discriminator (LOGAN, white-box).

    Threat model: white-box; the attacker holds the discriminator, which is seldom released.

    Notes
    -----
    References gain nothing here: what discriminators of other training sets say of a record tells
    next to nothing of what this one says.

    References
    ----------
    .. [1] J. Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models",
       PETS 2019, section 4.2.
    """

    name: ClassVar[str] = "discriminator"
    threat_model: ClassVar[str] = "white-box"
    _method = "discriminator_score"
    _who = "as mia_sklearn.torch.GAN has it"


class AskedInChunks(Question):
    """A function of a model and records, asked about bounded parts of them."""

    def __init__(self, X: Any, function: Callable[[Any, Any], Any]) -> None:
        self.X = X
        self.function = function

    def ask(self, model: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        width = max(1, int(np.prod(self.X.shape[1:])))
        step = max(1, _VALUES_PER_CHUNK // width)
        parts = []
        for start in range(0, len(rows), step):
            X = take_rows(self.X, rows[start : start + step])
            values = np.asarray(self.function(model, X), dtype=np.float64)
            if values.shape != (n_rows(X),):
                raise ValueError(
                    f"The signal has shape {values.shape}; expected one number per record: "
                    f"({n_rows(X)},)."
                )
            parts.append(values)
        signal = np.concatenate(parts)
        if np.isnan(signal).any():
            raise ValueError(f"The signal is NaN, first for record {np.isnan(signal).argmax()}.")
        return signal[:, None]


_BY_NAME: dict[str, type[BaseAccess]] = {
    access.name: access for access in (DiscriminatorAccess, DensityAccess)
}


def choose_access(access: Any, model: Any) -> BaseAccess:
    """Return the access that is meant, after checking that the model allows it.

    Parameters
    ----------
    access : str, BaseAccess, callable or None
        None stands for the strongest that the model allows.
    model : estimator
        Fitted or not.

    Returns
    -------
    BaseAccess

    Raises
    ------
    ValueError
        If there is no such access, or the model does not allow it.
    """
    if access is None:
        for kind in _BY_NAME.values():
            try:
                kind().check(model)
            except ValueError:
                continue
            return kind()
        raise ValueError(
            f"{type(model).__name__} has none of discriminator_score, score_samples and sample: "
            "there is nothing to ask it for."
        )
    if isinstance(access, str):
        if access not in _BY_NAME:
            raise ValueError(f"Unknown access {access!r}; choose one of {', '.join(_BY_NAME)}.")
        access = _BY_NAME[access]()
    elif not isinstance(access, BaseAccess):
        access = FunctionAccess(access)
    access.check(model)
    return access
