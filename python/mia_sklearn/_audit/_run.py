"""What one audit knows: what was planned, what was then asked, what was scored at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from sklearn.metrics import mean_absolute_error, r2_score

from .._models._targets import class_indices
from .._process._progress import enter
from .._records._groups import Grouping
from .._records._rows import take_rows
from ..access import AskedRecords, TrueValueAccess
from ..references._sampling import is_stratified
from ..references._train_all import Pace
from ._plan import Plan
from ._pool import Pool

if TYPE_CHECKING:
    from .._comparisons._comparison import Comparison
    from .._models._agreement import Agreement
    from ..access import BaseAccess
    from ..metrics import Estimate
    from ..references import ReferenceModels
    from ..stats import TradeOff
    from ..structural._structure import Structure
    from ..vulnerability import VulnerableRecords
    from ._again import Again
    from ._choice import Means
    from ._controls import Control


class Budget(Pace, Protocol):
    """What chooses as time allows.

    Attributes
    ----------
    left_out : list of str
        Attacks for which there was no time.
    """

    left_out: list[str]

    def settled(self, run: Asked) -> Asked:
        """Return what was asked, with the attacks for which there is time left."""

    def told(self) -> dict[str, Any]:
        """Return what was chosen, and what of it is less than usual."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What an audit is to do.

    Attributes
    ----------
    target : fitted estimator or function
    attacks : dict of str to attack
        By name, in the order in which they run.
    headline : str
        The attack that makes the verdict.
    means : Means
        What the attacker has to work with.
    trainable : estimator, callable or None
        What the references train.
    fit_params : tuple of str
        Names of what their `fit` is given besides.
    dp : TradeOff or None
        The guarantee that the training claims.
    comparison : Comparison or None
        What defenses did, where they were compared.
    access : BaseAccess or None
        What the target is asked for; None for posteriors.
    budget : Budget or None
        What chooses the number of references, and the attacks of these, by the clock.
    seconds : dict of str to float
        Time spent by phase, filled as the audit goes on.
    """

    target: Any
    attacks: dict[str, Any]
    headline: str
    means: Means
    pool: Pool
    plan: Plan
    split: str | None
    dp: TradeOff | None
    release: str
    confidence: float
    seed: int
    n_queries: int
    trainable: Any
    fit_params: tuple[str, ...]
    search_note: str
    comparison: Comparison | None
    access: BaseAccess | None
    budget: Budget | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        enter(phase.replace("_", "-"))
        start = time.perf_counter()
        yield
        self.seconds[phase] = round(time.perf_counter() - start, 4)

    @property
    def X(self) -> Any:
        """The audited records."""
        return take_rows(self.pool.X, self.plan.audited)

    @property
    def y(self) -> np.ndarray:
        return self.pool.y[self.plan.audited]

    @property
    def member(self) -> np.ndarray:
        return self.pool.member[self.plan.audited]

    @cached_property
    def units(self) -> Grouping:
        """The audited records by person; each by itself where the unit is the record."""
        audited = self.plan.audited
        people = self.pool.people
        return Grouping(np.arange(len(audited)) if people is None else people[audited])

    @property
    def unit_member(self) -> np.ndarray:
        """Membership of each unit."""
        return self.member[self.units.first]

    @property
    def of_people(self) -> bool:
        """Whether the unit is a person with all of their records."""
        return self.pool.people is not None

    @property
    def queries_per_record(self) -> int:
        """What the target is asked for each record, the record itself included."""
        return 1 + getattr(self.access, "n_queries", self.n_queries)

    @property
    def outputs(self) -> TrueValueAccess | None:
        """What a model is asked for that predicts numbers or several labels; None of others."""
        return self.access if isinstance(self.access, TrueValueAccess) else None

    @property
    def truth(self) -> str:
        """What is true of a record, in a word; nothing of those that generators learned from."""
        if not self.pool.labelled:
            return ""
        one = "true value" if self.outputs is not None and self.outputs.of_numbers else "label"
        return one if self.pool.y.ndim == 1 else f"{one}s"

    @property
    def parts_of_records(self) -> str:
        """What two records must have in common to be equal, in words."""
        return f"features and {self.truth}" if self.truth else "features"

    @property
    def stratified(self) -> bool:
        """Whether references are drawn within classes, in which the members have their share."""
        # What is true of a record has no classes to draw within, unless it is one label.
        one = self.pool.labelled and self.outputs is None
        return one and not self.of_people and is_stratified(self.member, self.y)

    @property
    def classes(self) -> np.ndarray:
        """The target's labels; none of generators, regressors, and of several outputs."""
        one = self.pool.labelled and self.outputs is None
        return np.asarray(self.target.classes_) if one else np.empty(0)

    @cached_property
    def asked_records(self) -> AskedRecords:
        """The audited records, as the target is asked about them."""
        if self.outputs is not None:
            known = self.pool.y[np.concatenate([self.plan.audited, self.plan.core])]
            of_each = self.outputs.classes_of(known)
            return AskedRecords(
                self.X, self.outputs.coded(self.y, of_each), self.classes, output_classes=of_each
            )
        y = self.y
        labels = class_indices(self.target, y) if self.pool.labelled else y
        return AskedRecords(self.X, labels, self.classes)


@dataclass(frozen=True, kw_only=True)
class Asked(Planned):
    """What the target and its references answered.

    Attributes
    ----------
    references : ReferenceModels or None
    answers : ndarray of shape (n_audited, n_answers), float32
        The target's answers: its log-posteriors, or what the access asks for.
    doubt : str
        What makes these answers worthless, where something does.
    unsteady : str
        How these answers depend on the call that they were asked in, where they do.
    agreement : Agreement or None
        How posteriors agree with the target's own `predict`; None where that is nothing else.
    edges : ndarray of shape (n_audited,) or None
        How far each answer lies from the edge of a margin, where an attack looks at that.
    taught : dict
        What the references' `fit` was given besides the audited records.
    """

    references: ReferenceModels | None
    answers: np.ndarray
    doubt: str = ""
    unsteady: str = ""
    agreement: Agreement | None = None
    edges: np.ndarray | None = None
    taught: dict[str, Any] = field(default_factory=dict)

    def accuracy(self, member: bool) -> float | None:
        """Return how often the target is right on audited members, or on non-members.

        Of several outputs, on average over them. None where it does not predict, or numbers.
        """
        if self.outputs is not None:
            if self.outputs.of_numbers:
                return None
            labels = self.asked_records.labels
            same = self.outputs.predicted(self.answers, labels) == labels
            return float(same[self.member == member].mean())
        predicted = predicted_classes(self.answers, self.access)
        if predicted is None:
            return None
        right = self.classes[predicted] == self.y
        return float(right[self.member == member].mean())

    def fit_of_numbers(self, member: bool) -> dict[str, float] | None:
        """Return R2 and mean absolute error of a regressor on audited members, or non-members.

        On average over its outputs, as scikit-learn has them. None of all other models.
        """
        if self.outputs is None or not self.outputs.of_numbers:
            return None
        side = self.member == member
        true = self.asked_records.labels[side]
        predicted = self.outputs.predicted(self.answers[side], true)
        return {
            "r2": float(r2_score(true, predicted)) if len(true) > 1 else float("nan"),
            "mae": float(mean_absolute_error(true, predicted)),
        }


class OtherTargets(NamedTuple):
    """What a model predicts in place of y_train.

    Attributes
    ----------
    output : int or None
        Which of several outputs.
    r2 : float
        On the training records.
    usual : float or None
        That of a model like it which was fitted on y_train; None where none could be.
    likely : str
        What seems to have happened, in words.
    """

    output: int | None
    r2: float
    usual: float | None
    likely: str


class OutputOrder(NamedTuple):
    """Columns of y_train in the order of the model's outputs, where they were given in another.

    Attributes
    ----------
    columns : list of int
        Which column each output predicts.
    fit, as_given : float
        What the moved outputs explain of their columns so, and as given; 1 is all, 0 is guessing.
    """

    columns: list[int]
    fit: float
    as_given: float


class SecondStage(NamedTuple):
    """References that cascades trained besides those that all attacks share.

    Attributes
    ----------
    first_stage_auc : float
        What the first stage finds of references that act as targets.
    n_models : int
        All that were to be trained.
    n_for_target, n_more : int
        Those that were, for the target, and like the first ones.
    lost : dict of int to str
        Why others could not be.
    """

    first_stage_auc: float
    n_models: int
    n_for_target: int
    n_more: int
    lost: dict[int, str]


@dataclass(frozen=True, kw_only=True)
class Run(Asked):
    """A whole audit: what the attacks made of the answers.

    Attributes
    ----------
    scores : dict of str to ndarray of shape (n_units,)
        By attack.
    p_values : ndarray of shape (n_units,)
    n_out : ndarray of shape (n_units,) or None
        References that did not train on each, on which its p-value rests; None without p-values.
    again : Again or None
        Whom audits of the references name; None where they could name nobody.
    expected_neighbors : ndarray of shape (n_units,) or None
    vulnerable : VulnerableRecords or None
        What found the vulnerable records, where the attack on them is run.
    shift : Estimate or None
        AUC with which train and test are told apart without the model.
    controls : list of Control
    second_stage : SecondStage or None
        References that cascades trained besides, where one is run.
    structure : Structure
    other_targets : OtherTargets, OutputOrder or None
        What the target seems to have been fitted on in place of y_train.
    """

    scores: dict[str, np.ndarray]
    p_values: np.ndarray
    n_out: np.ndarray | None
    again: Again | None
    expected_neighbors: np.ndarray | None
    vulnerable: VulnerableRecords | None
    shift: Estimate | None
    controls: list[Control]
    second_stage: SecondStage | None
    structure: Structure
    other_targets: OtherTargets | OutputOrder | None


def vars_of(earlier: Planned) -> dict[str, Any]:
    """Return what an earlier result holds, for the one that comes next."""
    return {own.name: getattr(earlier, own.name) for own in fields(earlier)}


def predicted_classes(answers: np.ndarray, access: BaseAccess | None) -> np.ndarray | None:
    """Return the positions of the classes that answers predict; None where they do not tell.

    Parameters
    ----------
    answers : ndarray of shape (..., n_records, n_answers)
    access : BaseAccess or None
        What was asked for; None for log-posteriors.
    """
    if access is None:
        return answers.argmax(axis=-1)
    if not access.sees_labels:
        return None
    # NaN throughout for networks that diverged.
    return np.nan_to_num(answers[..., 1], nan=-1).astype(np.intp)
