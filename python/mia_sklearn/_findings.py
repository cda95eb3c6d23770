"""What an audit has to say, in plain words with stable codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student_t

from ._comparison import AFFORDABLE
from ._estimators import last_step
from ._plan import predicted_classes
from ._unit import PERSON, RECORD, Unit, capital
from .access import DiscriminatorAccess
from .report import Finding
from .stats import nonmembers_needed, references_needed

if TYPE_CHECKING:
    import pandas as pd

    from ._comparison import Comparison
    from ._controls import Control
    from ._plan import Run

_LISTED_AT = 0.1
# The cut-off for the p-values of vulnerable records.
INFERRED_AT = 0.01
_LEAST_TO_POOL = 3  # references without a record that pooled p-values take
_DIFFERS_AT = 0.001
_STRONG_AUC = 0.6
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
        _leak(run, metrics, unit),
        _measured_remedy(run.comparison),
        _exposed(records, unit),
        _vulnerable(run, records),
        _overfit(run),
        _shift(run),
        *_failed_controls(controls),
        _overlap(run),
        _duplicates(run),
        _lost_references(run),
        _differing_references(run),
        _saturated(run),
        _few_records(run, metrics, unit),
        _few_references(run, records, unit),
        _people(run),
        _unaudited(run),
        _dropped(run),
        _search(run),
        _held_aside(run),
        _no_references(run),
        _collapsed(run),
    ]
    return [finding for finding in found if finding is not None]


def _leak(run: Run, metrics: pd.DataFrame, unit: Unit) -> Finding:
    own = metrics[(metrics["attack"] == run.headline) & (metrics["slice"] == "all")]
    auc = own[own["metric"] == "auc"].iloc[0]
    rates = own[(own["metric"] == "tpr") & own["high"].notna()].sort_values("at")
    singled = rates[rates["low"] > rates["at"]]
    if len(singled):
        rate = singled.iloc[0]
        return Finding(
            "SINGLED_OUT",
            "serious",
            f"Some {_of_people(unit)} can be recognised as {unit.members}",
            f"Someone with this access can name {int(rate['n_identified']):,} of "
            f"{int(rate['n_members']):,} {unit.members} while wrongly naming "
            f"{int(rate['n_false_alarms']):,} of {int(rate['n_nonmembers']):,} others. For a "
            "person among them, the model gives away that they are in the data, and with it "
            "whatever being in the data says about them.",
            _remedy(run),
        )
    if auc["low"] > 0.5:
        strong = auc["low"] > _STRONG_AUC
        return Finding(
            "TELLS_APART",
            "serious" if strong else "warning",
            f"{capital(unit.members)} can be told from others better than by chance",
            f"Given one {unit.member} and one other, the attack picks the right one "
            f"{100 * auc['estimate']:.1f} % of the time ({100 * auc['low']:.1f} to "
            f"{100 * auc['high']:.1f} %). No single {unit.one} was recognised with few "
            "false alarms, "
            "so what a person in the data loses is a little deniability.",
            "Decide whether this is acceptable for these people and this use; regularise and audit "
            "again if it is not.",
        )
    return Finding(
        "NOT_SHOWN",
        "info",
        f"The attacks that were run did not tell {unit.members} from others",
        f"The headline attack's AUC is {auc['estimate']:.3f} ({auc['low']:.3f} to "
        f"{auc['high']:.3f}); chance is 0.5. This is evidence about these attacks on these "
        f"{unit.many}, not a proof about all.",
        "See which attacks were not run, and audit again after each change of model or data.",
    )


def _remedy(run: Run) -> str:
    if not run.pool.labelled:
        return _REMEDY_OF_GENERATORS
    return _REMEDY_OF_LABELS if run.release == "labels" else _REMEDY


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

    if after is None:
        return Finding(
            "MEASURED_REMEDY",
            "info",
            f"None of the {compared.n_defenses} defenses measured is a remedy",
            f"Without defense the AUC of the attack {compared.headline!r} is {numbers(before)}; "
            f"none of them lowers it beyond doubt at a test score at most {100 * AFFORDABLE:g} "
            f"points below {100 * before['test_score']:.1f} %.",
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
        "points are left aside.",
        f"Train {_in_short(str(after['parameters']))} and audit that model, on other records "
        "where there are some: it was chosen as the best of several on these.",
    )


def _in_short(parameters: str) -> str:
    if len(parameters) <= _READABLE:
        return parameters
    return f"it ({parameters.partition('(')[0]}, with the parameters of the comparison)"


def _exposed(records: pd.DataFrame, unit: Unit) -> Finding | None:
    members = records[records["member"] == 1]
    listed = members[members["q_value"] <= _LISTED_AT]
    if not len(listed):
        return None
    others = records.loc[records["member"] == 0, "p_value"]
    rate = float((others <= listed["p_value"].max()).mean())
    return Finding(
        "EXPOSED_RECORDS",
        "serious",
        f"{len(listed):,} {unit.members} stand out one by one",
        f"Their answers are unusual for {unit.many} that a model has not trained on, on average "
        f"over {unit.many}; at most {100 * _LISTED_AT:.0f} % of the list are expected to be "
        "errors. By the "
        f"same rule {100 * rate:.2g} % of the non-members would have been listed.",
        f"Look at these {unit.many} first (the table of most exposed {unit.many}): rare or "
        "mislabelled people carry most of the risk. Dropping them is no cure in itself, since "
        "others take their place; audit again.",
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
        f"The model is right on {100 * train:.1f} % of its training records and "
        f"{100 * test:.1f} % of others",
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
    n = run.pool.n_overlap
    if not n:
        return None
    return Finding(
        "OVERLAP",
        "warning",
        f"{n:,} test records are training records too",
        "They are members, and were left out of the non-members. A test score that counted them "
        "was too good.",
        "Split by person, without repetition.",
    )


def _duplicates(run: Run) -> Finding | None:
    n = run.pool.n_duplicates
    if not n:
        return None
    return Finding(
        "DUPLICATES",
        "info",
        f"{n:,} training records repeat others",
        "Repeated records are remembered better, and the copies serve as references for one "
        "another, so that their exposure is underestimated.",
        "If the copies are one person's, keep one of them "
        "(`mia_sklearn.defenses.DistinctTraining`) and audit again.",
    )


def _lost_references(run: Run) -> Finding | None:
    refs = run.references
    if refs is None or not refs.lost_:
        return None
    model, epoch = next(iter(refs.lost_.items()))
    where = f" in epoch {epoch}" if epoch else ""
    return Finding(
        "LOST_REFERENCES",
        "warning",
        f"{len(refs.lost_)} of {refs.n_models_} reference models diverged and are left out",
        f"Their loss became NaN (that of model {model}{where}). Those that remain are the ones "
        "that trained well; if the target was close to diverging too, it may be unlike them.",
        "Lower the learning rate, or clip the gradients, of target and references alike.",
    )


def _differing_references(run: Run) -> Finding | None:
    refs = run.references
    if refs is None:
        return None
    predicted = predicted_classes(refs.outputs_[:, : refs.n_pool_], refs.access_)
    if predicted is None:
        return None
    right = predicted == refs.labels_[: refs.n_pool_]
    trained = refs.membership_[:, : refs.n_pool_] > 0
    kept = np.setdiff1d(np.arange(refs.n_models_), list(refs.lost_))
    differing = []
    for name, mask, accuracy in (
        ("training", trained, run.accuracy(member=True)),
        ("other", ~trained, run.accuracy(member=False)),
    ):
        if not mask.any(axis=1).all():
            continue
        assert accuracy is not None
        usual = np.array([right[k][mask[k]].mean() for k in kept])
        n = max(1, int(mask[0].sum()))
        sampling = usual.mean() * (1 - usual.mean()) / n
        spread = np.sqrt(max(usual.var(ddof=1), sampling) * (1 + 1 / len(usual)) + 1e-12)
        limit = student_t.isf(_DIFFERS_AT / 2, len(usual) - 1)
        if abs(accuracy - usual.mean()) > max(limit * spread, 0.005):
            differing.append(
                f"{100 * accuracy:.1f} % of {name} records against {100 * usual.mean():.1f} %"
            )
    if not differing:
        return None
    return Finding(
        "REFERENCES_DIFFER",
        "warning",
        "The target was not trained like its references",
        f"It is right on {' and '.join(differing)} of theirs, more than chance explains. Attacks "
        "learned from the references may miss what this model gives away, or invent it.",
        "Give estimator= (and fit_params=) that trains as the model was trained, and check that "
        "X_train, y_train are its training records.",
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
        f"Give more test {unit.many} if these rates matter.",
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
    n = len(run.plan.core)
    if not n:
        return None
    return Finding(
        "UNAUDITED_MEMBERS",
        "info",
        f"{n:,} training records were not audited",
        "They stay in every reference's training set, so that references train on as many records "
        "as the model did; nothing is said about them one by one. They were chosen at random.",
        "Give more test records, or raise max_records, to audit more of them.",
    )


def _dropped(run: Run) -> Finding | None:
    n = run.plan.n_dropped
    if not n:
        return None
    return Finding(
        "UNUSED_NONMEMBERS",
        "info",
        f"{n:,} test records were not used",
        "max_records leaves them out, at random.",
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


def _collapsed(run: Run) -> Finding | None:
    if not run.doubt:
        return None
    return Finding(
        "NO_SIGNAL",
        "warning",
        "What the model answers tells hardly one record from another",
        f"{run.doubt} That attacks find nothing in such answers does not mean that the model has "
        "forgotten its training records.",
        "Train the model again, or ask it for something else: access=, release=.",
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
