"""All attacks that there are, ours and third parties'."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import NamedTuple

from ..base import BaseAttack
from ._lira import LiRAAttack
from ._rmia import RMIAAttack
from ._shadow import ShadowAttack
from ._stacked import StackedAttack
from ._threshold import ThresholdAttack

__all__ = ["ENTRY_POINTS", "AttackInfo", "all_attacks"]

ENTRY_POINTS = "mia_sklearn.attacks"

_OWN: dict[str, type[BaseAttack]] = {
    "threshold": ThresholdAttack,
    "shadow": ShadowAttack,
    "lira": LiRAAttack,
    "rmia": RMIAAttack,
    "stacked": StackedAttack,
}


class AttackInfo(NamedTuple):
    """One attack of the registry."""

    #: Short name, as `audit(attacks=[...])` takes it.
    name: str
    #: The class.
    attack: type[BaseAttack]
    #: What the attacker can see.
    threat_model: str
    #: Column groups of the observations without which it cannot work.
    requires: tuple[str, ...]
    #: The distribution that brings it.
    source: str


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
    found = [
        AttackInfo(name, attack, attack.threat_model, attack.requires, "mia-sklearn")
        for name, attack in _OWN.items()
    ]
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        attack = point.load()
        if not (isinstance(attack, type) and issubclass(attack, BaseAttack)):
            raise TypeError(f"Entry point {point.name!r} must name a subclass of BaseAttack.")
        source = point.dist.name if point.dist else point.value
        found.append(AttackInfo(point.name, attack, attack.threat_model, attack.requires, source))
    return found
