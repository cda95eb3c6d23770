"""The defenses that are compared when none are named."""

from __future__ import annotations

from typing import Any

from ..defenses import (
    SELENA,
    Distillation,
    InputNoise,
    LabelOnly,
    MemGuard,
    RoundedPosterior,
    TemperaturePosterior,
    TopKPosterior,
)

__all__ = ["default_models"]


def default_models(estimator: Any, n_classes: int) -> dict[str, Any]:
    """Return an estimator as it is and inside each defense that fits and costs little, by name.

    The others say more of what they need (`ModelStacking`, `PATE`), help few records
    (`DistinctTraining`) or train many models (`VulnerableRecordRemoval`).

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
        models["MemGuard"] = MemGuard(estimator)
    models["label only"] = LabelOnly(estimator)
    models["input noise"] = InputNoise(estimator)
    if hasattr(estimator, "predict_proba"):
        models["distillation"] = Distillation(estimator)
        # Eleven models instead of one; the default number of sub-models costs 26.
        models["SELENA"] = SELENA(estimator, n_models=10, n_left_out=4)
    return models
