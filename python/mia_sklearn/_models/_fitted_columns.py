"""What a fitted model tells of the columns that it was fitted on: text, numbers, categories."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import FunctionTransformer

from ._kinds import is_pipeline
from ._known_features import n_known_features

__all__ = ["Fitted", "fitted_columns", "kind_of_values", "takes_documents"]

Kind = Literal["number", "text", "bool", "datetime", "category", "object"]
# What is known of a column by several ways: the first of these is right.
_RANKED = ("category", "object", "text", "bool", "datetime", "number")


@dataclass
class Fitted:
    """How a model was fitted on one column.

    Attributes
    ----------
    kind : str or None
        None where the model does not tell.
    values : list
        The values that an encoder saw, without missing ones; empty where none did.
    missing : bool
        Whether cells of it may have been missing.
    used : bool
        False where the model leaves the column out.
    documents : bool
        Whether each cell is a text whose words are read: an empty one is a text too.
    """

    kind: Kind | None = None
    values: list[Any] = field(default_factory=list)
    missing: bool = False
    used: bool = True
    documents: bool = False

    def learn(self, kind: Kind | None, values: Sequence[Any] = (), missing: bool = False) -> None:
        """Take in what one more part of the model tells."""
        if kind is not None and (
            self.kind is None or _RANKED.index(kind) < _RANKED.index(self.kind)
        ):
            self.kind = kind
        self.values = self.values or list(values)
        self.missing = self.missing or missing


def fitted_columns(model: Any, names: Sequence[str]) -> dict[str, Fitted]:
    """Tell how a model was fitted on its columns, in order, by walking through its fitted parts."""
    known = {name: Fitted() for name in names}
    _walk(model, list(names), known, set())
    return known


def takes_documents(model: Any) -> bool:
    """Tell whether a model was fitted on a sequence of texts, not on a table."""
    if is_pipeline(model):
        return any(map(takes_documents, _steps(model)[:1]))
    if hasattr(model, "transformer_list"):
        return any(takes_documents(part) for _, part in model.transformer_list)
    if _reads_documents(model):
        return True
    return not hasattr(model, "transformers_") and any(map(takes_documents, _parts(model)))


def kind_of_values(values: Sequence[Any]) -> Kind | None:
    """Tell what values are that an encoder or a classifier saw, missing ones left out."""
    if not len(values):
        return None
    if all(isinstance(value, (str, np.str_)) for value in values):
        return "text"
    if all(isinstance(value, (bool, np.bool_)) for value in values):
        return "bool"
    if all(isinstance(value, (int, float, np.number)) for value in values):
        return "number"
    if all(hasattr(value, "isoformat") or isinstance(value, np.datetime64) for value in values):
        return "datetime"
    return "object"


def _walk(part: Any, names: list[str], known: dict[str, Fitted], seen: set[int]) -> None:
    if id(part) in seen or part is None or isinstance(part, (str, type)):
        return
    seen.add(id(part))
    if is_pipeline(part):
        _walk_steps(_steps(part), names, known, seen)
    elif hasattr(part, "transformers_"):
        _walk_column_transformer(part, names, known, seen)
    elif hasattr(part, "transformer_list"):
        for _, inner in part.transformer_list:
            _walk(inner, names, known, seen)
    elif _reads_documents(part):
        for name in names:
            known[name].learn("text")
            known[name].documents = True
    elif _n_categories(part) == len(names):
        for name, categories in zip(names, part.categories_, strict=True):
            _learn_categories(known[name], categories)
    else:
        walk = _boosting(part) or _walk_parts
        walk(part, names, known, seen)


def _walk_parts(part: Any, names: list[str], known: dict[str, Fitted], seen: set[int]) -> None:
    inner_parts = [inner for inner in _parts(part) if n_known_features(inner) == len(names)]
    for inner in inner_parts:
        _walk(inner, names, known, seen)
    if not inner_parts and _takes_numbers(part):
        for name, value in zip(names, _filled_in(part, len(names)), strict=True):
            known[name].learn("text" if isinstance(value, str) else "number")


def _walk_steps(
    steps: list[Any], names: list[str], known: dict[str, Fitted], seen: set[int]
) -> None:
    """Walk a pipeline: its first step sees the columns, the next one where that keeps them."""
    for step in steps:
        if hasattr(step, "fit_resample"):
            continue
        if _passes(step, names):
            for name in names:
                # What an imputer fills in tells text from numbers, an encoder behind it more.
                known[name].missing = True
            if all(isinstance(value, str) for value in _filled_in(step, len(names))):
                for name in names:
                    known[name].learn("text")
            continue
        _walk(step, names, known, seen)
        if not any(hasattr(later, "categories_") for later in steps) and _takes_numbers(steps[-1]):
            for name in _passed_on(step, names):
                known[name].learn("number")
        return


def _walk_column_transformer(
    part: Any, names: list[str], known: dict[str, Fitted], seen: set[int]
) -> None:
    selectors = {name: columns for name, _, columns in part.transformers}
    for name, inner, columns in part.transformers_:
        chosen = _chosen(columns, names)
        asked = getattr(selectors.get(name), "dtype_include", None)
        for column in chosen:
            known[column].learn(_kind_asked_for(asked))
        if inner == "drop":
            for column in chosen:
                known[column].used = known[column].kind is not None
        _walk(inner, chosen, known, seen)


def _passed_on(part: Any, names: list[str]) -> list[str]:
    """Return the columns that a fitted ColumnTransformer hands on as they are."""
    return [
        column
        for _, inner, columns in getattr(part, "transformers_", ())
        if inner == "passthrough" or getattr(inner, "func", "") is None
        for column in _chosen(columns, names)
    ]


def _walk_histograms(part: Any, names: list[str], known: dict[str, Fitted], seen: set[int]) -> None:
    """Walk scikit-learn's histogram gradient boosting, which encodes categories by itself."""
    if getattr(part, "_preprocessor", None) is not None:
        _walk(part._preprocessor, names, known, seen)
    categorical = part.is_categorical_
    for j, name in enumerate(names):
        if categorical is None or not categorical[j]:
            known[name].learn("number")
        elif isinstance(part.categorical_features, str):  # "from_dtype"
            known[name].learn("category")


def _walk_lightgbm(part: Any, names: list[str], known: dict[str, Fitted], seen: set[int]) -> None:
    held = part.booster_.pandas_categorical or []
    line = re.search(r"\[categorical_feature: ([\d,]+)\]", part.booster_.model_to_string())
    positions = [int(text) for text in line[1].split(",")] if line else []
    for j, name in enumerate(names):
        known[name].learn("category" if j in positions and held else "number")
    if len(held) == len(positions):
        for j, categories in zip(positions, held, strict=True):
            known[names[j]].values = list(categories)


def _walk_xgboost(part: Any, names: list[str], known: dict[str, Fitted], seen: set[int]) -> None:
    types = part.get_booster().feature_types or ["q"] * len(names)
    for name, kind in zip(names, types, strict=False):
        known[name].learn("category" if kind == "c" else "number")


def _walk_catboost(part: Any, names: list[str], known: dict[str, Fitted], seen: set[int]) -> None:
    texts = {*part.get_cat_feature_indices(), *part.get_text_feature_indices()}
    for j, name in enumerate(names):
        known[name].learn("text" if j in texts else "number")


# Libraries of boosted trees, which take some columns as categories, by their classes' first names.
_BOOSTING: dict[tuple[str, str], Callable[..., None]] = {
    ("sklearn", "HistGradientBoosting"): _walk_histograms,
    ("lightgbm", "LGBM"): _walk_lightgbm,
    ("xgboost", "XGB"): _walk_xgboost,
    ("catboost", "CatBoost"): _walk_catboost,
}


def _boosting(part: Any) -> Callable[..., None] | None:
    kind = type(part)
    ways = (
        walk
        for (package, name), walk in _BOOSTING.items()
        if kind.__module__.partition(".")[0] == package and kind.__name__.startswith(name)
    )
    return next(ways, None)


def _learn_categories(column: Fitted, categories: Any) -> None:
    values = [value for value in np.asarray(categories).tolist() if not _is_missing(value)]
    if isinstance(categories, np.ndarray) and categories.dtype.kind == "M":
        values = list(categories)
    kind = kind_of_values(values)
    if kind in ("number", "bool") and np.asarray(categories).dtype.kind == "O":
        # An encoder looks into cells in another way where they are objects.
        kind = "object"
    column.learn(kind, values, missing=len(values) < len(categories))


def _kind_asked_for(dtype: Any) -> Kind | None:
    """Return what a column selector that chose a column by dtype says of it."""
    names = {str(getattr(each, "__name__", each)) for each in np.ravel(np.array(dtype, object))}
    kinds: tuple[tuple[str, Kind], ...] = (
        ("category", "category"),
        ("CategoricalDtype", "category"),
        ("bool", "bool"),
        ("object", "object"),
    )
    return next((kind for name, kind in kinds if names == {name}), None)


def _chosen(columns: Any, names: list[str]) -> list[str]:
    """Return the names of the columns that one part of a fitted ColumnTransformer gets."""
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):
            start = names.index(columns.start) if columns.start in names else 0
            stop = names.index(columns.stop) + 1 if columns.stop in names else len(names)
            return names[start : stop : columns.step]
        return names[columns]
    listed = [columns] if isinstance(columns, (str, int, np.integer)) else list(columns)
    if listed and all(isinstance(each, (bool, np.bool_)) for each in listed):
        return [name for name, is_one in zip(names, listed, strict=False) if is_one]
    # A numpy position is one; a name that the model does not have is none.
    return [
        names[each] if isinstance(each, (int, np.integer)) else str(each)
        for each in listed
        if (isinstance(each, (int, np.integer)) and -len(names) <= each < len(names))
        or each in names
    ]


def _steps(pipeline: Any) -> list[Any]:
    return [step for _, step in pipeline.steps if not _does_nothing(step)]


def _does_nothing(step: Any) -> bool:
    if type(step) is FunctionTransformer:
        return step.func is None and not step.validate
    return step is None or (isinstance(step, str) and step == "passthrough")


def _passes(step: Any, names: list[str]) -> bool:
    """Tell whether a step hands on the columns that it got, one by one, whatever they hold."""
    if not hasattr(step, "statistics_") and not hasattr(step, "indicator_"):
        return False
    try:
        return list(step.get_feature_names_out(names)) == names
    except (ValueError, AttributeError):
        return False


def _filled_in(step: Any, n: int) -> list[Any]:
    """Return what an imputer puts where cells are missing, None where it does not tell."""
    values = np.asarray(getattr(step, "statistics_", [None] * n), dtype=object).tolist()
    return values if len(values) == n else [None] * n


def _parts(model: Any) -> Iterator[Any]:
    """Yield the fitted estimators that an estimator holds."""
    for name, value in list(vars(model).items()) if hasattr(model, "__dict__") else ():
        if (name.endswith("_") and not name.startswith("__")) or type(model) is FrozenEstimator:
            for each in _flat(value):
                inner = each if hasattr(each, "fit") else getattr(each, "estimator", None)
                if hasattr(inner, "fit") and not isinstance(inner, type):
                    yield inner


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _flat(each)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        yield from value.ravel().tolist()
    else:
        yield value


def _takes_numbers(part: Any) -> bool:
    """Tell whether an estimator without a part that tells more is known to take numbers alone."""
    return type(part).__module__.startswith("sklearn.") and type(part).__name__ not in (
        "DictVectorizer",
        "DummyClassifier",
        "FeatureHasher",
        "FunctionTransformer",
    )


def _n_categories(part: Any) -> int:
    categories = getattr(part, "categories_", None)
    return len(categories) if isinstance(categories, (list, tuple)) else -1


def _reads_documents(part: Any) -> bool:
    return (
        type(part).__module__ != "builtins"
        and hasattr(part, "build_analyzer")
        and hasattr(part, "transform")
    )


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in ("NAType", "NaTType")
    )
