"""Places in federated training where somebody may look, or interfere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..._models._targets import check_labels, class_indices
from ..._observations._layout import lay_alone
from ..._records._checked import check_records
from ..._records._frames import as_frame
from ..._records._rows import is_frame
from ...signals import log_posteriors
from .._targets._gradients import record_features
from .._targets._target import TorchTarget

__all__ = ["FederatedObserver", "RecordObserver", "State", "as_array", "is_finite"]

if TYPE_CHECKING:
    import pandas as pd

# What passes between the server and a participant: tensors by name, as in `state_dict()`.
State = dict[str, Tensor]


class FederatedObserver:
    """What stands between the server and the participants: sees what passes, may change it.

    Subclass it and override what is needed; as it is it changes nothing. Rounds are counted
    from 1, participants from 0. A state is the dict of tensors of `module.state_dict()`; return
    a new one to change it, and leave the tensors that were given as they are.

    See Also
    --------
    GlobalObserver : An attacker at the server.
    LocalObserver : An attacker among the participants.

    Examples
    --------
    >>> import torch
    >>> from mia_sklearn.torch import FederatedObserver
    >>> class NoisyUpdates(FederatedObserver):
    ...     '''A defense: noise on everything that participants send.'''
    ...     def on_update(self, number, participant, state):
    ...         return {name: t + 0.01 * torch.randn_like(t) for name, t in state.items()}
    """

    def begin(self, target: TorchTarget, n_participants: int, n_rounds: int) -> None:
        """Prepare for a training.

        Parameters
        ----------
        target : TorchTarget
            Around a module of the same kind, free to load states into and to compute with.
        n_participants, n_rounds : int
        """

    def on_send(self, number: int, participant: int, state: State) -> State:
        """Return what a participant receives in place of `state`.

        Parameters
        ----------
        number : int
            Of the round, from 1.
        participant : int
        state : dict of str to Tensor
            The global model.

        Returns
        -------
        dict of str to Tensor
        """
        return state

    def on_update(self, number: int, participant: int, state: State) -> State:
        """Return what the server receives in place of `state`.

        Parameters
        ----------
        number : int
            Of the round, from 1.
        participant : int
        state : dict of str to Tensor
            What the participant has trained.

        Returns
        -------
        dict of str to Tensor
        """
        return state

    def on_average(self, number: int, state: State) -> None:
        """See the new global model.

        Parameters
        ----------
        number : int
            Of the round that ends, from 1.
        state : dict of str to Tensor
        """


class RecordObserver(FederatedObserver):
    """Watches what a federation's models say of chosen records, round by round."""

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        ascent: float = 0.0,
        ascent_rounds: Sequence[int] | None = None,
        rounds: Sequence[int] | None = None,
        layers: Sequence[str] | None = None,
        parts: Sequence[str] = ("grad_norm",),
    ) -> None:
        if not (np.isfinite(ascent) and ascent >= 0):
            raise ValueError(f"ascent must be 0 or a positive rate, got {ascent!r}.")
        table, self.y = check_records(X, y)
        self.X = as_array(table)
        self.ascent = ascent
        self.ascent_rounds = None if ascent_rounds is None else sorted(map(int, ascent_rounds))
        self.rounds = None if rounds is None else sorted(map(int, rounds))
        self.layers = layers
        self.parts = tuple(parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.y)} records, ascent={self.ascent:g})"

    def begin(self, target: TorchTarget, n_participants: int, n_rounds: int) -> None:
        for name in ("rounds", "ascent_rounds"):
            asked = getattr(self, name)
            if asked is not None and not set(asked) <= set(range(1, n_rounds + 1)):
                raise ValueError(f"{name} must lie between 1 and {n_rounds}, got {asked}.")
        check_labels(target, self.y)
        self._target = target
        self._codes = class_indices(target, self.y)
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
        answers = log_posteriors(self._target, self.X)
        labels = class_indices(self._target, self.y)
        table = lay_alone(answers, labels, len(self._target.classes_))
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
        """Return a model after a step that raises the loss of the records, in rounds that do."""
        if not self.ascent or (self.ascent_rounds is not None and number not in self.ascent_rounds):
            return state
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


def as_array(table: Any) -> np.ndarray:
    """Return a table of records as one array, of which torch may share the memory."""
    if is_frame(table):
        return table.to_numpy(copy=True)
    return table.toarray() if hasattr(table, "toarray") else np.require(table, requirements="W")


def is_finite(state: State) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in state.values())
