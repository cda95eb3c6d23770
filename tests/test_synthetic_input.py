"""What an audit of a synthetic table refuses, before it takes long."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mia_sklearn import audit_synthetic, synthetic
from mia_sklearn.cli import main
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
