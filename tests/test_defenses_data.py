"""Defenses that alter the training data, against answers known in advance."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_blobs
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, PredefinedSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn.defenses import DistinctTraining, InputNoise, VulnerableRecordRemoval

SPREAD = {"rel": 0.05}


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what it was fitted to."""

    def fit(self, X, y, **params):
        self.X_, self.y_, self.params_ = X, y, params
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def noisy(X, y=None, **options):
    """Return the records as the estimator gets them."""
    y = np.arange(len(X)) % 2 if y is None else y
    options = {"sigma": 0.3, "random_state": 0, **options}
    return InputNoise(Recorder(), **options).fit(X, y).estimator_.X_


def one_hot(n, n_categories, seed=0):
    codes = np.random.default_rng(seed).integers(n_categories, size=n)
    return np.eye(n_categories)[codes], codes


class TestInputNoise:
    @pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
    @pytest.mark.parametrize("sigma", [0.1, 2.0])
    def test_numbers_get_noise_of_their_own_size(self, dtype, sigma):
        rng = np.random.default_rng(0)
        X = np.column_stack([rng.integers(0, 30, 5000), rng.integers(0, 250, 5000)]).astype(dtype)
        got = noisy(X, sigma=sigma)
        assert got.dtype == (dtype if np.dtype(dtype).kind == "f" else np.float64)
        noise = got - X.astype(np.float64)
        assert noise.std(axis=0) == pytest.approx(sigma * X.std(axis=0, dtype=float), **SPREAD)
        assert noise.mean(axis=0) == pytest.approx(0, abs=0.05 * sigma * 80)
        # Drawn for each value by itself, and not rounded to whole numbers.
        assert abs(np.corrcoef(noise.T)[0, 1]) < 0.05
        assert len(np.unique(got)) > 9000

    def test_the_records_given_and_their_labels_stay(self):
        X = np.random.default_rng(0).normal(size=(50, 3))
        y = np.arange(50) % 3
        before = X.copy()
        defense = InputNoise(Recorder(), sigma=1, random_state=0)
        defense.fit(X, y, weight=y)
        np.testing.assert_array_equal(X, before)
        np.testing.assert_array_equal(defense.estimator_.y_, y)
        np.testing.assert_array_equal(defense.estimator_.params_["weight"], y)

    @pytest.mark.parametrize("values", [(0, 1), (False, True), (-1.0, 1.0), ("no", "yes")])
    @pytest.mark.parametrize("flip", [0.0, 0.15, 1.0])
    def test_two_values_are_flipped(self, values, flip):
        chosen = np.random.default_rng(0).integers(2, size=(4000, 1))
        X = np.array(values)[chosen]
        got = noisy(X, flip=flip)
        assert got.dtype == X.dtype
        assert set(np.unique(got)) == set(values)
        assert (got != X).mean() == pytest.approx(flip, rel=0.15)

    @pytest.mark.parametrize("sigma", [0, 0.5, 1, 1000.0])
    def test_flips_by_default_correlate_as_numbers_do(self, sigma):
        rng = np.random.default_rng(0)
        X = np.column_stack([rng.normal(size=40_000), rng.integers(2, size=40_000)])
        defense = InputNoise(Recorder(), sigma=sigma, random_state=0).fit(X, X[:, 1])
        assert defense.flip_ == pytest.approx((1 - 1 / np.sqrt(1 + sigma**2)) / 2)
        got = defense.estimator_.X_
        number, binary = (np.corrcoef(X[:, j], got[:, j])[0, 1] for j in (0, 1))
        assert binary == pytest.approx(number, abs=0.02)

    def test_a_category_becomes_each_other_as_often(self):
        X = np.random.default_rng(0).choice([2, 5, 7, 11], size=(20_000, 1), p=[0.7, 0.1, 0.1, 0.1])
        got = noisy(X, flip=0.3)
        for value in np.unique(X):
            here = got[np.equal(X, value)]
            others, counts = np.unique(here[here != value], return_counts=True)
            assert len(others) == 3
            assert counts / len(here) == pytest.approx(0.1, rel=0.25)

    @pytest.mark.parametrize("as_frame", [False, True])
    def test_indicators_move_together(self, as_frame):
        groups = [one_hot(3000, 4, 0)[0], one_hot(3000, 3, 1)[0]]
        X = np.hstack([*groups, np.random.default_rng(2).normal(size=(3000, 1))])
        if as_frame:
            X = pd.DataFrame(X, columns=list("abcdefgh")).astype({"b": int, "f": bool})
        got = noisy(X, flip=0.2)
        if as_frame:
            assert got.dtypes.equals(X.dtypes)
        before, after = np.asarray(X, dtype=float), np.asarray(got, dtype=float)
        for group in (slice(4), slice(4, 7)):
            assert (after[:, group].sum(axis=1) == 1).all()
            moved = (after[:, group] != before[:, group]).any(axis=1)
            assert moved.mean() == pytest.approx(0.2, rel=0.15)

    def test_frames_keep_their_columns_and_kinds(self):
        rng = np.random.default_rng(0)
        n = 3000
        X = pd.DataFrame(
            {
                "float": rng.normal(size=n).astype(np.float32),
                "int": rng.integers(100, size=n),
                "text": rng.choice(["a", "b", "c"], size=n),
                "category": pd.Categorical(rng.choice(list("xyz"), size=n)),
                "code": pd.Categorical(rng.integers(40, size=n)),
                "truth": rng.choice([True, False], size=n),
                "nullable": pd.array(rng.integers(100, size=n), dtype="Int64"),
            },
            index=np.arange(n)[::-1],
        )
        got = noisy(X, flip=0.25)
        assert got.index.equals(X.index)
        assert list(got.columns) == list(X.columns)
        expected = X.dtypes.copy()
        expected[["int", "nullable"]] = np.dtype(np.float64)
        assert got.dtypes.equals(expected)
        for name in ("text", "category", "code", "truth"):
            changed = got[name].astype(object) != X[name].astype(object)
            assert changed.mean() == pytest.approx(0.25, rel=0.15)
            assert set(got[name]) <= set(X[name])
        for name in ("float", "int", "nullable"):
            assert (got[name] - X[name]).std() == pytest.approx(0.3 * X[name].std(), **SPREAD)

    def test_images_get_the_noise_of_their_pixels(self):
        images = np.random.default_rng(0).integers(0, 255, size=(200, 4, 5)).astype(np.uint8)
        got = noisy(images)
        assert got.shape == images.shape
        np.testing.assert_array_equal(got.reshape(200, -1), noisy(images.reshape(200, -1)))
        assert (got - images).std() == pytest.approx(0.3 * images.std(), rel=0.1)

    def test_what_is_missing_stays_missing(self):
        rng = np.random.default_rng(0)
        X = np.column_stack([rng.normal(size=500), rng.integers(2, size=500), rng.normal(size=500)])
        X = np.hstack([X, one_hot(500, 3)[0], np.full((500, 1), np.nan)])
        gone = rng.uniform(size=X.shape) < 0.2
        X[gone] = np.nan
        X[~gone[:, 2].cumsum().astype(bool), 2] = np.inf
        got = noisy(X, flip=0.5)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(X))
        np.testing.assert_array_equal(np.isinf(got), np.isinf(X))
        numbers = np.isfinite(X[:, 0])
        noise = got[numbers, 0] - X[numbers, 0]
        assert noise.std() == pytest.approx(0.3 * X[numbers, 0].std(), rel=0.1)
        whole = ~np.isnan(X[:, 3:6]).any(axis=1)
        assert (got[whole, 3:6].sum(axis=1) == 1).all()
        assert (got[whole, 3:6] != X[whole, 3:6]).any(axis=1).mean() == pytest.approx(0.5, abs=0.1)
        np.testing.assert_array_equal(got[~whole, 3:6], X[~whole, 3:6])

        frame = pd.DataFrame({"text": rng.choice(["a", "b"], size=400), "number": rng.normal(400)})
        frame.loc[::3, "text"] = None
        frame.loc[::4, "number"] = np.nan
        got = noisy(frame, flip=1)
        assert got.isna().equals(frame.isna())
        there = frame["text"].notna()
        assert (got["text"] != frame["text"])[there].all()

    def test_numbers_among_objects_are_numbers(self):
        rng = np.random.default_rng(0)
        X = np.column_stack([rng.normal(size=2000), rng.choice(["a", "b"], size=2000)])
        X = X.astype(object)
        X[:, 0] = X[:, 0].astype(float)
        X[0, 1] = None
        got = noisy(X, flip=0.5)
        assert got.dtype == object
        assert got[0, 1] is None
        assert (got[:, 0] - X[:, 0]).std() == pytest.approx(0.3 * X[:, 0].std(), **SPREAD)
        assert (got[1:, 1] != X[1:, 1]).mean() == pytest.approx(0.5, abs=0.05)

    @pytest.mark.parametrize("flip", [None, 0])
    def test_no_noise_is_none(self, flip):
        X = np.random.default_rng(0).normal(size=(50, 3))
        np.testing.assert_array_equal(noisy(X, sigma=0, flip=flip), X)

    def test_one_kind_of_noise_alone(self):
        X = np.random.default_rng(0).normal(size=(500, 2))
        X[:, 1] = X[:, 1] > 0
        flipped, shaken = noisy(X, sigma=0, flip=0.5), noisy(X, flip=0)
        np.testing.assert_array_equal(flipped[:, 0], X[:, 0])
        np.testing.assert_array_equal(shaken[:, 1], X[:, 1])
        assert (flipped[:, 1] != X[:, 1]).any()
        assert (shaken[:, 0] != X[:, 0]).all()

    def test_constant_columns_stay(self):
        X = np.column_stack([np.full(50, 3), np.arange(50), np.ones(50, dtype=int)])
        got = noisy(X, flip=1)
        np.testing.assert_array_equal(got[:, [0, 2]], X[:, [0, 2]])

    def test_the_seed_decides(self):
        X = np.random.default_rng(0).normal(size=(50, 3))
        np.testing.assert_array_equal(noisy(X), noisy(X))
        assert (noisy(X) != noisy(X, random_state=1)).all()

    def test_answers_are_without_noise(self):
        X = np.random.default_rng(0).normal(size=(200, 3))
        defense = InputNoise(KNeighborsClassifier(1), sigma=1, random_state=0).fit(X, X[:, 0] > 0)
        asked = defense.estimator_.predict_proba(X)
        np.testing.assert_array_equal(defense.predict_proba(X), asked)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"sigma": -0.1}, "'sigma' parameter of InputNoise must be"),
            ({"flip": 1.5}, "'flip' parameter of InputNoise must be"),
            ({"flip": -1}, "'flip' parameter of InputNoise must be"),
        ],
    )
    def test_bad_parameters(self, options, message):
        with pytest.raises(ValueError, match=message):
            noisy(np.eye(4), **options)

    def test_sparse_records_are_refused(self):
        with pytest.raises(ValueError, match=r"X is sparse.*X\.toarray\(\)"):
            noisy(sparse.eye(4, format="csr"), np.arange(4) % 2)


class TestDistinctTraining:
    X = np.array(
        [[1, 2], [3, 4], [1, 2], [1, 2], [3, 4], [5, np.nan], [5, np.nan], [-0.0, 1], [0, 1]]
    )
    y = np.array([0, 1, 0, 1, 1, 0, 0, 1, 1])
    KEPT = (0, 1, 3, 5, 7)

    @pytest.mark.parametrize(
        "table",
        [
            np.asarray,
            lambda X: X.astype(np.float32),
            pd.DataFrame,
            sparse.csr_matrix,
            lambda X: X[:, None, :],
            lambda X: pd.DataFrame({0: X[:, 0].astype(str), 1: X[:, 1]}),
        ],
        ids=["array", "single", "frame", "sparse", "images", "text"],
    )
    def test_each_record_once(self, table):
        X = np.abs(self.X)
        weight = np.arange(9) * 10
        defense = DistinctTraining(Recorder()).fit(table(X), self.y, weight=weight)
        assert defense.kept_.tolist() == list(self.KEPT)
        assert defense.n_dropped_ == 4
        trained = defense.estimator_
        assert trained.y_.tolist() == self.y[list(self.KEPT)].tolist()
        assert trained.params_["weight"].tolist() == weight[list(self.KEPT)].tolist()
        assert trained.X_.shape[0] == 5

    def test_minus_zero_is_zero(self):
        assert DistinctTraining(Recorder()).fit(self.X, self.y).kept_.tolist() == list(self.KEPT)

    def test_records_that_differ_in_their_label_are_kept(self):
        X, y = np.zeros((4, 2)), np.array(["a", "b", "a", "c"])
        assert DistinctTraining(Recorder()).fit(X, y).kept_.tolist() == [0, 1, 3]

    def test_the_model_is_that_of_distinct_records(self):
        X, y = make_blobs(60, centers=3, cluster_std=4, random_state=0)
        model = RandomForestClassifier(5, bootstrap=False, random_state=0)
        expected = clone(model).fit(X, y).predict_proba(X)
        more = np.random.default_rng(0).integers(60, size=100)
        defense = DistinctTraining(model).fit(np.vstack([X, X[more]]), np.append(y, y[more]))
        assert defense.n_dropped_ == 100
        np.testing.assert_array_equal(defense.predict_proba(X), expected)


class Counting(KNeighborsClassifier):
    """Counts how many were fitted, and with how many records."""

    sizes: list

    def fit(self, X, y):
        type(self).sizes.append(len(y))
        return super().fit(X, y)


@pytest.fixture
def counting():
    Counting.sizes = []
    return Counting(1)


@pytest.fixture
def planted():
    """Three groups in directions of their own, and two records in others.

    Record 90 is of a class of which there are more, 91 is the only one of its class.
    """
    rng = np.random.default_rng(0)
    groups = np.repeat(np.eye(3) * 5, 30, axis=0) + 0.2 * rng.normal(size=(90, 3))
    X = np.vstack([groups, [[6.0, 6, 6]], [[-6, -6, -6]]])
    return X, np.append(np.repeat([0, 1, 2], 30), [0, 3])


def removal(estimator=None, **options):
    options = {"features": "raw", "delta": 0.3, "random_state": 0, **options}
    return VulnerableRecordRemoval(
        KNeighborsClassifier(1) if estimator is None else estimator, **options
    )


class TestVulnerableRecordRemoval:
    def test_drops_who_stands_alone_and_keeps_who_carries_a_class(self, planted):
        defense = removal().fit(*planted)
        assert defense.vulnerable_.tolist() == [90, 91]
        assert defense.dropped_.tolist() == [90]
        assert defense.expected_neighbors_.shape == (92,)
        assert (defense.expected_neighbors_ == 0).nonzero()[0].tolist() == [90, 91]
        assert defense.score_after_ >= defense.score_before_
        assert defense.classes_.tolist() == [0, 1, 2, 3]
        X, y = planted
        expected = KNeighborsClassifier(1).fit(np.delete(X, 90, axis=0), np.delete(y, 90))
        np.testing.assert_array_equal(defense.predict_proba(X), expected.predict_proba(X))

    def test_finds_them_by_what_models_answer(self):
        # Two records among those of another class: trees that trained on one answer otherwise.
        rng = np.random.default_rng(0)
        X = np.vstack([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 8])
        y = np.repeat([0, 1], 60)
        y[[10, 100]] = 1 - y[[10, 100]]
        model = DecisionTreeClassifier(random_state=0)
        defense = removal(model, features="outputs", n_references=8).fit(X, y)
        assert {10, 100} <= set(defense.dropped_)
        assert not set(defense.dropped_) - set(defense.vulnerable_)
        # The tree had memorised them.
        assert (model.fit(X, y).predict(X[[10, 100]]) == y[[10, 100]]).all()
        assert (defense.predict(X[[10, 100]]) != y[[10, 100]]).all()

    def test_a_loss_that_is_allowed_and_one_that_is_not(self):
        # Of two records on a ring, side by side, one is trained on and the other asked about: each
        # is what its neighbour needs. Nobody needs the two off the ring.
        angles = np.repeat(np.linspace(0, 2 * np.pi, 10, endpoint=False), 2)
        ring = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(20)])
        X = np.vstack([ring, ring[0] / 10 + [0, 0, 5], ring[2] / 10 - [0, 0, 5]])
        y = np.append(np.repeat(np.arange(10) % 2, 2), [0, 1])
        options = {"delta": 1e-3, "beta": 2, "cv": PredefinedSplit(np.arange(22) % 2)}
        defense = removal(max_utility_loss=0, max_fits=200, **options).fit(X, y)
        assert len(defense.vulnerable_) == 22
        assert defense.dropped_.tolist() == [20, 21]
        assert defense.score_after_ == defense.score_before_ == pytest.approx(1)
        for n_wrong in (1, 2, 5):
            # A part holds 11 of the 22 records.
            allowed = n_wrong / 22
            lax = removal(max_utility_loss=allowed, max_fits=200, **options).fit(X, y)
            assert lax.score_before_ - lax.score_after_ == pytest.approx(allowed)
            assert {20, 21} < set(lax.dropped_)
        # Where the budget is used up the rest is kept.
        short = removal(max_utility_loss=0, max_fits=6, **options).fit(X, y)
        assert short.dropped_.tolist() == []

    def test_the_scores_are_those_of_all_validation_records(self, planted):
        X, y = planted
        cv = KFold(3, shuffle=True, random_state=1)
        defense = removal(cv=cv).fit(X, y)
        kept = np.setdiff1d(np.arange(len(y)), defense.dropped_)
        before, after = [], []
        for train, test in cv.split(X):
            model = KNeighborsClassifier(1)
            before.append(model.fit(X[train], y[train]).score(X[test], y[test]))
            less = np.intersect1d(train, kept)
            after.append(model.fit(X[less], y[less]).score(X[test], y[test]))
        assert defense.score_before_ == pytest.approx(np.mean(before))
        assert defense.score_after_ == pytest.approx(np.mean(after))

    def test_a_class_is_never_lost(self):
        # All records are vulnerable and no score is too low: one record of each class stays.
        X, y = make_blobs(60, centers=3, random_state=0)
        defense = removal(delta=1e-9, max_utility_loss=1, max_fits=1000).fit(X, y)
        assert len(defense.vulnerable_) == 60
        left = np.setdiff1d(np.arange(60), defense.dropped_)
        assert set(y[left]) == {0, 1, 2}
        assert len(left) < 10
        assert defense.estimator_.classes_.tolist() == [0, 1, 2]

    def test_fits_are_counted_and_bounded(self, counting, planted):
        X, y = make_blobs(120, centers=4, cluster_std=3, random_state=0)
        for max_fits in (6, 7, 30):
            Counting.sizes.clear()
            defense = removal(counting, delta=1e-4, max_utility_loss=0, max_fits=max_fits)
            assert defense.fit(X, y).n_fits_ == len(Counting.sizes) <= max_fits + 1
            assert Counting.sizes[-1] == 120 - len(defense.dropped_)
        Counting.sizes.clear()
        defense = removal(counting, features="outputs", n_references=4, max_fits=9).fit(*planted)
        assert defense.n_fits_ == len(Counting.sizes) <= 4 + 9 + 1
        assert Counting.sizes[:4] == [46] * 4

    def test_nothing_is_measured_where_nobody_is_vulnerable(self, counting, planted):
        defense = removal(counting, delta=1.99).fit(*planted)
        assert len(defense.vulnerable_) == len(defense.dropped_) == 0
        assert Counting.sizes == [92]
        assert defense.n_fits_ == 1
        assert np.isnan([defense.score_before_, defense.score_after_]).all()

    def test_models_without_an_opinion_say_nothing(self):
        X, y = make_blobs(40, centers=2, random_state=0)
        defense = removal(DummyClassifier(strategy="uniform"), features="outputs").fit(X, y)
        assert np.isnan(defense.expected_neighbors_).all()
        assert len(defense.dropped_) == 0

    @pytest.mark.parametrize(
        "scoring", ["neg_log_loss", lambda model, X, y: -log_loss(y, model.predict_proba(X))]
    )
    def test_another_score(self, planted, scoring):
        # Without it another record of its class is a little less likely, and no label wrong.
        X, y = (part[:91] for part in planted)
        y = np.append(y[:90], 1)
        options = {"cv": PredefinedSplit(np.arange(91) % 2), "max_utility_loss": 0}
        model = LogisticRegression()
        assert removal(model, **options).fit(X, y).dropped_.tolist() == [90]
        defense = removal(model, scoring=scoring, **options).fit(X, y)
        assert defense.dropped_.tolist() == []
        assert defense.score_after_ == defense.score_before_ < 0
        options["max_utility_loss"] = 0.01
        defense = removal(model, scoring=scoring, **options).fit(X, y)
        assert defense.dropped_.tolist() == [90]
        assert -0.01 < defense.score_after_ - defense.score_before_ < 0

    def test_weights_follow_their_records(self, planted):
        X, y = planted
        weight = np.arange(92.0)
        defense = removal(WeightedTree(random_state=0)).fit(X, y, sample_weight=weight)
        assert defense.dropped_.tolist() == [90]
        np.testing.assert_array_equal(defense.estimator_.weight_, np.delete(weight, 90))

    @pytest.mark.parametrize("features", ["raw", "outputs"])
    def test_the_seed_decides_whatever_the_jobs(self, features, planted):
        X, y = planted
        model = RandomForestClassifier(5)
        options = {"features": features, "n_references": 4, "max_fits": 12}
        first, second = (removal(model, n_jobs=n_jobs, **options).fit(X, y) for n_jobs in (None, 2))
        np.testing.assert_array_equal(first.dropped_, second.dropped_)
        np.testing.assert_array_equal(first.expected_neighbors_, second.expected_neighbors_)
        assert first.score_before_ == second.score_before_
        other = removal(model, **options).set_params(random_state=1).fit(X, y)
        assert other.score_before_ != first.score_before_

    def test_frames_with_categories_and_images(self, planted):
        X, y = planted
        frame = pd.DataFrame(X, columns=list("abc")).assign(
            kind=np.where(np.arange(92) == 90, "other", "usual")
        )
        model = DecisionTreeClassifier(random_state=0)
        found = removal(OnNumbers(model)).fit(frame, y)
        assert 90 in found.dropped_
        images = removal(OnNumbers(model)).fit(X[:, None, :], y)
        flat = removal(model).fit(X, y)
        np.testing.assert_array_equal(images.dropped_, flat.dropped_)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"delta": 0}, "'delta' parameter of VulnerableRecordRemoval must be"),
            ({"beta": 0}, "'beta' parameter of VulnerableRecordRemoval must be"),
            ({"max_utility_loss": -0.1}, "'max_utility_loss' parameter of Vulnerable"),
            ({"features": "inputs"}, "'features' parameter of VulnerableRecordRemoval must be"),
            ({"n_references": 1}, "'n_references' parameter of VulnerableRecordRemoval must be"),
            ({"scoring": "accurate"}, "'scoring' parameter of VulnerableRecordRemoval must be"),
            ({"max_fits": 5}, "max_fits=5 measures no removal: with 3 parts give at least 6"),
            ({"cv": 50}, "cv=50 needs as many records of a class, and the largest of y has 31"),
            (
                {"scoring": lambda model, X, y: np.nan},
                "score of the model with all records is nan: give another scoring",
            ),
        ],
    )
    def test_bad_parameters(self, options, message, counting, planted):
        with pytest.raises(ValueError, match=message):
            removal(counting, **options).fit(*planted)
        if "scoring" not in options:
            assert Counting.sizes == []

    def test_bad_records(self, planted):
        X, y = planted
        with pytest.raises(ValueError, match=r"at least 4 records .*got n_samples=3"):
            removal().fit(X[:3], [0, 1, 0])
        with pytest.raises(ValueError, match=r"X is sparse.*X\.toarray\(\), or features='outputs'"):
            removal().fit(sparse.csr_matrix(X), y)
        with pytest.raises(ValueError, match=r"Part \d of cv=3 trains on one class only"):
            removal().fit(X[29:60][:, ::-1], y[29:60])


class WeightedTree(DecisionTreeClassifier):
    def fit(self, X, y, sample_weight=None):
        self.weight_ = sample_weight
        return super().fit(X, y, sample_weight)


class OnNumbers(ClassifierMixin, BaseEstimator):
    """A classifier of the first three numbers of each record."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.fitted_ = clone(self.estimator).fit(self._numbers(X), y)
        self.classes_ = self.fitted_.classes_
        return self

    def predict(self, X):
        return self.fitted_.predict(self._numbers(X))

    def _numbers(self, X):
        if isinstance(X, pd.DataFrame):
            return X.iloc[:, :3].to_numpy()
        return X.reshape(len(X), -1)
