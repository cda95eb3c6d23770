import pickle
from pkgutil import resolve_name
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, ReferenceModels
from mia_sklearn.cli import main
from mia_sklearn.cli._files import features_for
from mia_sklearn.cli._read_tables import read_tables
from mia_sklearn.cli._reading import Reading
from mia_sklearn.disclosure._registry import INFERENCES

pytestmark = pytest.mark.usefixtures("few_rounds", "no_pictures")

LABELS = np.array(["<=50K", ">50K"])


def people(n, seed):
    """Records whose label is noise: a grown tree memorises them and learns nothing."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "age": rng.normal(40, 12, n).round(3),
            "city": rng.choice(["Ulm", "Bonn", "Köln"], n),
            "income": rng.choice(LABELS, n),
        }
    )


def memoriser():
    encode = make_column_transformer((OneHotEncoder(), ["city"]), ("passthrough", ["age"]))
    return make_pipeline(encode, DecisionTreeClassifier(random_state=0))


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Files of an audit: a pipeline on raw columns, and plain arrays with a linear model."""
    folder = tmp_path_factory.mktemp("case")
    train, test = people(450, 0), people(450, 1)
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    model = memoriser().fit(train[["age", "city"]], train["income"])
    skops.io.dump(model, folder / "model.skops")
    joblib.dump(model, folder / "model.joblib")
    (folder / "model.pkl").write_bytes(pickle.dumps(model))

    X, y = np.random.default_rng(0).normal(size=(300, 3)), np.arange(300) % 2
    np.savez(folder / "train.npz", X=X[:150], y=y[:150])
    np.savez(folder / "test.npz", X=X[150:], y=y[150:])
    skops.io.dump(LogisticRegression().fit(X[:150], y[:150]), folder / "linear.skops")
    return folder


@pytest.fixture
def run(case, capsys):
    """Run the command line in the case's words; `{case}` and `{tmp}` are filled in by tests."""

    def run_(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        printed = capsys.readouterr()
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return run_


def arguments(case, **changes):
    """The arguments of a good audit of the memoriser, with some replaced; None drops one."""
    given = {
        "model": case / "model.skops",
        "train": case / "train.csv",
        "test": case / "test.csv",
        "target": "income",
        "references": 4,
        "attacks": "threshold",
        "jobs": 1,
    }
    given.update({name.replace("_", "-"): value for name, value in changes.items()})
    flat = ["audit"]
    for name, value in given.items():
        if value is True:
            flat.append(f"--{name}")
        elif value is not None:
            for each in value if isinstance(value, list) else [value]:
                flat += [f"--{name}", each]
    return flat


def linear(case, **changes):
    options = {
        "model": case / "linear.skops",
        "train": case / "train.npz",
        "test": case / "test.npz",
        "target": None,
    }
    return arguments(case, **(options | changes))


# -- What an audit prints, writes and answers ------------------------------------------------


def test_audit_of_a_pipeline_on_raw_columns(case, run, tmp_path):
    result = run(*arguments(case, output=tmp_path / "out"))
    assert result.code == 0
    report = AuditReport.load(tmp_path / "out")
    assert result.out.startswith(report.verdict)
    assert set(report.records["label"]) == set(LABELS)
    assert (tmp_path / "out" / "index.html").stat().st_size > 10_000
    assert str(tmp_path / "out" / "index.html") in result.out


def test_a_part_of_the_records_is_audited(case, run, tmp_path):
    assert run(*linear(case, max_records=60, output=tmp_path)).code == 0
    info = AuditReport.load(tmp_path).info
    assert (info["n_members"], info["n_nonmembers"]) == (30, 30)


def test_exit_codes_follow_the_interval(case, run):
    holds = run(*arguments(case, fail_if="auc > 0.55", quiet=True))
    assert (holds.code, "FAILED --fail-if auc > 0.55: auc of" in holds.out) == (1, True)
    assert holds.out.endswith("\ngate: FAILED (exit 1)\n")
    violated = run(*arguments(case, fail_if="auc < 0.55", quiet=True, strict=True))
    assert (violated.code, "PASSED --fail-if auc < 0.55: auc of" in violated.out) == (0, True)
    assert violated.out.endswith("\ngate: PASSED (exit 0)\n")


def test_what_cannot_be_excluded_fails_only_with_strict(case, run):
    # A linear model of noise remembers a little: the interval of the AUC is .51 to .64.
    lenient = run(*linear(case, fail_if="auc > 0.58", quiet=True))
    assert (lenient.code, "UNDECIDED --fail-if auc > 0.58: auc" in lenient.out) == (0, True)
    assert lenient.out.endswith("\ngate: UNDECIDED (exit 0; --strict makes it 3)\n")
    strict = run(*linear(case, fail_if="auc > 0.58", quiet=True, strict=True))
    assert strict.code == 3
    assert strict.out.endswith("\ngate: UNDECIDED (exit 3)\n")


def test_one_condition_that_holds_fails_among_others(case, run):
    result = run(*arguments(case), "--fail-if", "auc > .55", "--fail-if", "auc < .55", "--quiet")
    assert result.code == 1
    assert "97.5 %" in result.out  # Two conditions share the error of one.


def test_quiet_prints_the_verdict_alone(case, run):
    result = run(*arguments(case, quiet=True))
    assert len(result.out.splitlines()) == 1
    assert result.err == ""


@pytest.mark.thorough
def test_equal_seeds_give_equal_numbers(case, run, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(*arguments(case, output=tmp_path / name, seed=seed, attacks="lira"))
    scores = {name: AuditReport.load(tmp_path / name).records["lira"] for name in "abc"}
    assert scores["a"].equals(scores["b"])
    assert not scores["a"].equals(scores["c"])


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl"])
def test_pickles_load_when_trusted(case, run, name):
    assert run(*arguments(case, model=case / name, trust=True, quiet=True)).code == 0


@pytest.mark.parametrize("kind", ["csv.gz", "parquet"])
def test_other_files_of_the_same_records_give_the_same_verdict(case, run, tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    changes = {}
    for name in ("train", "test"):
        frame, path = pd.read_csv(case / f"{name}.csv"), tmp_path / f"{name}.{kind}"
        changes[name] = path
        if kind == "parquet":
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False)
    same = run(*arguments(case, quiet=True, **changes))
    assert same.out == run(*arguments(case, quiet=True)).out


def test_estimator_replaces_a_clone_of_the_model(case, run, tmp_path):
    skops.io.dump(memoriser(), tmp_path / "unfitted.skops")
    result = run(*arguments(case, estimator=tmp_path / "unfitted.skops", quiet=True))
    assert result.code == 0


def test_an_audit_without_references(case, run, monkeypatch):
    monkeypatch.setattr(ReferenceModels, "fit", _forbidden)
    result = run(*arguments(case, references=0, attacks=None, fail_if="auc > 0.55", quiet=True))
    assert result.code == 1


def test_slices_are_reported_apart(case, run, tmp_path):
    run(*arguments(case, slices="city", output=tmp_path / "out"))
    slices = set(AuditReport.load(tmp_path / "out").metrics["slice"])
    assert len(slices) == 4
    assert any("Köln" in name for name in slices)


def test_cache_is_used_again(case, run, tmp_path, monkeypatch):
    first = run(*arguments(case, cache=tmp_path / "cache", quiet=True))
    monkeypatch.setattr(DecisionTreeClassifier, "fit", _forbidden)
    again = run(*arguments(case, cache=tmp_path / "cache", quiet=True))
    assert (again.code, again.out) == (0, first.out)


def test_interrupt_tells_that_the_cache_is_kept(case, run, tmp_path, monkeypatch):
    monkeypatch.setattr(ReferenceModels, "fit", _interrupted)
    result = run(*arguments(case, cache=tmp_path))
    assert result.code == 130
    assert "Finished reference models are in the cache" in result.err


def test_a_defect_is_not_mistaken_for_a_failed_condition(case, run, monkeypatch):
    monkeypatch.setattr(ReferenceModels, "fit", lambda *_, **__: {}["defect"])
    result = run(*arguments(case, fail_if="auc > 0.5"))
    assert result.code == 2
    assert "KeyError: 'defect'" in result.err


def test_traceback_shows_where_an_error_arose(case, run):
    assert "Traceback" in run(*arguments(case, target="wage"), "--traceback").err


def test_attacks_are_listed_with_their_needs(run):
    result = run("attacks")
    assert result.code == 0
    line = next(line for line in result.out.splitlines() if line.startswith("lira"))
    assert "black-box" in line
    assert "out" in line
    for inference in INFERENCES:
        assert callable(resolve_name(inference.path))
        assert inference.where in result.out


@pytest.mark.thorough
def test_demo_writes_a_report_that_finds_the_leak(run, tmp_path, monkeypatch):
    X, y = load_digits(return_X_y=True)  # Fewer of them take less time, and leak more.
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda **_: (X[:400], y[:400]))
    result = run("demo", "--output", tmp_path)
    report = AuditReport.load(tmp_path)
    assert result.code == 0
    assert report.verdict in result.out
    assert report.check("auc > 0.6").outcome == "pass"


# -- Bad input -------------------------------------------------------------------------------


def _forbidden(*args, **kwargs):
    raise AssertionError("a model was trained before the input was checked")


def _interrupted(*args, **kwargs):
    raise KeyboardInterrupt


def refuses(result, message):
    """One clear line on standard error, nothing printed, exit code 2."""
    assert message in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert result.code == 2


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(ReferenceModels, "fit", _forbidden)


untrained = pytest.mark.usefixtures("no_training")


BAD_OPTIONS = {
    "model missing": ({"model": "nowhere.skops"}, "nowhere.skops is not a file"),
    "train missing": ({"train": "nowhere.csv"}, "nowhere.csv is not a file"),
    "test missing": ({"test": "nowhere.csv"}, "nowhere.csv is not a file"),
    "target not named": ({"target": None}, "with --target"),
    "target unknown": ({"target": "wage"}, "--target 'wage' is no column"),
    "unknown attack": ({"attacks": "crystal_ball"}, "crystal_ball"),
    "one reference": ({"references": 1}, "n_references"),
    "confidence": ({"confidence": 1.5}, "confidence"),
    "no jobs": ({"jobs": 0}, "-1 for all cores"),
    "seed": ({"seed": -1}, "--seed"),
    "slice unknown": ({"slices": "planet"}, "planet"),
    "release": ({"release": "telepathy"}, "--release"),
    "split": ({"split": "lucky"}, "--split"),
    "epsilon alone": ({"dp": 1}, "--dp: expected 2 arguments"),
    "references in words": ({"references": "many"}, "--references"),
    "strict alone": ({"strict": True}, "--strict needs a condition"),
    "condition without number": ({"fail-if": "auc >"}, "position"),
    "condition of nothing": ({"fail-if": ""}, "position"),
    "condition unknown metric": ({"fail-if": "f1 > 0.5"}, "unknown metric 'f1'"),
    "condition without level": ({"fail-if": "tpr > 0.5"}, "tpr@0.01"),
    "condition level": ({"fail-if": "tpr@2 > 0.5"}, "between 0 and 1"),
    "condition attack": ({"fail-if": "lira:auc > 0.5"}, "'lira' is not part of this audit"),
    **{
        f"empty {name}": ({name: text}, f"--{name}: the path={text!r} names no folder or file")
        for name in ("cache", "output", "model", "train", "test", "estimator")
        for text in ("", " ")
    },
    "condition code": ({"fail-if": "__import__('os') > 0"}, "unknown metric"),
}


@untrained
@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(case, run, name):
    changes, message = BAD_OPTIONS[name]
    refuses(run(*arguments(case, **changes)), message)


@untrained
@pytest.mark.parametrize("trusted", [None, "os.system"])
def test_types_of_others_are_named(case, run, tmp_path, trusted):
    skops.io.dump(FunctionTransformer(np.load), tmp_path / "model.skops")
    result = run(*arguments(case, model=tmp_path / "model.skops", trust_type=trusted))
    refuses(result, "add: --trust-type numpy.load")


@untrained
@pytest.mark.parametrize("name", ["model.joblib", "model.pkl"])
def test_pickles_need_trust(case, run, name):
    refuses(run(*arguments(case, model=case / name)), "add --trust")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was run",))


def test_an_untrusted_pickle_is_never_run(case, run, tmp_path):
    for name in ("bomb.pkl", "bomb.skops"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        assert run(*arguments(case, model=tmp_path / name)).code == 2


@untrained
@pytest.mark.parametrize("name", ["damaged.skops", "damaged.joblib", "damaged.pickle"])
def test_damaged_models(case, run, tmp_path, name):
    (tmp_path / name).write_bytes((case / "model.skops").read_bytes()[:500])
    refuses(run(*arguments(case, model=tmp_path / name, trust=True)), "could not be loaded")


@untrained
@pytest.mark.parametrize("name", ["model", "model.h5", "model.onnx"])
def test_models_of_other_kinds(case, run, tmp_path, name):
    (tmp_path / name).write_bytes(b"weights")
    refuses(run(*arguments(case, model=tmp_path / name)), "a model is read from .skops")


@untrained
def test_a_model_that_is_not_fitted(case, run, tmp_path):
    skops.io.dump(memoriser(), tmp_path / "unfitted.skops")
    refuses(run(*arguments(case, model=tmp_path / "unfitted.skops")), "fitted")


@untrained
def test_a_model_that_is_neither_a_classifier_nor_a_regressor(case, run, tmp_path):
    skops.io.dump(KMeans(1, n_init=1).fit(np.zeros((4, 3))), tmp_path / "clusters.skops")
    refuses(run(*linear(case, model=tmp_path / "clusters.skops")), "classifier")


@untrained
def test_a_regressor_is_not_released_by_its_labels(case, run, tmp_path):
    X = np.zeros((4, 3))
    skops.io.dump(LinearRegression().fit(X, X[:, 0]), tmp_path / "regressor.skops")
    given = linear(case, model=tmp_path / "regressor.skops")
    refuses(run(*given, "--release", "labels"), "predictions, weights for a regressor")


@untrained
def test_something_that_is_no_model(case, run, tmp_path):
    skops.io.dump([1, 2, 3], tmp_path / "list.skops")
    refuses(run(*arguments(case, model=tmp_path / "list.skops")), "list")


BAD_TABLES = {
    "empty.csv": (b"", "could not be read"),
    "header.csv": (b"age,city,income\n", "holds no records"),
    "binary.csv": (bytes(range(128, 256)), "could not be read"),
    "truncated.csv.gz": (b"\x1f\x8b\x08", "could not be read"),
    "unlabelled.csv": (b"age,city,income\n3,Ulm,>50K\n4,Ulm,\n", "1 of 2 records have no label"),
    "narrow.csv": (b"city,income\nUlm,>50K\n", "lacks columns that the model was fitted on: 'age'"),
    "unknown.csv": (b"age,city,income\n3,Ulm,medium\n", "medium"),
    "damaged.parquet": (b"PAR1", "damaged.parquet"),
    "damaged.npz": (b"PK\x03\x04", "could not be read"),
    "table.xlsx": (b"PK", "records are read from .csv"),
    "table": (b"", "records are read from .csv"),
}


@untrained
@pytest.mark.parametrize("which", ["train", "test"])
@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables(case, run, tmp_path, name, which):
    content, message = BAD_TABLES[name]
    (tmp_path / name).write_bytes(content)
    refuses(run(*arguments(case, **{which: tmp_path / name})), message)


NUMBERS = np.zeros((4, 3))
BAD_ARRAYS = {
    "no labels": ({"X": NUMBERS}, "has no array 'y'"),
    "no features": ({"y": np.arange(4)}, "must hold the features in an array 'X'"),
    "ambiguous": ({"y": np.arange(4), "a": NUMBERS, "b": NUMBERS}, "in an array 'X'"),
    "lengths": ({"X": NUMBERS, "y": np.arange(3)}, "4 rows of features but 3 labels"),
    "two label columns": ({"X": NUMBERS, "y": np.zeros((4, 2))}, "one dimension"),
    "flat features": ({"X": np.zeros(4), "y": np.arange(4)}, "two or more"),
    "objects": ({"X": np.array([[{}]]), "y": np.arange(1)}, "plain arrays"),
    "too few features": ({"X": NUMBERS[:, :2], "y": np.arange(4) % 2}, "3"),
    "missing values": ({"X": NUMBERS * np.nan, "y": np.arange(4) % 2}, "NaN"),
    "no records": ({"X": NUMBERS[:0], "y": np.arange(0)}, "holds no records"),
}


@untrained
@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays(case, run, tmp_path, name):
    arrays, message = BAD_ARRAYS[name]
    np.savez(tmp_path / "test.npz", **arrays)
    refuses(run(*linear(case, test=tmp_path / "test.npz")), message)


@untrained
def test_output_that_is_a_file(case, run, tmp_path):
    (tmp_path / "out").write_text("here first")
    refuses(run(*arguments(case, output=tmp_path / "out")), "is a file")


def test_cache_that_is_a_file(case, run, tmp_path):
    (tmp_path / "cache").write_text("here first")
    refuses(run(*arguments(case, cache=tmp_path / "cache")), "cache")


def test_no_command(run):
    assert run().code == 2


# -- How files become inputs -----------------------------------------------------------------


def test_columns_come_in_the_models_order_without_others(case):
    frame = people(5, 0)
    model = memoriser().fit(frame[["city", "age"]], frame["income"])
    assert list(features_for(model, frame, case).columns) == ["city", "age"]


def test_a_model_fitted_on_an_array_is_given_one(case):
    frame = people(5, 0)[["id", "age"]]
    model = LogisticRegression().fit(frame.to_numpy(), [0, 1, 0, 1, 0])
    assert isinstance(features_for(model, frame, case), np.ndarray)


def test_a_model_that_counts_no_features_is_given_the_frame(case):
    frame = people(5, 0)
    assert features_for(SimpleNamespace(), frame, case) is frame


@pytest.mark.parametrize(
    ("labels", "kind"), [([1, 2], "i"), (["a", "b"], "U"), ([True, False], "b"), ([0.5, 1.5], "f")]
)
def test_labels_keep_their_kind(tmp_path, labels, kind):
    pd.DataFrame({"x": [0, 1], "y": labels}).to_csv(tmp_path / "t.csv", index=False)
    [(_, y)], _ = read_tables([tmp_path / "t.csv"], SimpleNamespace(), Reading(target="y"))
    assert (y.dtype.kind, y.tolist()) == (kind, labels)


def test_the_only_other_array_holds_the_features(tmp_path):
    np.savez(tmp_path / "t.npz", pixels=NUMBERS, digit=np.arange(4))
    [(X, y)], _ = read_tables([tmp_path / "t.npz"], SimpleNamespace(), Reading(target="digit"))
    assert (X.shape, y.tolist()) == ((4, 3), [0, 1, 2, 3])
