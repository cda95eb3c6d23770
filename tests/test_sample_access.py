"""What samples alone tell of a generator's training records."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.access import SampleAccess
from mia_sklearn.attacks import LiRAAttack
from mia_sklearn.metrics import roc_auc

N, WIDTH = 240, 6
X = np.random.default_rng(0).normal(size=(N, WIDTH))
MEMBER = np.random.default_rng(1).permutation(N) < N // 2
LOCALS = (None, "nearest", "ball", "density-ratio", KernelDensity(bandwidth=0.2))

every_local = pytest.mark.parametrize("local", LOCALS, ids=str)


class Replay(BaseEstimator):
    """A synthesiser that draws its training records, in whatever form they are."""

    def __init__(self, noise=0.0):
        self.noise = noise

    def fit(self, X, y=None):
        self.records_ = X
        return self

    def sample(self, n):
        rows = np.random.randint(len(self.records_), size=n)  # noqa: NPY002
        if isinstance(self.records_, pd.DataFrame):
            # Synthesisers may add columns, and order them as they like.
            drawn = self.records_.iloc[rows].assign(identifier=np.arange(n))
            return drawn[sorted(drawn.columns)]
        return self.records_[rows]


def _people(seed=0, n=N):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "job": rng.choice(["clerk", "nurse", "pilot"], n),
            "pay": rng.lognormal(8, 1, n),
        }
    )


def _signal(generator, records=X, local=None, n_samples=1000, **options):
    seen = observe(
        generator,
        records,
        access="samples",
        local=local,
        n_samples=n_samples,
        random_state=0,
        **options,
    )
    assert seen.columns.tolist() == ["logit"]
    return seen["logit"].to_numpy()


# Known answers.


@every_local
def test_replayed_records_are_all_found(local):
    found = roc_auc(MEMBER, _signal(Replay().fit(X[MEMBER]), local=local)).value
    # Scott's rule smooths over more than one record.
    assert found > (0.9 if local == "density-ratio" else 0.999)


@every_local
def test_a_generator_of_other_records_tells_nothing(local):
    others = np.random.default_rng(2).normal(size=(N // 2, WIDTH))
    signal = _signal(KernelDensity(bandwidth=0.6).fit(others), local=local)
    estimate = roc_auc(MEMBER, signal, confidence=0.99)
    assert estimate.low < 0.5 < estimate.high


def test_nearest_is_minus_the_log_distance():
    samples = np.random.default_rng(3).normal(size=(50, WIDTH))
    scaled, drawn = ((table - X.mean(axis=0)) / X.std(axis=0) for table in (X, samples))
    distances = np.linalg.norm(scaled[:, None] - drawn[None], axis=2).min(axis=1)
    signal = _signal(lambda n, random_state: samples[:n], n_samples=50)
    np.testing.assert_allclose(signal, -np.log(distances), rtol=1e-5)
    raw = np.linalg.norm(X[:, None] - samples[None], axis=2).min(axis=1)
    signal = _signal(lambda n, random_state: samples[:n], n_samples=50, standardize=False)
    np.testing.assert_allclose(signal, -np.log(raw), rtol=1e-5)


def test_the_ball_counts_samples_within_the_median_distance():
    samples = np.random.default_rng(3).normal(size=(60, WIDTH))
    distances = np.linalg.norm(X[:, None] - samples[None], axis=2)
    counts = (distances <= np.median(distances.min(axis=1))).sum(axis=1)
    assert (counts > 0).sum() == N // 2
    signal = _signal(
        lambda n, random_state: samples[:n], n_samples=60, local="ball", standardize=False
    )
    np.testing.assert_allclose(signal, np.log((counts + 0.5) / (60 - counts + 0.5)), rtol=1e-5)


def test_the_density_ratio_is_that_of_two_kernel_densities():
    samples, others = np.random.default_rng(3).normal(size=(2, 100, WIDTH))
    components = PCA(whiten=True, random_state=0).fit(others)
    bandwidth = 100 ** (-1 / (WIDTH + 4))
    by_samples, by_others = (
        KernelDensity(bandwidth=bandwidth)
        .fit(components.transform(table))
        .score_samples(components.transform(X))
        for table in (samples, others)
    )
    signal = _signal(
        lambda n, random_state: samples[:n],
        n_samples=100,
        local="density-ratio",
        standardize=False,
        reference_data=others,
    )
    np.testing.assert_allclose(signal, by_samples - by_others, rtol=1e-4, atol=1e-4)


def test_without_reference_data_each_record_is_left_out_of_its_own_density():
    samples = np.random.default_rng(3).normal(size=(100, WIDTH))
    signal = _signal(
        lambda n, random_state: samples[:n], n_samples=100, local="density-ratio", standardize=False
    )
    points = PCA(whiten=True, random_state=0).fit(X).transform(X)
    drawn = PCA(whiten=True, random_state=0).fit(X).transform(samples)
    width = (N ** (-1 / (WIDTH + 4)), 100 ** (-1 / (WIDTH + 4)))
    for record in (0, 100, N - 1):
        rest = KernelDensity(bandwidth=width[0]).fit(np.delete(points, record, axis=0))
        of_samples = KernelDensity(bandwidth=width[1]).fit(drawn)
        here = points[[record]]
        # The estimator's bandwidth knows of N records here, of N - 1 there.
        expected = of_samples.score_samples(here) - rest.score_samples(here)
        np.testing.assert_allclose(signal[record], expected[0], rtol=1e-3, atol=1e-3)


def test_references_sharpen_the_distance_to_the_nearest_sample():
    generator = KernelDensity(bandwidth=0.6)
    access = SampleAccess(1000)
    references = ReferenceModels(generator, 8, signal=access, random_state=0).fit(X)
    seen = observe(generator.fit(X[MEMBER]), X, references=references)
    calibrated = LiRAAttack().fit(*references.shadow_observations()).decision_function(seen)
    assert roc_auc(MEMBER, calibrated).value > roc_auc(MEMBER, seen["logit"]).value + 0.02


# Whatever draws samples.


def test_any_generator():
    expected = roc_auc(MEMBER, _signal(KernelDensity(bandwidth=0.05).fit(X[MEMBER]))).value
    assert expected > 0.99
    search = GridSearchCV(KernelDensity(), {"bandwidth": [0.05]}, cv=2, refit=True)
    pipeline = make_pipeline(StandardScaler(), PCA(), KernelDensity(bandwidth=0.05))
    for generator in (search, pipeline, make_pipeline(search)):
        assert roc_auc(MEMBER, _signal(generator.fit(X[MEMBER]))).value > 0.99
    mixture = GaussianMixture(40, random_state=0).fit(X[MEMBER])
    assert roc_auc(MEMBER, _signal(mixture)).low > 0.55


def test_samples_of_a_pipeline_are_sent_back():
    generator = make_pipeline(StandardScaler(), KernelDensity(bandwidth=1e-9))
    signal = _signal(generator.fit(X[MEMBER] + 1000), X + 1000, n_samples=5000)
    np.testing.assert_array_equal(signal > 5, MEMBER)
    access = SampleAccess(5000)
    references = ReferenceModels(generator, 2, signal=access, random_state=0).fit(X + 1000)
    np.testing.assert_array_equal(references.phi() > 5, references.membership_ > 0)


def test_the_users_model_and_random_numbers_are_left_alone():
    mixture = GaussianMixture(2, random_state=7).fit(X)
    before = mixture.sample(5)[0]
    np.random.seed(0)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = _signal(mixture), _signal(mixture)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(_signal(Replay().fit(X)), _signal(Replay().fit(X)))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert mixture.random_state == 7
    np.testing.assert_array_equal(mixture.sample(5)[0], before)


@pytest.mark.parametrize("local", [None, "ball", "density-ratio"])
def test_frames_with_text(local):
    people = _people()
    signal = _signal(Replay().fit(people[MEMBER].reset_index(drop=True)), people, local)
    assert roc_auc(MEMBER, signal).low > (0.55 if local == "density-ratio" else 0.95)
    references = ReferenceModels(Replay(), 4, signal=SampleAccess(500), random_state=0)
    assert references.fit(people).phi().shape == (4, N)


def test_mixtures_of_a_frame_draw_arrays():
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(WIDTH)])
    by_frame = _signal(GaussianMixture(2, random_state=0).fit(frame), frame)
    by_array = _signal(GaussianMixture(2, random_state=0).fit(X), X)
    np.testing.assert_allclose(by_frame, by_array, rtol=1e-5)


def test_a_local_model_behind_a_scaler():
    local = make_pipeline(StandardScaler(), GaussianMixture(3))
    target = Replay().fit(X[MEMBER] * 1e4)
    assert _signal(target, X * 1e4, local=local).shape == (N,)
    assert not hasattr(local[-1], "means_")


# Bad input.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 1}, "'n_samples' parameter of SampleAccess must be an int"),
        ({"standardize": 3}, "'standardize' parameter of SampleAccess must be"),
        ({"local": "kde"}, "local must be one of nearest, ball, density-ratio or an unfitted"),
        ({"local": LogisticRegression()}, "discriminator_score or score_samples, got Logistic"),
        ({"local": KernelDensity}, "an unfitted estimator with discriminator_score or"),
        ({"local": 3}, "an unfitted estimator with discriminator_score or"),
        ({"local": KernelDensity(), "n_samples": 20}, "n_samples=20 are too few to train on: giv"),
        ({"local": "density-ratio", "n_samples": 20}, "n_samples=20 are too few to train on"),
        ({"reference_data": X}, "reference_data= is compared with samples by local='density-r"),
        (
            {"local": "density-ratio", "reference_data": X[:, 1:]},
            r"X and reference_data must have the same features",
        ),
        ({"local": "density-ratio", "reference_data": X[:20]}, "at least 50 records of refere"),
    ],
)
def test_parameters_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        observe(KernelDensity().fit(X), X, access="samples", **options)


def test_reference_data_go_without_references():
    access = SampleAccess(100, local="density-ratio")
    references = ReferenceModels(KernelDensity(), 2, signal=access, random_state=0).fit(X)
    with pytest.raises(ValueError, match="reference_data= goes without references="):
        observe(KernelDensity().fit(X), X, references=references, reference_data=X)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((100, WIDTH - 1)), r"draws records of shape \(5,\); the records .* shape \(6,\)"),
        (np.zeros((99, WIDTH)), "asked for 100 samples and drew 99"),
        (np.full((100, WIDTH), np.nan), "NaN or infinite values, first in sample 0"),
        (np.where(np.arange(100) == 7, np.inf, 0.0)[:, None] + X[:100], "first in sample 7"),
        (np.zeros(100), "generator's samples must be a table"),
    ],
)
def test_samples_that_are_not_like_the_records(samples, message):
    with pytest.raises(ValueError, match=message):
        _signal(lambda n, random_state: samples[:n], n_samples=100)
    with pytest.raises(ValueError, match=message):
        _signal(lambda n, random_state: (samples, None), n_samples=100)


def test_frames_that_are_not_like_the_records():
    people = _people()
    with pytest.raises(ValueError, match="samples lack the column 'pay' of the records"):
        _signal(Replay().fit(people.drop(columns="pay")), people)
    with pytest.raises(ValueError, match="standardize=False needs features that are numbers"):
        _signal(Replay().fit(people), people, standardize=False)


def test_samples_that_cannot_be_sent_back():
    pipeline = make_pipeline(StandardScaler(), Nystroem(n_components=5), KernelDensity()).fit(X)
    with pytest.raises(ValueError, match="its step 'nystroem', Nystroem, has no inverse_transform"):
        _signal(pipeline)


def test_a_collapsed_generator_is_named():
    def collapsed(n, random_state):
        return np.repeat(X[:2], n // 2, axis=0)

    with pytest.warns(UserWarning, match="generator has collapsed: 50% of the pairs"):
        _signal(collapsed)
    references = ReferenceModels(KernelDensity(), 2, signal=SampleAccess(100), random_state=0).fit(
        X
    )
    with pytest.warns(UserWarning, match="The generator has collapsed"):
        observe(collapsed, X, references=references)
