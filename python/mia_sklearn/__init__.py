"""The membership-inference privacy audit for scikit-learn models."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from ._audit import audit
    from ._models._predictors import FunctionRegressor
    from ._models._targets import FunctionTarget
    from ._observe import observe, observe_cascade, top_posteriors
    from ._synthesis import synthesize
    from .dp import audit_dp
    from .references import ReferenceModels
    from .report import AuditReport, DPAuditReport
    from .structural import structural_risk
    from .synthetic import audit_synthetic

# Loaded at first use: importing the package costs no more than importing scikit-learn. The
# modules of functions are private, since `mia_sklearn.audit` can be one thing only.
_HOMES = {
    "AuditReport": "report",
    "DPAuditReport": "report",
    "FunctionRegressor": "_models._predictors",
    "FunctionTarget": "_models._targets",
    "ReferenceModels": "references",
    "audit": "_audit",
    "audit_dp": "dp",
    "audit_synthetic": "synthetic",
    "observe": "_observe",
    "observe_cascade": "_observe",
    "structural_risk": "structural",
    "synthesize": "_synthesis",
    "top_posteriors": "_observe",
}

__all__ = [
    "AuditReport",
    "DPAuditReport",
    "FunctionRegressor",
    "FunctionTarget",
    "ReferenceModels",
    "audit",
    "audit_dp",
    "audit_synthetic",
    "observe",
    "observe_cascade",
    "structural_risk",
    "synthesize",
    "top_posteriors",
]


# What is decided and why is logged below this name; nothing is shown unless the user asks for it.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
