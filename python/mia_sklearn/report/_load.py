"""Reading a saved report of whatever kind."""

from __future__ import annotations

import os

from ._dp_report import DPAuditReport
from ._folder import kind_of
from ._report import AuditReport
from ._synthetic_report import SyntheticReport

__all__ = ["load_report"]


def load_report(
    folder: str | os.PathLike[str],
) -> AuditReport | DPAuditReport | SyntheticReport:
    """Read a saved report of whatever kind its file says.

    Parameters
    ----------
    folder : path
        The folder given to `save`, or the ``audit.json`` in it.

    Returns
    -------
    AuditReport, DPAuditReport or SyntheticReport

    Raises
    ------
    FileNotFoundError
        If there is no ``audit.json`` in the folder.
    ValueError
        If the path is empty, or a file damaged, changed, no report, or of a later version.

    Examples
    --------
    >>> from mia_sklearn.report import load_report
    >>> load_report("evidence").summary  # doctest: +SKIP
    """
    kinds = {"": AuditReport, "dp": DPAuditReport, "synthetic": SyntheticReport}
    return kinds[kind_of(folder)].load(folder)  # type: ignore[attr-defined]
