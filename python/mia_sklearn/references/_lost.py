"""Reference models that could not be trained: why, and whether those that are left suffice."""

from __future__ import annotations

import traceback
import warnings
from textwrap import shorten
from typing import NamedTuple

import numpy as np

from .._process._printable import in_words

__all__ = [
    "CannotTrain",
    "Lost",
    "check_left",
    "diverged",
    "lost_to",
    "reasons",
    "second_seed",
    "warn_of_lost",
]

_LARGEST_SEED = 2**31 - 1
_NAMED_REASONS = 3
_CHARACTERS = 250


class CannotTrain(RuntimeError):
    """A reference model could not be trained: what it is made of failed, and not this package."""


class Lost(NamedTuple):
    """What stands in place of the answers of a model that could not be trained.

    `why` says it in words, `kind` is the class of the error, `where` its traceback.
    """

    why: str
    kind: type[Exception] = ValueError
    where: str = ""

    def error(self, model: int, others: str = "") -> Exception:
        """Return the error that ends the training for this model's sake."""
        error = self.kind(f"Reference model {model} could not be trained: {self.why}{others}")
        if self.where:
            error.__cause__ = _Elsewhere(self.where)
        return error


class _Elsewhere(Exception):
    """An error that happened in another process, or that others followed, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def lost_to(error: BaseException) -> Lost:
    """Return what an error makes of a model."""
    kind = next((one for one in (ValueError, TypeError) if isinstance(error, one)), CannotTrain)
    return Lost(in_words(error), kind, "".join(traceback.format_exception(error)))


def diverged(epoch: int) -> Lost:
    """Return what becomes of a network whose loss became NaN in an epoch, counted from 1."""
    return Lost(
        f"it diverged: its loss became NaN in epoch {epoch}. Lower the learning rate, or clip the "
        "gradients."
    )


def second_seed(seed: int) -> int:
    """Return the seed for another try."""
    return int(np.random.default_rng([seed, 1]).integers(_LARGEST_SEED))


def check_left(lost: dict[int, Lost], n_models: int, block: np.ndarray, first: int = 0) -> None:
    """Raise unless models of two blocks are left: a model acts with its own block left out.

    `first` is the number under which the first of these models is known.
    """
    left = np.setdiff1d(np.arange(n_models), list(lost))
    enough = len(np.unique(block[left])) >= 2 if block.max() >= 0 else len(left) >= 2
    if lost and not enough:
        model, why = next(iter(lost.items()))
        raise why.error(
            first + model,
            f" ({len(lost)} of {n_models} models were lost; at least 2, of different blocks where "
            "there are blocks, must be left.)",
        )


def warn_of_lost(lost: dict[int, str], n_models: int, kind: str, *, stacklevel: int) -> None:
    """Say once how many models were left out, and why."""
    if lost:
        warnings.warn(
            f"{len(lost)} of {n_models} {kind} are left out, since they could not be trained "
            f"({reasons(lost)}).",
            stacklevel=stacklevel + 1,
        )


def reasons(lost: dict[int, str]) -> str:
    """Return which models were lost for which reasons, the most frequent ones, in words."""
    models: dict[str, list[int]] = {}
    for model, why in sorted(lost.items()):
        models.setdefault(why, []).append(model)
    frequent = sorted(models.items(), key=lambda item: -len(item[1]))
    texts = [
        f"model{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}: "
        f"{shorten(why, _CHARACTERS, placeholder=' ...')}"
        for why, numbers in frequent[:_NAMED_REASONS]
    ]
    if len(frequent) > _NAMED_REASONS:
        texts.append(f"and {len(frequent) - _NAMED_REASONS} other reasons")
    return "; ".join(texts)
