"""All attacks that there are, ours and third parties'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ClassVar

from ..base import KNOWS_THE_RECORD, THREAT_MODELS, BaseAttack
from ..base._registry import Listed, Registry

__all__ = [
    "AttackInfo",
    "all_attacks",
    "headline_of",
    "networks",
    "run_by_default",
    "strongest",
    "variants",
]


@dataclass(frozen=True, kw_only=True)
class AttackInfo(Listed):
    """One attack of the registry.

    Attributes
    ----------
    name : str
        Short name, as `audit(attacks=[...])` takes it.
    path : str
        Where the class is: its module and its name, with a colon between.
    source : str
        The distribution that brings it.
    unavailable : str
        Why an attack of another package cannot be used; empty where it can.
    threat_model : str
        What the attacker can see; empty where the attack is not available.
    requires : tuple of str
        Column groups of the observations without which it cannot work.
    attacker_knows : str
        What the attacker knows, where `requires` does not tell.
    not_run : str
        Why the report lists it as not run, where it could be.
    by_default : tuple of str
        On what answers "auto" runs it.
    headline : int or None
        Strength as the attack that makes the verdict.
    learns_from_target : bool
        Whether it learns from the target's own answers, without membership; "auto" runs it where
        there are no references.
    parameters : dict
        What is set to make it of its class.

    See Also
    --------
    mia_sklearn.base.BaseAttack : States what is read here.
    """

    kind: ClassVar[str] = "attack"

    threat_model: str = ""
    requires: tuple[str, ...] = ()
    attacker_knows: str = ""
    not_run: str = "not asked for"
    by_default: tuple[str, ...] = ()
    headline: int | None = None
    learns_from_target: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def attack(self) -> type[BaseAttack]:
        """The class, imported when it is asked for; see `load`."""
        return self.load()

    def make(self) -> BaseAttack:
        """Return the attack, unfitted.

        Returns
        -------
        BaseAttack
        """
        return self.attack(**self.parameters)

    def is_of(self, attack: BaseAttack) -> bool:
        """Tell whether an attack is an instance of this class.

        Parameters
        ----------
        attack : BaseAttack

        Returns
        -------
        bool
        """
        # By name first: asking for the class may load torch.
        named = type(attack).__name__ == self.class_name
        return named and not self.unavailable and type(attack) is self.attack


def _check(attack: Any) -> None:
    if attack.threat_model not in THREAT_MODELS:
        raise ValueError(f"its threat_model is {attack.threat_model!r}")
    tuple(attack.requires)


_REGISTRY = Registry(
    AttackInfo,
    BaseAttack,
    home="mia_sklearn.attacks",
    # One line per attack, in the order in which "auto" runs them and tables list them.
    names={
        "threshold": "ThresholdAttack",
        "qmia": "QMIAAttack",
        "shadow": "ShadowAttack",
        "lira": "LiRAAttack",
        "rmia": "RMIAAttack",
        "stacked": "StackedAttack",
        "gmia": "GMIAAttack",
        "gmia-indirect": "IndirectGMIAAttack",
        "cascade": "CascadeAttack",
        "margin-edge": "MarginEdgeAttack",
        "gradient-norm": "GradientNormAttack",
        "white-box": "WhiteBoxAttack",
        "unsupervised-white-box": "UnsupervisedWhiteBoxAttack",
        "round-loss": "RoundLossAttack",
        "logan": "LOGANAttack",
    },
    check=_check,
    # What networks state themselves, which are listed without torch; a test compares.
    late={
        "white-box": {
            "threat_model": "white-box",
            "requires": ("grad_norm",),
            "attacker_knows": KNOWS_THE_RECORD + "; some members and some non-members",
            "not_run": "needs records whose membership is known beside those that are audited: "
            'fit it on observe(..., view="white-box")',
        },
        "unsupervised-white-box": {
            "threat_model": "white-box",
            "requires": ("grad_norm",),
            "attacker_knows": KNOWS_THE_RECORD + "; other records of which some are members",
        },
    },
)


def networks() -> list[str]:
    """Return the names of the attacks that are networks."""
    return _REGISTRY.classes_of_networks()


def all_attacks() -> list[AttackInfo]:
    """List all attacks, with what each states of itself.

    Attacks of other packages are found by the entry-point group ``mia_sklearn.attacks``; each
    entry point names a subclass of `BaseAttack`. One that cannot be imported, or names something
    else, is listed as unavailable, and raises when it is asked for.

    Returns
    -------
    list of AttackInfo
        Ours first, then those of other packages by name.

    Raises
    ------
    ValueError
        If two attacks have one name; names the distributions that bring them.

    Examples
    --------
    >>> from mia_sklearn.attacks import all_attacks
    >>> [info.name for info in all_attacks()][:3]
    ['threshold', 'qmia', 'shadow']
    """
    auto = AttackInfo(name="auto", path="mia_sklearn:audit")
    return _REGISTRY.all(taken=[*variants(), auto])


@cache
def _variants_by_class() -> dict[str, list[AttackInfo]]:
    found = {}
    for name, info in _REGISTRY.own.items():
        stated = {} if name in _REGISTRY.late else info.attack.variants
        found[name] = [_variant(info, second, *variant) for second, variant in stated.items()]
    return found


def _variant(
    info: AttackInfo,
    name: str,
    parameters: Mapping[str, Any],
    by_default: tuple[str, ...],
    attacker_knows: str,
) -> AttackInfo:
    info = replace(info, name=name, parameters=parameters, by_default=by_default, headline=None)
    attack = info.make()
    return replace(
        info,
        threat_model=attack._sees(),
        requires=attack._required(),
        attacker_knows=attacker_knows,
    )


def variants() -> list[AttackInfo]:
    """List the second names of our attacks, each with the parameters that it stands for."""
    return [variant for found in _variants_by_class().values() for variant in found]


def run_by_default(answers: Iterable[str]) -> list[AttackInfo]:
    """List the attacks that "auto" runs on these answers, see `BaseAttack.by_default`.

    Those of other packages are never among them.
    """
    listed = [
        each for name, info in _REGISTRY.own.items() for each in (*_variants_by_class()[name], info)
    ]
    return [info for info in listed if set(info.by_default) & set(answers)]


def _ranks() -> dict[str, int]:
    own = _REGISTRY.own.values()
    return {info.name: info.headline for info in own if info.headline is not None}


def strongest() -> str:
    """Return the headline of "auto" where there are references."""
    ranks = _ranks()
    return max(ranks, key=ranks.__getitem__)


def headline_of(chosen: Iterable[str]) -> str:
    """Return the attack that makes the verdict: fixed by what is run, not by what it finds."""
    ranks, names = _ranks(), list(chosen)
    return max(names, key=lambda name: ranks.get(name, -1))
