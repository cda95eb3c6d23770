"""How much surer of a label a model must be before its answer overrides an imputation."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

__all__ = ["best", "default_classifier", "features", "learn", "proba_of_candidates"]

# A row for each acting reference, record and candidate.
_MOST_ROWS = 200_000


def features(log_proba: np.ndarray, phi: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return what tells for each candidate, of shape (n_records, n_values, 4).

    `log_proba` is the imputer's, `phi` the log-odds of the record's label with each candidate put
    in, `usual` the mean of that of models that did not train on the record.
    """
    others = np.repeat(phi[:, None, :], phi.shape[1], axis=1)
    others[:, np.arange(phi.shape[1]), np.arange(phi.shape[1])] = -np.inf
    return np.stack([log_proba, phi, phi - others.max(axis=2), phi - usual], axis=2)


def default_classifier(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_leaf_nodes=15, early_stopping=False, random_state=seed
    )


def learn(
    classifier: Any,
    log_proba: np.ndarray,
    phi: np.ndarray,
    membership: np.ndarray,
    codes: np.ndarray,
    *,
    rng: np.random.RandomState,
) -> Any:
    """Fit a classifier of the true candidates, each reference acting on its own records.

    Parameters
    ----------
    classifier : classifier
        Fitted as it is.
    log_proba : ndarray of shape (n_records, n_values)
    phi : ndarray of shape (n_references, n_records, n_values)
    membership : ndarray of shape (n_references, n_records)
    codes : ndarray of shape (n_records,)
        Place of the true candidate, -1 where there is none: such records are left out.
    rng : RandomState
        Draws the records, where there are too many.
    """
    n_references, _, n_values = phi.shape
    without = membership == 0
    most = max(1, _MOST_ROWS // (n_references * n_values))
    count = without.sum(axis=0)[:, None]
    # No reference that trained on a record is among those it is compared with.
    total = np.where(without[:, :, None], phi, 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        usual = total / count
    tables, truths = [], []
    for acting in range(n_references):
        rows = np.flatnonzero(~without[acting] & (codes >= 0))
        rows = np.sort(rng.permutation(rows)[:most])
        tables.append(features(log_proba[rows], phi[acting, rows], usual[rows]))
        truths.append(codes[rows, None] == np.arange(n_values))
    table = np.concatenate(tables).reshape(-1, tables[0].shape[2])
    return classifier.fit(table, np.concatenate(truths).ravel().astype(int))


def proba_of_candidates(classifier: Any, table: np.ndarray) -> np.ndarray:
    """Return the probability of each candidate of each record, summing to 1.

    `table` has shape (n_records, n_values, n_features).
    """
    proba = classifier.predict_proba(table.reshape(-1, table.shape[2]))[:, 1]
    proba = np.maximum(proba.reshape(table.shape[:2]), np.finfo(float).tiny)
    return proba / proba.sum(axis=1, keepdims=True)


def best(proba: np.ndarray, log_proba: np.ndarray) -> np.ndarray:
    """Return the place of the likeliest candidate, among ties the imputer's likeliest."""
    tied = proba == proba.max(axis=1, keepdims=True)
    return np.where(tied, log_proba, -np.inf).argmax(axis=1)
