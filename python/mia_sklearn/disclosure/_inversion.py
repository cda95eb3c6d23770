"""Model inversion: what a model takes for a typical record of a class."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints

from .._models._kinds import is_module, is_net, last_step
from .._models._known_features import n_known_features
from .._models._targets import FunctionTarget, as_target, check_labels, class_indices
from .._observations._input_gradients import has_input_gradients
from .._process._docs import Documented
from ._inversion_result import Inversion
from ._inversion_views import AnswersView, GradientView, View
from ._numbers import numbers

__all__ = ["ModelInversion"]

_NEEDS_START = (
    "The model does not say how large its records are: pass start=, a table of one record, of "
    "zeros for example."
)


class _Found(NamedTuple):
    x: np.ndarray
    cost: np.ndarray
    iterations: np.ndarray
    queries: np.ndarray
    stopped: np.ndarray


class ModelInversion(Documented, BaseEstimator):
    r"""Find a record that a model is confident about, for each label (MI-FACE).

    Where a class is one person, or a handful, such a record looks like them. Where a class has
    many records it looks like their mean, which is no one's secret; `inversion_contrast` tells
    the two apart.

    The cost :math:`c(x) = 1 - p_{label}(x) + AUX(x)` is descended from a start by steps
    :math:`x_i = PROCESS(x_{i-1} - \lambda \nabla c(x_{i-1}))`. All labels are searched in one
    batch, each until a rule of its own ends it: :math:`c(x_i) \le \gamma`, or :math:`c(x_i)` is
    no lower than the greatest of the last :math:`\beta` costs, or :math:`\alpha` steps were made.

    Threat model: white-box with gradients; black-box with confidences with random directions. No
    record is known in either.

    Parameters
    ----------
    estimator : fitted classifier with predict_proba, TorchTarget or FunctionTarget
        The target. It is not trained.
    process : callable, default=None
        Takes records of shape (n_records, ...), returns as many to go on from. For pixels
        between 0 and 1: ``lambda X: X.clip(0, 1)``. By default records are left as they are.
    aux : callable, default=None
        A further cost, which draws records to what the attacker expects: takes records, returns
        their costs of shape (n_records,) and the gradients of these, of the records' shape. For
        small squares: ``lambda X: (0.01 * (X**2).sum(axis=1), 0.02 * X)``.
    alpha : int, default=5000
        Most steps.
    beta : int, default=100
        Costs to look back at for progress.
    gamma : float, default=0.01
        Cost that is low enough.
    lam : float, default=0.1
        The step's length, times the gradient's.
    method : {"auto", "gradient", "directions"}, default="auto"
        "gradient": in closed form for `LogisticRegression`, `SGDClassifier(loss="log_loss")` and
        `MLPClassifier`, by autograd for skorch classifiers and `TorchTarget`, alone or behind
        scalers and `PCA` in a Pipeline. "directions": from the answers to records nearby.
        "auto": gradients where there are any.
    n_directions : int, default=50
        Random directions per step; each takes two queries. More make steps less noisy.
    radius : float, default=0.1
        How far away records are asked about, as the standard deviation in each feature. Trees do
        not notice small ones.
    query_budget : int, default=None
        Most records that the model may be asked about in one `invert`, for all labels together.
        What was reached by then is returned, and marked.
    random_state : int, RandomState instance or None, default=None
        Of the directions. Each label has its own, whichever labels are searched beside it.

    See Also
    --------
    inversion_contrast : Whether the records found show the training set.
    mia_sklearn.plots.InversionDisplay : What they look like.

    Notes
    -----
    Progress is looked for only once there are `beta` costs to look back at. The defaults are the
    paper's but for :math:`\gamma`, there .99, which 1 minus a posterior falls below almost at
    once. For pixels between 0 and 1, `lam=1` gets there sooner.

    Along Gaussian directions :math:`u` the gradient is estimated by the mean of
    :math:`u\,(p(x + \rho u) - p(x - \rho u)) / 2 \rho`, which is that of the posterior smoothed
    over the radius :math:`\rho` [2]_. The paper took single coordinates instead, with a query
    for each.

    Where the model is certain of another label at the start, the cost is flat, and the search ends
    by `beta` where it began: give another `start`, the mean of public records for example.

    Records are arrays of numbers. A model that was fitted on a data frame of numbers is asked with
    one; categories have to be encoded in front of the model.

    References
    ----------
    .. [1] M. Fredrikson, S. Jha, T. Ristenpart, "Model Inversion Attacks that Exploit Confidence
       Information and Basic Countermeasures", CCS 2015, Algorithm 1.
    .. [2] Y. Nesterov, V. Spokoiny, "Random Gradient-Free Minimization of Convex Functions",
       Foundations of Computational Mathematics 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn.disclosure import ModelInversion
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X[:10] / 16, y[:10])
    >>> found = ModelInversion(model, process=lambda X: X.clip(0, 1), alpha=100).invert([3, 7])
    >>> found.x.shape
    (2, 64)
    >>> model.predict(found.x)
    array([3, 7])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "process": [callable, None],
        "aux": [callable, None],
        "alpha": [Interval(Integral, 1, None, closed="left")],
        "beta": [Interval(Integral, 1, None, closed="left")],
        "gamma": [Interval(Real, None, None, closed="neither")],
        "lam": [Interval(Real, 0, None, closed="neither")],
        "method": [StrOptions({"auto", "gradient", "directions"})],
        "n_directions": [Interval(Integral, 1, None, closed="left")],
        "radius": [Interval(Real, 0, None, closed="neither")],
        "query_budget": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        process: Callable[[np.ndarray], Any] | None = None,
        aux: Callable[[np.ndarray], tuple[Any, Any]] | None = None,
        alpha: int = 5000,
        beta: int = 100,
        gamma: float = 0.01,
        lam: float = 0.1,
        method: str = "auto",
        n_directions: int = 50,
        radius: float = 0.1,
        query_budget: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.process = process
        self.aux = aux
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.lam = lam
        self.method = method
        self.n_directions = n_directions
        self.radius = radius
        self.query_budget = query_budget
        self.random_state = random_state

    def invert(self, labels: Any = None, *, start: Any = None) -> Inversion:
        """Search a record for each label.

        Parameters
        ----------
        labels : array-like of shape (n_labels,), default=None
            Different labels that the model knows; all of them by default.
        start : array-like of shape (n_labels, ...) or (1, ...), default=None
            Where to start, for each label or for all; zeros by default. Networks and functions
            do not say how large their records are, and need one.

        Returns
        -------
        Inversion

        Raises
        ------
        ValueError
            If the model is not fitted, is no classifier or answers no posteriors, a label is
            unknown or twice there, the start does not fit, the model has no gradients
            (`method="gradient"`), `process` or `aux` return other shapes or values that are not
            finite, or the budget is less than a query for each label.
        """
        validate_parameter_constraints(
            self._parameter_constraints,
            {name: getattr(self, name) for name in self._parameter_constraints},
            type(self).__name__,
        )
        first = _first_records(self.estimator, start)
        target = _checked_target(self.estimator, first)
        method = self._chosen_method(target)
        labels = _checked_labels(target, labels)
        x = _one_per_label(first, labels)
        view = self._view(target, class_indices(target, labels), method)
        found = self._descend(view, x, self._budget(target, len(labels)))
        return Inversion(labels, *found, method=method)

    def _view(self, target: Any, codes: np.ndarray, method: str) -> View:
        if method == "gradient":
            return GradientView(target, codes)
        # One generator per label, so that a label's directions are its own.
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        return AnswersView(
            target,
            codes,
            generators=[np.random.default_rng([seed, code]) for code in codes],
            n_directions=self.n_directions,
            radius=self.radius,
        )

    def _chosen_method(self, target: Any) -> str:
        known = has_input_gradients(target) if self.method != "directions" else False
        if self.method == "gradient" and not known:
            raise ValueError(
                f"{type(last_step(target)).__name__} has no gradients by the record. They are "
                "known of skorch classifiers and TorchTarget, and of scikit-learn's "
                "LogisticRegression, SGDClassifier(loss='log_loss') and MLPClassifier, alone or "
                "behind scalers that do not clip and PCA in a Pipeline. Pass method='directions', "
                "which asks for answers only."
            )
        return "gradient" if known else "directions"

    def _budget(self, target: Any, n_labels: int) -> float:
        """Return how many queries may be made."""
        budgets = [] if self.query_budget is None else [self.query_budget]
        if isinstance(target, FunctionTarget) and target.query_budget is not None:
            budgets.append(target.query_budget - target.n_queries_)
        left = min(budgets, default=np.inf)
        if left < n_labels:
            raise ValueError(
                f"query_budget leaves {left} queries for {n_labels} labels, each of which needs "
                "one to begin with. Raise query_budget, or invert fewer labels."
            )
        return left

    def _descend(self, view: View, x: np.ndarray, budget: float) -> _Found:
        """Walk down the cost, each label until a rule ends its search."""
        every = np.arange(len(x))
        posterior = view.posteriors(x, every)
        cost = self._costs(x, posterior)
        found = _Found(
            x.copy(),
            cost.copy(),
            iterations=np.zeros(len(x), dtype=np.intp),
            queries=np.ones(len(x), dtype=np.intp),
            stopped=np.full(len(x), "alpha", dtype="<U12"),
        )
        recent: deque[np.ndarray] = deque([cost.copy()], maxlen=self.beta)
        active = every
        for _ in range(self.alpha):
            if found.queries.sum() + len(active) * view.queries_per_step > budget:
                found.stopped[active] = "query_budget"
                break
            slopes = self._slopes(view, x, active, posterior)
            x[active] = self._processed(x[active] - self.lam * slopes)
            posterior[active] = view.posteriors(x[active], active)
            cost[active] = self._costs(x[active], posterior[active])
            found.iterations[active] += 1
            found.queries[active] += view.queries_per_step
            better = active[cost[active] < found.cost[active]]
            found.x[better], found.cost[better] = x[better], cost[better]
            no_progress = (cost >= np.max(recent, axis=0)) & (len(recent) == self.beta)
            enough = cost <= self.gamma
            found.stopped[active[no_progress[active]]] = "beta"
            found.stopped[active[enough[active]]] = "gamma"
            active = active[~(no_progress | enough)[active]]
            if len(active) == 0:
                break
            recent.append(cost.copy())
        return found

    def _costs(self, x: np.ndarray, posterior: np.ndarray) -> np.ndarray:
        return 1 - posterior if self.aux is None else 1 - posterior + self._aux(x)[0]

    def _slopes(
        self, view: View, x: np.ndarray, rows: np.ndarray, posterior: np.ndarray
    ) -> np.ndarray:
        slopes = -view.posterior_gradients(x[rows], rows, posterior[rows])
        return slopes if self.aux is None else slopes + self._aux(x[rows])[1]

    def _aux(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert self.aux is not None
        costs, gradients = self.aux(x)
        return (
            _as_asked(costs, x.shape[:1], "aux", "one cost per record"),
            _as_asked(gradients, x.shape, "aux", "gradients of the records' shape"),
        )

    def _processed(self, x: np.ndarray) -> np.ndarray:
        after = x if self.process is None else self.process(x)
        return _as_asked(after, x.shape, "process", "records of the same shape")


def _first_records(estimator: Any, start: Any) -> np.ndarray:
    """Return where to start: one record per label, or one for all."""
    if start is not None:
        records = numbers(start, "start")
        expected = n_known_features(estimator)
        if expected is not None and records.shape[1:] != (expected,):
            raise ValueError(
                f"start must hold {expected} features, got records of shape {records.shape[1:]}."
            )
        return records
    n_features = n_known_features(estimator)
    return np.zeros((0, 0) if n_features is None else (1, n_features))


def _checked_target(estimator: Any, first: np.ndarray) -> Any:
    """Return the estimator as what can be asked about records."""
    if not hasattr(estimator, "predict_proba"):
        if hasattr(estimator, "fit") or not callable(estimator) or is_module(estimator):
            # Which says what is wrong with regressors, unfitted models and modules.
            as_target(estimator, X=first)
            raise ValueError(
                f"{type(estimator).__name__} has no predict_proba: inversion needs confidences."
            )
        raise ValueError(
            "estimator is a plain function: pass mia_sklearn.FunctionTarget(function, classes=...)."
        )
    needs_start = len(first) == 0
    if needs_start and is_net(estimator) and getattr(last_step(estimator), "initialized_", False):
        raise ValueError(_NEEDS_START)
    target = as_target(estimator, X=first)
    if needs_start:
        raise ValueError(_NEEDS_START)
    return target


def _checked_labels(target: Any, labels: Any) -> np.ndarray:
    labels = np.asarray(target.classes_ if labels is None else labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"labels must be a list of labels, got shape {labels.shape}.")
    check_labels(target, labels, "labels")
    if len(np.unique(labels)) < len(labels):
        raise ValueError("labels names a label twice: one record is searched for each.")
    return labels


def _one_per_label(first: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if len(first) not in (1, len(labels)):
        raise ValueError(
            f"start must hold one record, or one for each of {len(labels)} labels, got "
            f"{len(first)}."
        )
    return np.broadcast_to(first, (len(labels), *first.shape[1:])).copy()


def _as_asked(values: Any, shape: tuple[int, ...], name: str, what: str) -> np.ndarray:
    """Return what a function of the user's made, after checking it."""
    values = np.asarray(values, dtype=np.float64)
    if values.shape != shape:
        raise ValueError(f"{name} must return {what}: {shape}, got {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(
            f"{name} returned values that are NaN or infinite. A smaller lam may help."
        )
    return values
