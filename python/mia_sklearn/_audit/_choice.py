"""Which attacks an audit runs: those that its means allow."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sklearn.base import clone

from .._models._generators import is_function
from .._models._kinds import is_generator
from .._models._predictors import predicts_numbers
from .._models._targets import ONE_OF_SEVERAL
from .._observations._columns import describe_missing
from .._observations._inside_columns import PARTS, looks_inside
from ..access import BaseAccess, PredictionAccess, TrueValueAccess, choose_access
from ..access._choice import access_named, access_of_outputs, access_released_as
from ..attacks import AttackInfo, all_attacks
from ..attacks._registry import run_by_default, variants
from ..base import THREAT_MODELS, BaseAttack

_LOG = logging.getLogger(__name__)

RELEASES = ("labels", "posteriors", "weights")
RELEASES_OF_GENERATORS = ("samples", "weights")
RELEASES_OF_REGRESSORS = ("predictions", "weights")
RELEASES_OF_OUTPUTS = ("posteriors", "weights")


class Means(NamedTuple):
    """What an attacker has to work with."""

    #: How the model is released.
    release: str
    #: What is asked for in place of posteriors.
    access: BaseAccess | None = None
    with_references: bool = True
    #: Whether the target's gradients can be computed.
    gradients: bool = False
    #: Whether the question is about people with all of their records.
    people: bool = False
    #: Whether posteriors of perturbed copies are asked for.
    queries: bool = True
    #: By what the edges of a margin are shown: "answers", "weights" alone, or nothing.
    edges: str = ""
    #: Whether references may be trained for one target alone.
    for_target: bool = True

    @property
    def sees_targets(self) -> bool:
        """Whether the model predicts numbers, or several labels."""
        return self.access is not None and self.access.sees_targets

    @property
    def sees_numbers(self) -> bool:
        """Whether the model predicts numbers, and no label."""
        return isinstance(self.access, TrueValueAccess) and self.access.of_numbers

    def makes(self) -> set[str]:
        """Return the groups of columns that an audit by these means can make."""
        groups = {"logit"} if self.on_generators else {"logit", "feature"}
        if self.sees(["label"]):
            groups |= {"label", "proba"}
        if self.sees_targets:
            groups |= {"target", "prediction"}
        if self.with_references:
            groups |= {"out", "in"} | (set() if self.sees_targets else {"neighbor"})
            groups |= {"cascade"} if self.for_target else set()
            groups |= {"query"} if self.queries and self.access is None else set()
        if self.gradients:
            groups |= set(PARTS)
        if self.shows_edges():
            groups.add("edge")
        return groups | ({"group", "acting"} if self.people else set())

    @property
    def on_generators(self) -> bool:
        """Whether the model draws records, and answers none with a prediction."""
        return self.access is not None and self.access.of_generators

    def answers(self) -> set[str]:
        """Return what the attacker is answered, in the words of `BaseAttack.by_default`."""
        if self.sees_targets:
            return {"predictions"}
        if self.access is not None:
            return {"labels" if self.access.sees_labels else "signal"}
        return {"posteriors", "weights"} if self.release == "weights" else {"posteriors"}

    def shows_edges(self) -> bool:
        """Tell whether this release shows the edges of a margin."""
        return self.edges == "answers" or (self.edges == "weights" and self.release == "weights")

    def sees(self, groups: Iterable[str]) -> bool:
        """Tell whether the target's own answer holds these groups of columns."""
        if self.access is None:
            return True
        hidden = {"query", "enhancing", "activation", "gradient", "grad_norm", "round_logit"}
        if self.access.sees_labels or self.access.of_generators:
            hidden.add("edge")
        if not self.access.sees_labels:
            hidden |= {"label", "proba"}
        return not hidden & set(groups)


def released(
    model: Any, release: str | None, y: Any = None, estimator: Any = None
) -> tuple[str, TrueValueAccess | None]:
    """Return how a model is released, and what it is asked for if it is no plain classifier.

    Parameters
    ----------
    model, release, estimator
        As in `audit`; of a function it is the estimator that says what it predicts.
    y : array-like, default=None
        What it was trained on.

    Raises
    ------
    ValueError
        If a model of its kind is not released so.
    """
    if draws_records(model, release):
        release = release or "weights"
        check_release(release, "generator", RELEASES_OF_GENERATORS)
        return release, None
    outputs = access_of_outputs(model, y)
    if outputs is None and is_function(model) and predicts_numbers(estimator):
        outputs = PredictionAccess()
    if outputs is None:
        release = release or "posteriors"
        check_release(release, "classifier", RELEASES)
    elif outputs.of_numbers:
        release = release or "predictions"
        hint = ""
        if release == "labels":
            hint = (
                " Its answers are numbers: where they are released rounded, audit the model that "
                "rounds them (a FunctionRegressor of a function that does, with estimator= a "
                "RoundedPrediction of an unfitted model)."
            )
        check_release(release, "regressor", RELEASES_OF_REGRESSORS, hint)
    else:
        release = release or "posteriors"
        hint = f" To audit labels, {ONE_OF_SEVERAL}" if release == "labels" else ""
        kind = "classifier with several outputs"
        check_release(release, kind, RELEASES_OF_OUTPUTS, hint)
    return release, outputs


def check_release(release: Any, kind: str, releases: Sequence[str], hint: str = "") -> None:
    if release not in releases:
        raise ValueError(
            f"release must be one of {', '.join(releases)} for a {kind}, got {release!r}.{hint}"
        )


def draws_records(model: Any, release: str | None) -> bool:
    """Tell whether a model is a generator: an estimator, or a function that returns samples."""
    return is_generator(model) or (release == "samples" and is_function(model))


def access_of(
    model: Any,
    access: Any,
    release: str,
    n_queries: int | None = None,
    outputs: TrueValueAccess | None = None,
) -> BaseAccess | None:
    """Return what an audit asks a model for, after checking that it may; None for posteriors.

    `outputs` is what `released` returned.
    """
    generates = draws_records(model, release)
    if outputs is not None:
        if n_queries:
            raise ValueError(
                "n_queries asks for posteriors of perturbed copies, which a model that answers "
                "numbers or several labels is not asked for: leave it out."
            )
        chosen = outputs if access is None else choose_access(access, model)
        if chosen.name != outputs.name:
            raise ValueError(
                f"This {type(model).__name__} is asked for {outputs.name!r}, got "
                f"access={access!r}: leave access out."
            )
        return chosen
    if access is None:
        released = access_released_as(release)
        access = None if released is None else released.name
    if not generates and access is None:
        return None
    named = access_named(access)
    asked = named is not None and named.queries_copies and n_queries is not None
    return choose_access(access, model, {"n_queries": n_queries} if asked else None)


def choose_attacks(attacks: Any, means: Means) -> dict[str, Any]:
    """Return the attacks to run by name, unfitted and checked."""
    known = {info.name: info for info in (*all_attacks(), *variants())}
    if isinstance(attacks, str):
        attacks = _fixed_in_advance(means) if attacks == "auto" else [attacks]
    if isinstance(attacks, Mapping):
        attacks = list(attacks.items())
    if not isinstance(attacks, Iterable):
        attacks = [attacks]
    chosen: dict[str, Any] = {}
    for entry in attacks:
        name, attack = _named(entry, known)
        if name in chosen:
            raise ValueError(f"attacks names {name!r} twice; give pairs (name, attack).")
        chosen[name] = attack
    if not chosen:
        raise ValueError('attacks is empty: give "auto" or at least one attack.')
    for name, attack in chosen.items():
        for refusal in _refusals(name, attack, means):
            raise ValueError(refusal)
    return chosen


def _fixed_in_advance(means: Means) -> list[str]:
    chosen = []
    for info in run_by_default(means.answers()):
        if info.learns_from_target and means.with_references:
            continue
        refusal = next(_refusals(info.name, info.make(), means), None)
        if refusal is None:
            chosen.append(info.name)
        else:
            _LOG.info("not run: %s. %s", info.name, refusal)
    return chosen


def _refusals(name: str, attack: Any, means: Means) -> Iterator[str]:
    """Yield why an attack cannot be run by these means, the plainest reason first."""
    required = set(attack._required())
    if attack._sees() == "federated":
        yield (
            f"The attack {name!r} watches a training round by round, which an audit of a finished "
            "model cannot: fit it on what an observer of mia_sklearn.torch.FederatedTraining saw."
        )
    if attack._sees() == "generator" and means.sees(["label"]):
        usual = _names(run_by_default(["posteriors"]))
        yield (
            f"The attack {name!r} is one on generators, which draw samples; this model answers "
            f"records. Attacks on it are {usual}."
        )
    if means.sees_targets and (not means.sees(required) or "neighbor" in required):
        known = [
            i
            for i in run_by_default(["predictions"])
            if not any(_refusals(i.name, i.make(), means))
        ]
        reads = (
            "compares records of one class"
            if means.sees(required)
            else "reads posteriors of one class each"
        )
        yield (
            f"The attack {name!r} {reads}, and this model predicts numbers or several labels. "
            f"Attacks on it are {_names(known)}."
        )
    if attack.learns_from_target and means.on_generators:
        yield (
            f"The attack {name!r} asks how hard a record is for a model that predicts something of "
            "it, as classifiers and regressors do; this model is a generator. "
            f"Attacks on it are {_names(run_by_default(['signal']))}."
        )
    if not means.sees(required):
        assert means.access is not None
        alone = _names(run_by_default(["signal"]))
        yield (
            f"The attack {name!r} reads more than the answers to {means.access.name!r}; attacks "
            f"that read the signal alone are {alone}."
        )
    if "enhancing" in required:
        yield (
            f"The attack {name!r} asks about other records than those that are audited: find them "
            "with EnhancingRecords, and fit the attack on its observations."
        )
    if required & {"out", "in", "neighbor", "query"} and not means.with_references:
        yield f"The attack {name!r} needs reference models: give n_references of at least 2."
    if not (means.with_references or looks_inside(attack) or attack._ranks_without_members):
        yield (
            f"The attack {name!r} learns from records whose membership is known, which are those "
            "of reference models: give n_references of at least 2."
        )
    if "edge" in required and not means.shows_edges():
        yield _no_edges(name, means)
    if required & set(PARTS) and not means.gradients:
        yield (
            f"The attack {name!r} looks at gradients, which this model does not have: networks "
            "(skorch, TorchTarget), LogisticRegression, SGDClassifier(loss='log_loss') and "
            "MLPClassifier do."
        )
    if looks_inside(attack) and not attack._ranks_without_members:
        yield (
            f"The attack {name!r} learns from records of the model itself whose membership is "
            'known, which an audit does not set aside. Fit it on part of observe(..., view="white-'
            f'box") and score the rest; the audit runs {_names(_inside_without_members())}.'
        )
    missing = [group for group in attack._required() if group not in means.makes()]
    if missing:
        yield _cannot_make(name, attack, missing)


def _cannot_make(name: str, attack: Any, missing: list[str]) -> str:
    if missing == ["cascade"]:
        return (
            f"The attack {name!r} trains references for one model alone: audit the model that is "
            "chosen in the end."
        )
    return f"The audit cannot run {name!r}. {describe_missing(type(attack).__name__, missing)}"


def _no_edges(name: str, means: Means) -> str:
    if means.edges:
        return (
            f"The attack {name!r} looks at the margin of each machine alone, which these answers "
            'round or mix with others: release="weights" looks at them.'
        )
    return (
        f"The attack {name!r} looks for the edge of a margin, which this model does not show: SVC, "
        "NuSVC, LinearSVC(loss='hinge'), SVR, NuSVR and LinearSVR do, alone, in Pipelines and "
        "searches, or as parts of scikit-learn's ensembles."
    )


def _inside_without_members() -> list[AttackInfo]:
    inside = [info for info in all_attacks() if set(info.requires) & set(PARTS)]
    return [info for info in inside if info.not_run == BaseAttack.not_run]


def _names(infos: Sequence[AttackInfo]) -> str:
    *first, last = [f'"{info.name}"' for info in infos]
    return f"{', '.join(first)} and {last}" if first else last


def _named(entry: Any, known: dict[str, AttackInfo]) -> tuple[str, Any]:
    if isinstance(entry, tuple) and len(entry) == 2:
        name, attack = entry
        return str(name), _checked_attack(attack)
    if isinstance(entry, str):
        meant = entry if entry in known else entry.lower()
        if meant not in known:
            names = ", ".join(known)
            raise ValueError(f"Unknown attack {entry!r} in attacks; choose from {names}.")
        return meant, _checked_attack(known[meant].make())
    attack = _checked_attack(entry)
    mine = (name for name, info in known.items() if info.is_of(attack))
    return next(mine, type(attack).__name__), attack


def _checked_attack(attack: Any) -> Any:
    needed = ("fit", "decision_function", "get_params", "_required", "_check_parameters")
    if isinstance(attack, type) or not all(hasattr(attack, name) for name in needed):
        raise ValueError(
            f"attacks must hold names or attacks (instances of BaseAttack), got {attack!r}."
        )
    if getattr(attack, "threat_model", None) not in THREAT_MODELS:
        raise ValueError(
            f"threat_model of {type(attack).__name__} must be one of {', '.join(THREAT_MODELS)}, "
            f"got {getattr(attack, 'threat_model', None)!r}."
        )
    attack = clone(attack)
    attack._check_parameters()
    return attack
