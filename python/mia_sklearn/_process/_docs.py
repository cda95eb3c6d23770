"""Where the documentation lies: the one place that knows its address and the names of its pages."""

from __future__ import annotations

__all__ = ["CLASS_PAGE", "DOCS", "finding_page", "number_page"]

DOCS = "https://mia-sklearn.readthedocs.io/en/stable/"
#: Of a public class; scikit-learn's diagrams fill it in.
CLASS_PAGE = DOCS + "api/generated/{estimator_module}.{estimator_name}.html"


def finding_page(code: str) -> str:
    """Return the address of what is said of a finding."""
    return f"{DOCS}findings.html#{code.lower().replace('_', '-')}"


def number_page(name: str) -> str:
    """Return the address of what is said of a number: a metric, p or q, an interval."""
    return f"{DOCS}numbers.html#{name}"
