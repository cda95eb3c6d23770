"""Whether a model answers other records about as well as its own, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from . import _wording as wording

__all__ = ["Generalising", "generalising"]

# A model whose accuracy on its own records is no further above that on others, or whose mean
# absolute error on others is no more above that on its own, as a share of it.
_LITTLE = 0.05


class Generalising(NamedTuple):
    """Whether a model does about as well on other records, and by which numbers."""

    well: bool
    numbers: str


def generalising(info: Mapping[str, Any]) -> Generalising | None:
    """Read from a report's facts how a model does on its own records and on others.

    Returns
    -------
    Generalising or None
        None where nothing is known of that, as of generators.
    """
    own, other = (info.get(f"target_{side}_accuracy") for side in ("train", "test"))
    if own is not None and other is not None:
        said = f"{wording.percent(own)} and {wording.percent(other)} right"
        return Generalising(own - other <= _LITTLE, said)
    own, other = (info.get(f"target_{side}_mae") for side in ("train", "test"))
    if own is not None and other is not None:
        said = f"a mean absolute error of {other:.4g} and of {own:.4g}"
        return Generalising(other - own <= _LITTLE * other, said)
    return None
