"""The command that audits a synthetic table."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from mia_sklearn.cli import main
from mia_sklearn.cli._synthetic import _tables
from mia_sklearn.report import SyntheticReport
from synthetic_tables import copying, people


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    options = []
    for name, table in zip(("synthetic", "train", "control"), copying(200, 0.4, 0), strict=True):
        table.to_csv(folder / f"{name}.csv", index=False)
        options += [f"--{name}", str(folder / f"{name}.csv")]
    return ["audit-synthetic", *options, "--no-membership", "--secret", "sick"]


def test_a_table_in_words_and_the_gate(files, tmp_path, capsys):
    junit = tmp_path / "junit.xml"
    gate = ["--fail-if", "copies > 0.1", "--fail-if", "sick:inference > 0.9", "--junit", str(junit)]
    assert main([*files, *gate]) == 1
    told = capsys.readouterr().out
    assert told.startswith("80 training records stand in the synthetic table")
    assert "FAILED --fail-if copies > 0.1: Copies of records is 0.4 above control" in told
    assert told.rstrip().endswith("gate: FAILED (exit 1)")
    names = [case.get("name") for case in ElementTree.parse(junit).iter("testcase")]
    assert names == ["not (copies > 0.1)", "not (sick:inference > 0.9)"]


def test_in_short_and_as_markdown(files, capsys):
    assert main([*files, "--quiet", "--fail-if", "copies > 0.9", "--attacks", "100"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    known = ["--aux", "income,age", "--aux", "job,town"]
    assert main([*files, "--format", "md", *known]) == 0
    told = capsys.readouterr().out
    assert told.startswith("# Privacy risks of a synthetic table: 200 rows")
    assert "by the columns (income, age) as by (job, town)" in told


def test_dates_are_read_as_dates(files):
    args = Namespace(dtype=[], na_values=[], no_default_na=False, sep=None)
    args.decimal, args.thousands = ".", None
    read = _tables([Path(path) for path in files[2:7:2]], args)
    assert {table["since"].dtype.kind for table in read} == {"M"}
    assert {table["town"].dtype.kind for table in read} != {"M"}


def test_files_of_several_kinds_are_read_alike(tmp_path, capsys):
    """Types, the order of columns and words for nothing differ between text files and Parquet."""
    pytest.importorskip("pyarrow")
    sides, jobs = {}, pd.CategoricalDtype(list("abcdefghij"))
    for seed, name in enumerate(("train", "control", "synthetic")):
        table = people(120, [6, seed]).astype({"income": "float32", "job": jobs})
        sides[name] = table.assign(
            code=[f"{number:06d}" for number in np.random.default_rng(seed).integers(0, 99, 120)],
            born=table["since"].dt.date,
            sick=table["sick"].astype("boolean").where(table["age"] > 30),
            word=np.where(table["age"] > 40, "NA", "b"),
        )
    sides["synthetic"].iloc[:9] = sides["train"].iloc[:9]
    sides["train"].to_parquet(tmp_path / "train.parquet")
    sides["control"].to_csv(tmp_path / "control.csv", index=False)
    sides["synthetic"][sides["train"].columns[::-1]].to_csv(tmp_path / "synthetic.csv", index=False)
    words = ["audit-synthetic", "--secret", "sick", "--attacks", "100", "--no-membership"]
    for name, kind in (("train", "parquet"), ("control", "csv"), ("synthetic", "csv")):
        words += [f"--{name}", str(tmp_path / f"{name}.{kind}")]
    assert main(words) == 2
    assert "'code' is text or a number, and nothing says which" in capsys.readouterr().err
    words += ["--dtype", "code=str", "--dtype", "town=str"]
    assert main(words) == 2
    assert "column 'word' holds the text 'NA'" in capsys.readouterr().err
    folder = tmp_path / "kept"
    assert main([*words, "--no-default-na", "--output", str(folder)]) == 0
    assert "9 training records stand in" in capsys.readouterr().out
    assert SyntheticReport.load(folder).info["copied_rows"] == list(range(9))


def test_findings_are_explained(capsys):
    assert main(["explain", "SYNTHETIC_LINKS", "baseline_not_beaten"]) == 0
    assert "Two halves of a training record" in " ".join(capsys.readouterr().out.split())
