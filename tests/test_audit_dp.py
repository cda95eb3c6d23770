"""Claims of differential privacy: known answers, and what is refused before anything is trained."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mia_sklearn import DPAuditReport, audit_dp
from mia_sklearn.defenses import PATE
from mia_sklearn.dp._canaries import mislabelled, wrong_labels
from mia_sklearn.dp._claim import Claim, counted_by
from mia_sklearn.dp._findings import FINDERS
from mia_sklearn.stats import TradeOff

CLAIM = (1.0, 1e-5)


class RandomisedResponse(ClassifierMixin, BaseEstimator):
    """Says of each record the label that it was trained on with odds of e^epsilon to one.

    What it was not trained on has the label of the sign of its first feature.
    """

    def __init__(self, epsilon=2.0, random_state=None):
        self.epsilon = epsilon
        self.random_state = random_state

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        self.known_ = {row.tobytes(): label for row, label in zip(X, y, strict=True)}
        return self

    def predict_proba(self, X):
        rng = np.random.default_rng(self.random_state)
        labels = [self.known_.get(row.tobytes(), int(row[0] > 0)) for row in X]
        lies = rng.random(len(X)) > 1 / (1 + math.exp(-self.epsilon))
        return np.eye(2)[np.array(labels) ^ lies]

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


class Noisy(ClassifierMixin, BaseEstimator):
    """Class means with noise; the sizes of classes are taken for known."""

    def __init__(self, noise=1.0, random_state=None):
        self.noise = noise
        self.random_state = random_state

    def fit(self, X, y):
        rng = np.random.default_rng(self.random_state)
        self.classes_ = np.unique(y)
        means = np.array([X[y == label].mean(axis=0) for label in self.classes_])
        self.means_ = means + rng.normal(0, self.noise, means.shape)
        return self

    def predict_proba(self, X):
        far = ((X[:, None] - self.means_) ** 2).sum(axis=2)
        odds = np.exp(-(far - far.min(axis=1, keepdims=True)) / 20)
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(800, centers=[[-6, 0], [6, 0]], random_state=0)
    return X, y


def once(estimator, X, y, claimed=CLAIM, *args, **options):
    return audit_dp(estimator, X, y, claimed, *args, **{"method": "one-run", **options})


def codes(report):
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("seed", [0, 1])
def test_randomised_response_is_bounded_by_its_epsilon(seed):
    X = np.random.default_rng(seed).normal(size=(2000, 3))
    y = (X[:, 0] > 0).astype(int)
    report = once(RandomisedResponse(2.0), X, y, (2.0, 0.0), 1000, random_state=seed)
    assert 1.3 < report.epsilon <= 2
    assert report.outcome == "not refuted"
    false = once(RandomisedResponse(2.0), X, y, (1.0, 0.0), 1000, random_state=seed)
    assert false.outcome == "refuted" and false.epsilon == report.epsilon
    assert false.gap == pytest.approx(1 - report.epsilon)


def test_a_model_that_memorises_is_refuted(blobs):
    report = once(KNeighborsClassifier(1), *blobs)
    assert isinstance(report, DPAuditReport)
    assert report.outcome == "refuted" and report.gap < 0
    assert codes(report)[0] == "CLAIM_REFUTED" and report.findings[0].severity == "serious"
    assert report.info["auc_low"] > 0.8
    assert report.summary.startswith("The claim, epsilon 1 at delta 1e-05, is refuted: KNei")
    # Of the Gaussian family nothing is concluded unasked.
    assert report.bounds["decides"].tolist() == [True, False]
    assert report.bounds["family"].tolist() == ["pure", "gaussian"]


def test_honest_noise_is_not_refuted(blobs):
    report = once(Noisy(3.0), *blobs)
    assert report.outcome != "refuted" and report.epsilon < 1


def test_answers_that_are_alike_are_no_evidence(blobs):
    report = once(DummyClassifier(strategy="uniform", random_state=0), *blobs)
    assert report.outcome == "undecided" and report.epsilon == 0
    (finding,) = [each for each in report.findings if each.code == "CANARIES_UNSEEN"]
    assert finding.severity == "serious" and finding.qualifies and "no power" in finding.title
    assert report.summary.startswith("Nothing can be said of the claim")


def test_canaries_that_are_not_told_apart_are_no_evidence(blobs):
    report = once(LogisticRegression(C=1e-9), *blobs)
    (finding,) = [each for each in report.findings if each.code == "CANARIES_UNSEEN"]
    assert finding.severity == "warning" and report.outcome == "undecided"


def test_same_seed_same_report(blobs):
    one, other = (once(KNeighborsClassifier(2), *blobs, random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(one.bounds, other.bounds)
    pd.testing.assert_frame_equal(one.canaries, other.canaries)
    third = once(KNeighborsClassifier(2), *blobs, random_state=4)
    assert not one.canaries["included"].equals(third.canaries["included"])


def test_references_tell_how_hard_a_canary_is(blobs):
    X, y = make_blobs(800, centers=2, cluster_std=4, random_state=0)
    report = once(KNeighborsClassifier(5), X, y, n_references=4)
    assert report.bounds["score"].tolist() == ["loss beside references"] * 2 + ["loss"] * 2
    assert report.bounds["decides"].tolist() == [True, False, False, False]
    first, _, alone, _ = report.bounds["epsilon"]
    assert first > alone
    assert report.info["n_fits"] == 5


def test_one_record_in_the_place_of_another(blobs):
    seen = []

    def train(X, y, seed):
        seen.append((X, y))
        return KNeighborsClassifier(1).fit(X, y)

    X, y = blobs
    replaced = once(train, X, y, neighbours="replace")
    assert len(seen[0][0]) == len(X) and replaced.outcome == "refuted"
    # What stands in the place of a canary left out keeps its own label.
    wrong = replaced.info["n_included"]
    truth = (seen[0][0][:, 0] > 0).astype(int)
    assert (seen[0][1] != truth).sum() == wrong
    added = once(train, X, y)
    assert len(seen[1][0]) == len(X) - (added.info["n_canaries"] - added.info["n_included"])


def test_what_is_one_step_is_asked_of_the_model():
    assert counted_by(LogisticRegression()) == "add"
    assert counted_by(make_pipeline(StandardScaler(), PATE(LogisticRegression()))) == "replace"
    kind = type("Model", (LogisticRegression,), {"__module__": "diffprivlib.models.any"})
    assert counted_by(kind()) == "replace" and counted_by(nobody) == "add"


def test_labels_of_strings_and_frames(blobs):
    X, y = blobs
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(c=np.where(y, "x", "z"))
    names = pd.Series(np.where(y, "yes", "no"), index=frame.index)

    def train(X, y, seed):
        assert isinstance(y, pd.Series) and list(X.columns) == ["a", "b", "c"]
        model = make_pipeline(StandardScaler(), KNeighborsClassifier(1))
        model.fit(X[["a", "b"]].to_numpy(), y)
        return _OfFrames(model)

    assert once(train, frame, names).outcome == "refuted"


class _OfFrames:
    def __init__(self, model):
        self.model, self.classes_ = model, model.classes_

    def predict_proba(self, X):
        return self.model.predict_proba(X[["a", "b"]].to_numpy())

    def predict(self, X):
        return self.model.predict(X[["a", "b"]].to_numpy())


def test_numbers(blobs):
    X, _ = blobs
    y = X[:, 0] + 1
    report = once(KNeighborsRegressor(1), X, y)
    assert report.outcome == "refuted"
    assert once(DummyRegressor(), X, y).outcome == "undecided"
    several = once(KNeighborsRegressor(1), X, np.column_stack([y, -y]))
    assert several.outcome == "refuted"


def test_answers_of_another_shape_are_refused(blobs):
    class Spread(KNeighborsRegressor):
        def predict(self, X):
            return np.column_stack([super().predict(X), np.ones(len(X))])

    X, y = blobs
    with pytest.raises(ValueError, match=r"predict of Spread answered with shape \(200, 2\)"):
        once(Spread(1), X, X[:, 0])
    with pytest.raises(ValueError, match=r"train returned a regressor.*give the unfitted"):

        def train(X, y, seed):
            return KNeighborsRegressor(1).fit(X, y)

        once(train, X, y)


def test_canaries_keep_to_what_occurs():
    rng = np.random.RandomState(0)
    y = np.arange(10.0)
    made = mislabelled(np.zeros((10, 1)), y, 4, rng, numbers=True, replace=False)
    assert set(made.labels[made.rows]) <= {0.0, 9.0}
    assert (np.abs(made.labels - y)[made.rows] >= 4.5).all()
    labels = np.array(["a", "b", "c"] * 20)
    rows = np.arange(60)
    wrong = wrong_labels(labels, rows, rng, numbers=False)
    assert (wrong != labels).all() and set(wrong) == {"a", "b", "c"}


def test_your_own_canaries(blobs):
    X, y = blobs
    own = X[:150] + 0.01, 1 - y[:150]
    report = once(KNeighborsClassifier(1), X, y, canaries=own)
    assert report.outcome == "refuted" and report.info["canaries"] == "yours"
    assert len(report.canaries) == 150
    with pytest.raises(ValueError, match="leave n_canaries out"):
        once(KNeighborsClassifier(1), X, y, CLAIM, 20, canaries=own)
    with pytest.raises(ValueError, match="which is no label of y"):
        once(KNeighborsClassifier(1), X, y, canaries=(own[0], own[1] + 1))
    with pytest.raises(ValueError, match="must have the same features"):
        once(KNeighborsClassifier(1), X, y, canaries=(own[0][:, :1], own[1]))
    with pytest.raises(ValueError, match="replace no record"):
        once(KNeighborsClassifier(1), X, y, canaries=own, neighbours="replace")


def test_what_the_model_states(blobs):
    class States(Noisy):
        def __init__(self, noise=3.0, epsilon=3.0, random_state=None):
            super().__init__(noise, random_state)
            self.epsilon = epsilon

        def fit(self, X, y):
            self.epsilon_, self.delta_ = 2.5, 1e-6
            return super().fit(X, y)

    report = once(States(), *blobs, None)
    assert (report.info["epsilon"], report.info["delta"]) == (2.5, 1e-6)
    assert report.info["stated"]
    given = once(States(), *blobs, (3.0, 0.0))
    assert given.info["epsilon"] == 3 and not given.info["stated"]


class Stating(Noisy):
    """States another claim after the training than before."""

    def __init__(self, noise=3.0, epsilon=1.0, delta=1e-6, after=(2.5, 1e-6), random_state=None):
        super().__init__(noise, random_state)
        self.epsilon, self.delta, self.after = epsilon, delta, after

    def fit(self, X, y):
        self.epsilon_, self.delta_ = self.after
        return super().fit(X, y)


@pytest.mark.parametrize("method", ["one-run", "refits"])
def test_what_is_stated_after_the_training_is_what_is_tested(blobs, method):
    X, y = (part[:400] for part in blobs)
    options = {"method": method, "max_refits": 150}
    report = audit_dp(Stating(), X, y, **options)
    assert (report.info["epsilon"], report.info["delta"]) == (2.5, 1e-6)
    with pytest.raises(ValueError, match=r"states delta_=0 .* family='pure'"):
        audit_dp(Stating(after=(1.0, 0.0)), X, y, family="gaussian", **options)
    with pytest.raises(ValueError, match="could not refute epsilon=11 "):
        audit_dp(Stating(after=(11.0, 1e-6)), X, y, **options)


@pytest.mark.parametrize("method", ["one-run", "refits"])
def test_another_epsilon_is_no_claim(blobs, method):
    # As diffprivlib's has it: what is added to variances has this name in scikit-learn.
    class Bayes(GaussianNB):
        def __init__(self, epsilon=1.5, random_state=None):
            super().__init__()
            self.epsilon, self.random_state = epsilon, random_state

    X, y = (part[:400] for part in blobs)
    assert Bayes().fit(X, y).epsilon_ < 1e-6
    report = audit_dp(Bayes(), X, y, method=method, max_refits=60)
    assert (report.info["epsilon"], report.info["delta"]) == (1.5, 0.0)


def test_what_is_told_beside(blobs):
    X, y = blobs
    with pytest.warns(UserWarning, match="publishing one of the records in full"):
        report = once(Noisy(random_state=0), X, y, (1.0, 0.01), 100, family="gaussian")
    assert {"LARGE_DELTA", "FIXED_SEED", "OUT_OF_REACH"} <= set(codes(report))


def test_reports_read_everywhere(blobs):
    report = once(KNeighborsClassifier(1), *blobs)
    for text in (str(report), report.to_markdown(), report._repr_html_()):
        assert "refuted" in text and "decides" in text
        assert "not refuted is not proved" in text
    assert repr(report).startswith("<DPAuditReport of KNeighborsClassifier: refuted")


def nobody(X, y, seed):
    raise AssertionError("something was trained")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"claimed": (0, 1e-5)}, "finite number above 0"),
        ({"claimed": (-1, 1e-5)}, "finite number above 0"),
        ({"claimed": (math.inf, 1e-5)}, "promises nothing"),
        ({"claimed": ("1", 1e-5)}, "finite number above 0"),
        ({"claimed": (1, 1)}, r"must lie in \[0, 1\)"),
        ({"claimed": (1, -1e-9)}, r"must lie in \[0, 1\)"),
        ({"claimed": 1.0}, "must be a pair"),
        ({"claimed": (1, 0, 0)}, "must be a pair"),
        ({"claimed": None}, "give claimed="),
        ({"n_canaries": 801}, "more than the 800 records"),
        ({"n_canaries": 7}, "too few"),
        ({"n_canaries": 1.5}, "whole number"),
        ({"n_canaries": 20, "claimed": (4, 0)}, "it takes 312 canaries or more"),
        ({"claimed": (5, 1e-5)}, "family='gaussian' asks for fewer"),
        ({"claimed": (8, 0.0)}, "it takes 16,800 canaries or more"),
        ({"claimed": (4, 0.001)}, "no number of canaries can"),
        ({"claimed": (20, 0)}, "it takes more than 16,777,216 canaries"),
        ({"claimed": (1, 0), "family": "gaussian"}, "needs a delta above 0"),
        ({"family": "curve"}, "family='curve' needs a whole curve in the claim"),
        ({"claimed": TradeOff.gaussian(0.5), "family": "gaussian"}, "has a curve of its own"),
        ({"claimed": TradeOff.gaussian(0.0)}, "epsilon of claimed at delta 0.0001 must be"),
        ({"claimed": [(1, 0.1), (-1, 0.2)]}, "^claimed: Each epsilon must be at least 0"),
        ({"claimed": [("a", "b")]}, "must be a pair .* an accountant or a TradeOff"),
        ({"claimed": []}, "must be a pair"),
        ({"method": "many"}, "method must be one of"),
        ({"family": "normal"}, "family must be one of"),
        ({"neighbours": "near"}, "neighbours must be one of"),
        ({"iterates": "all"}, "iterates must be one of"),
        ({"canaries": "odd"}, "canaries must be one of"),
        ({"canaries": 3}, r"must be a pair \(X, y\), got int"),
        ({"canaries": "gradient"}, "needs a training that they can be put into"),
        ({"iterates": "every"}, "looks at networks"),
        ({"n_references": -1}, "n_references must be"),
        ({"n_references": True}, "n_references must be"),
        ({"n_references": 1}, "give 0, or 2 or more"),
        ({"claimed": {"epsilon": 1, "delta": 0}}, "must be a pair"),
        ({"claimed": "10"}, "must be a pair"),
        ({"max_refits": 3}, "max_refits must be"),
        ({"confidence": 1}, "confidence must lie"),
        ({"random_state": "a"}, "random_state must be"),
    ],
)
def test_bad_options_are_refused_before_anything_is_trained(blobs, options, told):
    X, y = blobs
    with pytest.raises(ValueError, match=told):
        audit_dp(nobody, X, y, **{"claimed": CLAIM, "method": "one-run", **options})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda X, y: (X, np.zeros(len(X))), "holds one class only"),
        (lambda X, y: (X, np.where(np.arange(len(X)) == 5, np.nan, y)), "no label in row 5"),
        (lambda X, y: (X, y[:-1]), "one row per record"),
        (lambda X, y: (X[:0], y[:0]), "holds no records"),
        (lambda X, y: (X, None), "y is None"),
        (lambda X, y: (X, np.column_stack([y, y])), "one label per record"),
    ],
)
def test_bad_records_are_refused_before_anything_is_trained(blobs, change, told):
    with pytest.raises(ValueError, match=told):
        once(nobody, *change(*blobs))


def test_bad_estimators_are_refused(blobs):
    class Unclonable(Noisy):
        def __init__(self, *names):
            pass

    X, y = blobs
    for estimator, told in (
        (LogisticRegression, "must be an instance"),
        (KMeans(2), "must be a classifier or regressor"),
        (GaussianMixture(2), "trained without labels"),
        (3, "must be a model or a function"),
        (Unclonable(), "Unclonable"),
    ):
        with pytest.raises((ValueError, RuntimeError), match=told):
            once(estimator, X, y)
    with pytest.raises(ValueError, match="is the same for all records"):
        once(LinearRegression(), X, np.ones(len(X)))
    # One that is fitted is trained anew.
    fitted = KNeighborsClassifier(1).fit(X, y)
    assert once(fitted, X, y).outcome == "refuted" and fitted.n_samples_fit_ == len(X)


def test_canaries_that_the_model_refuses(blobs):
    def train(X, y, seed):
        raise TypeError("no such label here")

    with pytest.raises(
        ValueError, match=r"train could not be trained .*no such label here\. Where"
    ):
        once(train, *blobs)

    class Silent(Noisy):
        def predict_proba(self, X):
            return np.full((len(X), 2), np.nan)

    with pytest.raises(ValueError, match="NaN"):
        once(Silent(), *blobs)


def test_how_many_canaries_it_takes():
    # (1 / 2)^n <= .05 / 14 first at n = 9 for any epsilon above 0; of more, sigmoid(epsilon)^n.
    for epsilon in (0.5, 1.0, 3.0):
        needed = math.ceil(math.log(0.05 / 14) / math.log(1 / (1 + math.exp(-epsilon))))
        # As many are guessed to be in as out.
        assert Claim(epsilon, 0.0, False).needed("pure", 0.95) == needed + needed % 2
    assert Claim(8.0, 1e-2, False).needed("pure", 0.95) is None
    # Without a delta Gaussian noise has no epsilon.
    assert Claim(1.0, 0.0, False).families == ("pure",)


def test_codes_are_unique():
    assert len({finder.code for finder in FINDERS}) == len(FINDERS)


# -- Refits ----------------------------------------------------------------------------------


class Unclipped(Noisy):
    """Takes the scale of its noise from the records."""

    def fit(self, X, y):
        self.noise_ = np.ptp(X) / 20
        super().fit(X, y)
        rng = np.random.default_rng(self.random_state)
        self.means_ += rng.normal(0, self.noise_, self.means_.shape)
        return self


def again(estimator, X, y, claimed=CLAIM, **options):
    return audit_dp(estimator, X[:60], y[:60], claimed, method="refits", **options)


def test_refits_find_what_one_record_does(blobs):
    report = again(KNeighborsClassifier(1), *blobs, max_refits=200)
    assert report.outcome == "refuted" and report.epsilon > 1 and report.gap < 0
    assert "NO_RANDOMNESS" in codes(report)
    assert report.info["method"] == "refits" and report.info["n_canaries"] == 1
    # Those by which the canary was chosen are no part of the test.
    assert 20 < len(report.canaries) == report.info["n_fits"] - 45
    assert "has an epsilon of more than that" in report.summary
    assert "larger than 1, which is claimed" in report.findings[0].title


class Labels(Noisy):
    """Answers bare labels."""

    predict_proba = property()

    def predict(self, X):
        return self.classes_[((X[:, None] - self.means_) ** 2).sum(axis=2).argmin(axis=1)]


@pytest.mark.parametrize(
    ("estimator", "severity"), [(Labels(0.3), "warning"), (LogisticRegression(), "serious")]
)
def test_bare_labels_may_hide_noise(blobs, estimator, severity):
    report = again(estimator, *blobs, max_refits=40)
    (finding,) = [each for each in report.findings if each.code == "NO_RANDOMNESS"]
    assert finding.severity == severity


def test_refits_find_bounds_that_are_taken_from_the_records(blobs):
    X, y = blobs
    report = again(Unclipped(0.1), X, y, max_refits=500)
    assert report.outcome == "refuted" and report.info["canaries"] == "beyond"


@pytest.mark.parametrize("neighbours", ["add", "replace"])
def test_refits_do_not_refute_what_is_true(blobs, neighbours):
    # Randomised response has no other answers than those of its epsilon.
    report = again(
        RandomisedResponse(1.0), *blobs, (1.0, 0.0), neighbours=neighbours, max_refits=150
    )
    assert report.outcome != "refuted" and report.epsilon <= 1
    assert "NO_RANDOMNESS" not in codes(report)


def test_refits_that_show_nothing_are_no_evidence(blobs):
    report = again(DummyClassifier(strategy="uniform", random_state=0), *blobs, max_refits=40)
    assert report.outcome == "undecided" and "NO_RANDOMNESS" not in codes(report)


def test_one_set_has_one_record_more_or_another():
    sizes = set()

    def train(X, y, seed):
        sizes.add((len(X), X.max() > 100))
        return KNeighborsClassifier(1).fit(X, y)

    X, y = np.arange(60.0)[:, None], np.arange(60) % 2
    again(train, X, y, max_refits=40)
    # With the record that is mislabelled or without it; with one beyond all or without.
    assert sizes == {(60, False), (59, False), (61, True)}
    sizes.clear()
    again(train, X, y, max_refits=40, neighbours="replace")
    assert sizes == {(60, False), (60, True)}


def test_the_small_are_fitted_again_by_themselves(blobs, monkeypatch):
    """By kinds and sizes, never by the clock: the same choice on any machine."""
    X, y = (part[:200] for part in blobs)
    small = audit_dp(KNeighborsClassifier(1), X, y, CLAIM)
    assert small.info["method"] == "refits" and "give method= to fix it" in str(small)
    large = audit_dp(KNeighborsClassifier(1), X, y, (3.0, 0.0), max_refits=200)
    assert large.info["method"] == "refits"
    asked = audit_dp(KNeighborsClassifier(1), X, y, CLAIM, 100)
    assert asked.info["method"] == "one-run"
    assert asked.info["chosen"].startswith("one-run, for options or canaries that refits do not")
    with pytest.raises(ValueError, match="could not refute epsilon=8"):
        audit_dp(KNeighborsClassifier(1), X, y, (8.0, 0.0))
    several = audit_dp(BaggingClassifier(KNeighborsClassifier(1), 2), X, y, CLAIM)
    assert several.info["chosen"].startswith("one-run, for a network or an ensemble")
    monkeypatch.setattr("mia_sklearn.dp._audit_dp._FEW_NUMBERS", 399)
    wide = audit_dp(KNeighborsClassifier(1), X, y, CLAIM)
    assert wide.info["chosen"].startswith("one-run, for X holds more than 399 numbers")


def test_refits_that_could_not_refute_are_refused(blobs):
    X, y = (part[:60] for part in blobs)
    with pytest.raises(ValueError, match=r"max_refits=1,000 could not refute .*some 1,300 fits"):
        again(nobody, X, y, (5.0, 0.0))
    with pytest.raises(ValueError, match="more than 50,000 fits"):
        again(nobody, X, y, (12.0, 1e-5))
    # Neither way could: both are told, and nothing is fitted by the thousand.
    with pytest.raises(ValueError, match=r"16,800 canaries or more\. method='refits' takes some"):
        audit_dp(nobody, X, y, (8.0, 0.0), max_refits=40)
    assert again(KNeighborsClassifier(1), X, y, (3.0, 0.0), max_refits=200).outcome == "refuted"


def test_few_records_are_fitted_again(blobs):
    X, y = (part[:20] for part in blobs)
    assert audit_dp(KNeighborsClassifier(1), X, y, (1.0, 0.0)).info["method"] == "refits"


@pytest.mark.parametrize(
    "options", [{"n_references": 2}, {"iterates": "every"}, {"canaries": "mislabelled"}]
)
def test_what_refits_do_not_have(blobs, options):
    with pytest.raises(ValueError, match="is of one run"):
        again(KNeighborsClassifier(1), *blobs, **options)
    with pytest.raises(ValueError, match="n_canaries is of one run"):
        audit_dp(KNeighborsClassifier(1), *blobs, CLAIM, 100, method="refits")


# -- Under the null --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_true_claim_is_seldom_refuted():
    """Randomised response at its epsilon, where every right guess counts: at most 5 % of runs."""
    outcomes = {"one-run": [], "refits": []}
    for seed in range(200):
        X = np.random.default_rng(seed).normal(size=(400, 2))
        y = (X[:, 0] > 0).astype(int)
        options = {"claimed": (1.0, 0.0), "random_state": seed}
        once_more = audit_dp(RandomisedResponse(1.0), X, y, method="one-run", **options)
        outcomes["one-run"].append(once_more.outcome)
        few = {"method": "refits", "neighbours": "replace", "max_refits": 200}
        outcomes["refits"].append(
            audit_dp(RandomisedResponse(1.0), X[:20], y[:20], **few, **options).outcome
        )
    for method, told in outcomes.items():
        # Of 200 at 5 % more than 18 have a probability of .01.
        assert told.count("refuted") <= 18, method
