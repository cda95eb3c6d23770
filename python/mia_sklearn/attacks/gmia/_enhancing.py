"""Records to ask about in place of a record: those whose answers tell that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._models._kinds import is_net, last_step
from ..._models._predictors import check_classifies
from ..._models._targets import as_target
from ..._models._trainable import check_trainable
from ..._process._docs import Documented
from ..._process._progress import progress_bar
from ..._records._checked import check_records, check_same_features
from ..._records._digests import row_digests
from ..._records._feature_space import FeatureSpace
from ..._records._rows import concat_rows, n_rows, positions, take_rows
from ...cluster import CosineAgglomerative
from ...references._job import Job
from ...references._kept_models import keep_trained
from ...references._sampling import assign, training_rows
from ...references._training import classes_in
from ...signals import choose_smoothing, log_posteriors, rescaled_logit
from ._found_queries import FoundQueries, influence_of, laid_side_by_side

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EnhancingRecords"]

_LARGEST_SEED = 2**31 - 1
# Above this many free features, uniform records are nowhere near any that a model knows.
_FEW_FEATURES = 50


class EnhancingRecords(Documented, BaseEstimator):
    """Find queries that tell whether a record was trained on, without asking about the record.

    References are trained on the attacker's records, then once more with the record under test.
    Where the second ones answer that record's class with more confidence almost always, at some
    other point of the feature space, a target can be asked about that point instead.

    Threat model: black-box; the attacker knows how the target was trained, and records like its.

    Parameters
    ----------
    estimator : classifier
        What to train as references, like the target; regressors are refused.
    n_references : int, default=100
    sampling : {"bootstrap", "block"}, default="bootstrap"
        How their training sets are drawn, see `ReferenceModels`.
    train_size : int, float or None, default=None
        Records that the target trained on, or a share of the attacker's; by default half of them.
    candidates : {"auto", "uniform", "noise"}, default="auto"
        "uniform" draws candidates from the whole feature space, "noise" around the record;
        "auto" takes noise where there are more than 50 features.
    noise : float, default=0.5
        Of candidates around the record: standard deviation in those of each feature, and the
        probability that a category is drawn anew.
    n_candidates : int, default=5000
    n_clusters : int, default=50
        Candidates that are tried: medoids of so many clusters of alike answers.
    theta : float, default=0.9
        A candidate is accepted when its influence is above it. Published: .95 for 9 features,
        .9 for census data, .8 for images.
    least : int, default=10
        With fewer accepted, the others are moved along gradients and tried again.
    update_epochs : int, default=1
        Passes over its training set with the record in every batch by which a network learns it.
    margin : float, default=0.01
        The gain in posterior beyond which a pair of references no longer pulls a query.
    n_steps : int, default=100
        Gradient steps.
    rate : float, default=0.05
        Their length, in ranges of the features.
    n_jobs : int, default=None
        References trained at a time; cores, for networks.
    random_state : int, RandomState instance or None, default=None
    progress : bool, default=False
        Show progress on standard error.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame.
    classes_ : ndarray of shape (n_classes,)
    smoothing_ : float
        Of the rescaled logit, see `mia_sklearn.signals.rescaled_logit`.
    candidates_ : {"uniform", "noise"}
    note_ : str
        Why queries are not optimised; empty where they are.

    Notes
    -----
    Networks (skorch) are trained and updated together. Other models cannot be updated: they are
    trained anew with the record added once, and queries are not optimised.

    Deviations from the paper: a network with the record is compared with the same network
    updated on the same batches without it, not with the network before the update, so that the
    update itself does not count as influence; gradient steps are Adam's.

    References
    ----------
    .. [1] Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning
       Models", arXiv:1802.04889, section 4.5 and algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn.attacks import EnhancingRecords
    >>> X, y = load_iris(return_X_y=True)
    >>> search = EnhancingRecords(
    ...     KNeighborsClassifier(), n_references=10, n_candidates=200, n_clusters=20, theta=0.2,
    ...     random_state=0)
    >>> found = search.fit(X[1:], y[1:]).search(X[:1], y[:1])
    >>> len(found)
    1
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_references": [Interval(Integral, 2, None, closed="left")],
        "sampling": [StrOptions({"bootstrap", "block"})],
        "candidates": [StrOptions({"auto", "uniform", "noise"})],
        "noise": [Interval(Real, 0, None, closed="neither")],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "theta": [Interval(Real, 0, 1, closed="left")],
        "least": [Interval(Integral, 0, None, closed="left")],
        "update_epochs": [Interval(Integral, 1, None, closed="left")],
        "margin": [Interval(Real, 0, 1, closed="right")],
        "n_steps": [Interval(Integral, 0, None, closed="left")],
        "rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        estimator: Any,
        n_references: int = 100,
        *,
        sampling: str = "bootstrap",
        train_size: Any = None,
        candidates: str = "auto",
        noise: float = 0.5,
        n_candidates: int = 5000,
        n_clusters: int = 50,
        theta: float = 0.9,
        least: int = 10,
        update_epochs: int = 1,
        margin: float = 0.01,
        n_steps: int = 100,
        rate: float = 0.05,
        n_jobs: int | None = None,
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.estimator = estimator
        self.n_references = n_references
        self.sampling = sampling
        self.train_size = train_size
        self.candidates = candidates
        self.noise = noise
        self.n_candidates = n_candidates
        self.n_clusters = n_clusters
        self.theta = theta
        self.least = least
        self.update_epochs = update_epochs
        self.margin = margin
        self.n_steps = n_steps
        self.rate = rate
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any) -> EnhancingRecords:
        """Train the references.

        Parameters
        ----------
        X : table of shape (n_records, n_features)
            The attacker's records, without missing values and without those under test.
        y : array-like of shape (n_records,)
            Their labels.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is wrong, before any training; or if a reference cannot be trained.
        """
        constraints = self._parameter_constraints
        given = {k: v for k, v in self.get_params(deep=False).items() if k in constraints}
        validate_parameter_constraints(constraints, given, type(self).__name__)
        check_trainable(self.estimator, None)
        check_classifies(self.estimator, "EnhancingRecords", "fit GMIAAttack on observations of it")
        table, labels = check_records(X, y)
        if len(set(labels.tolist())) < 2:
            raise ValueError("y must hold at least two classes, got one class.")
        validate_data(self, take_rows(table, slice(1)), skip_check_array=True)
        self._space = FeatureSpace(table)
        self.candidates_ = self.candidates
        if self.candidates == "auto":
            self.candidates_ = "uniform" if self._space.n_choices <= _FEW_FEATURES else "noise"
        self.classes_ = classes_in(self.estimator, table, labels)
        entropy = int(check_random_state(self.random_state).randint(_LARGEST_SEED))
        self._entropy = entropy
        self._digests = row_digests(table, labels)
        self._models = self._trained(table, labels, entropy)
        answers = self._models.log_posteriors(take_rows(table, slice(1000)))
        self.smoothing_ = choose_smoothing(answers)
        self._uniform: Any = None
        return self

    def _trained(self, table: Any, labels: np.ndarray, entropy: int) -> Any:
        assignment = assign(
            self.sampling,
            n_rows(table),
            self.train_size,
            0,
            n_models=self.n_references,
            entropy=entropy,
        )
        # Blocks round the number of models up.
        membership = assignment.membership[: self.n_references]
        seeds = np.random.default_rng(entropy).integers(_LARGEST_SEED, size=len(membership))
        rows = [
            training_rows(counts, 0, int(seed))
            for counts, seed in zip(membership, seeds, strict=True)
        ]
        job = Job(self.estimator, table, labels, self.classes_, {}, 0, 0)
        models, reason = keep_trained(job, rows, seeds, n_jobs=self.n_jobs, progress=self.progress)
        if not is_net(self.estimator):
            self.note_ = f"{type(last_step(self.estimator)).__name__} has no gradients"
        elif reason:
            self.note_ = f"the networks are trained one by one, since {reason}"
        else:
            self.note_ = "" if models.gradients else "the network takes whole numbers"
        return models

    def search(self, X: Any, y: Any) -> list[FoundQueries]:
        """Find queries for records.

        Parameters
        ----------
        X : table of shape (n_records, n_features)
            The records under test.
        y : array-like of shape (n_records,)
            Their labels.

        Returns
        -------
        list of FoundQueries
            One for each record; where none is found, its note says how far the search came.

        Raises
        ------
        ValueError
            If a label is none of `classes_`, or a record is one of those that the references
            trained on (named), before the search starts.
        """
        check_is_fitted(self, "classes_")
        table, labels = check_records(X, y)
        check_same_features(self._space.like, table, "the records of fit", "X")
        codes = positions(labels, self.classes_)
        if (codes < 0).any():
            row = int(np.argmax(codes < 0))
            raise ValueError(
                f"y holds the label {labels.tolist()[row]!r} in row {row}, which none of the "
                f"references knows; classes are {self.classes_.tolist()}."
            )
        known = np.isin(row_digests(table, labels), self._digests)
        if known.any():
            raise ValueError(
                f"Row {int(known.argmax())} of X is among the records that the references "
                "trained on: they cannot tell what a model without it answers. Leave it out of fit."
            )
        rows = progress_bar(
            range(n_rows(table)), desc="records", unit="record", disable=not self.progress
        )
        return [self._search_one(table, labels, codes, row) for row in rows]

    def _search_one(
        self, table: Any, labels: np.ndarray, codes: np.ndarray, row: int
    ) -> FoundQueries:
        x, label, code = take_rows(table, slice(row, row + 1)), labels[row], int(codes[row])
        rng = np.random.RandomState((self._entropy + row) % _LARGEST_SEED)
        queries = self._candidates(x, rng)
        inside, outside = self._models.with_record(x, code, epochs=self.update_epochs)
        without, with_it = (side.log_posteriors(queries) for side in (outside, inside))
        influence = influence_of(without, with_it, code)
        accepted = influence > self.theta
        best = float(influence.max(initial=0.0))
        optimized = np.zeros(len(influence), dtype=bool)
        note = ""
        if accepted.sum() < self.least and not accepted.all():
            if self.note_:
                note = f"queries are not optimised: {self.note_}"
            else:
                moved = inside.improve(
                    outside,
                    take_rows(queries, ~accepted),
                    code,
                    space=self._space,
                    margin=self.margin,
                    n_steps=self.n_steps,
                    rate=self.rate,
                )
                queries = concat_rows(take_rows(queries, accepted), self._space.nearest(moved))
                optimized = np.arange(n_rows(queries)) >= accepted.sum()
                without, with_it = (side.log_posteriors(queries) for side in (outside, inside))
                influence = influence_of(without, with_it, code)
                accepted = influence > self.theta
                best = max(best, float(influence.max(initial=0.0)))
        # A moved query may have come to rest on the record itself.
        accepted &= row_digests(queries) != row_digests(x)
        if not accepted.any():
            why = f"no candidate has an influence above theta={self.theta:g}; the best is {best:g}"
            note = "; ".join(part for part in (why, note) if part)
        return FoundQueries(
            queries=take_rows(queries, accepted),
            influence=influence[accepted],
            optimized=optimized[accepted],
            label=label,
            out_signal=self._phi(without[:, accepted], code),
            in_signal=self._phi(with_it[:, accepted], code),
            out_record=np.exp(outside.log_posteriors(x)[:, 0, code]),
            in_record=np.exp(inside.log_posteriors(x)[:, 0, code]),
            best_influence=best,
            note=note,
        )

    def _candidates(self, x: Any, rng: np.random.RandomState) -> Any:
        """Return the candidates to try: a few whose answers differ, never the record itself."""
        if self.candidates_ == "noise":
            drawn = self._space.around(x, self.n_candidates, self.noise, rng)
            return self._medoids(take_rows(drawn, row_digests(drawn) != row_digests(x)))
        if self._uniform is None:
            # The same for every record: neither draws nor clusters depend on it.
            own = np.random.RandomState(self._entropy)
            self._uniform = self._medoids(self._space.uniform(self.n_candidates, own))
        return self._uniform

    def _medoids(self, drawn: Any) -> Any:
        if n_rows(drawn) <= self.n_clusters:
            return drawn
        answers = np.exp(self._models.log_posteriors(drawn))
        features = answers.transpose(1, 0, 2).reshape(n_rows(drawn), -1)
        clusters = CosineAgglomerative(n_clusters=self.n_clusters).fit(features)
        return take_rows(drawn, clusters.medoid_indices_)

    def _phi(self, answers: np.ndarray, code: int) -> np.ndarray:
        """Return phi of one class: (n_queries, n_references), float32."""
        labels = np.full(answers.shape[1], code)
        phi = [rescaled_logit(own, labels, self.smoothing_) for own in answers]
        return np.asarray(phi, dtype=np.float32).reshape(answers.shape[:2]).T

    def observe(
        self, target: Any, found: Sequence[FoundQueries], *, classes: Any = None
    ) -> pd.DataFrame:
        """Ask a target about the queries that were found, never about the records.

        Parameters
        ----------
        target : fitted classifier, or function `X -> posteriors`
        found : sequence of FoundQueries
        classes : array-like of shape (n_classes,), default=None
            Labels of a plain function's columns.

        Returns
        -------
        DataFrame of shape (n_records, n_columns), float32
            `enhancing_<q>`, the target's phi of the record's class at each of its queries, and
            `enhancing_<q>_out_<k>`, that of the references, for q below `n_clusters`; NaN where a
            record has fewer queries.

        Raises
        ------
        ValueError
            If the target is not fitted or lacks the class of a record.
        """
        check_is_fitted(self, "classes_")
        asked = [one for one in found if len(one)]
        signals = [np.empty(0, dtype=np.float32)] * len(found)
        if asked:
            queries = concat_rows(*(one.queries for one in asked))
            target = as_target(target, classes, X=queries)
            known = np.asarray(target.classes_).tolist()
            unknown = np.setdiff1d([one.label for one in asked], known).tolist()
            if unknown:
                raise ValueError(
                    f"A record has the label {unknown[0]!r}, which the target does not know; its "
                    f"classes are {known}."
                )
            answers = log_posteriors(target, queries, self.classes_).astype(np.float32)
            codes = positions(np.asarray([one.label for one in found]), self.classes_)
            start = 0
            for place, one in enumerate(found):
                stop = start + len(one)
                signals[place] = self._phi(answers[None, start:stop], int(codes[place]))[:, 0]
                start = stop
        return laid_side_by_side(
            self.n_clusters,
            self.n_references,
            [(own[None], one.out_signal[None]) for own, one in zip(signals, found, strict=True)],
        )

    def shadow_observations(self, found: Sequence[FoundQueries]) -> tuple[pd.DataFrame, np.ndarray]:
        """Let each reference act as the target, with and without the record.

        Parameters
        ----------
        found : sequence of FoundQueries

        Returns
        -------
        observations : DataFrame of shape (2 * n_records * n_references, n_columns), float32
            The columns of `observe`; the acting reference's own place is empty. The index tells
            the acting reference and the record.
        membership : ndarray of shape (2 * n_records * n_references,), int
        """
        import pandas as pd

        rows = []
        for one in found:
            n_references = one.out_signal.shape[1]
            others = np.repeat(one.out_signal[None], n_references, axis=0)
            acting = np.arange(n_references)
            others[acting, :, acting] = np.nan
            rows += [(side.T, others) for side in (one.out_signal, one.in_signal)]
        table = laid_side_by_side(self.n_clusters, self.n_references, rows)
        index = [
            (model, record)
            for record, one in enumerate(found)
            for _ in range(2)
            for model in range(one.out_signal.shape[1])
        ]
        table.index = pd.MultiIndex.from_tuples(index, names=["model", "row"])
        members = [np.repeat([0, 1], one.out_signal.shape[1]) for one in found]
        return table, np.concatenate(members or [np.empty(0, dtype=int)])
