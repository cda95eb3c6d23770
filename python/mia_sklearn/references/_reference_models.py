"""Reference models: models trained like the target, whose training sets are known."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from .._models._kinds import is_generator, tags_of
from .._models._predictors import predicts_numbers
from .._models._random import random_state_of
from .._models._trainable import check_trainable
from .._observations._neighborhood import perturbed_copies
from .._records._checked import note_features
from .._records._digests import row_digests
from .._records._rows import take_rows
from ..access._choice import access_of_references
from ._answered import AnsweredModels
from ._cache import store_at
from ._gathered import GatheredPool, gather_pool
from ._job import Job
from ._lost import warn_of_lost
from ._sampling import SAMPLINGS, Assignment, assign
from ._train_all import Pace, train_all

__all__ = ["ReferenceModels"]

_LARGEST_SEED = 2**31 - 1


class ReferenceModels(AnsweredModels):
    """Train models like the target and keep what they answer on every record.

    Each model trains on a random part of the records, so that for every record there are
    models that did and models that did not train on it. All reference-based attacks read
    nothing else. Models are dropped once they have answered; their answers stay: log-posteriors,
    or what `mia_sklearn.access` asks regressors and classifiers with several outputs for.

    Parameters
    ----------
    estimator : classifier, regressor, generator or callable
        What to train: an unfitted model (of generators see `signal`), cloned for each, with every
        nested `random_state` set from the model's own seed; or a function `(X, y, seed)` that
        returns a fitted one (early stopping on its own validation set, for example).
    n_models : int, default=16
        Number of models, at least 2. Block sampling rounds up to whole blocks, at least two.
    sampling : {"block", "bootstrap", "disjoint"}, default="block"
        How training sets are drawn, see Notes.
    train_size : int, float or None, default=None
        Records that each model trains on: a number (core records included), a share of the
        sampled records (core records come on top), or None for half of them. Give what the
        target trained on: models with smaller or larger training sets answer differently.
    stratify : bool, default=False
        Draw training sets within classes, each in its share to within one record. Give True
        where the target's was drawn so (``train_test_split(..., stratify=y)``), and only there.
    smoothing : "auto" or float, default="auto"
        Mass added to both sides of the rescaled logit, see
        `mia_sklearn.signals.rescaled_logit`; "auto" chooses it, and the scale of the posteriors
        before, from the models' answers, see Notes.
    n_queries : int, default=0
        Perturbed copies of each record, of which models give posteriors too.
    n_jobs : int, default=None
        Models trained at a time, as in joblib. Each of them uses one core, so the results
        do not depend on it. `joblib.parallel_config` chooses another backend, Dask or Ray for
        example: what models share goes to each worker once.
    cache : str or path, default=None
        Folder, or URL that fsspec reaches, which keeps each model's answers as soon as it has
        finished, see Notes.
    random_state : int, RandomState instance or None, default=None
        Draws the training sets and the seeds of the models. With a cache, None stands for a
        number derived from the data and the estimator, so that a second run resumes.
    signal : str, access or callable, default=None
        What models are asked for in place of posteriors, see `mia_sklearn.access`: the name of
        an access ("label" for predicted classes alone), an access, or a function of a fitted
        model and records that returns one number per record. None chooses the strongest that
        the estimator allows.
    progress : bool, default=False
        Show progress and the time left.

    Attributes
    ----------
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where the records are a data frame with text names.
    classes_ : ndarray of shape (n_classes,)
        Labels, in the order of the columns of `outputs_`; empty where there are none.
    output_classes_ : tuple of ndarray
        The labels of each output, of classifiers with several; empty otherwise.
    n_models_ : int
        Number of models.
    n_blocks_ : int
        Number of blocks; 0 without blocks.
    block_size_ : int
        Models in a block; 0 without blocks.
    block_ : ndarray of shape (n_models,)
        Each model's block; -1 without blocks.
    holdout_ : {"out", "in", ""}
        Which sets of a block's models partition the records: those left out ("out": one model
        of each block has not trained on a given record) or those trained on ("in": one model
        of each block has). Empty without blocks.
    membership_ : ndarray of shape (n_models, n_records), dtype uint16
        How many times each record is in each model's training set.
    labelled_ : ndarray of shape (n_models, n_records), dtype bool
        The rows from which attacks may learn, see Notes.
    outputs_ : ndarray of shape (n_models, n_records, n_classes), dtype float32
        Natural logarithm of the models' posteriors; minus infinity for a class that a model
        never saw. With an `access_`, what they were asked for: the signal, and where labels are
        seen the predicted class's position; residuals. Memory-mapped, read-only with a cache.
    access_ : access or None
        What the models were asked for; None for posteriors.
    log_normalizers_ : ndarray of shape (n_models, n_records), dtype float32, or None
        Of networks: what is added to `outputs_` to give the outputs before the soft-max.
    features_ : ndarray of shape (n_records, n_models * n_classes), dtype float32
        The models' outputs before the soft-max side by side, which say how similar records are
        to models of this kind [2]_; else log-posteriors less their mean over the classes; of
        regressors cos and sin of z and ez, z standardised predictions. Without those in `lost_`.
    record_features_ : str
        What `record_columns` compares records by, or why it leaves them out.
    query_outputs_ : ndarray of shape (n_models, n_queries, n_records, n_classes) or None
        The same on perturbed copies of the records; None without queries.
    query_seed_ : int
        The seed of the perturbed copies.
    X_ : table of shape (n_records, n_features)
        The records as they were given, no copy where there is no population.
    digests_ : ndarray of shape (n_records,), dtype uint64
        Digest of each record and its label.
    groups_ : ndarray of int of shape (n_records,), or None
        Each record's group, a position in `group_names_`; None where `fit` was given no groups.
    group_names_ : ndarray of shape (n_groups,), or None
        The groups as `fit` was given them.
    repeated_ : ndarray of bool of shape (n_records,)
        Records that occur more than once, features and label; with groups, those of several
        groups. See Notes.
    labels_ : ndarray of shape (n_records,)
        Column of each record's class; -1 for a label that is not in `classes_`, as records of
        the pool may have beside a population. Of regressors and of classifiers with several
        outputs the true values, of shape (n_records, n_outputs).
    smoothing_ : float
        The smoothing in use.
    scale_ : object or None
        How answers become the signal, see its `text`: of posteriors the `power` to which they are
        raised, their `smoothing`, and `knots` where ranks are read. None where the answer is it.
    n_pool_, n_population_, n_core_ : int
        Number of records of the pool, of the population and of the core.
    train_size_ : int
        Records that each model trains on, core included; up to one fewer where the records
        do not divide evenly.
    seeds_ : ndarray of shape (n_models,)
        The models' seeds.
    lost_ : dict of int to str
        Models that could not be trained, by number, and why, see Notes. Their `outputs_` are NaN,
        no row of theirs is labelled, and no attack reads them.
    fit_time_ : float
        Seconds that `fit` took.

    Notes
    -----
    *Sampling, and the rows that it labels.*

    - "block": the held-out sets of the b models of a block partition the records, with b =
      round(n / held-out records) (complementary halves; four models that leave out a quarter
      each). Where models train on fewer than half of the records it is their training sets
      that partition them. b is 2 to 8. All rows are labelled. Where no b comes within 5 % of
      the training size, larger sets are trimmed at random to it; a trimmed row is out of
      that model's training set, and is not labelled, so that the others remain balanced.
    - "bootstrap": each model draws its training set with replacement [2]_. All rows are
      labelled.
    - "disjoint": each model has a training and a test set of its own, disjoint and equally
      large [1]_. These rows alone are labelled.

    With `groups` in `fit`, whole groups are drawn, and dropped, in place of records: each part is
    cut where the records come nearest to the size asked for, so that where groups are of unequal
    size training sets differ by up to the size of the largest group.

    With `population` in `fit`, models sample from the population by the same rules, never
    train on a row of the pool, and no row of the pool is labelled: for attackers who do not
    hold the target's records. Take it many times larger than a training set, or p-values against
    such models are too small (see `mia_sklearn.attacks.GMIAAttack`).

    *Stratified draws.* A p-value compares the target with models that did not train on the record
    either, and holds where all of them are drawn alike. Where the target's training set is a
    random one with given numbers of records of each class, so are those of stratified models:
    given the numbers, every such set is as likely, for them as for the target. The target of a
    plain split has numbers of its own, which move its answers on whole classes. Plain references
    share that, stratified ones do not. Simulated (naive Bayes, classes of 240, 45 and 15 records,
    16 references, 180,000 non-members of plain targets): pooled p <= .001 for .0034 of them
    against stratified references and for .0013 against plain ones, rank p-values of 1/17 for .071
    and .058; of stratified targets, against stratified references, .0010 and .057. So this is no
    default, although it trains more surely where a class is rare.

    *Models that cannot be trained*, since a class is too rare in their training set, or a loss
    becomes NaN, are tried once more with another seed on the same records, and then left out.
    Those that remain trained on sets drawn as the target's was, given that they could be trained
    on, as the target could: a record's references are fewer then, and no less like the target.
    A block keeps its places, of which those of the model that was lost are empty. Where none of the
    first few can be trained, or fewer than two of different blocks remain, `fit` raises.
    What a model holds that reads or writes files, or prints, is left out of the copies that are
    trained: `memory` of pipelines, callbacks that log or save.

    *Repeated records.* Of several equal records a model may have trained on one and not on
    another, so that "out" models may have seen what they count as out. Scores and p-values of
    such records understate what a model remembers of them, and rates that count them are about
    positions, not records. `audit` leaves them out of its rates; do so by `repeated_`, or pass
    those that the target trained on as `core` and leave the others away.

    *The scale of answers.* Posteriors that are made more even or surer by a map that can be
    undone, such as a temperature, tell all that they told before, but not to an attack that
    takes them as they come. With ``smoothing="auto"`` models act as targets in turn, and where
    LiRA or RMIA tell their members clearly better on another scale (a power, another smoothing,
    ranks among the models' answers), attacks read that one: `logit`, `out_*` and `in_*` are on
    it. The answers of the target have no part in the choice.

    *Cores.* Nested `n_jobs` are set to 1, and libraries get one thread: models run beside each
    other, with sums in one order. Trees, forests, neighbours and kernel machines run in threads.
    Others begin here and go on in processes where these pay, else here, or in threads. What may
    draw from NumPy's or Python's own generator is seeded, and never beside others in a process.
    `joblib.parallel_config` overrides all this; models are the same.

    *Networks* (of skorch) are trained together, as one network with stacked weights and batches
    gathered by index, also behind the steps of a Pipeline and within defenses that train them
    once. Each model keeps its own steps, first weights, batches and dropout masks, and equals the
    model that `torch.manual_seed(seed)` and `fit` give, to the rounding of single precision
    (dropout: the same distribution, other draws). As many train at a time as fit into memory,
    which changes results by rounding only. Convolutions on a CPU, and what torch cannot stack,
    train one model per core in the same loop. `n_jobs` is the number of cores then; None stands
    for as many as torch uses. Schedules of the learning rate and clipping of the gradient's norm
    are followed; nets with other callbacks that act, training steps of their own or other sources
    of randomness train one by one, with a warning that names the reason.

    *The cache* has one file for each model, written whole or not at all as soon as the model has
    answered, and one of all models together. Files are named by all that shapes an answer:
    estimator, parameters, code of user-defined functions and classes (that of modules which
    these import is not followed), data, training set, seed, versions. A run that was stopped
    goes on where it was, other data or parameters never meet old answers, and a damaged file is
    noticed and made anew. Of runs at the same time one trains, and the others wait for what it
    keeps; at a URL, which knows no locks, all train. The files hold plain numbers, no pickles;
    since they tell who was trained on, nobody but their owner may read them. Delete them with the
    data. Workers of a cluster write there themselves, where they see the place.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, section V-C.
    .. [2] Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning
       Models", arXiv:1802.04889, section 4.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn import ReferenceModels
    >>> X, y = load_iris(return_X_y=True)
    >>> references = ReferenceModels(DecisionTreeClassifier(), n_models=4, random_state=0)
    >>> references.fit(X, y).outputs_.shape
    (4, 150, 3)
    >>> references.membership_.sum(axis=0).tolist() == [2] * 150
    True
    """

    # What stops short of `n_models` where they take too long, for an audit.
    _pace: Pace | None = None

    def __init__(
        self,
        estimator: Any,
        n_models: int = 16,
        *,
        sampling: str = "block",
        train_size: Any = None,
        stratify: bool = False,
        smoothing: Any = "auto",
        n_queries: int = 0,
        n_jobs: int | None = None,
        cache: Any = None,
        random_state: Any = None,
        signal: Any = None,
        progress: bool = False,
    ) -> None:
        self.estimator = estimator
        self.n_models = n_models
        self.sampling = sampling
        self.train_size = train_size
        self.stratify = stratify
        self.smoothing = smoothing
        self.n_queries = n_queries
        self.n_jobs = n_jobs
        self.cache = cache
        self.random_state = random_state
        self.signal = signal
        self.progress = progress

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        population: Any = None,
        core: Any = None,
        fit_params: dict[str, Any] | None = None,
        classes: Any = None,
        groups: Any = None,
    ) -> ReferenceModels:
        """Train the models and record their answers.

        Parameters
        ----------
        X : table of shape (n_pool, n_features)
            The records under audit: an array, a data frame (of pandas, Polars, pyarrow), a sparse
            matrix, or a list, Series or array of texts. Models get copies of its rows.
        y : array-like of shape (n_pool,) or (n_pool, n_outputs)
            Their labels, or numbers; generators are trained without. Estimators get it in the
            kind of column that it has.
        population : tuple (X, y), default=None
            Other records of the same kind, on which alone the models train. For generators a
            table alone.
        core : tuple (X, y), default=None
            Records on which every model trains besides its sample. They get no answers. For
            generators a table alone.
        fit_params : dict, default=None
            Passed to the estimator's `fit`. Values with one entry per record that may be
            trained on (those of the pool, or of the population when there is one, then those
            of the core) are sliced to each training set; a pandas Series goes with the labels of
            its index, where the records have one. A defense's `X_reference` and `y_reference` go
            whole to each. Callbacks are copied, as they were before training.
        classes : array-like of shape (n_classes,), default=None
            Labels to which answers are aligned, all that models train on and perhaps others; by
            default all labels in the data.
        groups : array-like of shape (n_pool + n_population + n_core,), default=None
            Whose each record is, where people have several: those of the pool, then of the
            population, then of the core. All records of one person are drawn together, in or out
            of a model's training set.

        Returns
        -------
        ReferenceModels
            The fitted object itself.

        Raises
        ------
        ValueError
            If an argument is wrong, before any model is trained; or if too few models can be
            trained, with the number of the first that could not.
        """
        start = time.perf_counter()
        taught = {"fit_params": fit_params, "classes": classes, "groups": groups}
        begun = self._begin(X, y, core=core, population=population, **taught)
        pool, entropy, job, membership = begun
        how: dict[str, Any] = {"n_jobs": self.n_jobs, "progress": self.progress}
        answers, lost = train_all(job, membership, self.seeds_, pace=self._pace, **how)
        if len(answers) < self.n_models_:
            self._assigned(pool, entropy, len(answers))
        self._leave_out_lost(lost)
        warn_of_lost(self.lost_, self.n_models_, "reference models", stacklevel=2)
        self._keep(answers, pool.records.n_asked)
        self.fit_time_ = time.perf_counter() - start
        return self

    def _begin(
        self, X: Any, y: Any, *, core: Any, population: Any = None, **taught: Any
    ) -> tuple[GatheredPool, int, Job, np.ndarray]:
        """Check the arguments of `fit`, all others in `taught`, and draw who trains on what."""
        check_trainable(self.estimator, taught["fit_params"])
        self._check_parameters()
        store = store_at(self.cache)
        self.access_ = access_of_references(self.signal, self.estimator, y)
        given = X, None if is_generator(self.estimator) else y
        how: dict[str, Any] = {"stratify": self.stratify, "access": self.access_}
        pool = gather_pool(self.estimator, given, population, core, **how, **taught)
        self._note(pool)
        job = pool.job(self.estimator, self.access_, store)
        entropy = self._entropy(job)
        membership = self._assigned(pool, entropy, self.n_models).membership
        self.query_seed_ = int(np.random.default_rng([entropy, 1]).integers(_LARGEST_SEED))
        return pool, entropy, self._with_questions(job), membership

    def _note(self, pool: GatheredPool) -> None:
        """Keep what the records are, by which others are compared with them."""
        records = pool.records
        note_features(self, take_rows(records.table, slice(1)))
        self.n_pool_, self.n_population_ = records.n_pool, records.n_population
        self.n_core_ = records.n_core
        self.groups_, self.group_names_ = pool.groups, pool.group_names
        self.classes_ = pool.classes
        self.X_ = records.asked
        labels = records.labels[: records.n_asked]
        self.output_classes_ = pool.output_classes
        self.labels_ = pool.coded(labels)
        self.digests_ = row_digests(self.X_, labels)

    def _assigned(self, pool: GatheredPool, entropy: int, n_models: int) -> Assignment:
        """Draw every model's training set and seed."""
        records, groups, first = pool.records, pool.groups, pool.records.first
        assignment = assign(
            self.sampling,
            records.n_asked - first,
            self.train_size,
            records.n_core,
            n_models=n_models,
            entropy=entropy,
            groups=None if groups is None else groups[first:],
            strata=records.labels[first : records.n_asked] if self.stratify else None,
        )
        self._check_memory(assignment.n_models, records.n_asked)
        self.train_size_ = assignment.train_size + records.n_core
        self._take(assignment, first)
        self.seeds_ = np.random.default_rng(entropy).integers(_LARGEST_SEED, size=self.n_models_)
        return assignment

    def _with_questions(self, job: Job) -> Job:
        """Return the job with what models are asked besides the records, or in their place."""
        if self.access_ is not None:
            question = self.access_.question(self.asked_, self.query_seed_)
            return replace(job, question=question, question_seed=self.query_seed_)
        if self.n_queries:
            given = self.X_, self.labels_, self.n_queries, self.query_seed_
            job.copies.extend(perturbed_copies(*given))
        return job

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = tags_of(self.estimator)
        tags.input_tags.sparse = inner is None or inner.input_tags.sparse
        tags.input_tags.allow_nan = inner is None or inner.input_tags.allow_nan
        return tags

    def _entropy(self, job: Job) -> int:
        if self.cache is not None and self.random_state is None:
            return int.from_bytes(job.name[:4], "little") % _LARGEST_SEED
        return int(random_state_of(self.random_state).randint(_LARGEST_SEED))

    def _check_parameters(self) -> None:
        if self.n_models < 2:
            raise ValueError(f"n_models must be at least 2, got {self.n_models!r}.")
        if self.n_queries < 0:
            raise ValueError(f"n_queries must be at least 0, got {self.n_queries!r}.")
        asks_other = self.signal is not None or is_generator(self.estimator)
        if self.n_queries and (asks_other or predicts_numbers(self.estimator)):
            raise ValueError(
                "n_queries asks for posteriors of perturbed copies, and models are asked for "
                "another signal: give n_queries=0."
            )
        if self.sampling not in SAMPLINGS:
            raise ValueError(f"sampling must be one of {list(SAMPLINGS)}, got {self.sampling!r}.")
        if self.smoothing != "auto" and not self.smoothing >= 0:
            raise ValueError(
                f"smoothing must be 'auto' or a number of at least 0, got {self.smoothing!r}."
            )
