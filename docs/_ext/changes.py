"""What has changed since the last release, from the files of `changes/`, above the changelog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHANGES = Path(__file__).parents[2] / "changes"


def lately() -> str:
    """Return a section with the notes of `changes/`, by their kind; empty where there are none."""
    kinds: dict[str, list[str]] = {"added": [], "changed": [], "fixed": []}
    for path in sorted(CHANGES.glob("*.*.md")):
        kinds[path.name.split(".")[-2]].append(" ".join(path.read_text("utf-8").split()))
    parts = [
        f"### {kind.capitalize()}\n\n" + "\n".join(f"- {note}" for note in notes)
        for kind, notes in kinds.items()
        if notes
    ]
    return "\n\n".join(["## Lately", *parts]) + "\n\n" if parts else ""


def _add(app: Any, docname: str, source: list[str]) -> None:
    if docname == "changelog":
        source[0] = source[0].replace("<!-- lately -->\n", lately())


def setup(app: Any) -> dict[str, bool]:
    """Add when the page is read."""
    app.connect("source-read", _add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
