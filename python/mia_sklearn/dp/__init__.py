"""Whether a claimed differential privacy is true."""

from ._refits import RefitsResult, run_refits

__all__ = ["RefitsResult", "run_refits"]
