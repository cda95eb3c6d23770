"""What an audit has to say, in plain words with stable codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._comparisons._comparison import AFFORDABLE
from .._models._kinds import last_step
from .._models._targets import FunctionTarget
from ..access import DiscriminatorAccess
from ..attacks._registry import STRONGEST
from ..references._lost import reasons
from ..report import Finding
from ..report._leak import INFERRED_AT, read_leak, two_counts
from ..report._leak import LISTED_AT as _LISTED_AT
from ..report._words_for_counted import PERSON, RECORD, Unit, capital
from ..stats import nonmembers_needed, references_needed
from ..stats._listing import list_members
from ._advice import advice_for
from ._doubts import below_chance, collapsed, differing_references, permuted_classes

if TYPE_CHECKING:
    import pandas as pd

    from .._comparisons._comparison import Comparison
    from ._controls import Control
    from ._run import Run

_LEAST_TO_POOL = 3  # references without a record that pooled p-values take
# Answers and predictions may differ by ties, thresholds and calibration, which keep the order.
_DIFFERING_SHARE = 0.02
_ORDER_OF_CALIBRATION = 0.9
_ORDER_OF_STRANGERS = 0.75
_REMEDY = (
    "Make the model remember less: stronger regularisation, larger leaves, fewer trees grown to "
    "purity, early stopping, more data; release labels or fewer digits; or train with differential "
    "privacy. `mia_sklearn.selection.compare_defenses` measures what each buys and costs."
)
_REMEDY_OF_LABELS = _REMEDY.replace("release labels or fewer digits; or ", "or ")
_REMEDY_OF_GENERATORS = (
    "Make the generator remember less: fewer components, a wider bandwidth, fewer epochs, more "
    "data; release samples only, and as few as serve; or train with differential privacy. Then "
    "audit again."
)
_READABLE = 100  # letters of an estimator's parameters in a sentence


def findings(
    run: Run, metrics: pd.DataFrame, records: pd.DataFrame, controls: list[Control]
) -> list[Finding]:
    """Return all findings of an audit.

    Parameters
    ----------
    run : Run
    metrics, records : DataFrame
        As in `AuditReport`.
    controls : list of Control

    Returns
    -------
    list of Finding
    """
    unit = PERSON if run.of_people else RECORD
    found: list[Finding | None] = [
        permuted_classes(run),
        differing_references(run),
        below_chance(run, records),
        collapsed(run),
        _leak(run, metrics, records, unit),
        _measured_remedy(run.comparison),
        _exposed(run, records, unit),
        _vulnerable(run, records),
        _overfit(run),
        _shift(run),
        *_failed_controls(controls),
        _overlap(run),
        _duplicates(run),
        _lost_references(run),
        _answers_differ(run),
        _saturated(run),
        _few_records(run, metrics, unit),
        _few_references(run, records, unit),
        _people(run),
        _unaudited(run),
        _dropped(run),
        _search(run),
        _held_aside(run),
        _no_references(run),
    ]
    return [finding for finding in found if finding is not None]


def _leak(run: Run, metrics: pd.DataFrame, records: pd.DataFrame, unit: Unit) -> Finding:
    own = metrics[(metrics["attack"] == run.headline) & (metrics["slice"] == "all")]
    leak = read_leak(own)
    rate, auc = leak.rate, leak.auc
    assert auc is not None
    picked = (
        f"{100 * auc.estimate:.1f} % of the time ({100 * auc.low:.1f} to {100 * auc.high:.1f} %)"
    )
    if leak.degree == "singled":
        assert rate is not None
        return Finding(
            "SINGLED_OUT",
            leak.severity,
            f"Some {_of_people(unit)} can be recognised as {unit.members}",
            f"Someone with this access can name {int(rate.n_identified):,} of "
            f"{int(rate.n_members):,} {unit.members} while wrongly naming "
            f"{int(rate.n_false_alarms):,} of {int(rate.n_nonmembers):,} others: surely "
            f"{rate.low / rate.at:.2g} times as many as by guessing. For a "
            "person among them, the model gives away that they are in the data, and with it "
            "whatever being in the data says about them. "
            + two_counts(leak, _listed(records), unit),
            _remedy(run),
        )
    if leak.degree == "apart":
        little = "much of their" if leak.severity == "serious" else "a little"
        return Finding(
            "TELLS_APART",
            leak.severity,
            f"{capital(unit.members)} can be told from others better than by chance",
            f"Given one {unit.member} and one other, the attack picks the right one {picked}. That "
            f"a single {unit.one} is recognised at 1 % false alarms or fewer is not shown, so what "
            f"a person in the data surely loses is {little} deniability.",
            "Decide whether this is acceptable for these people and this use; audit again if it "
            f"is not. {_remedy(run)}",
        )
    return Finding(
        "NOT_SHOWN",
        leak.severity,
        f"The attacks that were run did not tell {unit.members} from others",
        f"The headline attack's AUC is {auc.estimate:.3f} ({auc.low:.3f} to "
        f"{auc.high:.3f}); chance is 0.5. This is evidence about these attacks on these "
        f"{unit.many}, not a proof about all; where another finding puts the references or the "
        "answers in doubt, it is evidence of nothing.",
        "See which attacks were not run, and audit again after each change of model or data.",
    )


def _listed(records: pd.DataFrame) -> int | None:
    """Count the members that stand out one by one; None where there are no p-values."""
    q_values = records.loc[records["member"] == 1, "q_value"]
    return None if q_values.isna().all() else int((q_values <= _LISTED_AT).sum())


def _remedy(run: Run) -> str:
    if not run.pool.labelled:
        general = _REMEDY_OF_GENERATORS
    else:
        general = _REMEDY_OF_LABELS if run.release == "labels" else _REMEDY
    of_function = isinstance(run.target, FunctionTarget) or run.target is None
    model = run.trainable if of_function else getattr(run.target, "source", None) or run.target
    own = advice_for(model)
    if not own:
        return general
    whose = "Of estimator=" if of_function else "Of this model's parameters"
    return f"{whose}, these decide how much is remembered: {own}. {general}"


def _of_people(unit: Unit) -> str:
    return "people" if unit is PERSON else "people's records"


def _people(run: Run) -> Finding | None:
    if not run.of_people:
        return None
    sizes = run.units.sizes
    return Finding(
        "PEOPLE",
        "info",
        f"The unit of privacy is a person: all of their records, {np.median(sizes):g} in the "
        "median",
        f"{len(sizes):,} people with {sizes.min():,} to {sizes.max():,} records each were audited. "
        "All records of a person were in the training set, or none; every rate, interval and "
        "p-value counts people, and the attacker knows all records of the person in question.",
        "Whoever knows fewer of a person's records learns less than these numbers say.",
    )


def _measured_remedy(compared: Comparison | None) -> Finding | None:
    if compared is None:
        return None
    auc = f"{compared.headline}_auc"
    before, after = compared.undefended, compared.best()

    def numbers(row: pd.Series) -> str:
        return f"{row[auc]:.3f} ({row[f'{auc}_low']:.3f} to {row[f'{auc}_high']:.3f})"

    lost = _lost_defenses(compared)
    if not compared.names_remedies:
        return Finding(
            "MEASURED_REMEDY",
            "info",
            f"The comparison cannot name a remedy: its attack was {compared.headline!r}",
            f"A defense that alters answers without taking anything away may fool an attack that "
            f"is weaker than the audit's own ({STRONGEST!r}), so that what lowers the AUC of "
            f"{compared.headline!r} may lower no risk.{lost}",
            'Compare again with attacks="auto" and with references.',
        )
    if after is None:
        return Finding(
            "MEASURED_REMEDY",
            "info",
            f"None of the {compared.n_defenses} defenses measured is a remedy",
            f"Without defense the AUC of the attack {compared.headline!r} is {numbers(before)}; "
            f"none of them lowers it beyond doubt at a test score at most {100 * AFFORDABLE:g} "
            f"points below {100 * before['test_score']:.1f} %.{lost}",
            "Compare stronger defenses, or other models; or decide what accuracy may be given up.",
        )
    return Finding(
        "MEASURED_REMEDY",
        "info",
        f"Of {compared.n_defenses} defenses measured, {str(after['defense'])!r} lowers the risk "
        "most",
        f"It lowers the AUC of the attack {compared.headline!r} from {numbers(before)} to "
        f"{numbers(after)}, at a test score of {100 * after['test_score']:.1f} % in place of "
        f"{100 * before['test_score']:.1f} %; defenses that cost more than {100 * AFFORDABLE:g} "
        f"points are left aside.{lost}",
        f"Train {_in_short(str(after['parameters']))} and audit that model, on other records "
        "where there are some: it was chosen as the best of several on these.",
    )


def _lost_defenses(compared: Comparison) -> str:
    if not compared.lost:
        return ""
    said = "; ".join(f"{name} ({why or 'no numbers'})" for name, why in compared.lost.items())
    return f" Missing from the comparison, since they failed: {said}."


def _in_short(parameters: str) -> str:
    if len(parameters) <= _READABLE:
        return parameters
    return f"it ({parameters.partition('(')[0]}, with the parameters of the comparison)"


def _exposed(run: Run, records: pd.DataFrame, unit: Unit) -> Finding | None:
    p_values, member = records["p_value"].to_numpy(), records["member"].to_numpy() == 1
    listing = list_members(p_values, member, _LISTED_AT, run.seed)
    if not listing.n_members:
        return None
    others = (
        f"By the same rule {listing.n_others:,} of {listing.of_others:,} non-members would have "
        f"been listed{_surplus_in_words(listing.p_value)}."
    )
    if not listing.sure:
        return Finding(
            "EXPOSED_RECORDS",
            "info",
            f"{listing.n_members:,} {unit.members} are listed, not surely more than chance lists",
            f"Their p-values are small enough for a list with at most {100 * _LISTED_AT:.0f} % "
            f"errors. {others} Nothing shows that the list tells who was in the training set.",
            f"Do not act on single {unit.many} of the list. More references make p-values surer, "
            f"more test {unit.many} the comparison.",
        )
    return Finding(
        "EXPOSED_RECORDS",
        "serious",
        f"{listing.n_members:,} {unit.members} stand out one by one",
        f"Their answers are unusual for {unit.many} that a model has not trained on, on average "
        f"over {unit.many}; at most {100 * _LISTED_AT:.0f} % of the list are expected to be "
        f"errors. {others} Read the list as a whole: a second audit lists most of them again, "
        "not all, and a model trained again on the same records exposes partly others.",
        f"Look at these {unit.many} first (the table of most exposed {unit.many}): rare or "
        "mislabelled people carry most of the risk. Dropping them is no cure in itself, since "
        "others take their place; audit again.",
    )


def _surplus_in_words(p_value: float) -> str:
    if np.isnan(p_value):
        return ""
    return (
        f" (p = {p_value:.2g} that members are listed that much more often where p-values have "
        "nothing to do with membership, the choice of the cut-off paid for)"
    )


def _vulnerable(run: Run, records: pd.DataFrame) -> Finding | None:
    if run.vulnerable is None:
        return None
    members = records[(records["member"] == 1) & (records["vulnerable"] == 1)]
    if not len(members):
        return None
    inferred = int((members["p_value"] <= INFERRED_AT).sum())
    return Finding(
        "VULNERABLE_RECORDS",
        "warning" if inferred else "info",
        f"{len(members):,} training records have next to no neighbours",
        f"To models like this one they look like nobody else (fewer than {run.vulnerable.beta:g} "
        f"neighbours expected in a training set), so that what the model learned from them can be "
        f"told from what it learned from others, however well it generalises; {inferred:,} of "
        f"them are recognised at p <= {INFERRED_AT:g}.",
        "Ask whether the model needs these records: train without those that do not help it "
        "(`mia_sklearn.defenses.VulnerableRecordRemoval`), or collect more people like them. Then "
        "audit again.",
    )


def _overfit(run: Run) -> Finding | None:
    train, test = run.accuracy(member=True), run.accuracy(member=False)
    if train is None or test is None:
        return None
    # Records of one person are right or wrong together, at worst.
    sizes = np.array([run.unit_member.sum(), (~run.unit_member).sum()])
    # Half is the largest variance that a share can have.
    if train - test <= 2.6 * np.sqrt((0.25 / sizes).sum()):
        return None
    return Finding(
        "OVERFITTED",
        "warning" if train - test > 0.1 else "info",
        f"The model is right on {100 * train:.1f} % of the training records audited and "
        f"{100 * test:.1f} % of the others",
        "It answers its training records differently from other people's, which is what "
        "membership attacks read.",
        "Reduce the gap: regularise, stop earlier, or use more data.",
    )


def _shift(run: Run) -> Finding | None:
    shift = run.shift
    if shift is None or not shift.low > 0.5:
        return None
    return Finding(
        "SHIFT",
        "serious",
        "Train and test records differ without the model",
        f"A classifier that never saw the model tells them apart with AUC {shift.value:.3f} "
        f"({shift.low:.3f} to {shift.high:.3f}). Any attack may be measuring that difference "
        "instead of what the model remembers, and p-values and epsilon do not hold.",
        "Audit with a random split of one set of records: train a copy of the model on a random "
        "part, and give the rest as test records.",
    )


def _failed_controls(controls: list[Control]) -> list[Finding]:
    texts = {
        "references": (
            "REFERENCE_CONTROL",
            "Reference models appear to know who was in the target's training set",
            "They cannot: their training sets were drawn independently. The records themselves "
            "tell train from test.",
            "Audit with a random split of one set of records.",
        ),
        "pipeline": (
            "PIPELINE_CONTROL",
            "The attack does not carry over from references to a target",
            "Attacking a reference as if it were the target gives another AUC than "
            "cross-validation on shadow observations. The attack's numbers cannot be trusted.",
            "Use more references or more records; if that does not help, report it as an error.",
        ),
    }
    found = []
    for control in controls:
        if control.control in texts and control.passed is False:
            code, title, explanation, remedy = texts[control.control]
            numbers = f" (AUC {control.value:.3f}, p = {control.p_value:.2g}.)"
            found.append(Finding(code, "serious", title, explanation + numbers, remedy))
    return found


def _overlap(run: Run) -> Finding | None:
    repeats = run.pool.repeats
    if not repeats.in_train:
        return None
    copies = f"{repeats.in_test:,} training records and {repeats.in_train:,} test records"
    if run.of_people:
        meaning = (
            f"{copies} are equal, features and label, to one of another person on the other side. "
            "They are audited with all other records of their person, who is in the training set "
            f"as a whole or not at all.{_people_left_out(run)}"
        )
        remedy = (
            "If they are one person's, give that person one value in groups=, on one side only. "
            "Different people who look alike need nothing."
        )
    else:
        meaning = (
            f"{copies} are equal to one of the other side, features and label. In a random split "
            "such a record is neither member nor non-member: none of them is audited, the "
            "training records stay in the training set of every reference, and the test records "
            "are not used. A test score that counts them is too good."
        )
        remedy = (
            "If the copies are one person's, split by person, without repetition. Different "
            "people who look alike need nothing."
        )
    return Finding(
        "OVERLAP",
        "warning",
        f"{repeats.in_train:,} test records are training records too",
        meaning,
        remedy,
    )


def _duplicates(run: Run) -> Finding | None:
    repeats = run.pool.repeats
    own = repeats.n_train - repeats.in_test, repeats.n_test - repeats.in_train
    if not any(own):
        return None
    if run.of_people:
        return Finding(
            "DUPLICATES",
            "info",
            f"{own[0]:,} training and {own[1]:,} test records are also another person's",
            "They are equal, features and label, to one of another person on the same side, and "
            f"are audited with all others of their person.{_people_left_out(run)}",
            "If they are one person's, give that person one value in groups=.",
        )
    return Finding(
        "DUPLICATES",
        "info",
        f"{own[0]:,} training and {own[1]:,} test records repeat others of their side",
        "Nothing tells which of several equal records a model has trained on: none of them is "
        "audited, those of the training set stay in the training set of every reference, and "
        "those among the test records are not used. All rates are about records that occur once. "
        "Models remember repeated records better, so that theirs may be the larger risk.",
        "If the copies are one person's, say whose they are (groups=), or keep one of them "
        "(`mia_sklearn.defenses.DistinctTraining`), and audit again.",
    )


def _people_left_out(run: Run) -> str:
    repeats = run.pool.repeats
    if not repeats.people_train + repeats.people_test:
        return ""
    return (
        f" {repeats.people_train:,} people in the training set and {repeats.people_test:,} others "
        "have no record of their own and are not audited: the former stay in the training set of "
        "every reference, the latter are not used."
    )


def _lost_references(run: Run) -> Finding | None:
    refs = run.references
    if refs is None or not refs.lost_:
        return None
    return Finding(
        "LOST_REFERENCES",
        "warning",
        f"{len(refs.lost_)} of {refs.n_models_} reference models could not be trained",
        f"They are left out: {reasons(refs.lost_)}. Those that remain are the ones that could be "
        "trained; where that depends on a few records, of a rare class for example, each of them "
        "had enough of these.",
        "Make the training of target and references alike succeed more surely: fewer folds or "
        "neighbours where a class is rare, a lower learning rate where a loss becomes NaN.",
    )


def _answers_differ(run: Run) -> Finding | None:
    held = run.agreement
    if held is None or held.share < _DIFFERING_SHARE or not held.order < _ORDER_OF_CALIBRATION:
        return None
    return Finding(
        "ANSWERS_DIFFER",
        "serious" if held.order < _ORDER_OF_STRANGERS else "warning",
        f"The model's predict is not what its posteriors say on {100 * held.share:.0f} % of "
        "records",
        f"Of {held.n:,} records it gives another class than the largest posterior, and no "
        "threshold or calibration of the classes explains which "
        f"(a class's posteriors rank the records predicted as such above others with AUC "
        f"{held.order:.2f}). The attacks read the posteriors; what someone who sees predictions "
        "learns may be more or less.",
        "Check that the columns of predict_proba are in the order of classes_, and that predict "
        "is meant to decide otherwise; audit release='labels' if predictions are what is released.",
    )


def _saturated(run: Run) -> Finding | None:
    refs = run.references
    if refs is None or refs.scale_ is None or not refs.scale_.saturated:
        return None
    return Finding(
        "SATURATED",
        "info",
        "The model answers exactly 0 or 1",
        "Averages of votes and pure leaves cannot tell 0 from a little more. The posteriors are "
        f"{refs.scale_.text} before any logarithm; how was chosen from the references' answers "
        "alone.",
        "None needed. Larger leaves make fewer such answers, and leak less.",
    )


def _few_records(run: Run, metrics: pd.DataFrame, unit: Unit) -> Finding | None:
    own = metrics[(metrics["attack"] == run.headline) & (metrics["slice"] == "all")]
    withheld = own[(own["metric"] == "tpr") & own["high"].isna()]
    if not len(withheld):
        return None
    n = int(own["n_nonmembers"].iloc[0])
    needs = "; ".join(
        f"{rate:g} needs {nonmembers_needed(rate, confidence=run.confidence):,}"
        for rate in withheld["at"]
    )
    return Finding(
        "TOO_FEW_RECORDS",
        "info",
        f"{n:,} non-members cannot support every rate",
        f"The intervals for these false-positive rates are withheld: {needs} non-members.",
        (
            f"Raise max_records if these rates matter: {run.plan.n_dropped:,} test records were "
            "not used."
            if run.plan.n_dropped
            else f"Give more test {unit.many} if these rates matter."
        ),
    )


def _few_references(run: Run, records: pd.DataFrame, unit: Unit) -> Finding | None:
    refs = run.references
    if refs is None:
        return None
    members = int((records["member"] == 1).sum())
    out = int(np.median((refs.membership_[:, : refs.n_pool_] == 0).sum(axis=0)))
    needed = references_needed(members, max(1, members // 20), _LISTED_AT)
    if out >= needed:
        return None
    if out < _LEAST_TO_POOL:
        meaning = (
            f"With fewer than {_LEAST_TO_POOL}, a p-value is a rank among them and cannot fall "
            f"below 1/{out + 1}: no {unit.one} can stand out."
        )
    else:
        meaning = (
            f"The p-values borrow from other {unit.many}: they hold on average over {unit.many}, "
            "not for each person."
        )
    return Finding(
        "FEW_REFERENCES",
        "warning" if out < _LEAST_TO_POOL else "info",
        f"Each {unit.one} has {out} references that did not train on "
        f"{'them' if unit is PERSON else 'it'}",
        f"A list of exposed {unit.many} from each {unit.one}'s own ranks alone would need "
        f"{needed:,}. {meaning}",
        "Raise n_references for p-values that rest on a person's own references.",
    )


def _unaudited(run: Run) -> Finding | None:
    n = run.plan.n_spared
    if not n:
        return None
    return Finding(
        "UNAUDITED_MEMBERS",
        "info",
        f"{n:,} training records were not audited",
        "They stay in every reference's training set, so that references train on as many records "
        "as the model did; nothing is said about them one by one. They were chosen at random.",
        "Raise max_records to audit more of them."
        if run.plan.limited
        else "Give more test records to audit more of them.",
    )


def _dropped(run: Run) -> Finding | None:
    n = run.plan.n_dropped
    if not n:
        return None
    return Finding(
        "UNUSED_NONMEMBERS",
        "info",
        f"{n:,} test records were not used",
        "max_records leaves them out, at random, and keeps as many training as test records as "
        "there are.",
        "Raise max_records to use them.",
    )


def _search(run: Run) -> Finding | None:
    if not run.search_note:
        return None
    return Finding(
        "SEARCH",
        "info",
        "The references do not repeat the search",
        f"{run.search_note}. What the search itself gives away is not audited.",
        "Give estimator= the search object to repeat it for every reference.",
    )


def _held_aside(run: Run) -> Finding | None:
    """skorch's default keeps a fifth of the training records for validation."""
    source = getattr(run.target, "source", None)
    split = None if source is None else last_step(source).train_split
    if not hasattr(split, "cv"):
        return None
    return Finding(
        "HELD_ASIDE",
        "warning",
        "The network did not learn from all of X_train",
        f"Its train_split ({type(split).__name__}) keeps part of the records that fit is given for "
        "validation. They count as members here although no step was made on them, so rates "
        "among those that were learned are higher than these.",
        "Train with train_split=None, or give as X_train what the network made its steps on and "
        "predefined_split(validation) as train_split.",
    )


def _no_references(run: Run) -> Finding | None:
    # To what a discriminator says of a record, other discriminators add nothing.
    if run.references is not None or isinstance(run.access, DiscriminatorAccess):
        return None
    return Finding(
        "NO_REFERENCES",
        "warning",
        "Only the weakest attack was run",
        "Without reference models the attack cannot tell a record that is easy for every model "
        "from one that this model remembers.",
        "Set n_references to 16.",
    )
