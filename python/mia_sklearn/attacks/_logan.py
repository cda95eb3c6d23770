"""LOGAN: attacks on generators with and without knowledge of some members and non-members."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions

from .._models._backend import class_of_networks
from .._models._generators import answer, can_answer
from .._models._trainable import configured
from .._observations._columns import Reader
from ..base import BaseAttack
from ._log_odds import log_odds

__all__ = ["LOGANAttack"]

_SCORE = "discriminator_score"


class LOGANAttack(BaseAttack):
    """LOGAN: rank candidates by a discriminator between a generator's world and all else.

    Threat model: generator; the attacker draws samples. White-box where the signal in `logit` is
    the score of the target's own discriminator.

    Parameters
    ----------
    knowledge : {"none", "discriminative", "generative"}, default="none"
        What the attacker knows beside the model.

        - "none": nothing. Candidates rank by `logit`: the target's discriminator
          (``observe(gan, X, access="discriminator")``), or that of a GAN trained on samples
          (``access="samples", local=GAN(...)``).
        - "discriminative": records that are no members, maybe some that are. A classifier
          between those and the generator's samples.
        - "generative": the same records. A GAN is trained on the samples, whose discriminator
          also sees known members as real and known non-members as fake.
    estimator : estimator, default=None
        What is trained: a classifier with `predict_proba`, for "generative" an estimator with
        `discriminator_score` whose `fit` takes `y`. By default a random forest, and
        `mia_sklearn.torch.InformedGAN()`.
    random_state : int, RandomState instance or None, default=None
        Seeds what is trained.
    columns : sequence of str, default=None
        Names of the columns when observations are given as plain arrays.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    n_features_in_ : int
    estimator_ : estimator
        What was trained; None without knowledge.

    See Also
    --------
    mia_sklearn.access.observe_auxiliary : Makes the observations of attackers with knowledge.
    mia_sklearn.access.SampleAccess : Signals of samples that need no discriminator.
    mia_sklearn.metrics.top_n : Calls the top n candidates members, as the paper does.

    Notes
    -----
    With knowledge it is fitted on records of known membership and on samples, which stand for
    members: ``fit(*observe_auxiliary(...)[:2])``. `decision_function` is then the log-odds that the
    trained discriminator gives, as if samples were members.

    What tells samples from all real records alike (noise in features that are whole numbers, a
    subspace in which they lie) is learned first, and ranks no candidate: attack such generators by
    `SampleAccess`, which compares distances.

    The paper's classifier is the network of its discriminator; a forest needs no tuning.

    References
    ----------
    .. [1] J. Hayes, L. Melis, G. Danezis, E. De Cristofaro, "LOGAN: Membership Inference Attacks
       Against Generative Models", PoPETs 2019, section 4.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KernelDensity
    >>> from mia_sklearn import observe
    >>> from mia_sklearn.attacks import LOGANAttack
    >>> X, _ = load_iris(return_X_y=True)
    >>> model = KernelDensity(bandwidth=0.01).fit(X[::2])
    >>> seen = observe(model, X, access="samples", random_state=0)
    >>> LOGANAttack().fit(seen, [1, 0] * 75).score(seen, [1, 0] * 75) > 0.9
    True
    """

    threat_model: ClassVar[str] = "generator"
    requires: ClassVar[tuple[str, ...]] = ("logit",)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "knowledge": [StrOptions({"none", "discriminative", "generative"})],
        "estimator": [HasMethods(["fit"]), None],
        "random_state": ["random_state"],
        **BaseAttack._parameter_constraints,
    }

    def __init__(
        self,
        knowledge: str = "none",
        estimator: Any = None,
        *,
        random_state: Any = None,
        columns: Any = None,
    ) -> None:
        super().__init__(columns=columns)
        self.knowledge = knowledge
        self.estimator = estimator
        self.random_state = random_state

    @property
    def _ranks_without_members(self) -> bool:  # type: ignore[override]
        return self.knowledge == "none"

    @property
    def _answers_log_odds(self) -> bool:  # type: ignore[override]
        return self.knowledge != "none"

    def _required(self) -> tuple[str, ...]:
        return self.requires if self.knowledge == "none" else ("feature",)

    def _reads(self) -> tuple[str, ...]:
        return self._required()

    def _array_names(self, n_columns: int) -> list[str]:
        if self.knowledge == "none":
            return super()._array_names(n_columns)
        return [f"feature_{k}" for k in range(n_columns)]

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        self.estimator_ = None
        if self.knowledge == "none":
            return
        estimator = self._chosen()
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        self.estimator_ = configured(estimator, seed).fit(_features(table), member.astype(int))

    def _chosen(self) -> Any:
        """Return the estimator to train, unfitted."""
        if self.knowledge == "generative":
            if self.estimator is None:
                return class_of_networks("InformedGAN")()
            if not can_answer(self.estimator, _SCORE):
                raise ValueError(
                    f"knowledge='generative' needs an estimator with {_SCORE}, such as "
                    f"mia_sklearn.torch.InformedGAN(); {type(self.estimator).__name__} has none."
                )
            return self.estimator
        if self.estimator is None:
            return RandomForestClassifier(min_samples_leaf=2)
        if not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                "knowledge='discriminative' needs a classifier with predict_proba; "
                f"{type(self.estimator).__name__} has none."
            )
        return self.estimator

    def _score(self, table: Reader) -> np.ndarray:
        if self.knowledge == "none":
            return table.column("logit").astype(np.float64)
        if self.knowledge == "generative":
            return answer(self.estimator_, _features(table), _SCORE)
        return log_odds(self.estimator_, _features(table))


def _features(table: Reader) -> np.ndarray:
    # 0 is the mean of standardised features.
    return np.nan_to_num(table["feature"])
