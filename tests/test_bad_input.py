"""Bad input: refused before any model is trained, in words that name the argument and the fix."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, ReferenceModels, audit, observe
from mia_sklearn.attacks import LiRAAttack, RMIAAttack, ShadowAttack, StackedAttack, ThresholdAttack
from mia_sklearn.cli import main

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3))
Y = np.arange(80) % 2
FRAME = pd.DataFrame(X, columns=["age", "height", "weight"])
TRAIN, TEST = slice(40), slice(40, 80)


class Model(LogisticRegression):
    """A model whose training can be forbidden."""


MODEL = Model().fit(X[TRAIN], Y[TRAIN])
FRAME_MODEL = Model().fit(FRAME[TRAIN], Y[TRAIN])


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    def fit(self, X, y, sample_weight=None):
        raise AssertionError("a model was trained before the input was checked")

    monkeypatch.setattr(Model, "fit", fit)


def with_value(table, value):
    table = table.copy()
    table[3, 1] = value
    return table


def labels(*changed):
    y = Y[TRAIN].astype(object)
    y[: len(changed)] = changed
    return y


def constant(*row):
    """A function that answers the same for every record."""
    return lambda X: np.tile(row, (len(X), 1))


TWO_NAMES = FRAME.set_axis(["age", "age", "height"], axis=1)


def on_frames(**changes):
    given = {"model": FRAME_MODEL, "X_train": FRAME[TRAIN], "X_test": FRAME[TEST]}
    return given | changes


def function(answer, **changes):
    return {"model": answer, "classes": [0, 1], "estimator": Model()} | changes


def prefit():
    return CalibratedClassifierCV(FrozenEstimator(MODEL))


# name: (what is given instead of the good arguments, what the error must say)
CASES = {
    # The model.
    "unfitted": ({"model": Model()}, "model is not fitted: call fit"),
    "unfitted pipeline": (
        {"model": make_pipeline(StandardScaler(), Model())},
        "model is not fitted: call fit",
    ),
    "class": ({"model": Model}, "model must be a fitted classifier, got the class Model"),
    "clusters": (
        {"model": KMeans(2, n_init=1).fit(X)},
        "model must be a fitted classifier with classes_, got KMeans",
    ),
    "transformer": ({"model": StandardScaler().fit(X)}, "model must be a fitted classifier"),
    "no model": ({"model": None}, "model must be a fitted classifier or a function"),
    "path": ({"model": "model.skops"}, "model must be a fitted classifier or a function.* str"),
    "several outputs": (
        {"model": MultiOutputClassifier(DecisionTreeClassifier()).fit(X, np.stack([Y, Y], 1))},
        "y_train must have one column for each output of the model",
    ),
    # The records.
    "train lengths": ({"y_train": Y[:39]}, "X_train and y_train must have one row.* 40 and 39"),
    "test lengths": ({"y_test": Y[:39]}, "X_test and y_test must have one row .* 40 and 39"),
    "one feature, flat": ({"X_train": X[TRAIN, 0]}, r"X_train must be a table.*reshape\(-1, 1\)"),
    "label columns": ({"y_test": np.zeros((40, 2))}, "y_test must have one label per record"),
    "no train records": ({"X_train": X[:0], "y_train": Y[:0]}, "X_train holds no records"),
    "no test records": ({"X_test": X[:0], "y_test": Y[:0]}, "X_test holds no records"),
    "fewer features": ({"X_train": X[TRAIN, :2]}, "X_train has 2 features, .* fitted on 3"),
    "more features": ({"X_test": X[TEST][:, [0, 1, 2, 0]]}, "X_test has 4 features, .* on 3"),
    "missing column": (
        on_frames(X_train=FRAME[TRAIN].drop(columns="age")),
        "X_train has other columns .*missing: age",
    ),
    "unknown column": (
        on_frames(X_test=FRAME[TEST].assign(shoe=1)),
        "X_test has other columns .*not known to it: shoe.*Give the columns",
    ),
    "renamed column": (
        on_frames(X_test=FRAME[TEST].rename(columns={"age": "Age"})),
        "X_test .*missing: age; not known to it: Age",
    ),
    "order of columns": (
        on_frames(X_test=FRAME[TEST][["weight", "age", "height"]]),
        r"X_test has the model's columns in another order; use X_test\[model.feature_names_in_\]",
    ),
    "frame and array": (on_frames(X_test=X[TEST]), "X_train and X_test must be tables of one kind"),
    "sparse and dense": ({"X_test": sparse.csr_matrix(X[TEST])}, "must be tables of one kind"),
    "missing value": ({"X_train": with_value(X[TRAIN], np.nan)}, "X_train.*NaN"),
    "missing test value": ({"X_test": with_value(X[TEST], np.nan)}, "X_test.*NaN"),
    "infinite value": ({"X_test": with_value(X[TEST], np.inf)}, "X_test.*infinity"),
    "text for numbers": (
        {"X_test": with_value(X[TEST].astype(object), "tall")},
        "X_train and X_test hold float64 and object.*read both in the same way",
    ),
    "text in a frame": (
        on_frames(X_test=FRAME[TEST].assign(age="old")),
        "'age' of X_train and X_test hold float64 and .*read both in the same way",
    ),
    "unknown train label": ({"y_train": labels(7)}, "y_train holds labels .*: 7. It knows 0, 1"),
    "unknown test label": ({"y_test": labels("yes")}, "y_test holds labels .*: yes.*Drop these"),
    "labels as text": (
        {"y_train": Y[TRAIN].astype(str)},
        "y_train holds labels of another.*as '0'",
    ),
    "missing label": ({"y_train": labels(0, None)}, "y_train has no label in row 1; drop"),
    "NaN label": ({"y_test": labels(0, 1, np.nan)}, "y_test has no label in row 2; drop"),
    "one class": ({"y_train": Y[TRAIN] * 0}, "y_train holds one class only, 0: nothing"),
    "two columns of a name": (
        {"X_train": TWO_NAMES[TRAIN], "X_test": TWO_NAMES[TEST]},
        "X_train has several columns named 'age': rename all but one",
    ),
    "a group by one of two columns": (
        {"X_train": TWO_NAMES[TRAIN], "X_test": TWO_NAMES[TEST], "groups": "age"},
        "X_train has several columns named 'age': rename all but one",
    ),
    "test is train": (
        {"X_test": X[TRAIN], "y_test": Y[TRAIN]},
        "X_test holds no record that is not in X_train.*Give records",
    ),
    # The options.
    "one reference": ({"n_references": 1}, "n_references must be at least 2"),
    "minus three references": ({"n_references": -3}, "n_references must be at least 0"),
    "half a reference": ({"n_references": 2.5}, "n_references must be a whole number"),
    "references in words": ({"n_references": "16"}, "n_references must be a whole number"),
    "split": ({"split": "lucky"}, 'split must be "random", "other" or None'),
    "release": ({"release": "rumours"}, "release must be one of labels, posteriors, weights"),
    "confidence of one": ({"confidence": 1}, "confidence. must .*between 0 and 1"),
    "confidence in percent": ({"confidence": 95}, "confidence. must .*between 0 and 1"),
    "confidence in words": ({"confidence": "high"}, "confidence. must .*between 0 and 1"),
    "confidence NaN": ({"confidence": np.nan}, "confidence. must .*between 0 and 1"),
    "three records": ({"max_records": 3}, "max_records must be at least 20"),
    "share of records": ({"max_records": 0.5}, "max_records must be a whole number"),
    "minus one query": ({"n_queries": -1}, "n_queries must be at least 0"),
    "queries alone": (
        {"n_queries": 2, "n_references": 0},
        "n_queries needs reference models.*n_references > 0",
    ),
    "queries of sparse records": (
        {
            "X_train": sparse.csr_matrix(X[TRAIN]),
            "X_test": sparse.csr_matrix(X[TEST]),
            "n_queries": 2,
        },
        "n_queries perturbs dense tables only; pass X.toarray",
    ),
    "random state": ({"random_state": "lucky"}, "random_state must be None, a .* got 'lucky'"),
    "negative random state": ({"random_state": -1}, "random_state must .*from 0 .* got -1"),
    "large random state": ({"random_state": 2**40}, r"from 0 to 2\*\*32 - 1.* got 1099511627776"),
    "a digit as random state": ({"random_state": "0"}, "random_state must .* got '0'"),
    "a fraction as random state": ({"random_state": 1.0}, r"random_state must .* got 1\.0"),
    "truth as random state": ({"random_state": True}, "random_state must .* got True"),
    "generator as random state": (
        {"random_state": np.random.default_rng(0)},
        r"random_state must .* got a Generator: give int\(rng.integers",
    ),
    "seed sequence as random state": (
        {"random_state": np.random.SeedSequence(0)},
        r"random_state must .* got a SeedSequence: give int\(seeds.gen",
    ),
    "no jobs": ({"n_jobs": 0}, "n_jobs must be None, a whole number of at least 1.* got 0"),
    "jobs in words": ({"n_jobs": "x"}, "n_jobs must be None, .* got 'x'"),
    "truth as jobs": ({"n_jobs": True}, "n_jobs must be None, .* got True"),
    # Attacks.
    "unknown attack": ({"attacks": "telepathy"}, "Unknown attack 'telepathy'.*choose from .*lira"),
    "unknown attack in a list": ({"attacks": ["lira", "rima"]}, "Unknown attack 'rima'"),
    "no attacks": ({"attacks": []}, "attacks is empty: give"),
    "an attack twice": ({"attacks": ["lira", "lira"]}, "attacks names 'lira' twice; give pairs"),
    "an attack's class": ({"attacks": [LiRAAttack]}, "attacks must hold names or attacks"),
    "no attack": ({"attacks": [Model()]}, "attacks must hold names or attacks"),
    "a number as attack": ({"attacks": 3}, "attacks must hold names or attacks"),
    "attack without references": (
        {"attacks": "lira", "n_references": 0},
        "'lira' needs reference models: give n_references",
    ),
    "unknown signal": ({"attacks": [ThresholdAttack("aura")]}, "signal.*aura"),
    "unknown mode": ({"attacks": [LiRAAttack(mode="asleep")]}, "'mode'.*asleep"),
    "negative gamma": ({"attacks": [("r", RMIAAttack(gamma=-1.0))]}, "'gamma'"),
    "top of nothing": ({"attacks": [ShadowAttack(top_k=0)]}, "'top_k'"),
    "stack of nothing": ({"attacks": [StackedAttack("boosting")]}, "'estimator'"),
    # Slices.
    "unknown slice": (on_frames(slices="planet"), "slices names the column 'planet'.*age"),
    "slice of an array": ({"slices": "age"}, "slices names the column 'age'.*Give a dict"),
    "slices in a generator": ({"slices": (k for k in "ab")}, "slices must be the name of a column"),
    "slices by a function": (
        {"slices": len},
        "a dict from a name to one value per record, got a b",
    ),
    "slices in a table": ({"slices": np.zeros((80, 2))}, "slices must be the name of a column"),
    "short slice": ({"slices": {"sex": ["f"] * 40}}, r"slices\['sex'\] has 40 values; .*: 80"),
    "slices of one": (
        {"slices": {"name": [f"name {k}" for k in range(80)]}},
        "'name' has 80 values, too many.*Group them",
    ),
    # Functions as models.
    "function without classes": (
        {"model": MODEL.predict_proba, "estimator": Model()},
        "plain function needs classes=",
    ),
    "function without estimator": (
        {"model": MODEL.predict_proba, "classes": [0, 1]},
        "references need estimator=.*n_references=0 does without",
    ),
    "classes twice": (function(MODEL.predict_proba, classes=[0, 0]), "classes must be a list of"),
    "small budget": (
        function(MODEL.predict_proba, query_budget=60),
        "query_budget allows 60 queries; .*Raise query_budget, or audit fewer",
    ),
    "no budget": (function(MODEL.predict_proba, query_budget=0), "query_budget must be at least 1"),
    "budget too small for copies": (
        function(MODEL.predict_proba, query_budget=100, n_queries=2),
        "query_budget allows 100 queries; .*Raise query_budget",
    ),
    "budget of a model": ({"query_budget": 100}, "query_budget counts the queries of a plain func"),
    "answers too narrow": (
        function(constant(0.5, 0.5), classes=[0, 1, 2]),
        r"returned shape \(40, 2\); expected .*40, 3",
    ),
    "answers too few": (function(lambda X: np.full((3, 2), 0.5)), r"returned shape \(3, 2\)"),
    "labels as answers": (function(MODEL.predict), r"returned shape \(40,\); expected"),
    "sums": (function(constant(0.5, 0.6)), r"sum to 1 in each row; row 0 sums to 1\.1"),
    "zeros": (function(constant(0.0, 0.0)), "sum to 1 in each row; row 0 sums to 0"),
    "NaN": (function(constant(0.5, np.nan)), "hold NaN, first in row 0"),
    "negative": (function(constant(-0.5, 1.5)), "non-negative and sum to 1"),
    "log-posteriors": (function(MODEL.predict_log_proba), "non-negative and sum to 1"),
    # What references train.
    "estimator class": ({"estimator": Model}, r"estimator must be an instance.*Pass Model\(\)"),
    "estimator regressor": (
        {"estimator": LinearRegression()},
        "estimator must be a classifier, as",
    ),
    "estimator name": ({"estimator": "forest"}, "estimator must be a model or a function"),
    "frozen": (
        {"model": FrozenEstimator(MODEL)},
        "stays fitted when it is cloned.*Pass .*estimator=",
    ),
    "prefit": ({"estimator": prefit()}, "stays fitted when it is cloned.*estimator="),
    "short weights": (
        {"fit_params": {"sample_weight": np.ones(40)}},
        r"fit_params\['sample_weight'\] has 40 entries; .*give 40 \+ 40",
    ),
    "weights of a function": (
        {"estimator": lambda X, y, seed: None, "fit_params": {"sample_weight": np.ones(80)}},
        "fit_params are passed to an estimator's fit.*Drop fit_params",
    ),
    "nothing to learn from": (
        {"attacks": ["shadow"], "n_references": 0},
        "'shadow' learns from records whose membership is known.*n_references of at least 2",
    ),
    "thresholds to learn": (
        {"attacks": [("own", ThresholdAttack(per_class=True))], "n_references": 0},
        "'own' learns from records whose membership is known",
    ),
    "unknown fit parameter": (
        {"fit_params": {"sample_weights": np.ones(80)}},
        "sample_weights is to be passed to fit of Model, which does not take it",
    ),
    "fit parameters in a list": ({"fit_params": [1, 2]}, "fit_params must be a dict"),
}


def call(**changes):
    given = {
        "model": MODEL,
        "X_train": X[TRAIN],
        "y_train": Y[TRAIN],
        "X_test": X[TEST],
        "y_test": Y[TEST],
        "n_references": 4,
        "n_jobs": 1,
        "random_state": 0,
        "progress": False,
    }
    return audit(**given | changes)


def test_the_good_case_trains():
    with pytest.raises(RuntimeError, match="a model was trained"):
        call()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_audit_refuses(name):
    changes, message = CASES[name]
    with pytest.raises((ValueError, TypeError)) as error:
        call(**changes)
    assert re.search(message, str(error.value).replace("\n", " ")), error.value


def test_audit_refuses_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("here first")
    for cache in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises((ValueError, OSError), match="cache"):
            call(cache=cache)


# -- The steps -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def references():
    return ReferenceModels(DecisionTreeClassifier(), n_models=4, random_state=0).fit(X, Y)


OBSERVE = {
    "unfitted": ({"model": Model()}, "model is not fitted"),
    "lengths": ({"y": Y[:3]}, "X and y must have one row per record"),
    "no records": ({"X": X[:0], "y": Y[:0]}, "X holds no records"),
    "unknown label": ({"y": Y + 5}, "y holds labels that the model does not know: 5, 6"),
    "record not in the pool": ({"X": with_value(X, 9.0)}, "Record 3 of X .*is not in the pool"),
    "label not in the pool": ({"y": 1 - Y}, "Record 0 of X .with its label. is not in the pool"),
    "record asked twice": (
        {"X": np.vstack([X, X[:1]]), "y": np.append(Y, Y[:1])},
        "Record 80 of X",
    ),
    "rows of others": ({"rows": np.arange(80)[::-1]}, "Record 0 of X is not record 79"),
    "rows out of range": ({"rows": np.arange(80) + 1}, "rows must lie between 0 and 79"),
    "rows too few": ({"rows": [1, 2]}, "rows must hold one integer per record of X, 80"),
    "rows of floats": ({"rows": np.arange(80.0)}, "rows must hold one integer"),
    "part of the pool": ({"X": X[:9], "y": Y[:9], "neighbors": 3}, "neighbors= needs the whole"),
    "copies never answered": ({"n_queries": 2}, "n_queries=2.*fit ReferenceModels"),
}


@pytest.mark.parametrize("name", OBSERVE)
def test_observe_refuses(references, name):
    changes, message = OBSERVE[name]
    given = {"model": MODEL, "X": X, "y": Y, "references": references} | changes
    with pytest.raises(ValueError, match=message):
        observe(given.pop("model"), given.pop("X"), given.pop("y"), **given)


@pytest.mark.parametrize("options", [{"neighbors": 3}, {"n_queries": 3}])
def test_observe_needs_references_for_more_columns(options):
    with pytest.raises(ValueError, match="need references="):
        observe(MODEL, X, Y, **options)


@pytest.mark.parametrize(
    ("attack", "missing"),
    [
        (LiRAAttack(), "'out' by observe.*references=ReferenceModels"),
        (RMIAAttack(), "'out' by observe.*references=ReferenceModels"),
        (StackedAttack(), "'out' by observe.*references=ReferenceModels"),
        (StackedAttack(pool_features=True), r"'neighbor' by observe\(.*neighbors=6"),
    ],
)
def test_attacks_say_which_columns_are_missing_and_how_to_get_them(attack, missing):
    with pytest.raises(ValueError, match=f"{type(attack).__name__} needs columns.*{missing}"):
        attack.fit(observe(MODEL, X, Y), Y)


# -- The report ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "position"),
        ("auc", "position"),
        ("auc <", "position"),
        ("auc < high", "position"),
        ("auc << 0.6", "position"),
        ("f1 < 0.6", "unknown metric 'f1'"),
        ("tpr <= 0.05", "tpr@0.01"),
        ("tpr@2 <= 0.05", "between 0 and 1"),
        ("oracle:auc <= 0.6", "'oracle' is not part of this audit"),
        ("auc < 0.6 or True", "position"),
    ],
)
def test_conditions_are_refused(make_report, condition, message):
    with pytest.raises(ValueError, match=message):
        make_report().check(condition)


@pytest.mark.parametrize("given", [["auc <= 0.6"], ("auc <= 0.6", "auc < 1"), 0.6, None])
def test_conditions_of_other_types_are_refused(make_report, given):
    with pytest.raises(
        TypeError, match=r"must be a text such as .*, of a list report.check\(\*con"
    ):
        make_report().check(given)


def test_references_refuse_before_training():
    for name, value in (("n_jobs", "x"), ("n_jobs", 0), ("random_state", np.random.default_rng())):
        with pytest.raises(ValueError, match=f"{name} must be None, a whole number"):
            ReferenceModels(Model(), 2, **{name: value}).fit(X, Y)


def test_report_folders_that_cannot_be_used(make_report, tmp_path):
    (tmp_path / "file").write_text("here first")
    with pytest.raises(OSError, match="file"):
        make_report().save(tmp_path / "file")
    with pytest.raises((ValueError, OSError), match="nowhere"):
        AuditReport.load(tmp_path / "nowhere")


# -- The command line ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    skops.io.dump(LogisticRegression().fit(FRAME[TRAIN], Y[TRAIN]), folder / "model.skops")
    skops.io.dump(FrozenEstimator(LogisticRegression().fit(X, Y)), folder / "frozen.skops")
    skops.io.dump(LogisticRegression(), folder / "unfitted.skops")
    skops.io.dump(LinearRegression(), folder / "regressor.skops")
    (folder / "file").write_text("here first")
    whole = FRAME.assign(ill=Y)
    tables = {
        "train": whole[TRAIN],
        "test": whole[TEST],
        "gaps": whole[TEST].assign(age=np.nan),
        "words": whole[TEST].assign(age="old"),
        "narrow": whole[TEST].drop(columns="age"),
        "strange": whole[TEST].assign(ill=5),
        "one_class": whole[TRAIN].assign(ill=1),
        "none": whole[:0],
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


COMMANDS = {
    "no model": ({"model": "nowhere.skops"}, "nowhere.skops is not a file"),
    "unfitted": ({"model": "unfitted.skops"}, "model is not fitted"),
    "frozen": ({"model": "frozen.skops"}, "stays fitted when it is cloned"),
    "no estimator": ({"estimator": "nowhere.skops"}, "nowhere.skops is not a file"),
    "other estimator": ({"estimator": "regressor.skops"}, "estimator must be a classifier"),
    "no train file": ({"train": "nowhere.csv"}, "nowhere.csv is not a file"),
    "target": ({"target": "sick"}, "--target 'sick' is no column"),
    "gaps": ({"test": "gaps.csv"}, "X_test.*NaN"),
    "words": ({"test": "words.csv"}, "record 1 holds 'old' in column 'age', which is not a number"),
    "narrow": ({"test": "narrow.csv"}, "lacks columns that the model was fitted on: 'age'"),
    "strange": ({"test": "strange.csv"}, "y_test holds labels that the model does not know: 5"),
    "one class": ({"train": "one_class.csv"}, "y_train holds one class only"),
    "empty": ({"test": "none.csv"}, "holds no records"),
    "test is train": ({"test": "train.csv"}, "X_test holds no record that is not in X_train"),
    "one reference": ({"references": "1"}, "n_references must be at least 2"),
    "few records": ({"max-records": "3"}, "max_records must be at least 20"),
    "queries": ({"queries": "-1"}, "n_queries must be at least 0"),
    "attack": ({"attacks": "telepathy"}, "Unknown attack 'telepathy'"),
    "confidence": ({"confidence": "95"}, "confidence. must"),
    "slice": ({"slices": "planet"}, "--slices 'planet' is no column"),
    "slices and commas": ({"slices": "age,label"}, "Put spaces between names: --slices age label"),
    "condition": ({"fail-if": "auc > high"}, "position"),
    "cache": ({"cache": "file"}, "cache"),
    "output": ({"output": "file"}, "--output .* is a file"),
}


def test_attacks_parted_by_commas_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["audit", "--attacks", "lira,rmia"])
    assert "'lira,rmia': put spaces between names, lira rmia" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_command_line_refuses(folder, name, capsys, monkeypatch):
    def fit(*args, **kwargs):
        raise AssertionError("a model was trained before the input was checked")

    monkeypatch.setattr(LogisticRegression, "fit", fit)
    monkeypatch.chdir(folder)
    changes, message = COMMANDS[name]
    good = {"model": "model.skops", "train": "train.csv", "test": "test.csv", "target": "ill"}
    given = good | {"references": "4", "jobs": "1"} | changes
    arguments = [part for option, value in given.items() for part in (f"--{option}", value)]
    assert main(["audit", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert re.search(message, printed.err.replace("\n", " ")), printed.err


def test_the_order_of_train_test_split_is_told():
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    model = LogisticRegression().fit(X[:20], y[:20])
    with pytest.raises(
        ValueError,
        match=r"y_train is a table.* and X_test is none: the arguments come in the order",
    ):
        audit(model, X[:20], X[20:], y[:20], y[20:], progress=False)
