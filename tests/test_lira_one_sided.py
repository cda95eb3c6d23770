"""LiRA on records that no reference trained on, as where references train on a population."""

import numpy as np
import pytest

from mia_sklearn.attacks import LiRAAttack
from mia_sklearn.metrics import roc_auc


def observed(rng, n, member, *, without_in):
    """Records of widely different difficulty; training on one moves its phi by 2."""
    middle = 4 * rng.normal(size=(n, 1))
    phi = middle[:, 0] + rng.normal(size=n) + 2 * member
    out = middle + rng.normal(size=(n, 8))
    in_ = middle + 2 + rng.normal(size=(n, 8))
    if without_in:
        in_[:] = np.nan
    return np.column_stack([phi, out, in_])


@pytest.mark.parametrize("without_in", [False, True])
def test_records_without_in_references_are_judged_by_the_usual_gap(without_in):
    rng = np.random.default_rng(0)
    names = ["logit", *(f"out_{k}" for k in range(8)), *(f"in_{k}" for k in range(8))]
    member = np.arange(2000) % 2
    attack = LiRAAttack(mode="online", columns=names)
    attack.fit(observed(rng, 2000, member, without_in=False), member)
    seen = observed(rng, 2000, member, without_in=without_in)
    online = roc_auc(member, attack.score_observations(seen)).value
    offline = LiRAAttack(mode="offline", columns=names).fit(seen, member)
    assert online > roc_auc(member, offline.score_observations(seen)).value - 0.01
    assert online > 0.88
