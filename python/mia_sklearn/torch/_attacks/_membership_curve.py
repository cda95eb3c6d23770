"""What an attacker learns from a net, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from skorch.callbacks import Callback

from ...metrics import precision_at_n, roc_auc

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MembershipCurve"]


def _score(net: Any, X: Any) -> np.ndarray:
    return net.discriminator_score(X)


def _gradient_norm(net: Any, X: Any) -> np.ndarray:
    return -net.discriminator_gradient_norm(X)


_SIGNALS = {"score": _score, "gradient_norm": _gradient_norm}


class MembershipCurve(Callback):
    """A skorch callback that attacks a net in training, each few epochs.

    Threat model: white-box, at every point of the training: the attacker has the discriminator as
    it is then. Others by a `signal` of one's own.

    Parameters
    ----------
    X_members : array-like or data frame of shape (n_members, ...)
        Training records, as the net gets them.
    X_nonmembers : array-like or data frame of shape (n_nonmembers, ...)
        Records that it is not trained on.
    every : int, default=10
        Epochs between two attacks. The last epoch is attacked in any case.
    signal : {"score", "gradient_norm"} or callable, default="score"
        What the attacker sees of each record: the discriminator's score, how little the record
        would still move it, or ``signal(net, X)`` of shape (n_records,), higher for members.
    confidence : float, default=0.95
        Confidence of the intervals.

    Attributes
    ----------
    rows_ : list of dict
        One per attack, see `frame`.

    Raises
    ------
    ValueError
        When the training begins, where `every` is below 1 or `signal` is unknown.

    See Also
    --------
    mia_sklearn.plots.MembershipCurveDisplay : Draws it.
    GAN : A net to attack.

    Notes
    -----
    It keeps the candidates, and clones of the net get copies of them. Intervals hold at one epoch
    each: to stop where the curve is low, and to report that, understates the risk.

    References
    ----------
    .. [1] J. Hayes, L. Melis, G. Danezis, E. De Cristofaro, "LOGAN: Membership Inference Attacks
       Against Generative Models", PoPETs 2019, the figures of accuracy against epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.torch import GAN, MembershipCurve
    >>> X = np.random.default_rng(0).normal(size=(80, 3))
    >>> curve = MembershipCurve(X[:40], X[40:], every=2)
    >>> gan = GAN(max_epochs=5, callbacks=[curve], random_state=0).fit(X[:40])
    >>> curve.frame()["epoch"].tolist()
    [2, 4, 5]
    """

    def __init__(
        self,
        X_members: Any,
        X_nonmembers: Any,
        *,
        every: int = 10,
        signal: Any = "score",
        confidence: float = 0.95,
    ) -> None:
        self.X_members = X_members
        self.X_nonmembers = X_nonmembers
        self.every = every
        self.signal = signal
        self.confidence = confidence

    def initialize(self) -> MembershipCurve:
        # What was seen of another training is forgotten.
        self.rows_: list[dict[str, float]] = []
        return self

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        if self.every < 1:
            raise ValueError(f"every must be at least 1, got {self.every!r}.")
        if not callable(self.signal) and self.signal not in _SIGNALS:
            raise ValueError(
                f"signal must be one of {', '.join(_SIGNALS)}, or a function of net and records, "
                f"got {self.signal!r}."
            )

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if len(net.history) % self.every == 0:
            self._attack(net)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        epoch = len(net.history)
        if epoch and (not self.rows_ or self.rows_[-1]["epoch"] != epoch):
            self._attack(net)

    def _attack(self, net: Any) -> None:
        signal = self.signal if callable(self.signal) else _SIGNALS[self.signal]
        parts = [np.asarray(signal(net, X)) for X in (self.X_members, self.X_nonmembers)]
        member = np.repeat([True, False], [len(part) for part in parts])
        scores = np.concatenate(parts)
        row: dict[str, float] = {"epoch": len(net.history)}
        for name, metric in (("auc", roc_auc), ("precision", precision_at_n)):
            found = metric(member, scores, confidence=self.confidence)
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        self.rows_.append(row)

    def frame(self) -> pd.DataFrame:
        """Return what the attacks reached.

        Returns
        -------
        DataFrame
            One row per attack: ``epoch``; ``auc`` and ``precision``, the share of members among
            as many records with the highest scores as there are members; and the ends of their
            intervals, ``auc_low``, ``auc_high``, ``precision_low``, ``precision_high``.
        """
        import pandas as pd

        return pd.DataFrame(getattr(self, "rows_", []))
