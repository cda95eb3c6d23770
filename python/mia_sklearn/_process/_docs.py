"""Where the documentation lies: the one place that knows its address and the names of its pages."""

from __future__ import annotations

__all__ = ["DOCS", "Documented", "finding_page", "guide_page", "number_page"]

DOCS = "https://mia-sklearn.readthedocs.io/en/stable/"


def guide_page(name: str) -> str:
    """Return the address of a page of the guide."""
    return f"{DOCS}{name}.html"


def finding_page(code: str) -> str:
    """Return the address of what is said of a finding."""
    return f"{DOCS}findings.html#{code.lower().replace('_', '-')}"


def number_page(name: str) -> str:
    """Return the address of what is said of a number: a metric, p or q, an interval."""
    return f"{DOCS}numbers.html#{name}"


class Documented:
    """Mixin of estimators: scikit-learn's diagrams link to their pages. Stands before its base."""

    _doc_link_module = "mia_sklearn"
    _doc_link_template = DOCS + "api/generated/{module}.{name}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        kind = type(self)
        # Public names are listed by the package below the root, wherever their files lie.
        return {"module": ".".join(kind.__module__.split(".")[:2]), "name": kind.__name__}
