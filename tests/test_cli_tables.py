"""How the command line reads files: columns and labels as the model was fitted on them."""

from __future__ import annotations

import datetime
import gzip
import pickle
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport
from mia_sklearn._records._rows import as_table
from mia_sklearn.cli import main
from mia_sklearn.cli._arguments import parser_of
from mia_sklearn.cli._files import features_for
from mia_sklearn.cli._inputs import inputs_of
from mia_sklearn.cli._main import _COMMANDS
from mia_sklearn.cli._read_tables import read_tables
from mia_sklearn.cli._reading import Reading

pytestmark = pytest.mark.usefixtures("few_rounds", "no_pictures")

N = 60
rng = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "zip": rng.choice(["00123", "04109", "1e5"], N),
        "country": rng.choice(["NA", "DE", "null"], N),
        "height": rng.normal(170, 9, N).round(2),
        "vip": rng.choice([True, False], N),
        "children": rng.integers(0, 4, N),
    }
)
LABELS = rng.choice(["01", "02"], N)
NAMES = list(FRAME.columns)
CATEGORIES = FRAME.astype({"zip": "category", "country": "category"})


def encoded(*others, columns=("zip", "country", "children")):
    encoder = make_column_transformer(
        (OneHotEncoder(), list(columns)), *others, remainder="passthrough"
    )
    return make_pipeline(encoder, DecisionTreeClassifier(random_state=0))


def read(path, model, target="y", **options):
    """What the model is given of a file, its labels, and what is said."""
    reading = Reading(target=target, **options)
    [(X, y)], said = read_tables([path], model, reading)
    return features_for(model, X, path, reading), y, said


@pytest.fixture
def written(tmp_path):
    def write(content, name="table.csv"):
        if isinstance(content, pd.DataFrame):
            content.to_csv(tmp_path / name, index=False)
        else:
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return write


MODELS = {
    "columns by name": lambda: encoded().fit(FRAME, LABELS),
    "by position": lambda: encoded(columns=(0, 1, 4)).fit(FRAME, LABELS),
    "by mask": lambda: encoded(columns=(True, True, False, False, True)).fit(FRAME, LABELS),
    "by selector": lambda: make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), make_column_selector(pattern="zip|country")),
            (StandardScaler(), make_column_selector(pattern="height|children")),
            ("passthrough", ["vip"]),
        ),
        DecisionTreeClassifier(random_state=0),
    ).fit(FRAME, LABELS),
    "behind an imputer": lambda: make_pipeline(
        make_column_transformer(
            (
                make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder()),
                ["zip", "country"],
            ),
            remainder="passthrough",
        ),
        RandomForestClassifier(3, random_state=0),
    ).fit(FRAME, LABELS),
    "in a search, calibrated": lambda: CalibratedClassifierCV(
        GridSearchCV(encoded(), {"decisiontreeclassifier__max_depth": [3]}, cv=2), cv=2
    ).fit(FRAME, LABELS),
    "voting": lambda: VotingClassifier([("a", encoded()), ("b", encoded())], voting="soft").fit(
        FRAME, LABELS
    ),
    "a union": lambda: make_pipeline(
        make_column_transformer(
            (FeatureUnion([("a", OneHotEncoder()), ("b", OrdinalEncoder())]), ["zip", "country"])
        ),
        DecisionTreeClassifier(random_state=0),
    ).fit(FRAME, LABELS),
    "by target": lambda: make_pipeline(
        make_column_transformer((TargetEncoder(cv=2), ["zip", "country"])),
        DecisionTreeClassifier(random_state=0),
    ).fit(FRAME, LABELS),
    "a text column": lambda: make_pipeline(
        make_column_transformer((TfidfVectorizer(), "country"), (OneHotEncoder(), ["zip"])),
        DecisionTreeClassifier(random_state=0),
    ).fit(FRAME, LABELS),
    "categories": lambda: HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2).fit(
        CATEGORIES, LABELS
    ),
    "categories by selector": lambda: make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), make_column_selector(dtype_include="category")),
            remainder="passthrough",
        ),
        DecisionTreeClassifier(random_state=0),
    ).fit(CATEGORIES, LABELS),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_a_file_as_it_answers_what_it_was_fitted_on(name, written):
    model = MODELS[name]()
    X, y, _ = read(written(FRAME.assign(y=LABELS)), model)
    original = CATEGORIES if name.startswith("categories") else FRAME
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(original))
    assert y.tolist() == LABELS.tolist()
    for column in ("zip", "country"):
        assert X[column].astype(str).tolist() == FRAME[column].tolist()
        assert (X[column].dtype == "category") == name.startswith("categories")


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_boosted_trees_get_categories(library, written):
    package = pytest.importorskip(library)
    original, y = CATEGORIES, (LABELS == "01").astype(int)
    if library == "lightgbm":
        model = package.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1)
    elif library == "xgboost":
        model = package.XGBClassifier(n_estimators=3, enable_categorical=True)
    else:
        original = FRAME
        model = package.CatBoostClassifier(
            iterations=3, cat_features=["zip", "country"], verbose=0, allow_writing_files=False
        )
    model.fit(original, y)
    X, _, said = read(written(FRAME.assign(y=y)), model)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(original))
    assert "'zip', 'country' as" in said


def test_catboost_that_was_saved_is_given_its_columns(written):
    catboost = pytest.importorskip("catboost")
    table = FRAME[["height", "children"]].assign(y=LABELS)
    for columns in (["height", "children"], None):
        model = catboost.CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False)
        model.fit(table[columns] if columns else table.to_numpy()[:, :2].astype(float), LABELS)
        loaded = pickle.loads(pickle.dumps(model))
        path = written(table[["children", "y", "height"] if columns else list(table)])
        X, _, _ = read(path, loaded)
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(np.asarray(X), table.to_numpy()[:, :2].astype(float))


def test_categories_are_those_of_the_model_in_every_file(written):
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=2).fit(CATEGORIES, LABELS)
    whole = FRAME.assign(y=LABELS)
    paths = [
        written(whole[whole["zip"] == "04109"], "a.csv"),
        written(whole.head(9).assign(country="FR"), "b.csv"),
    ]
    with pytest.warns(UserWarning, match="column 'country': 9 of 9 cells"):
        tables, _ = read_tables(paths, model, Reading(target="y"))
    for X, _ in tables:
        assert X["zip"].cat.categories.tolist() == ["00123", "04109", "1e5"]
        assert X["country"].cat.categories.tolist() == ["DE", "NA", "null", "FR"]


def test_what_was_read_is_said_in_one_line(written):
    _, _, said = read(written(FRAME.assign(y=LABELS)), MODELS["columns by name"]())
    assert said == (
        "Read as the model was fitted: 'zip', 'country' as text, 3 others as numbers, labels as "
        "text."
    )


def test_a_missing_cell_is_missing_where_the_model_met_one(written):
    gaps = FRAME.assign(zip=FRAME["zip"].where(FRAME.index % 5 > 0, None))
    model = encoded().fit(gaps, LABELS)
    text = gaps.assign(y=LABELS).to_csv(index=False, na_rep="N/A")
    X, _, _ = read(written(text), model)
    assert X["zip"].isna().tolist() == gaps["zip"].isna().tolist()
    assert "NA" in set(X["country"])
    # A model that met none keeps what may be a category, and knows an empty cell as missing.
    X, _, _ = read(written(text.replace("N/A", "")), encoded().fit(FRAME, LABELS))
    assert X["zip"].isna().sum() == gaps["zip"].isna().sum()


def test_a_category_that_reads_as_missing_stays_one_beside_missing_cells(written):
    gaps = FRAME.assign(country=FRAME["country"].where(FRAME.index % 5 > 0, None))
    assert "NA" in set(gaps["country"])
    text = gaps.assign(y=LABELS).to_csv(index=False, na_rep="N/A")
    X, _, _ = read(written(text), encoded().fit(gaps, LABELS))
    assert X["country"].isna().tolist() == gaps["country"].isna().tolist()


@pytest.mark.filterwarnings("ignore:.*never saw")
def test_na_is_a_text_where_the_model_met_no_missing_value(written):
    """The model answers what it would have answered to the file read as it was fitted."""
    met = FRAME.assign(country=FRAME["country"].replace("NA", "DE"))
    X, _, _ = read(written(FRAME.assign(y=LABELS)), encoded().fit(met, LABELS))
    assert X["country"].tolist() == FRAME["country"].tolist() and "NA" in set(X["country"])


def test_spaces_around_categories_go_where_the_model_knows_them_without(written):
    text = FRAME.assign(y=LABELS).to_csv(index=False).replace(",", ", ").replace(", y", ",y")
    header, _, rows = text.partition("\n")
    X, y, said = read(written(f"{header.replace(', ', ',')}\n{rows}"), encoded().fit(FRAME, LABELS))
    assert X["country"].tolist() == FRAME["country"].tolist()
    assert y.tolist() == LABELS.tolist()
    assert "Spaces around the cells" in said
    spaced = FRAME.assign(country=" " + FRAME["country"])
    X, _, said = read(written(spaced.assign(y=LABELS)), encoded().fit(spaced, LABELS))
    assert X["country"].tolist() == spaced["country"].tolist()
    assert "Spaces" not in said


UNSEEN = {
    "lower case": (["DE", "FR"], ["de", "fr"], "'de'"),
    "decimals": (["1", "2"], ["1.0", "2.0"], "'1.0'; .*Write them without '.0' as in"),
    "other numbers": ([1, 2], ["10", "20"], "10"),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_cells_that_the_model_never_saw_are_named(name, written):
    values, cells, said = UNSEEN[name]
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["c"]))
    model = make_pipeline(encoder, DecisionTreeClassifier())
    model.fit(pd.DataFrame({"c": values * 10}), [1, 2] * 10)
    rows = "".join(f"{cell},1\n" for cell in cells)
    with pytest.warns(UserWarning, match=f"'c': 2 of 2 cells hold .* never saw, such as {said}"):
        read(written("c,y\n" + rows), model)
    # One in forty is what happens.
    rare = "".join(f"{value},1\n" for value in values * 20)
    read(written(f"c,y\n{rare}{cells[0]},1\n"), model)


@pytest.mark.parametrize("step", [FunctionTransformer(), "passthrough"])
def test_steps_that_do_nothing_hide_no_column(step, written):
    model = make_pipeline(step, encoded()).fit(FRAME, LABELS)
    X, _, _ = read(written(FRAME.assign(y=LABELS)), model)
    assert X["country"].tolist() == FRAME["country"].tolist()
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(FRAME))


NUMBERS = np.arange(12.0).reshape(6, 2)


def fitted_on(*labels):
    return DecisionTreeClassifier(random_state=0).fit(
        pd.DataFrame(NUMBERS, columns=["a", "b"]), np.tile(np.array(labels), 6)[:6]
    )


@pytest.mark.parametrize(
    ("classes", "cells", "expected"),
    [
        (["01", "02"], ["01", "02"], ["01", "02"]),
        (["1", "2"], ["1", "2"], ["1", "2"]),
        ([1, 2], ["1", "2"], [1, 2]),
        ([1, 2], ["1.0", "2"], [1, 2]),
        ([1, 2], ["01", "02"], [1, 2]),
        ([1.0, 2.0], ["1", "2"], [1, 2]),
        ([False, True], ["False", "TRUE"], [False, True]),
        ([False, True], ["0", "1"], [False, True]),
        (["False", "True"], ["False", "True"], ["False", "True"]),
        (["NA", "DE"], ["NA", "DE"], ["NA", "DE"]),
        (["None", "nan"], ["nan", "None"], ["nan", "None"]),
        ([2**53 + 1, 2**53 + 3], [str(2**53 + 1), str(2**53 + 3)], [2**53 + 1, 2**53 + 3]),
        (["a", "b"], [" a", "b "], ["a", "b"]),
    ],
)
def test_labels_come_in_the_type_of_the_classes(classes, cells, expected, written):
    path = written("a,b,y\n" + "".join(f"1,2,{cell}\n" for cell in cells))
    _, y, _ = read(path, fitted_on(*classes))
    assert y.tolist() == expected
    assert [type(label) for label in y.tolist()] == [type(label) for label in expected]


@pytest.mark.parametrize("unit", ["ns", "us", "D"])
def test_labels_that_are_dates_come_as_the_classes_are(unit, tmp_path, written):
    dates = np.array(["2020-01-01", "2021-01-01"], dtype=f"datetime64[{unit}]")
    model = fitted_on(*dates)
    model.classes_ = dates
    table = pd.DataFrame({"a": [1, 3], "b": [2, 4], "y": ["2020-01-01", "2021-01-01"]})
    of_dates = table.assign(y=pd.to_datetime(table["y"]))
    paths = [written(table), tmp_path / "t.npz"]
    if find_spec("pyarrow"):
        of_dates.to_parquet(tmp_path / "t.parquet")
        paths.append(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", X=table[["a", "b"]], y=dates.astype("datetime64[s]"))
    for path in paths:
        y = read(path, model)[1]
        assert (y.dtype, y.tolist()) == (dates.dtype, dates.tolist())
    with pytest.raises(ValueError, match="record 2 has the label '2022-01-01 00:00:00'; the model"):
        read(written("a,b,y\n1,2,2020-01-01\n1,2,2022-01-01\n"), model)
    with pytest.raises(ValueError, match="other labels than dates"):
        read(written("a,b,y\n1,2,first\n"), model)


def test_labels_that_are_dates_of_python(written):
    dates = [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)]
    model = SimpleNamespace(classes_=np.array(dates, dtype=object))
    assert read(written("a,y\n1,2021-01-01\n2,2020-01-01\n"), model)[1].tolist() == dates[::-1]


def test_classes_of_several_types_are_met(written):
    model = SimpleNamespace(classes_=np.array([1, "one"], dtype=object))
    _, y, _ = read(written("a,y\n1,1\n2,one\n"), model)
    assert y.tolist() == [1, "one"]


REFUSED = {
    "thousands": ('a,b,y\n"1,234",2,1\n', {}, "'1,234' in column 'a'.*separators of thousands"),
    "decimal comma": ('a,b,y\n"1,5",2,1\n', {}, "'1,5' in column 'a'.*--decimal ','"),
    "a point beside decimal commas": (
        "a;b;y\n1.234;2;1\n",
        {"sep": ";", "decimal": ","},
        "'1.234' in column 'a'.*Where '.' parts thousands, add --thousands '.'",
    ),
    "thousands in other groups": (
        "a;b;y\n12.34;2;1\n",
        {"sep": ";", "decimal": ",", "thousands": "."},
        "'12.34' in column 'a'.*Write '.' between groups of three digits alone",
    ),
    "no whole number of thousands": (
        "a;b;y\n0.125;2;1\n",
        {"sep": ";", "decimal": ",", "thousands": "."},
        "'0.125' in column 'a'.*Write '.' between groups of three digits alone",
    ),
    "thousands beside other decimals": (
        'a,b,y\n"1,23.5",2,1\n',
        {"thousands": ","},
        "'1,23.5' in column 'a'.*Write ',' between groups",
    ),
    "points part thousands": (
        "a;b;y\n1.234.567;2;1\n",
        {"sep": ";"},
        "'1.234.567' in column 'a'.*add --thousands '.' --decimal ','",
    ),
    "Swiss thousands": ("a,b,y\n1'234,2,1\n", {}, 'Where "\'" parts thousands, add --thousands'),
    "one sign for both": ("a,b,y\n1,2,1\n", {"thousands": "."}, "--thousands and --decimal are bo"),
    "thousands of two signs": ("a,b,y\n1,2,1\n", {"thousands": "00"}, "must be one sign"),
    "European": ("a;b;y\n1,0;2,5;1\n", {}, "add --sep ';' --decimal ','"),
    "European, ragged": ("a;b;y\n1;2;1\n1;2,5;1\n", {}, "add --sep ';'"),
    "currency": ("a,b,y\n1,3022.9 €,1\n", {}, "'3022.9 €' in column 'b'.*without units"),
    "currency in front": ("a,b,y\n$5,1,1\n", {}, "in column 'a'.*without units or signs of curr"),
    "percent": ("a,b,y\n1,-118.168%,1\n", {}, "in column 'b'.*Write percentages as numbers"),
    "question mark": ("a,b,y\n1,?,1\n", {}, "'[?]' in column 'b'.*--na-values '[?]'"),
    "semicolons": ("a;b;y\n1;2;1\n", {}, "parted by ';': add --sep ';'"),
    "tabs": ("a\tb\ty\n1\t2\t1\n", {}, r"parted by '\\t': add --sep"),
    "two of one name": ("a,a,y\n1,2,1\n", {}, "several columns of one name: 'a'"),
    "no header": ("1,2,1\n3,4,2\n", {}, "first line must name the columns"),
    "empty": ("", {}, "could not be read"),
    "blank": ("\n\n", {}, "could not be read"),
    "header alone": ("a,b,y\n", {}, "holds no records"),
    "more cells than names": ("a,b,y\n0,1,2,1\n1,1,2,2\n", {}, "more cells than its first line"),
    "ragged": ("a,b,y\n1,2,1\n1,2,2,3\n", {}, "could not be read.*line 3"),
    "latin-1": ("a,b,y,c\n1,2,1,Köln\n".encode("latin-1"), {}, "it is not UTF-8 text"),
    "utf-16": ("a,b,y\n1,2,1\n".encode("utf-16"), {}, "it is not UTF-8 text"),
    "not zipped": (b"a,b,y\n1,2,1\n", {"name": "t.csv.gz"}, "could not be read"),
    "a word for a label": ("a,b,y\n1,2,one\n", {}, "the label 'one' in 'y'; the model knows '1'"),
    "a label missing": ("a,b,y\n1,2,\n", {}, "1 of 1 records have no label"),
    "dtype of no column": ("a,b,y\n1,2,1\n", {"dtypes": {"c": "str"}}, "--dtype 'c' is no column"),
    "not whole": ("a,b,y\n1.5,2,1\n", {"dtypes": {"a": "int"}}, "not all cells of column 'a'"),
    "not true": ("a,b,y\n5,2,1\n", {"dtypes": {"a": "bool"}}, "'5' in column 'a'.*True or False"),
    "no date": (
        "a,b,y\nx,2,1\n",
        {"dtypes": {"a": "datetime"}},
        "'a' holds other cells than dates",
    ),
    "column missing": ("a,y\n1,1\n", {}, "lacks columns that the model was fitted on: 'b'"),
    "columns by number": ("a,b,y\n1,2,1\n", {"target": "2"}, "--target '2' is no column"),
    "a spreadsheet": (b"PK", {"name": "t.xlsx"}, "records are read from .csv"),
    "lines of JSON": ('{"a": 1}', {"name": "t.jsonl"}, "records are read from .csv"),
    "an array": (b"", {"name": "t.npy"}, "records are read from .csv"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_rightly_is_refused_in_one_sentence(name, written):
    content, options, message = REFUSED[name]
    options = dict(options)
    path = written(content, options.pop("name", "table.csv"))
    with pytest.raises(ValueError, match=message) as refusal:
        read(path, fitted_on(1, 2), **options)
    assert "\n" not in str(refusal.value)


ACCEPTED = {
    "quoted numbers": ('a,b,y\n"1"," 2",1\n"3","4",2\n', {}),
    "a mark of the byte order": ("\ufeffa,b,y\n1,2,1\n3,4,2\n", {}),
    "capitals": ("a,b,y\n1,2,1\n3,4,2\n", {"name": "TABLE.CSV"}),
    "packed": (gzip.compress(b"a,b,y\n1,2,1\n3,4,2\n"), {"name": "T.CSV.GZ"}),
    "tabs": ("a\tb\ty\n1\t2\t1\n3\t4\t2\n", {"name": "t.tsv"}),
    "European": ("a;b;y\n1,0;2;1\n3;4,0;2\n", {"sep": ";", "decimal": ","}),
    "points part thousands": (
        "a;b;y\n1;2,0;1\n3,;+4;2\n",
        {"sep": ";", "decimal": ",", "thousands": "."},
    ),
    "spaces": ("a, b , y\n1, 2, 1\n3, 4, 2\n", {}),
    "an index": (",a,b,y\n0,1,2,1\n1,3,4,2\n", {}),
    "other columns": ("id,a,b,y\n007,1,2,1\n008,3,4,2\n", {}),
    "other order": ("y,b,a\n1,2,1\n2,4,3\n", {}),
    "zeros in front": ("a,b,y\n01,2,1\n3,04,2\n", {}),
    "carriage returns": ("a,b,y\r\n1,2,1\r\n3,4,2\r\n", {}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_files_of_other_habits_hold_the_same_numbers(name, written):
    content, options = ACCEPTED[name]
    options = dict(options)
    path = written(content, options.pop("name", "table.csv"))
    X, y, _ = read(path, fitted_on(1, 2), **options)
    assert (X.to_numpy().tolist(), y.tolist()) == ([[1, 2], [3, 4]], [1, 2])


THOUSANDS = {
    ".": "1.234,5;1.234.567;-12,5e1",
    "'": "1\u2019234,5;1'234'567;-12,5e1",
    " ": "1\u202f234,5;1\u00a0234 567; -12,5e1",
}


@pytest.mark.parametrize("mark", THOUSANDS)
def test_thousands_are_read_where_they_are_said_to_be(mark, written):
    path = written(f"a;b;c;y\n{THOUSANDS[mark]};1\n1234;0;1;2\n")
    table = pd.DataFrame({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, dtype=float)
    for model in (DecisionTreeClassifier().fit(table, [1, 2]), SimpleNamespace(classes_=[1, 2])):
        X, y, _ = read(path, model, sep=";", decimal=",", thousands=mark)
        assert X.to_numpy().tolist() == [[1234.5, 1234567, -125], [1234, 0, 1]]
        assert y.tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"holds '.*' in column '[abc]'"):
        read(path, model, sep=";", decimal=",")


def test_an_index_that_was_written_is_not_a_feature_of_an_array(written):
    model = DecisionTreeClassifier(random_state=0).fit(NUMBERS, [1, 2] * 3)
    X, _, _ = read(written(",a,b,y\n0,1,2,1\n1,3,4,2\n"), model)
    assert X.tolist() == [[1, 2], [3, 4]]


def of_two(written, *tables, model=None, more=()):
    """What a model that knows no names is given of two files."""
    model = model or DecisionTreeClassifier(random_state=0).fit(NUMBERS, [1, 2] * 3)
    train, test = (written(table, f"{place}.csv") for place, table in enumerate(tables))
    skops.io.dump(model, train.parent / "m.skops")
    files = ["--model", train.parent / "m.skops", "--train", train, "--test", test]
    given = ["audit", *map(str, files), "--target", "y", *more]
    return inputs_of(parser_of(dict.fromkeys(_COMMANDS)).parse_args(given))


@pytest.mark.parametrize("test", ["a,b,y\n3,4,1\n", "y,b,a\n1,4,3\n", "b,c,y,a\n4,9,1,3\n"])
def test_a_model_of_an_array_is_given_the_columns_of_the_training_file(test, written, capsys):
    inputs = of_two(written, "a,b,y\n1,2,1\n", test)
    assert (inputs["X_train"].tolist(), inputs["X_test"].tolist()) == ([[1, 2]], [[3, 4]])
    assert "it is given those of 0.csv, in this order, 'a', 'b'." in capsys.readouterr().err


def test_types_of_a_model_of_an_array_go_with_the_names_of_the_training_file(written):
    table = FRAME[["zip", "height"]]
    model = encoded(columns=(0,)).fit(table.to_numpy(dtype=object), LABELS)
    table = table.assign(y=LABELS)
    inputs = of_two(written, table, table[["y", "height", "zip"]], model=model)
    assert inputs["X_train"].tolist() == inputs["X_test"].tolist()
    assert inputs["X_test"][0, 0] == FRAME["zip"][0]


def test_columns_of_two_names_are_not_taken_for_each_other(written):
    with pytest.raises(
        ValueError, match=r"those of 0\.csv; another file lacks 'b' and has 'a', 'B'"
    ):
        of_two(written, "a,b,y\n1,2,1\n", "a,B,y\n3,4,1\n")


def test_people_of_a_model_of_an_array(written):
    inputs = of_two(
        written, "a,who,b,y\n1,x,2,1\n", "b,y,a,who\n4,1,3,z\n", more=["--groups", "who"]
    )
    assert (inputs["X_test"].tolist(), inputs["groups"].tolist()) == ([[3, 4]], ["x", "z"])


@pytest.mark.parametrize("as_array", [False, True])
def test_whole_numbers_that_were_objects_are_objects(as_array, written):
    table = FRAME[["children", "zip"]].astype(object)
    given = table.to_numpy() if as_array else table
    model = make_pipeline(OneHotEncoder(), DecisionTreeClassifier(random_state=0))
    model.fit(given, LABELS)
    X, _, _ = read(written(table.assign(y=LABELS)), model)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(given))


def test_an_empty_text_beside_other_columns_is_a_text(written):
    texts = np.where(np.arange(N) % 3 == 0, "", np.where(np.arange(N) % 3 == 1, "NA b", "NA"))
    table = FRAME[["height"]].assign(said=texts)
    model = make_pipeline(
        make_column_transformer((TfidfVectorizer(), "said"), ("passthrough", ["height"])),
        DecisionTreeClassifier(random_state=0),
    ).fit(table, LABELS)
    X, _, _ = read(written(table.assign(y=LABELS)), model)
    assert X["said"].tolist() == texts.tolist()
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(table))


def test_a_model_fitted_on_an_array_of_words_is_given_one(written):
    words = FRAME[["zip", "country"]].to_numpy(dtype=object)
    model = make_pipeline(OneHotEncoder(), DecisionTreeClassifier(random_state=0)).fit(
        words, LABELS
    )
    X, _, _ = read(written(FRAME[["zip", "country"]].assign(y=LABELS)), model)
    assert X.tolist() == words.tolist()


def test_a_column_without_any_value_stays_one(written):
    X, _, _ = read(written("a,b,y\n,2,1\n,4,2\n"), fitted_on(1, 2))
    assert np.isnan(X["a"]).all()


def test_truths_with_gaps_are_numbers(written):
    X, _, _ = read(written("a,b,y\nTrue,2,1\n,4,2\nFalse,1,1\n"), fitted_on(1, 2))
    np.testing.assert_array_equal(X["a"], [1, np.nan, 0])


def test_cells_that_hold_nothing_are_named(written):
    path = written("a,b,y\n?,2,1\n3,-,2\n")
    X, _, _ = read(path, fitted_on(1, 2), na_values=["?", "-"])
    assert X.isna().to_numpy().tolist() == [[True, False], [False, True]]
    with pytest.raises(ValueError, match="'NA' in column 'a'"):
        read(written("a,b,y\nNA,2,1\n"), fitted_on(1, 2), default_na=False)


class TestWhereTheModelDoesNotTell:
    model = SimpleNamespace(classes_=np.array([0, 1]))

    def test_what_may_be_text_or_a_number_is_refused(self, written):
        path = written("zip,y\n00123,1\n")
        with pytest.raises(ValueError, match=r"'00123' of column 'zip'.*--dtype zip=str.*Parquet"):
            read(path, self.model)
        assert read(path, self.model, dtypes={"zip": "str"})[0]["zip"].tolist() == ["00123"]
        assert read(path, self.model, dtypes={"zip": "int"})[0]["zip"].tolist() == [123]

    def test_the_rest_is_read_as_it_looks_and_that_is_said(self, written):
        X, _, said = read(written("a,b,c,y\n1,x,1.5,1\n"), self.model)
        assert [dtype.kind for dtype in (X["a"].dtype, X["c"].dtype)] == ["i", "f"]
        assert "does not tell how it was fitted on 'a', 'b': read as they look" in said

    def test_types_are_named(self, written):
        dtypes = {"a": "category", "b": "bool", "c": "datetime", "d": "float"}
        path = written("a,b,c,d,y\nNA,yes,2026-01-31,1,1\n".replace("yes", "True"))
        X, _, _ = read(path, self.model, dtypes=dtypes)
        assert X["a"].tolist() == ["NA"]
        assert X["a"].dtype == "category"
        assert [X[name].dtype.kind for name in "bcd"] == [
            "b",
            "M",
            "f" if False else X["d"].dtype.kind,
        ]
        assert X["c"].iloc[0] == pd.Timestamp("2026-01-31")


@pytest.mark.parametrize("reader", [TfidfVectorizer(), HashingVectorizer(n_features=8)])
def test_texts_are_found_and_read_as_they_stand(reader, written):
    name = "said"
    texts = ["NA", "a b, c", "", "007", " null "]
    model = make_pipeline(reader, DecisionTreeClassifier(random_state=0)).fit(
        [*texts, "b"], [1, 2] * 3
    )
    frame = pd.DataFrame({name: texts, "y": [1, 2, 1, 2, 1]})
    X, y, _ = read(written(frame), model)
    assert X.tolist() == texts
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(texts))
    with pytest.raises(ValueError, match="with --text; the columns are 'id', 'said'"):
        read(written(frame.assign(id=1)[["id", name, "y"]]), model)
    X, _, _ = read(written(frame.assign(id=1)), model, text=name)
    assert X.tolist() == texts
    assert len(y) == 5


@pytest.mark.parametrize(
    ("classes", "y"),
    [
        ([1, 2], np.array(["1", "2"])),
        ([1, 2], np.array([b"1", b"2"])),
        ([1, 2], np.array([[1], [2]])),
        (["1", "2"], np.array([1, 2])),
        (["a", "b"], np.array([b"a", b"b"])),
    ],
)
def test_labels_of_arrays_come_in_the_type_of_the_classes(classes, y, tmp_path):
    np.savez(tmp_path / "t.npz", X=np.ones((2, 2)), y=y)
    assert read(tmp_path / "t.npz", fitted_on(*classes))[1].tolist() == classes


def test_complex_features_are_refused(tmp_path):
    np.savez(tmp_path / "t.npz", X=np.ones((9, 2)) * 1j, y=np.ones(9))
    with pytest.raises(ValueError, match=r"t\.npz: the features are complex numbers"):
        read(tmp_path / "t.npz", fitted_on(1, 2))


def test_texts_of_arrays_and_of_files_with_types(tmp_path):
    model = make_pipeline(TfidfVectorizer(), DecisionTreeClassifier(random_state=0)).fit(
        ["aa bb", "bb cc"], [1, 2]
    )
    np.savez(tmp_path / "t.npz", X=np.array(["bb cc", "aa"]), y=np.array([2, 1]))
    assert read(tmp_path / "t.npz", model)[0].tolist() == ["bb cc", "aa"]
    pytest.importorskip("pyarrow")
    pd.DataFrame({"said": ["bb cc", "aa"], "y": [2, 1]}).to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", model)[0].tolist() == ["bb cc", "aa"]


def test_files_that_hold_types_are_taken_at_their_word(tmp_path):
    pytest.importorskip("pyarrow")
    frame = CATEGORIES.assign(y=LABELS)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_feather(tmp_path / "t.feather")
    model = MODELS["categories"]()
    for name in ("t.parquet", "t.feather"):
        X, y, said = read(tmp_path / name, model)
        pd.testing.assert_frame_equal(X, CATEGORIES)
        assert (y.tolist(), said) == (LABELS.tolist(), "")
    with pytest.raises(ValueError, match="--dtype is for text files"):
        read(tmp_path / "t.parquet", model, dtypes={"zip": "str"})


def test_a_selector_that_would_choose_other_columns_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    FRAME.assign(y=LABELS).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="types of 'country', 'zip' are not those"):
        read(tmp_path / "t.parquet", MODELS["categories by selector"]())


def test_people_and_groups_keep_their_names(written):
    whole = FRAME[["height", "children"]].assign(
        who=["0012", "012"] * (N // 2), code=["NA", "DE"] * (N // 2), age=range(N), y=LABELS
    )
    model = DecisionTreeClassifier(random_state=0).fit(FRAME[["height", "children"]], LABELS)
    reading = Reading(target="y", groups="who", slices=["code", "age"])
    [(X, _)], _ = read_tables([written(whole)], model, reading)
    assert X["who"].tolist() == whole["who"].tolist()
    assert X["code"].tolist() == whole["code"].tolist()
    assert X["age"].tolist() == list(range(N))


# -- Whole audits


def test_a_file_gives_the_numbers_of_the_table_in_memory(tmp_path, capsys):
    rng = np.random.default_rng(1)
    n = 200
    frame = pd.DataFrame(
        {
            "zip": rng.choice(["00123", "04109", "0815"], n),
            "country": rng.choice(["NA", "DE", "null"], n),
            "height": rng.normal(170, 9, n).round(2),
        }
    )
    labels = rng.choice(["01", "02"], n)
    encoder = make_column_transformer(
        (OneHotEncoder(), ["zip", "country"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, DecisionTreeClassifier(random_state=0))
    model.fit(frame[:100], labels[:100])
    skops.io.dump(model, tmp_path / "model.skops")
    for name, side in (("train", slice(100)), ("test", slice(100, None))):
        frame[side].assign(y=labels[side]).to_csv(tmp_path / f"{name}.csv", index=False)
    code = main(
        [
            *("audit", "--model", str(tmp_path / "model.skops"), "--target", "y"),
            *("--train", str(tmp_path / "train.csv"), "--test", str(tmp_path / "test.csv")),
            *("--references", "0", "--jobs", "1", "--output", str(tmp_path / "out")),
        ]
    )
    printed = capsys.readouterr()
    assert (code, "Read as the model was fitted: 'zip', 'country' as text" in printed.err) == (
        0,
        True,
    )
    report = AuditReport.load(tmp_path / "out")
    assert report.info["target_train_accuracy"] == 1.0
    assert set(report.records["label"]) == {"01", "02"}


def test_arrays_of_pyarrow_that_hold_texts_are_lists():
    pa = pytest.importorskip("pyarrow")
    assert as_table(pa.array(["a b", "c"])) == ["a b", "c"]
    assert as_table(pa.chunked_array([["a b"], ["c"]])) == ["a b", "c"]
    with pytest.raises(ValueError, match="must be a table"):
        as_table(pa.array([1, 2]))


@pytest.mark.parametrize("lacking", ["test", "both"])
def test_a_column_that_is_missing_is_named_before_others_are_misread(tmp_path, capsys, lacking):
    frame = pd.DataFrame({"age": [31.5, 40.0] * 20, "zip": ["01234", "99999"] * 20})
    frame = frame.assign(country=["DE", "FR"] * 20, y=[0, 1, 1, 0] * 10)
    columns = ["age", "zip", "country"]
    encode = make_column_transformer((OneHotEncoder(), columns[1:]), remainder="passthrough")
    model = make_pipeline(encode, DecisionTreeClassifier()).fit(frame[columns], frame["y"])
    skops.io.dump(model, tmp_path / "model.skops")
    for name in ("train", "test"):
        kept = frame.drop(columns="zip") if lacking in (name, "both") else frame
        kept.to_csv(tmp_path / f"{name}.csv", index=False)
    files = [f"--{name}={tmp_path / name}.csv" for name in ("train", "test")]
    assert main(["audit", "--model", str(tmp_path / "model.skops"), *files, "--target", "y"]) == 2
    assert "lacks columns that the model was fitted on: 'zip'" in capsys.readouterr().err
