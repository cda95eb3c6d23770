"""What the steps of a private training tell of canaries, added up."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp

__all__ = ["StepScores"]

# Of the distance from 0 of a normal distribution.
_MEDIAN = 0.6745
# Noise that is smaller by so much is no chance of the canaries.
_LESS = 0.85


class StepScores:
    """The log-likelihood ratio of having been a record, by what each step tells of a canary.

    Parameters
    ----------
    rate : float
        With which a record should be drawn into a batch.
    noise : float
        Standard deviation of what a step tells; a canary adds 1 to a step that holds it.
    places : ndarray of shape (n_guesses, n_canaries)
        Where in the order of the records a canary would be, from 0 to 1: guesses that are as
        likely as each other; none where it is not known.

    Notes
    -----
    A canary that was a record is taken to have been in batches at random, as it should be, with a
    prior of one half. The other half is shared by what batches do that are not drawn: they hold
    all records; each record once in every pass, anew or always in the same batch; or records that
    follow each other, from the first one on in each pass, or going round.

    Where what the steps tell varies less than it should, the noise that it shows is reckoned with:
    half of it lies within .674 standard deviations, whatever a few canaries add.
    """

    def __init__(self, rate: float, noise: float, places: np.ndarray) -> None:
        self.rate, self.noise, self.places = rate, noise, places
        n = places.shape[1]
        self.steps = 0
        self.told = np.zeros(n)
        self.variances = 0.0
        self.drawn_at_random = np.zeros(n)
        self.always = np.zeros(n)
        # By the place of a batch in its pass, with a last one that is short or without.
        self.n_batches = sorted({math.floor(1 / rate), math.ceil(1 / rate)})
        self.in_turn = [np.zeros((size, n)) for size in self.n_batches]
        self.each_pass = [np.zeros(n) for _ in self.n_batches]
        self.this_pass = [np.full(n, -np.inf) for _ in self.n_batches]
        self.in_order = np.zeros(places.shape)
        self.going_round = np.zeros(places.shape)

    def add(self, told: np.ndarray) -> None:
        """Take what the next step tells of each canary."""
        step = self.steps
        self.steps += 1
        self.told += told
        if self.noise == 0:
            return
        self.variances += (float(np.median(np.abs(told))) / _MEDIAN) ** 2
        shown = self.variances / self.steps
        variance = shown if 0 < shown < (_LESS * self.noise) ** 2 else self.noise**2
        held = (2 * told - 1) / (2 * variance)
        self.always += held
        left = np.log1p(-self.rate) if self.rate < 1 else -np.inf
        self.drawn_at_random += np.logaddexp(np.log(self.rate) + held, left)
        for number, size in enumerate(self.n_batches):
            place = step % size
            self.in_turn[number][place] += held
            self.this_pass[number] = np.logaddexp(self.this_pass[number], held)
            if place == size - 1:
                self.each_pass[number] += self.this_pass[number] - np.log(size)
                self.this_pass[number][:] = -np.inf
        first = step % self.n_batches[-1] * self.rate
        self.in_order += np.where(
            (first <= self.places) & (self.places < first + self.rate), held, 0
        )
        self.going_round += np.where((self.places - step * self.rate) % 1 < self.rate, held, 0)

    @property
    def scores(self) -> np.ndarray:
        """The ratio by all steps so far; without noise, how many held the canary."""
        if self.noise == 0:
            return self.told
        otherwise = [
            self.always,
            *map(_mean, self.in_turn),
            *self.each_pass,
        ]
        if len(self.places):
            otherwise += [_mean(self.in_order), _mean(self.going_round)]
        return np.logaddexp(self.drawn_at_random, _mean(np.array(otherwise)))


def _mean(logs: np.ndarray) -> np.ndarray:
    """Return the logarithm of the mean of what has these logarithms."""
    return logsumexp(logs, axis=0) - np.log(len(logs))
