"""What defenses do to networks while these train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from skorch.callbacks import Callback

__all__ = ["TrainingCallback", "acting"]


class TrainingCallback(Callback):
    """What a defense does to a net while it trains.

    `release` undoes it, and is called after the training, also after one that failed.
    Attributes end with an underscore: skorch takes others for parameters.
    """

    #: Whether it acts on stacked networks as on each alone, by `on_train_begin`, `on_epoch_begin`
    #: and `on_grad_computed`, whose named parameters are stacked then.
    acts_on_many_: ClassVar[bool] = False

    def __sklearn_clone__(self) -> TrainingCallback:
        # Nets are cloned to look at their modules: what this holds is not copied for that.
        return self

    def prepare(self, estimator: Any, classes: np.ndarray) -> None:
        """Note the net or pipeline that is to be trained, and the labels of its columns."""

    def release(self, net: Any) -> None:
        """Leave the net as if this had never been there; may be called again."""

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.release(net)


@contextmanager
def acting(net: Any, callbacks: Sequence[TrainingCallback]) -> Iterator[None]:
    """Let callbacks act on an initialised net for a while."""
    try:
        for callback in callbacks:
            callback.on_train_begin(net)
        yield
    finally:
        for callback in callbacks:
            callback.release(net)
