"""What kind of model something is, as far as it says; without importing what it is made with."""

from __future__ import annotations

import sys
from typing import Any

from sklearn.utils import get_tags

_OF_GENERATORS = ("sample", "score_samples", "discriminator_score")


def is_pipeline(estimator: Any) -> bool:
    """Tell whether an estimator is made of named steps; `steps` may be a number of them, too."""
    steps = getattr(estimator, "steps", None) or None
    return isinstance(steps, (list, tuple)) and all(
        isinstance(step, (list, tuple)) and len(step) == 2 and isinstance(step[0], str)
        for step in steps
    )


def last_step(estimator: Any) -> Any:
    """Return what answers in the end: a pipeline's last step, a search's best estimator's."""
    while is_pipeline(estimator) or hasattr(estimator, "best_estimator_"):
        estimator = (
            estimator.steps[-1][1] if is_pipeline(estimator) else (estimator.best_estimator_)
        )
    return estimator


def is_net(estimator: Any) -> bool:
    """Tell whether an estimator is, or ends in, a skorch net; without importing skorch."""
    skorch = sys.modules.get("skorch")
    return skorch is not None and isinstance(last_step(estimator), skorch.NeuralNet)


def is_generator(estimator: Any) -> bool:
    """Tell whether an estimator models how records lie, and is trained without labels."""
    if isinstance(estimator, type):
        return False
    last = last_step(estimator)
    if not any(hasattr(last, name) for name in _OF_GENERATORS):
        return False
    return kind_of_estimator(last) not in ("classifier", "regressor")


def holds_net(estimator: Any) -> bool:
    """Tell whether an estimator is a skorch net or holds one among its parameters."""
    known = "skorch" in sys.modules and hasattr(estimator, "get_params")
    return known and any(is_net(part) for part in nested(estimator))


def is_module(model: Any) -> bool:
    """Tell whether a model is a bare torch module; without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def booster_library(model: Any) -> str:
    """Return whose booster, without a `fit` of its own, a model is; empty if it is none."""
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(model).__mro__}
    return next((name for name in ("lightgbm", "xgboost") if (name, "Booster") in kinds), "")


def nested(estimator: Any) -> list[Any]:
    """Return the estimator and all estimators nested in its parameters, a net's callbacks not."""
    held = estimator.get_params(deep=True)
    names = sorted(name for name in held if "callbacks__" not in name)
    parts = [held[name] for name in names if hasattr(held[name], "get_params")]
    unique = {id(part): part for part in [estimator, *parts] if not isinstance(part, type)}
    return list(unique.values())


def kind_of_estimator(estimator: Any) -> str | None:
    """Return "classifier", "regressor", ..., as far as an estimator says what it is."""
    tags = tags_of(estimator)
    return getattr(estimator, "_estimator_type", None) if tags is None else tags.estimator_type


def tags_of(estimator: Any) -> Any:
    """Return scikit-learn's tags of an estimator; None of those that know nothing of tags."""
    if not hasattr(estimator, "__sklearn_tags__"):
        return None
    try:
        return get_tags(estimator)
    except AttributeError:
        return None


def may_classify(estimator: Any) -> bool:
    """Tell whether an estimator is a classifier, as far as it says what it is."""
    kind = kind_of_estimator(estimator)
    # An unfitted stack has no predict yet.
    return kind == "classifier" or (kind is None and hasattr(estimator, "predict"))


def is_network_target(target: Any) -> bool:
    return hasattr(target, "module") and hasattr(target, "log_posteriors")
