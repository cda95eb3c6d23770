"""Write THIRD_PARTY_NOTICES.md: the licences of all Rust crates that are compiled into the wheel.

Run it after a change of Cargo.lock; `--check` only tells whether the file is up to date.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTICES = ROOT / "THIRD_PARTY_NOTICES.md"
# Where there is a choice of licences, the first of these files is the one chosen.
LICENCE_FILES = ("LICENSE-MIT", "LICENSE", "LICENSE.md", "LICENSE.txt", "LICENSE-APACHE")
PREFACE = """\
# Third-party notices

The compiled part of mia-sklearn contains the Rust crates below, and parts of Rust's standard
library (https://github.com/rust-lang/rust, MIT OR Apache-2.0, the Rust Project contributors; its
text is the one that `libc` has below). mia-sklearn itself is under the BSD-3-Clause licence in
LICENSE.

"""


def _cargo(*arguments: str) -> str:
    return subprocess.run(
        ["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def compiled_crates() -> list[dict]:
    """Return cargo's description of each crate in the wheel, for any platform."""
    tree = _cargo(
        *("tree", "--locked", "--target=all", "--edges=normal,no-proc-macro", "--no-dedupe"),
        *("--prefix=none", "--features=pyo3/extension-module", "--format={p}"),
    )
    compiled = {tuple(line.split()[:2]) for line in tree.splitlines()}
    packages = json.loads(_cargo("metadata", "--locked", "--format-version=1"))["packages"]
    return [
        package
        for package in packages
        if package["source"] and (package["name"], f"v{package['version']}") in compiled
    ]


def _licence_text(package: dict) -> str:
    folder = Path(package["manifest_path"]).parent
    for name in LICENCE_FILES:
        if (folder / name).exists():
            text = (folder / name).read_text(encoding="utf-8")
            return "\n".join(line.rstrip() for line in text.strip().splitlines())
    raise SystemExit(f"{package['name']} has no licence file; find its text and add it by hand.")


def notices() -> str:
    """Return the text of the notices: a table of crates, then each licence once."""
    crates = sorted(compiled_crates(), key=lambda package: package["name"])
    lines = ["| crate | version | licence | source |", "| --- | --- | --- | --- |"]
    texts = defaultdict(list)
    for package in crates:
        licence = package["license"].replace("/", " OR ")
        lines.append(
            f"| {package['name']} | {package['version']} | {licence} | {package['repository']} |"
        )
        texts[_licence_text(package)].append(package["name"])
    for text, names in texts.items():
        lines += ["", f"## {', '.join(names)}", "", "```", text, "```"]
    return PREFACE + "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if notices() != NOTICES.read_text(encoding="utf-8"):
            sys.exit(f"{NOTICES.name} is out of date: run python tools/{Path(__file__).name}")
    else:
        NOTICES.write_text(notices(), encoding="utf-8")
