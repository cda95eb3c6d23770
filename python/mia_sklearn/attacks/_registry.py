"""All attacks that there are, ours and third parties'."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base import THREAT_MODELS, BaseAttack

if TYPE_CHECKING:
    pass

__all__ = ["ENTRY_POINTS", "AttackInfo", "all_attacks"]

ENTRY_POINTS = "mia_sklearn.attacks"


class AttackInfo(NamedTuple):
    """One attack of the registry.

    Attributes
    ----------
    name : str
        Short name, as `audit(attacks=[...])` takes it.
    path : str
        Where the class is: its module and its name, with a colon between.
    threat_model : str
        What the attacker can see; empty where the attack is not available.
    requires : tuple of str
        Column groups of the observations without which it cannot work.
    source : str
        The distribution that brings it.
    unavailable : str
        Why an attack of another package cannot be used; empty where it can.
    """

    name: str
    path: str
    threat_model: str
    requires: tuple[str, ...]
    source: str = "mia-sklearn"
    unavailable: str = ""

    @property
    def class_name(self) -> str:
        """The name of the class, which is not imported for it."""
        return self.path.rpartition(":")[2]

    @property
    def attack(self) -> type[BaseAttack]:
        """The class, imported when it is asked for.

        Raises
        ------
        ImportError
            If it needs a package that is not installed, and names the extra; or if the package
            that brings it cannot be used, and says why.
        """
        if self.unavailable:
            raise ImportError(f"The attack {self.name!r} is {self.unavailable}")
        return resolve_name(self.path)

    def is_of(self, attack: BaseAttack) -> bool:
        """Tell whether an attack is an instance of this class.

        Parameters
        ----------
        attack : BaseAttack

        Returns
        -------
        bool
        """
        return not self.unavailable and type(attack) is self.attack


_HOME = "mia_sklearn.attacks:"
# What the classes say themselves, so that those that need torch are listed without it.
_OWN = (
    AttackInfo("threshold", _HOME + "ThresholdAttack", "black-box", ("logit",)),
    AttackInfo("shadow", _HOME + "ShadowAttack", "black-box", ("label", "proba")),
    AttackInfo("lira", _HOME + "LiRAAttack", "black-box", ("logit", "out")),
    AttackInfo("rmia", _HOME + "RMIAAttack", "black-box", ("logit", "out")),
    AttackInfo("stacked", _HOME + "StackedAttack", "black-box", ("logit", "out")),
    AttackInfo("gmia", _HOME + "GMIAAttack", "black-box", ("logit", "out")),
    AttackInfo(
        "gmia-indirect",
        _HOME + "IndirectGMIAAttack",
        "black-box",
        ("enhancing", "enhancing_out"),
    ),
    AttackInfo("gradient-norm", _HOME + "GradientNormAttack", "white-box", ("grad_norm",)),
    AttackInfo("white-box", _HOME + "WhiteBoxAttack", "white-box", ("grad_norm",)),
    AttackInfo(
        "unsupervised-white-box",
        _HOME + "UnsupervisedWhiteBoxAttack",
        "white-box",
        ("grad_norm",),
    ),
    AttackInfo("round-loss", _HOME + "RoundLossAttack", "federated", ("round_logit",)),
    AttackInfo("logan", _HOME + "LOGANAttack", "generator", ("logit",)),
)


# What `audit(attacks=)` takes beside them.
_OTHER_NAMES = (
    AttackInfo("gap", _HOME + "ThresholdAttack", "label-only", ("label", "proba")),
    AttackInfo("stacked-pool", _HOME + "StackedAttack", "black-box", ("logit", "out", "neighbor")),
    AttackInfo("auto", "mia_sklearn:audit", "", ()),
)


def all_attacks() -> list[AttackInfo]:
    """List all attacks, with their threat model and the columns that they need.

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
    ['threshold', 'shadow', 'lira']
    """
    found = {info.name: info for info in (*_OWN, *_OTHER_NAMES)}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        info = _of_other_package(point)
        other = found.setdefault(info.name, info)
        if other is not info and (other.path, other.source) != (info.path, info.source):
            raise ValueError(
                f"Two attacks are named {info.name!r}: {other.path} of {other.source} and "
                f"{info.path} of {info.source}. Uninstall one of these distributions, or have one "
                f"of them rename its entry point of {ENTRY_POINTS!r}."
            )
    return [info for info in found.values() if info not in _OTHER_NAMES]


def _of_other_package(point: EntryPoint) -> AttackInfo:
    source = point.dist.name if point.dist else point.value
    info = AttackInfo(point.name, f"{point.module}:{point.attr}", "", (), source)
    try:
        attack = point.load()
        if not (isinstance(attack, type) and issubclass(attack, BaseAttack)):
            raise TypeError(f"{point.value} is no subclass of BaseAttack")
        if attack.threat_model not in THREAT_MODELS:
            raise ValueError(f"its threat_model is {attack.threat_model!r}")
        return info._replace(threat_model=attack.threat_model, requires=tuple(attack.requires))
    except Exception as error:
        reason = f"unavailable: {source} cannot be used ({type(error).__name__}: {error})."
        return info._replace(unavailable=reason)


# The strongest attack of those that run makes the verdict, whatever it finds.
_HEADLINES = ("stacked", "lira", "rmia", "shadow", "threshold")


# The headline of "auto" where there are references; weaker ones are fooled by what merely hides.
STRONGEST = _HEADLINES[0]


def headline_of(chosen: dict[str, Any]) -> str:
    """Return the attack that makes the verdict: fixed by what is run, not by what it finds."""
    return next((name for name in _HEADLINES if name in chosen), next(iter(chosen)))
