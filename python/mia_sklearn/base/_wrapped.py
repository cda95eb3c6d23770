"""Which kinds of models defenses wrap: what each trains on, and what it makes of a defense."""

from __future__ import annotations

from inspect import isabstract
from typing import Any

import numpy as np
from sklearn.utils import ClassifierTags, RegressorTags, check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from .._models._kinds import holds_net, is_net, may_classify, tags_of
from .._models._predictors import predicts_numbers
from .._records._targets import as_numbers, as_several_labels, labels_of_outputs

__all__ = ["KINDS", "check_kind", "check_wrapped", "kind_to_defend", "tags_around", "true_values"]

_SEVERAL = "multi-output classifier"
#: What a defense can defend.
KINDS = ("classifier", "regressor", _SEVERAL)


def kind_to_defend(estimator: Any, y: Any = None) -> str:
    """Return which of `KINDS` an estimator is, as far as it and what it is trained on tell."""
    if predicts_numbers(estimator):
        return "regressor"
    return _SEVERAL if _n_columns(y) > 1 else "classifier"


def check_wrapped(defense: Any, inner: Any, name: str) -> None:
    """Raise if what a defense wraps is no estimator of a kind that it defends."""
    who = f"{name} of {type(defense).__name__}"
    if isinstance(inner, type):
        raise ValueError(
            f"{who} must be an instance, got the class {inner.__name__}: give {inner.__name__}()."
        )
    kind = kind_to_defend(inner)
    if kind == "classifier" and not may_classify(inner):
        kinds = " or ".join(kind for kind in defense.defends if kind != _SEVERAL)
        raise ValueError(f"{who} must be a {kinds}, got {type(inner).__name__}.")
    check_kind(defense, kind, f"{name}={type(inner).__name__}")


def check_kind(defense: Any, kind: str, why: str) -> None:
    """Raise if a defense does not defend a kind, naming those that do."""
    if kind in defense.defends:
        return
    raise ValueError(
        f"{type(defense).__name__} does not defend {kind}s ({why}). Those that do: "
        f"{', '.join(_defenders(type(defense), kind))}."
    )


def _defenders(defense: type, kind: str) -> list[str]:
    """Return the names of the defenses of a kind, of all that are loaded."""
    found: list[Any] = [next(each for each in defense.__mro__[::-1] if hasattr(each, "defends"))]
    for each in found:
        found += each.__subclasses__()
    able = [each for each in found if each.alters and kind in each.defends and not isabstract(each)]
    return sorted({each.__name__ for each in able})


def true_values(defense: Any, y: Any) -> tuple[np.ndarray, Any]:
    """Return what `fit` was given as an array, and the classes that are in it; None of numbers.

    Raises
    ------
    ValueError
        If it is not what the estimator trains on.
    """
    kind = kind_to_defend(defense, y)
    if kind == "regressor":
        values = as_numbers(y)
        # A network's loss compares its answers, of one column, with what has one column too.
        as_given = _n_columns(values) > 1 or holds_net(defense)
        return (values if as_given else column_or_1d(values, warn=True)), None
    if kind == _SEVERAL:
        check_kind(defense, kind, f"y has {_n_columns(y)} columns")
        labels = as_several_labels(y)
        check_classification_targets(labels)
        return labels, list(labels_of_outputs(labels))
    labels = check_array(column_or_1d(y, warn=True), ensure_2d=False, dtype=None, input_name="y")
    check_classification_targets(labels)
    return labels, np.unique(labels)


def _n_columns(y: Any) -> int:
    shape: tuple[int, ...] = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return shape[1] if len(shape) == 2 else 1


def tags_around(defense: Any, tags: Any, inner: Any) -> Any:
    """Return the tags of a defense: it is what it wraps, and gives some of the score away."""
    known = None if is_net(inner) else tags_of(inner)
    tags.target_tags.required = True
    # A few records of a check lose all of the score.
    if predicts_numbers(inner):
        tags.estimator_type = kind = "regressor"
        tags.regressor_tags = RegressorTags(poor_score=True)
    else:
        tags.estimator_type, kind = "classifier", _SEVERAL
        tags.classifier_tags = ClassifierTags(poor_score=True)
        if known is not None and known.classifier_tags is not None:
            tags.classifier_tags.multi_class = known.classifier_tags.multi_class
    if known is not None:
        tags.input_tags = known.input_tags
        several = known.target_tags.multi_output and kind in defense.defends
        tags.target_tags.multi_output = several
    return tags
