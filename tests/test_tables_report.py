"""Audits of claims and of synthetic tables, saved, read back and shown as a page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mia_sklearn import audit_synthetic
from mia_sklearn.cli import main
from mia_sklearn.report import (
    AuditReport,
    DPAuditReport,
    Finding,
    SyntheticReport,
    load_report,
)
from synthetic_tables import copying


@pytest.fixture(scope="module")
def report():
    return audit_synthetic(*copying(200, 0.4, 0), secrets="sick", n_attacks=100, progress=False)


@pytest.fixture
def claim():
    """Return a report of a claim that nobody audited."""
    rng = np.random.default_rng(0)
    bounds = pd.DataFrame(
        {
            "score": ["loss", "loss"],
            "family": ["pure", "gaussian"],
            "epsilon": [0.25, 1 / 3],
            "refutes": [False, False],
            "decides": [True, False],
            "assumes": ["nothing but the claim", "noise like Gaussian <b>"],
        }
    )
    canaries = pd.DataFrame({"included": [True, False] * 5, "loss": rng.normal(size=10)})
    info = {"estimator": "Noisy", "epsilon": 1.0, "delta": 1e-5, "confidence": 0.95}
    info |= {"family": "pure", "method": "one-run", "n_canaries": 10, "canaries": "mislabelled"}
    info |= {"n_included": 5, "n_fits": 1, "n_records": 40, "neighbours": "adding a record"}
    info |= {"curve": None, "stated": False, "chosen": "as asked for"}
    info |= {"auc": float("nan"), "auc_low": 0.0, "auc_high": 1.0}
    findings = [Finding("FIXED_SEED", "info", "A seed", "It is fixed.", "Leave it out.")]
    return DPAuditReport(bounds, canaries, findings, info)


@pytest.mark.parametrize("records", [True, False])
def test_a_saved_report_is_the_same_when_it_is_read(report, tmp_path, records):
    page = report.save(tmp_path / "a", records=records)
    read = SyntheticReport.load(tmp_path / "a")
    read.save(tmp_path / "b", records=records)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["audit.json", "index.html", *(["records.csv"] if records else [])]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert_frame_equal(read.measures, report.measures, check_exact=True)
    assert read.findings == report.findings
    assert ("copied_rows" in read.info) == records
    assert "80 training records stand in the synthetic table" in page.read_text()
    assert load_report(tmp_path / "a").to_json() == (tmp_path / "a" / "audit.json").read_text()
    if records:
        assert str(read) == str(report)
        assert read.check("auc <= 0.9").outcome == report.check("auc <= 0.9").outcome
    else:
        with pytest.raises(ValueError, match="saved without its records"):
            read.check("auc <= 0.9")
        # Nothing of an earlier list stays.
        report.save(tmp_path / "a")
        report.save(tmp_path / "a", records=False)
        assert not (tmp_path / "a" / "records.csv").exists()


def test_reports_of_another_kind_and_changed_ones_are_refused(report, tmp_path):
    report.save(tmp_path)
    for other in (AuditReport, DPAuditReport):
        with pytest.raises(ValueError, match="is of another kind, synthetic table"):
            other.load(tmp_path)
    kept = tmp_path / "audit.json"
    whole = kept.read_text()
    kept.write_text(whole.replace('"n_train":200', '"n_train":201'))
    with pytest.raises(ValueError, match="damaged or changed"):
        SyntheticReport.load(tmp_path)
    kept.write_text(whole.replace('"format":1', '"format":2'))
    with pytest.raises(ValueError, match="format 2, this version of mia-sklearn reads 1"):
        load_report(tmp_path)
    kept.write_text(whole.replace('"kind":"synthetic"', '"kind":"new"'))
    with pytest.raises(ValueError, match="report of an unknown kind, 'new'"):
        load_report(tmp_path)


@pytest.mark.parametrize("records", [True, False])
def test_an_audit_of_a_claim_is_kept_too(claim, tmp_path, records):
    page = claim.save(tmp_path / "a", records=records)
    read = load_report(tmp_path / "a")
    assert isinstance(read, DPAuditReport)
    read.save(tmp_path / "b")
    for name in ("audit.json", "index.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (str(read), read.epsilon, read.outcome) == (str(claim), 0.25, "not refuted")
    assert (read.canaries is None) == (not records)
    if records:
        assert_frame_equal(read.canaries, claim.canaries, check_exact=True)
    assert "noise like Gaussian &lt;b&gt;" in page.read_text()


def test_the_command_line_reads_them(report, claim, tmp_path, capsys):
    folders = {"table": report, "claim": claim}
    for name, each in folders.items():
        each.save(tmp_path / name)

    def said(*words, code=0):
        assert main([*map(str, words)]) == code
        told = capsys.readouterr()
        return told.out + told.err

    assert "Copied rows of X_train: 0, 1" in said("report", tmp_path / "table")
    assert "Copied rows" not in said("report", tmp_path / "table", "--no-records")
    for name, each in folders.items():
        assert said("report", tmp_path / name, "--format", "json").strip() == each.to_json()
        assert (
            said("report", tmp_path / name, "--format", "md").strip() == each.to_markdown().strip()
        )
        assert "<!DOCTYPE html>" in said("report", tmp_path / name, "--format", "html")
    said("report", tmp_path / "table", "--output", tmp_path / "again", "--no-records")
    assert SyntheticReport.load(tmp_path / "again").records is None
    judged = said("check", tmp_path / "table", "--fail-if", "copies > 0.1", code=1)
    assert judged.startswith("80 training records") and "gate: FAILED" in judged
    refused = said("check", tmp_path / "claim", "--fail-if", "auc > 0.6", code=2)
    assert "is held against its claim alone" in refused
    for option in ("--title", "--baseline"):
        assert "for audits of models" in said("report", tmp_path / "claim", option, "x", code=2)
