"""What an attacker of a generator knows beside its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from .._models._generators import check_samples, draw
from .._records._checked import check_same_features, without_labels
from .._records._frames import as_frame
from .._records._numeric import numeric_features
from .._records._rows import concat_rows, n_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AuxiliaryKnowledge", "observe_auxiliary"]


class AuxiliaryKnowledge(NamedTuple):
    """Observations that `LOGANAttack` learns from, and those that it is asked about.

    Attributes
    ----------
    known : DataFrame of shape (n_known, n_columns)
        Known records and samples, with columns ``feature_*``.
    membership : ndarray of int of shape (n_known,)
        1 for known members and for samples, which stand for members; 0 for known non-members.
    candidates : DataFrame of shape (n_records, n_columns)
        The records in question.
    """

    known: pd.DataFrame
    membership: np.ndarray
    candidates: pd.DataFrame


def observe_auxiliary(
    generator: Any,
    X: Any,
    *,
    nonmembers: Any,
    members: Any = None,
    n_samples: int = 4000,
    random_state: Any = None,
) -> AuxiliaryKnowledge:
    """Lay records of known membership beside a generator's samples.

    Threat model: generator; the attacker draws samples and knows of some records that they are no
    members, maybe of others that they are.

    Parameters
    ----------
    generator : fitted generator or function `(n, random_state)`
        The target.
    X : table of shape (n_records, n_features)
        The records in question, those known not among them.
    nonmembers : table of shape (n_nonmembers, n_features)
        Records known not to be members.
    members : table of shape (n_members, n_features), default=None
        Records known to be members.
    n_samples : int, default=4000
        Samples drawn; 0 compares known members with known non-members alone.
    random_state : int, RandomState instance or None, default=None
        Draws the samples.

    Returns
    -------
    AuxiliaryKnowledge
        ``(known, membership, candidates)``: what `LOGANAttack` is fitted on, and what it is asked
        about. Numbers are standardised and categories become indicators, by the scales of the
        records in question and the known ones together.

    Raises
    ------
    ValueError
        If tables do not fit together, or the generator draws no samples like them.

    See Also
    --------
    mia_sklearn.attacks.LOGANAttack : Learns from what is observed here.

    References
    ----------
    .. [1] J. Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models",
       PoPETs 2019, section 4.4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KernelDensity
    >>> from mia_sklearn.access import observe_auxiliary
    >>> from mia_sklearn.attacks import LOGANAttack
    >>> from mia_sklearn.metrics import roc_auc
    >>> X = np.random.default_rng(0).normal(size=(400, 8))
    >>> generator = KernelDensity(bandwidth=0.1).fit(X[:100])
    >>> known, membership, candidates = observe_auxiliary(
    ...     generator, X[:200], nonmembers=X[200:], random_state=0
    ... )
    >>> attack = LOGANAttack("discriminative", random_state=0).fit(known, membership)
    >>> roc_auc([1] * 100 + [0] * 100, attack.decision_function(candidates)).value > 0.8
    True
    """
    import pandas as pd

    X, _ = without_labels(X)
    held = {"nonmembers": nonmembers} | ({} if members is None else {"members": members})
    for name, table in held.items():
        held[name], _ = without_labels(table, name)
        check_same_features(X, held[name], "X", name)
    if n_samples < 0 or (n_samples == 0 and members is None):
        raise ValueError(
            f"n_samples={n_samples}: samples stand for members. Give at least 1, or members=."
        )
    scales = concat_rows(X, *held.values())
    tables = [held[name] for name in ("members", "nonmembers") if name in held]
    if n_samples:
        check_samples(generator)
        seed = check_random_state(random_state).randint(2**31 - 1)
        tables.insert(0, draw(generator, n_samples, seed, X))
    parts = [numeric_features(table, one_hot=True, like=scales) for table in tables]
    membership = np.repeat([1] * (len(parts) - 1) + [0], [n_rows(part) for part in parts])
    candidates = numeric_features(X, one_hot=True, like=scales)
    names = [f"feature_{j}" for j in range(candidates.shape[1])]
    return AuxiliaryKnowledge(
        as_frame(np.concatenate(parts), names, pd.RangeIndex(len(membership))),
        membership,
        as_frame(candidates, names, pd.RangeIndex(len(candidates), name="row")),
    )
