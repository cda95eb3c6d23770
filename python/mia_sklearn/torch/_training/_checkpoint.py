"""skorch's checkpoints, kept in memory: what a net does with them changes what it learns."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from skorch.callbacks import Checkpoint

__all__ = ["CheckpointInMemory", "in_memory"]


class CheckpointInMemory(Checkpoint):
    """Take a net back to its best epoch at the end of its training, without a file.

    Parameters
    ----------
    monitor, event_name, load_best
        As in skorch.
    **others
        Where to write, which is not looked at.
    """

    def __init__(
        self,
        monitor: Any = "valid_loss_best",
        event_name: Any = "event_cp",
        load_best: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(monitor, event_name=event_name, load_best=load_best)

    def initialize(self) -> CheckpointInMemory:
        self.best_: dict[str, Any] = {}
        return self

    def save_model(self, net: Any) -> None:
        names = [*net._modules, *net._criteria] if self.load_best else []
        parts = {name: getattr(net, f"{name.rstrip('_')}_") for name in names}
        self.best_ = {
            name: deepcopy(part.state_dict())
            for name, part in parts.items()
            if hasattr(part, "state_dict")
        }

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        for name, state in self.best_.items():
            getattr(net, f"{name.rstrip('_')}_").load_state_dict(state)
        self.best_ = {}


def in_memory(checkpoint: Any) -> Any:
    """Return what does the same without files; None where nothing is to be loaded again."""
    if isinstance(checkpoint, (type, CheckpointInMemory)):
        return CheckpointInMemory if isinstance(checkpoint, type) else checkpoint
    if not checkpoint.load_best or checkpoint.monitor is None:
        return None
    return CheckpointInMemory(checkpoint.monitor, event_name=checkpoint.event_name, load_best=True)
