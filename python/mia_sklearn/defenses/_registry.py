"""All defenses that there are, ours and third parties'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..base import ALTERED, KINDS, BaseDefense
from ..base._registry import Listed, Registry
from ..base._wrapped import kind_to_defend

__all__ = ["DefenseInfo", "all_defenses", "as_compared", "compared_by_default", "networks"]


@dataclass(frozen=True, kw_only=True)
class DefenseInfo(Listed):
    """One defense of the registry.

    Attributes
    ----------
    name : str
        Short name, as `compare_defenses` prints it.
    path : str
        Where the class is: its module and its name, with a colon between.
    source : str
        The distribution that brings it.
    unavailable : str
        Why a defense of another package cannot be used; empty where it can.
    alters : {"answers", "training data", "training"}
        What it alters.
    defends : tuple of {"classifier", "regressor", "multi-output classifier"}
        What it defends.
    needs_reference_data : bool
        Whether it needs records beside the training set, given or set apart.
    needs_networks : bool
        Whether it defends networks alone.

    See Also
    --------
    mia_sklearn.base.BaseDefense : States what is read here.
    """

    kind: ClassVar[str] = "defense"

    alters: str = "training"
    defends: tuple[str, ...] = ("classifier",)
    needs_reference_data: bool = False
    needs_networks: bool = False

    @property
    def defense(self) -> type[BaseDefense]:
        """The class, imported when it is asked for; see `load`."""
        return self.load()


def _check(defense: Any) -> None:
    if defense.alters not in ALTERED:
        raise ValueError(f"its alters is {defense.alters!r}")
    if not set(defense.defends) <= set(KINDS):
        raise ValueError(f"its defends is {defense.defends!r}")


_REGISTRY = Registry(
    DefenseInfo,
    BaseDefense,
    home="mia_sklearn.defenses",
    # One line per defense, in the order in which they are compared and tables list them.
    names={
        "top-k": "TopKPosterior",
        "rounded": "RoundedPosterior",
        "rounded numbers": "RoundedPrediction",
        "temperature": "TemperaturePosterior",
        "MemGuard": "MemGuard",
        "label only": "LabelOnly",
        "input noise": "InputNoise",
        "distinct": "DistinctTraining",
        "removal": "VulnerableRecordRemoval",
        "stacking": "ModelStacking",
        "distillation": "Distillation",
        "SELENA": "SELENA",
        "PATE": "PATE",
        "dropout": "DropoutDefense",
        "weight penalty": "WeightPenalty",
        "early stopping": "EarlyStoppingDefense",
        "adversarial": "AdversarialRegularization",
        "RelaxLoss": "RelaxLoss",
        "DP-SGD": "DPSGD",
    },
    check=_check,
    # What networks state themselves, which are listed without torch; a test compares.
    late={
        "dropout": {"needs_networks": True},
        "weight penalty": {"needs_networks": True},
        "early stopping": {"needs_networks": True},
        "adversarial": {"needs_networks": True, "needs_reference_data": True},
        "RelaxLoss": {"needs_networks": True},
        "DP-SGD": {"needs_networks": True},
    },
)


def networks() -> list[str]:
    """Return the names of the defenses of networks."""
    return _REGISTRY.classes_of_networks()


def all_defenses() -> list[DefenseInfo]:
    """List all defenses, with what each states of itself.

    Defenses of other packages are found by the entry-point group ``mia_sklearn.defenses``; each
    entry point names a subclass of `BaseDefense`. One that cannot be imported, or names something
    else, is listed as unavailable, and raises when it is asked for.

    Returns
    -------
    list of DefenseInfo
        Ours first, then those of other packages by name.

    Raises
    ------
    ValueError
        If two defenses have one name; names the distributions that bring them.

    Examples
    --------
    >>> from mia_sklearn.defenses import all_defenses
    >>> [info.name for info in all_defenses() if info.alters == "training data"]
    ['input noise', 'distinct', 'removal']
    """
    return _REGISTRY.all()


def compared_by_default(estimator: Any, y: Any) -> dict[str, BaseDefense]:
    """Return an estimator inside each defense that fits it, costs little and needs no advice.

    Those of other packages are never among them, nor those of networks.

    Parameters
    ----------
    estimator : unfitted classifier or regressor
    y : array-like of shape (n_records,) or (n_records, n_outputs)
        What it is to be trained on.

    Returns
    -------
    dict of str to defense
    """
    kind = kind_to_defend(estimator, y)
    ours = [info for name, info in _REGISTRY.own.items() if name not in _REGISTRY.late]
    around = {info.name: as_compared(info, estimator, y) for info in ours if kind in info.defends}
    return {name: defense for name, defense in around.items() if defense is not None}


def as_compared(info: DefenseInfo, estimator: Any, y: Any) -> BaseDefense | None:
    """Return an estimator inside a defense; None where that needs advice.

    Parameters
    ----------
    info : DefenseInfo
    estimator, y
        As in `compared_by_default`.

    Raises
    ------
    ValueError
        If the defense does not defend what the estimator is; names those that do.
    """
    kind = kind_to_defend(estimator, y)
    if kind not in info.defends:
        able = ", ".join(repr(other.name) for other in all_defenses() if kind in other.defends)
        raise ValueError(
            f"The defense {info.name!r} does not defend {kind}s, and {type(estimator).__name__} is "
            f"one. Those that do: {able}."
        )
    n_classes = len(np.unique(y)) if kind == "classifier" else 0
    return info.defense.as_compared(estimator, n_classes)
