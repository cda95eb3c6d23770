"""Which fitted models keep training records, found by value and by nothing else."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import FeatureAgglomeration, KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import KNNImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import ClassifierChain
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from mia_sklearn import structural_risk
from mia_sklearn.structural._stored import stored_records

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
Y = (X[:, 0] + RNG.normal(size=90) > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(e=np.where(RNG.random(90) > 0.5, "u", "v"))


def found(model, rows=X, kind="records"):
    each = stored_records(model, rows, rows.shape[0] if hasattr(rows, "shape") else len(rows))
    return {f"{one.part}.{one.attribute}": one.n_rows for one in each if one.kind == kind}


def test_neighbours_keep_all_and_forests_nothing():
    assert found(KNeighborsClassifier(1).fit(X, Y))["KNeighborsClassifier._fit_X"] == 90
    assert found(RandomForestClassifier(5).fit(X, Y)) == {}
    report = structural_risk(RandomForestClassifier(5).fit(X, Y), X, Y, release="weights")
    assert "STORES_RECORDS" not in [finding.code for finding in report.findings]


@pytest.mark.parametrize(
    ("model", "attribute"),
    [
        (make_pipeline(StandardScaler(), PCA(3), SVC()), "SVC.support_vectors_"),
        (
            GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [2]}, cv=2),
            "KNeighborsClassifier._fit_X",
        ),
        (CalibratedClassifierCV(SVC(), cv=2), "SVC.support_vectors_"),
        (BaggingClassifier(SVC(), 2, max_features=0.5, random_state=0), "SVC.support_vectors_"),
        (VotingClassifier([("a", GaussianNB()), ("b", SVC())]), "SVC.support_vectors_"),
        (
            StackingClassifier(
                [("a", GaussianNB())], KNeighborsClassifier(), passthrough=True, cv=2
            ),
            "KNeighborsClassifier._fit_X",
        ),
        (make_pipeline(KNNImputer(), LogisticRegression()), "KNNImputer._fit_X"),
        (make_pipeline(Nystroem(n_components=30), LogisticRegression()), "Nystroem.components_"),
        (
            make_pipeline(FeatureUnion([("n", Nystroem(n_components=20))]), GaussianNB()),
            "Nystroem.components_",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_records_are_found_behind_steps_and_in_parts(model, attribute):
    assert found(model.fit(X, Y))[attribute] > 5


def test_frames_chains_targets_and_texts():
    columns = ColumnTransformer([("n", KNNImputer(), list("abcd")), ("c", OneHotEncoder(), ["e"])])
    model = make_pipeline(columns, KNeighborsClassifier()).fit(FRAME, Y)
    assert found(model, FRAME) | {"KNeighborsClassifier._tree": 0} == {
        "KNNImputer._fit_X": 90,
        "KNeighborsClassifier._fit_X": 90,
        "KNeighborsClassifier._tree": 0,
    }
    chain = ClassifierChain(KNeighborsClassifier(), order=[0, 1]).fit(
        X, np.column_stack([Y, 1 - Y])
    )
    assert found(chain)["KNeighborsClassifier._fit_X"] == 90
    wrapped = TransformedTargetRegressor(KNeighborsRegressor()).fit(X, X[:, 0])
    assert found(wrapped)["KNeighborsRegressor._fit_X"] == 90
    texts = [f"word{k} and word{k % 7} or word{k % 5}" for k in range(60)]
    kept = found(make_pipeline(TfidfVectorizer(), KNeighborsClassifier()).fit(texts, Y[:60]), texts)
    # A text of one word thrice is a single entry, which many things equal.
    assert 55 < kept["KNeighborsClassifier._fit_X"] < 60
    scattered = sparse.random(60, 30, 0.3, format="csr", random_state=0)
    assert found(SVC().fit(scattered, Y[:60]), scattered)["SVC.support_vectors_"] > 20


def test_one_feature_and_records_of_lower_precision():
    line = np.sort(RNG.normal(size=80))
    model = IsotonicRegression().fit(line, np.arange(80) + RNG.normal(size=80) * 5)
    assert found(model, line[:, None])["IsotonicRegression.X_thresholds_"] >= 3
    narrow = X.astype(np.float32)
    assert found(KNeighborsClassifier().fit(narrow, Y), X)["KNeighborsClassifier._fit_X"] == 90
    assert found(KernelDensity().fit(X))["KernelDensity.tree_"] == 90


def test_what_somebody_hangs_on_a_model_is_found_too():
    model = LogisticRegression().fit(X, Y)
    model.backup = {"rows": [X[5:25].copy()], "n": 90}
    assert found(model) == {"LogisticRegression.backup": 20}
    model.backup = np  # A module: nothing that is held.
    assert found(model) == {}
    model.backup = pd.DataFrame(X[:7])
    assert found(model) == {"LogisticRegression.backup": 7}


def test_no_coincidence_counts():
    model = LinearRegression().fit(X, Y)
    # As long as the training set, with its columns, but of other values.
    model.as_long = RNG.normal(size=(90, 4))
    model.shuffled = np.column_stack([RNG.permutation(column) for column in X.T])
    model.constant = np.zeros((90, 4))
    assert found(model) == {}
    # Few whole numbers: many rows are met by chance, and records that occur twice are nobody's.
    whole = RNG.integers(0, 4, (200, 3)).astype(float)
    model = LinearRegression().fit(whole, whole[:, 0])
    model.grid = np.array(np.meshgrid(*[np.arange(4.0)] * 3)).reshape(3, -1).T
    assert found(model, whole) == {}
    indicators = np.eye(30)[RNG.permutation(30)]
    model = LinearRegression().fit(indicators, np.arange(30))
    model.identity = np.eye(30)
    assert found(model, indicators) == {}
    twice = np.repeat(X[:30], 2, axis=0)
    assert found(KNeighborsClassifier().fit(twice, np.repeat(Y[:30], 2)), twice) == {}
    steps = np.arange(90.0)[:, None]
    model = LinearRegression().fit(steps, Y)
    model.places = np.arange(90.0)
    assert found(model, steps) == {}


def test_answers_for_each_record_are_told():
    forest = RandomForestClassifier(20, oob_score=True, random_state=0).fit(X, Y)
    assert found(forest, kind="answers") == {"RandomForestClassifier.oob_decision_function_": 90}
    regressor = RandomForestRegressor(20, oob_score=True, random_state=0).fit(X, X[:, 0])
    assert found(regressor, kind="answers") == {"RandomForestRegressor.oob_prediction_": 90}
    square = RNG.normal(size=(12, 12))
    assert found(FeatureAgglomeration().fit(square), square, kind="answers") == {}
    report = structural_risk(forest, X, Y, release="weights")
    first = report.findings[0]
    assert (first.code, first.severity) == ("STORES_RECORDS", "serious")
    assert "oob_decision_function_" in first.explanation and "oob_score=False" in first.remedy


@pytest.mark.parametrize(
    ("release", "severity"), [("weights", "serious"), ("posteriors", "info"), ("labels", "info")]
)
def test_severity_follows_what_is_released(release, severity):
    report = structural_risk(SVC().fit(X, Y), X, Y, release=release)
    first = next(f for f in report.findings if f.code == "STORES_RECORDS")
    assert first.severity == severity
    assert "SVC.support_vectors_" in first.explanation and "RBFSampler" not in first.remedy
    assert "LinearSVC with its squared hinge loss" in first.remedy
    assert ("API only" in first.remedy) == (severity == "serious")


def test_estimators_without_labels_are_looked_at():
    report = structural_risk(KernelDensity().fit(X), X)
    assert report.info["release"] == "weights"
    assert report.findings[0].severity == "serious"
    table = report.measures.set_index("measure")
    assert table.loc["stored_records", "value"] == 1
    assert "no labels" in table.loc["self_influence", "meaning"]


KEEPS = {
    *("AffinityPropagation", "Birch", "DBSCAN", "GaussianProcessClassifier"),
    *("GaussianProcessRegressor", "HDBSCAN", "Isomap", "IsotonicRegression", "KNNImputer"),
    *("KNeighborsClassifier", "KNeighborsRegressor", "KNeighborsTransformer", "KernelDensity"),
    *("KernelPCA", "KernelRidge", "LabelPropagation", "LabelSpreading", "LocalOutlierFactor"),
    *("LocallyLinearEmbedding", "NearestNeighbors", "NuSVC", "NuSVR", "Nystroem", "OneClassSVM"),
    *("RadiusNeighborsClassifier", "RadiusNeighborsRegressor", "RadiusNeighborsTransformer"),
    *("SVC", "SVR"),
}
# Centres of clusters of one record, and modes that are records, which they may be or not.
MAY_KEEP = {"KMeans", "MiniBatchKMeans", "BisectingKMeans", "MeanShift", "FeatureAgglomeration"}


@pytest.mark.thorough
def test_of_all_estimators_those_that_keep_records_are_found_and_no_others():
    rows = np.abs(np.random.default_rng(1).normal(size=(120, 4)))
    labels = (rows[:, 0] + rows[:, 1] > 1.5).astype(int)
    numbers = rows[:, 0] + np.random.default_rng(2).normal(size=120) * 0.1 + 1
    keeping, fitted = set(), 0
    for name, kind in all_estimators():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model = kind()
            except TypeError:
                continue  # It is made of others.
        for given, y in ((rows, numbers), (rows, labels), (rows[:, 0], numbers)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    model.fit(given, y)
                except Exception:
                    continue
            fitted += 1
            if found(model, given.reshape(120, -1)):
                keeping.add(name)
            break
    assert fitted > 150
    assert keeping - MAY_KEEP == KEEPS


def test_a_cluster_of_one_record_keeps_it():
    alone = np.concatenate([X, [[100.5, -100.25, 50.5, 3.25]]])
    assert found(KMeans(2, n_init=1, random_state=0).fit(alone), alone) == {
        "KMeans.cluster_centers_": 1
    }
    assert found(DecisionTreeClassifier().fit(X, Y)) == {}
