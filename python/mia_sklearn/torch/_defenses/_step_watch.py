"""What may look on at each step of a private training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ._privacy_accounting import PrivacyPlan

__all__ = ["StepWatch"]


class StepWatch:
    """What may look on while a network is trained privately; this one does nothing."""

    def start(
        self,
        module: nn.Module,
        plan: PrivacyPlan,
        *,
        n_records: int,
        noise: float,
        max_grad_norm: float,
    ) -> None:
        """Be told of the training before its first step."""

    def drawn(self, rows: Tensor) -> None:
        """Be shown gradients of single records, in `grad_sample`, before they are clipped."""

    def stepped(self, steps: int) -> None:
        """Be shown the blurred gradient of a step, in `grad`, and the parameters after it."""
