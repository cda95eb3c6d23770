"""Is a claimed epsilon true? A mechanism is trained with canaries, and those are looked for."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .._models._random import random_state_of
from .._records._rows import n_rows
from ..report import DPAuditReport
from ..stats import auc_interval, gaussian_dp_epsilon, one_run_epsilon, one_run_mu
from ._claim import Claim, check_reach, claim_of, stated_by, warn_of_delta
from ._findings import Context, findings_of
from ._given import Options, fixed_seeds, given, made_canaries, takes_gradients
from ._one_run import run_once

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["audit_dp"]

_SEEDS = 2**31 - 1
_ASSUMES = {
    "pure": "nothing but the claim",
    "gaussian": "privacy by Gaussian noise, as of DP-SGD",
}


def audit_dp(
    estimator: Any,
    X: Any,
    y: Any,
    claimed: tuple[float, float] | None = None,
    n_canaries: int | None = None,
    *,
    method: str = "auto",
    canaries: Any = "auto",
    iterates: str = "last",
    n_references: int = 0,
    family: str = "auto",
    neighbours: str = "add",
    confidence: float = 0.95,
    max_refits: int = 1000,
    random_state: Any = 0,
    progress: bool = False,
) -> DPAuditReport:
    """Say whether a model's claim of differential privacy can be refuted by training it.

    Parameters
    ----------
    estimator : classifier or regressor, or function
        Trained anew, with seeds of its own: `DPSGD`, a model of diffprivlib, a Pipeline, a skorch
        net; or a function (X, y, seed) that returns a fitted model.
    X : table of shape (n_records, ...)
    y : array-like of shape (n_records,) or (n_records, n_outputs)
    claimed : pair (epsilon, delta), default=None
        What is to be refuted. None reads it from the estimator: its ``epsilon_`` and ``delta_``
        after the training, or its parameters of these names.
    n_canaries : int, default=None
        Records that become canaries, each with a label that is not its own. By default 1,000, or
        a quarter of all.
    method : {"auto", "one-run", "refits"}, default="auto"
        "one-run" trains once, each canary being in by a fair coin. "refits" trains on two
        neighbouring sets again and again, until the claim is refuted or `max_refits` is
        reached. "auto" trains once, and goes on with refits where that took less than a tenth of a
        second, or where one run could not refute the claim.
    canaries : {"auto", "mislabelled", "gradient"} or pair (X, y), default="auto"
        "mislabelled" are records with another class; of regressors with the smallest or largest
        y, whichever is farther. "gradient" (of `DPSGD`, white-box) are gradients along
        one parameter each, watched at every step [2]_. "auto" takes these where it can. A pair
        holds your own, which are added to `X`.
    iterates : {"last", "every"}, default="last"
        Of networks, whether canaries are read off the released model, or off the mean of those
        after each epoch.
    n_references : int, default=0
        Models trained like the audited one, on coins of their own, that tell how hard each canary
        is. They cost a training each and need no privacy of their own: what they are trained on
        are the auditor's records.
    family : {"auto", "pure", "gaussian"}, default="auto"
        The bound that decides; both are reported. "pure" takes nothing for granted. "gaussian"
        takes the mechanism for one by Gaussian noise, and shows more. "auto" is "gaussian" of
        `DPSGD`, else "pure".
    neighbours : {"add", "replace"}, default="add"
        What the claim counts as one step: a record added or left out (DP-SGD), or one put in
        another's place (diffprivlib).
    confidence : float, default=0.95
        A true claim is refuted with a probability of at most one minus it.
    max_refits : int, default=1000
        Trainings of "refits", at most.
    random_state : int, RandomState or None, default=0
        Draws canaries, coins and seeds of the trainings.
    progress : bool, default=False
        Show a bar.

    Returns
    -------
    DPAuditReport

    Raises
    ------
    ValueError
        Before anything is trained, if the claim is none, the records cannot be used, or so many
        canaries could not refute it; and if the model refuses the canaries.

    Warns
    -----
    UserWarning
        If delta is not below one over the number of records.

    See Also
    --------
    mia_sklearn.DPAuditReport : What is returned.
    mia_sklearn.metrics.epsilon_lower_bound : The bound of an audit of one trained model.

    Notes
    -----
    In one run [1]_ the coins are tossed by `random_state`, independently, and all other records
    are always in. Scores are fixed in advance: of gradient canaries the log-likelihood ratio of
    all steps; else the log-odds of a canary's label under the model (of regressors minus its
    error), less what references answer that lacked it, if there are any. The first score decides;
    others are shown. How many guesses are made is chosen on the same scores, and paid for.

    Not refuted is not proved. Where canaries cannot be told apart at all, the outcome is
    "undecided": an audit without power says nothing.

    References
    ----------
    .. [1] T. Steinke, M. Nasr and M. Jagielski, "Privacy Auditing with One (1) Training Run",
       NeurIPS 2023.
    .. [2] M. Nasr et al., "Tight Auditing of Differentially Private Machine Learning", USENIX
       Security 2023, arXiv:2302.07956.
    .. [3] S. Mahloujifar, L. Melis and K. Chaudhuri, "Auditing f-Differential Privacy in One
       Run", 2024, arXiv:2410.22235.

    Examples
    --------
    A model that keeps all its records, said to have an epsilon of 1:

    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn import audit_dp
    >>> X, y = make_blobs(800, centers=2, random_state=1)
    >>> report = audit_dp(KNeighborsClassifier(1), X, y, claimed=(1, 1e-5), method="one-run")
    >>> report.outcome, bool(report.epsilon > 3)
    ('refuted', True)
    """
    started = time.perf_counter()
    options = Options(
        method, canaries, iterates, n_references, family, neighbours, confidence, max_refits
    )
    options.check(estimator)
    rng = random_state_of(random_state)
    mechanism, table, labels = given(estimator, X, y)
    claim = claim_of(estimator, claimed, len(labels))
    decides = options.deciding(estimator, claim)
    made = made_canaries(mechanism, table, labels, n_canaries, options=options, rng=rng)
    out_of_reach = check_reach(claim, decides, len(made.rows), confidence)
    large_delta = warn_of_delta(claim, n_rows(table))
    kind = options.kind(estimator)
    run = run_once(
        mechanism,
        made,
        rng,
        gradients=kind == "gradient",
        every_epoch=iterates == "every",
        n_references=n_references,
        progress=progress,
    )
    claim = stated_by(run.model, claim)
    seed = rng.randint(_SEEDS)
    sides = {name: (each[run.included], each[~run.included]) for name, each in run.scores.items()}
    first = next(iter(sides.values()))
    info = {
        "estimator": mechanism.name,
        "epsilon": claim.epsilon,
        "delta": claim.delta,
        "stated": claim.stated,
        "method": "one-run",
        "family": decides,
        "canaries": kind,
        "neighbours": neighbours,
        "confidence": confidence,
        "n_records": n_rows(table),
        "n_canaries": len(run.included),
        "n_included": int(run.included.sum()),
        "n_fits": 1 + n_references,
        **dict(zip(("auc", "auc_low", "auc_high"), _told_apart(first, confidence), strict=True)),
        "seconds": time.perf_counter() - started,
    }
    context = Context(
        _bounds(sides, claim, decides, confidence, seed),
        info,
        claim,
        out_of_reach=out_of_reach,
        all_alike=len(np.unique(np.concatenate(first))) == 1,
        large_delta=large_delta,
        fixed_seeds=fixed_seeds(estimator),
        other_canaries=kind != "gradient" and takes_gradients(estimator),
    )
    return _report(context, {"included": run.included, **run.scores})


def _told_apart(sides: tuple[np.ndarray, np.ndarray], confidence: float) -> tuple[float, ...]:
    # All coins may have fallen on one side.
    return auc_interval(*sides, confidence=confidence) if all(map(len, sides)) else (math.nan,) * 3


def _bounds(
    sides: dict[str, tuple[np.ndarray, np.ndarray]],
    claim: Claim,
    decides: str,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Return what each score shows of epsilon in each family; the first score decides."""
    import pandas as pd

    options = {"confidence": confidence, "membership_rate": 0.5, "random_state": seed}
    rows = []
    for number, (score, (included, left_out)) in enumerate(sides.items()):
        for family in claim.families:
            epsilon = 0.0
            if len(included) and len(left_out):
                if family == "pure":
                    epsilon = one_run_epsilon(included, left_out, delta=claim.delta, **options)
                else:
                    mu = one_run_mu(included, left_out, **options)
                    epsilon = gaussian_dp_epsilon(mu, claim.delta)
            rows.append(
                {
                    "score": score,
                    "family": family,
                    "epsilon": epsilon,
                    "refutes": epsilon > claim.epsilon,
                    "decides": number == 0 and family == decides,
                    "assumes": _ASSUMES[family],
                }
            )
    return pd.DataFrame(rows)


def _report(context: Context, canaries: dict[str, np.ndarray]) -> DPAuditReport:
    import pandas as pd

    told = pd.DataFrame(canaries)
    return DPAuditReport(context.bounds, told, findings_of(context), context.info)
