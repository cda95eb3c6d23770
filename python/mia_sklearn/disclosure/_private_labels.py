"""What encoded data tell of a label that they should not tell: fresh attackers, cross-validated."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    check_cv,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from .._models._kinds import is_pipeline
from .._models._trainable import configured
from .._records._numeric import numeric_features
from .._records._rows import as_table, copied, is_frame, take_rows
from ..stats import balanced_accuracy_interval
from ..stats._checks import check_level
from ..stats._frontier import on_frontier

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["class_codes", "privacy_frontier", "private_label_risk"]

BEST = "best"


def private_label_risk(
    Z: Any,
    private: Any,
    *,
    public: Any = None,
    groups: Any = None,
    attackers: dict[str, Any] | None = None,
    cv: Any = 5,
    confidence: float = 0.95,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> pd.DataFrame:
    """Tell how well fresh attackers guess a private label from data that are to hide it.

    Threat model: the attacker sees encoded records and knows the private label of others that
    were encoded the same way, from which they learn.

    Parameters
    ----------
    Z : table of shape (n_records, ...)
        What is released, preferably of records on which the encoder was not trained. Raw records
        too, categories included, to compare with.
    private : array-like of shape (n_records,)
        The label to hide, of two or more classes.
    public : array-like of shape (n_records,), default=None
        The label that is to be told; learned and measured in the same way.
    groups : array-like of shape (n_records,), default=None
        Whom each record belongs to, where people have several: nobody is learned from and
        guessed at once, and intervals count people.
    attackers : dict of str to classifier, default=None
        Cloned. By default logistic regression, a random forest, nearest neighbours and a neural
        network, on standardised features.
    cv : int or splitter, default=5
        How attackers are cross-validated; each record is tested once.
    confidence : float, default=0.95
        Two-sided confidence of each interval.
    n_jobs : int, default=None
    random_state : int, RandomState or None, default=None
        Shuffles the folds and seeds the attackers.

    Returns
    -------
    DataFrame
        One row per label (``label``: "private", "public") and ``attacker``, then "best":
        ``balanced_accuracy`` with its ends ``low`` and ``high``, ``chance`` (one over the number
        of classes, what guesses without Z reach at most), and plain ``accuracy`` beside the share
        of the largest class, ``majority``.

    Raises
    ------
    ValueError
        If lengths differ, a label has one class or is missing, a class has fewer records than
        there are folds, or Z holds NaN.

    See Also
    --------
    privacy_frontier : The same over the weights of an encoder.
    mia_sklearn.torch.AnonymizingEncoder : Trains an encoder against an attacker of its own.

    Notes
    -----
    The attacker inside an encoder's training says little: the encoder has learned to mislead
    that one. Balanced guesses are the class whose posterior exceeds its share the most.

    The interval of the best attacker holds for the best of those listed: its lower end is
    the largest of their lower ends, each at the confidence divided among them (Bonferroni);
    its upper end is the largest of their upper ends. All of them take guesses of different
    records for independent, see `mia_sklearn.stats.balanced_accuracy_interval`. A stronger
    attacker may find more.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn.disclosure import private_label_risk
    >>> Z, species = load_iris(return_X_y=True)
    >>> found = private_label_risk(
    ...     Z[:, :2], species, attackers={"logistic": LogisticRegression()}, random_state=0
    ... )
    >>> [float(found[name].iloc[0].round(2)) for name in ("balanced_accuracy", "low", "chance")]
    [0.82, 0.75, 0.33]
    """
    import pandas as pd

    Z = as_table(Z, "Z")
    _check_finite(Z)
    labels, groups = _checked(Z, {"private": private, "public": public}, groups)
    check_level(confidence, "confidence")
    if isinstance(cv, Integral):
        _check_folds(labels, int(cv))
    rng = check_random_state(random_state)
    fold_seed, seed = rng.randint(2**31 - 1, size=2)
    if attackers is None:
        Z = numeric_features(Z, one_hot=True)
        attackers = _attackers()
    elif not attackers:
        raise ValueError("attackers is empty: name at least one classifier.")
    rows = []
    for name, codes in labels.items():
        folds = list(_splitter(cv, groups, int(fold_seed)).split(Z, codes, groups))
        guesses = {}
        for attacker, estimator in attackers.items():
            fresh = configured(estimator, int(seed))
            guesses[attacker] = _guesses(fresh, Z, codes, cv=folds, n_jobs=n_jobs, params={})
        rows += _rows(name, codes, guesses, groups=groups, confidence=confidence)
    return pd.DataFrame(rows)


def privacy_frontier(
    encoder: Any,
    X: Any,
    y: Any,
    private: Any,
    lams: Any,
    *,
    groups: Any = None,
    test_size: float = 0.5,
    random_state: Any = None,
    **options: Any,
) -> pd.DataFrame:
    """Tell what an anonymising encoder costs and buys, over the weight that it gives to privacy.

    Threat model: as `private_label_risk`.

    Parameters
    ----------
    encoder : AnonymizingEncoder, or Pipeline that ends in one
        Cloned, and trained with each `lam` on the same records.
    X : table of shape (n_records, ...)
    y : array-like of shape (n_records,)
        The public label.
    private : array-like of shape (n_records,)
        The label to hide.
    lams : sequence of float
        Weights of privacy.
    groups : array-like of shape (n_records,), default=None
        Whom each record belongs to; nobody is both trained on and tested.
    test_size : float, default=0.5
        Share of the records that no encoder is trained on, on which both labels are learned and
        tested by cross-validation.
    random_state : int, RandomState or None, default=None
        Draws the split, and seeds encoders and attackers, all `lam` alike.
    **options : dict
        Passed to `private_label_risk`: `attackers`, `cv`, `confidence`, `n_jobs`.

    Returns
    -------
    DataFrame
        One row per ``lam``: ``public_accuracy`` and ``private_accuracy``, balanced, of the best
        learner of each, with the ends of their intervals (``public_low``, ``private_high``, ...)
        and ``public_chance`` and ``private_chance``; ``attacker``, the best one's name; and
        ``on_frontier``, whether no other row has both a higher public and a lower private
        accuracy.

    Raises
    ------
    ValueError
        If `encoder` has no parameter `lam`, there is no `lam`, or `private_label_risk` would.

    See Also
    --------
    private_label_risk : The measure.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from mia_sklearn.disclosure import privacy_frontier
    >>> from mia_sklearn.torch import AnonymizingEncoder
    >>> X, y = load_iris(return_X_y=True)
    >>> frontier = privacy_frontier(
    ...     AnonymizingEncoder(max_epochs=3), X, y, X[:, 1] > 3, [0, 1],
    ...     attackers={"bayes": GaussianNB()}, random_state=0
    ... )
    >>> frontier[["lam", "attacker"]].values.tolist()
    [[0, 'bayes'], [1, 'bayes']]
    """
    import pandas as pd

    *before, last = _steps(encoder)
    lams = list(lams)
    if not lams:
        raise ValueError("lams is empty: give at least one weight, such as 0 and 1.")
    X = as_table(X)
    labels, groups = _checked(X, {"private": private, "y": y}, groups)
    y, private = np.asarray(y), np.asarray(private)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    train, test = _split(labels["private"], groups, test_size, seed)
    inputs = take_rows(X, train), take_rows(X, test)
    if before:
        head = configured(before[0], seed)
        inputs = head.fit_transform(inputs[0], y[train]), head.transform(inputs[1])
    rows = []
    for lam in lams:
        fresh = configured(last, seed).set_params(lam=lam)
        fresh.fit(copied(inputs[0]), y[train], private=private[train])
        found = private_label_risk(
            fresh.transform(copied(inputs[1])),
            private[test],
            public=y[test],
            groups=None if groups is None else groups[test],
            random_state=seed,
            **options,
        )
        rows.append({"lam": lam, **_summary(found)})
    frontier = pd.DataFrame(rows)
    frontier["on_frontier"] = on_frontier(frontier["public_accuracy"], frontier["private_accuracy"])
    return frontier


def _attackers() -> dict[str, Any]:
    return {
        "logistic": LogisticRegression(max_iter=1000),
        "forest": RandomForestClassifier(100, min_samples_leaf=3),
        "neighbors": KNeighborsClassifier(15),
        "network": MLPClassifier((64,), alpha=0.01, learning_rate_init=0.01, max_iter=100),
    }


def _check_finite(Z: Any) -> None:
    values = Z.data if hasattr(Z, "tocsr") else Z
    if not is_frame(Z) and values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("Z holds NaN or infinity: the encoder may have diverged.")


def _checked(
    table: Any, labels: dict[str, Any], groups: Any
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Return the labels that are given, as positions of their classes, and the groups."""
    codes = {name: class_codes(label, name) for name, label in labels.items() if label is not None}
    if groups is not None:
        groups = column_or_1d(groups)
    check_consistent_length(table, groups, *codes.values())
    return codes, groups


def class_codes(label: Any, name: str) -> np.ndarray:
    """Return a label as positions of its sorted classes, or refuse it by the argument's name."""
    import pandas as pd

    label = column_or_1d(label)
    if pd.isna(label).any():
        raise ValueError(f"{name} holds missing labels; leave those records out.")
    check_classification_targets(label)
    classes, codes = np.unique(label, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{name} has one class, {classes.tolist()[0]!r}: there is nothing to tell apart."
        )
    return codes


def _check_folds(labels: dict[str, np.ndarray], n_folds: int) -> None:
    for name, codes in labels.items():
        least = int(np.bincount(codes).min())
        if least < n_folds:
            raise ValueError(
                f"cv={n_folds}, but a class of {name} has {least} record(s). Use fewer folds, or "
                "leave that class out."
            )


def _splitter(cv: Any, groups: Any, seed: int) -> Any:
    if not isinstance(cv, Integral):
        return check_cv(cv)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return kind(int(cv), shuffle=True, random_state=seed)


def _guesses(estimator: Any, Z: Any, codes: np.ndarray, **options: Any) -> tuple[Any, Any]:
    """Return the best guess of each record, and the best one where all classes are equal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if not hasattr(estimator, "predict_proba"):
            guess = cross_val_predict(estimator, Z, codes, **options)
            return guess, guess
        proba = cross_val_predict(estimator, Z, codes, method="predict_proba", **options)
    shares = np.bincount(codes) / len(codes)
    return proba.argmax(axis=1), (proba / shares).argmax(axis=1)


def _rows(
    label: str,
    codes: np.ndarray,
    guesses: dict[str, tuple[Any, Any]],
    *,
    groups: Any,
    confidence: float,
) -> list[dict[str, Any]]:
    n_classes = int(codes.max()) + 1
    rows: list[dict[str, Any]] = []
    lower = []
    for attacker, (guess, balanced) in guesses.items():
        found = balanced_accuracy_interval(codes, balanced, groups=groups, confidence=confidence)
        divided = 1 - (1 - confidence) / len(guesses)
        lower.append(
            balanced_accuracy_interval(codes, balanced, groups=groups, confidence=divided).low
        )
        rows.append(
            {
                "label": label,
                "attacker": attacker,
                "balanced_accuracy": found.value,
                "low": found.low,
                "high": found.high,
                "chance": 1 / n_classes,
                "accuracy": float((guess == codes).mean()),
                "majority": float(np.bincount(codes).max() / len(codes)),
            }
        )
    best = {
        name: max(row[name] for row in rows) for name in ("balanced_accuracy", "high", "accuracy")
    }
    return [*rows, rows[0] | best | {"attacker": BEST, "low": max(lower)}]


def _summary(found: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for label in ("public", "private"):
        own = found[found["label"] == label].set_index("attacker")
        best = own.loc[BEST]
        row[f"{label}_accuracy"] = best["balanced_accuracy"]
        row |= {f"{label}_{end}": best[end] for end in ("low", "high", "chance")}
    return row | {"attacker": own["balanced_accuracy"].drop(BEST).idxmax()}


def _steps(encoder: Any) -> list[Any]:
    """Return what stands before the encoder, if anything does, and the encoder."""
    steps = [encoder[:-1], encoder[-1]] if is_pipeline(encoder) else [encoder]
    if not hasattr(steps[-1], "get_params") or "lam" not in steps[-1].get_params():
        raise ValueError(
            f"encoder must be an AnonymizingEncoder, or a Pipeline that ends in one: "
            f"{type(steps[-1]).__name__} has no parameter lam."
        )
    return steps


def _split(
    codes: np.ndarray, groups: Any, test_size: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    kind = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
    splitter = kind(1, test_size=test_size, random_state=seed)
    return next(splitter.split(codes, codes, groups))
