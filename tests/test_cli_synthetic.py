"""The command that audits a synthetic table."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mia_sklearn.cli import main
from mia_sklearn.cli._synthetic import _tables
from synthetic_tables import copying


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


def test_findings_are_explained(capsys):
    assert main(["explain", "SYNTHETIC_LINKS", "baseline_not_beaten"]) == 0
    assert "Two halves of a training record" in " ".join(capsys.readouterr().out.split())
