"""Is a claimed epsilon true? A mechanism is trained with canaries, and those are looked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .._models._kinds import is_net, last_step
from .._models._random import random_state_of
from ..report import DPAuditReport
from ._by_one_run import by_one_run
from ._by_refits import by_refits
from ._claim import check_reach, claim_of, counted_by, warn_of_delta
from ._findings import Context, findings_of
from ._given import Options, fixed_seeds, given, made_canaries, takes_gradients
from ._outcome import Audited, Outcome

__all__ = ["audit_dp"]

# Of so many numbers most models are fitted within a tenth of a second.
_FEW_NUMBERS = 20_000
Method = Callable[[Audited, int | None, np.random.RandomState], Outcome]


def audit_dp(
    estimator: Any,
    X: Any,
    y: Any,
    claimed: Any = None,
    n_canaries: int | None = None,
    *,
    method: str = "auto",
    canaries: Any = "auto",
    iterates: str = "last",
    n_references: int = 0,
    family: str = "auto",
    neighbours: str = "auto",
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
    claimed : pair (epsilon, delta), TradeOff or accountant, default=None
        What is to be refuted. None reads it from the estimator: its ``epsilon_`` and ``delta_``
        after the training, where it has a delta too, or its parameters of these names. An
        accountant (of Opacus, dp-accounting, diffprivlib, as `stats.TradeOff.of` reads it) claims
        a whole curve.
    n_canaries : int, default=None
        Records that become canaries, each with a label that is not its own. By default 1,000, or
        a quarter of all.
    method : {"auto", "one-run", "refits"}, default="auto"
        "one-run" trains once, each canary being in by a fair coin. "refits" trains on two
        neighbouring sets again and again, until the claim is refuted or `max_refits` is
        reached. "auto" is "refits" where they could refute the claim, X holds 20,000 numbers
        at most, and the estimator is neither a network nor an ensemble; else "one-run". So are
        options that one run alone has: `n_canaries`, `canaries`, `iterates`, `n_references`.
        ``info["chosen"]`` says which it is and why.
    canaries : {"auto", "mislabelled", "gradient"} or pair (X, y), default="auto"
        "mislabelled" are records with another class; of regressors with the smallest or largest
        y, whichever is farther. "gradient" (of `DPSGD`, white-box) are gradients along
        one parameter each, watched at every step [2]_. "auto" takes these where it can. A pair
        holds your own, which are added to `X`.
    iterates : {"last", "every"}, default="last"
        Of networks, whether canaries are read off the released model, or off the mean of those
        after each epoch.
    n_references : int, default=0
        None, or two or more models trained like the audited one, on coins of their own, that tell
        how hard each canary is. They cost a training each and need no privacy of their own: what
        they are trained on are the auditor's records.
    family : {"auto", "pure", "gaussian", "curve"}, default="auto"
        The bound that decides; two are reported. "pure" takes nothing for granted. "gaussian"
        takes the mechanism for one by Gaussian noise, and shows more. "curve" tests the whole
        curve of an accountant [3]_: the verdict takes nothing for granted but the claim, and the
        bound that the true curve has its shape. "auto" is "curve" where one is claimed, or is
        stated by `DPSGD`; of `DPSGD` with a pair for a claim "gaussian"; else "pure".
    neighbours : {"auto", "add", "replace"}, default="auto"
        What the claim counts as one step: a record added or left out (DP-SGD), or one put in
        another's place. "auto" is "replace" of diffprivlib's models and `PATE`, else "add".
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
        canaries, or refits, could not refute it; and if the model refuses the canaries, or states
        a claim after its training that they could not refute.

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

    Refits [4]_ fit on the records with a canary or without it, by a fair coin, and bet against
    the claim with each answer; the claim is refuted as soon as the capital is large. The canary is
    the one of two whose first fits differ more, which are used for nothing else: a record with
    another label, and one beyond all others in each feature.

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
    .. [4] T. González et al., "Sequentially Auditing Differential Privacy", 2025,
       arXiv:2509.07055.

    Examples
    --------
    A model that keeps all its records, said to have an epsilon of 1:

    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn import audit_dp
    >>> X, y = make_blobs(800, centers=2, random_state=1)
    >>> report = audit_dp(KNeighborsClassifier(1), X, y, claimed=(1, 1e-5), method="one-run")
    >>> report.outcome, bool(report.epsilon > 1.5)
    ('refuted', True)
    """
    started = time.perf_counter()
    neighbours = counted_by(estimator) if neighbours == "auto" else neighbours
    options = Options(
        method, canaries, iterates, n_references, family, neighbours, confidence, max_refits
    )
    options.check(estimator, n_canaries)
    rng = random_state_of(random_state)
    mechanism, table, labels = given(estimator, X, y)
    claim = claim_of(estimator, claimed, len(labels))
    decides = options.deciding(estimator, claim)
    audited = Audited(mechanism, table, labels, claim, decides, options, progress)
    large_delta = warn_of_delta(claim, len(labels))
    by, chosen = _method(audited, n_canaries)
    outcome = by(audited, n_canaries, rng)
    info = {
        "estimator": mechanism.name,
        "epsilon": outcome.claim.epsilon,
        "delta": outcome.claim.delta,
        "curve": outcome.claim.curve.claim if outcome.claim.curve is not None else None,
        "stated": claim.stated,
        "family": decides,
        "neighbours": neighbours,
        "confidence": confidence,
        "n_records": len(labels),
        **outcome.info,
        "chosen": chosen,
        "seconds": time.perf_counter() - started,
    }
    import pandas as pd

    bounds = pd.DataFrame(outcome.bounds)
    context = Context(
        bounds,
        info,
        outcome,
        large_delta=large_delta,
        fixed_seeds=fixed_seeds(estimator),
        other_canaries=info["canaries"] != "gradient" and takes_gradients(estimator),
    )
    return DPAuditReport(bounds, pd.DataFrame(outcome.canaries), findings_of(context), info)


def _method(audited: Audited, n_canaries: int | None) -> tuple[Method, str]:
    """Return the method that is asked for, or that suits what is audited, and why it is used.

    By kinds and sizes alone: the same on any machine, however long a fit takes there.
    """
    options, estimator = audited.options, audited.mechanism.estimator
    if options.method != "auto":
        return (_by_refits if options.method == "refits" else _by_one_run), "as asked for"
    n_numbers = math.prod(getattr(audited.table, "shape", None) or (math.inf,))
    if not options.may_refit(estimator, n_canaries):
        why = "one-run, for options or canaries that refits do not have"
    elif is_net(estimator) or hasattr(last_step(estimator), "n_estimators"):
        why = "one-run, for a network or an ensemble takes long to fit"
    elif not n_numbers <= _FEW_NUMBERS:
        why = f"one-run, for X holds more than {_FEW_NUMBERS:,} numbers"
    elif not audited.claim.falls_by_refits(audited.family, options.max_refits, options.confidence):
        why = f"one-run, for {options.max_refits:,} refits could not refute the claim"
    else:
        why = f"refits, for X holds {_FEW_NUMBERS:,} numbers at most"
    by = _by_refits if why.startswith("refits") else _by_one_run
    return by, f"{why}; give method= to fix it"


def _by_refits(audited: Audited, _: int | None, rng: np.random.RandomState) -> Outcome:
    return by_refits(audited, rng)


def _by_one_run(audited: Audited, n_canaries: int | None, rng: np.random.RandomState) -> Outcome:
    made = made_canaries(
        audited.mechanism,
        audited.table,
        audited.labels,
        n_canaries,
        options=audited.options,
        rng=rng,
    )
    reach = check_reach(audited.claim, audited.family, len(made.rows), audited.options.confidence)
    return by_one_run(audited, made, reach, rng)
