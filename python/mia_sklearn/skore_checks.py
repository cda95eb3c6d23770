"""Checks for skore: does a report's model answer its training records unlike others?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ._models._kinds import kind_of_estimator
from ._models._predictors import answers_several, predicted_numbers, predicts_numbers
from ._models._targets import class_indices, own_labels
from ._records._targets import as_numbers
from .metrics import roc_auc
from .signals import log_posteriors

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LossGap", "MembershipInference"]


_LEAST = -1e3
# What an audit that shows nothing must rule out to pass, and the rate it must have bounded.
_SMALL_AUC = 0.6
_RATE = 0.01


class _Check:
    """What both share; `skore.Check` is a protocol, so that nothing of skore is imported here."""

    report_types: ClassVar[list[str]] = ["estimator"]
    severity = "issue"

    def _records(self, report: Any) -> tuple[Any, Any, Any, Any]:
        """Return the records that the report's model was trained and tested on."""
        from skore import CheckNotApplicable

        records = report.X_train, report.y_train, report.X_test, report.y_test
        if any(part is None for part in records):
            raise CheckNotApplicable("Training or test records are unavailable.")
        if kind_of_estimator(report.estimator_) not in ("classifier", "regressor"):
            raise CheckNotApplicable("Membership is inferred from classifiers and regressors.")
        return records


class LossGap(_Check):
    """Whether losses alone tell training records from test records: fast.

    Threat model: black-box; the weakest attacker there is, who compares losses (Yeom et al. 2018,
    "Privacy Risk in Machine Learning", adversary 2). Nothing is trained. That it finds nothing is
    no evidence: `MembershipInference` attacks with reference models.

    Parameters
    ----------
    confidence : float, default=0.95
        Of the interval of the AUC, which must lie above .5.

    See Also
    --------
    MembershipInference : The strong attacks.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.skore_checks import LossGap
    >>> X, y = make_classification(400, flip_y=0.2, random_state=0)
    >>> import skore  # doctest: +SKIP
    >>> report = skore.evaluate(DecisionTreeClassifier(), X, y)  # doctest: +SKIP
    >>> report.checks.add([LossGap()])  # doctest: +SKIP
    """

    code = "MIA001"
    title = "Training records have smaller losses"
    docs_url: str | None = None
    slow = False

    def __init__(self, confidence: float = 0.95) -> None:
        self.confidence = confidence

    def check_function(self, report: Any) -> str | None:
        """Compare the losses of the training records with those of the test records.

        Parameters
        ----------
        report : skore.EstimatorReport

        Returns
        -------
        str or None
            What was found; None where the losses do not differ for sure.
        """
        X_train, y_train, X_test, y_test = self._records(report)
        model = report.estimator_
        of_numbers = predicts_numbers(model)
        if not of_numbers and answers_several(model, y_train):
            from skore import CheckNotApplicable

            raise CheckNotApplicable("Losses of several labels are not compared: see MIA002.")
        losses_of = _errors if of_numbers else _losses
        losses = [losses_of(model, X_train, y_train), losses_of(model, X_test, y_test)]
        member = np.repeat([1, 0], [len(each) for each in losses])
        loss = np.concatenate(losses)
        if of_numbers:
            # Outputs have units of their own.
            loss = (loss / np.maximum(loss.std(axis=0), np.finfo(float).tiny)).mean(axis=1)
        auc = roc_auc(member, -loss, confidence=self.confidence)
        if not auc.low > 0.5:
            return None
        return (
            f"By its loss alone a training record is told from a test record with an AUC of "
            f"{auc.value:.3f} ({100 * self.confidence:g} % interval {auc.low:.3f} to "
            f"{auc.high:.3f}, chance 0.5). Attacks with reference models find more: see MIA002."
        )


class MembershipInference(_Check):
    """Whether someone can tell who was in the training set, by an audit: slow.

    It passes where the headline attack shows nothing and the records are enough to say so: the
    upper end of its AUC lies below .6, and the rate at 1 % false alarms has an interval, which
    takes 403 test records. Where they are fewer the check does not apply, and says why.

    Parameters
    ----------
    n_references : int, default=16
        Reference models to train, see `mia_sklearn.audit`.
    random_state : int, default=0
    **options
        Passed to `mia_sklearn.audit`: `groups`, `fit_params`, `cache`, ...

    Attributes
    ----------
    report_ : mia_sklearn.AuditReport
        The audit of the report that was checked last.

    See Also
    --------
    LossGap : Trains nothing.

    Examples
    --------
    >>> from mia_sklearn.skore_checks import LossGap, MembershipInference
    >>> checks = [LossGap(), MembershipInference(n_references=8)]
    >>> report.checks.add(checks)  # doctest: +SKIP
    >>> report.checks.summarize()  # doctest: +SKIP
    """

    code = "MIA002"
    title = "Membership can be inferred"
    docs_url: str | None = None
    slow = True

    def __init__(self, *, n_references: int = 16, random_state: int = 0, **options: Any) -> None:
        self.n_references = n_references
        self.random_state = random_state
        self.options = options

    def check_function(self, report: Any) -> str | None:
        """Audit the report's model.

        Parameters
        ----------
        report : skore.EstimatorReport

        Returns
        -------
        str or None
            The verdict; None where no attack tells training records from others, nothing
            leaves that in doubt, and the records are enough to say so.

        Raises
        ------
        skore.CheckNotApplicable
            If the records are too few to pass anything, or the report has neither a classifier
            nor a regressor, or no training records.
        """
        from skore import CheckNotApplicable

        from ._audit import audit
        from .report._finding import NAMING
        from .report._leak import read_leak

        records = self._records(report)
        self.report_ = audit(
            report.estimator_,
            *records,
            n_references=self.n_references,
            random_state=self.random_state,
            progress=False,
            **self.options,
        )
        found = self.report_
        metrics = found.metrics
        headline = metrics[
            (metrics["attack"] == found.info["headline"]) & (metrics["slice"] == "all")
        ]
        degree = read_leak(headline).degree
        # The verdict has those that name members.
        named = any(finding.code in NAMING for finding in found.findings)
        others = [finding for finding in found.findings if finding.code not in NAMING]
        serious = [f"{finding.title}." for finding in others if finding.severity == "serious"]
        if degree in ("singled", "apart") or found.doubts or serious or named:
            return " ".join([found.verdict, *serious])
        # Too few records show nothing whatever there is: nothing was passed.
        if reason := _too_few(headline):
            raise CheckNotApplicable(f"{found.verdict} {reason}")
        return None


def _too_few(headline: pd.DataFrame) -> str:
    """Say why rows that show nothing are no pass; nothing where they are one."""
    rates = headline[headline["metric"] == "tpr"]
    auc = headline[headline["metric"] == "auc"].iloc[0]
    rate = rates[rates["at"] == _RATE].iloc[0]
    reasons = []
    if not auc["high"] < _SMALL_AUC:
        reasons.append(f"the AUC may be {_SMALL_AUC:g} or more")
    if not rate["high"] <= 1:
        reasons.append(f"nothing is known of the rate at 1 % false alarms ({rate['note']})")
    return f"Not passed: {', and '.join(reasons)}." if reasons else ""


def _errors(model: Any, X: Any, y: Any) -> np.ndarray:
    true = as_numbers(y)
    true = true.reshape(len(true), -1)
    return np.abs(true - predicted_numbers(model, X, true.shape[1]))


def _losses(model: Any, X: Any, y: Any) -> np.ndarray:
    log_proba = log_posteriors(model, X)
    labels = class_indices(model, own_labels(model, np.asarray(y)))
    # Only their order counts: a label that was excluded has the largest loss.
    return -np.maximum(log_proba[np.arange(len(labels)), labels], _LEAST)
