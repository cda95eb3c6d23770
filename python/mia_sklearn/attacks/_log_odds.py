"""What a classifier answers, as log-odds."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier

from ._boosted import SmallBooster

__all__ = ["log_odds"]

_TINY = 1e-12


def log_odds(classifier: Any, features: np.ndarray) -> np.ndarray:
    """Return the log-odds of the second class; finite."""
    if isinstance(classifier, (SmallBooster, HistGradientBoostingClassifier)):
        # Exact where the probability is 1 but for rounding.
        return classifier.decision_function(features)
    proba = classifier.predict_proba(features)[:, 1]
    return logit(np.clip(proba, _TINY, 1 - _TINY))
