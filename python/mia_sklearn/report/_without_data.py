"""How an estimator is written without any value that may be taken from the data."""

from __future__ import annotations

import ast
import re

__all__ = ["without_data"]

# Options of estimators that are words. Any other text may be somebody's.
_WORDS = {
    *("adam", "auto", "average", "balanced", "balanced_subsample", "ball_tree", "best"),
    *("binary", "brute", "cosine", "drop", "elasticnet", "entropy", "euclidean"),
    *("exponential", "friedman_mse", "full", "gini", "hard", "hinge", "hist", "identity"),
    *("ignore", "isotonic", "kd_tree", "l1", "l2", "lbfgs", "liblinear", "linear", "log2"),
    *("log_loss", "logistic", "manhattan", "mean", "median", "minkowski", "modified_huber"),
    *("most_frequent", "multinomial", "newton-cg", "newton-cholesky", "passthrough"),
    *("perceptron", "poly", "predict", "predict_proba", "quantile", "random", "rbf", "relu"),
    *("saga", "sag", "scale", "sgd", "sigmoid", "soft", "sqrt", "squared_error"),
    *("squared_hinge", "tanh", "tied", "uniform", "diag", "spherical", "distance", "constant"),
    *("invscaling", "adaptive", "optimal", "ovo", "ovr", "binary:logistic", "multi:softprob"),
    *("multi:softmax", "gbdt", "dart", "goss", "gblinear", "gbtree", "approx", "exact"),
    *("posteriors", "labels", "predictions", "weights", "samples"),
}
# Parameters that are several numbers, none of which is a record.
_SIZES = {
    *("hidden_layer_sizes", "ngram_range", "feature_range", "quantile_range"),
    "output_range",
}
_NAMES = re.compile(r"[A-Za-z_]\w*( of [A-Za-z_]\w*)*")
_ELSE = "..."


def without_data(text: str) -> str:
    """Return an estimator's text with every value replaced that may come from the data.

    Numbers, truths, known words and estimators in estimators stay; texts, lists, arrays and
    dictionaries do not. What is no text of an estimator is cut to the name that it begins with.

    Examples
    --------
    >>> from mia_sklearn.report._without_data import without_data
    >>> without_data("SVC(C=10, class_weight={'Ada': 3.0}, kernel='poly')")
    "SVC(C=10, class_weight=..., kernel='poly')"
    """
    if _NAMES.fullmatch(text):
        return text
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if isinstance(tree, ast.Call):
            return _shown(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    name = re.match(r"([A-Za-z_]\w*)\(", text)
    return f"{name[1]}({_ELSE})" if name else _ELSE


def _shown(node: ast.AST, of: str = "") -> str:
    if isinstance(node, ast.Constant):
        known = node.value is None or isinstance(node.value, (bool, int, float))
        return repr(node.value) if known or node.value in _WORDS else _ELSE
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _shown(node.operand)
        return f"-{inner}" if inner != _ELSE else _ELSE
    if isinstance(node, ast.Name):
        # A class of code, or a number that has a name.
        return node.id if node.id[:1].isupper() or node.id in ("nan", "inf") else _ELSE
    if isinstance(node, ast.Call):
        return _called(node)
    if isinstance(node, (ast.List, ast.Tuple)):
        return _listed(node, of)
    return _ELSE


def _called(node: ast.Call) -> str:
    name = ast.unparse(node.func)
    if not re.fullmatch(r"[\w.]+", name) or not name.rpartition(".")[2][:1].isupper():
        return _ELSE  # array(...), a date
    given = [_shown(each) for each in node.args]
    given += [f"{each.arg}={_shown(each.value, each.arg)}" for each in node.keywords if each.arg]
    return f"{name}({', '.join(given)})"


def _listed(node: ast.List | ast.Tuple, of: str) -> str:
    """Return the estimators in a list, without what their steps are called; sizes as they are."""
    if of in _SIZES:
        inner = [_shown(each) for each in node.elts]
    else:
        parts = [
            part
            for each in node.elts
            for part in (each.elts if isinstance(each, ast.Tuple) else [each])
        ]
        inner = [_shown(part) for part in parts if isinstance(part, ast.Call)]
        inner = [part for part in inner if part != _ELSE]
    return f"[{', '.join(inner)}]" if inner else _ELSE
