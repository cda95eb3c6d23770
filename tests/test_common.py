"""Every estimator through scikit-learn's checks, and through what attacks must keep beside."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn._observations._difficulty import with_feature_columns
from mia_sklearn.attacks import (
    CascadeAttack,
    GMIAAttack,
    GroupAttack,
    IndirectGMIAAttack,
    LiRAAttack,
    LOGANAttack,
    QMIAAttack,
    RMIAAttack,
    ShadowAttack,
    StackedAttack,
    ThresholdAttack,
    all_attacks,
)
from mia_sklearn.attacks._registry import networks
from mia_sklearn.cluster import CosineAgglomerative
from mia_sklearn.metrics import attack_scorer, roc_auc
from mia_sklearn.neighbors import CosineNeighborCounter


def _small_booster():
    return HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5, random_state=0)


# Instances to check of attacks whose default parameters are not enough, or take too long.
CHECKED = {
    "threshold": [ThresholdAttack(), ThresholdAttack("entropy", per_class=True)],
    "qmia": [QMIAAttack(RandomForestRegressor(3))],
    "shadow": [
        ShadowAttack(_small_booster()),
        ShadowAttack(LogisticRegression(), per_class=False, top_k=2),
    ],
    "lira": [LiRAAttack(), LiRAAttack(variance="student")],
    "stacked": [StackedAttack(_small_booster())],
    "cascade": [CascadeAttack(_small_booster())],
    "gmia": [GMIAAttack(p_value=name) for name in ("pooled", "pchip", "rank", "t")],
    "gmia-indirect": [IndirectGMIAAttack(), IndirectGMIAAttack(combine="kost")],
    "logan": [
        LOGANAttack(),
        LOGANAttack("discriminative", RandomForestClassifier(5, random_state=0)),
    ],
}
# Networks are checked in test_white_box.py.
OURS = [
    info
    for info in all_attacks()
    if info.source == "mia-sklearn" and info.class_name not in networks()
]
ATTACKS = [
    *(attack for info in OURS for attack in CHECKED.get(info.name) or [info.make()]),
    GroupAttack(LiRAAttack()),
    GroupAttack(StackedAttack(_small_booster()), aggregate="learned", random_state=0),
    GroupAttack(ThresholdAttack(), aggregate="mean"),
]


TRANSFORMERS = [CosineNeighborCounter(), CosineNeighborCounter(0.5, cap=2)]


def _expected_to_fail(estimator):
    if isinstance(estimator, CosineNeighborCounter):
        return {"check_estimators_dtypes": "a row of zeros, which has no direction, is refused"}
    return {}


@pytest.mark.one_for_all(RMIAAttack, StackedAttack, CosineNeighborCounter)
@parametrize_with_checks([*ATTACKS, *TRANSFORMERS], expected_failed_checks=_expected_to_fail)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [CosineAgglomerative(n_clusters=2)],
    expected_failed_checks=lambda _: {
        "check_estimators_dtypes": "normal numbers cut to integers hold rows of zeros, which have "
        "no direction and are refused; test_cluster.py passes other integers"
    },
)
def test_scikit_learn_checks_of_clusters(estimator, check):
    check(estimator)


# On observations made by references, as users make them, with the records themselves beside them.


@pytest.fixture(scope="module")
def shadow(shadow, pool):
    observations, membership = shadow
    records = pool[0][observations.index.get_level_values("row")]
    return with_feature_columns(observations, records), membership


@pytest.fixture(scope="module")
def target_observations(target_observations, pool):
    return with_feature_columns(target_observations, pool[0])


def _attacks_by_name():
    small = {"random_state": 0}
    columns = {"label", "proba", "logit", "out", "feature"}
    return {info.name: info.make() for info in OURS if set(info.requires) <= columns} | {
        "shadow": ShadowAttack(**small),
        "qmia": QMIAAttack(DecisionTreeRegressor(min_samples_leaf=20), **small),
        "stacked": StackedAttack(_small_booster()),
        "gmia, pchip": GMIAAttack(p_value="pchip"),
        "group": GroupAttack(LiRAAttack(), **small),
        "group, learned": GroupAttack(LiRAAttack(), aggregate="learned", **small),
    }


every_attack = pytest.mark.parametrize("name", list(_attacks_by_name()))


@every_attack
def test_array_and_frame_score_alike(name, shadow, target_observations):
    observations, membership = shadow
    attack = _attacks_by_name()[name]
    by_frame = clone(attack).fit(observations, membership)
    names = observations.columns.tolist()
    by_array = clone(attack).set_params(columns=names).fit(observations.to_numpy(), membership)
    expected = by_frame.decision_function(target_observations)
    np.testing.assert_array_equal(
        by_array.decision_function(target_observations.to_numpy()), expected
    )


@every_attack
@pytest.mark.parametrize("as_frame", [True, False])
def test_passthrough_pipeline_changes_nothing(name, as_frame, shadow, target_observations):
    observations, membership = shadow
    attack = _attacks_by_name()[name]
    expected = clone(attack).fit(observations, membership).decision_function(target_observations)
    if not as_frame:
        attack.set_params(columns=observations.columns.tolist())
        observations, target = observations.to_numpy(), target_observations.to_numpy()
    else:
        target = target_observations
    pipeline = make_pipeline(FunctionTransformer(), attack).fit(observations, membership)
    np.testing.assert_array_equal(pipeline.decision_function(target), expected)


def test_column_selector_in_front(shadow, target_observations):
    observations, membership = shadow
    keep = [c for c in observations.columns if c == "logit" or c.startswith(("out_", "in_"))]
    select = ColumnTransformer(
        [("keep", "passthrough", keep)], verbose_feature_names_out=False
    ).set_output(transform="pandas")
    pipeline = make_pipeline(select, LiRAAttack()).fit(observations, membership)
    alone = LiRAAttack().fit(observations, membership)
    np.testing.assert_array_equal(
        pipeline.decision_function(target_observations),
        alone.decision_function(target_observations),
    )


@every_attack
def test_cross_validation_grouped_by_record(name, shadow):
    observations, membership = shadow
    groups = observations.index.get_level_values("row")
    scores = cross_val_score(
        _attacks_by_name()[name],
        observations,
        membership,
        groups=groups,
        cv=GroupKFold(3),
        scoring="roc_auc",
    )
    assert (scores > 0.55).all()


def test_grid_search_over_attack_parameters(shadow):
    observations, membership = shadow
    search = GridSearchCV(
        LiRAAttack(),
        {"variance": ["shrunk", "global", "per-record"]},
        scoring=attack_scorer("auc"),
        cv=GroupKFold(2),
    )
    search.fit(observations, membership, groups=observations.index.get_level_values("row"))
    assert search.best_score_ > 0.6
    assert search.best_estimator_.predict_proba(observations).shape == (len(observations), 2)


@every_attack
def test_pickle_keeps_scores(name, shadow, target_observations):
    attack = _attacks_by_name()[name].fit(*shadow)
    again = pickle.loads(pickle.dumps(attack))
    np.testing.assert_array_equal(
        again.decision_function(target_observations), attack.decision_function(target_observations)
    )


@every_attack
def test_decision_keeps_the_order_of_the_score(name, shadow, target_observations):
    attack = _attacks_by_name()[name].fit(*shadow)
    score = attack.score_observations(target_observations)
    decision = attack.decision_function(target_observations)
    order = np.argsort(score, kind="stable")
    assert (np.diff(decision[order]) >= 0).all()
    # Different scores stay different, but for the last bits.
    apart = np.diff(score[order]) > 1e-9 * np.abs(score).max()
    assert (np.diff(decision[order])[apart] > 0).all()


@every_attack
def test_any_two_labels(name, shadow, target_observations):
    observations, membership = shadow
    words = np.where(membership == 1, "yes, a member", "no")
    by_word = _attacks_by_name()[name].fit(observations, words)
    by_number = _attacks_by_name()[name].fit(observations, membership)
    assert by_word.classes_.tolist() == ["no", "yes, a member"]
    np.testing.assert_array_equal(
        by_word.decision_function(target_observations),
        by_number.decision_function(target_observations),
    )


@every_attack
def test_same_seed_same_scores(name, shadow, target_observations):
    first, second = (_attacks_by_name()[name].fit(*shadow) for _ in range(2))
    np.testing.assert_array_equal(
        first.decision_function(target_observations), second.decision_function(target_observations)
    )


@every_attack
def test_finds_members_of_a_memorising_target(name, shadow, target_observations, target_member):
    attack = _attacks_by_name()[name].fit(*shadow)
    estimate = roc_auc(target_member, attack.decision_function(target_observations))
    assert estimate.low > 0.55


@every_attack
def test_a_second_table_with_other_columns_is_refused(name, shadow, target_observations):
    attack = _attacks_by_name()[name].fit(*shadow)
    with pytest.raises(ValueError, match="feature names should match"):
        attack.predict(target_observations.rename(columns={"logit": "phi", "proba_0": "first"}))


@pytest.mark.parametrize(
    ("attack", "drop", "message"),
    [
        (LiRAAttack(), "out_", "'out' by observe"),
        (LiRAAttack(mode="online"), "in_", "'in' by observe"),
        (GMIAAttack(), "out_", "'out' by observe"),
        (RMIAAttack(), "logit", "'logit' by observe"),
        (ShadowAttack(), "proba_", "'proba' by observe"),
        (ShadowAttack(), "label", "'label' by observe"),
        (StackedAttack(pool_features=True), "none", "neighbors=6"),
        (ThresholdAttack("entropy"), "proba_", "'proba' by observe"),
        (QMIAAttack(), "feature_", r"'feature' by observe\(model, X, y, features=True\)"),
    ],
)
def test_missing_columns_are_named_with_the_way_to_get_them(attack, drop, message, shadow):
    observations, membership = shadow
    kept = observations.drop(columns=[c for c in observations if c.startswith(drop)])
    with pytest.raises(ValueError, match=message):
        attack.fit(kept, membership)


def test_wrong_number_of_names_is_refused():
    with pytest.raises(ValueError, match="columns names 1 columns"):
        LiRAAttack(columns=["logit"]).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])


def test_frames_keep_their_index(target_observations):
    assert isinstance(target_observations, pd.DataFrame)
    assert target_observations.index.name == "row"
