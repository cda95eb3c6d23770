"""Densities and scores that generators give for records."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from .._models._generators import answer, can_answer, check_samples, is_function, samples_collapse
from ._base import AskedInChunks, AskedRecords, BaseAccess, Question


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
    # To what a discriminator says of a record, other discriminators add nothing.
    gains_by_references: ClassVar[bool] = False

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
