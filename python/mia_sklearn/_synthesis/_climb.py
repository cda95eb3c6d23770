"""Chains that climb to records which the target is sure of: Algorithm 1 of Shokri et al."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._asked_target import Oracle
from ._sources import RecordSource

__all__ = ["Chains", "Rules", "climb"]

# Features in all chains that climb at a time: what bounds the memory.
_MOST_AT_A_TIME = 2**24


@dataclass(frozen=True)
class Rules:
    """What a chain goes by; as in `mia_sklearn.synthesize`."""

    conf_min: float
    k_max: int
    k_min: int
    rej_max: int
    iter_max: int
    n_starts: int


class Chains:
    """One chain for each record, all of which take a step at a time.

    Parameters
    ----------
    source : RecordSource
    wanted : ndarray of shape (n_chains,)
        The class that each chain climbs to, by number.
    rules : Rules
    rng : RandomState

    Attributes
    ----------
    living : ndarray of int
        Chains that still look for a record.
    candidate : ndarray of shape (n_chains, n_features)
        What the target is to be asked about next, as rows of the source.
    kept : ndarray of shape (n_chains, n_features)
        The best record that each chain has seen; of those in `found`, what it returns.
    found : ndarray of shape (n_chains,), dtype bool
    n_started : int
        Chains begun, those begun anew included, those that the budget did not reach not.
    """

    def __init__(
        self, source: RecordSource, wanted: np.ndarray, rules: Rules, rng: np.random.RandomState
    ) -> None:
        self.source, self.wanted, self.rules, self.rng = source, wanted, rules, rng
        n = len(wanted)
        self.living = np.arange(n)
        self.candidate = source.start(wanted, rng)
        self.kept = self.candidate.copy()
        self.found = np.zeros(n, dtype=bool)
        self._best = np.full(n, -np.inf)
        self._k = np.full(n, rules.k_max)
        self._rejects, self._steps = np.zeros(n, dtype=int), np.zeros(n, dtype=int)
        self._starts = np.ones(n, dtype=int)

    @property
    def n_started(self) -> int:
        return int(self._starts[(self._steps > 0) | (self._starts > 1)].sum())

    def step(self, log_proba: np.ndarray) -> int:
        """Read the target's answers about the candidates of the living, and choose the next ones.

        Parameters
        ----------
        log_proba : ndarray of shape (n_answered, n_classes)
            Log-posteriors; of the first of the living, where the budget has ended.

        Returns
        -------
        int
            Records found.
        """
        asked = self.living[: len(log_proba)]
        rules = self.rules
        # Logarithms: a chain can climb where posteriors would be rounded to 0.
        own = log_proba[np.arange(len(asked)), self.wanted[asked]]
        accepted = own >= self._best[asked]
        self._best[asked[accepted]] = own[accepted]
        self.kept[asked[accepted]] = self.candidate[asked[accepted]]
        confidence = np.exp(own)
        sure = accepted & (confidence > rules.conf_min) & (own == log_proba.max(axis=1))
        self.found[asked] = sure & (self.rng.random_sample(len(asked)) < confidence)
        self._rejects[asked] = np.where(accepted, 0, self._rejects[asked] + 1)
        tired = asked[self._rejects[asked] > rules.rej_max]
        self._k[tired] = np.maximum(rules.k_min, (self._k[tired] + 1) // 2)
        self._rejects[tired] = 0
        self._steps[asked] += 1
        spent = ~self.found & (self._steps == rules.iter_max)
        self.living = self.living[
            ~self.found[self.living] & ~(spent & (self._starts == rules.n_starts))[self.living]
        ]
        self._propose(spent[self.living])
        return int(self.found[asked].sum())

    def _propose(self, anew: np.ndarray) -> None:
        """Choose the next candidates of the living; some begin anew."""
        going, failed = self.living[~anew], self.living[anew]
        self.candidate[going] = self.source.redraw(
            self.kept[going], self._k[going], self.wanted[going], self.rng
        )
        self.candidate[failed] = self.source.start(self.wanted[failed], self.rng)
        self._best[failed] = -np.inf
        self._k[failed] = self.rules.k_max
        self._rejects[failed] = self._steps[failed] = 0
        self._starts[failed] += 1


def climb(
    source: RecordSource,
    wanted: np.ndarray,
    oracle: Oracle,
    rules: Rules,
    *,
    rng: np.random.RandomState,
    progress: bool,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Look for a record of each class wanted, until all chains and the budget have ended.

    Returns
    -------
    rows : ndarray of shape (n_found, n_features)
        The records found, as rows of the source.
    codes : ndarray of shape (n_found,)
        Their classes, by number.
    success : float
        Share of the chains begun that found one.
    """
    from .._process._progress import progress_bar

    rows, codes, n_started = [], [], 0
    size = max(1, _MOST_AT_A_TIME // source.n_features)
    with progress_bar(
        total=len(wanted), desc="synthetic records", unit="record", disable=not progress
    ) as bar:
        for first in range(0, len(wanted), size):
            chains = Chains(source, wanted[first : first + size], rules, rng)
            while len(chains.living) and oracle.left > 0:
                bar.update(chains.step(oracle.ask(source, chains.candidate[chains.living])))
            n_started += chains.n_started
            rows.append(chains.kept[chains.found])
            codes.append(chains.wanted[chains.found])
    found = np.concatenate(codes)
    return np.concatenate(rows), found, len(found) / max(1, n_started)
