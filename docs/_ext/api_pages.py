"""A page for each public name, made from what the modules say is public.

Which names there are is read from the sources, so that a test knows without Sphinx.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "mia_sklearn"
API = ROOT / "docs" / "api"
# The root first, then what an audit goes through, from the model to the page.
_FIRST = ("", "attacks", "defenses", "selection", "metrics", "plots", "report", "conditions")
_NEEDS_TORCH = """.. note::
   This module needs the extra ``torch``: ``pip install 'mia-sklearn[torch]'``. These pages are made
   without it."""


def public_names() -> dict[str, list[str]]:
    """Return the names of each public module, `__all__` as it is written.

    Returns
    -------
    dict of str to list of str
        By the full name of the module; modules without `__all__` are left out.
    """
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            names = _all_of(ast.parse(path.read_text(encoding="utf-8")))
            if names:
                found[".".join(("mia_sklearn", *parts))] = names
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def homes() -> dict[str, str]:
    """Return the module on whose page each name stands: the first that has it."""
    found: dict[str, str] = {}
    for module, names in public_names().items():
        for name in names:
            found.setdefault(name, module)
    return found


def pages() -> dict[str, str]:
    """Return the text of the pages of the modules, and of their list."""
    modules, home = public_names(), homes()
    texts = {module: _page(module, names, home) for module, names in modules.items()}
    listed = "\n".join(f"   {module}" for module in modules)
    table = "\n".join(f":doc:`{module}`\n   {_summary(module)}\n" for module in modules)
    texts["index"] = (
        f"API reference\n{'=' * 13}\n\n"
        "Each public name has a page. What begins with an underscore is private and may change "
        "with any version. What needs torch says so.\n\n"
        f"{table}\n.. toctree::\n   :hidden:\n\n{listed}\n"
    )
    return texts


def _page(module: str, names: list[str], home: dict[str, str]) -> str:
    here = sorted((name for name in names if home[name] == module), key=str.lower)
    there = ", ".join(f":obj:`{home[name]}.{name}`" for name in names if name not in here)
    parts = [f"{module}\n{'=' * len(module)}", f".. py:module:: {module}", _summary(module)]
    if module == "mia_sklearn.torch":
        parts.append(_NEEDS_TORCH)
    parts.append(f".. currentmodule:: {module}")
    if there:
        parts.append(f"The same as {there}.")
    if here:
        listed = "\n".join(f"   {name}" for name in here)
        parts.append(f".. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{listed}")
    return "\n\n".join(parts) + "\n"


def _source(module: str) -> ast.Module:
    stem = PACKAGE.parent.joinpath(*module.split("."))
    path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _summary(module: str) -> str:
    return (ast.get_docstring(_source(module)) or "").partition("\n\n")[0].replace("\n", " ")


def _all_of(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def _place(module: str) -> tuple[int, str]:
    own = module.partition(".")[2]
    return (_FIRST.index(own) if own in _FIRST else len(_FIRST)), own


def _write(app: Any, config: Any) -> None:
    API.mkdir(exist_ok=True)
    # By name: of pages that a build has not met before it would make none.
    config.autosummary_generate = [f"api/{module}.rst" for module in public_names()]
    for name, text in pages().items():
        path = API / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    shown = {f"{module}.{name}" for name, module in homes().items()}
    for path in (API / "generated").glob("*.rst"):
        if path.stem not in shown:
            path.unlink()  # The page of a name that is gone.


def _of_others(*event: Any) -> bool | None:
    """Leave out members that a class has from scikit-learn, and those that it makes."""
    name, found = event[2:4]
    if name.startswith("_") or (name.startswith("set_") and name.endswith("_request")):
        return True
    function = getattr(found, "fget", None) or getattr(found, "fn", None) or found
    module = getattr(function, "__module__", None)
    if callable(function) and module and module.partition(".")[0] != "mia_sklearn":
        return True
    return None


def _link(app: Any, doctree: nodes.document) -> None:
    """Link public names where pages of the guide write them as code.

    A name alone is one of ours where no word looks like it: capitals, or parts with a line between.
    """
    from docutils import nodes
    from sphinx.addnodes import pending_xref

    names = {name: f"{module}.{name}" for name, module in homes().items()}
    telling = {name: full for name, full in names.items() if re.search("_[a-z]|[A-Z]", name)}
    known = telling | {full: full for full in names.values()}
    known |= {name: names[name] for name in ("audit", "observe")}
    docname = app.env.docname
    if "/" in docname:
        return
    for literal in list(doctree.findall(nodes.literal)):
        target = known.get(literal.astext())
        if target and not isinstance(literal.parent, (nodes.reference, nodes.title)):
            asked = pending_xref(
                "", refdomain="py", reftype="obj", reftarget=target, refdoc=docname, refwarn=True
            )
            literal.replace_self(asked)
            asked += literal


def setup(app: Any) -> dict[str, bool]:
    """Write the pages before Sphinx looks for sources."""
    app.connect("config-inited", _write)
    app.connect("autodoc-skip-member", _of_others)
    app.connect("doctree-read", _link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
