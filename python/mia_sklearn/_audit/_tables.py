"""From a finished run to the tables of a report."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from .._models._counted import CountedFunction
from .._models._describe import describe
from .._models._kinds import is_pipeline
from .._records._digests import row_digests
from .._version import __version__
from ..metrics import Estimate, compute
from ..stats._p_values import least_pooled_p_values
from ._controls import Control
from ._people import fitted_on_target
from ._run import Run, SecondStage
from ._triage import references_would

if TYPE_CHECKING:
    import pandas as pd

    from ..references import ReferenceModels

_FALSE_POSITIVE_RATES = ("0.001", "0.01", "0.1")
# How many of those whom the headline attack names are members, where half of the candidates are
# and where one in a hundred is.
_PRECISIONS = ("ppv@0.01,0.5", "ppv@0.01,0.01")


def no_epsilon(split: str | None, shift: Estimate | None) -> str:
    """Return why no lower bound on epsilon can be given; empty when it can."""
    if split is None:
        return (
            'The bound holds for a random split only; say split="random" if train and test are one.'
        )
    if split != "random":
        return "The bound holds for a random split only, and this split is not."
    if shift is not None and shift.low > 0.5:
        return "Train and test can be told apart without the model: the split does not look random."
    return ""


def thresholds_of(run: Run) -> dict[str, float | None]:
    """Return each attack's threshold: fixed on the references; None where it is chosen here."""
    return {
        name: None if run.references is None or fitted_on_target(attack) else 0.0
        for name, attack in run.attacks.items()
    }


def metrics_table(run: Run, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    import pandas as pd

    member = run.unit_member
    thresholds = thresholds_of(run)
    reason = no_epsilon(run.split, run.shift)
    rows = []
    for attack, score in scores.items():
        about = {"attack": attack, "slice": "all"}
        rows += _metric_rows(about, score, member, run.confidence, thresholds[attack])
        if attack == run.headline:
            rows += [
                _row(about, metric, compute(metric, member, score, confidence=run.confidence))
                for metric in _PRECISIONS
            ]
        if reason:
            nan = float("nan")
            sizes = int(member.sum()), int((~member).sum())
            rows.append(_row(about, "epsilon", Estimate(nan, nan, nan, *sizes, reason)))
        else:
            bound = compute("epsilon", member, score, confidence=run.confidence)
            rows.append(_row(about, "epsilon", bound))
    groups = [
        (f"{name}={value}", values == value)
        for name, values in run.pool.sliced_rows(run.plan.audited[run.units.first]).items()
        for value in run.pool.sliced[name].names
        if (values == value).any()
    ]
    for label, inside in groups:
        if member[inside].any() and (~member[inside]).any():
            about = {"attack": run.headline, "slice": label}
            # Each group pays for the others: of many, some look bad by chance.
            level = 1 - (1 - run.confidence) / len(groups)
            score = scores[run.headline][inside]
            rows += _metric_rows(about, score, member[inside], level, thresholds[run.headline])
    return pd.DataFrame(rows)


def _metric_rows(
    about: dict[str, str],
    score: np.ndarray,
    member: np.ndarray,
    confidence: float,
    threshold: float | None,
) -> list[dict[str, Any]]:
    wanted: list[tuple[str, dict[str, Any]]] = [("auc", {})]
    wanted += [(f"tpr@{rate}", {}) for rate in _FALSE_POSITIVE_RATES]
    wanted += [(name, {"threshold": threshold}) for name in ("advantage", "accuracy")]
    return [
        _row(about, metric, compute(metric, member, score, confidence=confidence, **options))
        for metric, options in wanted
    ]


def _row(about: dict[str, str], metric: str, estimate: Estimate) -> dict[str, Any]:
    kind, _, levels = metric.partition("@")
    at, _, prior = levels.partition(",")
    return {
        **about,
        "metric": kind,
        "at": float(at) if at else np.nan,
        "estimate": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n_members": estimate.n_members,
        "n_nonmembers": estimate.n_nonmembers,
        "fpr": _or_nan(estimate.fpr),
        "n_identified": _or_nan(estimate.n_identified),
        "n_false_alarms": _or_nan(estimate.n_false_alarms),
        "note": estimate.note,
        "prior": float(prior) if prior else np.nan,
    }


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


def records_table(
    run: Run,
    scores: dict[str, np.ndarray],
    p_values: np.ndarray,
    expected_neighbors: np.ndarray | None = None,
) -> pd.DataFrame:
    import pandas as pd
    from scipy.stats import false_discovery_control

    audited, member = run.plan.audited[run.units.first], run.unit_member
    q_values = np.full(len(audited), np.nan)
    tested = member & np.isfinite(p_values)
    if tested.any():
        q_values[tested] = false_discovery_control(p_values[tested])
    sliced = run.pool.sliced_rows(audited)
    again = {}
    if run.again is not None:
        again = {
            "reruns": run.again.trained.sum(axis=0),
            "named_again": run.again.named.sum(axis=0),
        }
    alone = {}
    if expected_neighbors is not None:
        beta = np.nan if run.vulnerable is None else run.vulnerable.beta
        alone = {
            "expected_neighbors": expected_neighbors,
            "vulnerable": (expected_neighbors < beta).astype(int),
        }
    return pd.DataFrame(
        {
            "set": np.where(member, "train", "test"),
            **_who(run, audited),
            "member": member.astype(int),
            **scores,
            **{f"slice_{name}": values for name, values in sliced.items()},
            "p_value": p_values,
            "q_value": q_values,
            **again,
            **alone,
        }
    )


def _who(run: Run, audited: np.ndarray) -> dict[str, Any]:
    """Return the columns that name the units."""
    pool = run.pool
    if pool.people is not None:
        return {"group": pool.names[pool.people[audited]], "n_rows": run.units.sizes}
    import pandas as pd

    # With its dtype given, or pandas would make another of objects.
    index = pd.Series(pool.index.to_numpy()[audited], dtype=pool.index.dtype)
    return {"row": pool.origin[audited], "index": index, **run.pool.true_values(audited)}


def _what_p_values_reach(run: Run) -> dict[str, Any]:
    """Return on how many references p-values rest, and the smallest q-value that could come out.

    With few references none can be small, and it is not the model's merit that nobody is listed.
    """
    from scipy.stats import false_discovery_control

    member = run.unit_member
    if run.n_out is None or not member.any():
        return {}
    least = least_pooled_p_values(run.n_out)[member]
    return {
        "references_without": float(np.median(run.n_out[member])),
        "least_q_value": float(false_discovery_control(least).min()),
    }


def info_of(run: Run, title: str | None, *, quick: bool) -> dict[str, Any]:
    target, refs = run.target, run.references
    name = _name(target)
    info: dict[str, Any] = {
        "title": title or f"Membership inference audit of {name}",
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "headline": run.headline,
        "attacks": list(run.attacks),
        "model": name,
        "estimator": "none" if run.trainable is None else describe(run.trainable),
        "n_train": run.pool.n_train,
        "n_test": run.pool.n_test,
        "n_members": int(run.unit_member.sum()),
        "n_nonmembers": int((~run.unit_member).sum()),
        "n_unaudited": len(run.plan.core),
        "n_repeated_train": run.pool.repeats.n_train,
        "n_repeated_test": run.pool.repeats.n_test,
        "release": run.release,
        "split": run.split or "not stated",
        "confidence": run.confidence,
        "random_state": run.seed,
        "records_digest": _digest_of_records(run),
    }
    if quick:
        info["quick"] = True
    if run.budget is not None:
        info["time_budget"] = run.budget.told()
    if run.dp is not None:
        info["claimed_dp"] = run.dp.as_dict()
    if run.of_people:
        sizes = run.units.sizes
        info["unit"] = "person"
        info["records_per_person"] = {
            name: float(np.quantile(sizes, q))
            for name, q in (("least", 0), ("median", 0.5), ("most", 1))
        }
    info |= _how_good(run)
    if run.access is not None:
        info["asked_for"] = describe(run.access)
    info["digests"] = run.pool.digests | ({} if refs is None else {"references": _digest_of(refs)})
    if would := references_would(run):
        info["references_would"] = would
    if chosen := [name for name, at in thresholds_of(run).items() if at is None]:
        info["thresholds_chosen_here"] = chosen
    if refs is not None:
        info |= _of_references(run, refs)
    if run.vulnerable is not None:
        info["vulnerable_records"] = {
            name: getattr(run.vulnerable, name) for name in ("delta", "beta", "train_size")
        }
    if run.queries_per_record > 1:
        info["queries_per_record"] = run.queries_per_record
    packages = ["scikit-learn", "numpy", "scipy"]
    if hasattr(target, "module"):
        packages += ["torch", "skorch"]
    info["timings"] = run.seconds
    info["versions"] = {"mia-sklearn": __version__} | {p: version(p) for p in packages}
    return info


def _of_references(run: Run, refs: ReferenceModels) -> dict[str, Any]:
    info: dict[str, Any] = {
        "n_references": refs.n_models_ - len(refs.lost_),
        **_of_second_stage(run.second_stage),
        "sampling": refs.sampling,
        "block_size": refs.block_size_,
    } | _what_p_values_reach(run)
    if run.outputs is not None:
        return info | {"answers_are": refs.scale_.text}
    info["stratified"] = refs.stratify
    if refs.scale_ is not None:
        info["smoothing"] = refs.smoothing_
        if refs.scale_.power != 1 or refs.scale_.knots:
            info["answers_are"] = refs.scale_.text
    if any("difficulty" in attack._prefers() for attack in run.attacks.values()):
        info["record_columns"] = refs.record_features_
    return info


def _of_second_stage(second: SecondStage | None) -> dict[str, Any]:
    if second is None:
        return {}
    counts = {"n_references_for_target": second.n_for_target, "n_references_more": second.n_more}
    return {name: count for name, count in counts.items() if count} | {
        "first_stage_auc": second.first_stage_auc
    }


def _how_good(run: Run) -> dict[str, Any]:
    """Return how good the target is on members and on non-members."""
    found: dict[str, Any] = {}
    if run.outputs is not None and run.asked_records.labels.shape[1] > 1:
        found["n_outputs"] = run.asked_records.labels.shape[1]
        if run.pool.output_names:
            found["outputs"] = run.pool.output_names
    accuracies = run.accuracy(member=True), run.accuracy(member=False)
    if None not in accuracies:
        found["target_train_accuracy"], found["target_test_accuracy"] = accuracies
    for side, member in (("train", True), ("test", False)):
        fit = run.fit_of_numbers(member) or {}
        found |= {f"target_{side}_{measure}": value for measure, value in fit.items()}
    return found


def _digest_of(references: ReferenceModels) -> str:
    """Return the SHA-256 of what references were trained on and answered."""
    digest = hashlib.sha256()
    for array in (references.membership_, references.outputs_):
        for part in array:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _digest_of_records(run: Run) -> str:
    """Return a digest of all audited records, in order, and of which of them are members.

    Two audits of one digest can be compared record by record. It names nobody: whoever lacks one
    of the records cannot make it.
    """
    records = row_digests(run.X, run.y if run.pool.labelled else None)
    sha = hashlib.sha256(records.astype("<u8").tobytes())
    sha.update(run.member.astype("u1").tobytes())
    if run.of_people:
        sha.update(run.units.of_row.astype("<u8").tobytes())
    return sha.hexdigest()


def _name(target: Any) -> str:
    """Return what a person would call the model: its class, and what it wraps."""
    if isinstance(target, CountedFunction):
        return getattr(target.function, "__name__", "function")
    target = getattr(target, "source", None) or target
    name = type(target).__name__
    if is_pipeline(target):
        return f"{name} of {_name(target.steps[-1][1])}"
    if hasattr(target, "best_estimator_"):
        return f"{name} of {_name(target.best_estimator_)}"
    return name


def controls_table(checks: list[Control]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(checks, columns=list(Control._fields))
    # True, False or missing, and no numbers.
    table["passed"] = table["passed"].astype("boolean").astype(object)
    return table
