"""XGBoost read from its own file, which keeps trees and no parameters to train them by."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

from ._kinds import nested

__all__ = ["check_parameters"]

# Of these the file tells: a model that was read holds them, and nothing else that was given.
_TOLD_BY_FILES = {"base_score", "booster", "enable_categorical", "feature_types", "objective"}
# Those that do not say how trees grow.
_IDLE = {"device", "missing", "n_jobs", "random_state", "validate_parameters", "verbosity"}
_DEPTH = 6  # of XGBoost, where nothing is given


def check_parameters(estimator: Any) -> None:
    """Refuse fitted boosting whose parameters are not those that it was trained with.

    XGBoost's `load_model` reads what was learned; a clone trains with the parameters that the
    object was made with, which are the library's own unless someone gave them again.

    Raises
    ------
    ValueError
        Names the difference and the way out.
    """
    for part in nested(estimator):
        if type(part).__module__.partition(".")[0] != "xgboost":
            continue
        booster = _booster_of(part)
        difference = None if booster is None else next(_differences(part, booster), None)
        if difference is not None:
            kind = type(part).__name__
            raise ValueError(
                f"{kind} {difference}, so that reference models would be trained otherwise than "
                "it was: a model read by load_model has lost its parameters. Pass "
                f"estimator={kind}(...) with those that it was trained with, in whatever it is "
                "part of."
            )


def _booster_of(part: Any) -> Any:
    try:
        return part.get_booster()
    except Exception:
        # Not fitted, which versions say in different ways.
        return None


def _differences(part: Any, booster: Any) -> Iterator[str]:
    """Yield in what a booster is not what its estimator would train."""
    params = {name: value for name, value in part.get_params().items() if value is not None}
    usual = {name: p.default for name, p in inspect.signature(type(part)).parameters.items()}
    given = {name for name, value in params.items() if value is not usual.get(name)}
    if {"base_score", "booster"} <= given <= _TOLD_BY_FILES | _IDLE and _was_read(part, booster):
        yield "has the parameters alone that a file tells"
    rounds, most = booster.num_boosted_rounds(), part.get_num_boosting_rounds()
    may_stop = "early_stopping_rounds" in params or bool(params.get("callbacks"))
    if rounds > most or (rounds < most and not may_stop):
        yield f"has {rounds} rounds, and a clone would have {most}"
    if params.get("booster") == "gblinear":
        return
    deepest = params.get("max_depth", _DEPTH)
    if deepest > 0:
        depth = max((_depth(tree) for tree in booster.get_dump()), default=0)
        if depth > deepest:
            yield f"has trees of depth {depth}, and max_depth says {deepest}"


def _was_read(part: Any, booster: Any) -> bool:
    """Tell whether the base score of an estimator is what a booster found for itself."""
    told = json.loads(booster.save_config())["learner"]["learner_model_param"]
    return isinstance(part.base_score, list) or told.get("boost_from_average") == "1"


def _depth(tree: str) -> int:
    """Return the depth of a tree that is written with one more tab at each level."""
    return max(len(line) - len(line.lstrip("\t")) for line in tree.splitlines())
