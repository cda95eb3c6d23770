"""Whether a record that is named once is named again, of a model that is trained again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import t

from .._records._groups import Grouping
from ..references import ReferenceModels
from ..references._acting import act_as_target
from ..report._leak import INFERRED_AT

__all__ = ["Again", "MeanShare", "named_again"]


class Again(NamedTuple):
    """Audits of references in the target's place: whom they name at 1 % false alarms.

    Attributes
    ----------
    trained : ndarray of bool of shape (n_reruns, n_units)
        Whether the reference trained on each.
    named : ndarray of bool of shape (n_reruns, n_units)
        Whether it did, and its audit says so.
    """

    trained: np.ndarray
    named: np.ndarray

    def share_of(self, listed: np.ndarray, confidence: float) -> MeanShare | None:
        """Return how many of some units a rerun that holds them names, on average over reruns.

        Parameters
        ----------
        listed : ndarray of bool of shape (n_units,)
        confidence : float
            Of the interval, that of a mean over reruns.

        Returns
        -------
        MeanShare or None
            None where fewer than three reruns hold any of them.
        """
        n_held = (self.trained & listed).sum(axis=1)
        some = n_held > 0
        if some.sum() < 3:
            return None
        shares = (self.named & listed).sum(axis=1)[some] / n_held[some]
        n, mean = len(shares), float(shares.mean())
        half = float(t.ppf(0.5 + confidence / 2, n - 1) * shares.std(ddof=1) / np.sqrt(n))
        return MeanShare(mean, max(0.0, mean - half), min(1.0, mean + half), n)


class MeanShare(NamedTuple):
    """A share with its interval, and over how many reruns it is the mean."""

    value: float
    low: float
    high: float
    n_reruns: int


def named_again(references: ReferenceModels, units: Grouping | None) -> Again:
    """Audit each reference as the target is, and name those with p-values of at most 1 %.

    Parameters
    ----------
    references : fitted ReferenceModels
    units : Grouping or None
        The records by person; None where the unit is the record.
    """
    acted = act_as_target(references, units)
    trained = acted.trained & ~np.isnan(acted.p_values)
    with np.errstate(invalid="ignore"):
        return Again(trained, trained & (acted.p_values <= INFERRED_AT))
