"""What would help, by the kind of model."""

from __future__ import annotations

__all__ = ["INSTEAD_OF_SVC", "INSTEAD_OF_SVR", "instead_of"]

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
