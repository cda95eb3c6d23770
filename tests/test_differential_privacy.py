"""Differential privacy by diffprivlib under audit: what is found stays below what is stated."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from mia_sklearn import audit

EXAMPLE = Path(__file__).parents[1] / "examples" / "differential_privacy.py"


def test_the_audit_finds_no_more_than_is_stated(capsys, monkeypatch):
    try:
        import diffprivlib.models  # noqa: F401
    except ImportError as error:
        pytest.skip(f"diffprivlib cannot be imported beside this scikit-learn: {error}")
    fewer = {"n_references": 2, "controls": False}
    monkeypatch.setattr(
        "mia_sklearn.audit", lambda *args, **options: audit(*args, **options | fewer)
    )
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    rows = [re.findall(r"inf|\d+\.?\d*", line) for line in capsys.readouterr().out.splitlines()[1:]]
    stated, accuracy, auc, low, _, found = zip(*(map(float, row) for row in rows), strict=True)
    assert stated == (1, 10, 100, float("inf"))
    assert all(bound <= epsilon for bound, epsilon in zip(found, stated, strict=True))
    # Without privacy there is something to find, and a model worth the name.
    assert low[-1] > 0.5
    assert found[-1] > 0
    assert auc[-1] == max(auc)
    assert accuracy[-1] > 0.8
    assert accuracy[0] < 0.2


def test_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffprivlib", None)
    monkeypatch.setitem(sys.modules, "diffprivlib.models", None)
    with pytest.raises(SystemExit, match=r"^diffprivlib cannot be imported: pip install[^\n]*$"):
        runpy.run_path(str(EXAMPLE), run_name="__main__")
