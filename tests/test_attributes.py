import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels
from mia_sklearn.disclosure import AttributeInference, AttributeReport
from mia_sklearn.disclosure._attribute_report import Guesses
from mia_sklearn.disclosure._attribute_rules import csmia, fredrikson, lomia
from mia_sklearn.disclosure._candidates import Candidates
from mia_sklearn.disclosure._imputation import Imputation
from mia_sklearn.stats import paired_difference

pytestmark = pytest.mark.usefixtures("few_rounds")

MEMBERS, STRANGERS, AUX = slice(300), slice(300, 600), slice(600, 1000)
NEAREST = KNeighborsClassifier(1)


@pytest.fixture(scope="module")
def records():
    """A far-reaching secret bit that nothing tells of, and labels that must be remembered."""
    rng = np.random.default_rng(0)
    secret = rng.integers(0, 2, 1000)
    X = np.column_stack([rng.normal(size=(1000, 2)), 3.0 * secret])
    return X, rng.integers(0, 3, 1000)


@pytest.fixture(scope="module")
def fitted(records):
    X, y = records
    return attack(2).fit(X[AUX], y[AUX])


def attack(feature, imputer=None, estimator=NEAREST, **options):
    imputer = imputer or LogisticRegression()
    options = {"n_references": 4, "random_state": 0, **options}
    return AttributeInference(feature, imputer, estimator=estimator, **options)


def report(fitted, target, X, y, **options):
    return fitted.report(target, X[MEMBERS], y[MEMBERS], X[STRANGERS], y[STRANGERS], **options)


# What is known in advance.


def test_a_model_that_remembers_gives_the_feature_away(records, fitted):
    X, y = records
    target = clone(NEAREST).fit(X[MEMBERS], y[MEMBERS])
    found = report(fitted, target, X, y)
    # With the right value the nearest record is the record itself; with the wrong one it is any
    # other, of the same label in a third of all cases.
    assert found.members.right("learned").mean() == pytest.approx(1 - 1 / 6, abs=0.06)
    assert found.members.right("imputation").mean() == pytest.approx(0.5, abs=0.1)
    assert found.leaks
    assert abs(found.on_nonmembers.value) < 0.1
    assert "Leakage: the model gives away 2 of records that it was trained on." in str(found)


def test_a_model_of_other_records_is_not_called_leaking(records, fitted):
    X, y = records
    found = report(fitted, clone(NEAREST).fit(X[AUX][::2], y[AUX][::2]), X, y)
    assert not found.leaks
    assert "No leakage" in str(found)


def test_what_a_model_knows_of_everybody_is_no_leakage():
    rng = np.random.default_rng(1)
    secret, other = rng.integers(0, 2, (2, 1000))
    X, y = np.column_stack([other, secret]), secret ^ other
    # An imputer that learns nothing looks worse than the model that has learned the rule.
    estimator = DecisionTreeClassifier(random_state=0)
    fitted = attack(1, DummyClassifier(strategy="prior"), estimator).fit(X[AUX], y[AUX])
    found = report(fitted, estimator.fit(X[MEMBERS], y[MEMBERS]), X, y)
    assert found.members.right("learned").all()
    assert found.on_members.low > 0.3
    assert not found.leaks
    assert "may tell as much of other people" in str(found)
    # The tuned imputer knows the rule as well, and nothing is left to override.
    tuned = AttributeInference(1, estimator=estimator, n_references=2, random_state=0)
    found = report(tuned.fit(X[AUX], y[AUX]), estimator, X, y)
    assert found.on_members.value == 0
    assert "never overrides" in str(found)


def test_published_rules_on_answers_made_by_hand():
    # Two values, two classes: posteriors with each value put in.
    answers = np.log([[[0.9, 0.1], [0.6, 0.4]], [[0.3, 0.7], [0.2, 0.8]], [[0.4, 0.6], [0.7, 0.3]]])
    prior = np.array([0.4, 0.6])
    labels = np.array([0, 0, 0])
    # Surest and right; never right, so least sure; right with one value alone.
    assert csmia(answers, labels, prior).tolist() == [0, 0, 1]
    tied = np.log(np.full((1, 2, 2), 0.5))
    assert csmia(tied, labels[:1], prior).tolist() == [1]
    confusion = np.array([[0.5, 0.5], [0.1, 0.9]])
    assert fredrikson(answers, labels, prior, confusion).tolist() == [1, 1, 1]
    sure = np.array([[0.1, 0.9], [0.1, 0.9]])
    assert fredrikson(answers, labels, prior, sure).tolist() == [1, 1, 0]


def test_an_attack_by_labels_learns_from_records_that_one_value_explains():
    others = np.repeat([[0.0], [1.0]], 10, axis=0)
    right = np.log([0.9, 0.1])
    wrong = np.log([0.1, 0.9])
    answers = np.array([[right, wrong]] * 8 + [[right, right]] * 2 + [[wrong, right]] * 10)
    known = (answers, np.zeros(20, dtype=int), np.array([0.5, 0.5]))
    guessed = lomia(*known, imputer=KNeighborsClassifier(1), others=others)
    assert guessed.tolist() == [0] * 10 + [1] * 10
    nothing_told = np.repeat([[right, right]], 20, axis=0)
    prior = np.array([0.3, 0.7])
    guessed = lomia(nothing_told, known[1], prior, imputer=None, others=others)
    assert (guessed == 1).all()


def test_figures_are_those_of_the_guesses(records, fitted):
    X, y = records
    target = clone(NEAREST).fit(X[MEMBERS], y[MEMBERS])
    found = report(fitted, target, X, y, confidence=0.9)
    guess = fitted.predict(target, X[MEMBERS], y[MEMBERS])
    right = guess == X[MEMBERS, 2]
    others = np.column_stack([X[MEMBERS, :2], y[MEMBERS, None] == [0, 1, 2]])
    imputed = fitted.values_[fitted.imputer_.predict(others)]
    gain = paired_difference(right, imputed == X[MEMBERS, 2], confidence=0.9)
    assert (found.on_members.value, found.on_members.low, found.on_members.high) == gain
    assert found.difference.value == found.on_members.value - found.on_nonmembers.value
    assert found.overridden == (guess != imputed).mean()
    assert found.right_when_overridden == right[guess != imputed].mean()
    table = found.to_frame().set_index(["attack", "records", "figure"])
    assert tuple(table.loc[("learned", "members", "above imputation")]) == gain
    assert table.loc[("learned", "members", "accuracy"), "value"] == right.mean()
    assert table.loc[("learned", "difference", "above imputation"), "low"] == found.difference.low
    assert f"overrides the guess from the other features for {found.overridden:.0%}" in str(found)
    proba = fitted.predict_proba(target, X[MEMBERS], y[MEMBERS])
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba[np.arange(300), (guess > 0).astype(int)] == proba.max(axis=1)).all()


def test_the_rule_takes_both_lower_ends():
    truth = np.zeros(400, dtype=int)

    def side(right, imputed):
        by = {"imputation": np.arange(400) >= imputed, "learned": np.arange(400) >= right}
        return Guesses(truth, {name: guess.astype(int) for name, guess in by.items()})

    def leaks(*sides):
        return AttributeReport("sex", np.array(["f", "m"]), 0.95, *sides).leaks

    assert leaks(side(240, 200), side(200, 200))
    assert not leaks(side(240, 200), side(240, 200))
    assert not leaks(side(200, 200), side(100, 200))


# The imputation: what is to be beaten.


def test_the_better_of_two_imputers_is_taken():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    crossed = (X[:, 0] > 0) ^ (X[:, 1] > 0)
    linear = X @ [3.0, 2.0, 1.0] + rng.normal(size=400) > 0
    for codes, kind in ((crossed, HistGradientBoostingClassifier), (linear, LogisticRegression)):
        imputation = Imputation(None, 0)
        answers = imputation.fit(X, codes.astype(int))
        assert isinstance(imputation.fitted["model"], kind)
        assert (answers.argmax(axis=1) == codes).mean() > 0.85


def test_records_are_imputed_by_models_of_other_records(records):
    X, _ = records
    codes = np.random.default_rng(9).integers(0, 2, len(X))
    imputation = Imputation(KNeighborsClassifier(1), 0)
    answers = imputation.fit(X, np.where(np.arange(1000) < 20, -1, codes))
    assert np.isnan(answers[:20]).all()
    assert (answers[20:].argmax(axis=1) == codes[20:]).mean() < 0.6
    assert (imputation.log_proba(X)[20:].argmax(axis=1) == codes[20:]).all()


# Candidates.


def test_a_numeric_feature_is_cut_at_its_quantiles():
    column = np.arange(100)
    table = np.column_stack([column, column])
    candidates = Candidates(table, 1, 4)
    assert candidates.edges.tolist() == [24, 49, 74]
    assert candidates.values.tolist() == [12, 37, 62, 87]
    assert candidates.codes(np.array([[0, -5], [0, 24], [0, 25], [0, 999]]), "X").tolist() == [
        *(0, 0, 1, 3)
    ]
    filled = candidates.put(table, 3)
    assert (filled[:, 1] == 87).all()
    assert (filled[:, 0] == column).all()


def test_ties_leave_no_bin_empty():
    for rare in (np.arange(1, 21), -np.arange(1, 21)):
        column = np.concatenate([np.zeros(400), rare])
        candidates = Candidates(column[:, None], 0, 5)
        assert np.bincount(candidates.codes(column[:, None], "X")).tolist() == (
            [400, 20] if rare[0] > 0 else [20, 400]
        )


def test_values_keep_their_types():
    frame = pd.DataFrame(
        {
            "sex": pd.Categorical(["m", "f"] * 20),
            "old": [True, False] * 20,
            "job": ["x", "y"] * 20,
            "age": pd.array([20, 70] * 20, dtype="Int64"),
        }
    )
    for name, values in (("sex", ["f", "m"]), ("old", [False, True]), ("job", ["x", "y"])):
        candidates = Candidates(frame, name, 5)
        assert candidates.values.tolist() == values
        filled = candidates.put(frame, 1)
        assert filled.dtypes.equals(frame.dtypes)
        assert (filled[name] == values[1]).all()
    filled = Candidates(frame, "age", 5).put(frame, 0)
    assert filled.dtypes.equals(frame.dtypes)
    assert (filled["age"] == 20).all()
    assert frame["age"].max() == 70


def test_rare_values_are_never_guessed():
    table = np.array([["a"] * 10 + ["b"] * 10 + ["c"] * 4], dtype=object).T
    candidates = Candidates(table, 0, 5)
    assert candidates.values.tolist() == ["a", "b"]
    assert (candidates.codes(table, "X")[-4:] == -1).all()


def test_frames_with_names_and_words():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], 700),
            "label": rng.choice(list("abcdefghijklmnop"), 700),
            "town": rng.choice(list("abcdefghijklmnop"), 700),
        }
    )
    y = np.array(["no", "yes"])[rng.integers(0, 2, 700)]
    estimator = make_pipeline(OneHotEncoder(handle_unknown="ignore"), clone(NEAREST))
    imputer = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    fitted = attack("sex", imputer, estimator).fit(frame[:400], y[:400])
    assert fitted.feature_names_in_.tolist() == ["sex", "label", "town"]
    # The column of labels beside a feature of that name.
    assert fitted.imputer_.feature_names_in_.tolist() == ["label", "town", "_label"]
    target = clone(estimator).fit(frame[400:550], y[400:550])
    found = fitted.report(target, frame[400:550], y[400:550], frame[550:], y[550:])
    assert found.leaks
    assert found.members.right("learned").mean() > 0.65
    # What stands in the column is not looked at.
    guess = fitted.predict(target, frame[400:550], y[400:550])
    blank = frame[400:550].assign(sex="?")
    np.testing.assert_array_equal(fitted.predict(target, blank, y[400:550]), guess)


# The same seed, the same result; what a caller may hand over.


def test_the_same_seed_gives_the_same_guesses(records, fitted):
    X, y = records
    target = clone(NEAREST).fit(X[MEMBERS], y[MEMBERS])
    guess = fitted.predict_proba(target, X[:50], y[:50])
    again = attack(2, n_jobs=2).fit(X[AUX], y[AUX])
    np.testing.assert_array_equal(again.predict_proba(target, X[:50], y[:50]), guess)
    asked = attack(2, estimator=None).fit(X[AUX], y[AUX], references=ReferenceModels(NEAREST, 4))
    np.testing.assert_array_equal(asked.predict_proba(target, X[:50], y[:50]), guess)
    frame = pd.DataFrame(X).astype(float)
    imputer = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    by_name = attack(2, imputer).fit(frame[AUX], y[AUX])
    target.fit(frame[MEMBERS], y[MEMBERS])
    assert by_name.predict(target, frame[:50], y[:50]).shape == (50,)


def test_a_plain_function_answers_too(records, fitted):
    X, y = records
    target = clone(NEAREST).fit(X[MEMBERS], y[MEMBERS])
    np.testing.assert_array_equal(
        fitted.predict(target.predict_proba, X[:50], y[:50]), fitted.predict(target, X[:50], y[:50])
    )


def test_bootstrap_references_may_all_have_trained_on_a_record(records):
    X, y = records
    settings = ReferenceModels(NEAREST, 2, sampling="bootstrap", train_size=900)
    fitted = attack(2).fit(X[AUX], y[AUX], references=settings)
    assert fitted.predict(clone(NEAREST).fit(X, y), X[:9], y[:9]).shape == (9,)


def test_networks_are_references_and_targets(records, one_torch_thread):
    pytest.importorskip("skorch")
    import torch
    from skorch import NeuralNetClassifier

    from nets import Dense

    X, y = records
    X = X.astype(np.float32)
    net = NeuralNetClassifier(
        Dense, criterion=torch.nn.CrossEntropyLoss, module__n_features=3, max_epochs=2, verbose=0
    ).set_params(train_split=None)
    torch.manual_seed(0)
    fitted = attack(2, estimator=net, n_references=2).fit(X[AUX], y[AUX])
    found = report(fitted, clone(net).fit(X[MEMBERS], y[MEMBERS]), X, y)
    assert not found.leaks
    assert found.members.right("learned").mean() == pytest.approx(0.5, abs=0.15)


# Bad input.


def test_features_that_cannot_be_guessed_are_refused(records):
    X, y = records
    frame = pd.DataFrame(
        {"a": X[:, 0], "bit": X[:, 2], "one": 1, "words": np.arange(1000).astype(str)}
    )
    for table, feature, message in (
        (frame, "sex", r"feature='sex' must name one column of X_aux; it has \['a', 'bit'"),
        (frame.rename(columns={"a": "bit"}), "bit", "X_aux has several columns named 'bit'"),
        (X, 3, "must be the number of a column of X_aux, from 0 to 2"),
        (X, "sex", "must be the number of a column"),
        (X, True, "must be the number of a column"),
        (frame, "one", "'one' is constant in X_aux"),
        (frame, "words", "has 0 values that 5 records"),
        (frame.assign(bit=np.where(np.arange(1000) == 7, np.nan, X[:, 2])), "bit", "in row 7 of X"),
        (np.column_stack([X, y]), 3, "The feature 3 is the label"),
        (frame.assign(name=np.array(["x", "y", "z"])[y]), "name", "'name' is the label"),
        (X[:, None], 2, "dense array of two dimensions"),
    ):
        with pytest.raises(ValueError, match=message):
            attack(feature).fit(table, y)
    with pytest.raises(ValueError, match="fewer bins than n_bins=30"):
        attack(0, n_bins=30).fit(X[:100], y[:100])


def test_bad_arguments_are_named_before_anything_is_trained(records):
    X, y = records
    for options, message in (
        ({"n_bins": 1}, "n_bins"),
        ({"imputer": "mean"}, "imputer"),
        ({"classifier": LinearRegression()}, "classifier"),
        ({"estimator": None}, "estimator is None: name a model like the target"),
        ({"estimator": KMeans()}, "estimator must be a classifier"),
        ({"n_references": 1}, "at least 2"),
    ):
        with pytest.raises(ValueError, match=message):
            attack(2, **options).fit(X, y)
    with pytest.raises(ValueError, match="references must be ReferenceModels, got int"):
        attack(2).fit(X, y, references=4)
    with pytest.raises(ValueError, match="y_aux must hold at least two classes"):
        attack(2).fit(X, np.zeros(1000))


def test_records_that_do_not_fit_are_refused(records, fitted):
    X, y = records
    target = clone(NEAREST).fit(X[MEMBERS], y[MEMBERS])
    with pytest.raises(ValueError, match="X_aux and X must have the same features"):
        fitted.predict(target, X[:, :2], y)
    with pytest.raises(ValueError, match="X_aux and X must be tables of one kind"):
        fitted.predict(target, pd.DataFrame(X), y)
    with pytest.raises(ValueError, match="y holds the label 7 in row 1"):
        fitted.predict(target, X[:2], [0, 7])
    with pytest.raises(ValueError, match="LinearRegression is a regressor"):
        fitted.predict(LinearRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match="not fitted"):
        fitted.predict(NEAREST, X, y)
    with pytest.raises(ValueError, match="`confidence`"):
        report(fitted, target, X, y, confidence=95)
    with pytest.raises(ValueError, match="100% of X_nonmembers are among the records of fit"):
        fitted.report(target, X[MEMBERS], y[MEMBERS], X[AUX], y[AUX])
    unknown = X[MEMBERS].copy()
    unknown[4, 2] = np.nan
    with pytest.raises(ValueError, match="missing in row 4 of X_members"):
        fitted.report(target, unknown, y[MEMBERS], X[STRANGERS], y[STRANGERS])


# Rates.


@pytest.mark.slow
def test_a_model_of_other_records_is_called_leaking_at_the_nominal_rate_at_most():
    rng = np.random.default_rng(0)

    def draw(n):
        X = rng.normal(size=(n, 3))
        X[:, 2] = rng.integers(0, 2, n)
        return X, (X[:, 0] + 4 * X[:, 2] + rng.logistic(size=n) > 2).astype(int)

    # Where nothing is imputed, the model tells of everybody: the difference alone decides.
    model = DecisionTreeClassifier(max_depth=4, random_state=0)
    fitted = attack(2, DummyClassifier(strategy="prior"), model).fit(*draw(600))
    called = above = 0
    for _ in range(400):
        found = fitted.report(clone(model).fit(*draw(300)), *draw(300), *draw(300))
        called += found.leaks
        above += found.on_members.low > 0
    assert above > 390
    assert binom.ppf(0.001, 400, 0.025) <= called <= binom.ppf(0.999, 400, 0.025)
