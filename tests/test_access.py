"""Models that are asked for another signal than posteriors: generators before all."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.access import (
    DensityAccess,
    DiscriminatorAccess,
    FunctionAccess,
    SampleAccess,
    choose_access,
)
from mia_sklearn.attacks import LiRAAttack, StackedAttack
from mia_sklearn.metrics import roc_auc

N, WIDTH = 240, 6
X = np.random.default_rng(0).normal(size=(N, WIDTH))
MEMBER = np.random.default_rng(1).permutation(N) < N // 2
NARROW = KernelDensity(bandwidth=0.7)


def _references(estimator=NARROW, n_models=8, **options):
    return ReferenceModels(estimator, n_models, random_state=0, **options)


class Discriminating(BaseEstimator):
    """A generator that replays its records, and knows them by their distance."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        self.records_ = np.asarray(X)
        return self

    def sample(self, n):
        rng = np.random.default_rng(self.random_state)
        return self.records_[rng.integers(len(self.records_), size=n)]

    def discriminator_score(self, X):
        apart = np.asarray(X)[:, None] - self.records_[None]
        return -np.linalg.norm(apart, axis=2).min(axis=1)

    def discriminator_gradient_norm(self, X):
        return np.exp(-self.discriminator_score(X))


# Known answers.


def test_a_density_that_knows_its_records_is_found_with_and_without_references():
    target = KernelDensity(bandwidth=0.05).fit(X[MEMBER])
    assert roc_auc(MEMBER, observe(target, X)["logit"]).value == 1
    references = _references().fit(X)
    seen = observe(NARROW.fit(X[MEMBER]), X, references=references)
    calibrated = LiRAAttack().fit(*references.shadow_observations()).decision_function(seen)
    assert roc_auc(MEMBER, calibrated).low > roc_auc(MEMBER, seen["logit"]).high


def test_a_density_of_other_records_tells_nothing():
    others = np.random.default_rng(2).normal(size=(N // 2, WIDTH))
    references = _references().fit(X)
    seen = observe(NARROW.fit(others), X, references=references)
    attacks = LiRAAttack(), StackedAttack(random_state=0)
    scores = [
        attack.fit(*references.shadow_observations(random_state=0)).decision_function(seen)
        for attack in attacks
    ]
    for score in (seen["logit"], *scores):
        estimate = roc_auc(MEMBER, score, confidence=0.99)
        assert estimate.low < 0.5 < estimate.high


def test_the_signal_is_what_the_model_answers():
    target = NARROW.fit(X[MEMBER])
    expected = target.score_samples(X).astype(np.float32)
    np.testing.assert_array_equal(observe(target, X)["logit"], expected)
    references = _references().fit(X)
    for model in range(references.n_models_):
        own = NARROW.fit(X[references.membership_[model] > 0]).score_samples(X)
        np.testing.assert_allclose(references.phi()[model], own, rtol=1e-5)
    seen = observe(target, X, references=references)
    slots = [f"out_{block}" for block in range(references.n_blocks_)]
    np.testing.assert_array_equal(
        np.sort(seen[slots], axis=1),
        np.sort(references.phi().T[references.membership_.T == 0].reshape(N, -1), axis=1),
    )


@pytest.mark.parametrize(
    "generator",
    [
        KernelDensity(),
        GaussianMixture(3),
        BayesianGaussianMixture(n_components=3, max_iter=300),
        make_pipeline(StandardScaler(), PCA(3), GaussianMixture(2)),
        GridSearchCV(KernelDensity(), {"bandwidth": [0.5, 1.0]}, cv=2),
        IsolationForest(n_estimators=5),
    ],
    ids=lambda generator: type(generator).__name__,
)
def test_any_density_estimator(generator):
    references = _references(generator, 2).fit(X)
    assert references.access_.name == "density"
    assert references.classes_.shape == (0,)
    target = generator.fit(X[MEMBER])
    seen = observe(target, X, references=references)
    assert seen.columns.tolist() == ["logit", "out_0", "out_1", "in_0", "in_1"]
    np.testing.assert_allclose(seen["logit"], target.score_samples(X), rtol=1e-5)


def test_a_discriminator_is_asked_through_a_pipeline_and_by_either_criterion():
    target = make_pipeline(StandardScaler(), Discriminating()).fit(X[MEMBER])
    by_score = observe(target, X)
    assert roc_auc(MEMBER, by_score["logit"]).value == 1
    by_norm = observe(target, X, access="discriminator", criterion="gradient-norm")
    np.testing.assert_allclose(by_norm["logit"], -np.exp(-by_score["logit"]), rtol=1e-5)
    scaled = target[0].transform(X)
    expected = target[-1].discriminator_score(scaled)
    np.testing.assert_allclose(by_score["logit"], expected, rtol=1e-5)


# How references are made.


def test_bootstrap_disjoint_and_population():
    for sampling in ("bootstrap", "disjoint"):
        references = _references(sampling=sampling).fit(X)
        seen = observe(NARROW.fit(X[MEMBER]), X, references=references)
        shadow, _ = references.shadow_observations()
        assert seen.columns.tolist() == shadow.columns.tolist()
    others = np.random.default_rng(3).normal(size=(600, WIDTH))
    by_table = _references(train_size=N // 2).fit(X, population=others)
    by_pair = _references(train_size=N // 2).fit(X, population=(others, None))
    np.testing.assert_array_equal(by_table.outputs_, by_pair.outputs_)
    seen = observe(NARROW.fit(X[MEMBER]), X, references=by_table)
    assert len(seen) == N
    attack = LiRAAttack().fit(*by_table.shadow_observations())
    assert roc_auc(MEMBER, attack.decision_function(seen)).low > 0.8


def test_a_cache_resumes_and_knows_what_was_asked(tmp_path, monkeypatch):
    fitted = _references(n_models=4, cache=tmp_path).fit(X)
    of_samples = SampleAccess(100)
    sampled = _references(n_models=4, cache=tmp_path, signal=of_samples).fit(X)
    assert not np.array_equal(fitted.outputs_, sampled.outputs_)
    assert not np.array_equal(
        _references(n_models=4, cache=tmp_path, signal=SampleAccess(101)).fit(X).outputs_,
        sampled.outputs_,
    )
    monkeypatch.setattr(KernelDensity, "fit", lambda *_: pytest.fail("a model is trained again"))
    again = _references(n_models=4, cache=tmp_path, signal=of_samples).fit(X)
    np.testing.assert_array_equal(again.outputs_, sampled.outputs_)


def test_frames_and_functions_that_train():
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(WIDTH)])
    references = _references(n_models=4).fit(frame)
    by_array = _references(n_models=4).fit(X)
    np.testing.assert_array_equal(references.outputs_, by_array.outputs_)
    seen = observe(NARROW.fit(frame[MEMBER]), frame.iloc[:50], references=references)
    assert len(seen) == 50

    def train(X, y, seed):
        assert y.tolist() == [0] * len(X)
        return KernelDensity(bandwidth=0.7).fit(X)

    by_function = _references(lambda X, y, seed: train(X, np.zeros(len(X)), seed), 4)
    by_function.set_params(signal="density")
    np.testing.assert_array_equal(by_function.fit(X).outputs_, by_array.outputs_)


def test_labels_are_ignored_by_generators():
    y = np.arange(N) % 3
    with_labels, without = _references(n_models=4).fit(X, y), _references(n_models=4).fit(X)
    np.testing.assert_array_equal(with_labels.outputs_, without.outputs_)
    target = NARROW.fit(X[MEMBER])
    pd.testing.assert_frame_equal(
        observe(target, X, y, references=with_labels), observe(target, X, references=without)
    )


def test_same_seed_same_answers_whatever_the_jobs():
    one = _references(n_models=4, signal=SampleAccess(200)).fit(X)
    two = _references(n_models=4, signal=SampleAccess(200), n_jobs=2).fit(X)
    np.testing.assert_array_equal(one.outputs_, two.outputs_)
    target = NARROW.fit(X[MEMBER])
    first, second = (
        observe(target, X, access="samples", n_samples=200, random_state=3) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, second)


def test_records_observed_alone_are_answered_as_among_all():
    references = _references(n_models=4, signal=SampleAccess(200)).fit(X)
    target = NARROW.fit(X[MEMBER])
    some = np.array([7, 3, 100])
    pd.testing.assert_frame_equal(
        observe(target, X[some], references=references),
        observe(target, X, references=references).iloc[some],
    )


def test_a_function_as_access_of_a_classifier():
    features, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(5, random_state=0).fit(features[::2], y[::2])

    def surest(model, X):
        return model.predict_proba(X).max(axis=1)

    seen = observe(model, features, y, access=surest)
    assert seen.columns.tolist() == ["label", "logit"]
    references = ReferenceModels(RandomForestClassifier(5), 4, signal=surest, random_state=0).fit(
        features, y
    )
    beside = observe(model, features, y, references=references, access=surest)
    np.testing.assert_array_equal(beside["logit"], seen["logit"])
    assert beside.columns.tolist()[:4] == ["label", "logit", "out_0", "out_1"]


# Bad input.


def test_models_that_cannot_be_asked():
    classifier = KNeighborsClassifier().fit(X, MEMBER)
    with pytest.raises(ValueError, match=r"'density' needs a model with score_samples.*Neighbors"):
        observe(classifier, X, MEMBER, access="density")
    with pytest.raises(ValueError, match="needs a model with discriminator_score, as mia_skl"):
        observe(NARROW.fit(X), X, access="discriminator")
    with pytest.raises(ValueError, match=r"needs a generator with sample\(n\).*has no sample"):
        observe(IsolationForest().fit(X), X, access="samples")
    with pytest.raises(ValueError, match="needs a model with discriminator_score"):
        ReferenceModels(GaussianMixture(), signal="discriminator").fit(X)
    with pytest.raises(ValueError, match="got StandardScaler"):
        ReferenceModels(StandardScaler(), signal="density").fit(X)
    with pytest.raises(ValueError, match="has none of discriminator_score, score_samples and"):
        choose_access(None, classifier)
    with pytest.raises(ValueError, match="must be an instance, got the class KernelDensity"):
        observe(KernelDensity, X, access="samples")
    with pytest.raises(ValueError, match="function has no score_samples"):
        observe(lambda n, random_state: X[:n], X, access="density")


def test_accesses_and_options_that_there_are_not():
    target = NARROW.fit(X)
    with pytest.raises(
        ValueError, match=r"Unknown access 'logits'; choose one of predictions, discr"
    ):
        observe(target, X, access="logits")
    with pytest.raises(ValueError, match="'samples' has no option 'number'; it takes n_samples"):
        observe(target, X, access="samples", number=3)
    with pytest.raises(ValueError, match="'density' has no option 'n_samples'; it takes none"):
        observe(target, X, access="density", n_samples=3)
    with pytest.raises(ValueError, match="'samples' has no option 'n_queries'"):
        observe(target, X, access="samples", n_queries=3)
    with pytest.raises(ValueError, match="n_samples= is neither an argument of observe nor"):
        observe(target, X, n_samples=3)
    with pytest.raises(ValueError, match="n_samples= is neither an argument of observe nor"):
        observe(target, X, access=SampleAccess(), n_samples=3)
    with pytest.raises(ValueError, match="criterion must be one of score, gradient-norm"):
        observe(Discriminating().fit(X), X, access=DiscriminatorAccess("loss"))
    with pytest.raises(ValueError, match="function must take a model and records"):
        observe(target, X, access=FunctionAccess(3))


def test_references_that_were_asked_for_something_else():
    target = NARROW.fit(X[MEMBER])
    references = _references(n_models=4).fit(X)
    assert len(observe(target, X, access="density", references=references)) == N
    assert len(observe(target, X, access=DensityAccess(), references=references)) == N
    with pytest.raises(ValueError, match=r"SampleAccess\(\), but the references were asked for D"):
        observe(target, X, access="samples", references=references)
    sampled = _references(n_models=4, signal=SampleAccess(100)).fit(X)
    assert len(observe(target, X, access="samples", n_samples=100, references=sampled)) == N
    with pytest.raises(ValueError, match=r"n_samples=50\), but the references were asked for Sa"):
        observe(target, X, access="samples", n_samples=50, references=sampled)
    with pytest.raises(ValueError, match=r"IsolationForest has no sample"):
        observe(IsolationForest().fit(X), X, references=sampled)
    y = np.arange(N) % 2
    posteriors = ReferenceModels(KNeighborsClassifier(), 2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="The references gave posteriors"):
        observe(target, X, references=posteriors)
    with pytest.raises(ValueError, match="Record 0 of X"):
        observe(target, X + 1, references=references)
    with pytest.raises(ValueError, match="fit ReferenceModels without signal="):
        _ = references.features_
    with pytest.raises(ValueError, match="n_queries asks for posteriors"):
        _references(n_queries=2).fit(X)
    with pytest.raises(ValueError, match="neighbors= needs references="):
        observe(target, X, neighbors=2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda model, X: np.zeros((len(X), 2)), r"shape \(240, 2\); expected one number per rec"),
        (lambda model, X: np.full(len(X), np.nan), "signal is NaN, first for record 0"),
    ],
)
def test_functions_that_return_something_else(function, message):
    with pytest.raises(ValueError, match=message):
        observe(NARROW.fit(X), X, access=function)


def test_a_constant_signal_is_named():
    constant = FunctionAccess(lambda model, X: np.full(len(X), 1.5))
    with pytest.warns(UserWarning, match="KernelDensity gives all 240 records the same signal"):
        observe(NARROW.fit(X), X, access=constant)
    with pytest.warns(UserWarning, match="4 of 4 reference models give all records the same"):
        references = _references(n_models=4, signal=constant).fit(X)
    with pytest.warns(UserWarning, match="the same signal"):
        observe(NARROW.fit(X), X, references=references)
    # One record alone cannot tell.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observe(NARROW.fit(X), X[:1], access=constant)
