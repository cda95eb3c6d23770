"""The fixture that audits models in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ._session import Kept, PrivacySession

if TYPE_CHECKING:
    from ..report import AuditReport

__all__ = ["PrivacyAudit", "privacy_audit"]


class PrivacyAudit:
    """What the fixture ``privacy_audit`` gives: `mia_sklearn.audit`, as a test suite needs it.

    Parameters
    ----------
    session : PrivacySession
        The run of pytest, whose options and cache of references all audits share.

    See Also
    --------
    assert_private : Fails a test unless what was found is within bounds.

    Examples
    --------
    >>> def test_members_are_hard_to_tell(privacy_audit: PrivacyAudit):
    ...     report = privacy_audit(model, X_train, y_train, X_test, y_test)
    ...     assert_private(report, "auc <= 0.6")
    """

    def __init__(self, session: PrivacySession) -> None:
        self._session = session

    def __repr__(self) -> str:
        return "<privacy_audit>"

    def __call__(self, model: Any, *records: Any, **options: Any) -> AuditReport:
        """Audit a model.

        Parameters
        ----------
        model : fitted classifier, regressor or generator, TorchTarget, or function
        *records : X_train, y_train, X_test, y_test
        **options
            As in `mia_sklearn.audit`. Without ``random_state`` the audit has the seed of
            ``--privacy-seed``; without ``cache`` its references are shared with all audits of the
            run, or kept in ``--privacy-cache``; ``progress`` is False.

        Returns
        -------
        AuditReport
            Saved under the name of the test at work, where ``--privacy-report`` says so.
        """
        session = self._session
        name = session.next_name()
        baseline = self._baseline(name)
        if options.get("random_state") is None:
            options["random_state"] = session.options.seed
        report = self._audit(model, *records, **{"progress": False, **options})
        folder = session.options.report
        if folder is not None:
            folder = folder / name
            report.save(folder, records=session.options.records)
            session.tell_folder(folder)
        awaited = session.options.baseline if baseline is None else None
        session.kept[report] = Kept(folder, baseline, awaited)
        return report

    def _audit(self, *given: Any, **options: Any) -> AuditReport:
        from .._audit import audit
        from .._models._fingerprint import NotDescribableError

        if "cache" in options or self._session.options.cache is not None:
            return audit(*given, **{"cache": self._session.options.cache, **options})
        try:
            return audit(*given, cache=self._session.cache, **options)
        except NotDescribableError:
            # Nobody asked for a cache.
            return audit(*given, **options)

    def _baseline(self, name: str) -> AuditReport | None:
        """Return the report that this one is to be held against; None for a new test."""
        path = self._session.options.baseline
        if path is None:
            return None
        if path.is_dir() and not (path / "audit.json").exists():
            path = path / name
            if not (path / "audit.json").exists():
                return None
        from ..report import AuditReport

        return AuditReport.load(path)


@pytest.fixture(scope="session")
def privacy_audit(request: Any) -> PrivacyAudit:
    """Audit a model, as `mia_sklearn.audit` does: ``privacy_audit(model, X_train, ...)``.

    All tests of a run share the reference models (``--privacy-cache DIR`` keeps them for later
    runs); audits without random_state have the seed of ``--privacy-seed``; ``--privacy-report DIR``
    saves each report under the name of the test that was at work, of a wider fixture the first one
    that asked for it. The scope is the session, so that fixtures of any scope can use it.
    """
    return PrivacyAudit(request.config.pluginmanager.get_plugin("mia_sklearn.session"))
