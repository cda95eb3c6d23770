"""PATE: what its epsilon states, and what the student learns."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from mia_sklearn.defenses import PATE
from mia_sklearn.defenses._gaussian_privacy import epsilon_of, log_delta_of, mu_of
from recorders import Recorder, Unanimous, numbered


def hockey_stick(epsilon, mu):
    """Integrate max(0, p - e^epsilon q) of two normal densities mu apart."""
    start = epsilon / mu + mu / 2

    def integrand(x):
        return norm.pdf(x, mu) - np.exp(epsilon) * norm.pdf(x)

    return quad(integrand, start, max(start, mu) + 40, epsabs=1e-15, limit=500, points=[mu])[0]


@pytest.mark.parametrize("mu", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0, 5.0])
def test_delta_is_the_hockey_stick_divergence(mu, epsilon):
    expected = hockey_stick(epsilon, mu)
    np.testing.assert_allclose(np.exp(log_delta_of(epsilon, mu)), expected, rtol=1e-5, atol=1e-13)


def test_known_delta():
    assert np.exp(log_delta_of(1.0, 1.0)) == pytest.approx(0.126936737507, rel=1e-10)


@pytest.mark.parametrize("mu", [1e-3, 0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-5, 1e-2])
def test_epsilon_round_trips(mu, delta):
    epsilon = epsilon_of(mu, delta)
    if epsilon == 0:
        assert 2 * norm.cdf(mu / 2) - 1 <= delta
    else:
        assert log_delta_of(epsilon, mu) == pytest.approx(np.log(delta), abs=1e-4)
        assert mu_of(epsilon, delta) == pytest.approx(mu, rel=1e-6)


def test_a_normal_tail_bounds_epsilon():
    """Against the looser textbook conversion of zero-concentrated privacy."""
    for mu in (0.5, 2.0, 20.0):
        loose = mu**2 / 2 + mu * np.sqrt(2 * np.log(1e5))
        assert 0.3 * loose < epsilon_of(mu, 1e-5) < loose


def pate(X, y, **options):
    options = {"n_teachers": 5, "random_state": 0, **options}
    return PATE(Unanimous(), Recorder(), **options).fit(X, y)


def test_a_little_more_than_delta_at_an_epsilon_of_0():
    # At 0 delta is 2 Phi(mu / 2) - 1, here twice the .1 that is asked for.
    epsilon = epsilon_of(2 * norm.ppf(0.6), 0.1)
    assert log_delta_of(epsilon, 2 * norm.ppf(0.6)) == pytest.approx(np.log(0.1))
    assert epsilon > 0.1
    assert epsilon_of(2 * norm.ppf(0.6), 0.2 + 1e-9) == 0


def test_epsilon_of_noisy_votes():
    X, y = numbered(300, n_classes=2)
    fitted = pate(X, y, noise=4.0, n_queries=50)
    assert fitted.n_queries_ == 50
    assert len(fitted.estimator_.seen_) == 50
    # Fifty votes that each move by the root of two, under noise of four votes.
    mu = np.sqrt(100) / 4
    assert log_delta_of(fitted.epsilon_, mu) == pytest.approx(np.log(1e-5))
    asked = pate(X, y, epsilon=fitted.epsilon_, n_queries=50)
    assert asked.noise_ == pytest.approx(4.0)
    assert asked.epsilon_ == pytest.approx(fitted.epsilon_)
    assert pate(X, y, noise=4.0).epsilon_ > fitted.epsilon_
    assert pate(X, y, noise=4.0, n_queries=50, delta=1e-3).epsilon_ < fitted.epsilon_


def test_noise_that_nobody_named():
    X, y = numbered(300, n_classes=2)
    fitted = pate(X, y)
    assert fitted.noise_ == 0.5
    assert fitted.n_queries_ == 90
    assert np.isfinite(fitted.epsilon_)


def test_unanimous_teachers_without_noise_are_believed():
    X, y = numbered(400, n_classes=2)
    fitted = pate(X, y, noise=0)
    assert fitted.epsilon_ == np.inf
    assert fitted.agreement_ == 1.0
    asked = X[fitted.estimator_.seen_]
    np.testing.assert_allclose(fitted.estimator_.shares_[1], (asked[:, 1] > 0).mean())


def test_much_noise_drowns_the_votes():
    X, y = numbered(6000, n_classes=2)
    X[:, 1] = 1.0
    fitted = pate(X, y, noise=1e6, reference_size=0.5)
    # All teachers vote 1; of 3000 labels half are 0.
    np.testing.assert_allclose(fitted.estimator_.shares_, 0.5, atol=0.05)
    assert pate(X, y, noise=0.1).estimator_.classes_.tolist() == [1]


def test_teachers_have_parts_of_their_own_that_labels_do_not_decide():
    X, y = numbered(103, n_classes=3)
    seen = []

    class Watched(Recorder):
        def fit(self, X, y):
            super().fit(X, y)
            seen.append(self.seen_)
            return self

    def parts(labels):
        seen.clear()
        defense = PATE(Watched(), GaussianNB(), n_teachers=7, reference_size=0.2, random_state=0)
        defense.fit(X, labels)
        return [part.tolist() for part in seen]

    first = parts(y)
    assert sorted(len(part) for part in first) == [11] * 2 + [12] * 5
    everyone = np.concatenate(first)
    assert len(np.unique(everyone)) == len(everyone) == 82
    changed = y.copy()
    changed[first[2][0]] = (changed[first[2][0]] + 1) % 3
    assert parts(changed) == first


def test_teachers_of_one_class_vote_for_it():
    X, y = numbered(60, n_classes=2)
    y[:] = 0
    y[[3, 17, 40]] = 1
    fitted = PATE(LogisticRegression(), n_teachers=20, noise=0, random_state=0).fit(X, y)
    assert fitted.predict_proba(X).shape == (60, 2)
    assert (fitted.predict(X) == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 1.0, "epsilon": 1.0}, "give one of them"),
        ({"epsilon": 0}, "'epsilon' parameter of PATE"),
        ({"epsilon": -1.0}, "'epsilon' parameter of PATE"),
        ({"noise": -1.0}, "'noise' parameter of PATE"),
        ({"noise": np.inf}, "'noise' parameter of PATE"),
        ({"delta": 0.0}, "'delta' parameter of PATE"),
        ({"n_teachers": 1}, "'n_teachers' parameter of PATE"),
        ({"n_teachers": 71}, "at least 71 records beside the reference records"),
        ({"n_queries": 31}, "there are 30 reference records"),
    ],
)
def test_pate_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        pate(*numbered(100, n_classes=2), **options)


def test_a_record_per_teacher_will_do():
    assert pate(*numbered(100, n_classes=2), n_teachers=70).n_queries_ == 30
