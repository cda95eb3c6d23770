"""The one door to networks: what this library asks of the framework that trains them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np

from ._kinds import is_net

__all__ = ["Backend", "backend_of", "class_of_networks", "networks"]

_NETWORKS = "mia_sklearn.torch"


class Backend(Protocol):
    """What a framework of networks does for this library: the functions of a module.

    A `job` is a `references.Job`; a net is an unfitted skorch net, or a pipeline that ends in one.
    """

    def check_net(self, net: Any) -> None:
        """Refuse a net that cannot be trained anew, saying why."""

    def make_fresh(self, net: Any, seed: int) -> None:
        """Make a clone forget what the module of the original has learned, and print nothing."""

    def in_memory(self, checkpoint: Any) -> Any:
        """Return a checkpoint that does the same without files; None where it does nothing."""

    def net_classes(self, estimator: Any, X: Any, labels: np.ndarray) -> np.ndarray:
        """Return the label of each column of what a net will answer."""

    def fit_net(
        self,
        estimator: Any,
        X: Any,
        y: np.ndarray,
        *,
        classes: np.ndarray,
        seed: int,
        params: dict[str, Any],
    ) -> Any:
        """Train a net on positions of classes, or on numbers.

        A target, or `Lost` where the loss became NaN.
        """

    def train_net(
        self,
        net: Any,
        X: Any,
        labels: np.ndarray,
        params: dict[str, Any] | None = None,
        *,
        classes: np.ndarray | None = None,
        seed: int | None = None,
    ) -> Any:
        """Train a net on labels of any kind; a target, or an error where the loss became NaN."""

    def fit_many(
        self,
        job: Any,
        membership: np.ndarray,
        seeds: np.ndarray,
        models: Sequence[int],
        keep: Callable[[int, Any], None],
        *,
        n_jobs: int | None,
        progress: bool,
    ) -> str | None:
        """Train reference models as one: None when that is done, else the reason why not.

        The reason is empty where it goes without saying.
        """

    def keep_many(
        self,
        job: Any,
        rows: list[np.ndarray],
        seeds: np.ndarray,
        *,
        n_jobs: int | None,
        progress: bool,
    ) -> Any:
        """Train networks as one and keep them; or return the reason why that cannot be, as str."""

    def fit_with_canaries(
        self,
        estimator: Any,
        X: Any,
        y: np.ndarray,
        rows: np.ndarray,
        *,
        places: np.ndarray,
        seed: int,
    ) -> tuple[Any, np.ndarray]:
        """Train privately where the records at `rows` have gradients of their own.

        `rows` are -1 for canaries left out, and `places` guesses of where from 0 to 1 each is in
        the order of the records if it is there. Returns the model, and a score for each canary.
        """

    def fit_every_epoch(
        self, estimator: Any, X: Any, y: np.ndarray, *, classes: np.ndarray | None, seed: int
    ) -> Sequence[Any]:
        """Train a network and return it as it was after each epoch, in the end what is released."""

    def as_target(self, estimator: Any, X: Any) -> Any:
        """Return a fitted net as a classifier that knows its labels, or as a regressor."""

    def record_features(
        self,
        target: Any,
        X: Any,
        y: np.ndarray,
        *,
        layers: Sequence[str] | None = None,
        parts: Sequence[str] = ...,
    ) -> tuple[list[str], np.ndarray]:
        """Return names and values of white-box columns, one row per record."""

    def input_gradients(self, target: Any, X: Any, labels: np.ndarray) -> np.ndarray:
        """Return the gradient of each record's log-posterior, by what the module is given."""


def networks() -> Backend:
    """Return the backend of networks, importing the framework; names the extra if it is absent."""
    return cast(Backend, import_module(f"{_NETWORKS}._backend"))


def backend_of(estimator: Any) -> Backend | None:
    """Return what trains an estimator that is, or ends in, a network; None for others.

    Imports nothing where there are no networks.
    """
    return networks() if is_net(estimator) else None


def class_of_networks(name: str) -> Any:
    """Return a public class that needs the framework of networks, importing it.

    Raises
    ------
    ImportError
        If it is not installed; names the extra.
    """
    return getattr(import_module(_NETWORKS), name)
