"""Training sets drawn within classes, and when references may be: as the target was."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

from mia_sklearn import ReferenceModels, audit
from mia_sklearn.references._sampling import assign, is_stratified
from mia_sklearn.signals import log_posteriors, rescaled_logit

SIZES = [97, 31, 15, 8, 5, 2, 1, 1]
CLASSES = np.random.default_rng(0).permutation(np.repeat(np.arange(len(SIZES)), SIZES))


def counts(rows):
    return np.bincount(CLASSES[rows], minlength=len(SIZES))


@pytest.mark.parametrize("train_size", [0.5, 0.75, 0.875, 0.25, 0.125, 0.6, 0.4, 0.45])
def test_each_class_is_in_each_set_in_its_share(train_size):
    n = len(CLASSES)
    drawn = assign("block", n, train_size, 0, n_models=24, entropy=0, strata=CLASSES)
    plain = assign("block", n, train_size, 0, n_models=24, entropy=0)
    assert (drawn.block_size, drawn.holdout) == (plain.block_size, plain.holdout)
    sizes = drawn.membership.sum(axis=1)
    assert np.abs(sizes - train_size * n).max() <= max(1, 0.05 * train_size * n)
    trims = not drawn.labelled.all()
    assert trims == (not plain.labelled.all())
    for model in range(drawn.n_models):
        trained = counts(drawn.membership[model] > 0)
        # One record each for parting the class, and for dropping some of a part.
        assert np.abs(trained - np.array(SIZES) * sizes[model] / n).max() < 1 + trims
    for block in range(drawn.block.max() + 1):
        own = drawn.block == block
        trained = (drawn.membership[own] == 1) | ~drawn.labelled[own]
        apart = ~trained if drawn.holdout == "out" else trained
        assert np.array_equal(apart.sum(axis=0), np.ones(n))
    few = assign("block", n, train_size, 0, n_models=8, entropy=0, strata=CLASSES)
    assert np.array_equal(few.membership, drawn.membership[: few.n_models])


def test_every_record_is_as_likely_and_so_is_every_pair_of_its_class():
    drawn = assign("block", len(CLASSES), None, 0, n_models=4000, entropy=0, strata=CLASSES)
    assert drawn.membership.mean(axis=0) == pytest.approx(0.5)
    first = drawn.membership[::2].astype(float)
    for label in (2, 3):
        own = first[:, label == CLASSES]
        n = own.shape[1]
        # Of odd classes one half has a record more.
        halves = np.array([n // 2, n - n // 2])
        expected = np.mean(halves * (halves - 1)) / (n * (n - 1))
        together = own.T @ own / len(own)
        assert np.abs(together[~np.eye(n, dtype=bool)] - expected).max() < 0.05


@pytest.mark.parametrize("size", [60, 30])
def test_other_samplings_meet_the_shares_too(size):
    n = len(CLASSES)
    apart = assign("disjoint", n, size, 0, n_models=6, entropy=0, strata=CLASSES)
    share = np.array(SIZES) * size / n
    for member, labelled in zip(apart.membership, apart.labelled, strict=True):
        for side in (member > 0, labelled & (member == 0)):
            assert side.sum() == size
            assert np.abs(counts(side) - share).max() <= 1.5
    again = assign("bootstrap", n, size, 0, n_models=400, entropy=0, strata=CLASSES)
    assert (again.membership.sum(axis=1) == size).all() and again.membership.max() > 1
    drawn = np.array([np.bincount(CLASSES, member, len(SIZES)) for member in again.membership])
    assert np.abs(drawn - share).max() < 1 + 1e-9
    assert again.membership.mean(axis=0) == pytest.approx(size / n, abs=0.15)


@pytest.mark.parametrize(("ones", "expected"), [(10, True), (11, True), (12, False), (8, False)])
def test_shares_are_met_to_within_one_record(ones, expected):
    labels = np.repeat(["a", "b"], 20)
    member = np.r_[np.arange(20) < ones, np.arange(20) < 20 - ones]
    assert is_stratified(member, labels) == expected


def test_groups_and_generators_are_not_stratified():
    X, y = make_classification(40, random_state=0)
    references = ReferenceModels(GaussianNB(), 2, stratify=True)
    with pytest.raises(ValueError, match="goes without groups"):
        references.fit(X, y, groups=np.arange(40) // 2)
    with pytest.raises(ValueError, match="with labels only"):
        ReferenceModels(GaussianMixture(), 2, stratify=True).fit(X)


def test_references_of_a_core_and_a_population_are_stratified_among_what_is_drawn():
    X, y = make_classification(200, weights=[0.9], random_state=0)
    references = ReferenceModels(GaussianNB(), 4, stratify=True, random_state=0)
    references.fit(X[:40], y[:40], population=(X[40:160], y[40:160]), core=(X[160:], y[160:]))
    n_rare = y[40:160].sum()
    assert set(references.membership_[:, 40:] @ y[40:160]) <= {n_rare // 2, -(-n_rare // 2)}


@pytest.mark.parametrize("train_size", [0.5, 0.75])
@pytest.mark.parametrize("stratified", [True, False])
def test_an_audit_draws_as_the_target_was_drawn(stratified, train_size):
    X, y = make_classification(400, weights=[0.8], flip_y=0, random_state=1)
    parts = train_test_split(
        X, y, train_size=train_size, stratify=y if stratified else None, random_state=0
    )
    X_train, X_test, y_train, y_test = parts
    member = np.repeat([True, False], [len(y_train), len(y_test)])
    assert is_stratified(member, np.concatenate([y_train, y_test])) == stratified
    model = GaussianNB().fit(X_train, y_train)
    report = audit(
        model,
        X_train,
        y_train,
        X_test,
        y_test,
        n_references=4,
        attacks=["threshold", "lira"],
        random_state=0,
        progress=False,
    )
    assert report.info["stratified"] is stratified


def halves(y, stratified, rng):
    """Return whether each record is drawn, of two sets that complement one another."""
    n = len(y)
    drawn = assign(
        "block", n, n // 2, 0, n_models=2, entropy=int(rng.integers(2**31)),
        strata=y if stratified else None,
    )  # fmt: skip
    return drawn.membership[0] > 0


@pytest.mark.slow
def test_p_values_hold_where_references_are_drawn_as_the_target_was():
    """Rank p-values of non-members; of a plain target, those against stratified ones do not."""
    sizes, n_blocks, n_targets, n_references = [240, 45, 15], 24, 30, 16
    y = np.repeat(np.arange(3), sizes)
    rates = {}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(3, 5))[y] + rng.normal(size=(len(y), 5))

        def phi(rows, X=X):
            fitted = GaussianNB().fit(X[rows], y[rows])
            return rescaled_logit(log_posteriors(fitted, X, np.arange(3)), y, 1e-12)

        out, targets = {}, {}
        for stratified in (False, True):
            sets = [halves(y, stratified, rng) for _ in range(n_blocks)]
            out[stratified] = np.array([np.where(s, phi(~s), phi(s)) for s in sets])
            sets = [halves(y, stratified, rng) for _ in range(n_targets)]
            targets[stratified] = [(s, phi(s)) for s in sets]
        for of_references, of_target in ((False, False), (True, True), (True, False)):
            for rows, signal in targets[of_target]:
                against = out[of_references][rng.permutation(n_blocks)[:n_references]]
                above = (against >= signal).sum(axis=0)[~rows]
                rates.setdefault((of_references, of_target), []).append((above == 0).mean())
    rates = {key: np.mean(values) for key, values in rates.items()}
    level = 1 / (n_references + 1)
    assert rates[False, False] < 1.25 * level
    assert rates[True, True] < 1.25 * level
    assert rates[True, False] > 1.05 * rates[False, False]
