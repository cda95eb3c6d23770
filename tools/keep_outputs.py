"""Keep what examples print and draw, for those that the guide shows and does not run.

    python tools/keep_outputs.py [NAME ...]

Without names, all are run again that have been kept before. Run it where torch is installed; for
`differential_privacy` where diffprivlib works.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
KEPT = ROOT / "docs" / "kept"
# What may explain another output.
PACKAGES = ("scikit-learn", "torch", "skorch", "diffprivlib")


def keep(name: str) -> None:
    """Run an example in an empty folder and keep its output, and its picture if it draws one."""
    tested = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if name.startswith("test_") else []
    command = [sys.executable, *tested, f"{name}.py"]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(EXAMPLES / f"{name}.py", folder)
        ran = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"MPLBACKEND": "agg"},
            check=True,
            capture_output=True,
            text=True,
        )
        pictures = sorted(Path(folder).glob("*.png"))
        for picture in pictures[:1]:
            shutil.copyfile(picture, KEPT / f"{name}.png")
    how = f"Kept from a run of {date.today():%d %B %Y} ({_versions()}); a build does not run it."
    (KEPT / f"{name}.txt").write_text(f"{how}\n{ran.stdout}", encoding="utf-8")


def _versions() -> str:
    said = [f"Python {sys.version_info.major}.{sys.version_info.minor}"]
    for package in PACKAGES:
        try:
            said.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(said)


if __name__ == "__main__":
    for example in sys.argv[1:] or sorted(path.stem for path in KEPT.glob("*.txt")):
        keep(example)
        print(example)
