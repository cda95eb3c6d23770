"""All that a canary could have been, and how likely a model of sequences finds each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, Protocol

import numpy as np

__all__ = ["Candidates", "SequenceModel", "log_likelihoods"]

# By which the probabilities of a model's first answer may miss 1.
_SUMS_TO_ONE = 1e-3
# A sum of rounded log-probabilities may exceed 0 by.
_ROUNDING = 1e-4


class SequenceModel(Protocol):
    """What a model of sequences offers so that candidates share the work on what they share.

    Threat model: the attacker reads next-symbol probabilities, for any beginning.

    Attributes
    ----------
    vocabulary : str or sequence
        All symbols; the place of each is its column in the answers.

    Examples
    --------
    A model for which each symbol is followed by itself, most of the time:

    >>> import numpy as np
    >>> class Stutter:
    ...     vocabulary = "abc"
    ...
    ...     def start(self):
    ...         return None, np.log(np.full((1, 3), 1 / 3))
    ...
    ...     def step(self, state, rows, symbols):
    ...         return None, np.log(np.where(np.eye(3)[symbols], 0.8, 0.1))
    >>> from mia_sklearn.disclosure import canary_exposure
    >>> canary_exposure(Stutter(), "{}{}{}", "aaa", slots="abc").rank
    3
    """

    vocabulary: Sequence[Any]

    def start(self) -> tuple[Any, Any]:
        """Begin a sequence.

        Returns
        -------
        state : object
            Whatever the model needs to go on, for one sequence.
        log_proba : array of shape (1, n_symbols)
            Log-probabilities of the first symbol.
        """
        ...

    def step(self, state: Any, rows: np.ndarray, symbols: np.ndarray) -> tuple[Any, Any]:
        """Add one symbol to each of several beginnings.

        Parameters
        ----------
        state : object
            As returned with the beginnings known so far.
        rows : ndarray of shape (n,)
            Which of those each new beginning continues; one may be continued several times.
        symbols : ndarray of shape (n,)
            Places, in `vocabulary`, of the symbols that are added.

        Returns
        -------
        state : object
            For the n new beginnings. The old one stays valid.
        log_proba : array of shape (n, n_symbols)
            Log-probabilities of the symbol that follows each.
        """
        ...


class Candidates:
    """The sequences that a template can become.

    Parameters
    ----------
    template : str with "{}" for each slot, or sequence of symbols with None for each slot
    slots : str or sequence of symbols, or list with one such list for each slot

    Attributes
    ----------
    symbols : list
        The template's symbols, None for each slot.
    choices : list of list
        What may stand in each slot.
    n : int
        How many candidates there are.
    """

    def __init__(self, template: Any, slots: Any) -> None:
        self._is_text = isinstance(template, str)
        head, *tails = template.split("{}") if self._is_text else [template]
        self.symbols: list[Any] = list(head)
        for tail in tails:
            self.symbols += [None, *tail]
        n_slots = sum(symbol is None for symbol in self.symbols)
        if not n_slots:
            raise ValueError(
                "template has no slot: write {} for each symbol of the secret, as in "
                "'my number is {}{}{}{}' (None in a template that is a sequence of symbols)."
            )
        self.choices = _choices(slots, n_slots)
        self.sizes = tuple(map(len, self.choices))
        self.n = math.prod(self.sizes)
        if self.n < 2:
            raise ValueError("slots leave a single candidate, so that nothing can be memorised.")

    def places(self, value: Any) -> list[int]:
        """Return where each symbol of a canary is found in its slot's choices."""
        if len(value) != len(self.choices):
            raise ValueError(
                f"values holds {value!r} of {len(value)} symbols, but template has "
                f"{len(self.choices)} slots."
            )
        places = []
        for slot, (symbol, choices) in enumerate(zip(value, self.choices, strict=True)):
            if symbol not in choices:
                raise ValueError(
                    f"values holds {value!r}, whose symbol {symbol!r} is none of those of slot "
                    f"{slot}. Give all that may stand there as slots."
                )
            places.append(choices.index(symbol))
        return places

    def all(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield all candidates, in lexicographic order of places."""
        for start in range(0, self.n, batch_size):
            numbers = np.arange(start, min(start + batch_size, self.n))
            yield np.stack(np.unravel_index(numbers, self.sizes), axis=1)

    def number(self, places: np.ndarray) -> np.ndarray:
        """Return at which of `all` candidates some are."""
        return np.ravel_multi_index(tuple(places.T), self.sizes)

    def draw(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw candidates uniformly, with replacement."""
        return np.stack([rng.randint(size, size=n) for size in self.sizes], axis=1)

    def sequences(self, places: np.ndarray) -> list[Any]:
        """Return candidates as the template is given: as text, or as tuples."""
        slots = zip(self.choices, places.T.tolist(), strict=True)
        columns: list[Any] = []
        for symbol in self.symbols:
            if symbol is None:
                choices, column = next(slots)
                columns.append([choices[place] for place in column])
            else:
                columns.append(repeat(symbol))
        rows = zip(*columns, strict=False)
        return ["".join(row) for row in rows] if self._is_text else list(rows)


def _choices(slots: Any, n_slots: int) -> list[list[Any]]:
    one_each = not isinstance(slots, str) and all(
        isinstance(part, (list, tuple, range, np.ndarray)) for part in slots
    )
    choices = [list(part) for part in slots] if one_each else [list(slots)] * n_slots
    if len(choices) != n_slots:
        raise ValueError(
            f"slots lists the symbols of {len(choices)} slots, but template has {n_slots}."
        )
    for slot, symbols in enumerate(choices):
        if not symbols or len(set(symbols)) != len(symbols):
            raise ValueError(
                f"slots must list different symbols, at least one for each slot, got {symbols!r} "
                f"for slot {slot}."
            )
    return choices


def log_likelihoods(model: Any, candidates: Candidates) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that tells how likely a model finds candidates, given by their places.

    Candidates that are next to each other, and begin alike, share the work.
    """
    if hasattr(model, "start") and hasattr(model, "step"):
        return _Stepped(model, candidates)
    if callable(model):
        return lambda places: _told(model, candidates.sequences(places))
    raise ValueError(
        "model must be a function of a list of sequences that returns their log-likelihoods, or "
        "have start() and step() as mia_sklearn.disclosure.SequenceModel, got "
        f"{type(model).__name__}."
    )


def _told(model: Callable[[list[Any]], Any], sequences: list[Any]) -> np.ndarray:
    told = np.asarray(model(sequences), dtype=np.float64)
    if told.shape != (len(sequences),):
        raise ValueError(
            f"model must return one log-likelihood per sequence, got shape {told.shape} for "
            f"{len(sequences)} sequences."
        )
    return _checked(told)


def _checked(log_likelihood: np.ndarray) -> np.ndarray:
    if np.isnan(log_likelihood).any():
        raise ValueError("model finds sequences whose log-likelihood is NaN.")
    if (log_likelihood > _ROUNDING).any():
        raise ValueError(
            "model returns log-likelihoods above 0, which are no logarithms of probabilities. "
            "If it returns losses, return them with a minus."
        )
    return log_likelihood


class _Stepped:
    """Follows sorted candidates symbol by symbol, each different beginning once."""

    def __init__(self, model: SequenceModel, candidates: Candidates) -> None:
        self._model = model
        if not hasattr(model, "vocabulary"):
            raise ValueError(
                f"model {type(model).__name__} has start() and step() but no vocabulary: list the "
                "symbols that its columns stand for."
            )
        known = {symbol: place for place, symbol in enumerate(model.vocabulary)}
        needed = [symbol for symbol in candidates.symbols if symbol is not None]
        needed += [symbol for choices in candidates.choices for symbol in choices]
        unknown = next((symbol for symbol in needed if symbol not in known), None)
        if unknown is not None:
            raise ValueError(f"The symbol {unknown!r} is not in the vocabulary of model.")
        self._slots = [np.array([known[s] for s in choices]) for choices in candidates.choices]
        places = [None if symbol is None else known[symbol] for symbol in candidates.symbols]
        state, log_proba = model.start()
        log_proba = np.asarray(log_proba, dtype=np.float64)
        if log_proba.shape != (1, len(known)):
            raise ValueError(
                f"start() of model must return log-probabilities of shape (1, {len(known)}), one "
                f"for each symbol of vocabulary, got {log_proba.shape}."
            )
        if not abs(np.exp(log_proba).sum() - 1) <= _SUMS_TO_ONE:
            raise ValueError(
                "The probabilities that start() of model returns do not sum to 1: return "
                "log-probabilities, of logits the log_softmax."
            )
        # What stands before the first slot is the same for all.
        head = places.index(None)
        one = np.zeros(1, dtype=np.intp)
        total = 0.0
        for place in places[:head]:
            total += float(log_proba[0, place])
            state, answer = model.step(state, one, np.array([place]))
            log_proba = np.asarray(answer)
        self._begun = state, log_proba, total
        self._rest = places[head:]

    def __call__(self, places: np.ndarray) -> np.ndarray:
        state, log_proba, total = self._begun
        likelihood = np.full(len(places), total)
        row = np.zeros(len(places), dtype=np.intp)
        # Where a candidate begins otherwise than the one before.
        differs = np.arange(len(places)) == 0
        slot = 0
        for i, fixed in enumerate(self._rest):
            if fixed is None:
                symbol = self._slots[slot][places[:, slot]]
                differs[1:] |= symbol[1:] != symbol[:-1]
                slot += 1
            else:
                symbol = np.full(len(places), fixed)
            likelihood += log_proba[row, symbol]
            if i + 1 < len(self._rest):
                first = np.flatnonzero(differs)
                state, answer = self._model.step(state, row[first], symbol[first])
                log_proba = np.asarray(answer)
                row = np.cumsum(differs) - 1
        return _checked(likelihood)
