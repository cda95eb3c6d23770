"""The examples as pages: their order, and the output of those that a build does not run.

An example whose output is kept in `docs/kept` is shown with it and not run: those that need torch,
and those that take long. `tools/keep_outputs.py` makes it.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
COPY = ROOT / "docs" / "_examples"
KEPT = ROOT / "docs" / "kept"


def order() -> list[str]:
    """Return the names of the examples, in the order of their list."""
    return re.findall(r"^\| \[(\w+)\.py\]", (EXAMPLES / "README.md").read_text("utf-8"), re.M)


def place(filename: str) -> int:
    """Return where an example stands."""
    return order().index(Path(filename).stem)


def _copy(app: Any, config: Any) -> None:
    """Run examples in a copy: what they write lies beside it, not in the source tree."""
    COPY.mkdir(exist_ok=True)
    for path in EXAMPLES.glob("*.py"):
        shutil.copyfile(path, COPY / path.name)
    (COPY / "GALLERY_HEADER.rst").write_text(
        "Examples\n========\n\nEach runs by itself, on data that scikit-learn brings. The output "
        "of those that need torch, or take longer than some seconds, was kept from an earlier "
        "run; their pages say so.\n",
        encoding="utf-8",
    )
    kept = "|".join(sorted(path.stem for path in KEPT.glob("*.txt")))
    config.sphinx_gallery_conf["filename_pattern"] = rf"/(?!(?:{kept})\.py)\w+\.py$"


def _show_kept(app: Any, docname: str, source: list[str]) -> None:
    """Add what was kept of an example that is not run."""
    folder, _, name = docname.rpartition("/")
    path = KEPT / f"{name}.txt"
    if folder != "examples" or not path.exists():
        return
    how, _, output = path.read_text(encoding="utf-8").partition("\n")
    shown = "\n".join(f"    {line}".rstrip() for line in output.splitlines())
    picture = KEPT / f"{name}.png"
    drawn = f"\n.. image:: /kept/{name}.png\n" if picture.exists() else ""
    added = f"\nOutput\n------\n\n{how}\n\n.. code-block:: none\n\n{shown}\n{drawn}\n"
    head, mark, foot = source[0].partition("\n.. _sphx_glr_download_")
    source[0] = head + added + mark + foot


def setup(app: Any) -> dict[str, bool]:
    """Copy before the gallery is made; add when its pages are read."""
    app.connect("config-inited", _copy, priority=1)
    app.connect("source-read", _show_kept)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
