"""Every kind of target that an audit takes, and every shape of records."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, ReferenceModels, audit
from mia_sklearn.cli import main

pytestmark = pytest.mark.usefixtures("few_rounds")

ATTACKS = ["threshold", "shadow", "lira", "rmia", "stacked"]
TREE = DecisionTreeClassifier(random_state=0)
PARTS = [("bayes", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=5))]


def run(model, X, y, n_members=120, **options):
    """Audit a model whose members come first."""
    options = {"n_references": 4, "controls": False, "n_jobs": 1, "random_state": 0} | options
    train, test = slice(n_members), slice(n_members, None)
    return audit(model, X[train], y[train], X[test], y[test], progress=False, **options)


def auc(report, attack=None):
    rows = report.metrics.query("metric == 'auc' and slice == 'all'").set_index("attack")
    return rows.loc[attack or report.info["headline"], "estimate"]


def codes(report):
    return {finding.code for finding in report.findings}


def complete(report, attacks=ATTACKS):
    """Every attack gave every audited record a finite score, and the report can be written."""
    assert isinstance(report, AuditReport)
    assert report.info["attacks"] == attacks
    assert np.isfinite(report.records[attacks].to_numpy()).all()
    assert report.metrics.query("metric == 'auc'")["estimate"].between(0, 1).all()
    assert report.verdict in str(report)
    return True


@pytest.fixture(scope="module")
def data():
    """Records with noisy labels, so that memorising shows."""
    return make_classification(240, 6, n_informative=4, n_classes=3, flip_y=0.2, random_state=0)


# -- Kinds of models -------------------------------------------------------------------------

# What the headline attack finds at least, for models that memorise; 0 where little is expected.
TARGETS = {
    "neighbours": (KNeighborsClassifier(3), 0.6),
    "bayes": (GaussianNB(), 0),
    "svc": (SVC(), 0.55),
    "svc calibrated": (CalibratedClassifierCV(SVC(), ensemble=False, cv=3), 0),
    "linear svc": (LinearSVC(), 0),
    "ridge": (RidgeClassifier(), 0),
    "calibrated": (CalibratedClassifierCV(TREE, cv=3), 0.55),
    "soft voting": (VotingClassifier(PARTS, voting="soft"), 0.6),
    "hard voting": (VotingClassifier(PARTS), 0.55),
    "stacking": (StackingClassifier(PARTS, cv=3), 0.55),
    "search": (GridSearchCV(TREE, {"max_depth": [4, 12]}, cv=3), 0.55),
    "one against rest": (OneVsRestClassifier(TREE), 0.7),
    "boosting": (HistGradientBoostingClassifier(max_iter=10, random_state=0), 0.6),
    "forest": (RandomForestClassifier(10, random_state=0), 0.75),
    "tree": (TREE, 0.7),
    "network": (make_pipeline(StandardScaler(), MLPClassifier((8,), solver="lbfgs")), 0.55),
    "dummy": (DummyClassifier(), 0),
    "dummy at random": (DummyClassifier(strategy="stratified"), 0),
}
# One of each kind of answer: posteriors, decisions between classes, labels alone, those of a
# search, of a pipeline, of chance; some more in `make thorough`, the others in `make test-slow`.
ALWAYS = {"neighbours", "svc", "hard voting", "search", "forest", "network", "dummy at random"}
MORE = {"ridge", "stacking", "one against rest", "boosting"}


def when(name):
    if name in ALWAYS:
        return ()
    return pytest.mark.thorough if name in MORE else pytest.mark.slow


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [pytest.param(name, marks=when(name)) for name in TARGETS])
def test_scikit_learn_targets(data, name):
    X, y = data[0], np.array(["low", "middle", "high"])[data[1]]
    estimator, least = TARGETS[name]
    report = run(clone(estimator).fit(X[:120], y[:120]), X, y)
    assert complete(report)
    assert auc(report) >= least
    assert set(report.records["label"]) == set(y)


@pytest.mark.filterwarnings("ignore:.*probability.*:FutureWarning")
def test_svc_with_its_own_probabilities(data):
    X, y = data
    assert complete(run(SVC(probability=True, random_state=0).fit(X[:120], y[:120]), X, y))


def _xgboost():
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=5)


def _lightgbm():
    return pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=5, verbose=-1)


def _catboost():
    options = {"iterations": 5, "verbose": 0, "allow_writing_files": False}
    return pytest.importorskip("catboost").CatBoostClassifier(**options)


@pytest.mark.parametrize(
    ("make", "classes"),
    [
        (_xgboost, [0, 1, 2]),
        pytest.param(_lightgbm, [0, 1, 2], marks=pytest.mark.slow),
        (_lightgbm, ["low", "middle", "high"]),
        pytest.param(_catboost, [0, 1, 2], marks=pytest.mark.slow),
        (_catboost, ["low", "middle", "high"]),
    ],
)
def test_boosting_libraries(data, make, classes):
    X, y = data[0], np.array(classes)[data[1]]
    report = run(make().fit(X[:120], y[:120]), X, y)
    assert complete(report)
    assert auc(report) > 0.55


def test_search_trains_the_best_parameters_and_says_so(data):
    X, y = data
    search = GridSearchCV(TREE, {"max_depth": [1, 12]}, cv=3).fit(X[:120], y[:120])
    report = run(search, X, y, attacks="threshold")
    assert "SEARCH" in codes(report)
    assert str(search.best_params_["max_depth"]) in report.info["estimator"]
    whole = run(search, X, y, attacks="threshold", estimator=search)
    assert "SEARCH" not in codes(whole)


# -- Kinds of tables -------------------------------------------------------------------------


def people(n=240):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "weight": np.where(rng.random(n) < 0.1, np.nan, rng.normal(70, 9, n).round(2)),
            "city": rng.choice(["Ulm", "Bonn", None], n),
            "level": pd.Categorical(rng.choice(["first", "second"], n)),
            "member": rng.random(n) < 0.5,
        }
    )
    return frame, pd.Series(rng.choice(["<=50K", ">50K"], n), index=frame.index)


def on_people():
    encode = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((encode, ["city", "level"]), remainder="passthrough")
    return make_pipeline(columns, DecisionTreeClassifier(random_state=0))


def test_pipeline_on_a_raw_frame_with_every_option():
    X, y = people()
    model = on_people().fit(X[:120], y[:120])
    report = run(
        model,
        X,
        y,
        controls=True,
        attacks=[*ATTACKS, "stacked-pool", "gap"],
        slices=["city", "age", "member", "label"],
        n_queries=2,
        split="random",
    )
    assert complete(report, [*ATTACKS, "stacked-pool", "gap"])
    assert auc(report) > 0.65
    assert {"city=Ulm", "city=missing", "member=True", "label=>50K"} <= set(report.metrics["slice"])
    assert report.controls["passed"].dropna().all()


@pytest.mark.parametrize("labels", ["category", "object", "string"])
def test_labels_of_any_series(labels):
    X, y = people()
    model = on_people().fit(X[:120], y[:120])
    same = run(model, X, y.astype(labels), attacks="lira", controls=True)
    assert auc(same) == auc(run(model, X, y, attacks="lira"))


def test_frame_with_native_categories():
    X, y = people()
    X = X.drop(columns="city")
    model = HistGradientBoostingClassifier(
        categorical_features="from_dtype", max_iter=5, random_state=0
    )
    assert complete(run(model.fit(X[:120], y[:120]), X, y, controls=True))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "kind",
    [
        sparse.csr_array,
        pytest.param(sparse.csr_matrix, marks=pytest.mark.slow),
        pytest.param(sparse.csc_matrix, marks=pytest.mark.slow),
    ],
)
def test_sparse_records(data, kind):
    X, y = data
    X = kind(np.where(np.abs(X) < 0.5, 0, X))
    model = TREE.fit(X[:120], y[:120])
    attacks = [*ATTACKS, "stacked-pool"]
    assert complete(run(model, X, y, attacks=attacks, controls=True), attacks)


def test_lists_arrays_of_objects_and_images(data):
    X, y = data
    X = X.astype(np.float32)
    expected = auc(run(clone(TREE).fit(X[:120], y[:120]), X, y, attacks="lira"))
    lists = run(clone(TREE).fit(X[:120], y[:120]), X.tolist(), y.tolist(), attacks="lira")
    assert auc(lists) == expected
    objects = run(clone(TREE).fit(X[:120], y[:120]), X.astype(object), y, attacks="lira")
    assert auc(objects) == expected
    flatten = FunctionTransformer(_flat)
    images = X.reshape(-1, 2, 3)
    seen = make_pipeline(flatten, TREE).fit(images[:120], y[:120])
    assert auc(run(seen, images, y, attacks="lira", controls=True)) == pytest.approx(
        expected, abs=0.1
    )


def _flat(images):
    return images.reshape(len(images), -1)


# -- Functions, and other ways of training ---------------------------------------------------


class Asked:
    """A function that counts the records it was asked about."""

    def __init__(self, model):
        self.model, self.count = model, 0

    def __call__(self, X):
        self.count += len(X)
        return self.model.predict_proba(X)


def test_function_is_asked_once_about_each_record(data):
    X, y = data
    function = Asked(clone(TREE).fit(X[:120], y[:120]))
    report = run(function, X, y, classes=[0, 1, 2], query_budget=240, estimator=TREE, controls=True)
    assert complete(report)
    assert function.count == 240
    assert auc(report) > 0.7


def test_function_with_perturbed_copies_needs_the_budget_for_them(data):
    X, y = data
    function = Asked(clone(TREE).fit(X[:120], y[:120]))
    options = {"classes": [0, 1, 2], "estimator": TREE, "n_queries": 2, "attacks": "stacked"}
    run(function, X, y, query_budget=3 * 240, **options)
    assert function.count == 3 * 240


def test_function_without_references(data):
    X, y = data
    function = Asked(clone(TREE).fit(X[:120], y[:120]))
    report = run(function, X, y, classes=[0, 1, 2], n_references=0)
    assert complete(report, ["threshold", "qmia"])
    assert "NO_REFERENCES" in codes(report)
    assert report.records["p_value"].isna().all()


def test_callable_estimator_trains_the_references(data):
    X, y = data
    sizes = []

    def train(X, y, seed):
        sizes.append(len(X))
        return DecisionTreeClassifier(random_state=seed).fit(X, y)

    report = run(clone(TREE).fit(X[:120], y[:120]), X, y, estimator=train)
    assert complete(report)
    assert sizes == [120] * 4


class Weighted(DecisionTreeClassifier):
    """Holds that each record comes with its own weight: its first feature."""

    def fit(self, X, y, sample_weight):
        np.testing.assert_array_equal(X[:, 0], sample_weight)
        return super().fit(X, y)


@pytest.mark.parametrize("n_members", [120, 225])
def test_fit_params_follow_their_records(data, n_members):
    X, y = data
    X[1] = X[0] + 1
    X, y = np.vstack([X, X[:5]]), np.append(y, y[:5])  # The last five are members: dropped.
    model = Weighted().fit(X[:n_members], y[:n_members], X[:n_members, 0])
    report = run(model, X, y, n_members, fit_params={"sample_weight": X[:, 0]})
    assert complete(report)
    assert "OVERLAP" in codes(report)


# -- Classes and sizes -----------------------------------------------------------------------


def test_classes_that_some_references_never_see(data):
    X, y = data[0], np.array(["a", "b", "c"], dtype=object)[data[1]]
    y[0], y[1:3], y[200] = "once", "twice", "once"
    report = run(TREE.fit(X[:120], y[:120]), X, y, slices="label", controls=True)
    assert complete(report)
    assert len(report.records.query("label == 'once'")) == 2


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
def test_classes_of_one_record_each(data):
    X, y = data[0][:60], np.arange(60) % 30
    report = run(TREE.fit(X[:30], y[:30]), X, y, 30, controls=True)
    assert complete(report)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "model",
    [
        TREE,
        _xgboost,
        _catboost,
        pytest.param(GaussianNB(), marks=pytest.mark.slow),
        pytest.param(_lightgbm, marks=pytest.mark.slow),
    ],
)
def test_a_class_of_very_few_records(data, model):
    X = data[0]
    y = (np.arange(240) % 60 == 0).astype(int)  # Two members, two others.
    model = clone(model) if hasattr(model, "fit") else model()
    report = run(model.fit(X[:120], y[:120]), X, y, controls=True)
    assert complete(report)


SIZES = {
    # members: (audited members, others, references, size of a block)
    120: (120, 120, 4, 2),
    180: (180, 60, 8, 4),
    60: (60, 180, 8, 4),
    216: (168, 24, 16, 8),
    24: (24, 216, 16, 8),
    144: (144, 96, 6, 3),
    96: (96, 144, 4, 2),
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "n_members",
    [
        pytest.param(size, marks=() if size in (60, 144, 216) else pytest.mark.slow)
        for size in SIZES
    ],
)
def test_sizes_of_train_and_test(data, n_members):
    X, y = data
    report = run(clone(TREE).fit(X[:n_members], y[:n_members]), X, y, n_members, controls=True)
    assert complete(report)
    info = report.info
    shape = [info[k] for k in ("n_members", "n_nonmembers", "n_references", "block_size")]
    assert tuple(shape) == SIZES[n_members]
    assert info["n_unaudited"] == n_members - info["n_members"]
    assert ("UNAUDITED_MEMBERS" in codes(report)) == (n_members == 216)
    assert report.records["p_value"].notna().all()
    assert report.controls["passed"].dropna().all()
    assert auc(report) > 0.65


@pytest.mark.parametrize("n_members", [120, 180, 216, 24, 144, 96])
def test_references_train_on_as_many_records_as_the_target(data, n_members, monkeypatch):
    X, y = data
    sizes = []
    original = ReferenceModels.fit

    def fit(self, *args, **kwargs):
        original(self, *args, **kwargs)
        core = 0 if kwargs["core"] is None else len(kwargs["core"][1])
        sizes.extend(self.membership_.sum(axis=1) + core)
        return self

    monkeypatch.setattr(ReferenceModels, "fit", fit)
    run(TREE.fit(X[:n_members], y[:n_members]), X, y, n_members, attacks="threshold")
    assert np.abs(np.array(sizes) / n_members - 1).max() <= 0.05


@pytest.mark.parametrize(("max_records", "members"), [(100, 50), (40, 20)])
def test_largest_number_of_records(data, max_records, members):
    X, y = data
    report = run(TREE.fit(X[:180], y[:180]), X, y, 180, max_records=max_records)
    assert complete(report)
    assert len(report.records) == max_records
    assert report.info["n_members"] == members
    assert {"UNAUDITED_MEMBERS", "UNUSED_NONMEMBERS"} <= codes(report)


def test_a_column_without_values(data):
    X, y = data[0].copy(), data[1]
    X[:, 0], X[1:, 1] = np.nan, np.nan
    model = make_pipeline(SimpleImputer(keep_empty_features=True), TREE).fit(X[:120], y[:120])
    attacks = ["lira", "stacked-pool"]
    assert complete(run(model, X, y, attacks=attacks, controls=True, n_queries=2), attacks)


class Foreign:
    """A model that knows nothing of scikit-learn but its manners."""

    classes_ = [0, 1, 2]  # noqa: RUF012

    def predict(self, X):
        return (X[:, 0] > 0).astype(int)


def test_models_of_other_houses(data):
    assert complete(run(Foreign(), *data, estimator=TREE, controls=True))


def test_a_dozen_records(data):
    X, y = data
    assert complete(run(TREE.fit(X[:6], y[:6]), X[:12], y[:12], 6, controls=True))


# -- From files to a verdict -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("auc > 0.55", 1),
        pytest.param("auc < 0.55", 0, marks=pytest.mark.slow),
        pytest.param("tpr@0.001 > 0.0001", 3, marks=pytest.mark.slow),
        ("auc > lots", 2),
    ],
)
def test_command_line_on_a_raw_frame(tmp_path, capsys, condition, code):
    X, y = people()
    model = on_people().fit(X[:120], y[:120])
    skops.io.dump(model, tmp_path / "model.skops")
    frame = X.assign(income=y)
    frame[:120].to_csv(tmp_path / "train.csv", index=False)
    frame[120:].to_csv(tmp_path / "test.csv", index=False)
    paths = [f"--{name}={tmp_path / name}.csv" for name in ("train", "test")]
    options = ["--target=income", "--references=4", "--jobs=1", "--split=random", "--strict"]
    outputs = [f"--output={tmp_path / 'report'}", f"--cache={tmp_path / 'cache'}"]
    types = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    trust = [f"--trust-type={name}" for name in types]
    arguments = [f"--model={tmp_path / 'model.skops'}", *paths, *options, *outputs, *trust]
    assert main(["audit", *arguments, f"--fail-if={condition}", "--slices", "city"]) == code
    if code != 2:
        report = AuditReport.load(tmp_path / "report")
        assert complete(report)
        assert set(report.records["label"]) == {"<=50K", ">50K"}
        assert report.verdict in capsys.readouterr().out


def test_hostile_names_reach_the_report_as_text(tmp_path):
    script, formula = "<script>alert(1)</script>", "=cmd|' /C calc'!A0"
    X, y = people()
    X = X.rename(columns={"city": script}).assign(**{script: X["city"].replace("Ulm", script)})
    y = y.replace(">50K", formula).replace("<=50K", script)
    encode = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((encode, [script, "level"]), remainder="passthrough")
    model = make_pipeline(columns, DecisionTreeClassifier(random_state=0)).fit(X[:120], y[:120])
    report = run(model, X, y, slices=[script, "label"], attacks="lira", title=script)
    report.save(tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<script") == 1 and script not in page  # Its own, named by the policy.
    assert "&lt;script&gt;" in page
    assert "Content-Security-Policy" in page
    cells = pd.read_csv(tmp_path / "records.csv")
    assert not cells["label"].str.startswith("=").any()
    assert set(AuditReport.load(tmp_path).records["label"]) == {script, formula}
