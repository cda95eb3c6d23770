"""What would help, by the kind of model."""

from __future__ import annotations

from typing import Any

from ._boosters import is_boosted
from ._influence import equal_parts, is_of_neighbors, is_smoother
from ._parts import seen_by_last
from ._trees import n_nodes

__all__ = ["INSTEAD_OF_SVC", "INSTEAD_OF_SVR", "instead_of", "what_spreads"]

_DEEPEST = 4

_KERNEL = ", behind a Nystroem of some other records where the kernel is needed"
INSTEAD_OF_SVC = f"LogisticRegression, or LinearSVC with its squared hinge loss{_KERNEL}"
INSTEAD_OF_SVR = f"Ridge{_KERNEL}"

# Of a kind that keeps records, one that answers alike and keeps none.
_INSTEAD = (
    (("KNeighbors", "RadiusNeighbors"), "a forest with min_samples_leaf=10, or a linear model"),
    (("SVC", "NuSVC"), INSTEAD_OF_SVC),
    (("SVR", "NuSVR"), INSTEAD_OF_SVR),
    (("OneClassSVM",), "SGDOneClassSVM behind RBFSampler"),
    (("GaussianProcess", "_BinaryGaussianProcess"), "a linear model behind RBFSampler"),
    (("KernelRidge",), "Ridge behind RBFSampler"),
    (("KernelPCA", "Nystroem"), "RBFSampler, which draws its features without looking at records"),
    (("KNNImputer",), "SimpleImputer or IterativeImputer"),
    (("KernelDensity",), "GaussianMixture"),
    (("LabelPropagation", "LabelSpreading"), "SelfTrainingClassifier around a linear model"),
    (("LocalOutlierFactor",), "IsolationForest"),
)


def instead_of(parts: set[str]) -> str:
    """Say what to train in place of parts that keep records, by the names of their classes."""
    ways = [way for names, way in _INSTEAD if any(part.startswith(names) for part in sorted(parts))]
    return "; ".join(ways) or "a model that keeps coefficients or large leaves alone"


def what_spreads(model: Any) -> str:
    """Say what makes answers of a fitted model rest on more records; "" where it is not known.

    Returns
    -------
    {"larger leaves", "more neighbours", "a stronger penalty", ""}
    """
    try:
        return _what_spreads(model, _DEEPEST)
    except Exception:  # Attributes of anybody's estimator may hold anything.
        return ""


def _what_spreads(model: Any, depth: int) -> str:
    model = seen_by_last(model, None)[0]
    if is_boosted(model) or n_nodes(model) is not None:
        return "larger leaves"
    if is_of_neighbors(model):
        return "more neighbours"
    if is_smoother(model) or any(hasattr(model, name) for name in ("coef_", "dual_coef_")):
        return "a stronger penalty"
    parts = {_what_spreads(part, depth - 1) for part in equal_parts(model)} if depth else set()
    return parts.pop() if len(parts) == 1 else ""
