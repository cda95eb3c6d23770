"""What an attacker asks a model for where that is not posteriors: one number per record.

`observe(access=)` and `ReferenceModels(signal=)` take one of these, or its name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from .._models._generators import is_function
from .._models._kinds import is_generator
from .._models._predictors import answers_several, predicts_numbers
from ._base import BaseAccess
from ._density import DensityAccess, DiscriminatorAccess
from ._function import FunctionAccess
from ._label import LabelAccess
from ._sample import SampleAccess
from ._true_values import OutputsAccess, PredictionAccess, TrueValueAccess

__all__ = [
    "access_named",
    "access_of_outputs",
    "access_of_references",
    "access_released_as",
    "choose_access",
]


# Beginning with what tells most.
_BY_NAME: dict[str, type[BaseAccess]] = {
    access.name: access
    for access in (
        PredictionAccess,
        DiscriminatorAccess,
        DensityAccess,
        SampleAccess,
        LabelAccess,
        OutputsAccess,
    )
}


def access_named(name: Any) -> type[BaseAccess] | None:
    """Return the access of a name; None where `name` is none."""
    return _BY_NAME.get(name) if isinstance(name, str) else None


def access_released_as(release: str) -> type[BaseAccess] | None:
    """Return what a release leaves an attacker to ask for; None for posteriors and more."""
    return next((kind for kind in _BY_NAME.values() if release in kind.releases), None)


def access_of_outputs(model: Any, y: Any = None) -> TrueValueAccess | None:
    """Return what a model is asked for that predicts numbers, or several labels; None for others.

    Parameters
    ----------
    model : estimator
        Fitted or not.
    y : array-like, default=None
        What it was, or is to be, trained on.
    """
    if predicts_numbers(model):
        return PredictionAccess()
    return OutputsAccess() if answers_several(model, y) else None


def access_of_references(signal: Any, estimator: Any, y: Any) -> BaseAccess | None:
    """Return what reference models are asked for; None for posteriors."""
    if signal is not None or is_generator(estimator):
        return choose_access(signal, estimator)
    return access_of_outputs(estimator, y)


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
    of_outputs = access_of_outputs(model)
    if of_outputs is not None:
        return of_outputs
    for kind in _BY_NAME.values():
        if kind.sees_labels or kind.sees_targets:
            # Less than posteriors; not asked of generators.
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
