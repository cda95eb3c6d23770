"""Whether a claim of differential privacy can be refuted."""

from ._audit_dp import audit_dp
from ._refits import RefitsResult, run_refits

__all__ = ["RefitsResult", "audit_dp", "run_refits"]
