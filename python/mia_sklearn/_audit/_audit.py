"""The audit: attack a target whose members are known, and report with error bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._process._engine import at_home
from .._process._progress import phases
from ..report import AuditReport
from ._cascade import N_SECOND, stages_of
from ._options import guarantee_of, how_many, seed_of
from ._prepare import prepare
from ._reported import report_of
from ._run import Planned
from ._steps import ask, score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["audit"]


@at_home()
def audit(
    model: Any,
    X_train: Any,
    y_train: Any = None,
    X_test: Any = None,
    y_test: Any = None,
    *,
    quick: bool = False,
    n_references: int | None = None,
    time_budget: float | None = None,
    attacks: Any = "auto",
    estimator: Any = None,
    fit_params: dict[str, Any] | None = None,
    split: str | None = None,
    release: str | None = None,
    access: Any = None,
    slices: Any = None,
    groups: Any = None,
    dp: Any = None,
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
    model : fitted classifier, regressor or generator, TorchTarget, or function
        The target. Any scikit-learn compatible classifier or regressor, with one output or
        several, pipelines, search objects and skorch nets included; a bare torch module in
        `mia_sklearn.torch.TorchTarget`; a function `X -> posteriors`, or `X -> labels` with
        ``release="labels"``; `mia_sklearn.FunctionRegressor` of a function `X -> numbers`.
        Generators, estimators without labels that have `sample`, `score_samples` or
        `discriminator_score`, are audited by `audit(generator, X_train, X_test)`; so is, with
        ``release="samples"``, a function `(n, random_state)` that returns n samples.
    X_train, y_train : table of shape (n_train, n_features), array-like of shape (n_train,)
        What the model was trained on: the members. An array, a sparse matrix, a data frame (of
        pandas, Polars, pyarrow), or a list, Series or array of texts: the kind that the model
        was fitted on, of which models get copies. Labels are taken by position, as in
        scikit-learn; a Series with the index of `X_train` in another order is refused. Of a
        regressor `y` holds the numbers that it predicts, in their units (a model of log y goes
        into `TransformedTargetRegressor`); of several outputs `y_train` and `y_test` have the
        shape (n_records, n_outputs), one column for each.
    X_test, y_test : table of shape (n_test, n_features), array-like of shape (n_test,)
        Records of the same population that it was not trained on. Columns may have another
        dtype than in `X_train`, where values are of one kind: see Notes.
    quick : bool, default=False
        A first look in seconds: no reference models, at most 20,000 records (`max_records` sets
        another number), the attacks that need no references, the structure of the model, the
        controls. The report says what it could not see.
    n_references : int, default=None
        Reference models; rounded up to whole blocks, at least two. 0 trains none: the headline
        is then QMIA (`mia_sklearn.attacks.QMIAAttack`), of generators the threshold, and usually
        less is found. None stands for 16, and for 0 where a discriminator is asked, to which
        references add nothing. With a `time_budget` it is the most that are trained, and None
        stands for 64.
    time_budget : float, default=None
        Seconds, for who cannot wait: once the first reference says how long one takes, the audit
        chooses how many it trains (4, 8, 16, 32 or 64, in whole blocks) and, of "auto", whether
        attacks that learn are run. The report names what was chosen, what it costs in strength,
        and how to ask for the same without a clock. See Notes for what is promised.
    attacks : "auto", or list of names, attacks and (name, attack) pairs, default="auto"
        "auto" runs the threshold, Shokri's, LiRA, RMIA and the stacked attack, the margin
        edge where the model is a support vector machine, and the gradient norm where the release
        is "weights" and the model has gradients; where it is "labels" the gap attack in place of
        Shokri's, and the others on kept counts. Without references these are the threshold, the
        gap attack, QMIA, the margin edge and the gradient norm. Names are those
        of `mia_sklearn.attacks.all_attacks`, and "stacked-pool", "cascade-pool" and "gap". "gmia"
        also marks the vulnerable records; "cascade" trains 12 references more, for this model.
    estimator : unfitted classifier or regressor, or callable `(X, y, seed) -> fitted`, default=None
        What the references train; by default a clone of `model` (of `best_estimator_` for
        search objects).
    fit_params : dict, default=None
        Passed to the references' `fit`. Values with one entry per record are sliced; they hold
        the training records' entries, then those of the test records, on which references
        train too; a pandas Series goes with the labels of its index, where they are those of
        `X_train` and `X_test`. The same holds for `slices` and `groups`. A record of weight 0 in
        `sample_weight` is no member and refused: leave it out of `X_train`. A defense's
        `X_reference` and `y_reference` go whole to each. Each reference gets a copy of callbacks
        as they were before training; a fitted model is refused, since it knows the members.
    split : {"random", "other", None}, default=None
        "random" says that train and test are a random split of one set of records. Without it
        no lower bound on epsilon is given: it would mean nothing.
    release : {"labels", "posteriors", "predictions", "samples", "weights"}, default=None
        How the model will be released; decides which attacks count as possible. "labels" asks the
        model for predicted classes alone, of each record and of perturbed copies of it (see
        `mia_sklearn.access.LabelAccess`). Generators release "samples", or "weights" with
        all that the model computes; regressors "predictions" or "weights". None stands for
        "posteriors", "predictions" for regressors, and "weights" for generators.
    access : str, access or callable, default=None
        What the model is asked for in place of posteriors, see `mia_sklearn.access`. None
        leaves it to `release`.
    slices : str, list of str, or dict, default=None
        Groups to report apart: names of columns of `X_train` ("label" is the class, or the true
        value; "label_0", ... or the name of a column of `y_train` of several outputs), or a dict
        from a name to one value per record, train then test. Numbers are cut at their quartiles.
    groups : str or array-like of shape (n_train + n_test,), default=None
        Whose each record is, where people have several: a column of `X_train`, taken out where
        the model was not fitted on it, or one value per record, train then test. The report is
        about people then, with all of their records: see Notes.
    dp : pair (epsilon, delta), TradeOff or accountant, default=None
        What the training claims: its ceiling is drawn over the curves and read in a finding.
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
        Most queries that a plain function may get (`FunctionRegressor` has its own). What is left
        of it, up to 512, is used to ask some records again: answers must not depend on the call.
    comparison : DataFrame, default=None
        What `mia_sklearn.selection.compare_defenses` found on this model and these defenses:
        the findings name the best remedy that was measured.
    controls : bool, default=True
        Check the audit itself: shift between train and test, attacks on references.
    cache : str or path, default=None
        Folder, or URL, in which finished references are kept; an interrupted audit resumes.
    n_jobs : int, default=None
        References trained at a time, see `ReferenceModels`.
    random_state : int, RandomState instance or None, default=None
    progress : bool, default=True
        Show how far the audit is and, after the first reference, how long all will take.
    title : str, default=None
        Title of the report.

    Returns
    -------
    AuditReport

    Raises
    ------
    ValueError
        If an argument is wrong, or a side has less than 10 people, before any model is trained.

    See Also
    --------
    ReferenceModels, observe : The steps, for use alone.

    Notes
    -----
    The headline attack is fixed in advance: the stacked one where there are references, else
    QMIA. Its numbers make the verdict; the best of several attacks, chosen after the fact, would
    not hold at the stated confidence.

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

    Of regressors, attacks read how far a prediction is from the true value
    (`mia_sklearn.access.PredictionAccess`), of classifiers with several outputs the mean of what
    they read of one (`mia_sklearn.access.OutputsAccess`). Attacks that read posteriors, perturbed
    copies and `access` are not theirs. `info` then holds ``target_train_r2``, ``target_train_mae``
    and those of test records, on average over the outputs, in place of accuracies. Where no
    reference is trained, one copy of a regressor that predicts `y_train` worse than its mean is, to
    see whether the model was fitted on another y.

    With `groups` the unit of privacy is a person: references train on all of a person's records
    or on none, attacks score people (`mia_sklearn.attacks.GroupAttack`, whose "sum" is taken
    unless another one is given), and rates, intervals, p-values, epsilon, controls and
    `records` count each person once. People are told apart by value: numbers by theirs,
    whatever type holds them (1, 1.0 and Decimal("1.00") are one person), texts by all of their
    characters. A number beside a text that reads like it (0 and "0") is refused, and so are numbers
    so large that floating point holds one for several; the same holds for values of `slices`.
    `split="random"` then says that people were split at random. p-values are those of the mean
    signal of a person's records. Vulnerable records are not marked, and the shift is looked for on
    one record of each person. Equal records of one person are no repetition; a person all of whose
    records are other people's too is not audited, and everyone else is, with all of their records.
    Without `groups`, the intervals of an audit whose records are not independent are too narrow.

    A `time_budget` is kept as far as what it chooses allows: time is looked at between steps of
    about a tenth of it (between numbers of references where networks train as one, or a cluster
    does), and what has begun is brought to an end, attacks and controls included, whose time is
    estimated. Where the least that is possible does not fit, with what the first reference took,
    that is an error; a `cache` keeps the reference. What is chosen depends on the clock, and
    nothing else does: the numbers are those of `n_references` and `attacks` as ``info`` has them.

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
    n_references, max_records = how_many(quick, n_references, max_records)
    planned, n_references = prepare(
        model,
        (X_train, y_train, X_test, y_test),
        n_references=n_references,
        time_budget=time_budget,
        attacks=attacks,
        estimator=estimator,
        fit_params=fit_params,
        split=split,
        release=release,
        access=access,
        slices=slices,
        groups=groups,
        dp=guarantee_of(dp),
        confidence=confidence,
        max_records=max_records,
        n_queries=n_queries,
        of_function=(classes, query_budget),
        comparison=comparison,
        n_jobs=n_jobs,
        seed=seed_of(random_state, cache),
    )
    with phases(_phases(planned, n_references, controls), shown=progress):
        asked = ask(
            planned,
            fit_params,
            n_references,
            n_jobs=n_jobs,
            cache=cache,
            random_state=None if random_state is None and cache is not None else planned.seed,
            progress=progress,
        )
        run = score(asked, controls=controls)
        return report_of(run, title, quick=quick)


def _phases(planned: Planned, n_references: int, controls: bool) -> dict[str, int]:
    """Return the phases of an audit, and about how much of its time each takes."""
    return {
        "target": 1,
        "references": n_references,
        "attacks": len(planned.attacks),
        "cascade": N_SECOND * len(stages_of(planned.attacks)),
        "structure": 1,
        "p-values": 1,
        "controls": 2 if controls else 0,
        "metrics": 1,
    }
