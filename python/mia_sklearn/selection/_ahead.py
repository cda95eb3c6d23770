"""References of several compared models, trained together where they hold the same model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from .._audit._ahead import references_ahead
from ..references._held_store import HeldStore

__all__ = ["Ahead"]

_LOG = logging.getLogger(__name__)


class Ahead:
    """What is trained before the first audit of a comparison, and where audits find it.

    Parameters
    ----------
    estimators : sequence
        Those that are to be audited.
    options : dict
        Of each audit.
    cache : str, path or None
        Where references are kept; without, this process holds what is trained ahead.
    progress : bool

    Notes
    -----
    Audits train what they do not find, so that nothing depends on what is trained ahead, nor on
    whether it can be.
    """

    def __init__(
        self, estimators: Sequence[Any], options: dict[str, Any], *, cache: Any, progress: bool
    ) -> None:
        self._waiting, self._options = list(estimators), options
        self._cache, self._progress = cache, progress
        self._store = HeldStore() if cache is None else cache
        self._trained: list[Any] = []

    def train(self, model: Any, given: tuple[Any, Any, Any, Any], how: dict[str, Any]) -> None:
        """Train what can be trained together, once a first model says what it is to be like."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) < 2 or not self._options["n_references"]:
            return
        options = self._options | how
        options |= {"cache": self._store, "progress": self._progress}
        try:
            self._trained = references_ahead(model, given, waiting, **options)
        except Exception as error:  # Who audits the model that is at fault will say so.
            _LOG.info("no references are trained ahead: %s", error)

    def cache_of(self, estimator: Any) -> Any:
        """Return where the references of an estimator are kept."""
        ahead = any(each is estimator for each in self._trained)
        return self._store if ahead else self._cache
