"""What an attacker asks a model for where that is not posteriors: one number per record.

`observe(access=)` and `ReferenceModels(signal=)` take one of these, or its name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from .._models._generators import (
    answer,
    can_answer,
    check_samples,
    is_function,
    samples_collapse,
)
from ._auxiliary import AuxiliaryKnowledge, observe_auxiliary
from ._base import AskedInChunks, AskedRecords, BaseAccess, Question
from ._label import LabelAccess
from ._sample import SampleAccess

__all__ = [
    "AskedRecords",
    "AuxiliaryKnowledge",
    "BaseAccess",
    "DensityAccess",
    "DiscriminatorAccess",
    "FunctionAccess",
    "LabelAccess",
    "Question",
    "SampleAccess",
    "choose_access",
    "observe_auxiliary",
]


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


class DensityAccess(BaseAccess):
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
    of_generators: ClassVar[bool] = True

    def check(self, model: Any) -> None:
        _check_method(model, "score_samples", "access='density'", "as density estimators have it")

    def question(self, records: AskedRecords, seed: int) -> Question:
        return AskedInChunks(records.X, partial(answer, method="score_samples"))


class DiscriminatorAccess(BaseAccess):
    """The score of a generative adversarial network's own discriminator (LOGAN, white-box).

    Threat model: white-box; the attacker holds the discriminator, which is seldom released.

    Parameters
    ----------
    criterion : {"score", "gradient-norm"}, default="score"
        "score" is the discriminator's logit. "gradient-norm" is minus the norm of the gradient of
        log D(x) by the discriminator's parameters: what it was trained on moves it less.

    Notes
    -----
    References gain nothing here: what discriminators of other training sets say of a record tells
    next to nothing of what this one says (GAN on 200 records of Location30, 300 epochs: AUC .88
    alone, .87 beside 8 references). They sharpen densities and samples.

    References
    ----------
    .. [1] J. Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models",
       PoPETs 2019, section 4.2.
    """

    name: ClassVar[str] = "discriminator"
    threat_model: ClassVar[str] = "white-box"
    of_generators: ClassVar[bool] = True

    def __init__(self, criterion: str = "score") -> None:
        self.criterion = criterion

    def check(self, model: Any) -> None:
        if self.criterion not in _CRITERIA:
            raise ValueError(
                f"criterion must be one of {', '.join(_CRITERIA)}, got {self.criterion!r}."
            )
        method = f"discriminator_{self.criterion.replace('-', '_')}"
        _check_method(model, method, "access='discriminator'", "as mia_sklearn.torch.GAN has it")

    def question(self, records: AskedRecords, seed: int) -> Question:
        return AskedInChunks(records.X, _CRITERIA[self.criterion])

    def doubt(self, model: Any, records: AskedRecords, answers: np.ndarray) -> str:
        return super().doubt(model, records, answers) or _collapse(model, records.X)


def _flatness(model: Any, X: Any) -> np.ndarray:
    return -np.asarray(answer(model, X, "discriminator_gradient_norm"))


_CRITERIA: dict[str, Callable[[Any, Any], Any]] = {
    "score": partial(answer, method="discriminator_score"),
    "gradient-norm": _flatness,
}


def _collapse(model: Any, X: Any) -> str:
    """Tell of a collapse, where the model draws records at all."""
    try:
        check_samples(model)
    except ValueError:
        return ""
    return samples_collapse(model, X)


def _check_method(model: Any, method: str, access: str, who: str) -> None:
    if not is_function(model) and not can_answer(model, method):
        raise ValueError(
            f"{access} needs a model with {method}, {who}; {type(model).__name__} has none."
        )


# Beginning with what tells most.
_BY_NAME: dict[str, type[BaseAccess]] = {
    access.name: access
    for access in (DiscriminatorAccess, DensityAccess, SampleAccess, LabelAccess)
}


def choose_access(access: Any, model: Any, options: Mapping[str, Any] | None = None) -> BaseAccess:
    """Return the access that is meant, after checking that the model allows it.

    Parameters
    ----------
    access : str, BaseAccess, callable or None
        None stands for the strongest that the model allows.
    model : estimator or callable
        Fitted or not. Functions, that draw records or train models, are known only when called.
    options : mapping, default=None
        Parameters of the access, where `access` is a name.

    Returns
    -------
    BaseAccess

    Raises
    ------
    ValueError
        If there is no such access, it has no such option, or the model does not allow it.
    """
    if options and not isinstance(access, str):
        raise ValueError(
            f"{next(iter(options))}= is neither an argument of observe nor, without the name of an "
            "access, an option: give access=" + " or ".join(map(repr, _BY_NAME)) + "."
        )
    if isinstance(model, type):
        raise ValueError(f"model must be an instance, got the class {model.__name__}.")
    if access is None:
        return _strongest(model)
    if isinstance(access, str):
        access = _by_name(access, options or {})
    elif not isinstance(access, BaseAccess):
        access = FunctionAccess(access)
    access.check(model)
    return access


def _strongest(model: Any) -> BaseAccess:
    if is_function(model):
        return SampleAccess()
    for kind in _BY_NAME.values():
        if kind.sees_labels:
            # Of a classifier that is less than posteriors.
            continue
        access = kind()
        try:
            access.check(model)
        except ValueError:
            continue
        return access
    raise ValueError(
        f"{type(model).__name__} has none of discriminator_score, score_samples and sample: "
        "there is nothing to ask it for."
    )


def _by_name(name: str, options: Mapping[str, Any]) -> BaseAccess:
    if name not in _BY_NAME:
        raise ValueError(f"Unknown access {name!r}; choose one of {', '.join(_BY_NAME)}.")
    kind = _BY_NAME[name]
    known = list(inspect.signature(kind).parameters)
    unknown = [option for option in options if option not in known]
    if unknown:
        raise ValueError(
            f"access={name!r} has no option {unknown[0]!r}; it takes {', '.join(known) or 'none'}."
        )
    return kind(**options)
