"""Controls of an audit: would the attacks find something where there is nothing to find?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.stats import mannwhitneyu, norm, rankdata
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors

from .._observations._layout import laid_in_turns
from .._observations._reference_table import ReferenceTable
from .._observations._references import References
from .._observations._shadow import shadow_observations
from .._process._parallel import map_on_cores
from .._records._digests import row_digests
from .._records._groups import Grouping
from .._records._numeric import numeric_features
from .._records._rows import take_rows
from ..attacks._boosted import SmallBooster
from ..metrics import Estimate, roc_auc

_CONTROL_ROWS = 12_000
_MANY_RECORDS = 4_000
# Of more records than this so many, or people, tell it: an AUC to within .003.
_MOST_PLAYED = 100_000
_SHIFT_ROWS = 6_000
_SHIFT_FEATURES = 100
_CEILING_ROWS = 4_000
# Spread of an attack's AUC over targets of one kind, beyond what the records explain.
_SPREAD_OVER_TARGETS = 0.01
# The shift is looked for at 99 %: it takes epsilon away. The others leave every number in doubt,
# which of sound audits 1 in 1,000 may be.
_SHIFT_ALARM, _ALARM = 0.01, 0.001
# How much wider the interval of a mean over three folds is than of as many independent ones.
_SPREAD_OF_FOLDS = np.sqrt(2.0)


class Control(NamedTuple):
    """One row of the report's table of controls."""

    control: str
    value: float
    low: float
    high: float
    p_value: float
    passed: bool | None
    note: str


def distribution_shift(
    X: Any, y: np.ndarray, member: np.ndarray, *, seed: int, compared: str = "features and label"
) -> tuple[Control, Estimate]:
    """Try to tell train from test records without the model, by cross-validated boosting.

    An alarm takes epsilon away, so it must seldom be false: the interval is a 99 % one whatever
    the report's confidence, and fires in at most 1 of 200 random splits.
    """
    rng = np.random.default_rng(seed)
    chosen = _balanced_sample(member, _SHIFT_ROWS, rng)
    features = _most_telling(numeric_features(take_rows(X, chosen), one_hot=False), rng)
    codes = _codes_of_each(y[chosen])
    # What is missing lies below all else.
    lowest = np.min(features, axis=0, initial=0.0, where=~np.isnan(features)) - 1
    table = np.column_stack([np.where(np.isnan(features), lowest, features), codes])
    # Numbers that single precision does not tell apart are still another.
    table = rankdata(table, method="min", axis=0).astype(np.float32)
    answer = member[chosen]
    score = np.empty(len(answer))
    folds = min(3, int(answer.sum()), int((~answer).sum()))
    if folds < 2:
        nothing = Estimate(np.nan, np.nan, np.nan, int(answer.sum()), int((~answer).sum()))
        blank = Control("shift", np.nan, np.nan, np.nan, np.nan, None, "too few records to test")
        return blank, nothing
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    parts = list(split.split(table, answer))

    def judge(part: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        train, test = part
        model = SmallBooster(max_iter=30, max_leaf_nodes=8, random_state=seed)
        # Folds differ in level, which would tell on their pooled ranks.
        return _ranks(model.fit(table[train], answer[train]).decision_function(table[test]))

    for (_, test), ranks in zip(parts, map_on_cores(judge, parts), strict=True):
        score[test] = ranks
    estimate = _widened(roc_auc(answer, score, confidence=1 - _SHIFT_ALARM))
    passed = bool(np.isnan(estimate.low) or estimate.low <= 0.5)
    note = (
        "Train and test records told apart without the model: cross-validated AUC of boosted "
        f"trees on {compared}, 99 % interval; at chance it is 0.5."
    )
    return (
        Control("shift", estimate.value, estimate.low, estimate.high, np.nan, passed, note),
        estimate,
    )


def _widened(estimate: Estimate) -> Estimate:
    """Return the interval of a cross-validated AUC, whose folds learn from one another's records.

    Their AUCs are correlated: of random splits the spread of the mean is 1.3 to 1.4 times what it
    would be of independent folds.
    """
    value, low, high = estimate.value, estimate.low, estimate.high
    return replace(
        estimate,
        low=max(0.0, value - _SPREAD_OF_FOLDS * (value - low)),
        high=min(1.0, value + _SPREAD_OF_FOLDS * (high - value)),
    )


def reference_control(
    attack: Any,
    table: ReferenceTable,
    member: np.ndarray,
    units: Grouping,
    *,
    seed: int,
    called: str = "the headline attack",
) -> Control:
    """Score references with an attack, as it is `called`, against the *target's* membership.

    Their training sets are independent of it, so the mean score of a record must tell nothing.
    Membership is exchangeable given the records, and the mean scores are one number per record:
    the rank-sum test is the permutation test of the AUC. Of a person with several records, who
    has one score, one record counts.
    """
    models = _first_block(table.references)
    rows = _drawn(units, np.ones(len(units), dtype=bool), seed)
    firsts = Grouping(units.of_row[rows]).first
    scores = np.mean([_played(attack, table, model, rows)[firsts] for model in models], axis=0)
    member = member[rows[firsts]]
    result = mannwhitneyu(scores[member], scores[~member], method="asymptotic")
    auc = roc_auc(member, scores)
    passed = bool(result.pvalue >= _ALARM)
    of_some = f" on {len(firsts):,} drawn records" if len(firsts) < len(units) else ""
    note = (
        f"{len(models)} references scored by {called}{of_some} against the target's membership, "
        "of which they know nothing: the AUC must be at chance, 0.5."
    )
    return Control("references", auc.value, auc.low, auc.high, float(result.pvalue), passed, note)


def pipeline_control(
    attack: Any,
    table: ReferenceTable,
    units: Grouping,
    *,
    seed: int,
    confidence: float,
    called: str = "the headline attack",
) -> Control:
    """Attack references that the attack has not learned from, as if they were the target.

    The AUC must agree with the one on the shadow observations of the other references, for the
    same fitted attack and the same records, none of which it was fitted on. When shadow
    observations tell their answer, that one is too good and this one is not.
    """
    refs = table.references
    held = _first_block(refs)
    others = np.setdiff1d(np.arange(refs.n_models_), held)
    per_block = 1 if refs.holdout_ == "out" else refs.block_size_ - 1
    spare = (refs.n_blocks_ - 2) * per_block >= getattr(attack, "_fewest_references", 1)
    observations, membership = shadow_observations(
        refs,
        max_rows=_CONTROL_ROWS,
        random_state=seed,
        neighbors=table.neighborhood.n_neighbors if table.neighborhood else 0,
        n_queries=table.n_queries,
        record_columns=table.of_records is not None,
        models=others,
        # With few blocks, too few references would be left to compare an acting one with. The held
        # block's answers may serve for that: what is learned is the others' membership.
        without=held if spare else None,
    )
    half = (np.random.default_rng(seed).permutation(len(units)) % 2)[units.of_row]
    acting, rows = (observations.index.get_level_values(name) for name in ("model", "row"))
    fold = half[rows]
    actors = held[:2]
    # One half of many records tells enough; few need both to.
    turns = (0, 1) if refs.n_pool_ < _MANY_RECORDS else (0,)
    crossed_score = np.full(len(membership), np.nan)
    played_score = np.full((len(actors), refs.n_pool_), np.nan)
    for out in turns:
        fitted = clone(attack).fit(observations[fold != out], membership[fold != out])
        own = fitted.decision_function(observations[fold == out])
        # Fits differ in level, which would tell on their pooled ranks.
        crossed_score[fold == out] = _ranks(own)
        played = _drawn(units, half[units.first] == out, seed)
        for score, model in zip(played_score, actors, strict=True):
            score[played] = _ranks(_played(fitted, table, model, played))
    # One record of a person under each model, who has one score there.
    firsts = Grouping(np.asarray(acting) * len(units) + units.of_row[rows]).first
    scored = firsts[np.isfinite(crossed_score[firsts])]
    crossed = roc_auc(membership[scored], crossed_score[scored], confidence=confidence)
    aucs = []
    for model, score in zip(actors, played_score, strict=True):
        known = refs.labelled_[model, : refs.n_pool_] & np.isfinite(score)
        once = units.first[known[units.first]]
        trained = refs.membership_[model, : refs.n_pool_] > 0
        aucs.append(roc_auc(trained[once], score[once], confidence=confidence))
    value = float(np.mean([estimate.value for estimate in aucs]))
    z = norm.ppf(0.5 + confidence / 2)
    errors = [(estimate.high - estimate.low) / (2 * z) for estimate in (*aucs[:1], crossed)]
    error = float(np.sqrt(np.sum(np.square(errors)) + _SPREAD_OVER_TARGETS**2))
    p_value = float(2 * norm.sf(abs(value - crossed.value) / error))
    note = (
        f"{len(actors)} references attacked as if each were the target, by {called} "
        f"fitted without them: the AUC must agree with the {crossed.value:.3f} of cross-validation "
        "on the other references' observations."
    )
    low, high = max(0.0, value - z * error), min(1.0, value + z * error)
    return Control("pipeline", value, low, high, p_value, p_value >= _ALARM, note)


def memorising_threshold(X: Any, y: np.ndarray, member: np.ndarray, *, seed: int) -> Control:
    """Say what loss-thresholding would show on these records of a model that memorises them.

    A 1-nearest neighbour without duplicates answers its own records right with loss 0, and the
    share `a` of the others (numbers exactly, all of several outputs): AUC 1 - a/2. No bound:
    models whose answers are graded, and attacks that compare a record with references, may show
    more.
    """
    rng = np.random.default_rng(seed)
    chosen = _balanced_sample(member, _CEILING_ROWS, rng)
    records = take_rows(X, chosen)
    features = numeric_features(records, one_hot=True)
    inside = member[chosen]
    # Of several outputs, and of numbers, those that are the same throughout.
    codes = Grouping(row_digests(y[chosen].reshape(len(chosen), -1))).of_row
    nearest = NearestNeighbors(n_neighbors=1).fit(features[inside])
    found = nearest.kneighbors(features[~inside], return_distance=False)[:, 0]
    right = float((codes[inside][found] == codes[~inside]).mean())
    note = (
        "What the loss threshold alone would show of a 1-nearest neighbour, which memorises its "
        f"training records: AUC 1 - a/2, a = {right:.3f} being the share of other records on which "
        "its loss is 0 too. It is no bound: graded answers, and attacks that use references, may "
        "show more."
    )
    return Control("memoriser", 1 - right / 2, np.nan, np.nan, np.nan, None, note)


def _played(attack: Any, table: ReferenceTable, model: int, rows: np.ndarray) -> np.ndarray:
    """Return an attack's scores of a reference that acts as the target, on some of the records.

    It is observed as the target is, its block left empty.
    """
    refs = table.references
    own = refs.block_[model]
    options: dict[str, Any] = {
        "without": np.flatnonzero(refs.block_ == own) if own >= 0 else np.array([model])
    }
    if table.neighborhood:
        options["pool_phi"] = table.phi[model, : refs.n_pool_]
    if table.n_queries:
        asked = [refs.query_phi(query)[model, rows] for query in range(table.n_queries)]
        options["query_phi"] = np.stack(asked)
    scores = np.empty(len(rows))
    for part, seen in laid_in_turns(table, refs.outputs_[model, rows], rows, **options):
        scores[part] = attack.decision_function(seen)
    return scores


def _drawn(units: Grouping, chosen: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows of the chosen units, of very many some that are drawn."""
    units_drawn = np.flatnonzero(chosen)
    if len(units_drawn) > _MOST_PLAYED:
        units_drawn = np.random.default_rng(seed).permutation(units_drawn)[:_MOST_PLAYED]
    if len(units_drawn) == len(units):
        return np.arange(len(units.of_row))
    drawn = np.zeros(len(units), dtype=bool)
    drawn[units_drawn] = True
    return np.flatnonzero(drawn[units.of_row])


def _first_block(refs: References) -> np.ndarray:
    """Return the models of the first block, those that diverged left aside."""
    left = np.setdiff1d(np.arange(refs.n_models_), list(refs.lost_))
    return left[refs.block_[left] == refs.block_[left[0]]] if refs.n_blocks_ else left[:1]


def _most_telling(features: Any, rng: np.random.Generator) -> np.ndarray:
    """Return at most 100 features: a shift seldom hides in a few of many.

    Of a sparse table (bags of words) the fullest ones, which a random choice would miss; of
    others (pixels) random ones.
    """
    n_features = features.shape[1]
    if sparse.issparse(features):
        filled = np.bincount(features.tocsr().indices, minlength=n_features)
        order = np.argsort(-filled, kind="stable")
        return features[:, np.sort(order[:_SHIFT_FEATURES])].toarray()
    if n_features <= _SHIFT_FEATURES:
        return features
    return features[:, np.sort(rng.permutation(n_features)[:_SHIFT_FEATURES])]


def _codes_of_each(y: np.ndarray) -> np.ndarray:
    """Return the rank of each true value among the different ones, one column per output."""
    columns = [y] if y.ndim == 1 else [np.array(column.tolist()) for column in y.T]
    return np.column_stack([np.unique(column, return_inverse=True)[1] for column in columns])


def _balanced_sample(member: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most `size` positions, in shares of members and non-members as they are."""
    if len(member) <= size:
        return np.arange(len(member))
    share = size / len(member)
    parts = []
    for side in (member, ~member):
        places = np.flatnonzero(side)
        parts.append(rng.permutation(places)[: max(1, round(share * len(places)))])
    return np.sort(np.concatenate(parts))


def _ranks(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    return (below + upto) / (2 * len(values))
