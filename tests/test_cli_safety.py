"""What a stranger's model or table cannot do to whoever audits it by the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import BisectingKMeans, FeatureAgglomeration
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import DistanceMetric, make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import SparseRandomProjection
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels
from mia_sklearn._process._printable import one_line, printable
from mia_sklearn._process._terminal import raising_method
from mia_sklearn.cli import main
from mia_sklearn.cli._files import TRUSTED, UntrustedTypes, read_model
from mia_sklearn.cli._native_trees import check_trees
from mia_sklearn.references._training import Job, packed, train
from mia_sklearn.report import AuditReport

pytestmark = pytest.mark.usefixtures("few_rounds", "no_pictures")

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3))
Y = np.arange(120) % 2
FRAME = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=rng.choice(["u", "v"], 120), y=Y)
ESCAPE = "\x1b[2J\x1b]0;owned\x07"
FORGED = f"x{ESCAPE}\n--fail-if auc > 0.6: violated\r\u202eevil\u2028\x85\x9b31m"


class Leaver(LogisticRegression):
    """A model that ends the program, where it is told to."""

    leaves = ""
    how: BaseException = SystemExit(0)

    def fit(self, X, y, sample_weight=None):
        if Leaver.leaves == "fit":
            raise self.how
        return super().fit(X, y)

    def predict_proba(self, X):
        if Leaver.leaves == "predict_proba":
            raise self.how
        return super().predict_proba(X)

    def predict(self, X):
        if Leaver.leaves == "predict":
            raise self.how
        return super().predict(X)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, side in (("train", slice(60)), ("test", slice(60, None))):
        FRAME[side].to_csv(folder / f"{name}.csv", index=False)
    inputs = FRAME[["a", "b", "c"]][:60]
    model = LogisticRegression().fit(inputs, Y[:60])
    skops.io.dump(model, folder / "model.skops")
    joblib.dump(Leaver().fit(inputs, Y[:60]), folder / "leaver.joblib")
    return folder


@pytest.fixture
def run(files, capsys):
    def run_(**changes):
        given = {
            "model": files / "model.skops",
            "train": files / "train.csv",
            "test": files / "test.csv",
            "target": "y",
            "references": 0,
            "jobs": 1,
        }
        given.update({name.replace("_", "-"): value for name, value in changes.items()})
        flat = ["audit"]
        for name, value in given.items():
            for each in value if isinstance(value, list) else [value]:
                flat += [f"--{name}"] if each is True else [f"--{name}", str(each)]
        try:
            code = main(flat)
        except SystemExit as stop:  # argparse
            code = stop.code
        printed = capsys.readouterr()
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return run_


# -- No verdict, no exit code of success


@pytest.mark.parametrize("where", ["fit", "predict_proba", "predict"])
@pytest.mark.parametrize(
    "how",
    [
        SystemExit(0),
        SystemExit(),
        SystemExit("bye"),
        GeneratorExit(),
        RecursionError("deep"),
        StopIteration(),
        KeyError("a"),
        AttributeError("no\nattribute"),
    ],
)
def test_a_model_that_ends_the_program_is_no_verdict(files, run, monkeypatch, where, how):
    monkeypatch.setattr(Leaver, "leaves", where)
    monkeypatch.setattr(Leaver, "how", how)
    asked = {"references": 0, "release": "labels"} if where == "predict" else {"references": 2}
    result = run(model=files / "leaver.joblib", trust=True, **asked)
    assert (result.code, result.out) == (2, "")
    if where == "fit":
        # What a model does while references are trained is no defect of this package.
        said = f"Reference model 0 could not be trained: {type(how).__name__}"
        assert said in result.err or isinstance(how, GeneratorExit)
        assert "Traceback" not in result.err and "please report" not in result.err
    elif isinstance(how, Exception):
        # What a model does when it is asked is none either.
        how_said = " X_train:" if where == "predict_proba" else ", its own predict raised"
        assert f"he model could not answer{how_said}" in result.err
        assert type(how).__name__ in result.err
        assert "Traceback" not in result.err and "please report" not in result.err
    else:
        assert f"{files / 'leaver.joblib'} ended the program by {type(how).__name__}" in result.err


def test_a_method_that_raises_is_found_behind_generators_and_not_where_others_raise():
    class Model:
        def predict(self, X):
            return next(iter(()))

    model = Model()
    with pytest.raises(RuntimeError) as caught:
        list(model.predict(row) for row in [1])  # noqa: C400
    assert raising_method(caught.value, model) == "predict"
    assert raising_method(caught.value, LogisticRegression()) is None

    def audit(model):
        raise KeyError

    with pytest.raises(KeyError) as caught:
        audit(model)
    assert raising_method(caught.value, model) is None
    assert raising_method(caught.value, None) is None


class Silencing(BaseException):
    """An error that ends the program when it is asked what it says."""

    def __str__(self):
        raise SystemExit(0)


class SilencingValue(Silencing, ValueError):
    """The same, of a kind that is expected."""


def nameless():
    """An error whose class ends the program when it is asked for its name."""

    class Kind(type):
        @property
        def __name__(cls):
            raise SystemExit(0)

    return Kind("Nameless", (BaseException,), {})()


@pytest.mark.parametrize("where", ["fit", "predict_proba"])
@pytest.mark.parametrize("how", [Silencing, SilencingValue, nameless])
def test_what_cannot_be_explained_is_no_success(files, run, monkeypatch, where, how):
    monkeypatch.setattr(Leaver, "leaves", where)
    monkeypatch.setattr(Leaver, "how", how())
    result = run(model=files / "leaver.joblib", trust=True, references=2, attacks="lira")
    assert (result.code, result.out) == (2, "")
    assert "error: " in result.err


def test_an_interrupt_out_of_a_model_is_no_verdict_either(files, run, monkeypatch):
    monkeypatch.setattr(Leaver, "leaves", "predict_proba")
    monkeypatch.setattr(Leaver, "how", KeyboardInterrupt())
    assert run(model=files / "leaver.joblib", trust=True).code == 130


@pytest.mark.thorough
@pytest.mark.parametrize("where", ["full", "closed"])
def test_what_cannot_be_printed_is_no_success(where):
    if where == "full" and not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    command = (  # The list itself would load torch.
        "import sys; from mia_sklearn.cli import _main\n"
        "_main._COMMANDS['attacks'] = lambda args: print('an attack\\n' * 2000) or 0\n"
        "sys.exit(_main.main(['attacks']))"
    )
    if where == "full":
        with Path("/dev/full").open("w") as out:
            done = subprocess.run(
                [sys.executable, "-c", command], stdout=out, stderr=subprocess.PIPE, check=False
            )
    else:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-c", command], stdout=writer, stderr=subprocess.PIPE, check=False
        )
        os.close(writer)
        assert b"standard output was closed" in done.stderr
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"ignored" not in done.stderr


def test_a_report_that_cannot_be_saved_whole_is_printed_and_the_rest_is_saved(
    files, run, tmp_path, monkeypatch
):
    from mia_sklearn.report import _folder

    write = _folder.write

    def full(path, text):
        if path.name == "index.html":
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(_folder, "write", full)
    result = run(output=tmp_path, fail_if="auc > 0.99", quiet=True)
    assert result.code == 2
    assert "index.html cannot be written, No space left on device" in result.err
    assert "--fail-if auc > 0.99" in result.out
    report = AuditReport.load(tmp_path)
    assert report.verdict in result.out
    assert [each["condition"] for each in report.info["gate"]["conditions"]] == ["auc > 0.99"]
    assert (tmp_path / "records.csv").exists()


# -- What is printed


def test_control_characters_are_shown_as_escapes():
    shown = printable(FORGED)
    assert shown.startswith(r"x\x1b[2J\x1b]0;owned\x07\n--fail-if")
    assert shown.endswith(r"\r\u202eevil\u2028\x85\x9b31m")
    assert printable("\ud800ü é 漢 👍", keep="\n") == r"\ud800ü é 漢 👍"
    assert printable("a\nb\tc\x00", keep="\n") == "a\nb\\tc\\x00"
    assert one_line("It holds NaN.\nA tree does not take it:\n'x'") == (
        r"It holds NaN. A tree does not take it:\n'x'"
    )
    assert "\n" not in one_line(f"unknown: {FORGED}")


def forged(text):
    """Whether a text acts on a terminal, or has a line that a user made."""
    hidden = [c for c in text if c not in "\n\r" and not c.isprintable()]
    return bool(hidden) or any(
        line.startswith(("--fail-if auc > 0.6: violated", "evil")) for line in text.splitlines()
    )


@pytest.mark.parametrize("where", ["label", "column", "slice", "target", "file"])
def test_nothing_of_a_table_acts_on_a_terminal(files, run, tmp_path, where):
    table = pd.read_csv(files / "test.csv")
    changes: dict = {}
    if where == "label":
        table["y"] = table["y"].astype(object)
        table.loc[0, "y"] = FORGED
    elif where == "column":
        table = table.rename(columns={"a": FORGED})
    elif where == "slice":
        table.loc[:30, "kind"] = FORGED
        changes["slices"] = "kind"
    elif where == "target":
        changes["target"] = FORGED
    path = tmp_path / (f"{FORGED.replace('/', '')}.csv" if where == "file" else "test.csv")
    if where == "file":
        path = path.with_suffix(".txt")
        path.write_text("")
    else:
        table.to_csv(path, index=False)
    result = run(test=path, **changes)
    assert result.code == (0 if where == "slice" else 2)
    assert not forged(result.out)
    assert not forged(result.err.replace("\r", ""))
    if where in ("label", "target", "file"):
        assert r"\x1b[2J" in result.err


def test_exceptions_and_tracebacks_stay_on_their_lines(files, run, monkeypatch):
    monkeypatch.setattr(Leaver, "leaves", "predict_proba")
    for how in (ValueError(FORGED), KeyError(FORGED), RuntimeError(FORGED), SystemExit(FORGED)):
        monkeypatch.setattr(Leaver, "how", how)
        result = run(model=files / "leaver.joblib", trust=True, traceback=True)
        assert result.code == 2
        assert not forged(result.err)


@pytest.mark.filterwarnings("always")
def test_warnings_and_what_models_print_stay_on_their_lines(files, run, monkeypatch):
    def warn(self, X):
        warnings.warn(FORGED, stacklevel=1)
        warnings.warn_explicit("old", type(FORGED, (UserWarning,), {}), FORGED, 1)
        print(f"printed{ESCAPE}\r", file=sys.stderr)
        return LogisticRegression.predict_proba(self, X)

    monkeypatch.setattr(Leaver, "predict_proba", warn)
    result = run(model=files / "leaver.joblib", trust=True, references=2, attacks="lira")
    assert result.code == 0
    assert not forged(result.err)
    assert r"printed\x1b[2J\x1b]0;owned\x07\r" in result.err
    assert rf"UserWarning: {printable(FORGED)}" in result.err
    # The bar of the audit alone returns to the start of its line.
    bars = [line for line in result.err.splitlines(keepends=True) if "\r" in line]
    own = {
        "",
        "audit",
        "target",
        "references",
        "attacks",
        "p-values",
        "controls",
        "metrics",
        "structure",
    }
    assert bars and {line.strip("\r").partition(":")[0] for line in bars} <= own


@pytest.mark.filterwarnings("always")
def test_workers_of_the_command_line_are_guarded(capsys):
    def warn(X, y, seed):
        warnings.warn(FORGED, stacklevel=1)
        print(f"printed{ESCAPE}")
        return LogisticRegression().fit(X, y)

    job = Job(warn, X, Y, np.array([0, 1]), {}, first=0, n_core=0, home=("", 0), guarded=True)
    _, answers = train(job, 0, packed(np.ones(len(X), int)), seed=0)
    assert answers.shape == (len(X), 2)
    printed = capsys.readouterr()
    assert not forged(printed.out + printed.err)
    assert r"printed\x1b[2J" in printed.out
    assert rf"UserWarning: {printable(FORGED)}" in printed.err


def test_a_report_acts_on_no_terminal(make_report):
    report = make_report(n=60, labels=(FORGED, "b"), title=FORGED, model=FORGED, split=FORGED)
    report.metrics["slice"] = report.metrics["slice"].replace("sex=male", f"sex={FORGED}")
    report.metrics["note"] = FORGED
    for text in (str(report), repr(report), report.verdict):
        assert not forged(text)
    assert "\n" not in repr(report) + report.verdict


# -- What is loaded


MODELS = {
    "forest in a pipeline": make_pipeline(StandardScaler(), RandomForestClassifier(3)),
    "boosting": GradientBoostingClassifier(n_estimators=2),
    "histograms": HistGradientBoostingClassifier(max_iter=2),
    "neighbours": KNeighborsClassifier(3),
    "neighbours in a ball": KNeighborsClassifier(3, algorithm="ball_tree", metric="manhattan"),
    "calibrated": CalibratedClassifierCV(DecisionTreeClassifier(), cv=2),
    "bagging": BaggingClassifier(n_estimators=2),
    "adaboost": AdaBoostClassifier(n_estimators=2),
    "stack": StackingClassifier([("a", DecisionTreeClassifier())], cv=2),
    "vote": VotingClassifier([("a", DecisionTreeClassifier())]),
    "search": GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=StratifiedKFold(2)),
    "perceptron": MLPClassifier(2, max_iter=2),
    "vectors": SVC(),
    "columns": make_pipeline(
        make_column_transformer((StandardScaler(), [0]), remainder="passthrough"),
        DecisionTreeClassifier(),
    ),
    "selection": make_pipeline(SelectKBest(f_classif, k=2), DecisionTreeClassifier()),
    "bins": make_pipeline(KBinsDiscretizer(strategy="uniform"), DecisionTreeClassifier()),
    "function": make_pipeline(FunctionTransformer(np.expm1), DecisionTreeClassifier()),
    "pooled": make_pipeline(FeatureAgglomeration(2), DecisionTreeClassifier()),
    "median": make_pipeline(FeatureAgglomeration(2, pooling_func=np.median), GaussianNB()),
    "clusters": make_pipeline(BisectingKMeans(3), DecisionTreeClassifier()),
    "elkan": make_pipeline(BisectingKMeans(3, algorithm="elkan"), DecisionTreeClassifier()),
    "splines": make_pipeline(SplineTransformer(3), DecisionTreeClassifier()),
    "sparse": make_pipeline(SplineTransformer(3, sparse_output=True), KNeighborsClassifier(3)),
    "projection": make_pipeline(SparseRandomProjection(2), DecisionTreeClassifier()),
    "powers": KNeighborsClassifier(3, algorithm="kd_tree", p=3),
    "weighed": KNeighborsClassifier(3, p=3, metric_params={"w": np.arange(1.0, 4.0)}),
    "scored": GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, cv=2, scoring="roc_auc"),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_estimators_of_scikit_learn_need_no_flag(name, tmp_path):
    model = MODELS[name].fit(X, Y)
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = read_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_selector_of_numbers_needs_no_flag(tmp_path):
    skops.io.dump(make_column_selector(dtype_include=np.number), tmp_path / "model.skops")
    table = pd.DataFrame({"a": [1.5], "b": ["c"]})
    assert read_model(tmp_path / "model.skops")(table) == ["a"]


@pytest.mark.parametrize("encoder", [OrdinalEncoder, TargetEncoder])
def test_encoders_of_scikit_learn_need_no_flag(encoder, tmp_path):
    words = np.array([["a"], ["b"]] * (len(X) // 2), dtype=object)
    model = make_pipeline(encoder(), DecisionTreeClassifier()).fit(words, Y[: len(words)])
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = read_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(words), model.predict(words))


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (FunctionTransformer(os.system), "posix.system"),
        (FunctionTransformer(os.path.exists), "genericpath.exists"),
        (FunctionTransformer(eval), "builtins.eval"),
        (FunctionTransformer(joblib.load), "joblib.numpy_pickle.load"),
        (FunctionTransformer(np.load), "numpy.load"),
        (make_column_selector(dtype_include=object), "builtins.object"),
        (FeatureAgglomeration(pooling_func=np.ptp), "numpy.ptp"),
        (FunctionTransformer(partial(os.system)), "posix.system"),
        (make_scorer(os.path.exists), "genericpath.exists"),
        (KNeighborsClassifier(metric=os.path.commonprefix), "genericpath.commonprefix"),
    ],
)
def test_functions_and_types_of_others_are_named_before_they_are_loaded(model, named, tmp_path):
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(UntrustedTypes, match=f"add: .*--trust-type {named}"):
        read_model(tmp_path / "model.skops")


def test_what_is_trusted_runs_nothing():
    assert [name for name in sorted(TRUSTED) if not name.startswith("sklearn.")] == [
        "functools.partial",
        *(
            f"numpy.{name}"
            for name in ("dtype", "matrix", "max", "mean", "median", "min", "number")
        ),
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        *(f"scipy.sparse._cs{kind}.cs{kind}_{of}" for kind in "cr" for of in ("array", "matrix")),
    ]
    assert "builtins.object" not in TRUSTED
    assert not [name for name in TRUSTED if "load" in name.lower() or "fetch" in name.lower()]


def test_no_cache_nested_in_a_model_is_read_or_written(files, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inner = make_pipeline(StandardScaler(), FeatureAgglomeration(2, memory="rows"), memory="inner")
    model = make_pipeline(
        make_column_transformer((inner, ["a", "b", "c"])), DecisionTreeClassifier(), memory="data"
    )
    inputs = FRAME[["a", "b", "c"]][:60]
    skops.io.dump(make_pipeline("passthrough", model).fit(inputs, Y[:60]), "model.skops")
    for folder in ("rows", "inner", "data"):
        assert Path(folder).exists()  # What fitting left behind.
        joblib.Memory(folder, verbose=0).clear(warn=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    loaded = read_model(tmp_path / "model.skops")
    nested = loaded.get_params(deep=True)
    assert [name for name in nested if name.endswith("memory")]
    assert [value for name, value in nested.items() if name.endswith("memory") if value] == []
    assert run(model=tmp_path / "model.skops", references=2, attacks="lira").code == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def changed_tree(tree, field, value):
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)


@pytest.mark.parametrize("model", [DecisionTreeClassifier(), RandomForestClassifier(2)])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left_child", 10**6),
        ("right_child", -5),
        ("left_child", 0),
        ("feature", 9),
        ("feature", -7),
    ],
)
def test_trees_that_lead_nowhere_are_refused(model, field, value, tmp_path):
    model.fit(X, Y)
    changed_tree(getattr(model, "estimators_", [model])[0].tree_, field, value)
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(ValueError, match="damaged or was changed"):
        read_model(tmp_path / "model.skops")


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", 9), ("is_categorical", 1)]
)
def test_trees_on_histograms_that_lead_nowhere_are_refused(field, value):
    model = HistGradientBoostingClassifier(max_iter=2).fit(X, Y)
    check_trees(model)
    model._predictors[0][0].nodes[field][0] = value
    with pytest.raises(ValueError, match="damaged or was changed"):
        check_trees(model)


@pytest.mark.parametrize("by", ["from_dtype", [1]])
def test_categories_that_stand_after_numbers_are_no_damage(by, tmp_path):
    codes = np.arange(len(X)) % 3
    table = pd.DataFrame({"number": X[:, 0], "code": codes, "last": X[:, 1]})
    if by == "from_dtype":
        table["code"] = pd.Categorical.from_codes(codes, ["a", "b", "c"])
    labels = codes == 1
    model = HistGradientBoostingClassifier(
        max_iter=2, min_samples_leaf=2, categorical_features=by
    ).fit(table, labels)
    nodes = model._predictors[0][0].nodes
    assert nodes["is_categorical"].any()
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = read_model(tmp_path / "model.skops")
    assert np.array_equal(loaded.predict_proba(table), model.predict_proba(table))
    # A number that a changed node asks for as a category stands behind them.
    nodes["feature_idx"][nodes["is_categorical"] != 0] = 1
    with pytest.raises(ValueError, match="damaged or was changed"):
        check_trees(model)


def test_other_numbers_of_features_in_a_forest_are_refused():
    model = RandomForestClassifier(2).fit(X, Y)
    model.n_features_in_ = 2
    with pytest.raises(ValueError, match="damaged or was changed"):
        check_trees(model)
    model = KNeighborsClassifier(algorithm="kd_tree").fit(X, Y)
    state = list(model._tree.__getstate__())
    state[1] = np.full_like(state[1], 10**6)
    model._tree.__setstate__(tuple(state))
    with pytest.raises(ValueError, match="damaged or was changed"):
        check_trees(model)


def test_splines_sparse_tables_and_weights_that_lead_nowhere_are_refused():
    model = make_pipeline(SplineTransformer(3), SparseRandomProjection(2)).fit(X)
    check_trees(model)
    table = model[1].components_
    table.indices[0] = 10**6
    with pytest.raises(ValueError, match=r"index|indices"):
        check_trees(model)
    table.indices[0] = 0
    spline = model[0].bsplines_[0]
    spline.k = 10
    with pytest.raises(ValueError, match="knots"):
        check_trees(model)
    model = KNeighborsClassifier(algorithm="kd_tree", p=3).fit(X, Y)
    state = model._tree.__getstate__()
    metric = next(part for part in state if isinstance(part, DistanceMetric))
    metric.__setstate__((3.0, np.ones(2), np.zeros((1, 1))))
    for damaged in (model, metric):
        with pytest.raises(ValueError, match="damaged or was changed"):
            check_trees(damaged)


def test_what_takes_sizes_as_they_come_stays_where_it_belongs():
    model = BisectingKMeans(2).fit(X)
    check_trees(model)
    with pytest.raises(ValueError, match="damaged or was changed"):
        check_trees(FunctionTransformer(model._kmeans_single))


# -- What is asked for


@pytest.mark.parametrize("jobs", ["0", "-5", "-2", "many", "1.5", ""])
def test_jobs_that_mean_nothing_are_refused(run, jobs):
    result = run(jobs=jobs)
    assert (result.code, result.out) == (2, "")
    assert f"argument --jobs: {jobs!r}: give 1 or more, or -1 for all cores." in result.err


def test_more_jobs_than_reference_models_are_not_started(run, monkeypatch):
    def fit(self, *args, **kwargs):
        raise ValueError(f"{self.n_jobs} jobs")

    monkeypatch.setattr(ReferenceModels, "fit", fit)
    assert "4 jobs" in run(jobs=99999, references=4, attacks="lira").err


@pytest.mark.parametrize(
    ("text", "seconds"), [("600", 600), ("90s", 90), ("10min", 600), (" 1.5 h ", 5400)]
)
def test_a_time_has_seconds_or_a_unit(run, monkeypatch, text, seconds):
    def audited(*args, **options):
        raise ValueError(f"{options['time_budget']:g} s, most {options['n_references']}")

    monkeypatch.setattr("mia_sklearn._audit.audit", audited)
    assert f"{seconds} s, most 32" in run(time_budget=text, references=32).err


@pytest.mark.parametrize("text", ["", "ten", "10m", "1.2.3", "5 days", "0s", "0.0", "-1"])
def test_other_times_are_refused(run, text):
    result = run(time_budget=text)
    assert result.code == 2 and "such as 90s, 10min or 2h" in result.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "nowhere.csv"}, "nowhere.csv is not a file"),
        ({"test": "table.xlsx"}, "records are read from .csv"),
        ({"model": "weights.h5"}, "a model is read from .skops"),
        ({"train": ""}, "is not a file"),
    ],
)
def test_what_can_be_seen_at_once_is_said_before_what_must_be_trusted(
    files, run, tmp_path, changes, message
):
    for name in ("table.xlsx", "weights.h5"):
        (tmp_path / name).write_text("")
    changes = {option: tmp_path / name for option, name in changes.items()}
    result = run(**({"model": files / "leaver.joblib"} | changes))
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "--trust" not in result.err


@pytest.mark.parametrize("dtype", ["a", "a=number", "=str", "a=int64"])
def test_types_that_are_none_are_refused(run, dtype):
    result = run(dtype=dtype)
    assert result.code == 2
    assert "write COLUMN=TYPE, where TYPE is one of str, int, float" in result.err


def test_evidence_that_names_nobody(files, run, tmp_path):
    (tmp_path / "records.csv").write_text("of an earlier audit")
    assert run(output=tmp_path, no_records=True, slices="kind").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.json", "index.html"]
    report = AuditReport.load(tmp_path)
    assert len(report.records) == 0
    assert {"all", "kind=u"} <= set(report.metrics["slice"])


def test_a_category_keeps_its_name_in_an_error(files, run, tmp_path):
    frame = FRAME[["kind", "a", "y"]]
    encoder = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    model = make_pipeline(encoder, DecisionTreeClassifier()).fit(frame[["kind", "a"]], Y)
    skops.io.dump(model, tmp_path / "model.skops")
    frame.assign(kind=FORGED).to_csv(tmp_path / "test.csv", index=False)
    result = run(model=tmp_path / "model.skops", test=tmp_path / "test.csv")
    assert result.code == 2
    assert not forged(result.err)
