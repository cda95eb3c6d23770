"""The attack that is learned from the references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, logit, xlogy
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from .._observations._columns import Reader, block_slots, n_blocks
from .._process._parallel import map_on_cores, one_thread_each
from .._rust import kernel_log_density
from ..base import BaseAttack, Variant
from ..stats._likelihood import GaussianRatio, Moments
from ._boosted import SmallBooster, SmallTrees

__all__ = ["StackedAttack"]

_BANDWIDTHS = np.array([0.3, 1.0])
_TOP = 3
# Kurtosis of true values (of normal ones 3) beyond which they, and the predictions, are read.
_HEAVY = 100.0

_ROWS_IN_TURN = 4096

Skip = tuple[int, int] | None
Skips = Sequence[tuple[Skip, Skip]]
_NOTHING: tuple[Skip, Skip] = (None, None)


class StackedAttack(BaseAttack):
    """The strongest attack: learned from references that act as targets.

    Every reference can play the target, so an attacker who holds n records and K references
    has n K observations with known membership. A gradient booster learns membership
    from what the single attacks compute: the signal, its rank and distance among in and out
    references, likelihood ratios under Gaussian and kernel densities, the ratios of RMIA, and
    (many classes) how the posterior moved between the mean in and the mean out posterior.

    Threat model: black-box; the attacker trains reference models like the target, on records
    like the target's. How hard each record is they see from those records, without a query.

    Parameters
    ----------
    estimator : classifier, default=None
        What learns from the features; it must accept NaN. By default a histogram gradient
        booster of 60 trees.
    pool_features : bool, default=False
        Read the `neighbor_*` columns too: what happened to the nearest records of the pool.
        Stronger, and another attacker: one who may also query the neighbours and whose audited
        pool holds the whole training set. Report it apart.
    record_columns : bool, default=True
        Read the `difficulty_*` columns too, where the observations have them: what neighbours and
        out-of-bag trees say of the record and its label, whatever any model answers.
    max_masks : int, default=8
        Blocks that are masked, one at a time, when the attack scores rows with no empty block
        though it learned from rows with one; the scores are averaged.
    random_state : int, RandomState instance or None, default=None
    columns : sequence of str, default=None
        Names of the columns of plain arrays.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    estimator_ : fitted classifier
    feature_names_ : list of str
        What the classifier reads.

    Notes
    -----
    Shadow observations leave the acting reference's whole block empty, because the complement
    of the acting reference tells the answer. Target observations have no empty block. So that
    both look alike, one block at a time is masked and the scores are averaged.

    Of models that predict numbers, true values and predictions (`target_*`, `prediction_*`) are
    read where tails are heavy: where the kurtosis of a true value is above 100 among the
    observations that the attack is fitted on. How large a residual is usual depends on where the
    record lies there; elsewhere they add next to nothing.

    `difficulty_*` columns say how many of the record's 1, 3, 5, 10 and 20 nearest records have its
    label, how far the 1st, 5th and 20th are, and the nearest of its own and of another label among
    20; the sum of 1 / (1 + distance) over those of its label; and the log-odds of the true label
    (smoothing .02) by 100 trees, each grown on half of the people or of the different records and
    asked about the others, as they are and with nodes cut that hold fewer than 5 or 20 records.
    No membership and no answer of a model goes into them, so that they favour nobody: they say
    where an answer is to be trusted, and break the ties of trees and of votes. Of more than 10,000
    records as many, drawn, are what all are compared with and learned from; of more than 20,000
    one tree in four answers for each of the others.

    Numbers are standardised for that, and categories become indicators; of tables of more than
    1,024 columns 64 directions are read, the first singular vectors. Of texts and pictures (arrays
    of more than two dimensions) the columns are of what the steps in front of the model make of
    them: clones, fitted on the pool without labels, so that the target's vocabulary, which knows
    its members, has no part in it. Steps that labels would teach are left out. There are no columns
    where a model has no such steps, beyond 2 ** 27 values, and of regressors and classifiers with
    several outputs: `ReferenceModels.record_features_` says so, and an audit.

    `query_*` columns, where the observations have them, are read too: the signal and its
    likelihood ratio at perturbed copies of the record.

    Source: this project; the ingredients are those of `LiRAAttack` and `RMIAAttack`, joined in
    the way of stacked generalisation [1]_.

    References
    ----------
    .. [1] D. Wolpert, "Stacked generalization", Neural Networks 5, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.attacks import StackedAttack
    >>> rng = np.random.default_rng(0)
    >>> member = np.arange(2000) % 2
    >>> out = rng.normal(size=(2000, 8))
    >>> phi = rng.normal(size=2000) + 3 * member
    >>> attack = StackedAttack(random_state=0).fit(np.column_stack([phi, out]), member)
    >>> attack.score(np.column_stack([phi, out]), member) > 0.85
    True
    """

    threat_model: ClassVar[str] = "black-box"
    requires: ClassVar[tuple[str, ...]] = ("logit", "out")
    by_default: ClassVar[tuple[str, ...]] = ("posteriors", "labels", "signal", "predictions")
    # Weaker ones are fooled by what merely hides.
    headline: ClassVar[int | None] = 50
    variants: ClassVar[Mapping[str, Variant]] = {"stacked-pool": Variant({"pool_features": True})}

    _answers_log_odds: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "pool_features": ["boolean"],
        "record_columns": ["boolean"],
        "max_masks": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        **BaseAttack._parameter_constraints,
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        pool_features: bool = False,
        record_columns: bool = True,
        max_masks: int = 8,
        random_state: Any = None,
        columns: Any = None,
    ) -> None:
        super().__init__(columns=columns)
        self.estimator = estimator
        self.pool_features = pool_features
        self.record_columns = record_columns
        self.max_masks = max_masks
        self.random_state = random_state

    def _required(self) -> tuple[str, ...]:
        return (*self.requires, "neighbor") if self.pool_features else self.requires

    def _reads(self) -> tuple[str, ...]:
        optional = ("in", "label", "proba", "out_mean", "in_mean", "query", "target", "prediction")
        return (*self._required(), *optional, *self._prefers())

    def _prefers(self) -> tuple[str, ...]:
        return ("difficulty",) if self.record_columns else ()

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        self._online = "in" in table
        self._heavy = "target" in table and _has_heavy_tails(table["target"])
        sides = self._moments(table, _NOTHING)
        self._ratios = {
            name: GaussianRatio(name, online=self._online).fit(*sides)
            for name in ("shrunk", "global")
        }
        empty = self._empty_blocks(table)
        # Fixed slots show in that every row misses a block and every block is missed.
        self._learned_masked = bool(
            empty is not None and empty.any(axis=1).all() and empty.any(axis=0).all()
        )
        self.feature_names_ = list(self._named_features(_rows(table, slice(1)), _NOTHING))
        self._seen = np.ones(len(self.feature_names_), dtype=bool)
        features = np.concatenate(
            map_on_cores(lambda rows: self._features(rows, _NOTHING), _in_turns(table))
        )
        # What is missing in every row (a spread of one reference) cannot be learned from.
        self._seen = ~np.isnan(features).all(axis=0)
        if not self._seen.all():
            features = features[:, self._seen]
        self.estimator_ = self._classifier(len(table))
        with one_thread_each():
            self.estimator_.fit(features, member)

    def _classifier(self, n_rows: int) -> Any:
        if self.estimator is not None:
            return clone(self.estimator)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return SmallBooster(
            min_samples_leaf=int(np.clip(n_rows // 100, 20, 200)),
            l2_regularization=5.0,
            max_features=0.5,
            random_state=int(seed),
        )

    def _empty_blocks(self, table: Reader) -> np.ndarray | None:
        """Tell, for each row and block, whether the block's places are all empty."""
        if not self._online:
            return None
        blocks = n_blocks(table)
        out, in_ = (
            np.isnan(table[side]).reshape(len(table), blocks, -1).all(axis=2)
            for side in ("out", "in")
        )
        return out & in_

    def _score(self, table: Reader) -> np.ndarray:
        if not self._learned_masked:
            return self._log_odds(table, [_NOTHING])
        empty = self._empty_blocks(table)
        assert empty is not None
        whole = np.asarray(~empty.any(axis=1))
        chosen = np.unique(np.linspace(0, n_blocks(table) - 1, self.max_masks).round().astype(int))
        masks: Skips = [block_slots(table, block) for block in chosen.tolist()]
        score = np.empty(len(table))
        for rows, skipped in ((~whole, [_NOTHING]), (whole, masks)):
            if rows.any():
                some = table if rows.all() else _rows(table, rows)
                score[rows] = self._log_odds(some, skipped)
        return score

    def _log_odds(self, table: Reader, skipped: Skips) -> np.ndarray:
        """Return the classifier's log-odds, on average over what is skipped in turn."""
        model = SmallTrees.of(self.estimator_) or self.estimator_

        def answered(turn: tuple[tuple[Skip, Skip], Reader]) -> np.ndarray:
            skips, rows = turn
            return _log_odds(model, self._features(rows, skips))

        answers = map_on_cores(answered, product(skipped, _in_turns(table)))
        return np.mean(np.concatenate(answers).reshape(len(skipped), len(table)), axis=0)

    def _features(self, table: Reader, skips: tuple[Skip, Skip]) -> np.ndarray:
        features = _stack(self._named_features(table, skips))
        return features if self._seen.all() else features[:, self._seen]

    def _moments(self, table: Reader, skips: tuple[Skip, Skip]) -> list[Moments]:
        sides = ("out", "in") if self._online else ("out",)
        return [
            Moments(table.column("logit"), table[side], skip)
            for side, skip in zip(sides, skips, strict=False)
        ]

    def _named_features(self, table: Reader, skips: tuple[Skip, Skip]) -> dict[str, np.ndarray]:
        phi = table.column("logit").astype(np.float64)
        sides = self._moments(table, skips)
        named: dict[str, np.ndarray] = {"logit": phi, "confidence": expit(phi)}
        for name, side in zip(("out", "in"), sides, strict=False):
            named |= {
                f"{name}_mean": side.mean,
                f"{name}_sd": side.sd,
                f"{name}_min": side.min,
                f"{name}_max": side.max,
                f"{name}_rank": side.rank,
                f"above_{name}_mean": phi - side.mean,
            }
        named |= {f"{name}_ratio": ratio.score(phi, *sides) for name, ratio in self._ratios.items()}
        named |= self._density_features(table, phi, skips)
        named |= _probability_ratios(phi, sides)
        if "label" in table:
            named["label"] = table.column("label")
        if "proba" in table and len(table.groups["proba"]) > 2:
            named |= _posterior_features(table)
        as_they_are = ["neighbor"] if self.pool_features else []
        as_they_are += ["target", "prediction"] if self._heavy else []
        for group in [*as_they_are, "query", *self._prefers()]:
            for place in table.groups.get(group, ()):
                named[table.names[place]] = table.values[:, place]  # type: ignore[index]
        return named

    def _density_features(
        self, table: Reader, phi: np.ndarray, skips: tuple[Skip, Skip]
    ) -> dict[str, np.ndarray]:
        out = kernel_log_density(phi, table["out"], _BANDWIDTHS, skips[0])
        if not self._online:
            return {f"out_density_{h}": out[:, j] for j, h in enumerate(_BANDWIDTHS)}
        ratio = kernel_log_density(phi, table["in"], _BANDWIDTHS, skips[1]) - out
        return {f"density_ratio_{h}": ratio[:, j] for j, h in enumerate(_BANDWIDTHS)}


def _has_heavy_tails(true: np.ndarray) -> bool:
    """Tell whether a few values of some column are so far out that its mean tells little."""
    away = np.asarray(true, dtype=np.float64) - np.mean(true, axis=0, dtype=np.float64)
    spread = np.square(away).mean(axis=0)
    spread = np.where(spread > 0, spread, np.inf)
    return bool(((away**4).mean(axis=0) / spread**2).max() > _HEAVY)


def _log_odds(model: Any, features: np.ndarray) -> np.ndarray:
    if hasattr(model, "decision_function"):
        return model.decision_function(features)
    proba = model.predict_proba(features)[:, 1]
    return logit(np.clip(proba, 1e-12, 1 - 1e-12))


def _stack(named: dict[str, np.ndarray]) -> np.ndarray:
    features = np.empty((len(next(iter(named.values()))), len(named)), dtype=np.float32)
    for j, values in enumerate(named.values()):
        features[:, j] = values
    return features


def _rows(table: Reader, rows: Any) -> Reader:
    return Reader(table.values[rows], table.groups, table.names)


def _in_turns(table: Reader) -> list[Reader]:
    """Return the table in parts which the processor's own memory holds."""
    starts = range(0, len(table), _ROWS_IN_TURN)
    return [_rows(table, slice(start, start + _ROWS_IN_TURN)) for start in starts]


def _probability_ratios(phi: np.ndarray, sides: list[Moments]) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore"):
        log_proba = -np.logaddexp(0, -phi)
    tiny = np.finfo(np.float64).tiny
    means = {name: side.mean_probability for name, side in zip(("out", "in"), sides, strict=False)}
    ratios = {
        f"ratio_to_{name}": log_proba - np.log(np.maximum(mean, tiny))
        for name, mean in means.items()
    }
    if "in" in means:
        both = np.nanmean(np.stack([means["out"], means["in"]]), axis=0)
        ratios["ratio_to_all"] = log_proba - np.log(np.maximum(both, tiny))
        ratios["gap"] = sides[1].mean - sides[0].mean
    return ratios


def _posterior_features(table: Reader) -> dict[str, np.ndarray]:
    """How the whole posterior lies between the mean in and the mean out posterior."""
    proba = np.asarray(table["proba"], dtype=np.float64)
    top = -np.sort(-proba, axis=1)[:, :_TOP]
    named = {f"top_{k}": top[:, k] for k in range(top.shape[1])}
    named["entropy"] = -xlogy(proba, proba).sum(axis=1)
    logs = {}
    for side in ("out", "in"):
        if f"{side}_mean" not in table:
            continue
        mean = np.asarray(table[f"{side}_mean"], dtype=np.float64)
        logs[side] = np.log(np.maximum(mean, 1e-9))
        named[f"{side}_entropy"] = -(mean * logs[side]).sum(axis=1)
        named[f"{side}_peak"] = mean.max(axis=1)
        named[f"{side}_divergence"] = xlogy(proba, proba).sum(axis=1) - (proba * logs[side]).sum(
            axis=1
        )
        named[f"{side}_distance"] = np.sqrt(((proba - mean) ** 2).sum(axis=1))
    if len(logs) == 2:
        named["discriminant"] = (proba * (logs["in"] - logs["out"])).sum(axis=1)
    return named
