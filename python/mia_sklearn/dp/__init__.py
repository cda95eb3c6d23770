"""Whether a claim of differential privacy can be refuted."""

from ._audit_dp import audit_dp

__all__ = ["audit_dp"]
