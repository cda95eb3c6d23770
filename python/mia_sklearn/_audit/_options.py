"""What an audit is asked for, checked before anything is trained."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from .._models._counted import CountedFunction
from .._models._generators import is_function
from .._models._own_records import check_own_records
from .._models._predictors import as_predictor, predicts_numbers
from .._models._random import random_state_of
from .._models._targets import ONE_OF_SEVERAL, as_target
from .._models._trainable import check_trainable
from .._process._parallel import check_n_jobs
from .._records._checked import check_records
from ..access._choice import access_of_outputs
from ..references._sampling import shape_of_block
from ..stats import TradeOff
from ..stats._checks import check_level
from ._people import by_person, fitted_on_target

if TYPE_CHECKING:
    from ..access import TrueValueAccess
    from ._choice import Means
    from ._run import Planned

_SPLITS = ("random", "other", None)
# So many are scored, without references, in seconds.
_QUICK_RECORDS = 20_000


def check_asked_for(model: Any, X_test: Any, y_train: Any, y_test: Any) -> None:
    """Raise where a model has a generator's arguments, or those of several outputs in vain."""
    if is_function(model) and y_test is None:
        raise ValueError(
            "model is a function. One that draws samples, (n, random_state) -> samples, is audited "
            'by audit(function, X_train, X_test, release="samples"); one that answers records '
            "needs y_train and y_test as well."
        )
    for name, y in (("y_train", y_train), ("y_test", y_test)):
        shape: tuple[int, ...] = getattr(y, "shape", ())
        if len(shape) == 2 and shape[1] > 1 and len(getattr(X_test, "shape", ())) == 1:
            raise ValueError(
                f"{name} is a table, of shape {shape}, and X_test is none: the arguments come in "
                "the order X_train, y_train, X_test, y_test; train_test_split returns X_train, "
                "X_test, y_train, y_test."
            )
        several = not is_function(model) and access_of_outputs(model, y) is not None
        if len(shape) == 2 and shape[1] > 1 and not several:
            raise ValueError(
                f"{name} must have one label per record, got shape {shape}: {ONE_OF_SEVERAL} A "
                "function that predicts numbers is a mia_sklearn.FunctionRegressor."
            )


def records_without_labels(given: Any, X_test: Any) -> Any:
    """Return the test records of `audit(generator, X_train, X_test)`."""
    if given is not None and X_test is not None:
        raise ValueError(
            "A generator is trained without labels: call audit(generator, X_train, X_test)."
        )
    return given if X_test is None else X_test


def target_of(
    model: Any,
    given: tuple[Any, ...],
    of_function: tuple[Any, Any],
    outputs: TrueValueAccess | None,
) -> Any:
    """Return the model as a target; `of_function` holds `classes` and `query_budget`."""
    (X_train, y_train, *_), (classes, query_budget) = given, of_function
    if outputs is None:
        shown, _ = check_records(X_train, y_train, "X_train", "y_train")
        return as_target(model, classes, query_budget, X=shown)
    if classes is not None:
        raise ValueError("classes are of classifiers with one output: leave them out.")
    shown, _ = check_records(X_train, y_train, "X_train", "y_train", outputs.as_truth)
    return as_predictor(model, query_budget, X=shown)


def posterior_queries(access: Any, n_queries: int | None) -> int:
    """Return of how many copies posteriors are asked for; those of labels are the access's own."""
    if access is None or not access.queries_copies:
        return 0 if n_queries is None else n_queries
    if n_queries not in (None, access.n_queries):
        raise ValueError(
            f"n_queries={n_queries!r}, but access={access!r}: give n_queries to one of them."
        )
    return 0


def how_many(
    quick: bool, n_references: int | None, max_records: int | None
) -> tuple[int | None, int | None]:
    """Return how many references and records an audit takes, None where that is not said yet."""
    if not quick:
        return n_references, max_records
    if n_references:
        raise ValueError(
            f"quick=True trains no reference models, and n_references={n_references}: give one of "
            "both."
        )
    return 0, _QUICK_RECORDS if max_records is None else max_records


def check_options(
    *,
    split: Any,
    confidence: Any,
    n_references: Any,
    max_records: Any,
    n_queries: Any,
    n_jobs: Any,
) -> None:
    if split not in _SPLITS:
        raise ValueError(f'split must be "random", "other" or None, got {split!r}.')
    check_level(confidence, "confidence")
    check_n_jobs(n_jobs)
    for name, value, least in (
        ("n_references", n_references, 0),
        ("max_records", 20 if max_records is None else max_records, 20),
        ("n_queries", n_queries, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f"{name} must be a whole number, got {value!r}.")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}.")
    if n_references == 1:
        raise ValueError(
            "n_references must be at least 2: one model cannot show what is usual. Give 16, or 0 "
            "for the attack that needs none."
        )
    if n_queries and not n_references:
        raise ValueError("n_queries needs reference models to compare with: n_references > 0.")


def what_to_train(
    target: Any,
    estimator: Any,
    fit_params: Any,
    n_references: int,
    outputs: TrueValueAccess | None,
) -> tuple[Any, str]:
    if not n_references:
        return None, ""
    note = ""
    if estimator is None:
        if isinstance(target, CountedFunction) or is_function(target):
            raise ValueError(
                "model is a plain function: references need estimator=, an unfitted model like "
                "the one behind it. n_references=0 does without."
            )
        # A network's own estimator knows how it was trained.
        estimator = getattr(target, "source", target)
        if estimator is None:
            raise ValueError(
                "model holds a torch module, not how it was trained: references need estimator=, "
                "an unfitted skorch classifier like it. n_references=0 does without."
            )
        if hasattr(estimator, "best_estimator_"):
            search = type(estimator).__name__
            estimator = estimator.best_estimator_
            note = (
                f"{search}: references train clones of best_estimator_, with the "
                "parameters that the search found, and do not search again"
            )
    check_trainable(estimator, fit_params)
    of_numbers = outputs is not None and outputs.of_numbers
    if hasattr(estimator, "fit") and predicts_numbers(estimator) != of_numbers:
        kind = "regressor" if of_numbers else "classifier"
        raise ValueError(
            f"estimator must be a {kind}, as the model is; got {type(estimator).__name__}."
        )
    return estimator, note


def on_people(attacks: dict[str, Any], means: Means) -> dict[str, Any]:
    """Let attacks score people; those that learn do so from references only."""
    return {
        name: by_person(attack, learns=means.with_references and not fitted_on_target(attack))
        for name, attack in attacks.items()
    }


def check_references_suffice(run: Planned, n_references: int) -> None:
    """Raise, before any is trained, if an attack could not learn from these references."""
    pool = run.pool
    sizes = {pool.n_train, pool.n_train + pool.n_test, len(pool.y)}
    check_own_records(run.trainable, pool.X, sizes)
    block_size, holdout = shape_of_block(len(run.y), run.plan.n_trained - len(run.plan.core))
    per_block = 1 if holdout == "out" else block_size - 1
    # The block of the reference that plays the target is set aside.
    others = max(2, ceil(n_references / block_size)) - 1
    for name, attack in run.attacks.items():
        fewest = getattr(attack, "_fewest_references", 1)
        if others * per_block < fewest:
            raise ValueError(
                f"The attack {name!r} compares a record with at least {fewest} references that "
                "did not train on it, beside the one that plays the target: give n_references of "
                f"at least {block_size * (ceil(fewest / per_block) + 1)}."
            )


def seed_of(random_state: Any, cache: Any) -> int:
    if random_state is None and cache is not None:
        return 0
    random = random_state_of(random_state)
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(random.randint(2**31 - 1))


def guarantee_of(dp: Any) -> TradeOff | None:
    """Return the claimed guarantee of differential privacy, where there is one."""
    try:
        return None if dp is None else TradeOff.of(dp)
    except (TypeError, ValueError) as error:
        raise type(error)(f"dp: {error}") from error
