"""What a model does to records before it learns from them, without what it learned there."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

from sklearn.feature_selection import SelectorMixin, VarianceThreshold
from sklearn.pipeline import make_pipeline

from ._kinds import is_pipeline, kind_of_estimator, tags_of
from ._trainable import configured

__all__ = ["preprocessing_of"]


def preprocessing_of(estimator: Any, seed: int) -> Any:
    """Return the transformers in front of a model, unfitted, as one Pipeline; None without any.

    Steps that labels would teach (selectors, encoders of targets, discriminants) are left out, in
    a ColumnTransformer with their columns, and so are samplers. Searches and other models around
    one `estimator` are looked through.
    """
    steps = [step for step in map(_without_labels, _in_front(estimator)) if step is not None]
    return configured(make_pipeline(*steps), seed) if steps else None


def _in_front(estimator: Any) -> Iterator[Any]:
    while hasattr(estimator, "get_params") and not isinstance(estimator, type):
        if is_pipeline(estimator):
            yield from (step for _, step in estimator.steps[:-1])
            estimator = estimator.steps[-1][1]
        else:
            estimator = estimator.get_params(deep=False).get("estimator")


def _without_labels(step: Any) -> Any:
    """Return what of a transformer is fitted on records alone; None if that is nothing."""
    if not hasattr(step, "fit") or _learns_labels(step):
        return None
    if is_pipeline(step):
        kept = [part for _, inner in step.steps if (part := _without_labels(inner)) is not None]
        return make_pipeline(*kept) if kept else None
    for parts in ("transformers", "transformer_list"):
        if hasattr(step, parts):
            step = copy(step)
            setattr(step, parts, [_without_labels_in(part) for part in getattr(step, parts)])
            if hasattr(step, "remainder"):
                step.remainder = _without_labels_in(("remainder", step.remainder))[1]
            return step
    return step if hasattr(step, "transform") else None


def _without_labels_in(part: tuple[Any, ...]) -> tuple[Any, ...]:
    name, inner, *columns = part
    if isinstance(inner, str):
        return part
    kept = _without_labels(inner)
    return (name, "drop" if kept is None else kept, *columns)


def _learns_labels(step: Any) -> bool:
    if isinstance(step, SelectorMixin):
        # Of scikit-learn's selectors the only one that labels tell nothing.
        return not isinstance(step, VarianceThreshold)
    tags = tags_of(step)
    return kind_of_estimator(step) in ("classifier", "regressor") or (
        tags is not None and tags.target_tags.required
    )
