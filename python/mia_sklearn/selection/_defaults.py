"""The defenses that are compared when none are named."""

from __future__ import annotations

from typing import Any

from ..defenses import LabelOnly, RoundedPosterior, TemperaturePosterior, TopKPosterior

__all__ = ["default_models"]


def default_models(estimator: Any, n_classes: int) -> dict[str, Any]:
    """Return an estimator as it is and inside each defense that fits, by name.

    Parameters
    ----------
    estimator : unfitted classifier
    n_classes : int

    Returns
    -------
    dict of str to unfitted classifier
        The undefended one first.
    """
    models = {"undefended": estimator}
    if hasattr(estimator, "predict_proba"):
        if n_classes > 2:
            # Of two posteriors the larger tells the other.
            models["top-k"] = TopKPosterior(estimator, k=min(3, n_classes - 1))
        models["rounded"] = RoundedPosterior(estimator)
        models["temperature"] = TemperaturePosterior(estimator)
    models["label only"] = LabelOnly(estimator)
    return models
