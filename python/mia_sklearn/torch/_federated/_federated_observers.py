"""Attackers in federated training: at the server, or among the participants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._targets._target import TorchTarget
from ._federated_hooks import RecordObserver, State

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GlobalObserver", "LocalObserver"]


class GlobalObserver(RecordObserver):
    """An attacker who runs the server, and sees every participant's update.

    Threat model: federated, global. Passive by default: it reads each watched participant's
    updated model in each round. With `ascent` it is active: before it sends the global model to
    them it raises the loss of the target records, w <- w + ascent * grad L(X, y); a participant
    that trains on one of them pulls its loss back down. With `isolate` the watched
    participants receive their own previous model instead of the average, so that theirs
    remember their records and nobody else's.

    Parameters
    ----------
    X : table of shape (n_records, ...)
        Target records, whose membership is in question (or known, to learn an attack from).
    y : array-like of shape (n_records,)
        Their true labels.
    participants : int or sequence of int, default=None
        Whom to watch (and to attack); everyone by default.
    ascent : float, default=0.0
        Rate gamma of gradient ascent on the mean loss of the target records; 0 is passive.
    ascent_rounds : sequence of int, default=None
        Rounds in which to climb, counted from 1; all by default.
    isolate : bool, default=False
        Send the watched participants their own previous model only.
    rounds : sequence of int, default=None
        Rounds to record, counted from 1; all by default.
    layers : sequence of str, default=None
        Layers to record; as in `observe(view="white-box")`.
    parts : sequence of {"grad_norm", "activation", "gradient"}, default=("grad_norm",)
        What to record beside posteriors and rescaled logits.

    Raises
    ------
    ValueError
        If `ascent` is negative or, in `fit`, if a participant, a round, a layer or a label does
        not exist, or the ascent makes parameters that are not finite.

    See Also
    --------
    LocalObserver : The same as one of the participants.
    mia_sklearn.attacks.RoundLossAttack : Learns from losses over rounds.
    mia_sklearn.plots.GradientNormDisplay : Draws what was seen.

    Notes
    -----
    The rate is of the mean loss, so that it need not change with the number of target
    records; each record's own share of it is ascent / n_records. The paper [1]_ writes the step
    for one record. The global model is the average of all updates, isolated participants'
    included.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
       IEEE S&P 2019, section II-C.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from torch import nn
    >>> from mia_sklearn.torch import FederatedTraining, GlobalObserver
    >>> X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> server = GlobalObserver(X[:10], y[:10], participants=0, ascent=0.5)
    >>> net = NeuralNetClassifier(nn.Linear(3, 2), criterion=nn.CrossEntropyLoss)
    >>> _ = FederatedTraining(net, 2, rounds=2, observers=[server], random_state=0).fit(X, y)
    >>> server.observations().columns.tolist()  # doctest: +NORMALIZE_WHITESPACE
    ['label', 'proba_0@1', 'proba_1@1', 'logit@1', 'grad_norm@1', 'grad_norm.module@1',
     'proba_0@2', 'proba_1@2', 'logit@2', 'grad_norm@2', 'grad_norm.module@2']
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        participants: Any = None,
        ascent: float = 0.0,
        ascent_rounds: Sequence[int] | None = None,
        isolate: bool = False,
        rounds: Sequence[int] | None = None,
        layers: Sequence[str] | None = None,
        parts: Sequence[str] = ("grad_norm",),
    ) -> None:
        super().__init__(
            X,
            y,
            ascent=ascent,
            ascent_rounds=ascent_rounds,
            rounds=rounds,
            layers=layers,
            parts=parts,
        )
        self.participants = participants
        self.isolate = isolate

    def begin(self, target: TorchTarget, n_participants: int, n_rounds: int) -> None:
        everyone = range(n_participants)
        asked = everyone if self.participants is None else np.atleast_1d(self.participants)
        self._watched = {int(participant) for participant in asked}
        if not self._watched or not self._watched <= set(everyone):
            raise ValueError(
                f"participants must lie between 0 and {n_participants - 1}, got "
                f"{self.participants!r}."
            )
        self._previous: dict[int, State] = {}
        super().begin(target, n_participants, n_rounds)

    def on_send(self, number: int, participant: int, state: State) -> State:
        if participant not in self._watched:
            return state
        state = self._previous.get(participant, state)
        return self._climbed(number, state)

    def on_update(self, number: int, participant: int, state: State) -> State:
        if participant in self._watched:
            if self.isolate:
                self._previous[participant] = state
            self._see(participant, number, state)
        return state

    def observations(self, participant: int | None = None) -> pd.DataFrame:
        """Return what was seen, as attacks read it.

        Parameters
        ----------
        participant : int, default=None
            Whose updates; by default the mean over the watched participants, which is for the
            question whether a record is in anyone's data.

        Returns
        -------
        DataFrame of shape (n_records, n_columns), float32
            `label`, and for each recorded round r `proba_<c>@r`, `logit@r` and the parts asked
            for, such as `grad_norm@r`.

        Raises
        ------
        ValueError
            If no training was seen, or the participant was not watched.
        """
        self._check_trained()
        if participant is not None:
            if participant not in self._seen:
                raise ValueError(
                    f"participant {participant!r} was not watched; "
                    f"{', '.join(map(str, sorted(self._seen)))} were."
                )
            return self._table(participant)
        first, *others = sorted(self._seen)
        mean = self._table(first)
        for number, other in enumerate(others, start=2):
            mean += (self._table(other) - mean) / number
        return mean


class LocalObserver(RecordObserver):
    """An attacker who is one of the participants, and sees the global model of each round.

    Threat model: federated, local. Passive by default. With `ascent` it is active: to its own
    update it adds a step that raises the loss of the target records, w <- w + ascent *
    grad L(X, y), and watches whether the others pull that loss back down.

    Parameters
    ----------
    X : table of shape (n_records, ...)
        Target records: are they in the data of any other participant?
    y : array-like of shape (n_records,)
        Their true labels.
    participant : int, default=0
        Who the attacker is.
    ascent : float, default=0.0
        Rate gamma of gradient ascent on the mean loss of the target records; 0 is passive.
        The server's average leaves only the attacker's share of it.
    ascent_rounds : sequence of int, default=None
        Rounds in which to climb, counted from 1; all by default. After a round without, the
        global model shows what the others have pulled back down.
    rounds : sequence of int, default=None
        Rounds to record, counted from 1; all by default.
    layers : sequence of str, default=None
        Layers to record; as in `observe(view="white-box")`.
    parts : sequence of {"grad_norm", "activation", "gradient"}, default=("grad_norm",)
        What to record beside posteriors and rescaled logits.

    Raises
    ------
    ValueError
        If `ascent` is negative or, in `fit`, if the participant, a round, a layer or a label
        does not exist, or the ascent makes parameters that are not finite.

    See Also
    --------
    GlobalObserver : The same at the server.

    Notes
    -----
    The attacker sees the average after each round, its own update in it. As a participant it
    trains on its own records, too [1]_.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
       IEEE S&P 2019, section II-C.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from torch import nn
    >>> from mia_sklearn.torch import FederatedTraining, LocalObserver
    >>> X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> insider = LocalObserver(X[:10], y[:10], rounds=[4, 5], parts=())
    >>> net = NeuralNetClassifier(nn.Linear(3, 2), criterion=nn.CrossEntropyLoss)
    >>> _ = FederatedTraining(net, 2, rounds=5, observers=[insider], random_state=0).fit(X, y)
    >>> insider.observations().columns.tolist()  # doctest: +NORMALIZE_WHITESPACE
    ['label', 'proba_0@4', 'proba_1@4', 'logit@4', 'proba_0@5', 'proba_1@5', 'logit@5']
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        participant: int = 0,
        ascent: float = 0.0,
        ascent_rounds: Sequence[int] | None = None,
        rounds: Sequence[int] | None = None,
        layers: Sequence[str] | None = None,
        parts: Sequence[str] = ("grad_norm",),
    ) -> None:
        super().__init__(
            X,
            y,
            ascent=ascent,
            ascent_rounds=ascent_rounds,
            rounds=rounds,
            layers=layers,
            parts=parts,
        )
        self.participant = participant

    def begin(self, target: TorchTarget, n_participants: int, n_rounds: int) -> None:
        if self.participant not in range(n_participants):
            raise ValueError(
                f"participant must lie between 0 and {n_participants - 1}, got "
                f"{self.participant!r}."
            )
        super().begin(target, n_participants, n_rounds)

    def on_update(self, number: int, participant: int, state: State) -> State:
        # The attacker's own has the step of ascent in it.
        return self._climbed(number, state) if participant == self.participant else state

    def on_average(self, number: int, state: State) -> None:
        self._see(self.participant, number, state)

    def observations(self) -> pd.DataFrame:
        """Return what was seen, as attacks read it.

        Returns
        -------
        DataFrame of shape (n_records, n_columns), float32
            `label`, and for each recorded round r `proba_<c>@r`, `logit@r` and the parts asked
            for, such as `grad_norm@r`.

        Raises
        ------
        ValueError
            If no training was seen.
        """
        self._check_trained()
        return self._table(self.participant)
