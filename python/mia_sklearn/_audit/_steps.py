"""The steps of an audit, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._models._agreement import Agreement, agreement_with_predict, sample_of_both
from .._models._kinds import kind_of_estimator
from .._models._targets import class_indices
from .._observations._difficulty import with_feature_columns
from .._observations._edges import edge_distances
from .._observations._inside import white_box_columns
from .._observations._inside_columns import PARTS
from .._observations._layout import (
    laid_in_turns,
    lay_alone,
    lay_beside_references,
    signal_on_pool,
    with_groups,
    with_inside_columns,
)
from .._observations._reference_table import ReferenceTable
from .._observe._ask import ask_as_references, ask_copies, ask_target
from .._process._parallel import map_on_cores
from .._process._printable import in_words
from .._process._progress import steps
from .._records._labels import labels_like
from .._records._rows import take_rows
from ..access import BaseAccess
from ..metrics import Estimate
from ..references import ReferenceModels
from ..references._together import train_together
from ..report._leak import INFERRED_AT
from ..signals import log_posteriors
from ..stats import pooled_p_values
from ..stats._p_values import least_pooled_p_values
from ..vulnerability import VulnerableRecords
from ._again import Again, named_again
from ._cascade import first_stage_of, first_stages, is_cascade, scores_of_cascade, stages_of
from ._controls import (
    Control,
    distribution_shift,
    memorising_threshold,
    pipeline_control,
    reference_control,
)
from ._other_targets import other_targets
from ._output_order import output_order
from ._people import fitted_on_target, of_people, of_single_records
from ._pool import in_pool_order
from ._run import Asked, Planned, Run, vars_of
from ._steadiness import depends_on_call
from ._structure import structure_of

if TYPE_CHECKING:
    import pandas as pd


_NEIGHBORS = 6


_SIZE_TOLERANCE = 0.05


def ask(
    planned: Planned, fit_params: dict[str, Any] | None, n_references: int, **options: Any
) -> Asked:
    """Train the references, and ask target and references about the audited records.

    Parameters
    ----------
    planned : Planned
    fit_params : dict or None
        Passed to the references' `fit`.
    n_references : int
    **options
        Passed to `ReferenceModels`.
    """
    agreement, doubt, unsteady, references = None, "", "", None
    taught = _taught(planned, fit_params) if n_references else {}
    if planned.access is None or planned.outputs is not None:
        # Before any reference is trained; another access may ask all models what depends on them.
        with planned.timed("target"):
            if planned.outputs is None:
                answers, agreement = _ask_posteriors(planned)
            else:
                answers = _ask_outputs(planned, planned.outputs)
            unsteady = depends_on_call(planned, answers)
    if n_references:
        with planned.timed("references"):
            references = _references_of(planned, n_models=n_references, **options)
            references.fit(planned.X, **taught)
    if planned.access is not None and planned.outputs is None:
        with planned.timed("target"):
            answers, doubt = _ask_signal(planned, planned.access, references)
            if planned.pool.labelled:
                unsteady = depends_on_call(planned, answers)
    asked = Asked(
        **vars_of(planned),
        references=references,
        answers=answers,
        doubt=doubt,
        unsteady=unsteady,
        agreement=agreement,
        edges=_edges(planned),
        taught=taught,
    )
    return asked if planned.budget is None else planned.budget.settled(asked)


def score(asked: Asked, *, controls: bool) -> Run:
    """Attack the answers, and check the audit itself where `controls` says so."""
    with asked.timed("attacks"):
        table, observations, scores, shadow = _attack(asked)
    first: dict[bool, Any] = {}
    second_stage = None
    if table is not None and observations is not None and stages_of(asked.attacks):
        assert shadow is not None
        with asked.timed("cascade"):
            first = first_stages(asked, shadow)
            found, second_stage = scores_of_cascade(asked, first, table, observations, shadow)
            scores |= found
    scores = {name: score[asked.units.first] for name, score in scores.items()}
    with asked.timed("structure"):
        structure = structure_of(asked)
        differing = output_order(asked) or other_targets(asked)
    with asked.timed("p_values"):
        p_values, n_out = _p_values(asked, table)
        again = _again(asked, n_out)
        vulnerable, expected_neighbors = _vulnerable(asked)
    with asked.timed("controls"):
        checks, shift = _controls(asked, table, first) if controls else ([], None)
    return Run(
        **vars_of(asked),
        scores=scores,
        p_values=p_values,
        n_out=n_out,
        again=again,
        expected_neighbors=expected_neighbors,
        vulnerable=vulnerable,
        shift=shift,
        controls=checks,
        second_stage=second_stage,
        structure=structure,
        other_targets=differing,
    )


def _ask_posteriors(planned: Planned) -> tuple[np.ndarray, Agreement | None]:
    """Return the target's log-posteriors on the audited records, in its own classes."""
    sides = (planned.member, ~planned.member)
    tables = (take_rows(planned.pool.X, planned.plan.audited[side]) for side in sides)
    log_proba = np.concatenate(answers_to(planned.target, *tables)).astype(np.float32)
    sample = sample_of_both(planned.member)
    return log_proba, agreement_with_predict(planned.target, planned.X, log_proba, sample)


def _ask_outputs(planned: Planned, access: BaseAccess) -> np.ndarray:
    """Return what the target predicts, of the audited records."""
    question = access.question(planned.asked_records, planned.seed)
    answers = []
    for name, side in (("X_train", planned.member), ("X_test", ~planned.member)):
        try:
            answers.append(question.ask(planned.target, np.flatnonzero(side), planned.seed))
        except Exception as error:
            raise ValueError(f"The model could not answer {name}: {in_words(error)}") from error
    return np.concatenate(answers)


def answers_to(target: Any, X_train: Any, X_test: Any) -> list[np.ndarray]:
    """Return a target's log-posteriors on two tables; an error names the table."""
    answers = []
    for name, records in (("X_train", X_train), ("X_test", X_test)):
        try:
            answers.append(log_posteriors(target, records))
        except Exception as error:
            raise ValueError(f"The model could not answer {name}: {in_words(error)}") from error
    return answers


def _edges(planned: Planned) -> np.ndarray | None:
    """Return how far each answer lies from the edge of a margin, where an attack looks at that."""
    if not any("edge" in attack._required() for attack in planned.attacks.values()):
        return None
    target, y = planned.target, planned.y
    if kind_of_estimator(target) == "classifier":
        y = class_indices(target, y)
    return edge_distances(target, planned.X, y, inside=planned.release == "weights")


def _ask_signal(
    planned: Planned, access: BaseAccess, references: ReferenceModels | None
) -> tuple[np.ndarray, str]:
    """Return what the access asks for, of the audited records, and what makes it worthless."""
    rows = np.arange(len(planned.y))
    if references is not None:
        return ask_as_references(planned.target, references, rows)
    return ask_target(access, planned.target, planned.asked_records, rows, planned.seed)


def _taught(run: Planned, fit_params: dict[str, Any] | None) -> dict[str, Any]:
    """Return what references are fitted on besides the audited records."""
    pool, plan = run.pool, run.plan
    core = None
    if len(plan.core):
        core = (take_rows(pool.X, plan.core), pool.y[plan.core])
    order = np.concatenate([plan.audited, plan.core])
    params = {
        name: in_pool_order(name, value, pool, order) for name, value in (fit_params or {}).items()
    }
    one = pool.labelled and run.outputs is None
    return {
        "y": labels_like(run.y, pool.kind_of_labels, run.X) if pool.labelled else None,
        "core": core,
        "fit_params": params or None,
        "classes": run.classes if one else None,
        "groups": None if pool.people is None else pool.people[order],
    }


def _references_of(run: Planned, **options: Any) -> ReferenceModels:
    """Return the references of an audit, not trained yet."""
    references = ReferenceModels(
        run.trainable,
        train_size=run.plan.n_trained,
        stratify=run.stratified,
        signal=run.access,
        n_queries=run.n_queries,
        **options,
    )
    references._pace = run.budget
    return references


def ask_ahead(
    planned: Planned,
    estimators: Sequence[Any],
    fit_params: dict[str, Any] | None,
    n_references: int,
    **options: Any,
) -> list[Any]:
    """Train references of several estimators together, as audits of each will ask for them.

    Parameters
    ----------
    planned : Planned
        The audit of one of them.
    estimators : sequence
    fit_params, n_references, **options
        As in `ask`; what a `cache` among them gets is there for the audits.

    Returns
    -------
    list
        Those of the estimators whose references were trained.
    """
    first = _references_of(planned, n_models=n_references, **options)
    return train_together(first, estimators, planned.X, **_taught(planned, fit_params))


def _attack(
    run: Asked,
) -> tuple[
    ReferenceTable | None, pd.DataFrame | None, dict[str, np.ndarray], tuple[Any, Any] | None
]:
    """Fit every attack where membership is known, and score the target's observations.

    These are there as a whole for attacks alone that need all of them; the last are what the
    others learned from. Scores of cascades are to follow.
    """
    for attack in run.attacks.values():
        if "random_state" in attack.get_params(deep=False) and attack.random_state is None:
            attack.set_params(random_state=run.seed)
    refs = run.references
    scores: dict[str, np.ndarray] = {}
    cascades = {name for name, attack in run.attacks.items() if is_cascade(attack)}
    outside = {
        name: attack
        for name, attack in run.attacks.items()
        if name not in cascades and not fitted_on_target(attack)
    }
    if refs is None:
        # Without references only the order of the scores is used, which no fit alters.
        people = run.units.of_row if run.of_people else None
        observations = lay_alone(
            run.answers, run.asked_records.labels, len(run.classes), run.access
        )
        observations = with_groups(observations, people)
        for name, attack in outside.items():
            scores[name] = attack.fit(observations, run.member).decision_function(observations)
        return None, observations, scores | _on_target(run, observations), None
    wants_neighbors = any("neighbor" in attack._required() for attack in run.attacks.values())
    extras: dict[str, Any] = {"n_queries": run.n_queries}
    extras["neighbors"] = _NEIGHBORS if wants_neighbors else 0
    extras["record_columns"] = any("difficulty" in a._prefers() for a in run.attacks.values())
    table = ReferenceTable(refs, **extras)
    rows = np.arange(len(run.y))
    query_phi = ask_copies(run.target, refs, rows, run.n_queries) if run.n_queries else None
    shadow, membership = refs.shadow_observations(random_state=run.seed, **extras)
    for _, attack in steps(outside.items(), len(outside)):
        attack.fit(shadow, membership)
    scores |= {name: np.empty(len(rows)) for name in outside}
    pool_phi = signal_on_pool(table, run.answers, rows)
    for part, seen in laid_in_turns(
        table, run.answers, rows, pool_phi=pool_phi, query_phi=query_phi
    ):
        for name, attack in outside.items():
            scores[name][part] = attack.decision_function(seen)
    whole = None
    if len(outside) < len(run.attacks):
        whole = lay_beside_references(table, run.answers, rows, query_phi=query_phi)
        scores |= _on_target(run, whole)
    return table, whole, scores, (shadow, membership)


def _on_target(run: Asked, observations: pd.DataFrame) -> dict[str, np.ndarray]:
    """Score the records by attacks that are fitted on the target's own observations.

    They rank without knowing any member, so that no membership in a fit alters the order.
    """
    attacks = {name: attack for name, attack in run.attacks.items() if fitted_on_target(attack)}
    required = {group for attack in attacks.values() for group in attack._required()}
    table = observations
    if run.edges is not None:
        table = with_inside_columns(table, (["edge"], run.edges[:, None]))
    if required & set(PARTS):
        table = with_inside_columns(table, _white_box(run, attacks))
    if "feature" in required:
        table = with_feature_columns(table, run.X)
    return {
        name: attack.fit(table, run.member).decision_function(table)
        for name, attack in attacks.items()
    }


def _white_box(run: Asked, attacks: dict[str, Any]) -> tuple[list[str], np.ndarray]:
    """Return the columns of gradients and activations that these attacks look at."""
    on_records = [of_single_records(attack) for attack in attacks.values()]
    on_records = [attack for attack in on_records if set(attack._required()) & set(PARTS)]
    looked_at = {part for attack in on_records for part in attack._looks_at or PARTS}
    named = [attack.layer for attack in on_records if getattr(attack, "layer", None)]
    return white_box_columns(
        run.target,
        run.X,
        class_indices(run.target, run.y),
        layers=named or None,
        parts=tuple(part for part in PARTS if part in looked_at),
    )


def _p_values(run: Asked, table: ReferenceTable | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return each unit's p-value under "not trained on", and on how many references it rests.

    NaN and None where they would not hold.
    """
    n_trained = run.plan.n_trained
    if table is None or abs(table.references.train_size_ - n_trained) > _SIZE_TOLERANCE * n_trained:
        return np.full(len(run.units), np.nan), None
    signal, out = table.signal_and_out(run.answers)
    if run.of_people:
        signal, out = of_people(signal, out, run.units)
    return pooled_p_values(signal, out), np.count_nonzero(~np.isnan(out), axis=1)


def _again(run: Asked, n_out: np.ndarray | None) -> Again | None:
    """Audit the references in the target's place, where p-values could name anybody."""
    if n_out is None or run.references is None:
        return None
    if least_pooled_p_values(n_out).min() > INFERRED_AT:
        return None
    return named_again(run.references, run.units if run.of_people else None)


def _vulnerable(run: Asked) -> tuple[VulnerableRecords | None, np.ndarray | None]:
    """Return how many neighbours of each record a training set holds, and what counted them.

    None unless an attack marks vulnerable records.
    """
    wanted = any(attack._marks_vulnerable for attack in run.attacks.values())
    comparable = run.access is None or run.outputs is not None
    if run.references is None or not comparable or not wanted or run.of_people:
        return None, None
    features = run.references.features_[: len(run.y)]
    # Where all references answer all classes alike there is no direction to compare.
    somewhere = features.any(axis=1)
    expected, vulnerable = np.full(len(features), np.nan), None
    if somewhere.sum() > 1:
        train_size = max(1, round(run.plan.n_trained * somewhere.mean()))
        vulnerable = VulnerableRecords(train_size=train_size)
        expected[somewhere] = vulnerable.fit(features[somewhere]).expected_neighbors()
    return vulnerable, expected


def _controls(
    run: Asked, table: ReferenceTable | None, first: dict[bool, Any]
) -> tuple[list[Control], Estimate]:
    """Play the headline attack on references, and beside that read the records by themselves."""
    X, y, member, units = run.X, run.y, run.member, run.units
    # One record of each person: records of one person tell of one another.
    one = units.first
    attack, called = run.attacks[run.headline], "the headline attack"
    if table is not None and is_cascade(attack):
        # References that were trained for the target know of it.
        attack, called = first_stage_of(attack, first), "the headline attack's first stage"

    def of_records() -> tuple[list[Control], list[Control], Estimate]:
        shift, how_far = distribution_shift(
            take_rows(X, one), y[one], member[one], seed=run.seed, compared=run.parts_of_records
        )
        last = []
        if run.pool.labelled and not run.of_people:
            last.append(memorising_threshold(X, y, member, seed=run.seed))
        return [shift], last, how_far

    def of_attack() -> list[Control]:
        if table is None or fitted_on_target(attack):
            return []
        told: dict[str, Any] = {"called": called, "seed": run.seed}
        return [
            reference_control(attack, table, member, units, **told),
            pipeline_control(attack, table, units, confidence=run.confidence, **told),
        ]

    played, (shift, last, how_far) = map_on_cores(lambda work: work(), [of_attack, of_records])
    return [*shift, *played, *last], how_far
