"""One training, in which each canary is by a fair coin: which of them were?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._models._backend import networks
from .._process._progress import progress_bar
from .._records._rows import take_rows
from ._canaries import Canaries
from ._training import Mechanism

__all__ = ["OneRun", "run_once"]

_SEEDS = 2**31 - 1


@dataclass(frozen=True)
class OneRun:
    """What one training showed of its canaries.

    Attributes
    ----------
    model : fitted model
    included : ndarray of shape (n_canaries,), bool
        Which canaries it was trained on.
    scores : dict of ndarray of shape (n_canaries,)
        Higher means included; the first was fixed in advance to decide.
    """

    model: Any
    included: np.ndarray
    scores: dict[str, np.ndarray]


def run_once(
    mechanism: Mechanism,
    canaries: Canaries,
    rng: np.random.RandomState,
    *,
    gradients: bool = False,
    every_epoch: bool = False,
    n_references: int = 0,
    progress: bool = False,
) -> OneRun:
    """Toss the coins, train once and score all canaries.

    Parameters
    ----------
    mechanism : Mechanism
    canaries : Canaries
    rng : RandomState
    gradients : bool, default=False
        Give canaries gradients of their own, of a network that is trained privately.
    every_epoch : bool, default=False
        Score networks after each epoch, too: the mean decides.
    n_references : int, default=0
        Models trained like the audited one, with coins of their own, by which a canary's score is
        read; they decide.
    progress : bool, default=False

    Returns
    -------
    OneRun
    """
    included = rng.random_sample(len(canaries.rows)) < 0.5
    order = canaries.order(rng)
    rows, labels = canaries.training_set(included, order)
    seed = rng.randint(_SEEDS)
    X, y = take_rows(canaries.table, canaries.rows), canaries.labels[canaries.rows]
    scores = {}
    if gradients:
        places = {row: place for place, row in enumerate(rows.tolist())}
        own = np.array([places.get(row, -1) for row in canaries.rows.tolist()])
        at = canaries.places(order)
        model, scores["gradient"] = mechanism.trained(
            lambda X, y: networks().fit_with_canaries(
                mechanism.estimator, X, y, own, places=at, seed=seed
            ),
            canaries.table,
            rows,
            labels,
        )
        return OneRun(model, included, scores)
    if every_epoch:
        models = mechanism.trained(
            lambda X, y: networks().fit_every_epoch(
                mechanism.estimator, X, y, classes=mechanism.classes, seed=seed
            ),
            canaries.table,
            rows,
            labels,
        )
        model = models[-1]
        scores["mean of epochs"] = np.mean(
            [mechanism.fit_of_records(each, X, y) for each in models], axis=0
        )
    else:
        model = mechanism.train(canaries.table, rows, labels, seed)
    scores["loss"] = mechanism.fit_of_records(model, X, y)
    if n_references:
        others = _of_references(mechanism, canaries, n_references, rng, progress=progress)
        scores = {"loss beside references": scores["loss"] - others} | scores
    return OneRun(model, included, scores)


def _of_references(
    mechanism: Mechanism,
    canaries: Canaries,
    n_references: int,
    rng: np.random.RandomState,
    *,
    progress: bool,
) -> np.ndarray:
    """Return what models answer on average about each canary that they were not trained on."""
    X, y = take_rows(canaries.table, canaries.rows), canaries.labels[canaries.rows]
    total, n_out = np.zeros(len(y)), np.zeros(len(y))
    included = np.zeros(len(y), dtype=bool)
    for number in progress_bar(
        range(n_references), desc="references", unit="model", disable=not progress
    ):
        # In pairs, of which one is trained on each canary and the other is not.
        included = ~included if number % 2 else rng.random_sample(len(y)) < 0.5
        rows, labels = canaries.training_set(included, canaries.order(rng))
        model = mechanism.train(canaries.table, rows, labels, rng.randint(_SEEDS))
        total += np.where(included, 0.0, mechanism.fit_of_records(model, X, y))
        n_out += ~included
    return total / np.maximum(n_out, 1)
