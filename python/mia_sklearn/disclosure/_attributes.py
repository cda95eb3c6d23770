"""Guess a feature of records that a model was trained on, from what the model answers."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from .._models._trainable import check_trainable
from .._process._docs import Documented
from .._records._checked import check_records, check_same_features
from .._records._rows import take_rows
from ..references import ReferenceModels
from ..stats._checks import check_level
from ._asked import Asked
from ._attribute_report import AttributeReport, Guesses
from ._attribute_rules import confusion_rates, csmia, fredrikson, lomia, of_residuals
from ._candidates import Candidates
from ._imputation import Imputation
from ._kept_references import kind_of_references
from ._learned_attack import best, default_classifier, features, learn, proba_of_candidates

__all__ = ["AttributeInference"]

_LARGEST_SEED = 2**31 - 1


class AttributeInference(Documented, BaseEstimator):
    r"""Guess a feature of records that a model was trained on, all other features being known.

    Whatever the other features and the label tell of the feature, anybody can guess without the
    model: that is imputation, and no leakage of the model. The attack asks the model about the
    record with each candidate value put in. A value with which the model is surer of the record's
    label, or comes closer to its number if it is a regressor, beyond what models do that were not
    trained on the record, may be the one that it was trained on. How much surer it must be to
    override the imputation is learned from reference models, which play the target.

    Threat model: black-box; the attacker knows all other features of the records and their
    labels, knows how the target was trained, and holds other records like its, complete.

    Parameters
    ----------
    feature : column name, or int
        The feature to guess, a number for arrays.
    imputer : classifier, default=None
        Guesses the feature without the model. It is fitted on the other features, in the kind of
        table that `fit` gets, and the label: the last column of a frame, indicators of the
        classes in an array; of regressors the numbers, as last columns. By default the better of
        logistic regression and boosting by cross-validated accuracy, each tuned. A weak imputer
        makes models look as if they leaked.
    estimator : classifier or regressor, default=None
        What to train as references, like the target. Needed unless `fit` gets `references`.
    n_references : int, default=16
    train_size : int, float or None, default=None
        Records that the target trained on, or a share of the attacker's; by default half of them.
    n_bins : int, default=5
        A numeric feature of more values than this is guessed up to its quantile bin.
    classifier : classifier, default=None
        What learns the attack; it must accept NaN. By default histogram gradient boosting.
    n_jobs : int, default=None
        References trained at a time; cores, for networks.
    random_state : int, RandomState instance or None, default=None
    progress : bool, default=False
        Show progress on standard error.

    Attributes
    ----------
    values_ : ndarray of shape (n_values,)
        The candidates: values that at least 5 of the attacker's records have, or a middle value
        of each bin.
    edges_ : ndarray of shape (n_values - 1,) or None
        Largest values of all bins but the last; None for a feature that is not binned.
    imputer_ : fitted classifier
        Of a search, the best one.
    classifier_ : fitted classifier
        It reads, for a record and a candidate: the imputer's log-probability; phi, the log-odds
        of the record's label by the target with the candidate put in; phi less that of the best
        other candidate; phi less the mean of references that did not train on the record. Of
        regressors phi is the signal of `mia_sklearn.access.PredictionAccess`.
    classes_ : ndarray of shape (n_classes,)
        Of the target; empty of a regressor.
    smoothing_ : float
        Of phi, see `mia_sklearn.signals.rescaled_logit`; 0 of a regressor.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame.

    See Also
    --------
    mia_sklearn.audit : Whether a model gives away who it was trained on.

    Notes
    -----
    The attack is made for members: it learns from references acting on their own training
    records, and so does worse than the imputation on others if the model remembers anything.

    `report` calls it leakage only if, by the lower ends of paired intervals, the attack beats the
    imputation on members, and by more than on non-members. The second is what tells a model
    that remembers its records from one that has learned something of everybody; the first from one
    that merely misleads about strangers. Non-members that are equal to members narrow that
    difference: leave out records that occur on both sides.

    Two published rules and a published attack without references are reported beside it:
    Fredrikson's [1]_, which maximises the frequency of the value times the model's rate of
    confusing the record's label with its answer, measured on the attacker's records; CSMIA [2]_,
    which takes the surest value among those for which the model is right, or the least sure
    where it is never right; LOMIA [2]_, an imputer learned from records for which one value
    alone makes the model right. Ties go to the value that is more frequent. On regressors
    Fredrikson's alone is reported, with the density of the target's residual in place of the rate
    of confusion, normal as measured on the attacker's records; the others ask whether a
    label is right. The learned attack is this project's.

    References
    ----------
    .. [1] M. Fredrikson et al., "Privacy in Pharmacogenetics", USENIX Security 2014.
    .. [2] S. Mehnaz et al., "Are Your Sensitive Attributes Private? Novel Model Inversion
       Attribute Inference Attacks on Classification Models", USENIX Security 2022, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn.disclosure import AttributeInference
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([rng.integers(0, 2, 900) * 3.0, rng.normal(size=(900, 2))])
    >>> y = rng.integers(0, 2, 900)
    >>> target = KNeighborsClassifier(1).fit(X[:300], y[:300])
    >>> attack = AttributeInference(
    ...     0, imputer=KNeighborsClassifier(9), estimator=KNeighborsClassifier(1),
    ...     n_references=4, random_state=0).fit(X[600:], y[600:])
    >>> report = attack.report(target, X[:300], y[:300], X[300:600], y[300:600])
    >>> report.leaks
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "imputer": [HasMethods(["fit", "predict_proba"]), None],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "classifier": [HasMethods(["fit", "predict_proba"]), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        feature: Any,
        imputer: Any = None,
        *,
        estimator: Any = None,
        n_references: int = 16,
        train_size: Any = None,
        n_bins: int = 5,
        classifier: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.feature = feature
        self.imputer = imputer
        self.estimator = estimator
        self.n_references = n_references
        self.train_size = train_size
        self.n_bins = n_bins
        self.classifier = classifier
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.progress = progress

    def fit(
        self, X_aux: Any, y_aux: Any, references: ReferenceModels | None = None
    ) -> AttributeInference:
        """Fit the imputer, train references and learn the attack from them.

        Parameters
        ----------
        X_aux : array of shape (n_records, n_features), or data frame
            The attacker's records, without those under test.
        y_aux : array-like of shape (n_records,) or (n_records, n_outputs)
            Their labels, or numbers.
        references : ReferenceModels, default=None
            How to train references: its estimator, number, sampling, size, jobs and progress
            hold in place of the attack's own. Models that it has trained are not used: they
            have answered for the values that records have, not for candidates.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is wrong, before anything is trained: there is no such feature, it is
            constant, misses values or is the label; or if a reference cannot be trained.
        """
        constraints = self._parameter_constraints
        given = {k: v for k, v in self.get_params(deep=False).items() if k in constraints}
        validate_parameter_constraints(constraints, given, type(self).__name__)
        settings = self._settings(references)
        kind = kind_of_references(settings.estimator, y_aux)
        table, labels = check_records(X_aux, y_aux, "X_aux", "y_aux", kind.as_truth)
        kind.check(labels)
        candidates = Candidates(table, self.feature, self.n_bins)
        codes = candidates.codes(table, "X_aux")
        candidates.check_not_the_label(codes, labels)
        validate_data(self, take_rows(table, slice(1)), skip_check_array=True)
        self._candidates = candidates
        self.values_, self.edges_ = candidates.values, candidates.edges
        rng = check_random_state(self.random_state)
        # First, since it refuses settings that cannot be followed before it trains.
        entropy = int(rng.randint(_LARGEST_SEED))
        self._references = kind(settings, table, labels, entropy)
        self.classes_ = self._references.classes
        self.smoothing_ = self._references.smoothing
        self._table, self._labels = table, self._references.known(labels, "y_aux")
        self._prior = np.bincount(codes[codes >= 0], minlength=len(candidates)) / len(codes)
        self._imputation = Imputation(self.imputer, int(rng.randint(_LARGEST_SEED)))
        others = candidates.others(table, labels, self.classes_)
        log_proba = self._imputation.fit(others, codes)
        self.imputer_ = self._imputation.fitted
        phi = self._references.phi(self._candidate_tables(table), self._labels)
        seed = int(rng.randint(_LARGEST_SEED))
        self.classifier_ = learn(
            default_classifier(seed) if self.classifier is None else clone(self.classifier),
            log_proba,
            phi,
            self._references.membership,
            codes,
            rng=rng,
        )
        return self

    def predict(self, target: Any, X: Any, y: Any) -> np.ndarray:
        """Guess the feature of records.

        Parameters
        ----------
        target : fitted classifier or regressor, or function
            Asked about each record once per candidate. A function X -> posteriors answers with
            columns in the order of `classes_`; one X -> numbers is wrapped in a
            `mia_sklearn.FunctionRegressor`.
        X : table of shape (n_records, n_features)
            With the columns of `fit`; what stands in that of the feature is not looked at.
        y : array-like of shape (n_records,)
            Their labels, or numbers.

        Returns
        -------
        ndarray of shape (n_records,)
            Of `values_`.

        Raises
        ------
        ValueError
            If the target is no fitted model of the references' kind, the columns are not those of
            `fit`, or a label is none of `classes_`.
        """
        asked = self._ask(target, X, y, "")
        return self.values_[best(self._proba(asked), asked.log_proba)]

    def predict_proba(self, target: Any, X: Any, y: Any) -> np.ndarray:
        """Return how likely each candidate is, were the records members.

        Parameters
        ----------
        target : fitted classifier or regressor, or function
            As in `predict`.
        X : table of shape (n_records, n_features)
            As in `predict`.
        y : array-like of shape (n_records,)
            Their labels, or numbers.

        Returns
        -------
        ndarray of shape (n_records, n_values)
            Columns in the order of `values_`.
        """
        return self._proba(self._ask(target, X, y, ""))

    def report(
        self,
        target: Any,
        X_members: Any,
        y_members: Any,
        X_nonmembers: Any,
        y_nonmembers: Any,
        *,
        confidence: float = 0.95,
    ) -> AttributeReport:
        """Compare the attack with the imputation, on members and on non-members.

        Parameters
        ----------
        target : fitted classifier or regressor, or function
            As in `predict`.
        X_members : table of shape (n_members, n_features)
            Records that the target was trained on, complete. None of them may be among those of
            `fit`.
        y_members : array-like of shape (n_members,)
            Their labels, or numbers.
        X_nonmembers : table of shape (n_nonmembers, n_features)
            Others like them, complete, and not among those of `fit` either.
        y_nonmembers : array-like of shape (n_nonmembers,)
            Their labels, or numbers.
        confidence : float, default=0.95
            Two-sided confidence of the intervals. A model that was trained on other records is
            called leaking with a probability of (1 - confidence) / 2 at most.

        Returns
        -------
        AttributeReport
            Printed, it says in words what was found.

        Raises
        ------
        ValueError
            As in `predict`; or if a record misses the feature, or many are among those of `fit`.
        """
        check_level(confidence, "confidence")
        sides = [
            self._ask(target, X, y, name)
            for X, y, name in (
                (X_members, y_members, "_members"),
                (X_nonmembers, y_nonmembers, "_nonmembers"),
            )
        ]
        for asked in sides:
            asked.check_unknown(self._table, self._labels)
        own = self._references.asked(sides[0].target, self._table)
        members, nonmembers = (self._guesses(asked, own) for asked in sides)
        return AttributeReport(self.feature, self.values_, confidence, members, nonmembers)

    def _settings(self, references: ReferenceModels | None) -> ReferenceModels:
        if references is None:
            if self.estimator is None:
                raise ValueError(
                    "estimator is None: name a model like the target, which references are "
                    "trained as, or pass ReferenceModels as references."
                )
            references = ReferenceModels(
                self.estimator,
                self.n_references,
                train_size=self.train_size,
                n_jobs=self.n_jobs,
                progress=self.progress,
            )
        if not isinstance(references, ReferenceModels):
            raise ValueError(
                f"references must be ReferenceModels, got {type(references).__name__}."
            )
        check_trainable(references.estimator, None)
        references._check_parameters()
        return references

    def _ask(self, target: Any, X: Any, y: Any, name: str) -> Asked:
        check_is_fitted(self, "classifier_")
        X_name, y_name = f"X{name}", f"y{name}"
        references = self._references
        table, labels = check_records(X, y, X_name, y_name, references.as_truth)
        check_same_features(self._table, table, "X_aux", X_name)
        known = references.known(labels, y_name)
        target = references.target(target, table)
        others = self._candidates.others(table, labels, self.classes_)
        answers = [references.asked(target, one) for one in self._candidate_tables(table)]
        return Asked(
            name=X_name,
            target=target,
            table=table,
            labels=known,
            others=others,
            log_proba=self._imputation.log_proba(others),
            usual=references.phi(self._candidate_tables(table), known).mean(axis=0),
            answers=np.stack(answers, axis=1).astype(references.precision),
        )

    def _proba(self, asked: Asked) -> np.ndarray:
        phi = self._references.told(asked.answers.swapaxes(0, 1), asked.labels).T
        table = features(asked.log_proba, phi, asked.usual)
        return proba_of_candidates(self.classifier_, table)

    def _candidate_tables(self, table: Any) -> Iterator[Any]:
        """Make the records with each candidate put in, one table at a time."""
        return (self._candidates.put(table, place) for place in range(len(self.values_)))

    def _guesses(self, asked: Asked, own: np.ndarray) -> Guesses:
        """Return all guesses; `own` are the target's answers on the attacker's records."""
        known = (asked.answers, asked.labels, self._prior)
        by = {
            "imputation": asked.log_proba.argmax(axis=1),
            "learned": best(self._proba(asked), asked.log_proba),
        }
        if not len(self.classes_):
            by["Fredrikson"] = of_residuals(*known, self._labels - own)
        else:
            confusion = confusion_rates(self._labels, own.argmax(axis=1), len(self.classes_))
            by["Fredrikson"] = fredrikson(*known, confusion)
            by["CSMIA"] = csmia(*known)
            by["LOMIA"] = lomia(*known, imputer=self.imputer_, others=asked.others)
        return Guesses(self._candidates.codes(asked.table, asked.name), by)
