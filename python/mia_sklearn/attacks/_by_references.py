"""What attacks share that compare the target's answer with those of references."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from .._observations._columns import Reader
from ..base import BaseAttack
from ..stats._likelihood import Moments


class ByReferences(BaseAttack):
    """Base of attacks that read `logit`, `out_*` and, online, `in_*`."""

    threat_model: ClassVar[str] = "black-box"
    requires: ClassVar[tuple[str, ...]] = ("logit", "out")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mode": [StrOptions({"auto", "online", "offline"})],
        **BaseAttack._parameter_constraints,
    }

    def __init__(self, *, mode: str = "auto", columns: Any = None) -> None:
        super().__init__(columns=columns)
        self.mode = mode

    def _required(self) -> tuple[str, ...]:
        return ("logit", "out", "in") if self.mode == "online" else self.requires

    def _reads(self) -> tuple[str, ...]:
        return ("logit", "out") if self.mode_ == "offline" else ("logit", "out", "in")

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        online = self.mode == "online" or (self.mode == "auto" and "in" in table)
        self.mode_ = "online" if online else "offline"

    def _moments(self, table: Reader) -> list[Moments]:
        """Return the moments of the out references and, online, of the in references."""
        sides = ("out", "in") if self.mode_ == "online" else ("out",)
        return [Moments(table.column("logit"), table[side]) for side in sides]
