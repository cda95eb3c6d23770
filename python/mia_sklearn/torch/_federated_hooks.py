"""Places in federated training where somebody may look, or interfere."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._data import is_frame
from ._target import TorchTarget

__all__ = ["FederatedObserver", "State", "as_array", "is_finite"]

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


def as_array(table: Any) -> np.ndarray:
    """Return a table of records as one array, of which torch may share the memory."""
    if is_frame(table):
        return table.to_numpy(copy=True)
    return table.toarray() if hasattr(table, "toarray") else np.require(table, requirements="W")


def is_finite(state: State) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in state.values())
