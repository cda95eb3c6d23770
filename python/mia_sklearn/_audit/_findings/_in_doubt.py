"""Findings that leave every number of an audit in doubt: each qualifies the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._models._counted import CountedFunction
from ..._observations._inside_columns import looks_inside
from ...metrics import roc_auc
from ...references._lost import reasons
from ...report import BaseFinder, Finding
from .._causes import class_order, likely_causes
from .._likeness import Trait, differing_traits
from .._run import OutputOrder

if TYPE_CHECKING:
    from ...metrics import Estimate
    from .._run import Run
    from ._context import Context

# How often an attack that finds nothing is said to be below chance: the headline, and all others.
_ALARM = 0.001
# Answers and predictions may differ by ties, thresholds and calibration, which keep the order.
_DIFFERING_SHARE = 0.02
_ORDER_OF_CALIBRATION = 0.9
_ORDER_OF_STRANGERS = 0.75
_OF_CLASSES = "that labels and classes= are in the model's order, "


class ClassesPermuted(BaseFinder):
    code = "CLASSES_PERMUTED"
    severities = ("serious",)
    qualifies = True
    summary = (
        "the answers are right far more often when `classes=`, or the labels, are read in another "
        "order"
    )

    def find(self, context: Context) -> Finding | None:
        run = context.run
        if not run.pool.labelled:
            return None
        order = class_order(run)
        if order is None:
            return None
        given = isinstance(run.target, CountedFunction) or not hasattr(run.target, "fit")
        what = "classes= seem" if given else "The labels of y_train and y_test seem"
        return self.found(
            f"{what} to be in another order",
            f"The model is right on {100 * order.as_given:.1f} % of these records; with its "
            f"answers read as {order.classes}, in this order, it would be right on "
            f"{100 * order.accuracy:.1f} %. What attacks read, its answer for the true label, is "
            "that for another one.",
            f"Give classes={order.classes}, and audit again."
            if given
            else "Encode the labels as they were when the model was trained, and audit again.",
        )


class TargetsDiffer(BaseFinder):
    code = "TARGETS_DIFFER"
    severities = ("serious",)
    qualifies = True
    summary = (
        "the model does not predict `y_train`: a regressor was fitted on other units, a "
        "transformed y, or rows in another order; or columns of several outputs are in another "
        "order"
    )

    def find(self, context: Context) -> Finding | None:
        differing = context.run.other_targets
        if differing is None:
            return None
        if isinstance(differing, OutputOrder):
            return self._in_another_order(context, differing)
        likely = [differing.likely, *(c.sentence for c in likely_causes(context.run, []))]
        named = context.run.pool.output_name
        of = "" if differing.output is None else f" of output {named(differing.output)}"
        beside = "is as far off as no model that was fitted on it"
        if differing.usual is not None:
            who = "a copy of it" if context.run.references is None else "its references"
            beside = f"{who}, fitted on y_train, would have {differing.usual:.3g}"
            if context.run.references is not None:
                beside = f"{who} have {differing.usual:.3g} on theirs"
        return self.found(
            "The model was fitted on something else than y_train",
            f"On X_train, y_train its R2{of} is {differing.r2:.3g} (0 is that of the mean of y), "
            f"and {beside}. {' '.join(likely)} What attacks read, how far predictions are off, is "
            "then no sign of what the model has seen.",
            "Give y_train and y_test as the model was fitted on them, or wrap the model that was "
            "fitted on a transformed y in TransformedTargetRegressor; check that X_train and "
            "y_train are its training records, row by row.",
        )

    def _in_another_order(self, context: Context, order: OutputOrder) -> Finding:
        named = context.run.pool.output_name
        moved = [
            f"output {k} predicts column {named(j)}" for k, j in enumerate(order.columns) if k != j
        ]
        more = f", and {len(moved) - 5} more" if len(moved) > 5 else ""
        return self.found(
            "The columns of y_train seem to be in another order than the model's outputs",
            f"On X_train the outputs that moved explain {order.as_given:.3g} of their columns as "
            f"given, and {order.fit:.3g} in another order (of 1; guessing explains 0): "
            f"{', '.join(moved[:5])}{more}. What attacks read, how far answers are off, "
            "is then no sign of what the model has seen.",
            f"Give y_train and y_test with their columns in the order {order.columns}, counted "
            "from 0, and audit again.",
        )


class ReferencesDiffer(BaseFinder):
    code = "REFERENCES_DIFFER"
    severities = ("serious",)
    qualifies = True
    summary = (
        "the target was not trained like its references; the likeliest reason is named "
        "(preprocessing, other parameters, other records, weights not given)"
    )

    def find(self, context: Context) -> Finding | None:
        differing = differing_traits(context.run)
        if not differing:
            return None
        causes = likely_causes(context.run, differing)
        likely = " ".join(cause.sentence for cause in causes)
        return self.found(
            "The target was not trained like its references"
            + (f" ({causes[0].title})" if causes else ""),
            (f"What is most likely, first: {likely} " if likely else "")
            + f"{_what_differs(differing)} Chance alone explains so much in at most 1 of 1,000 "
            "audits. Attacks learned from the references may miss what this model gives away, or "
            "invent it: no condition is decided, in either direction.",
            "Give estimator= (and fit_params=) that trains from scratch as the model was trained, "
            "a function (X, y, seed) where it went on from another model, and check that X_train, "
            "y_train are its training records.",
        )


class BelowChance(BaseFinder):
    """An attack that is surely worse than guessing, which no sound audit has.

    Attacks beside the headline are let off where the references' own signal points the other way
    too, as that of models that were trained on altered labels may.
    """

    code = "BELOW_CHANCE"
    severities = ("serious",)
    qualifies = True
    summary = (
        "an attack is surely worse than guessing: train and test swapped, other labels, other "
        "training"
    )

    def find(self, context: Context) -> Finding | None:
        run, records = context.run, context.records
        names = [name for name, attack in run.attacks.items() if not looks_inside(attack)]
        others = [name for name in names if name != run.headline]
        if others and _points_down(run):
            others = []
        member = records["member"].to_numpy()
        for name in [run.headline] if run.headline in names else []:
            found = roc_auc(member, records[name].to_numpy(), confidence=1 - 2 * _ALARM)
            if found.high < 0.5:
                return self._below(run, name, found)
        for name in others:
            level = 1 - 2 * _ALARM / len(others)
            found = roc_auc(member, records[name].to_numpy(), confidence=level)
            if found.high < 0.5:
                return self._below(run, name, found)
        return None

    def _below(self, run: Run, name: str, auc: Estimate) -> Finding:
        causes = " ".join(cause.sentence for cause in likely_causes(run, []))
        return self.found(
            f"The {name} attack is surely worse than guessing, which is an error of the set-up",
            f"Its AUC is {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}): it takes members for "
            "others. A model does not forget its training records more than records that it has "
            "never seen, so that something was given otherwise than it was. "
            f"{causes}".strip(),
            "Check that X_train, y_train are the training records and X_test, y_test are not, "
            f"{_OF_CLASSES if len(run.classes) else ''}and that references train as it was.",
        )


class NoSignal(BaseFinder):
    code = "NO_SIGNAL"
    severities = ("warning",)
    qualifies = True
    summary = "a generator has collapsed, or all records get the same answer"

    def find(self, context: Context) -> Finding | None:
        doubt = context.run.doubt
        if not doubt:
            return None
        return self.found(
            "What the model answers tells hardly one record from another",
            f"{doubt} That attacks find nothing in such answers does not mean that the model has "
            "forgotten its training records.",
            "Train the model again, or ask it for something else: access=, release=.",
        )


class LostReferences(BaseFinder):
    code = "LOST_REFERENCES"
    severities = ("warning",)
    qualifies = True
    summary = (
        "some references could not be trained, or their loss became NaN; they are left out, and "
        "named with the reason"
    )

    def find(self, context: Context) -> Finding | None:
        refs, second = context.run.references, context.run.second_stage
        if refs is None:
            return None
        lost, n_models, why = len(refs.lost_), refs.n_models_, []
        if lost:
            why.append(reasons(refs.lost_))
        if second is not None and second.lost:
            why.append(f"of the {second.n_models} that the cascade adds {reasons(second.lost)}")
        if second is not None:
            lost, n_models = lost + len(second.lost), n_models + second.n_models
        if not lost:
            return None
        rare = ("", "")
        if len(context.run.classes):
            rare = ", of a rare class for example", " where a class is rare"
        return self.found(
            f"{lost} of {n_models} reference models could not be trained",
            f"They are left out: {'; '.join(why)}. Those that remain are the ones that could "
            f"be trained; where that depends on a few records{rare[0]}, each of them had enough of "
            "these.",
            "Make the training of target and references alike succeed more surely: fewer folds or "
            f"neighbours{rare[1]}, a lower learning rate where a loss becomes NaN.",
        )


class AnswersDiffer(BaseFinder):
    code = "ANSWERS_DIFFER"
    severities = ("serious", "warning")
    qualifies = True
    summary = (
        "`predict` gives other classes than the posteriors, and no threshold or calibration "
        "explains which"
    )

    def find(self, context: Context) -> Finding | None:
        held = context.run.agreement
        if held is None or held.share < _DIFFERING_SHARE or not held.order < _ORDER_OF_CALIBRATION:
            return None
        return self.found(
            "The model's predict is not what its posteriors say on "
            f"{100 * held.share:.0f} % of records",
            f"Of {held.n:,} records it gives another class than the largest posterior, and no "
            "threshold or calibration of the classes explains which "
            f"(a class's posteriors rank the records predicted as such above others with AUC "
            f"{held.order:.2f}). The attacks read the posteriors; what someone who sees "
            "predictions learns may be more or less.",
            "Check that the columns of predict_proba are in the order of classes_, and that "
            "predict is meant to decide otherwise; audit release='labels' if predictions are what "
            "is released.",
            "serious" if held.order < _ORDER_OF_STRANGERS else "warning",
        )


class UnsteadyAnswers(BaseFinder):
    code = "UNSTEADY_ANSWERS"
    severities = ("serious",)
    qualifies = True
    summary = (
        "the model answers a record otherwise in another call: by statistics of the batch, or by "
        "what it was asked before"
    )

    def find(self, context: Context) -> Finding | None:
        unsteady = context.run.unsteady
        if not unsteady:
            return None
        return self.found(
            "What the model answers for a record depends on the call",
            f"{unsteady} Members and others are asked in calls of their own, so that attacks may "
            "tell these calls apart in place of the training records.",
            "Make each answer one of its record alone: call model.eval() on a torch module whose "
            "function is given, use what the training set taught (means, scales, vocabularies) in "
            "place of the batch's, keep no state in predict or predict_proba. Then audit again.",
        )


def _what_differs(differing: list[Trait]) -> str:
    said = []
    for trait in differing:
        if trait.name == "accuracy":
            said.append(
                f"The model is right on {100 * trait.target:.1f} % of {trait.side} records, where "
                f"references are on {100 * trait.usual:.1f} % of the same."
            )
        elif trait.name == "distance":
            said.append(
                f"Its signal on {trait.side} records lies {np.exp(trait.target - trait.usual):.2g} "
                "times as far from the references' average as theirs do."
            )
        else:
            what = "The signal's mean" if trait.name == "signal" else "The signal's spread"
            said.append(
                f"{what} on {trait.side} records is {trait.target:.3g}, of references on the same "
                f"{trait.usual:.3g}."
            )
    return " ".join(said)


def _points_down(run: Run) -> bool:
    """Tell whether references answer their own training records with less, not more."""
    refs = run.references
    if refs is None:
        return False
    n = refs.n_pool_
    phi, trained = refs.phi()[:, :n], refs.membership_[:, :n] > 0
    kept = np.setdiff1d(np.arange(refs.n_models_), list(refs.lost_))
    return bool(np.mean([roc_auc(trained[k], phi[k]).value for k in kept]) < 0.5)
