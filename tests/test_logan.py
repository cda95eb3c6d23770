"""LOGAN: what known members and non-members add to a generator's samples."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.access import observe_auxiliary
from mia_sklearn.attacks import LOGANAttack, ThresholdAttack
from mia_sklearn.metrics import precision_at_n, roc_auc

WIDTH = 8
RNG = np.random.default_rng(0)
MEMBERS, STRANGERS, KNOWN_OUT = RNG.normal(size=(3, 150, WIDTH))
X = np.concatenate([MEMBERS[:100], STRANGERS[:100]])
MEMBER = np.arange(200) < 100
GENERATOR = KernelDensity(bandwidth=0.1).fit(MEMBERS)


def _auxiliary(generator=GENERATOR, **options):
    options = {"nonmembers": KNOWN_OUT, "n_samples": 1000, "random_state": 0, **options}
    return observe_auxiliary(generator, X, **options)


# Known answers.


@pytest.mark.parametrize("estimator", [None, LogisticRegression()], ids=["forest", "linear"])
@pytest.mark.parametrize("members", [None, MEMBERS[100:]], ids=["outsiders known", "both known"])
def test_samples_stand_for_members(estimator, members):
    # Members of a generator that moves them all are told even by a line.
    shifted = KernelDensity(bandwidth=0.1).fit(MEMBERS + (estimator is not None))
    candidates = X + (estimator is not None) * MEMBER[:, None]
    known, membership, asked = observe_auxiliary(
        shifted, candidates, nonmembers=KNOWN_OUT, members=members, random_state=0
    )
    attack = LOGANAttack("discriminative", estimator, random_state=0).fit(known, membership)
    score = attack.decision_function(asked)
    assert roc_auc(MEMBER, score).low > 0.75
    assert precision_at_n(MEMBER, score).low > 0.65


def test_without_knowledge_the_signal_ranks():
    seen = observe(GENERATOR, X, access="samples", n_samples=1000, random_state=0)
    attack = LOGANAttack().fit(seen, MEMBER)
    np.testing.assert_array_equal(attack.score_observations(seen), seen["logit"])
    assert attack.estimator_ is None
    assert roc_auc(MEMBER, attack.decision_function(seen)).low > 0.95
    by_threshold = ThresholdAttack("logit").fit(seen, MEMBER).decision_function(seen)
    np.testing.assert_array_equal(
        np.argsort(by_threshold, kind="stable"),
        np.argsort(attack.decision_function(seen), kind="stable"),
    )


def test_it_reads_what_references_make():
    pool = np.concatenate([MEMBERS, STRANGERS])
    references = ReferenceModels(KernelDensity(bandwidth=0.1), 2, random_state=0).fit(pool)
    attack = LOGANAttack().fit(*references.shadow_observations())
    seen = observe(GENERATOR, pool, references=references)
    assert roc_auc(np.arange(300) < 150, attack.decision_function(seen)).value == 1


def test_known_members_alone_beside_known_non_members():
    # With no samples it is an ordinary classifier, which learns nothing here.
    known, membership, asked = _auxiliary(members=MEMBERS[100:], n_samples=0)
    assert membership.tolist() == [1] * 50 + [0] * 150
    attack = LOGANAttack("discriminative", random_state=0).fit(known, membership)
    estimate = roc_auc(MEMBER, attack.decision_function(asked), confidence=0.99)
    assert estimate.low < 0.5 < estimate.high


def test_a_generator_of_other_records_tells_nothing():
    others = np.random.default_rng(5).normal(size=(150, WIDTH))
    known, membership, asked = _auxiliary(KernelDensity(bandwidth=0.1).fit(others))
    attack = LOGANAttack("discriminative", random_state=0).fit(known, membership)
    estimate = roc_auc(MEMBER, attack.decision_function(asked), confidence=0.99)
    assert estimate.low < 0.5 < estimate.high


# What is observed.


def test_what_is_known_is_laid_out_in_one_scale():
    known, membership, asked = _auxiliary(members=MEMBERS[100:], n_samples=30)
    assert membership.tolist() == [1] * 80 + [0] * 150
    assert known.columns.tolist() == asked.columns.tolist() == [f"feature_{j}" for j in range(8)]
    everything = np.concatenate([X, KNOWN_OUT, MEMBERS[100:]])
    mean, scale = everything.mean(axis=0), everything.std(axis=0)
    np.testing.assert_allclose(asked, (X - mean) / scale, rtol=1e-6)
    np.testing.assert_allclose(known[30:80], (MEMBERS[100:] - mean) / scale, rtol=1e-6)
    np.testing.assert_allclose(known[80:], (KNOWN_OUT - mean) / scale, rtol=1e-6)


def test_frames_with_text_and_string_labels():
    rng = np.random.default_rng(0)

    def people(n):
        return pd.DataFrame({"age": rng.normal(40, 9, n), "job": rng.choice(["a", "b"], n)})

    members, others, asked = people(60), people(60), people(40)
    candidates = pd.concat([members[:40], asked], ignore_index=True)

    def replay(n, random_state):
        drawn = members.sample(n, replace=True, random_state=random_state)
        return drawn.reset_index(drop=True)

    known, membership, seen = observe_auxiliary(
        replay, candidates, nonmembers=others, n_samples=500, random_state=0
    )
    assert known.shape == (560, 3)
    words = np.where(membership == 1, "yes", "no")
    attack = LOGANAttack("discriminative", random_state=0).fit(known, words)
    assert attack.classes_.tolist() == ["no", "yes"]
    assert roc_auc(np.arange(80) < 40, attack.decision_function(seen)).low > 0.6


def test_same_seed_same_scores():
    first, second = (_auxiliary() for _ in range(2))
    pd.testing.assert_frame_equal(first.known, second.known)
    scores = [
        LOGANAttack("discriminative", random_state=3).fit(*first[:2]).decision_function(first[2])
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*scores)


# Bad input.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nonmembers": KNOWN_OUT[:, 1:]}, "X and nonmembers must have the same features"),
        ({"members": KNOWN_OUT[:0]}, "members holds no records"),
        ({"n_samples": 0}, "n_samples=0: samples stand for members"),
        ({"n_samples": -1, "members": MEMBERS}, "n_samples=-1: samples stand for members"),
        ({"generator": LogisticRegression()}, "LogisticRegression has no sample"),
        (
            {"generator": GaussianMixture(1, random_state=0).fit(MEMBERS[:, 1:])},
            r"draws records of shape \(7,\)",
        ),
    ],
)
def test_knowledge_that_does_not_fit_together(options, message):
    with pytest.raises(ValueError, match=message):
        _auxiliary(**options)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (LOGANAttack("all"), "'knowledge' parameter of LOGANAttack must be"),
        (LOGANAttack("discriminative", 3), "'estimator' parameter of LOGANAttack must be"),
        (LOGANAttack("discriminative", LinearSVC()), "LinearSVC has none"),
        (
            LOGANAttack("generative", LogisticRegression()),
            "needs an estimator with discriminator_score.*LogisticRegression has none",
        ),
        (LOGANAttack(), "'logit' by observe"),
    ],
)
def test_attacks_that_cannot_be(attack, message):
    known, membership, _ = _auxiliary(n_samples=60)
    with pytest.raises(ValueError, match=message):
        attack.fit(known, membership)


def test_knowledge_is_not_what_observe_shows():
    seen = observe(GENERATOR, X)
    with pytest.raises(ValueError, match=r"'feature' by .*generators mia_sklearn.access.obs"):
        LOGANAttack("discriminative").fit(seen, MEMBER)


# The local network.

torch = pytest.importorskip("torch")
from mia_sklearn.torch import GAN, InformedGAN  # noqa: E402

FEW = {"max_epochs": 2, "batch_size": 32}


@pytest.mark.one_for_all()
@parametrize_with_checks([LOGANAttack("generative", InformedGAN(**FEW), random_state=0)])
def test_scikit_learn_checks_of_the_local_network(estimator, check):
    check(estimator)


def test_a_local_network_is_told_who_is_out():
    shifted = KernelDensity(bandwidth=0.1).fit(MEMBERS + 1)
    candidates = X + MEMBER[:, None]
    known, membership, asked = observe_auxiliary(
        shifted, candidates, nonmembers=KNOWN_OUT, n_samples=300, random_state=0
    )
    local = InformedGAN(max_epochs=30, batch_size=32)
    attack = LOGANAttack("generative", local, random_state=0).fit(known, membership)
    score = attack.decision_function(asked)
    assert roc_auc(MEMBER, score).low > 0.8
    again = LOGANAttack("generative", local, random_state=0).fit(known, membership)
    np.testing.assert_array_equal(again.decision_function(asked), score)


def test_without_known_fakes_it_is_a_gan_and_keeps_no_records():
    plain = GAN(**FEW, random_state=0).fit(MEMBERS)
    same = InformedGAN(**FEW, random_state=0).fit(MEMBERS)
    np.testing.assert_allclose(
        plain.discriminator_score(X), same.discriminator_score(X), rtol=1e-4, atol=1e-6
    )
    told = InformedGAN(**FEW, random_state=0).fit(X, MEMBER)
    assert not hasattr(told, "_fakes")
    assert np.abs(told.discriminator_score(X) - plain.discriminator_score(X)).max() > 0.01
    for y in (MEMBER[:-1], np.ones(200), np.zeros(200)):
        with pytest.raises(ValueError, match="whether it is real, and both must occur"):
            InformedGAN(**FEW).fit(X, y)


def test_a_gan_trained_on_samples():
    local = GAN(**FEW)
    seen = [
        observe(GENERATOR, X, access="samples", n_samples=100, local=local, random_state=0)
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(*seen)
    assert np.ptp(seen[0]["logit"]) > 0
    assert not local.initialized_


def test_a_collapsed_gan_is_named():
    class Same(torch.nn.Module):
        def __init__(self, record_shape):
            super().__init__()
            self.one = torch.nn.Parameter(torch.zeros(record_shape))

        def forward(self, noise):
            return self.one.expand(len(noise), *self.one.shape)

    collapsed = GAN(Same, **FEW, random_state=0).fit(MEMBERS)
    for access in ("discriminator", "samples"):
        with pytest.warns(UserWarning, match="The generator has collapsed: 100%"):
            observe(collapsed, X, access=access)
