"""All that is measured of one model's structure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .._records._rows import n_rows, record_shape, take_rows
from ._edge import Edges, OnEdge, on_edge
from ._measures import (
    Answers,
    Measure,
    expected_auc,
    of_answers,
    of_edges,
    of_gap,
    of_leaves,
    of_losses,
    of_parameters,
    of_rules,
    of_self_influence,
    of_stored,
    unmeasured,
)
from ._parts import seen_by_last
from ._remedies import what_spreads
from ._stored import Stored, stored_records

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_RECORDS", "Structure", "measure_structure", "some_of"]

MOST_RECORDS = 20_000
_MOST_NUMBERS = 8_000_000


@dataclass(frozen=True)
class Structure:
    """What a model's structure shows.

    Attributes
    ----------
    measures : list of Measure
    stored : list of Stored
        What it keeps of its training records.
    weights : bool
        Whether whoever gets the model gets what it keeps, too.
    expected_auc : float or None
        Of attacks with references, as far as losses let expect it.
    spreads : {"larger leaves", "more neighbours", "a stronger penalty", ""}
        What makes the model's answers rest on more records.
    edges : Edges or None
        How far its answers lie from the edge of a margin, where it shows one.
    """

    measures: list[Measure]
    stored: list[Stored]
    weights: bool
    expected_auc: float | None = None
    spreads: str = ""
    edges: Edges | None = None

    def __getitem__(self, name: str) -> Measure:
        return next(each for each in self.measures if each.measure == name)

    def __contains__(self, name: str) -> bool:
        return any(each.measure == name for each in self.measures)

    @cached_property
    def on_edge(self) -> OnEdge | None:
        """Who lies on the edge of a margin; None where members surely do not more often."""
        return on_edge(self.edges)

    def frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self.measures, columns=list(Measure._fields))


def measure_structure(
    model: Any,
    X: Any,
    y: np.ndarray | None,
    *,
    train: Answers | None,
    test: Answers | None,
    release: str,
    regressor: bool = False,
    sizes: tuple[int, int] | None = None,
    measured: bool = False,
    edges: Edges | None = None,
    seed: int = 0,
) -> Structure:
    """Measure a model on its training records, and on others where there are some.

    Parameters
    ----------
    model : fitted estimator, function, TorchTarget
    X, y : table, ndarray or None
        All training records, and what is to be predicted.
    train, test : Answers or None
        What the model answers about some of each.
    release : str
    regressor : bool, default=False
    sizes : tuple of two int, default=None
        How many of those answered are independent, where records are people's; by default all.
    measured : bool, default=False
        Whether attacks with references were run, so that nothing is to be estimated of them.
    edges : Edges or None, default=None
        How far the model's answers lie from the edge of a margin.
    seed : int, default=0
        Draws the records that are looked at, where there are more than 20,000.
    """
    n_train = n_rows(X)
    width = max(1, int(np.prod(record_shape(X)))) if hasattr(X, "shape") else 1
    rows = some_of(n_train, seed, _MOST_NUMBERS // width)
    shown = X if len(rows) == n_train else take_rows(X, rows)
    # The estimate was fitted to classifiers, and is none beside a measurement.
    estimated = not (regressor or measured)
    measures = _of_sides(train, test, regressor=regressor, sizes=sizes, estimated=estimated)
    inside = _inside(model)
    stored: list[Stored] = []
    if inside is None:
        reason = "the model is a function, of which nothing else is known"
        names = ("self_influence", "parameters_per_record")
        measures += [unmeasured(name, reason) for name in names]
        measures += [unmeasured("stored_records", reason, predicts=False)]
    else:
        if y is None:
            measures.append(unmeasured("self_influence", "the model learns no labels"))
        else:
            own = y[rows]
            measures.append(of_self_influence(inside, shown, own, n_train, seed))
        measures += _looked_at(
            ("parameters_per_record",), lambda: [of_parameters(inside, shown, n_train)]
        )
        try:
            stored = stored_records(inside, shown, n_train, seed)
            measures.append(of_stored(stored))
        except Exception as error:
            measures.append(_unreadable("stored_records", error))
        last = seen_by_last(inside, None)[0]
        measures += _looked_at(("smallest_leaf", "small_leaves"), lambda: of_leaves(last))
    if edges is not None:
        measures.append(of_edges(edges))
    if train is not None:
        measures += of_answers(train)
    if inside is not None:
        measures += _looked_at(("published_rules",), lambda: [of_rules(inside, n_train)])
    expected = None
    if train is not None and test is not None:
        expected = expected_auc(train, test, *(sizes or (len(train.loss), len(test.loss))))
    spreads = what_spreads(inside)
    return Structure(measures, stored, release == "weights", expected, spreads, edges)


def _looked_at(names: tuple[str, ...], measure: Callable[[], list[Measure]]) -> list[Measure]:
    """Return measures of what a model holds, which may be anything: an audit goes on without."""
    try:
        return measure()
    except Exception as error:
        return [_unreadable(name, error) for name in names]


def _unreadable(name: str, error: Exception) -> Measure:
    predicts = name == "parameters_per_record"
    return unmeasured(
        name, f"the model could not be looked into: {type(error).__name__}", predicts=predicts
    )


def _of_sides(
    train: Answers | None,
    test: Answers | None,
    *,
    regressor: bool,
    sizes: tuple[int, int] | None,
    estimated: bool,
) -> list[Measure]:
    gap = "residual_ratio" if regressor else "confidence_gap"
    if train is None or test is None:
        reason = "it takes records that the model was not trained on, X_test and y_test"
        if train is None:
            reason = "the model is asked for nothing that has a loss"
        return [unmeasured("ks", reason), unmeasured(gap, reason)]
    n_train, n_test = sizes or (len(train.loss), len(test.loss))
    return [
        of_losses(train, test, n_train, n_test, regressor=regressor, estimated=estimated),
        of_gap(train, test, regressor=regressor),
    ]


def some_of(n: int, seed: int, most: int | None = None) -> np.ndarray:
    """Return the positions of at most 20,000 of n records, or of fewer, in order."""
    most = MOST_RECORDS if most is None else max(1, min(most, MOST_RECORDS))
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _inside(model: Any) -> Any:
    """Return what was fitted; None of a function."""
    source = getattr(model, "source", None)
    if source is not None:
        return source
    return model if hasattr(model, "fit") or hasattr(model, "module") else None
