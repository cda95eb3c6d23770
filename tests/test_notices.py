"""The third-party notices name what is compiled into the wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "third_party_notices.py"


@pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")
def test_notices_are_up_to_date():
    check = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr
