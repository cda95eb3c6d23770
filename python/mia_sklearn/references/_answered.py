"""What reference models answered, once they are trained: signals, features, shadow observations."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._observations._record_columns import RecordColumns, record_columns
from .._observations._shadow import shadow_observations
from .._process._memory import available_memory
from .._records._groups import Grouping
from ..access import AskedRecords, TrueValueAccess
from ..signals import LEAST_LOG_POSTERIOR, centred_log_posteriors
from ._held_store import HeldStore
from ._lost import Lost, check_left
from ._sampling import Assignment, behind
from ._scale import PosteriorScale, choose_scale

__all__ = ["AnsweredModels"]

_LOG = logging.getLogger(__name__)


class AnsweredModels(BaseEstimator):
    """Models that have answered for every record; `ReferenceModels` trains them."""

    def _take(self, assignment: Assignment, first: int = 0) -> None:
        """Keep who trains on what, behind `first` records that nobody does."""
        self.n_models_ = assignment.n_models
        self.block_ = assignment.block
        self.block_size_ = assignment.block_size
        self.n_blocks_ = int(assignment.block.max()) + 1
        self.holdout_ = assignment.holdout
        self.membership_ = behind(first, assignment.membership)
        self.labelled_ = behind(first, assignment.labelled)

    def _check_memory(self, n_models: int, n_asked: int) -> None:
        """Raise if what models are to answer cannot be held."""
        free = available_memory()
        n_numbers = 1
        # A cache keeps the answers on disk, from where they are read in place.
        cache = getattr(self, "cache", None)
        if cache is None or isinstance(cache, HeldStore):
            n_columns = max(1, len(self.classes_)) if self.access_ is None else 1
            n_numbers += n_columns * (1 + getattr(self, "n_queries", 0))
        needed = 4 * n_models * n_asked * n_numbers
        if free is not None and needed > free:
            raise ValueError(
                f"What {n_models} reference models answer about {n_asked:,} records takes "
                f"{needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of memory are free: give "
                "fewer models (n_models; n_references of an audit), fewer records (max_records of "
                "an audit), or a folder as cache=, which keeps answers on disk."
            )

    def _keep(self, answers: np.ndarray, n_asked: int, scale: Any = None) -> None:
        """Name the parts of the models' answers, and choose their scale unless it is given."""
        self._phi: np.ndarray | None = None
        self._record_columns: RecordColumns | None = None
        self.log_normalizers_, self.query_outputs_ = None, None
        self.scale_: Any = scale
        if self.access_ is not None:
            # Nothing is smoothed that is no posterior.
            self.outputs_, self.smoothing_ = answers, 0.0
            if isinstance(self.access_, TrueValueAccess) and scale is None:
                trained = np.where(self.labelled_, self.membership_ > 0, np.nan)
                self.scale_ = self.access_.scale(answers, trained)
                _LOG.info("answers are read on this scale: %s", self.scale_.text)
            self._warn_of_constants()
            return
        n_columns, n_classes = answers.shape[-1], len(self.classes_)
        self.outputs_ = answers[:, :n_asked, :n_classes]
        if n_columns > n_classes:
            self.log_normalizers_ = answers[:, :n_asked, n_classes]
        if self.n_queries:
            shape = (self.n_models_, self.n_queries, n_asked, n_columns)
            self.query_outputs_ = answers[:, n_asked:].reshape(shape)[..., :n_classes]
        if scale is None:
            self.scale_ = self._chosen_scale()
            _LOG.info("answers are read on this scale: %s", self.scale_.text)
        self.smoothing_ = self.scale_.smoothing

    def _chosen_scale(self) -> PosteriorScale:
        if self.smoothing == "auto":
            membership = self.membership_, self.labelled_
            return choose_scale(self.outputs_, self.labels_, *membership, self.block_)
        smoothing = float(self.smoothing)
        return PosteriorScale(smoothing, saturated=smoothing > 1e-6)

    @property
    def repeated_(self) -> np.ndarray:
        check_is_fitted(self, "outputs_")
        record = Grouping(self.digests_)
        groups = np.arange(len(self.digests_)) if self.groups_ is None else self.groups_
        groups = groups[: len(self.digests_)]
        return (record.least(groups) != record.greatest(groups))[record.of_row]

    @property
    def features_(self) -> np.ndarray:
        check_is_fitted(self, "outputs_")
        if self.scale_ is None:
            asked = getattr(self.access_, "name", None)
            raise ValueError(
                f"Models asked for {asked!r} show no outputs to compare records by: "
                "fit ReferenceModels without signal=."
            )
        kept = [model for model in range(self.n_models_) if model not in self.lost_]
        if isinstance(self.access_, TrueValueAccess):
            seen = [
                self.access_.features(self.outputs_[model], self.labels_, self.scale_)
                for model in kept
            ]
            return np.concatenate(seen, axis=1).astype(np.float32)
        n_records, n_classes = self.outputs_.shape[1:]
        features = np.empty((n_records, len(kept), n_classes), dtype=np.float32)
        for place, model in enumerate(kept):
            if self.log_normalizers_ is None:
                own = self.scale_.powered(self.outputs_[model])
                own = centred_log_posteriors(own, self.smoothing_)
            else:
                least = np.maximum(self.outputs_[model], LEAST_LOG_POSTERIOR)
                own = least + self.log_normalizers_[model][:, None]
            features[:, place] = own
        return features.reshape(n_records, -1)

    @property
    def asked_(self) -> AskedRecords:
        return AskedRecords(
            self.X_, self.labels_, self.classes_, output_classes=self.output_classes_
        )

    def phi(self) -> np.ndarray:
        """Return every model's rescaled logit, or other signal, on every record.

        Returns
        -------
        ndarray of shape (n_models, n_records), dtype float32
            Computed at the first call and kept.
        """
        if self._phi is None:
            self._phi = self._rescaled(self.outputs_)
        return self._phi

    def query_phi(self, query: int) -> np.ndarray:
        """Return every model's rescaled logit on one perturbed copy of every record.

        Parameters
        ----------
        query : int
            Which copy, from 0 to `n_queries` - 1.

        Returns
        -------
        ndarray of shape (n_models, n_records), dtype float32
        """
        if self.query_outputs_ is None:
            raise ValueError("The models answered no copies: fit ReferenceModels(n_queries=...).")
        return self._rescaled(self.query_outputs_[:, query])

    def _rescaled(self, answers: np.ndarray) -> np.ndarray:
        """Return the rescaled logits of all models, NaN for those that were lost."""
        phi = np.full(answers.shape[:2], np.nan, dtype=np.float32)
        for model, answer in enumerate(answers):
            if model not in self.lost_:
                phi[model] = self.signal_of(answer, slice(None))
        return phi

    def signal_of(self, answers: np.ndarray, rows: Any) -> np.ndarray:
        """Return the signal that attacks read, from a model's answers on some records.

        Parameters
        ----------
        answers : ndarray of shape (..., n_rows, n_columns)
            Log-posteriors, or what the access asks for.
        rows : ndarray of int of shape (n_rows,) or slice
            Positions of the records.

        Returns
        -------
        ndarray of shape (..., n_rows)
        """
        if self.scale_ is None:
            return answers[..., 0]
        return self.scale_.phi(answers, self.labels_[rows])

    def record_columns(self) -> np.ndarray | None:
        """Return what neighbours and out-of-bag trees say of each record and its label.

        Membership has no part in it, nor has any model's answer. Records of the pool are compared
        with the population's where there is one, so that nobody needs to hold others of the pool.

        Returns
        -------
        ndarray of shape (n_records, n_columns), dtype float32, or None
            The `difficulty_*` columns of observations, computed at the first call and kept. None
            where records have no label, or no features between which distances are read.
        """
        return self._told_by_records().values

    @property
    def record_features_(self) -> str:
        check_is_fitted(self, "outputs_")
        return self._told_by_records().text

    def _told_by_records(self) -> RecordColumns:
        if self._record_columns is None:
            if not len(self.classes_):
                return RecordColumns(None, "left out: records have no class")
            self._record_columns = record_columns(
                self.X_,
                self.labels_,
                None if self.groups_ is None else self.groups_[: len(self.labels_)],
                first=self.n_pool_ if self.n_population_ else 0,
                seed=self.query_seed_,
                estimator=self.estimator,
            )
        return self._record_columns

    def shadow_observations(
        self,
        max_rows: int = 100_000,
        random_state: Any = None,
        *,
        neighbors: int = 0,
        n_queries: int = 0,
        record_columns: bool = True,
    ) -> tuple[Any, np.ndarray]:
        """Let each model act as the target, to make observations of known membership.

        The columns are those of `observe` with these references. The acting model's whole
        block stays empty: its complement would tell the answer. Of groups, all records that the
        acting model may tell of are there, or none, and `acting` numbers the acting model.

        Parameters
        ----------
        max_rows : int, default=100_000
            Rows in all, drawn evenly over the models; the rest is never built.
        random_state : int, RandomState instance or None, default=None
            Draws the rows.
        neighbors, n_queries : int, default=0
            As in `observe`.
        record_columns : bool, default=True
            As in `observe`.

        Returns
        -------
        observations : DataFrame of shape (n_rows, n_columns), float32
            Its index tells the acting model and the record. Use the level "row" as `groups` in
            cross-validation: each record occurs once per acting model.
        membership : ndarray of shape (n_rows,), int
            1 where the acting model trained on the record.
        """
        check_is_fitted(self, "outputs_")
        return shadow_observations(
            self,
            max_rows=max_rows,
            random_state=random_state,
            neighbors=neighbors,
            n_queries=n_queries,
            record_columns=record_columns,
        )

    def _warn_of_constants(self) -> None:
        """Warn of models that give all records the same signal."""
        constant = [int(np.ptp(phi) == 0) for phi in self.phi()]
        if sum(constant):
            warnings.warn(
                f"{sum(constant)} of {self.n_models_} reference models give all records the same "
                f"signal, the first of them model {constant.index(1)}: it tells none from another.",
                stacklevel=4,
            )

    def _leave_out_lost(self, lost: dict[int, Lost], *, first: int = 0) -> None:
        """Learn nothing from models that could not be trained; `first` numbers the first of all."""
        self.lost_ = {model: lost[model].why for model in sorted(lost)}
        check_left(lost, self.n_models_, self.block_, first)
        self.labelled_[list(lost)] = False

    def _join(self, more: AnsweredModels) -> None:
        """Take in models that were drawn in blocks of their own and asked the same."""
        self.block_ = np.concatenate([self.block_, more.block_ + self.n_blocks_])
        self.n_blocks_ += more.n_blocks_
        self.lost_ = self.lost_ | {self.n_models_ + model: why for model, why in more.lost_.items()}
        self.n_models_ += more.n_models_
        for name in ("seeds_", "membership_", "labelled_", "outputs_"):
            setattr(self, name, np.concatenate([getattr(self, name), getattr(more, name)]))
        for name in ("log_normalizers_", "query_outputs_"):
            if getattr(self, name) is not None:
                setattr(self, name, np.concatenate([getattr(self, name), getattr(more, name)]))
        self.fit_time_ += more.fit_time_
        self._phi = None
