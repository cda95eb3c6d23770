"""What an audit of a synthetic table refuses, before it takes long."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mia_sklearn import audit_synthetic, synthetic
from mia_sklearn.cli import main
from mia_sklearn.synthetic._asked import asked_of
from mia_sklearn.synthetic._tables import check_tables
from synthetic_tables import people

TABLES = {"synthetic": people(120, 0), "X_train": people(130, 1), "X_control": people(110, 2)}


@pytest.fixture(autouse=True)
def nothing_long(monkeypatch):
    def long(*args, **options):
        pytest.fail("work began")

    monkeypatch.setattr(synthetic._audit_synthetic, "singling_out", long)


def refused(match, *, options=None, **changed):
    with pytest.raises(ValueError, match=match):
        audit_synthetic(**TABLES | changed, **options or {})


@pytest.mark.parametrize("name", list(TABLES))
def test_tables_of_another_shape(name):
    table = TABLES[name]
    refused(rf"{name} has 99 rows: rates of fewer than 100", **{name: table[:99]})
    refused(rf"{name} holds no records", **{name: table[:0]})
    same = pd.concat([table[:1]] * 150)
    refused(rf"All rows of {name} are equal", **{name: same})
    other = "X_train has other columns|X_control has other columns|synthetic has other columns"
    refused(other, **{name: table.drop(columns="job")})
    refused(other, **{name: table.rename(columns={"job": "work"})})
    refused(r"in another order: give \w+\[X_train.columns\]", **{name: table[table.columns[::-1]]})


def test_columns_are_named():
    refused(
        "synthetic has other columns than X_train: it lacks 'job'; it alone has 'work'",
        synthetic=TABLES["synthetic"].rename(columns={"job": "work"}),
    )
    refused(
        "X_control has other columns than X_train: it lacks 'age'",
        X_control=TABLES["X_control"].drop(columns="age"),
    )


def test_what_is_no_table():
    refused("sparse matrix: give synthetic.toarray", synthetic=sparse.eye(120))
    refused("X_train holds texts", X_train=["a text of some words"] * 120)
    refused("must both be data frames", X_control=np.zeros((120, 6)))
    arrays = {name: np.random.default_rng(0).normal(size=(120, 2, 3)) for name in TABLES}
    refused("must have two dimensions", **arrays)
    refused("has no columns", synthetic=TABLES["synthetic"][[]])
    refused(
        "several columns named 'job'", synthetic=TABLES["synthetic"].rename(columns={"town": "job"})
    )


@pytest.mark.parametrize("name", list(TABLES))
def test_columns_of_another_type(name):
    table = TABLES[name]
    refused(r"Column 'age' holds .*texts", **{name: table.assign(age="forty")})
    refused(r"Column 'job' holds .*numbers", **{name: table.assign(job=1.5)})
    refused(
        r"Column 'since' holds .*texts", **{name: table.assign(since=table["since"].astype(str))}
    )


def test_columns_in_other_units_or_words():
    table = TABLES["synthetic"]
    refused(
        r"Column 'age' lies between -3.*in the same units",
        synthetic=table.assign(age=np.linspace(-3, 3, 120)),
    )
    refused(
        r"Column 'job' has no category in common: synthetic holds 'B', .* and others, X_train 'b'",
        synthetic=table.assign(job=table["job"].str.upper()),
    )
    refused("Complex data not supported: column 'age'", synthetic=table.assign(age=1j))


def test_words_that_nobody_shares_may_be_names():
    tables = [
        table.assign(town=[f"{k} {n}" for k in range(len(table))])
        for n, table in enumerate(TABLES.values())
    ]
    with pytest.raises(pytest.fail.Exception, match="work began"):
        audit_synthetic(*tables)


def test_secrets_and_known_columns():
    one_town = TABLES["X_train"].assign(town="1")
    refused(
        "The secret 'town' has one value only in X_train",
        X_train=one_town,
        options={"secrets": "town"},
    )
    refused(
        "'job' is among secrets and among aux_columns",
        options={"secrets": ["job"], "aux_columns": ["age", "job"]},
    )
    refused(
        "'job' is among secrets and among aux_columns",
        options={"secrets": ["job"], "aux_columns": (["age"], ["job"])},
    )
    refused(
        "secrets: 'jobs' is no column of the tables; they have 'income'",
        options={"secrets": "jobs"},
    )
    refused("aux_columns: 'jobs' is no column", options={"aux_columns": ["jobs"]})
    refused("aux_columns names 'job' twice", options={"aux_columns": ["job", "job", "age"]})
    refused("'age' is in both", options={"aux_columns": (["age", "job"], ["age"])})
    refused("one of them is empty", options={"aux_columns": (["age"], [])})
    refused("aux_columns is empty", options={"aux_columns": []})
    alone = {name: table[["age"]] for name, table in TABLES.items()}
    refused("'age' is the only column", **alone, options={"secrets": "age"})


@pytest.mark.parametrize(
    "known",
    [
        ("age", "job"),
        pd.Index(["age", "job"]),
        np.array(["age", "job"]),
        {"job", "age"},
        (name for name in ("age", "job")),
        (pd.Index(["age"]), ("job",)),
        ("age", ["job"]),
    ],
)
def test_columns_may_be_listed_in_any_way(known):
    asked = asked_of(check_tables(*TABLES.values()), "town", known, None)
    assert (asked.known, asked.halves) == (["age", "job"], (["age"], ["job"]))


def test_columns_with_names_of_several_parts():
    tables = [
        table.set_axis(pd.MultiIndex.from_product([["a"], table]), axis=1)
        for table in TABLES.values()
    ]
    tables = check_tables(*tables)
    asked = asked_of(tables, ("a", "town"), [("a", "age"), ("a", "job")], None)
    assert (asked.secrets, asked.known) == ([("a", "town")], [("a", "age"), ("a", "job")])


def test_lists_of_columns_that_are_none():
    refused("aux_columns must be one list .*: got 3", options={"aux_columns": [["age"]] * 3})
    arrays = dict(zip(TABLES, np.random.default_rng(0).normal(size=(3, 120, 3)), strict=True))
    refused("secrets: True is no column", **arrays, options={"secrets": [True, False, True]})


IDS = 2**60 + np.arange(120)


@pytest.mark.parametrize(
    ("synthetic", "train"),
    [
        (IDS.astype(float), IDS),
        (IDS, IDS.astype(float)),
        (IDS.astype(float), IDS.astype(float)),
        ([0.5, *IDS[1:].tolist()], IDS),
        (np.arange(120, dtype=np.float32), 2**24 + 1 + np.arange(120)),
    ],
)
def test_whole_numbers_that_a_floating_type_makes_one_of(synthetic, train):
    tables = [
        TABLES[name][:110].assign(number=cells[:110])
        for name, cells in (("synthetic", synthetic), ("X_train", train), ("X_control", train))
    ]
    with pytest.raises(ValueError, match=r"Column 'number' holds whole .* --dtype number=str"):
        check_tables(*tables)


@pytest.mark.parametrize("kind", ["int64", "Int64", "uint64", "objects", "decimals", "nanoseconds"])
def test_large_whole_numbers_are_told_apart(kind):
    """Two that differ by 1 are one in float64."""
    made = {
        "int64": pd.Series(IDS),
        "Int64": pd.Series([pd.NA, *IDS[1:]], dtype="Int64"),
        "uint64": pd.Series(IDS.astype(np.uint64) * np.uint64(8)),
        "objects": pd.Series([int(number) * 16 for number in IDS], dtype=object),
        "decimals": pd.Series(list(map(Decimal, IDS.tolist())), dtype=object),
        "nanoseconds": pd.Series(pd.to_datetime(IDS)),
    }
    cells = made[kind]
    tables = check_tables(*[pd.DataFrame({"number": cells})] * 3)
    assert np.diff(tables.train.ranks[1:, 0]).tolist() == [1] * 118
    assert np.diff(tables.train.scaled[1:, 0]) == pytest.approx(1 / 119, rel=0.02)


def test_numbers_are_compared_at_the_coarsest_precision_and_dates_far_away():
    cells = np.random.default_rng(0).normal(size=120).round(2)
    far = [date(9999, 12, 31), *pd.date_range("2020-01-01", periods=119).date]
    sides = [
        pd.DataFrame({"number": kind(cells), "day": far})
        for kind in (np.float32, np.float64, lambda each: [Decimal(str(cell)) for cell in each])
    ]
    tables = check_tables(*sides)
    for side in (tables.train, tables.control):
        np.testing.assert_array_equal(side.ranks, tables.synthetic.ranks)
    assert tables.train.ranks[0, 1] == 119


def test_dates_with_and_without_time_zone():
    since = TABLES["X_train"]["since"].dt.tz_localize("UTC")
    refused(
        "Column 'since' holds dates without time zone in synthetic, dates with time zone in X_tr",
        X_train=TABLES["X_train"].assign(since=since),
    )


@pytest.mark.parametrize("n_attacks", [0, 99, 200.0, True, "all"])
def test_the_number_of_attacks(n_attacks):
    refused("n_attacks must be a whole number of at least 100", options={"n_attacks": n_attacks})


@pytest.mark.parametrize("name", ["confidence", "tolerance"])
@pytest.mark.parametrize("share", [0, 1, 95, "high", None])
def test_shares(name, share):
    refused(f"{name} must lie strictly between 0 and 1", options={name: share})


def test_the_seed():
    refused("random_state must be None, a whole number", options={"random_state": -1})
    refused("random_state must be None, a whole", options={"random_state": "0"})


def test_a_control_that_was_trained_on():
    train = TABLES["X_train"]
    refused("120 of 120 records of X_control are also in X_train", X_control=train[:120])
    mixed = pd.concat([TABLES["X_control"], train[:20]])
    refused(
        r"20 of 130 records of X_control are also in X_train, of whose 130 records 0 occur",
        X_control=mixed,
    )


def test_a_control_that_is_the_training_table_with_all_its_repetitions():
    twice = pd.concat([TABLES["X_train"]] * 2)
    refused("X_control holds the records of X_train", X_train=twice, X_control=twice[::-1])


def test_a_coincidence_is_no_overlap():
    # Where all tables hold the same few rows, everybody's are everywhere.
    tables = [people(150, seed)[["sick", "job"]] for seed in range(3)]
    with pytest.raises(pytest.fail.Exception, match="work began"):
        audit_synthetic(*tables)


def test_the_command_line_names_the_file(tmp_path, capsys):
    paths = {}
    for name, table in TABLES.items():
        paths[name] = tmp_path / f"{name}.csv"
        table.to_csv(paths[name], index=False)
    options = ["--synthetic", paths["synthetic"], "--train", paths["X_train"]]
    missing = [*options, "--control", tmp_path / "none.csv"]
    assert main(["audit-synthetic", *map(str, missing)]) == 2
    assert "none.csv is not a file" in capsys.readouterr().err
    there = [*options, "--control", paths["X_control"]]
    for more, said in (
        (["--secret", "jobs"], "secrets: 'jobs' is no column"),
        (["--aux", "age", "--aux", "job", "--aux", "town"], "--aux may be given once, or twice"),
        (["--fail-if", "linkabilty > .1"], "unknown metric 'linkabilty'"),
        (["--strict"], "--strict needs a condition"),
    ):
        assert main(["audit-synthetic", *map(str, [*there, *more])]) == 2
        assert said in capsys.readouterr().err
