"""The command line on regressors, and on models with several outputs."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, make_multilabel_classification
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mia_sklearn import audit
from mia_sklearn.cli import main
from mia_sklearn.cli._files import read_model
from mia_sklearn.report import AuditReport

skops = pytest.importorskip("skops.io")
pytestmark = pytest.mark.usefixtures("no_pictures")

TREE = DecisionTreeRegressor(max_depth=5, random_state=0)
QUICK = {"n_references": 2, "random_state": 0, "progress": False, "attacks": "threshold"}
X, Y = load_diabetes(return_X_y=True, as_frame=True)
X = X[:120]
TABLE = X.assign(progress=Y, weight=70 + 100 * X["bmi"])


@pytest.fixture
def run(tmp_path, capsys):
    def run(model, *options, table=TABLE, kind="csv"):
        """Audit a model by files of a table, whose first half it trained on."""
        skops.dump(model, tmp_path / "model.skops")
        for name, part in (("train", table[:60]), ("test", table[60:])):
            path = tmp_path / f"{name}.{kind}"
            if kind == "npz":
                np.savez(path, X=part[X.columns].to_numpy(), y=part.iloc[:, 10:].to_numpy())
            elif kind == "parquet":
                part.to_parquet(path)
            else:
                part.to_csv(path, index=False)
        code = main(
            [
                *("audit", "--model", str(tmp_path / "model.skops"), "--references", "2"),
                *("--train", str(tmp_path / f"train.{kind}"), "--seed", "0", "--quiet"),
                *("--test", str(tmp_path / f"test.{kind}"), "--attacks", "threshold"),
                *("--output", str(tmp_path / "out"), "--no-records", *options),
            ]
        )
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def _auc(report):
    metrics = report.metrics.query("metric == 'auc' and slice == 'all'")
    return metrics["estimate"].tolist()


def test_a_regressor_is_audited_as_from_python(run, tmp_path):
    model = TREE.fit(X[:60], Y[:60])
    code, said = run(model, "--target", "progress", "--fail-if", "auc > 0.999")
    assert code == 0 and "gate: PASSED" in said
    found = AuditReport.load(tmp_path / "out")
    expected = audit(model, X[:60], Y[:60], X[60:120], Y[60:120], **QUICK)
    assert _auc(found) == _auc(expected)
    assert found.info["target_test_mae"] == expected.info["target_test_mae"]
    assert found.info["release"] == "predictions"


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_several_outputs_are_several_columns(run, tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    y = TABLE[["progress", "weight"]].to_numpy()
    given = X if kind != "npz" else X.to_numpy()
    target = (
        [] if kind == "npz" else ["--target", "progress, weight", "--slices", "label_1", "weight"]
    )
    code, said = run(TREE.fit(given[:60], y[:60]), *target, kind=kind)
    assert code == 0, said
    found = AuditReport.load(tmp_path / "out")
    expected = audit(TREE, given[:60], y[:60], given[60:], y[60:], **QUICK)
    assert _auc(found) == _auc(expected)
    assert found.info["n_outputs"] == 2


def test_a_column_may_hold_commas_in_its_name(run):
    table = TABLE.rename(columns={"progress": "progress, in points"}).drop(columns="weight")
    code, said = run(TREE.fit(X[:60], Y[:60]), "--target", "progress, in points", table=table)
    assert code == 0, said


def test_labels_of_several_outputs_are_read_as_the_model_knows_them(run, tmp_path):
    words = pd.DataFrame({"a": np.where(Y[:120] > 150, "high", "low"), "b": "no"})
    words["b"] = np.where(X["sex"] > 0, "yes", "no")
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X[:60], words[:60])
    code, said = run(model, "--target", "a,b", table=X.join(words), kind="csv")
    assert code == 0, said
    found = AuditReport.load(tmp_path / "out")
    y = words.to_numpy()
    expected = audit(model, X[:60], y[:60], X[60:], y[60:], **QUICK)
    assert found.info["target_train_accuracy"] == expected.info["target_train_accuracy"]
    _, labels = make_multilabel_classification(120, n_classes=2, random_state=0)
    table = X.assign(first=labels[:, 0], second=labels[:, 1])
    code, said = run(model.fit(X[:60], labels[:60]), "--target", "first,second", table=table)
    assert code == 0, said


REFUSED = {
    "no target": ([], TABLE, "Name the column of the true values of train.csv with --target"),
    "no such column": (["--target", "progres"], TABLE, "'progres' is no column of"),
    "one of two": (["--target", "progress,wt"], TABLE, "'wt' is no column of"),
    "words": (
        ["--target", "progress"],
        TABLE.assign(progress="n/k"),
        "holds 'n/k' in column 'progress', which is not a number.*Drop such records",
    ),
    "missing": (
        ["--target", "progress"],
        TABLE.assign(progress=TABLE["progress"].where(TABLE.index != 3)),
        "1 of 60 records have no value in 'progress'. Drop them",
    ),
    "labels": (["--target", "progress", "--release", "labels"], TABLE, "for a regressor"),
    "two columns": (["--target", "progress,weight"], TABLE, "expected what y has, 2 numbers"),
    "r2": (["--target", "progress", "--fail-if", "r2 < 0.5"], TABLE, "unknown metric 'r2'"),
    "gap": (["--target", "progress", "--fail-if", "gap:auc > 0.5"], TABLE, "not part of this"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("kind", ["csv", pytest.param("parquet", marks=pytest.mark.thorough)])
def test_what_a_regressor_cannot_be_audited_by(run, case, kind):
    options, table, message = REFUSED[case]
    if kind == "parquet" and case in ("words", "no target"):
        return
    code, said = run(TREE.fit(X[:60], Y[:60]), *options, table=table, kind=kind)
    assert code == 2
    assert pd.Series(said).str.contains(message, regex=True).all(), said


def test_regressors_are_loaded_without_being_trusted(tmp_path):
    parts = make_pipeline(SelectKBest(f_regression, k=3), Ridge())
    model = GridSearchCV(parts, {"ridge__alpha": [1.0, 2.0]}, scoring="r2", cv=2)
    skops.dump(model.fit(X, Y[:120]), tmp_path / "search.skops")
    loaded = read_model(tmp_path / "search.skops")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
