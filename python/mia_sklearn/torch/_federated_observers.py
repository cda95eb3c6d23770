"""Attackers in federated training: at the server, or among the participants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .._observations import as_frame
from .._observe import _alone, check_labels
from .._records import check_records
from ._federated_hooks import FederatedObserver, State, as_array, is_finite
from ._gradients import record_features
from ._target import TorchTarget

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GlobalObserver", "LocalObserver"]


class _RecordObserver(FederatedObserver):
    """Watches what a federation's models say of chosen records, round by round."""

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        ascent: float = 0.0,
        rounds: Sequence[int] | None = None,
        layers: Sequence[str] | None = None,
        parts: Sequence[str] = ("grad_norm",),
    ) -> None:
        if not (np.isfinite(ascent) and ascent >= 0):
            raise ValueError(f"ascent must be 0 or a positive rate, got {ascent!r}.")
        table, self.y = check_records(X, y)
        self.X = as_array(table)
        self.ascent = ascent
        self.rounds = None if rounds is None else sorted({int(number) for number in rounds})
        self.layers = layers
        self.parts = tuple(parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.y)} records, ascent={self.ascent:g})"

    def begin(self, target: TorchTarget, n_participants: int, n_rounds: int) -> None:
        """Prepare for a training, checking records and rounds against it."""
        if self.rounds is not None and not set(self.rounds) <= set(range(1, n_rounds + 1)):
            raise ValueError(f"rounds must lie between 1 and {n_rounds}, got {self.rounds}.")
        check_labels(target, self.y)
        self._target = target
        position = {label: code for code, label in enumerate(target.classes_.tolist())}
        self._codes = np.array([position[label] for label in self.y.tolist()])
        self._n_participants = n_participants
        # Tables by who was seen, then by round; only these numbers are kept, no model.
        self._seen: dict[int, dict[int, pd.DataFrame]] = {}
        # Wrong layers, parts or records are named before the first round.
        try:
            self._read()
        except RuntimeError as error:
            raise ValueError(
                f"The net does not take the target records of {self!r}: {error}"
            ) from error

    def _read(self) -> pd.DataFrame:
        """Return the observations of the model that the scratch module holds."""
        table = _alone(self._target, self.X, self.y)
        if not self.parts:
            return table
        names, values = record_features(
            self._target, self.X, self._codes, layers=self.layers, parts=self.parts
        )
        return table.join(as_frame(values, names, table.index))

    def _see(self, who: int, number: int, state: State) -> None:
        if self.rounds is None or number in self.rounds:
            self._target.module.load_state_dict(state)
            self._seen.setdefault(who, {})[number] = self._read()

    def _table(self, who: int) -> pd.DataFrame:
        import pandas as pd

        seen = self._seen[who]
        label = next(iter(seen.values()))[["label"]]
        rounds = [
            table.drop(columns="label").add_suffix(f"@{number}") for number, table in seen.items()
        ]
        return pd.concat([label, *rounds], axis=1)

    def _check_trained(self) -> None:
        if not getattr(self, "_seen", None):
            raise ValueError(
                f"{type(self).__name__} has seen no training: pass it as "
                "FederatedTraining(net, observers=[...]) and call fit."
            )

    def _climbed(self, number: int, state: State) -> State:
        """Return a model after a step that raises the loss of the records."""
        target, module = self._target, self._target.module
        module.load_state_dict(state)
        was_training = module.training
        module.eval()
        X = target.inputs(self.X)
        y = torch.as_tensor(self._codes, device=X.device)
        params = [p for p in module.parameters() if p.requires_grad]
        total = [torch.zeros_like(p) for p in params]
        # cuDNN differentiates recurrent layers in training mode only.
        with torch.backends.cudnn.flags(enabled=False):
            for start in range(0, len(y), target.batch_size):
                rows = slice(start, start + target.batch_size)
                output = module(X[rows])
                output = output[0] if isinstance(output, tuple) else output
                log_proba = target.log_posteriors(output.double())
                loss = -log_proba.gather(1, y[rows, None]).sum() / len(y)
                parts = torch.autograd.grad(loss, params, materialize_grads=True)
                total = [before + part for before, part in zip(total, parts, strict=True)]
        with torch.no_grad():
            for parameter, gradient in zip(params, total, strict=True):
                # In double: a rate beyond what the parameters hold is told below.
                parameter.copy_(parameter.double() + self.ascent * gradient.double())
        module.train(was_training)
        climbed = {name: value.detach().clone() for name, value in module.state_dict().items()}
        if not is_finite(climbed):
            raise ValueError(
                f"ascent={self.ascent:g} is too large: in round {number} the parameters are no "
                "longer finite."
            )
        return climbed


class GlobalObserver(_RecordObserver):
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
    isolate : bool, default=False
        Send the watched participants their own previous model only.
    rounds : sequence of int, default=None
        Rounds to record, counted from 1; all by default. Ascent and isolation are done in all.
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
        isolate: bool = False,
        rounds: Sequence[int] | None = None,
        layers: Sequence[str] | None = None,
        parts: Sequence[str] = ("grad_norm",),
    ) -> None:
        super().__init__(X, y, ascent=ascent, rounds=rounds, layers=layers, parts=parts)
        self.participants = participants
        self.isolate = isolate

    def begin(self, target: TorchTarget, n_participants: int, n_rounds: int) -> None:
        """Prepare for a training, checking records, rounds and participants against it."""
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
        """Return the global model, or what the attack sends in its place."""
        if participant not in self._watched:
            return state
        state = self._previous.get(participant, state)
        return self._climbed(number, state) if self.ascent else state

    def on_update(self, number: int, participant: int, state: State) -> State:
        """Record a watched participant's update and pass it on."""
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


class LocalObserver(_RecordObserver):
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
    rounds : sequence of int, default=None
        Rounds to record, counted from 1; all by default. Ascent is done in all.
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
        rounds: Sequence[int] | None = None,
        layers: Sequence[str] | None = None,
        parts: Sequence[str] = ("grad_norm",),
    ) -> None:
        super().__init__(X, y, ascent=ascent, rounds=rounds, layers=layers, parts=parts)
        self.participant = participant

    def begin(self, target: TorchTarget, n_participants: int, n_rounds: int) -> None:
        """Prepare for a training, checking records, rounds and the participant against it."""
        if self.participant not in range(n_participants):
            raise ValueError(
                f"participant must lie between 0 and {n_participants - 1}, got "
                f"{self.participant!r}."
            )
        super().begin(target, n_participants, n_rounds)

    def on_update(self, number: int, participant: int, state: State) -> State:
        """Return an update, the attacker's own with the step of ascent in it."""
        if participant == self.participant and self.ascent:
            return self._climbed(number, state)
        return state

    def on_average(self, number: int, state: State) -> None:
        """Record the new global model."""
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
