"""All attacks that there are, ours and third parties'."""

from __future__ import annotations

from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import NamedTuple

from ..base import BaseAttack

__all__ = ["ENTRY_POINTS", "AttackInfo", "all_attacks"]

ENTRY_POINTS = "mia_sklearn.attacks"


class AttackInfo(NamedTuple):
    """One attack of the registry."""

    #: Short name, as `audit(attacks=[...])` takes it.
    name: str
    #: Where the class is: its module and its name, with a colon between.
    path: str
    #: What the attacker can see.
    threat_model: str
    #: Column groups of the observations without which it cannot work.
    requires: tuple[str, ...]
    #: The distribution that brings it.
    source: str = "mia-sklearn"

    @property
    def class_name(self) -> str:
        return self.path.rpartition(":")[2]

    @property
    def attack(self) -> type[BaseAttack]:
        """The class, imported when it is asked for.

        Raises
        ------
        ImportError
            If it needs a package that is not installed; names the extra.
        """
        return resolve_name(self.path)


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


def all_attacks() -> list[AttackInfo]:
    """List all attacks, with their threat model and the columns that they need.

    Attacks of other packages are found by the entry-point group ``mia_sklearn.attacks``; each
    entry point names a subclass of `BaseAttack`.

    Returns
    -------
    list of AttackInfo
        Ours first, then those of other packages by name.

    Raises
    ------
    TypeError
        If an entry point does not name a subclass of `BaseAttack`.

    Examples
    --------
    >>> from mia_sklearn.attacks import all_attacks
    >>> [info.name for info in all_attacks()][:3]
    ['threshold', 'shadow', 'lira']
    """
    found = list(_OWN)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        attack = point.load()
        if not (isinstance(attack, type) and issubclass(attack, BaseAttack)):
            raise TypeError(f"Entry point {point.name!r} must name a subclass of BaseAttack.")
        source = point.dist.name if point.dist else point.value
        path = f"{point.module}:{point.attr}"
        found.append(AttackInfo(point.name, path, attack.threat_model, attack.requires, source))
    return found
