"""Which attacks an audit ran, which it did not, and what each attacker can do and knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .attacks import all_attacks

if TYPE_CHECKING:
    import pandas as pd

RELEASES = ("labels", "posteriors", "weights")

# What each release lets an attacker do; a release allows all that a weaker one allows.
_ALLOWED = {
    "labels": ("label-only",),
    "posteriors": ("label-only", "black-box"),
    "weights": ("label-only", "black-box", "white-box"),
}
_ACCESS = {
    "label-only": "asks for the predicted class",
    "black-box": "asks for posteriors",
    "white-box": "holds the model: its parameters, gradients and activations",
    "federated": "takes part in the training",
    "generator": "asks for samples",
}
_NO_KNOWLEDGE = "the record and its true label"
_WITH_REFERENCES = (
    "the record and its true label; how the model was trained; records like the training data, "
    "on which reference models were trained"
)
_WITH_POOL = _WITH_REFERENCES + "; that the whole training set lies among the audited records"
# Attacks of the literature that this version does not have.
_ELSEWHERE = (
    ("perturbed copies", "label-only", _WITH_REFERENCES),
    ("direct GMIA", "black-box", _WITH_REFERENCES),
    ("indirect GMIA", "black-box", _WITH_REFERENCES),
    ("gradient norm", "white-box", _NO_KNOWLEDGE),
    ("white-box network", "white-box", "some members and some non-members"),
)


def threat_model_of(attack: Any) -> str:
    """Return what an attack needs to see; the gap attack reads no more than the label."""
    if getattr(attack, "signal", None) == "correctness":
        return "label-only"
    return attack.threat_model


def coverage(
    chosen: dict[str, Any], release: str, headline: str, *, with_references: bool
) -> pd.DataFrame:
    """Lay out the attacks run and not run.

    Parameters
    ----------
    chosen : dict of str to attack
        The attacks that were run, by name.
    release : {"labels", "posteriors", "weights"}
    headline : str
    with_references : bool

    Returns
    -------
    DataFrame with columns attack, status, track, threat_model, access, knowledge, reason
    """
    import pandas as pd

    rows = []
    for name, attack in chosen.items():
        threat_model = threat_model_of(attack)
        track, knowledge = _track(attack, with_references)
        reason = "the headline, fixed in advance" if name == headline else ""
        if threat_model not in _ALLOWED[release]:
            reason = f"needs more than this release gives ({release}): an upper bound"
        rows.append((name, "run", track, threat_model, knowledge, reason))
    for info in all_attacks():
        if info.name not in chosen and info.threat_model in _ALLOWED[release]:
            needs = {"out", "in"} & set(info.requires)
            reason = "needs reference models" if needs and not with_references else "not asked for"
            rows.append(
                (info.name, "not run", "record", info.threat_model, _WITH_REFERENCES, reason)
            )
    if "gap" not in chosen:
        rows.append(("gap", "not run", "record", "label-only", _NO_KNOWLEDGE, "not asked for"))
    if "stacked-pool" not in chosen and release != "labels":
        rows.append(("stacked-pool", "not run", "pool", "black-box", _WITH_POOL, "not asked for"))
    for name, threat_model, knowledge in _ELSEWHERE:
        if threat_model in _ALLOWED[release]:
            reason = "not part of this version"
            rows.append((name, "not run", "record", threat_model, knowledge, reason))
    return pd.DataFrame(
        [
            (name, status, track, threat_model, _ACCESS[threat_model], knowledge, reason)
            for name, status, track, threat_model, knowledge, reason in rows
        ],
        columns=[
            "attack",
            "status",
            "track",
            "threat_model",
            "access",
            "knowledge",
            "reason",
        ],
    )


def _track(attack: Any, with_references: bool) -> tuple[str, str]:
    if "neighbor" in attack._required():
        return "pool", _WITH_POOL
    # A threshold learned from shadow observations knows the references' answers too.
    return "record", _WITH_REFERENCES if with_references else _NO_KNOWLEDGE
