"""The scale on which answers are read: whatever can be undone hides nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB

from mia_sklearn import ReferenceModels
from mia_sklearn.attacks import LiRAAttack, RMIAAttack
from mia_sklearn.defenses import LabelOnly, TemperaturePosterior
from mia_sklearn.metrics import roc_auc
from mia_sklearn.references import _scale
from mia_sklearn.references._scale import (
    PosteriorScale,
    _separations,
    choose_scale,
)
from mia_sklearn.signals import rescaled_logit

FOREST = RandomForestClassifier(10, random_state=0)


def references(n_classes, estimator=FOREST, n_models=8, **options):
    X, y = make_classification(
        300, 6, n_informative=4, n_classes=n_classes, flip_y=0.2, random_state=0
    )
    return ReferenceModels(estimator, n_models, random_state=0, **options).fit(X, y)


@pytest.fixture(scope="module")
def undefended():
    return {n_classes: references(n_classes) for n_classes in (2, 3)}


def tempered(t):
    # As in single precision, through which references' answers go.
    return lambda proba: proba ** (1 / t)


def signed_cube(proba):
    return 0.5 + 0.5 * np.sign(2 * proba - 1) * np.abs(2 * proba - 1) ** 3 + 1e-12


MAPS = {
    **{f"temperature {t}": tempered(t) for t in (0.05, 0.2, 1, 5, 20, 100)},
    "less sure": lambda proba: 0.9 * proba + 0.1 / proba.shape[-1],
    "hardly less sure": lambda proba: proba + 1e-6,
    "clipped": lambda proba: np.clip(proba, 1e-12, 1),
    "two digits": lambda proba: np.round(proba, 2),
}
OF_TWO_CLASSES = {
    "platt": lambda proba: expit(4 * (proba - 0.5)),
    "cube": signed_cube,
    "log": lambda proba: np.log1p(100 * proba) + 1e-9,
}


def separation(refs, change=None):
    """AUC of LiRA and RMIA on references whose answers were changed, and the scale chosen."""
    outputs = refs.outputs_
    if change is not None:
        with np.errstate(divide="ignore"):
            proba = change(np.exp(outputs.astype(np.float64)))
            outputs = np.log(proba / proba.sum(axis=-1, keepdims=True)).astype(np.float32)
    told = refs.labels_, refs.membership_, refs.labelled_, refs.block_
    scale = choose_scale(outputs, *told)
    trained = (refs.membership_ > 0).astype(float)
    return scale, _separations(scale.phi(outputs, refs.labels_), trained, refs.block_).mean(axis=0)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", list(MAPS))
def test_what_can_be_undone_hides_nothing(name, n_classes, undefended):
    _, before = separation(undefended[n_classes])
    _, after = separation(undefended[n_classes], MAPS[name])
    assert before[0] > 0.8
    assert after[0] > before[0] - 0.01
    assert after[1] > before[1] - 0.015


@pytest.mark.parametrize("name", list(OF_TWO_CLASSES))
def test_whatever_keeps_the_order_of_two_classes_hides_nothing(name, undefended):
    _, before = separation(undefended[2])
    _, after = separation(undefended[2], OF_TWO_CLASSES[name])
    assert (np.subtract(after, before) > -0.015).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_answers_of_no_defense_are_taken_as_they_come(n_classes, undefended):
    refs = undefended[n_classes]
    assert refs.scale_ == PosteriorScale(0.03, saturated=True)
    expected = rescaled_logit(refs.outputs_, refs.labels_, 0.03).astype(np.float32)
    np.testing.assert_array_equal(refs.phi(), expected)


@pytest.mark.thorough
@pytest.mark.parametrize("t", [0.05, 20])
def test_a_temperature_is_no_remedy(t, undefended):
    both = undefended[2], references(2, TemperaturePosterior(FOREST, t=t))
    for attack in (LiRAAttack(), RMIAAttack()):
        aucs = []
        for observed, member in (refs.shadow_observations() for refs in both):
            score = attack.fit(observed, member).decision_function(observed)
            aucs.append(roc_auc(member, score).value)
        assert aucs[0] > 0.8
        assert aucs[1] == pytest.approx(aucs[0], abs=0.01)


def test_power_and_ranks_by_hand():
    proba = np.array([[[0.2, 0.8], [0.5, 0.5]]])
    scale = PosteriorScale(0.01, 2.0)
    own = np.array([0.04 / 0.68, 0.5])
    expected = np.log((own + 0.01) / (1 - own + 0.01))
    np.testing.assert_allclose(scale.phi(np.log(proba), np.zeros(2, int))[0], expected)
    ranked = PosteriorScale(0.01, 2.0, (np.array([-10.0, 0.0, 10.0]), np.array([-1.0, 0.0, 3.0])))
    np.testing.assert_allclose(
        ranked.phi(np.log(proba), np.zeros(2, int))[0], [expected[0] / 10, 0.0], atol=1e-12
    )
    assert scale.text == "raised to the power 2 and smoothed by 0.01"
    assert "ranks" in ranked.text


def test_posteriors_that_are_all_0_stay_so():
    # Of a class that is not among those known to all.
    nothing = np.full((1, 1, 2), -np.inf)
    np.testing.assert_array_equal(PosteriorScale(0.03, 2.0).powered(nothing), nothing)
    assert PosteriorScale(0.03, 2.0).phi(nothing, np.zeros(1, int)) == 0


@pytest.mark.parametrize(
    "options", [{"sampling": "bootstrap"}, {"sampling": "disjoint"}, {"train_size": 0.75}]
)
def test_every_sampling_has_a_scale(options):
    refs = references(2, TemperaturePosterior(FOREST, t=20), 4, **options)
    assert 5 < refs.scale_.power < 80
    assert refs.scale_.saturated


def test_a_scale_that_is_given_is_kept():
    refs = references(2, TemperaturePosterior(FOREST, t=20), 4, smoothing=0.1)
    assert refs.scale_ == PosteriorScale(0.1, saturated=True)


def test_where_there_is_nothing_to_choose():
    assert references(2, LabelOnly(GaussianNB()), 4).scale_.power == 1
    outputs = np.zeros((4, 30, 1), dtype=np.float32)
    told = np.zeros(30, int), np.tile([[1], [0]], (2, 30)), np.ones((4, 30), bool)
    assert choose_scale(outputs, *told, np.array([0, 0, 1, 1])).power == 1


def test_answers_of_an_acting_block_are_not_held_against_themselves():
    # Noise tells nothing; but its own answer among the in references would tell a member.
    rng = np.random.default_rng(0)
    phi, first = rng.normal(size=(4, 2000)), rng.integers(0, 2, (2, 2000))
    trained = np.stack([first[0], 1 - first[0], first[1], 1 - first[1]]).astype(float)
    assert _separations(phi, trained, np.array([0, 0, 1, 1])).mean(axis=0) == pytest.approx(
        (0.5, 0.5), abs=0.02
    )


def test_what_may_not_be_learned_from_decides_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, (2, 300))
    member = np.stack([first[0], 1 - first[0], first[1], 1 - first[1]])
    phi = (rng.normal(size=(4, 300)) + 3 * member) / 20
    outputs = -np.logaddexp(0, np.stack([-phi, phi], axis=-1))
    labelled = rng.random((4, 300)) < 0.7
    labels, block = np.zeros(300, int), np.array([0, 0, 1, 1])
    looked_at = []

    def separations(phi, trained, block):
        looked_at.append(trained)
        return measured(phi, trained, block)

    measured = _scale._separations
    monkeypatch.setattr(_scale, "_separations", separations)
    powers = {
        choose_scale(outputs, labels, np.where(labelled, member, told), labelled, block).power
        for told in (0, 1)
    }
    assert powers == {1.0}
    known = np.where(labelled, member, np.nan)[:, labelled.any(axis=0)]
    assert all(np.array_equal(trained, known, equal_nan=True) for trained in looked_at)


@pytest.mark.parametrize("gains", [(0.02,) * 4, (0.1, -0.06, 0.05, -0.01)])
def test_a_scale_that_may_be_better_by_chance_is_not_chosen(undefended, monkeypatch, gains):
    refs, looked_at = undefended[2], []

    def separations(phi, trained, block):
        # The answers as they come are looked at first.
        found = np.outer(gains if looked_at else (0,) * 4, [1, 1])
        looked_at.append(phi)
        return 0.55 + found

    monkeypatch.setattr("mia_sklearn.references._scale._separations", separations)
    told = refs.labels_, refs.membership_, refs.labelled_, refs.block_
    # Leads so small that every scale is tried.
    scale = choose_scale(refs.outputs_ * np.float32(0.01), *told)
    assert len(looked_at) > 2
    as_they_come = PosteriorScale(scale.smoothing, saturated=scale.saturated)
    assert (scale == as_they_come) == (min(gains) < 0)
