"""Likelihood-ratio attack."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from .._observations._columns import Reader
from ..stats._likelihood import GaussianRatio
from ._by_references import ByReferences

__all__ = ["LiRAAttack"]


class LiRAAttack(ByReferences):
    r"""Likelihood-ratio attack (LiRA): is the answer more likely under in or out references?

    The rescaled logit phi of a record is modelled by a Gaussian over the references that did
    not train on it and, online, by another over those that did. The score is the log of the
    ratio of the two densities at the target's phi; offline, the number of standard deviations
    of phi above the mean of the out references, which orders records as the one-sided p-value
    does.

    Threat model: black-box; the attacker trains reference models like the target, on records
    like the target's.

    Parameters
    ----------
    mode : {"auto", "online", "offline"}, default="auto"
        "auto" is online when the observations have `in_*` columns.
    variance : {"shrunk", "student", "global", "per-record"}, default="shrunk"
        "per-record" and "global" are the paper's two. "shrunk" (empirical Bayes) is stronger at
        every number of references: variances shrink towards the common one, the gap between in
        and out towards its mean among similar records. "student" is that with densities that
        allow for the variance being an estimate, those of a Student t: an option, no stronger.
    columns : sequence of str, default=None
        Names of the columns of plain arrays.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    mode_ : {"online", "offline"}

    Notes
    -----
    Deviations from the paper: no augmented queries; variances have a floor of a tenth of the
    pooled variance, since leaves and votes have variance exactly 0.

    References
    ----------
    .. [1] N. Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P
       2022, algorithm 1 and section VI-C.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.attacks import LiRAAttack
    >>> rng = np.random.default_rng(0)
    >>> member = np.arange(200) % 2
    >>> out = rng.normal(size=(200, 8))
    >>> phi = rng.normal(size=200) + 3 * member
    >>> attack = LiRAAttack().fit(np.column_stack([phi, out]), member)
    >>> attack.score(np.column_stack([phi, out]), member) > 0.85
    True
    """

    by_default: ClassVar[tuple[str, ...]] = ("posteriors", "labels", "signal", "predictions")
    headline: ClassVar[int | None] = 40
    is_quick: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "variance": [StrOptions({"shrunk", "student", "global", "per-record"})],
        **ByReferences._parameter_constraints,
    }

    def __init__(
        self, *, mode: str = "auto", variance: str = "shrunk", columns: Any = None
    ) -> None:
        super().__init__(mode=mode, columns=columns)
        self.variance = variance

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        super()._fit(table, member)
        ratio = GaussianRatio(self.variance, online=self.mode_ == "online")
        self._ratio = ratio.fit(*self._moments(table))

    def _score(self, table: Reader) -> np.ndarray:
        return self._ratio.score(table.column("logit"), *self._moments(table))
