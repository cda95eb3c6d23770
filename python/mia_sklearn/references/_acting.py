"""References that are audited in the target's place: whom would the same audit name of them?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._records._groups import Grouping
from ..stats import pooled_p_values

if TYPE_CHECKING:
    from ._reference_models import ReferenceModels

__all__ = ["Acted", "act_as_target"]

# References that act, and numbers that all of them look through: more takes longer and tells
# little more of a share.
_MOST_ACTING, _MOST_VALUES = 64, 2**27


class Acted(NamedTuple):
    """What an audit would find of each reference, were it the target.

    Attributes
    ----------
    models : ndarray of int of shape (n_acting,)
    trained : ndarray of bool of shape (n_acting, n_units)
        Whether it trained on each record, or person.
    p_values : ndarray of shape (n_acting, n_units), float64
        Under "not trained on", of the references of other blocks; NaN where it may not be told
        whether it trained on one.
    """

    models: np.ndarray
    trained: np.ndarray
    p_values: np.ndarray


def act_as_target(references: ReferenceModels, units: Grouping | None = None) -> Acted:
    """Let references act as targets, one after the other, and give their records p-values.

    The acting reference's whole block stays out of the comparison, as in shadow observations: its
    complement trained on what it did not.

    Parameters
    ----------
    references : fitted ReferenceModels
    units : Grouping, default=None
        The pool's records by person; each by itself by default.
    """
    n_pool, block = references.n_pool_, references.block_
    phi = references.phi()[:, :n_pool]
    inside = references.membership_[:, :n_pool] > 0
    labelled = references.labelled_[:, :n_pool]
    # A reference that was lost has no signal, and so no say.
    out = np.where(labelled & ~inside, phi, np.float32(np.nan))
    if units is not None:
        # All records of a person have the same references.
        phi, out = units.mean(phi.T).T, units.mean(out.T).T
        inside, labelled = inside[:, units.first], labelled[:, units.first]
    left = np.setdiff1d(np.arange(references.n_models_), list(references.lost_))
    most = max(2, min(_MOST_ACTING, _MOST_VALUES // max(1, phi.size)))
    if len(left) > most:
        left = left[np.unique(np.linspace(0, len(left) - 1, most).round().astype(int))]
    p_values = np.full((len(left), phi.shape[1]), np.nan)
    for place, model in enumerate(left):
        own = block == block[model] if block[model] >= 0 else np.arange(len(block)) == model
        told = labelled[model]
        p_values[place, told] = pooled_p_values(phi[model, told], out[~own][:, told].T)
    return Acted(left, inside[left], p_values)
