"""What encoded data tell of a label: answers that are known, chance where there is nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GroupKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from mia_sklearn.disclosure import private_label_risk
from mia_sklearn.stats import balanced_accuracy_interval, difference_interval

rng = np.random.default_rng(0)
LABEL = rng.permutation(np.repeat(["a", "b", "c"], [60, 90, 30]))
Z = rng.normal(size=(180, 3))
CHEAP = {"bayes": GaussianNB(), "logistic": LogisticRegression()}


def best(found, label="private"):
    return found.set_index(["label", "attacker"]).loc[(label, "best")]


def test_balanced_accuracy_of_two_classes_is_a_difference_of_rates():
    y = np.repeat([0, 1], [30, 50])
    guess = y.copy()
    guess[:6], guess[30:45] = 1, 0
    found = balanced_accuracy_interval(y, guess, confidence=0.9)
    # The mean of two rates is half of one less half of the other's complement.
    low, high = difference_interval(24, 30, 15, 50, confidence=0.9)
    assert found.value == pytest.approx((24 / 30 + 35 / 50) / 2)
    assert found.low == pytest.approx((low + 1) / 2)
    assert found.high == pytest.approx((high + 1) / 2)


def test_records_of_one_person_count_once():
    y = np.repeat([0, 1], 50)
    guess = np.tile(np.repeat([0, 1], [30, 20]), 2)
    alone = balanced_accuracy_interval(y, guess)
    fivefold = balanced_accuracy_interval(
        np.repeat(y, 5), np.repeat(guess, 5), groups=np.repeat(np.arange(100), 5)
    )
    assert fivefold == pytest.approx(alone)
    assert balanced_accuracy_interval(np.repeat(y, 5), np.repeat(guess, 5)).low > alone.low


@pytest.mark.parametrize(
    ("y", "guess", "groups"), [([], [], None), ([0, 1], [0], None), ([0, 1], [0, 1], [1])]
)
def test_bad_guesses_are_named(y, guess, groups):
    with pytest.raises(ValueError, match="of one length and not empty"):
        balanced_accuracy_interval(y, guess, groups=groups)


def test_all_attackers_find_what_is_written_there():
    codes = np.unique(LABEL, return_inverse=True)[1]
    told = np.column_stack([codes == 0, codes == 1, Z[:, 0]]).astype(float)
    found = private_label_risk(told, LABEL, public=LABEL == "a", random_state=0)
    attackers = ["logistic", "forest", "neighbors", "network", "best"]
    assert found["attacker"].tolist() == attackers * 2
    assert found["label"].tolist() == ["private"] * 5 + ["public"] * 5
    first = found[found["label"] == "private"].set_index("attacker")
    assert (first["balanced_accuracy"] > 0.9).all()
    assert (first["chance"] == 1 / 3).all() and (first["majority"] == 0.5).all()
    assert best(found, "public")["chance"] == 0.5
    assert best(found)["balanced_accuracy"] == 1 and best(found)["high"] == 1


def test_frames_with_categories_and_sparse_tables():
    frame = pd.DataFrame({"size": Z[:, 0], "colour": np.char.add("is ", LABEL)})
    assert best(private_label_risk(frame, LABEL, cv=2, random_state=0))["balanced_accuracy"] > 0.95
    table = sparse.csr_matrix(LABEL[:, None] == np.array(["a", "b"]), dtype=float)
    assert best(private_label_risk(table, LABEL, cv=2, random_state=0))["balanced_accuracy"] > 0.95


def test_who_knows_nothing_is_at_chance_and_rare_classes_count():
    found = private_label_risk(
        Z, LABEL, attackers={"dummy": DummyClassifier(), "ridge": RidgeClassifier()}, random_state=0
    )
    dummy = found.iloc[0]
    assert dummy["balanced_accuracy"] == dummy["chance"] == 1 / 3
    assert dummy["accuracy"] == dummy["majority"] == 0.5
    # A rare class that is told: plain accuracy hardly shows it.
    rare = np.arange(600) % 20 == 0
    weak = rare * 1.5 + np.random.default_rng(1).normal(size=600)
    one = private_label_risk(weak[:, None], rare, attackers=CHEAP, random_state=0)
    assert best(one)["accuracy"] < 0.97 and best(one)["low"] > 0.6


def test_the_best_is_corrected_for_being_chosen():
    attackers = {f"bayes {i}": GaussianNB(var_smoothing=10.0**-i) for i in range(9)}
    found = private_label_risk(Z, LABEL, attackers=attackers, random_state=0)
    own = found.iloc[:-1]
    assert best(found)["balanced_accuracy"] == own["balanced_accuracy"].max()
    assert best(found)["low"] < own["low"].max()
    assert best(found)["high"] == own["high"].max()
    one = private_label_risk(Z, LABEL, attackers={"bayes": GaussianNB()}, random_state=0)
    assert one.iloc[0, 2:].tolist() == one.iloc[1, 2:].tolist()


def test_same_seed_same_answer_and_own_folds():
    options = {"attackers": CHEAP, "public": LABEL == "b"}
    one, same, other = (
        private_label_risk(Z, LABEL, random_state=seed, **options) for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)
    folds = GroupKFold(4)
    with config_context(enable_metadata_routing=True):
        found = private_label_risk(Z, LABEL, groups=np.arange(180), cv=folds, attackers=CHEAP)
    assert len(found) == 3


def test_people_with_several_records_are_not_recognised_by_them():
    # Features tell the person, and nothing of the label.
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(60), 5)
    private = rng.permutation(np.arange(60) % 2)[person]
    Z = rng.normal(size=(60, 4))[person] + 0.01 * rng.normal(size=(300, 4))
    options = {"attackers": {"neighbors": KNeighborsClassifier(3)}, "random_state": 0}
    ignored = private_label_risk(Z, private, **options)
    known = private_label_risk(Z, private, groups=person, **options)
    assert best(ignored)["low"] > 0.9
    assert best(known)["low"] < 0.5


def _misses(n_records, n_trials, groups=None):
    """Return how often the best of two attackers on noise seems better than chance."""
    rng = np.random.default_rng(0)
    options = {} if groups is None else {"groups": groups}
    person = np.arange(n_records) if groups is None else groups
    missed = []
    for seed in range(n_trials):
        private = rng.permutation(np.arange(person.max() + 1) % 3 == 0)[person]
        found = private_label_risk(
            rng.normal(size=(n_records, 2)),
            private,
            attackers=CHEAP,
            cv=3,
            random_state=seed,
            **options,
        )
        missed.append(best(found)["low"] > 0.5)
    return np.mean(missed)


def test_noise_is_not_taken_for_leakage():
    assert _misses(120, 60) <= 0.1


@pytest.mark.slow
def test_noise_is_taken_for_leakage_at_the_nominal_rate_at_most():
    # One end of a 95 % interval, and three deviations of the count.
    assert _misses(150, 1000) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 1000)
    people = np.repeat(np.arange(60), 5)
    assert _misses(300, 500, groups=people) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 500)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Z": Z[:-1]}, "inconsistent numbers of samples"),
        ({"Z": Z[:, 0]}, "Z must be a table"),
        ({"Z": np.where(Z > 2, np.nan, Z)}, "Z holds NaN or infinity"),
        ({"private": np.full(180, 1)}, "private has one class, .*1"),
        ({"private": np.where(LABEL == "a", None, LABEL)}, "private holds missing labels"),
        ({"private": Z[:, 0]}, "Unknown label type"),
        ({"public": np.full(180, "x")}, "public has one class"),
        ({"public": LABEL[:9]}, "inconsistent numbers of samples"),
        ({"groups": LABEL[:9]}, "inconsistent numbers of samples"),
        ({"cv": 40}, r"cv=40, but a class of private has 30 record\(s\)"),
        ({"attackers": {}}, "attackers is empty"),
        ({"confidence": 95}, "confidence"),
    ],
)
def test_bad_input_is_named(change, message):
    data = {"Z": Z, "private": LABEL, "attackers": CHEAP} | change
    with pytest.raises(ValueError, match=message):
        private_label_risk(data.pop("Z"), data.pop("private"), **data)
