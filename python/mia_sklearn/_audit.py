"""The audit: attack a target whose members are known, and report with error bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._agreement import agreement_with_predict, sample_of_both
from ._audit_options import (
    check_asked_for,
    check_options,
    check_references_suffice,
    classifier_of,
    on_people,
    posterior_queries,
    records_without_labels,
    seed_of,
    what_to_train,
)
from ._comparison import read_comparison
from ._controls import (
    Control,
    distribution_shift,
    memorising_threshold,
    pipeline_control,
    reference_control,
)
from ._coverage import Means, access_of, choose_attacks, coverage, draws_records, headline_of
from ._data import as_table, take_rows
from ._findings import findings
from ._lost import in_words
from ._observations import ReferenceTable, group_columns
from ._observe import alone, ask_as_references, ask_copies, ask_target, beside, beside_groups, place
from ._people import check_slices, single, split_off, their_p_values
from ._plan import Pool, Run, in_pool_order, make_plan, make_pool
from ._repeats import TooFewRecords
from ._sampling import is_stratified
from ._slices import slice_columns
from ._tables import controls_table, info_of, metrics_table, records_table
from ._targets import FunctionTarget, class_indices
from ._white_box import PARTS, has_gradients, looks_inside, white_box_columns
from .access import AskedRecords, DiscriminatorAccess
from .attacks import GMIAAttack, GradientNormAttack
from .references import ReferenceModels
from .report import AuditReport
from .signals import log_posteriors
from .stats import pooled_p_values
from .vulnerability import VulnerableRecords

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["audit"]

_N_REFERENCES = 16
_NEIGHBORS = 6
_SIZE_TOLERANCE = 0.05


def audit(
    model: Any,
    X_train: Any,
    y_train: Any = None,
    X_test: Any = None,
    y_test: Any = None,
    *,
    n_references: int | None = None,
    attacks: Any = "auto",
    estimator: Any = None,
    fit_params: dict[str, Any] | None = None,
    split: str | None = None,
    release: str | None = None,
    access: Any = None,
    slices: Any = None,
    groups: Any = None,
    confidence: float = 0.95,
    max_records: int | None = None,
    n_queries: int | None = None,
    classes: Any = None,
    query_budget: int | None = None,
    comparison: pd.DataFrame | None = None,
    controls: bool = True,
    cache: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    progress: bool = True,
    title: str | None = None,
) -> AuditReport:
    """Find out whether someone could tell who was in a model's training set.

    Reference models are trained like the target on other parts of the same records, attacks
    learn from them what a member looks like, and the target's answers are attacked. The
    attacker is assumed to know records like these and how the model was trained.

    Parameters
    ----------
    model : fitted classifier or generator, TorchTarget, or function
        The target. Any scikit-learn compatible classifier, pipelines, search objects and
        skorch classifiers included; a bare torch module in `mia_sklearn.torch.TorchTarget`; a
        function `X -> posteriors`, or `X -> labels` with ``release="labels"``.
        Generators, estimators without labels that have `sample`, `score_samples` or
        `discriminator_score`, are audited by `audit(generator, X_train, X_test)`; so is, with
        ``release="samples"``, a function `(n, random_state)` that returns n samples.
    X_train, y_train : table of shape (n_train, n_features), array-like of shape (n_train,)
        What the model was trained on: the members. An array, a sparse matrix, a data frame (of
        pandas, Polars, pyarrow), or a list, Series or array of texts: the kind that the model
        was fitted on, of which models get copies. Labels are taken by position, as in
        scikit-learn; a Series with the index of `X_train` in another order is refused.
    X_test, y_test : table of shape (n_test, n_features), array-like of shape (n_test,)
        Records of the same population that it was not trained on. Columns may have another
        dtype than in `X_train`, where values are of one kind: see Notes.
    n_references : int, default=None
        Reference models; rounded up to whole blocks, at least two. 0 trains none, which leaves
        the weakest attack. None stands for 16, and for 0 where a discriminator is asked, to
        which references add nothing.
    attacks : "auto", or list of names, attacks and (name, attack) pairs, default="auto"
        "auto" runs the threshold, Shokri's, LiRA, RMIA and the stacked attack, and the gradient
        norm where the release is "weights" and the model has gradients; where it is "labels" the
        gap attack in place of Shokri's, and the others on kept counts. Names are those
        of `mia_sklearn.attacks.all_attacks`, and "stacked-pool" and "gap". "gmia" also marks
        the vulnerable records.
    estimator : unfitted classifier or callable `(X, y, seed) -> fitted`, default=None
        What the references train; by default a clone of `model` (of `best_estimator_` for
        search objects).
    fit_params : dict, default=None
        Passed to the references' `fit`. Values with one entry per record are sliced; they hold
        the training records' entries, then those of the test records, on which references
        train too; a pandas Series goes with the labels of its index, where they are those of
        `X_train` and `X_test`. The same holds for `slices` and `groups`. A defense's
        `X_reference` and `y_reference` go whole to each.
    split : {"random", "other", None}, default=None
        "random" says that train and test are a random split of one set of records. Without it
        no lower bound on epsilon is given: it would mean nothing.
    release : {"labels", "posteriors", "samples", "weights"}, default=None
        How the model will be released; decides which attacks count as possible. "labels" asks the
        model for predicted classes alone, of each record and of perturbed copies of it (see
        `mia_sklearn.access.LabelAccess`). Generators release "samples", or "weights" with
        all that the model computes. None stands for "posteriors", and "weights" for generators.
    access : str, access or callable, default=None
        What the model is asked for in place of posteriors, see `mia_sklearn.access`. None
        leaves it to `release`.
    slices : str, list of str, or dict, default=None
        Groups to report apart: names of columns of `X_train` ("label" is the class), or a dict
        from a name to one value per record, train then test. Numbers are cut at their quartiles.
    groups : str or array-like of shape (n_train + n_test,), default=None
        Whose each record is, where people have several: a column of `X_train`, taken out where
        the model was not fitted on it, or one value per record, train then test. The report is
        about people then, with all of their records: see Notes.
    confidence : float, default=0.95
        Confidence of each interval; slices share what is left of it.
    max_records : int, default=None
        Most records to audit, chosen at random, as many training as test records as far as there
        are; with `groups` about so many, of whole people. Members beyond them stay in every
        reference's training set.
    n_queries : int, default=None
        Also query this many perturbed copies of each record, of the target and of every
        reference: a stronger attacker, who pays that many more queries. None stands for 25 where
        labels are asked for, else for 0.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns of a plain function.
    query_budget : int, default=None
        Most queries that a plain function may get.
    comparison : DataFrame, default=None
        What `mia_sklearn.selection.compare_defenses` found on this model and these defenses:
        the findings name the best remedy that was measured.
    controls : bool, default=True
        Check the audit itself: shift between train and test, attacks on references.
    cache : str or path, default=None
        Folder in which finished reference models are kept; an interrupted audit resumes.
    n_jobs : int, default=None
        References trained at a time, see `ReferenceModels`.
    random_state : int, RandomState instance or None, default=None
    progress : bool, default=True
        Show the training of the references on standard error.
    title : str, default=None
        Title of the report.

    Returns
    -------
    AuditReport

    Raises
    ------
    ValueError
        If an argument is wrong, or too few records of a side occur once, before any model is
        trained.

    See Also
    --------
    ReferenceModels, observe : The steps, for use alone.

    Notes
    -----
    The headline attack is fixed in advance: the stacked one where there are references. Its
    numbers make the verdict; the best of several attacks, chosen after the fact, would not hold
    at the stated confidence.

    Records that occur more than once, in `X_train` and `X_test` together, are neither members
    nor non-members: nothing tells which of several equal records a model has seen, and dropping
    those of one side alone would make train and test differ. None of their copies is audited,
    on either side; those of `X_train` stay in the training set of every reference, those of
    `X_test` are not used. Equal are records whose features and label are: numbers by value,
    whatever type holds them, and missing values to one another. The same features with another
    label are another record, since a model learns something else from it. `info` counts the
    copies (``n_repeated_train``, ``n_repeated_test``); rates, accuracies included, are about
    the others. Expected numbers of neighbours ("gmia") count the others only, too.

    References train on columns of one dtype, that of `X_train` where no value of `X_test` changes
    by it. Categories that only `X_test` has come behind those of `X_train`; where `X_test` has
    missing values in whole numbers, or numbers of higher precision, references see those of both.
    The model itself is asked about records in the dtypes of `X_train`, as it was fitted. Texts are
    compared (the control for shift, neighbours) by counts of their words.

    With `groups` the unit of privacy is a person: references train on all of a person's records
    or on none, attacks score people (`mia_sklearn.attacks.GroupAttack`, whose "sum" is taken
    unless another one is given), and rates, intervals, p-values, epsilon, controls and
    `records` count each person once. `split="random"` then says that people were split at
    random. p-values are those of the mean signal of a person's records. Vulnerable records are
    not marked, and the shift is looked for on one record of each person. Equal records of one
    person are no repetition; a person all of whose records are other people's too is not
    audited, and everyone else is, with all of their records. Without `groups`, the
    intervals of an audit whose records are not independent are too narrow.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn import audit
    >>> X, y = load_iris(return_X_y=True)
    >>> halves = train_test_split(X, y, test_size=0.5, random_state=0)
    >>> X_train, X_test, y_train, y_test = halves
    >>> model = DecisionTreeClassifier(random_state=0).fit(X_train, y_train)
    >>> report = audit(model, X_train, y_train, X_test, y_test, n_references=4,
    ...                random_state=0, progress=False)
    >>> # One flower of this half stands in the data twice.
    >>> report.info["n_members"], report.info["n_references"]
    (74, 4)
    """
    generates = draws_records(model, release)
    if generates:
        X_test = records_without_labels(y_train, X_test)
    else:
        check_asked_for(model, y_train, y_test)
    groups, X_train, X_test = split_off(groups, model, X_train, X_test)
    release = release or ("weights" if generates else "posteriors")
    access = access_of(model, access, release, n_queries)
    n_queries = posterior_queries(access, n_queries)
    if n_references is None:
        n_references = 0 if isinstance(access, DiscriminatorAccess) else _N_REFERENCES
    check_options(
        split=split,
        confidence=confidence,
        n_references=n_references,
        max_records=max_records,
        n_queries=n_queries,
    )
    compared = None if comparison is None else read_comparison(comparison)
    target = model if generates else classifier_of(model, X_train, y_train, classes, query_budget)
    trainable, search_note = what_to_train(target, estimator, fit_params, n_references)
    gradients = not generates and has_gradients(target)
    means = Means(
        release, access, n_references > 0, gradients, groups is not None, queries=n_queries > 0
    )
    chosen = choose_attacks(attacks, means)
    seed = seed_of(random_state, cache)
    given = (X_train, y_train, X_test, y_test)
    pool = _make_pool(target, given, asked=access is None, labelled=not generates, groups=groups)
    pool.sliced = slice_columns(slices, pool)
    check_slices(pool)
    run = Run(
        target=pool.asked(target),
        attacks=chosen if groups is None else on_people(chosen, means),
        headline=headline_of(chosen),
        pool=pool,
        plan=make_plan(pool, max_records, seed),
        split=split,
        release=release,
        access=access,
        confidence=float(confidence),
        seed=seed,
        n_queries=n_queries,
        trainable=trainable,
        fit_params=tuple(fit_params or ()),
        search_note=search_note,
        comparison=compared,
    )
    if n_references:
        check_references_suffice(run, n_references)
    if isinstance(target, FunctionTarget):
        target.check_budget(len(run.y) * run.queries_per_record)
    if access is None:
        # Before any reference is trained; another access may ask all models what depends on them.
        with run.timed("target"):
            run.answers = _ask_target(run)
    if n_references:
        with run.timed("references"):
            run.references = _train_references(
                run,
                fit_params,
                n_models=n_references,
                n_queries=n_queries,
                n_jobs=n_jobs,
                cache=cache,
                random_state=None if random_state is None and cache is not None else seed,
                progress=progress,
            )
    if access is not None:
        with run.timed("target"):
            run.answers = _ask_signal(run)
    with run.timed("attacks"):
        table, observations, scores = _attack(run)
        scores = {name: score[run.units.first] for name, score in scores.items()}
    with run.timed("p_values"):
        p_values = _p_values(run, observations)
        expected_neighbors = _expected_neighbors(run)
    with run.timed("controls"):
        checks = _controls(run, table) if controls else []
    with run.timed("metrics"):
        metrics = metrics_table(run, scores)
    records = records_table(run, scores, p_values, expected_neighbors)
    return AuditReport(
        metrics=metrics,
        records=records,
        findings=findings(run, metrics, records, checks),
        coverage=coverage(chosen, run.headline, means),
        controls=controls_table(checks),
        info=info_of(run, title),
    )


def _make_pool(target: Any, given: tuple[Any, ...], *, asked: bool, **options: Any) -> Pool:
    try:
        return make_pool(target, *given, **options)
    except TooFewRecords:
        if asked:
            # Records that the model cannot read, missing throughout perhaps, are said first.
            _ask(target, as_table(given[0]), as_table(given[2]))
        raise


def _ask_target(run: Run) -> np.ndarray:
    """Return the target's log-posteriors on the audited records, in its own classes."""
    sides = (run.member, ~run.member)
    tables = (take_rows(run.pool.X, run.plan.audited[side]) for side in sides)
    log_proba = np.concatenate(_ask(run.target, *tables)).astype(np.float32)
    sample = sample_of_both(run.member)
    run.agreement = agreement_with_predict(run.target, run.X, log_proba, sample)
    return log_proba


def _ask(target: Any, X_train: Any, X_test: Any) -> list[np.ndarray]:
    answers = []
    for name, records in (("X_train", X_train), ("X_test", X_test)):
        try:
            answers.append(log_posteriors(target, records))
        except Exception as error:
            raise ValueError(f"The model could not answer {name}: {in_words(error)}") from error
    return answers


def _ask_signal(run: Run) -> np.ndarray:
    """Return what the access asks for, of the audited records."""
    assert run.access is not None
    rows = np.arange(len(run.y))
    if run.references is not None:
        answers, run.doubt = ask_as_references(run.target, run.references, rows)
    else:
        labels = class_indices(run.target, run.y) if run.pool.labelled else run.y
        records = AskedRecords(run.X, labels, run.classes)
        answers, run.doubt = ask_target(run.access, run.target, records, rows, run.seed)
    return answers


def _train_references(
    run: Run, fit_params: dict[str, Any] | None, **options: Any
) -> ReferenceModels:
    pool, plan = run.pool, run.plan
    core = None
    if len(plan.core):
        core = (take_rows(pool.X, plan.core), pool.y[plan.core])
    order = np.concatenate([plan.audited, plan.core])
    params = {
        name: in_pool_order(name, value, pool, order) for name, value in (fit_params or {}).items()
    }
    references = ReferenceModels(
        run.trainable,
        train_size=plan.n_trained,
        stratify=pool.labelled and pool.people is None and is_stratified(run.member, run.y),
        signal=run.access,
        **options,
    )
    return references.fit(
        run.X,
        run.y if pool.labelled else None,
        core=core,
        fit_params=params or None,
        classes=run.classes if pool.labelled else None,
        groups=None if pool.people is None else pool.people[order],
    )


def _attack(
    run: Run,
) -> tuple[ReferenceTable | None, pd.DataFrame, dict[str, np.ndarray]]:
    """Fit every attack where membership is known, and score the target's observations."""
    for attack in run.attacks.values():
        if "random_state" in attack.get_params(deep=False) and attack.random_state is None:
            attack.set_params(random_state=run.seed)
    refs, y = run.references, run.y
    scores: dict[str, np.ndarray] = {}
    outside = {name: a for name, a in run.attacks.items() if not looks_inside(a)}
    if refs is None:
        # Without references only the order of the scores is used, which no fit alters.
        labels = class_indices(run.target, y) if run.pool.labelled else y
        people = run.units.of_row if run.of_people else None
        observations = alone(run.answers, labels, len(run.classes), run.access)
        observations = beside_groups(observations, people)
        for name, attack in outside.items():
            scores[name] = attack.fit(observations, run.member).decision_function(observations)
        return None, observations, scores | _look_inside(run, observations)
    wants_neighbors = any("neighbor" in attack._required() for attack in run.attacks.values())
    extras = {"neighbors": _NEIGHBORS if wants_neighbors else 0, "n_queries": run.n_queries}
    table = ReferenceTable(refs, **extras)
    rows = np.arange(len(y))
    query_phi = ask_copies(run.target, refs, rows, run.n_queries) if run.n_queries else None
    observations = place(table, run.answers, rows, query_phi=query_phi)
    shadow, membership = refs.shadow_observations(random_state=run.seed, **extras)
    for name, attack in outside.items():
        attack.fit(shadow, membership)
        scores[name] = attack.decision_function(observations)
    return table, observations, scores | _look_inside(run, observations)


def _look_inside(run: Run, observations: pd.DataFrame) -> dict[str, np.ndarray]:
    """Score the records by what the target shows inside, as references never do.

    These attacks rank without knowing any member, so that no fit alters the order.
    """
    attacks = {name: attack for name, attack in run.attacks.items() if looks_inside(attack)}
    if not attacks:
        return {}
    on_records = [single(attack) for attack in attacks.values()]
    norms_only = all(isinstance(attack, GradientNormAttack) for attack in on_records)
    named = [attack.layer for attack in on_records if getattr(attack, "layer", None)]
    inside = white_box_columns(
        run.target,
        run.X,
        class_indices(run.target, run.y),
        layers=named or None,
        parts=("grad_norm",) if norms_only else PARTS,
    )
    table = beside(observations, inside)
    return {
        name: attack.fit(table, run.member).decision_function(table)
        for name, attack in attacks.items()
    }


def _p_values(run: Run, observations: pd.DataFrame) -> np.ndarray:
    """Return each unit's p-value under "not trained on"; NaN where they would not hold."""
    refs = run.references
    n_trained = run.plan.n_trained
    if refs is None or abs(refs.train_size_ - n_trained) > _SIZE_TOLERANCE * n_trained:
        return np.full(len(run.units), np.nan)
    groups = group_columns(observations.columns)
    values = observations.to_numpy()
    signal, out = values[:, groups["logit"][0]], values[:, groups["out"]]
    return their_p_values(signal, out, run.units) if run.of_people else pooled_p_values(signal, out)


def _expected_neighbors(run: Run) -> np.ndarray | None:
    """Return how many neighbours of each record a training set holds; None unless GMIA is run."""
    wanted = any(isinstance(attack, GMIAAttack) for attack in run.attacks.values())
    if run.references is None or run.access is not None or not wanted or run.of_people:
        return None
    features = run.references.features_[: len(run.y)]
    # Where all references answer all classes alike there is no direction to compare.
    somewhere = features.any(axis=1)
    expected = np.full(len(features), np.nan)
    if somewhere.sum() > 1:
        train_size = max(1, round(run.plan.n_trained * somewhere.mean()))
        run.vulnerable = VulnerableRecords(train_size=train_size)
        expected[somewhere] = run.vulnerable.fit(features[somewhere]).expected_neighbors()
    return expected


def _controls(run: Run, table: ReferenceTable | None) -> list[Control]:
    X, y, member, units = run.X, run.y, run.member, run.units
    # One record of each person: records of one person tell of one another.
    one = units.first
    shift, run.shift = distribution_shift(take_rows(X, one), y[one], member[one], seed=run.seed)
    checks = [shift]
    attack = run.attacks[run.headline]
    if table is not None and not looks_inside(attack):
        checks.append(reference_control(attack, table, member, units))
        level = run.confidence
        checks.append(pipeline_control(attack, table, units, seed=run.seed, confidence=level))
    if run.pool.labelled and not run.of_people:
        checks.append(memorising_threshold(X, y, member, seed=run.seed))
    return checks
