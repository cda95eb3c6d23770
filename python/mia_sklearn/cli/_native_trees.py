"""What compiled code reads without looking: whether trees lead where there is something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.interpolate import BSpline
from sklearn.cluster import BisectingKMeans, _kmeans
from sklearn.metrics._dist_metrics import MinkowskiDistance64

__all__ = ["check_trees"]


def check_trees(model: Any) -> None:
    """Raise if a tree in a model leads out of its own arrays, or asks for a feature that is none.

    scikit-learn reads nodes without checking where they point to, and SciPy splines and sparse
    tables: those of a file that someone has changed would let them read other memory, or crash.

    Parameters
    ----------
    model : object
        What was read from a file.

    Raises
    ------
    ValueError
    """
    for part in _inside(model):
        name = f"{type(part).__module__}.{type(part).__name__}"
        if hasattr(part, "get_params") and not hasattr(part, "n_features_in_"):
            continue
        if name.startswith("sklearn.tree._classes."):
            _check_tree(part.tree_, part.n_features_in_)
        elif name.startswith("sklearn.ensemble._hist_gradient_boosting.gradient_boosting."):
            _check_histogram_trees(part)
        elif name.startswith(("sklearn.ensemble._forest.", "sklearn.ensemble._gb.")):
            for tree in np.ravel(np.asarray(part.estimators_, dtype=object)):
                _require(tree.n_features_in_ == part.n_features_in_)
        elif name in ("sklearn.neighbors._kd_tree.KDTree", "sklearn.neighbors._ball_tree.BallTree"):
            _check_neighbours(part)
        elif name == "scipy.interpolate._bsplines.BSpline":
            # Which looks where it is made.
            BSpline(part.t, part.c, part.k)
        elif isinstance(part, MinkowskiDistance64):
            _check_weights(part, 0)
        elif hasattr(part, "check_format"):
            part.check_format(full_check=True)
        else:
            # Take sizes as they come, and are there for the estimators that know them.
            _require(part is not _kmeans._kmeans_single_elkan)
            _require(part is not _kmeans._kmeans_single_lloyd)


def _check_tree(tree: Any, n_features: int) -> None:
    state = tree.__getstate__()
    nodes, n = state["nodes"], tree.node_count
    _require(n > 0 and len(nodes) == n and tree.n_features == n_features)
    inner = nodes["left_child"] != -1
    _lead_down(nodes["left_child"][inner], nodes["right_child"][inner], np.flatnonzero(inner), n)
    _require(_within(nodes["feature"][inner], n_features))


def _check_histogram_trees(model: Any) -> None:
    n_features = model.n_features_in_
    named = model.is_categorical_
    # Before it bins features, and so in its nodes, scikit-learn moves the categories to the front.
    n_categorical = 0 if named is None else int(np.sum(named))
    categorical = np.arange(n_features) < n_categorical
    _require(named is None or len(named) == n_features)
    _require(np.array_equal(categorical, model._bin_mapper.is_categorical_))
    for tree in (tree for stage in model._predictors for tree in stage):
        nodes = tree.nodes
        _require(len(nodes) > 0 and nodes.ndim == 1)
        inner = nodes["is_leaf"] == 0
        _lead_down(nodes["left"][inner], nodes["right"][inner], np.flatnonzero(inner), len(nodes))
        _require(_within(nodes["feature_idx"][inner], n_features))
        by_category = nodes[inner][nodes["is_categorical"][inner] != 0]
        _require(categorical[by_category["feature_idx"]].all())
        for bits in (tree.raw_left_cat_bitsets, tree.binned_left_cat_bitsets):
            _require(np.ndim(bits) == 2 and np.shape(bits)[1] == 8)
            _require(_within(by_category["bitset_idx"], len(bits)))


def _check_neighbours(tree: Any) -> None:
    data, order, nodes, bounds = (np.asarray(array) for array in tree.get_arrays())
    n, n_nodes = len(data), len(nodes)
    _require(n > 0 and len(order) == n and _within(order, n))
    _require(bounds.shape[1] == n_nodes and bounds.shape[2] == data.shape[1])
    _require(_within(nodes["idx_start"], n + 1) and _within(nodes["idx_end"], n + 1))
    _require((nodes["idx_start"] <= nodes["idx_end"]).all())
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    _require(_within(2 * inner + 2, n_nodes))
    for part in tree.__getstate__():
        if isinstance(part, MinkowskiDistance64):
            _check_weights(part, data.shape[1])


def _check_weights(metric: Any, n_features: int) -> None:
    _, weights, _ = metric.__getstate__()
    _require(len(weights) in (0, n_features))


def _lead_down(left: np.ndarray, right: np.ndarray, parent: np.ndarray, n: int) -> None:
    """Require that children come after their parent, so that there are no circles."""
    for child in (left.astype(np.int64), right.astype(np.int64)):
        _require(_within(child, n) and (child > parent).all())


def _within(positions: np.ndarray, n: int) -> bool:
    return bool(((positions >= 0) & (positions < n)).all())


def _require(holds: Any) -> None:
    if not holds:
        raise ValueError("a tree in it is damaged or was changed: its nodes lead nowhere")


def _inside(value: Any) -> Iterator[Any]:
    """Yield everything that a model holds, itself included, each once."""
    todo, met = [value], set()
    while todo:
        each = todo.pop()
        if id(each) in met or isinstance(each, (str, bytes, int, float, type)):
            continue
        met.add(id(each))
        yield each
        if isinstance(each, dict):
            todo += each.values()
        elif isinstance(each, (list, tuple, set)):
            todo += each
        elif isinstance(each, np.ndarray):
            todo += each.ravel().tolist() if each.dtype == object else []
        else:
            held = dict(getattr(each, "__dict__", {}))
            if type(each) is BisectingKMeans:
                # What it was fitted by, and chooses anew when it is fitted.
                held.pop("_kmeans_single", None)
            todo += held.values()
