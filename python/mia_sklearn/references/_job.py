"""What all reference models of one fit share."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy
import sklearn

from .._models._backend import Backend, backend_of
from .._models._code import version_of
from .._models._fingerprint import NotDescribableError, fingerprint
from .._models._kinds import is_net, nested
from .._models._trainable import configured, may_draw_globally
from .._process._parallel import this_process
from .._process._terminal import Terminal
from .._records._rows import n_rows, positions
from .._version import __version__
from ..access import BaseAccess, Question, TrueValueAccess
from ._coded import coded
from ._store import BaseStore

# Of the stored answers; answers of another layout are made anew.
_LAYOUT = 2
# Settings of scikit-learn that decide what a model is trained on.
_SETTINGS = ("enable_metadata_routing", "transform_output")
_ROUNDING = 1e-2
CODE = "the estimator's code or parameters"


@dataclass(frozen=True)
class Job:
    """What all reference models of one `fit` share.

    `table` holds the pool, the population and the core, in this order. The records from row
    `first` on may be trained on; the last `n_core` always are, and are not asked about.
    Estimators get labels in the `kind_of_labels` that the caller gave. `copies` are tables of
    perturbed copies of the records, asked about after them. With an `access`, models are asked
    its `question` in place of posteriors. Generators are trained without labels (`unlabelled`),
    for which zeros stand. `store` keeps what models answer, where there is one.
    """

    estimator: Any
    table: Any
    labels: np.ndarray
    classes: np.ndarray
    fit_params: dict[str, Any]
    first: int
    n_core: int
    kind_of_labels: Any = None
    copies: list[Any] = field(default_factory=list)
    unlabelled: bool = False
    access: BaseAccess | None = None
    question: Question | None = None
    question_seed: int = 0
    store: BaseStore | None = None
    home: tuple[str, int] = field(default_factory=this_process)
    guarded: bool = field(default_factory=lambda: isinstance(sys.stderr, Terminal))

    @cached_property
    def name(self) -> bytes:
        """What tells these models from those of all other jobs, seeds and copies left aside."""
        return _name(self)

    @cached_property
    def makers(self) -> dict[str, str]:
        """What trains the models, by name: versions of packages, and a digest of all else."""
        made = makers_of(self.estimator)
        # What no copy keeps tells nothing of the process that holds the copy.
        copied = makers_of(deepcopy(self.estimator))
        return {name: value for name, value in made.items() if copied.get(name) == value}

    @cached_property
    def quick(self) -> Job | None:
        """A job of the same models whose steps find numbers for texts, where that can be had."""
        if self.question is not None or self.copies or self.backend is not None:
            return None
        found = coded(self.estimator, self.table)
        return None if found is None else replace(self, estimator=found[0], table=found[1])

    @cached_property
    def draws_globally(self) -> bool:
        """Whether models may draw from NumPy's global generator."""
        return may_draw_globally(self.estimator)

    def __getstate__(self) -> dict[str, Any]:
        # Told where the job begins, to be compared where it arrives.
        state = vars(self) | {"makers": self.makers}
        # Sooner made again than sent.
        state.pop("quick", None)
        return state

    @cached_property
    def learned(self) -> np.ndarray:
        """What networks train on: positions of the labels among the classes, or true values."""
        if self.of_outputs:
            return self.labels
        codes = positions(self.labels, self.classes)
        unknown = np.flatnonzero(codes[self.first :] < 0)
        if len(unknown):
            label = self.labels.tolist()[self.first + unknown[0]]
            raise ValueError(f"y holds the label {label!r}, which is not one of classes.")
        return codes

    @property
    def of_outputs(self) -> bool:
        """Whether models learn true values, one or several, in place of classes."""
        return self.access is not None and self.access.sees_targets

    @property
    def backend(self) -> Backend | None:
        """What trains the models where they are networks; none trains those of several labels."""
        of_several = isinstance(self.access, TrueValueAccess) and not self.access.of_numbers
        return None if of_several else backend_of(self.estimator)

    @property
    def n_records(self) -> int:
        """Records that models are asked about."""
        return n_rows(self.table) - self.n_core

    @property
    def n_columns(self) -> int:
        """Numbers in an answer: what is asked for, or log-posteriors (nets: a normalizer too)."""
        if self.question is not None:
            return self.question.n_columns
        return len(self.classes) + is_net(self.estimator)

    @property
    def n_answers(self) -> int:
        """Records and copies that models are asked about."""
        return self.n_records * (1 + len(self.copies))

    def may_be_answers(self, answers: np.ndarray) -> bool:
        """Tell whether numbers can be what one model answered, or several: posteriors sum to 1."""
        shape = (self.n_answers, self.n_columns)
        if answers.shape[-2:] != shape:
            return False
        if self.question is not None:
            return True
        # Models that know classes which are not asked about leave less to the others.
        more = (positions(self.labels, self.classes) < 0).any()
        least = -np.inf if more else 1 - _ROUNDING
        own = answers.reshape(-1, *shape)
        with np.errstate(over="ignore"):
            totals = [np.exp(one[:, : len(self.classes)]).sum(axis=1) for one in own]
        may_be = all(((total >= least) & (total <= 1 + _ROUNDING)).all() for total in totals)
        return may_be and not np.isnan(own).any()


def makers_of(estimator: Any) -> dict[str, str]:
    """Return what trains models, by name: versions of packages, and a digest of other code."""
    parts = nested(estimator) if hasattr(estimator, "get_params") else [estimator]
    modules = {getattr(part, "__module__", None) or type(part).__module__ for part in parts}
    tops = {module.partition(".")[0] for module in modules}
    versions = {top: version_of(top) for top in sorted(tops | {"numpy", "scipy", "sklearn"})}
    try:
        code = fingerprint(estimator, "estimator").hex()
    except NotDescribableError:
        code = ""
    return versions | {"mia_sklearn": __version__, CODE: code}


def _name(job: Job) -> bytes:
    estimator = job.estimator
    if hasattr(estimator, "fit"):
        # Seeds and cores are set for each model: what the user gave does not matter.
        estimator = configured(estimator, 0)
    parts = {
        "settings": [sklearn.get_config().get(name) for name in _SETTINGS],
        "versions": (_LAYOUT, __version__, sklearn.__version__, np.__version__, scipy.__version__),
        "estimator": estimator,
        "X": job.table,
        "y": job.labels,
        "kind of labels": job.kind_of_labels,
        "classes": job.classes,
        "fit_params": job.fit_params,
        "roles": (job.first, job.n_core),
    }
    return b"".join(fingerprint(value, name) for name, value in parts.items())
