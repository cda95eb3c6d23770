"""Song and Mittal's rules beside their own steps, written out literally."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mia_sklearn.attacks import ThresholdAttack, privacy_risk_scores


def _table(seed, n=300, n_classes=4, rounded=False):
    """Posteriors, surer for members, of classes of very unequal sizes."""
    rng = np.random.default_rng(seed)
    label = rng.choice(n_classes, n, p=[0.6, 0.25, 0.1, 0.05])
    member = (rng.random(n) < 0.7).astype(int)
    logits = rng.normal(size=(n, n_classes))
    logits[np.arange(n), label] += 0.5 + 1.5 * member
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if rounded:
        proba = np.round(proba * 20) / 20
    frame = pd.DataFrame(proba, columns=[f"proba_{c}" for c in range(n_classes)])
    return frame.assign(label=label.astype(float)), member


def _values(name, proba, label):
    rows = np.arange(len(label))
    own = proba[rows, label]
    log = -np.log(np.maximum(proba, 1e-30))
    if name == "confidence":
        return own
    if name == "correctness":
        return (proba.argmax(axis=1) == label).astype(float)
    if name == "entropy":
        return -(proba * log).sum(axis=1)
    reverse = 1 - proba
    log_reverse = -np.log(np.maximum(reverse, 1e-30))
    modified, log_modified = proba.copy(), log_reverse.copy()
    modified[rows, label] = reverse[rows, label]
    log_modified[rows, label] = log[rows, label]
    return -(modified * log_modified).sum(axis=1)


def _threshold(members, others):
    best, most = 0, 0
    for value in np.concatenate([members, others]):
        accuracy = 0.5 * (np.mean(members >= value) + np.mean(others < value))
        if accuracy > most:
            best, most = value, accuracy
    return best


SIGNALS = ["confidence", "entropy", "modified_entropy", "correctness"]


@pytest.mark.parametrize("per_class", [True, False])
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("rounded", [True, False])
def test_published_thresholds(name, per_class, rounded):
    table, member = _table(0, rounded=rounded)
    others, _ = _table(1, rounded=rounded)
    # Every target record at a threshold of its class, too.
    others = pd.concat([others, table], ignore_index=True)
    attack = ThresholdAttack(name, per_class=per_class, threshold="published").fit(table, member)
    label, asked = table["label"].to_numpy(int), others["label"].to_numpy(int)
    proba = table.filter(like="proba").to_numpy(), others.filter(like="proba").to_numpy()
    values, theirs = _values(name, proba[0], label), _values(name, proba[1], asked)
    expected = np.zeros(len(others), dtype=int)
    thresholds = {}
    for one in range(4):
        own = label == one if per_class else np.ones(len(label), bool)
        thresholds[one] = _threshold(values[own & (member == 1)], values[own & (member == 0)])
        expected[asked == one] = theirs[asked == one] >= thresholds[one]
    sign = -1 if "entropy" in name else 1
    if per_class:
        found = [sign * attack.class_thresholds_[one] for one in range(4)]
        assert_allclose(found, list(thresholds.values()), atol=1e-9)
    else:
        assert sign * attack.threshold_ == pytest.approx(thresholds[0], abs=1e-9)
    assert_array_equal(attack.predict(others), expected)


def test_a_class_of_one_kind_takes_the_common_threshold():
    table = pd.DataFrame({"label": [0.0, 0, 1, 1], "proba_0": [0.9, 0.4, 0.3, 0.2]})
    table["proba_1"] = 1 - table["proba_0"]
    attack = ThresholdAttack("confidence", per_class=True, threshold="published")
    attack.fit(table, [1, 0, 1, 1])
    assert attack.class_thresholds_ == {0.0: 0.9}
    assert attack.threshold_ == pytest.approx(0.7)
    assert attack.predict(table).tolist() == [1, 0, 1, 1]


def test_what_may_be_a_threshold():
    with pytest.raises(ValueError, match="'threshold' parameter of ThresholdAttack"):
        ThresholdAttack(threshold="theirs").fit([[0.0], [1.0]], [0, 1])


# --- privacy risk scores -------------------------------------------------------------------------


def _scores(members, others, asked, n_bins):
    """Their histograms, one class: bins equally wide on the logarithm."""
    members, others = (np.maximum(side, 1e-10) for side in (members, others))
    both = np.concatenate([members, others])
    bins = np.logspace(np.log10(both.min()), np.log10(both.max()), n_bins + 1)
    bins[0], bins[-1] = both.min(), both.max()
    h1 = np.histogram(members, bins, weights=np.full(len(members), 1 / len(members)))[0]
    h2 = np.histogram(others, bins, weights=np.full(len(others), 1 / len(others)))[0]
    found = []
    for value in asked:
        if value >= bins[-1]:
            place = n_bins - 1
        elif value <= bins[0]:
            place = 0
        else:
            place = np.flatnonzero(bins <= value)[-1]
        for step in range(n_bins):
            near = [p for p in (place - step, place + step) if 0 <= p < n_bins]
            near = [p for p in near if h1[p] + h2[p] > 0]
            if near:
                found.append(h1[near[0]] / (h1[near[0]] + h2[near[0]]))
                break
    return np.array(found)


@pytest.mark.parametrize("n_bins", [5, 12])
def test_privacy_risk_scores(n_bins):
    shadow, member = _table(2, n=500)
    asked, _ = _table(3)
    found = privacy_risk_scores(shadow, member, asked, bins=n_bins)
    for one in range(4):
        own, rows = (table["label"].to_numpy() == one for table in (shadow, asked))
        values, theirs = (
            -_values(
                "modified_entropy",
                table.filter(like="proba").to_numpy(),
                table["label"].to_numpy(int),
            )
            for table in (shadow, asked)
        )
        expected = _scores(
            values[own & (member == 1)], values[own & (member == 0)], theirs[rows], n_bins
        )
        assert_allclose(found[rows], expected, atol=1e-9)


def test_privacy_risk_scores_by_hand():
    # Members 4 of 5 in the lower bin, others 1 of 5: (4/5) / (4/5 + 1/5); 1/3 : 2/3 is no prior.
    confidence = np.array([0.1] * 4 + [1.0] + [0.1] * 2 + [1.0] * 8)
    shadow = pd.DataFrame({"label": 0.0, "proba_0": confidence, "proba_1": 1 - confidence})
    member = np.repeat([1, 0], [5, 10])
    asked = pd.DataFrame({"label": [0.0, 0, 0, 1], "proba_0": [0.1, 0.9, 0.02, 0.5]})
    asked["proba_1"] = 1 - asked["proba_0"]
    found = privacy_risk_scores(shadow, member, asked, signal="confidence", bins=2)
    assert_allclose(found, [0.8, 0.2, 0.8, np.nan])


def test_privacy_risk_scores_say_what_is_wrong():
    table, member = _table(0, n=20)
    with pytest.raises(ValueError, match="'proba' by observe"):
        privacy_risk_scores(table[["label"]], member, table)
    with pytest.raises(ValueError, match="bins must be"):
        privacy_risk_scores(table, member, table, bins=0)
    with pytest.raises(ValueError, match="one value for each of 20 rows"):
        privacy_risk_scores(table, member[:3], table)
    with pytest.raises(ValueError, match="signal must be one of"):
        privacy_risk_scores(table, member, table, signal="lose")
