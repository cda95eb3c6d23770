"""What lowers the risk of single records: targets whose answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn.selection import record_remedies
from mia_sklearn.stats import paired_difference

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 4))
Y = (X[:, 0] > 0).astype(int)
# Two records that a tree learns by heart: nobody near them has their label.
ODD = [0, 1]
X[0], X[1] = [6, 0, 0, 0], [-6, 0, 0, 0]
Y[ODD] = [0, 1]
SIDES = X[:80], Y[:80], X[80:], Y[80:]


@pytest.fixture(scope="module")
def frame():
    remedies = {
        "removal": "removal",
        "light": 0.01,
        "prior": DummyClassifier(strategy="prior"),
    }
    return record_remedies(
        DecisionTreeClassifier(), *SIDES, records=ODD, remedies=remedies, random_state=0
    )


def test_every_remedy_has_a_row_for_every_record(frame):
    assert frame["remedy"].unique().tolist() == ["as it is", "removal", "light", "prior"]
    assert frame.groupby("remedy")["record"].apply(list).tolist() == [ODD] * 4
    assert (frame["reruns"] == 8).all()
    assert ((frame["share_low"] <= frame["share"]) & (frame["share"] <= frame["share_high"])).all()
    assert ((frame["auc_low"] <= frame["auc"]) & (frame["auc"] <= frame["auc_high"])).all()


def test_what_is_known_by_heart_is_told_until_it_is_not(frame):
    auc = frame.pivot(index="record", columns="remedy", values="auc")
    named = frame.pivot(index="record", columns="remedy", values="named")
    assert (auc["as it is"] == 1).all()
    assert (named["as it is"] == 8).all()
    # Shares of classes hold no record, and who is gone tells nothing: nobody is near.
    assert (named[["prior", "removal"]] <= 1).all(axis=None)
    assert (auc["removal"] - 0.5).abs().max() <= 0.3


def test_what_it_costs_is_measured_on_the_same_test_records(frame):
    usual = DecisionTreeClassifier(random_state=0)
    score = frame.groupby("remedy", sort=False)["test_score"].first()
    change = frame.groupby("remedy", sort=False)["score_change"].first()
    np.testing.assert_allclose(change, score - score["as it is"], atol=1e-12)
    assert change["as it is"] == 0
    kept = np.setdiff1d(np.arange(80), ODD)
    right = [usual.fit(X[rows], Y[rows]).predict(X[80:]) == Y[80:] for rows in (kept, range(80))]
    found = frame[frame["remedy"] == "removal"].iloc[0]
    ends = paired_difference(*right)
    assert abs(found["change_high"] - found["change_low"] - (ends.high - ends.low)) < 0.05


def test_removal_does_not_help_whose_copies_stay():
    table, labels = X.copy(), Y.copy()
    near = np.arange(2, 8)
    table[near] = table[0] + 1e-3 * RNG.normal(size=(6, 4))
    labels[near] = 0
    model, sides = KNeighborsClassifier(1), (table[:80], labels[:80], table[80:], labels[80:])
    frame = record_remedies(
        model, *sides, records=[0, 1], remedies={"gone": "removal"}, n_neighbors=6, random_state=0
    )
    gone = frame[frame["remedy"] == "gone"].set_index("record")
    assert gone.loc[0, "auc"] > 0.85
    assert gone.loc[1, "auc"] < 0.75


def test_defaults_are_those_that_the_model_has():
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=2.0))
    numbers = X[:, 1] + X[:, 2] ** 2
    frame = record_remedies(
        pipeline, X[:80], numbers[:80], X[80:], numbers[80:], records=[3], n_references=8,
        random_state=0,
    )  # fmt: skip
    assert frame["remedy"].tolist() == ["as it is", "removal", "weight 0.1", "alpha=20"]
    assert frame["test_score"].between(0, 1).all()
    low, high = frame["change_low"], frame["change_high"]
    assert ((low <= frame["score_change"]) & (frame["score_change"] <= high)).all()


def test_frames_and_words_as_labels_are_taken():
    table = pd.DataFrame(X, columns=list("abcd"), index=np.arange(160) + 500)
    words = pd.Series(np.array(["no", "yes"])[Y], index=table.index)
    options = {"records": [0], "remedies": {"gone": "removal"}, "n_references": 8}
    model = DecisionTreeClassifier(random_state=0)
    given = table[:80], words[:80], table[80:], words[80:]
    one = record_remedies(model, *given, random_state=0, **options)
    two = record_remedies(model, *SIDES, random_state=0, **options)
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"records": []}, "at least one"),
        ({"records": [0.5]}, "whole numbers"),
        ({"records": [80]}, "from 0 to 79"),
        ({"records": [1, 1]}, "different positions"),
        ({"records": range(51)}, "there may be 50"),
        ({"records": [8]}, "row 8 of X_train occurs more than once"),
        ({"n_references": 4}, "at least 8"),
        ({"n_neighbors": 0}, "n_neighbors must be at least 1"),
        ({"confidence": 1}, "between 0 and 1"),
        ({"remedies": {}}, "must be a dict"),
        ({"remedies": {"as it is": 0.5}}, "call this one otherwise"),
        ({"remedies": {"x": 2}}, "must be an estimator, a weight between 0 and 1 or 'removal'"),
        ({"records": 3}, "must be positions"),
        ({"remedies": {"x": Ridge()}}, r"remedies\['x'\], Ridge, must be a classifier"),
        ({"remedies": {"x": 0.5}, "model": KNeighborsClassifier()}, "takes no sample_weight"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_trained(options, why):
    def never(*args, **kwargs):
        raise AssertionError

    table = X.copy()
    table[9] = table[8]
    labels = Y.copy()
    labels[9] = labels[8]
    given = {"model": DecisionTreeClassifier(), "records": [0]} | options
    with pytest.raises(ValueError, match=why):
        record_remedies(
            given.pop("model"), table[:80], labels[:80], table[80:], labels[80:], **given
        )
