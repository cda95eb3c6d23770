"""The annex by which a person signs a model off: what the audit answers, and what people must."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _wording as wording
from ._counted import PERSON, capital, unit_of
from ._finding import NAMING
from ._frameworks import FRAMEWORKS, NOT_ANSWERED, Topic
from ._gate import condition_in_words, gate_of_report
from ._leak import read_leak

if TYPE_CHECKING:
    from ._contents import AuditContents

__all__ = ["Field", "Part", "SignOff", "signoff"]

_RELEASES = {
    "labels": "predicted classes alone",
    "posteriors": "answers with posteriors",
    "predictions": "predicted numbers",
    "samples": "samples that it draws",
    "weights": "the model itself, with all that it computes",
}
# Findings that say how many single people are at risk, the surest first.
_OF_SINGLE_PEOPLE = (
    *("SINGLED_OUT", *NAMING, "EXPOSED_RECORDS", "VULNERABLE_RECORDS"),
    "TELLS_APART",
)
_AGAIN = (
    "the model, its parameters or its training data change",
    "it is released otherwise: fuller answers, the model in place of answers, other people who may "
    "ask",
    "someone asks to be taken out of the training data",
    "an attack is published that was not run here, or this library lists a new one",
    "the date that is agreed below has come",
)


@dataclass(frozen=True)
class Field:
    """One line of the annex.

    Attributes
    ----------
    label : str
    text : str
        What the audit says; empty where a person is to fill it in.
    """

    label: str
    text: str = ""

    @property
    def blank(self) -> bool:
        """Whether a person is to fill it in."""
        return not self.text


@dataclass(frozen=True)
class Part:
    """One heading of the annex, `name` being what `Topic.answered_in` calls it."""

    name: str
    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class SignOff:
    """What a reviewer reads, fills in and signs.

    Attributes
    ----------
    title, note : str
    parts : tuple of Part
        In the order in which they are read.
    frameworks : tuple of Topic
        What four guidelines ask for, in our own words, and where it is answered.
    not_answered : tuple of str
        What this audit says nothing about.
    """

    title: str
    note: str
    parts: tuple[Part, ...]
    frameworks: tuple[Topic, ...]
    not_answered: tuple[str, ...]

    def titles_of(self, topic: Topic) -> str:
        """Return the titles of the parts that answer a topic.

        Parameters
        ----------
        topic : Topic
            One of `frameworks`.

        Returns
        -------
        str
            Empty where no part does.
        """
        titles = {part.name: part.title for part in self.parts}
        return "; ".join(titles[name] for name in topic.answered_in)


def signoff(report: AuditContents) -> SignOff:
    """Lay out a report for the person who decides on the release.

    No record is named; groups are called as `slices` called them.

    Parameters
    ----------
    report : AuditReport

    Returns
    -------
    SignOff
    """
    return SignOff(
        title="Sign-off",
        note=(
            "For the person who decides whether the model is released. Lines that are empty are "
            "theirs to fill in: an audit measures, and people answer for what is done with it."
        ),
        parts=(
            Part("model", "The model and its release", _model(report)),
            Part("unit", "Whose privacy", _unit(report)),
            Part("attacker", "The attacker", _attacker(report)),
            Part("attacks", "Attacks run and not run", _attacks(report)),
            Part("risk", "Largest risk for a single person", _risk(report)),
            Part("doubts", "What puts the numbers in doubt", _doubts(report)),
            Part("thresholds", "Conditions it was held to", _thresholds(report)),
            Part("again", "When to audit again", _again()),
            Part("decision", "Reviewer and decision", _decision()),
        ),
        frameworks=FRAMEWORKS,
        not_answered=NOT_ANSWERED,
    )


def _model(report: AuditContents) -> tuple[Field, ...]:
    info = report.info
    release = str(info.get("release") or "")
    file = (info.get("digests") or {}).get("model_file", "")
    return (
        Field("Model", str(info.get("model") or "")),
        Field("SHA-256 of its file", str(file)),
        Field("Purpose of the model"),
        Field("Released as", _RELEASES.get(release, release)),
        Field("Who will have access"),
        Field(
            "Trained on",
            f"{wording.plain(info['n_train'])} records" if "n_train" in info else "",
        ),
        Field("Who these people are, and what being among them says of a person"),
    )


def _unit(report: AuditContents) -> tuple[Field, ...]:
    if unit_of(report.info) is PERSON:
        sizes = report.info.get("records_per_person") or {}
        median = f", {wording.plain(sizes['median'])} in the median" if "median" in sizes else ""
        return (Field("Unit of privacy", f"a person with all of their records{median}"),)
    return (
        Field("Unit of privacy", f"one record: one row and its {unit_of(report.info).columns[1]}"),
        Field("Has anyone several records? If so, audit with groups="),
    )


def _attacker(report: AuditContents) -> tuple[Field, ...]:
    attacker = attacker_of(report)
    return (
        Field("Attack that makes the verdict, fixed in advance", attacker["attack"]),
        Field("Threat model", attacker["threat_model"]),
        Field("Access", attacker["access"]),
        Field("Knowledge", attacker["knowledge"]),
        Field("Is anyone to be expected who can or knows more?"),
    )


def attacker_of(report: AuditContents) -> dict[str, str]:
    """Return whom the verdict is about: the headline attack, what it has, knows, and is given."""
    named = {"attack": str(report.info["headline"]), "threat_model": "", "access": ""}
    named |= {"knowledge": "", "release": str(report.info.get("release") or "")}
    for row in report.coverage.to_dict("records"):
        if row["attack"] == named["attack"]:
            cells = {name: row[name] for name in ("threat_model", "access", "knowledge")}
            return named | {k: "" if wording.missing(v) else str(v) for k, v in cells.items()}
    return named


def _attacks(report: AuditContents) -> tuple[Field, ...]:
    rows = report.coverage.to_dict("records")
    run = [str(row["attack"]) for row in rows if row["status"] == "run"]
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["status"] != "run":
            reason = "no reason given" if wording.missing(row["reason"]) else str(row["reason"])
            reasons.setdefault(reason or "no reason given", []).append(str(row["attack"]))
    not_run = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
    return (
        Field("Run", ", ".join(run) or "none"),
        Field("Not run, and why", not_run or "none"),
        Field("Is one of those that were not run to be expected?"),
    )


def _risk(report: AuditContents) -> tuple[Field, ...]:
    metrics = report.metrics
    own = metrics[metrics["attack"] == report.info["headline"]]
    overall, groups = own[own["slice"] == "all"], own[own["slice"] != "all"]
    leak, unit = read_leak(overall), unit_of(report.info)
    fields = []
    if leak.rate is not None:
        fields.append(
            Field(
                "Named, where errors are rarest",
                f"{wording.identified(leak.rate)} "
                f"({wording.percent(leak.rate.estimate)}, interval "
                f"{wording.interval('tpr', leak.rate.low, leak.rate.high)}; by guessing "
                f"{wording.percent(leak.rate.at)})",
            )
        )
    epsilon = overall.loc[overall["metric"] == "epsilon", "low"].max()
    if not wording.missing(epsilon):
        fields.append(
            Field(
                "Epsilon, lower bound",
                f"{epsilon:.3g}: the odds that someone is in the data can grow "
                f"{math.exp(epsilon):.3g}-fold, or more",
            )
        )
    worst = groups[groups["metric"] == "auc"].sort_values("low", ascending=False)
    if len(worst) and not wording.missing(worst["low"].iloc[0]):
        row: Any = next(worst.itertuples())
        fields.append(
            Field(
                f"Group of {unit.many} that is told best",
                f"{row.slice}, AUC {wording.measured('auc', row.estimate)} "
                f"({wording.interval('auc', row.low, row.high)})",
            )
        )
    titles = {finding.code: finding.title for finding in report.findings}
    fields += [
        Field(f"Finding {code}", titles[code]) for code in _OF_SINGLE_PEOPLE if code in titles
    ]
    return (
        *fields,
        Field(
            "What these numbers leave open",
            f"each rate is an average over {unit.many}; one of them may be easier to recognise "
            "than it says, and no audit bounds that from above",
        ),
        Field("What happens to a person who is recognised"),
    )


def _doubts(report: AuditContents) -> tuple[Field, ...]:
    doubts = report.doubts
    passed = report.controls.loc[report.controls["passed"].eq(True), "control"].astype(str)
    return (
        Field("In doubt", "; ".join(doubts) if doubts else "nothing was found"),
        Field("Controls that passed", ", ".join(passed) or "none"),
        Field("Split of train and test", str(report.info.get("split") or "not stated")),
    )


def _thresholds(report: AuditContents) -> tuple[Field, ...]:
    gate = gate_of_report(report)
    fields = []
    for each in gate["conditions"] if gate else []:
        asked, came_to = condition_in_words(each)
        text = f"{came_to}. {each.get('reason') or ''}".strip()
        fields.append(Field(capital(asked), capital(text)))
    return (
        *fields,
        Field("Why these bounds"),
        Field("Agreed before the audit? (date), by whom"),
    )


def _again() -> tuple[Field, ...]:
    return (Field("Audit again when", "; ".join(_AGAIN)), Field("At the latest on (date)"))


def _decision() -> tuple[Field, ...]:
    return (
        Field("Reviewer (name, role)"),
        Field("Independent of those who trained the model? (yes / no)"),
        Field("Decision (release / release with conditions / do not release)"),
        Field("Conditions, and risks that are accepted, with reasons"),
        Field("Date, signature"),
    )
