"""What is measured of a model's structure: each with its band, its error and what it means."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from .._records._digests import row_digests
from ..stats import expected_auc_of_ks, ks_distance, ks_noise_floor
from ._edge import Edges
from ._influence import self_influence
from ._rules import MEASURED_PRECISION, flagged_by_rules
from ._size import n_parameters
from ._stored import Stored
from ._trees import leaf_sizes

__all__ = [
    "Answers",
    "Measure",
    "of_answers",
    "of_edges",
    "of_gap",
    "of_leaves",
    "of_losses",
    "of_parameters",
    "of_rules",
    "of_self_influence",
    "of_stored",
    "unmeasured",
]

BANDS = ("low", "moderate", "high", "very high")
WITHIN_NOISE = "within the noise"
# Lower ends of the bands above "low".
KS_BANDS = (0.05, 0.15, 0.25)
GAP_BANDS = (0.05, 0.15, 0.25)
RATIO_BANDS = (1.1, 1.5, 2.0)
INFLUENCE_BANDS = (0.02, 0.1, 0.3)
PARAMETERS_BANDS = (0.1, 1.0, 5.0)
_SHARE_BANDS = (0.05, 0.5, 0.95)
_FEW = 10
_DIGITS = 12
# How a share is graded that says nothing of the risk by itself.
_GRADES = ("few", "some", "most", "nearly all")


class Answers(NamedTuple):
    """What a model answers about some records.

    Attributes
    ----------
    loss : ndarray of shape (n_records,)
        Any increasing function of it.
    error : ndarray of shape (n_records,)
        Confidence in the true class; of regressors, the residual in standard deviations.
    released : ndarray of shape (n_records, n_answers)
        What is answered, at the precision at which it is released.
    label : ndarray of shape (n_records,) or None
        True classes; None of regressors and of several outputs.
    """

    loss: np.ndarray
    error: np.ndarray
    released: np.ndarray
    label: np.ndarray | None


class Measure(NamedTuple):
    """One row of the table of measures.

    Attributes
    ----------
    measure : str
        Its name, for programs.
    value : float
        NaN where it cannot be computed.
    error : float
        By how much it may be off at 95 % confidence; of the distance of losses, its noise floor;
        0 of what is counted.
    band : str
    predicts : bool
        Whether it was found to predict what attacks with references achieve.
    meaning : str
        In words; the reason where there is no value.
    """

    measure: str
    value: float
    error: float
    band: str
    predicts: bool
    meaning: str


def unmeasured(name: str, reason: str, *, predicts: bool = True) -> Measure:
    """Return the row of a measure that there is not."""
    return Measure(name, math.nan, math.nan, "", predicts, f"Not measured: {reason}.")


def expected_auc(train: Answers, test: Answers, n_train: int, n_test: int) -> float | None:
    """Return what AUC the losses let expect of attacks with references.

    None where they differ by no more than noise, or those of training records are the higher ones.
    """
    value = ks_distance(train.loss, test.loss)
    # Losses may be infinite, which older versions of SciPy take for missing values.
    places = np.unique(np.concatenate([train.loss, test.loss]), return_inverse=True)[1].reshape(-1)
    inside, outside = np.split(rankdata(places), [len(train.loss)])
    differ = value > ks_noise_floor(n_train, n_test) and inside.mean() <= outside.mean()
    return expected_auc_of_ks(value) if differ else None


def of_losses(
    train: Answers,
    test: Answers,
    n_train: int,
    n_test: int,
    *,
    regressor: bool,
    estimated: bool = True,
) -> Measure:
    """Return the distance of the losses; `n_train` and `n_test` are how many are independent.

    `estimated` says what attacks would find, in words.
    """
    losses = "Errors" if regressor else "Losses"
    which = f"{losses} (absolute residuals)" if regressor else losses
    value = ks_distance(train.loss, test.loss)
    floor = ks_noise_floor(n_train, n_test)
    n_records = len(train.loss), len(test.loss)
    people = "" if n_records == (n_train, n_test) else f", of {n_train:,} and {n_test:,} people"
    meaning = (
        f"{which} of {n_records[0]:,} training and {n_records[1]:,} other records{people}. The "
        "advantage of an attack by a threshold on them (members named less others named, as "
        f"shares) is at most this. Noise alone reaches {floor:.3f} in one of twenty cases."
    )
    expected = expected_auc(train, test, n_train, n_test)
    if expected is not None and estimated:
        meaning += (
            f" An attack with references is expected at an AUC near {expected:.2f}: an estimate "
            "from other models, not a measurement."
        )
    elif expected is None and value > floor:
        meaning += (
            f" {losses} on training records are the higher ones, as where the sides are swapped "
            "or of other populations: no AUC is estimated."
        )
    return Measure("ks", value, floor, _band(value, KS_BANDS, floor), True, meaning)


def of_gap(train: Answers, test: Answers, *, regressor: bool) -> Measure:
    """Return how much surer the model is of training records; of regressors, closer to them."""
    means = [float(side.error.mean()) for side in (train, test)]
    errors = [1.96 * float(side.error.std()) / math.sqrt(len(side.error)) for side in (train, test)]
    if not regressor:
        value, error = means[0] - means[1], math.hypot(*errors)
        meaning = (
            f"Mean confidence in the true class: {means[0]:.3f} on training records, "
            f"{means[1]:.3f} on others."
        )
        band = _band(value, GAP_BANDS, error)
        return Measure("confidence_gap", value, error, band, True, meaning)
    if means[0] == 0:
        value, error = (math.inf, 0.0) if means[1] else (1.0, 0.0)
    else:
        value = means[1] / means[0]
        error = math.hypot(errors[1], value * errors[0]) / means[0]
    meaning = (
        f"Mean residual of other records over that of training records: {means[1]:.3g} to "
        f"{means[0]:.3g}, in standard deviations of y."
    )
    band = _band(value, RATIO_BANDS, 1 + error)
    return Measure("residual_ratio", value, error, band, True, meaning)


def of_self_influence(model: Any, X: Any, y: np.ndarray, n_train: int, seed: int) -> Measure:
    found = self_influence(model, X, y, n_train, seed)
    if math.isnan(found.value):
        return unmeasured("self_influence", found.what)
    meaning = (
        "The part of an answer about a training record that comes from that record itself, on "
        f"average: {found.what}."
    )
    band = _band(found.value, INFLUENCE_BANDS)
    return Measure("self_influence", found.value, found.error, band, True, meaning)


def of_parameters(model: Any, X: Any, n_train: int) -> Measure:
    found = n_parameters(model, X)
    if found is None:
        return unmeasured("parameters_per_record", "nothing is known to be a parameter of it")
    value = found / n_train
    meaning = f"{found:,} nodes of trees, coefficients and stored values, {n_train:,} records."
    band = _band(value, PARAMETERS_BANDS)
    return Measure("parameters_per_record", value, 0.0, band, True, meaning)


def of_stored(stored: list[Stored]) -> Measure:
    """Return the largest share of the training records that one attribute holds."""
    records = [each for each in stored if each.kind == "records"]
    value = max((each.share for each in records), default=0.0)
    meaning = "No training record was found among what the model keeps."
    if records:
        meaning = f"Training records in {listed(records)}."
    band = "none" if not value else _GRADES[_place(value, _SHARE_BANDS)]
    return Measure("stored_records", value, 0.0, band, False, meaning)


def listed(stored: list[Stored], most: int = 3) -> str:
    """Return where records are kept, in words."""
    told = [
        f"{each.part}.{each.attribute} ({each.n_rows:,}, {100 * each.share:.3g} %)"
        for each in stored
    ]
    left = len(told) - most
    return ", ".join([*told[:most], *([f"{left} more"] if left > 0 else [])])


def of_edges(edges: Edges) -> Measure:
    """Return the share of the training records that lie on the edge of a margin."""
    value = float((edges.train < 1).mean())
    meaning = (
        "Of the training records, on the edge of a margin, where free support vectors lie and "
        f"others by chance alone, up to the tolerance of training: {edges.counted()}."
    )
    band = "none" if not value else _GRADES[_place(value, _SHARE_BANDS)]
    return Measure("on_margin_edge", value, 0.0, band, False, meaning)


def of_leaves(model: Any) -> list[Measure]:
    """Return the smallest leaf, and the share of records in leaves of fewer than ten."""
    sizes = leaf_sizes(model)
    if sizes is None:
        reason = "the model is none of scikit-learn's trees, forests and boosting"
        names = ("smallest_leaf", "small_leaves")
        return [unmeasured(name, reason, predicts=False) for name in names]
    together = np.concatenate(sizes)
    share = float(together[together < _FEW].sum() / together.sum())
    few = int(together.min())
    return [
        Measure(
            "smallest_leaf",
            float(few),
            0.0,
            "fewer than ten" if few < _FEW else "ten or more",
            False,
            "Records in the smallest leaf of all trees. Harmless forests have such too.",
        ),
        Measure(
            "small_leaves",
            share,
            0.0,
            _GRADES[_place(share, _SHARE_BANDS)],
            False,
            "Of the records, counted in every tree, in leaves of fewer than ten.",
        ),
    ]


def of_answers(train: Answers) -> list[Measure]:
    """Return how many training records share their answer, and what it discloses of the class."""
    released = np.round(np.asarray(train.released, dtype=np.float64), _DIGITS) + 0.0
    answers = row_digests(released)
    _, of_row, counts = np.unique(answers, return_inverse=True, return_counts=True)
    of_row = of_row.reshape(-1)
    share = float((counts[of_row] < _FEW).mean())
    found = [
        Measure(
            "smallest_answer_class",
            float(counts.min()),
            0.0,
            "fewer than ten" if counts.min() < _FEW else "ten or more",
            False,
            "Training records that share one answer, at least (k-anonymity of answers as they are "
            "released). Where answers are continuous each is a class of its own, harmless or not.",
        ),
        Measure(
            "small_answer_classes",
            share,
            0.0,
            _GRADES[_place(share, _SHARE_BANDS)],
            False,
            "Of the training records, with an answer that fewer than ten of them share.",
        ),
    ]
    if train.label is not None:
        codes = np.unique(train.label, return_inverse=True)[1].reshape(-1)
        pairs = np.unique(np.column_stack([of_row, codes]), axis=0)
        n_labels = np.bincount(pairs[:, 0], minlength=len(counts))
        disclosed = float((n_labels[of_row] == 1).mean())
        meaning = (
            "Of the training records, with an answer that records of one class alone share. An "
            "accurate model discloses classes, whoever it learned from."
        )
        grade = _GRADES[_place(disclosed, _SHARE_BANDS)]
        found.append(Measure("class_disclosure", disclosed, 0.0, grade, False, meaning))
    return found


def of_rules(model: Any, n_train: int) -> Measure:
    flagged = flagged_by_rules(model, n_train)
    if flagged is None:
        reason = (
            "there are published rules for classifiers alone: decision trees, random forests and "
            "XGBoost"
        )
        return unmeasured("published_rules", reason, predicts=False)
    meaning = (
        "Whether published rules (Preen and Smith, 2025) count these hyper-parameters among the "
        f"riskiest fifth. {MEASURED_PRECISION}"
    ).strip()
    band = "flagged" if flagged else "not flagged"
    return Measure("published_rules", float(flagged), 0.0, band, False, meaning)


def _band(value: float, ends: tuple[float, ...], noise: float = -math.inf) -> str:
    return WITHIN_NOISE if value <= noise else BANDS[_place(value, ends)]


def _place(value: float, ends: tuple[float, ...]) -> int:
    return sum(value >= end for end in ends)
