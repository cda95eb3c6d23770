"""Check that links between the pages of a site lead somewhere: files and places in them.

python tools/check_links.py site
"""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """The links of a page, what it loads, and the names of its places."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("img", "script") and "src" in given:
            self.loaded.append(given["src"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(given["href"])


@cache
def read(path: Path) -> _Page:
    """Return what a page links to and has."""
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def faults(site: Path) -> list[str]:
    """Return the links that lead nowhere, and what would be loaded from elsewhere."""
    wrong = []
    for path in sorted(p for p in site.rglob("*.html") if "_static" not in p.parts):
        page, name = read(path), path.relative_to(site)
        wrong += [f"{name} loads {x} from elsewhere" for x in page.loaded if urlsplit(x).netloc]
        for link in [*page.links, *page.loaded]:
            asked = urlsplit(link)
            if asked.scheme or asked.netloc:
                continue
            target = (path.parent / unquote(asked.path)).resolve() if asked.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                wrong.append(f"{name} links to {link}, which does not exist")
            elif asked.fragment and unquote(asked.fragment) not in read(target).places:
                wrong.append(f"{name} links to {link}, a place that the page does not have")
    return wrong


if __name__ == "__main__":
    found = faults(Path(sys.argv[1]))
    print("\n".join(found))
    sys.exit(1 if found else 0)
