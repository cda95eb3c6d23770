"""Choosing by risk: what is remembered and what never leaks, scorers, choices."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn import audit
from mia_sklearn.attacks import ThresholdAttack
from mia_sklearn.metrics import compute, roc_auc
from mia_sklearn.selection import (
    Audited,
    membership_risk,
    pareto_front,
    pareto_refit,
)
from mia_sklearn.selection._audited import _RECORDS
from mia_sklearn.signals import log_posteriors

SECRET = 8.675309142857e5
NAME = "Aurelia-Quicksilver-4711"


def _tree(**params):
    return DecisionTreeClassifier(random_state=0, **params)


@pytest.fixture(scope="module")
def records():
    return make_classification(400, 6, n_informative=4, flip_y=0.2, random_state=0)


@pytest.fixture(scope="module")
def halves(records):
    X, y = records
    return X[:200], y[:200], X[200:], y[200:]


# --- Audited -----------------------------------------------------------------------------------


@parametrize_with_checks([Audited(LogisticRegression()), Audited(_tree(max_depth=3))])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def _planted(kind):
    """Records of which one cell can be told from all else: whole as a number, or as a text."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.repeat(["yes", "no"], 30)
    X[17, 1] = SECRET
    if kind == "frame":
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        frame["who"] = pd.Series(["nobody"] * 60, dtype=object)
        frame.loc[17, "who"] = NAME
        return frame, y, Stump()
    if kind == "sparse":
        return sparse.csr_matrix(X), y, Stump()
    return X, y, Stump()


class Stump(DecisionTreeClassifier):
    """A model in which nothing of the records is left: a stump on the first feature."""

    def __init__(self):
        super().__init__(max_depth=1, random_state=0)

    def fit(self, X, y, sample_weight=None):
        X = X.iloc[:, :1].to_numpy() if hasattr(X, "iloc") else X[:, :1]
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        X = X.iloc[:, :1].to_numpy() if hasattr(X, "iloc") else X[:, :1]
        return super().predict_proba(X)


def _bytes_of(thing):
    buffer = io.BytesIO()
    joblib.dump(thing, buffer)
    return pickle.dumps(thing) + buffer.getvalue()


def _traces():
    return np.float64(SECRET).tobytes(), repr(SECRET).encode(), NAME.encode()


@pytest.mark.parametrize("kind", ["array", "frame", "sparse"])
def test_no_training_record_leaves(kind):
    X, y, model = _planted(kind)
    # The search finds what is there.
    assert any(trace in _bytes_of(X) for trace in _traces())
    audited = Audited(model).fit(X, y, sample_weight=np.full(60, SECRET))
    assert audited.remembers
    leaves = {
        "pickle": audited,
        "attributes": vars(audited),
        "state": audited.__getstate__(),
        "reduced": audited.__reduce_ex__(2)[2],
        "parameters": audited.get_params(),
        "clone": clone(audited),
        "copy": copy.copy(audited),
        "deep copy": copy.deepcopy(audited),
    }
    for name, thing in leaves.items():
        found = _bytes_of(thing) + repr(thing).encode()
        assert not any(trace in found for trace in _traces()), name
    html = repr(audited) + str(audited) + audited._repr_html_()
    assert not any(trace.decode() in html for trace in _traces()[1:])


def test_no_attribute_leads_to_the_records(halves):
    """No object that can be reached from the estimator is the table that it was given."""
    X, y = halves[:2]
    audited = Audited(GaussianNB()).fit(X, y)
    seen, todo = set(), [vars(audited)]
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        assert thing is not X
        assert thing is not y
        if isinstance(thing, dict):
            todo += list(thing.values())
        elif hasattr(thing, "__dict__"):
            todo.append(vars(thing))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, clone])
def test_copies_remember_nothing(copied, halves):
    audited = Audited(GaussianNB()).fit(*halves[:2])
    assert not copied(audited).remembers
    assert audited.remembers
    assert not pickle.loads(pickle.dumps(audited)).remembers


def test_hash_is_of_the_model_alone(halves):
    """Two that were trained on other records and learned the same have the same hash."""
    X, y, others, labels = halves
    one, other = (
        Audited(_tree(max_depth=1)).fit(*data) for data in ((X, y), (np.r_[X, X], np.r_[y, y]))
    )
    one.estimator_ = other.estimator_
    assert joblib.hash(one) == joblib.hash(other)
    fresh = Audited(GaussianNB())
    before = joblib.hash(fresh)
    fitted = fresh.fit(others, labels)
    fitted.forget()
    assert joblib.hash(clone(fitted)) == before


def test_forgets(halves):
    audited = Audited(GaussianNB()).fit(*halves[:2])
    answers = audited.predict_proba(halves[2])
    assert audited.forget() is audited
    assert not audited.remembers
    np.testing.assert_array_equal(audited.predict_proba(halves[2]), answers)
    with pytest.raises(ValueError, match="does not know its training records"):
        membership_risk(attack="threshold")(audited, *halves[2:])


def test_records_go_with_the_estimator(halves):
    gc.collect()
    before = len(_RECORDS)
    audited = Audited(GaussianNB()).fit(*halves[:2])
    assert len(_RECORDS) == before + 1
    del audited
    gc.collect()
    assert len(_RECORDS) == before


def test_a_failing_fit_leaves_no_old_records(halves):
    audited = Audited(_tree()).fit(*halves[:2])
    audited.set_params(estimator__max_depth=-1)
    with pytest.raises(ValueError, match="max_depth"):
        audited.fit(*halves[:2])
    assert not audited.remembers


def test_changes_nothing_that_is_released(halves):
    X, y, others, _ = halves
    plain, audited = LogisticRegression().fit(X, y), Audited(LogisticRegression()).fit(X, y)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        np.testing.assert_array_equal(
            getattr(audited, method)(others), getattr(plain, method)(others)
        )
    assert not hasattr(Audited(LinearSVC()).fit(X, y), "predict_proba")
    assert hasattr(Audited(LinearSVC()).fit(X, y), "decision_function")


def test_strings_frames_and_arguments_of_fit(halves):
    X, y, others, _ = halves
    names = np.array(["no", "yes"])[y]
    frame = pd.DataFrame(X, columns=list("abcdef"))
    audited = Audited(LogisticRegression()).fit(frame, names, sample_weight=1.0 + y)
    plain = LogisticRegression().fit(X, y, sample_weight=1.0 + y)
    assert audited.classes_.tolist() == ["no", "yes"]
    asked = pd.DataFrame(others, columns=list("abcdef"))
    np.testing.assert_allclose(audited.predict_proba(asked), plain.predict_proba(others))
    risk = membership_risk(attack="threshold")(audited, asked, np.array(["no", "yes"])[halves[3]])
    assert risk == pytest.approx(_auc_by_hand(plain, *halves), abs=1e-6)
    with pytest.raises(ValueError, match="sample_weight is to be passed to fit of KNeighbors"):
        Audited(KNeighborsClassifier()).fit(X, y, sample_weight=np.ones(200))


def test_threads_do_not_mix_records(records):
    X, y = records

    def remembers_own(start):
        audited = Audited(GaussianNB()).fit(X[start : start + 100], y[start : start + 100])
        return np.shares_memory(_RECORDS[audited].X, X[start : start + 100])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(remembers_own, range(0, 300, 3)))


# --- membership_risk ---------------------------------------------------------------------------


def _auc_by_hand(model, X, y, others, labels):
    score = [
        log_posteriors(model, records)[np.arange(len(records)), truth]
        for records, truth in ((X, y), (others, labels))
    ]
    member = np.repeat([1, 0], [len(X), len(others)])
    # A tree answers 0, whose logarithm is no number to rank by.
    return -roc_auc(member, np.maximum(np.concatenate(score), -1e6)).value


@pytest.mark.parametrize("metric", ["auc", "advantage", "accuracy", "tpr@0.3"])
def test_risk_is_what_the_audit_finds(metric, halves):
    X, y, others, labels = halves
    audited = Audited(RandomForestClassifier(10, random_state=0)).fit(X, y)
    report = audit(
        audited.estimator_,
        *halves,
        attacks=["threshold"],
        n_references=0,
        controls=False,
        random_state=0,
        progress=False,
    )
    expected = compute(metric, report.records["member"], report.records["threshold"]).value
    assert membership_risk(metric, attack="threshold")(audited, others, labels) == pytest.approx(
        -expected
    )
    assert expected > 0.2


def test_risk_by_hand(halves):
    audited = Audited(LogisticRegression()).fit(*halves[:2])
    risk = membership_risk("auc", attack="threshold")(audited, *halves[2:])
    assert risk == pytest.approx(_auc_by_hand(audited.estimator_, *halves), abs=1e-6)


def test_records_of_both_sides_are_left_out_of_both(halves):
    X, y, others, labels = halves
    audited = Audited(_tree()).fit(X, y)
    risk = membership_risk("auc", attack="threshold")
    mixed = np.r_[others, X[:50]], np.r_[labels, y[:50]]
    expected = _auc_by_hand(audited.estimator_, X[50:], y[50:], others, labels)
    assert risk(audited, *mixed) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="there are no non-members"):
        risk(audited, X, y)


def test_at_chance_where_nothing_is_remembered():
    X, y = make_classification(4000, 5, random_state=1)
    found = cross_val_score(
        Audited(GaussianNB()), X, y, scoring=membership_risk("auc", attack="threshold"), cv=4
    )
    assert abs(-found.mean() - 0.5) < 0.02


def test_memorising_is_found():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 5)), rng.integers(0, 2, 400)
    found = cross_val_score(
        Audited(_tree()), X, y, scoring=membership_risk("advantage", attack="threshold"), cv=4
    )
    assert -found.mean() > 0.4


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_cross_validation(n_jobs, records):
    X, y = records
    found = cross_validate(
        Audited(_tree()),
        X,
        y,
        scoring={"accuracy": "accuracy", "risk": membership_risk("auc", attack="threshold")},
        cv=3,
        n_jobs=n_jobs,
        return_estimator=True,
    )
    alone = cross_val_score(
        Audited(_tree()), X, y, scoring=membership_risk("auc", attack="threshold"), cv=3
    )
    np.testing.assert_array_equal(found["test_risk"], alone)
    assert (found["test_risk"] < -0.5).all()
    # What comes back from another process has been through a pickle.
    assert [model.remembers for model in found["estimator"]] == [n_jobs == 1] * 3


def test_search_with_a_limit(records):
    X, y = records
    search = GridSearchCV(
        Audited(_tree()),
        {"estimator__max_depth": [1, 3, None]},
        scoring={"accuracy": "accuracy", "risk": membership_risk("auc", attack="threshold")},
        refit=pareto_refit(max_risk=0.65),
        n_jobs=2,
    ).fit(X, y)
    assert search.best_params_["estimator__max_depth"] in (1, 3)
    assert search.best_estimator_.remembers
    # A search over Audited estimators can be scored itself.
    assert membership_risk(attack="threshold")(search, X[:0:-1] + 1, y[:0:-1]) < 0
    assert not pickle.loads(pickle.dumps(search)).best_estimator_.remembers


def test_attack_with_references(halves):
    X, y, others, labels = halves
    audited = Audited(_tree()).fit(X, y)
    risk = membership_risk("auc", attack="lira", n_references=4, random_state=3)
    report = audit(
        audited.estimator_,
        *halves,
        attacks=["lira"],
        n_references=4,
        estimator=_tree(),
        controls=False,
        random_state=3,
        progress=False,
    )
    expected = report.metrics.query("metric == 'auc' and slice == 'all'")["estimate"].iloc[0]
    assert risk(audited, others, labels) == -expected
    again = pickle.loads(pickle.dumps(risk))
    assert again(audited, others, labels) == -expected
    # At the threshold that the references fixed, as in the audit.
    fixed = membership_risk("advantage", attack="lira", n_references=4, random_state=3)
    row = report.metrics.query("metric == 'advantage' and slice == 'all'")["estimate"].iloc[0]
    assert fixed(audited, others, labels) == -row


class Counting(DecisionTreeClassifier):
    fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.fits += 1
        Counting.weights = sample_weight
        return super().fit(X, y, sample_weight)


def test_splits_share_the_references_of_a_candidate(records):
    X, y = records
    risk = membership_risk("auc", n_references=4)
    assert risk.name == "neg_lira_auc"
    assert repr(risk) == "membership_risk('auc', attack='lira', n_references=4)"
    Counting.fits = 0
    search = GridSearchCV(
        Audited(Counting(random_state=0)),
        {"estimator__max_depth": [2, None]},
        scoring={"accuracy": "accuracy", risk.name: risk},
        refit=pareto_refit(risk=risk, max_risk=0.58, confidence=0.5),
        cv=2,
    ).fit(X, y)
    # Two candidates of two splits and four references, and the one that is kept.
    assert Counting.fits == 2 * (2 + 4) + 1
    found = -search.cv_results_["mean_test_neg_lira_auc"]
    assert found[1] > found[0] + 0.05
    front = pareto_front(search.cv_results_, risk=risk)
    assert (front["risk"] > 0.4).all()
    assert search.best_index_ == 0
    # Nothing that tells who was trained on goes with a copy, and no record is kept.
    assert risk._kept[1].X_ is None
    assert pickle.loads(pickle.dumps(risk))._kept is None


def test_the_default_finds_what_a_threshold_misses(records):
    X, y = records
    # Two models: of one, what versions of scikit-learn grow differs by as much as is asked for.
    gains = []
    for seed in (1, 0):
        forest = RandomForestClassifier(10, random_state=seed)
        audited = Audited(forest).fit(X[:200], y[:200])
        strong, weak = (
            -membership_risk("auc", attack=attack)(audited, X[200:], y[200:])
            for attack in ("auto", "threshold")
        )
        gains.append(strong - weak)
    assert np.mean(gains) > 0.03
    assert membership_risk().n_references == 8
    mixed = np.r_[X[200:], X[:50]], np.r_[y[200:], y[:50]]
    assert -membership_risk("auc")(audited, *mixed) == pytest.approx(strong, abs=0.05)
    with pytest.raises(ValueError, match="there are no non-members"):
        membership_risk()(audited, X[:200], y[:200])


@pytest.mark.parametrize("options", [{"n_references": 4}, {"attack": "threshold"}])
def test_records_of_both_sides_count_on_neither(halves, options, monkeypatch):
    X, y, others, labels = halves
    sides = []

    def noted(metric, member, score, **more):
        sides.append((int(member.sum()), int((~member).sum()), len(score)))
        return compute(metric, member, score, **more)

    monkeypatch.setattr("mia_sklearn.selection._risk.compute", noted)
    audited = Audited(_tree(max_depth=3)).fit(X, y)
    membership_risk("auc", **options)(audited, np.r_[others, X[:50]], np.r_[labels, y[:50]])
    assert sides == [(150, 200, 350)]


def test_a_choice_that_fails_names_the_attack():
    choose = pareto_refit(risk=membership_risk("advantage"), max_risk=0.1)
    results = {
        "split0_test_accuracy": [0.9],
        "split1_test_accuracy": [0.9],
        "split0_test_neg_lira_advantage": [-0.3],
        "split1_test_neg_lira_advantage": [-0.3],
    }
    with pytest.warns(UserWarning, match=r"the risk 'lira_advantage' at or below.*mean 0.3, upper"):
        assert choose(results) == 0


def test_weights_of_a_search_reach_the_references(records):
    X, y = records
    risk = membership_risk("auc", n_references=4)
    weight = np.random.default_rng(0).uniform(0.5, 2, 400)
    audited = Audited(Counting()).fit(X[:200], y[:200], sample_weight=weight[:200])
    assert risk(audited, X[200:], y[200:], sample_weight=weight[200:]) < -0.5
    # The last one trained is a reference, on records of both sides.
    assert 0 < np.isin(Counting.weights, weight[200:]).sum() < 200
    Counting.fits = 0
    risk(audited, X[200:], y[200:], sample_weight=2 * weight[200:])
    assert Counting.fits == 4  # References of other weights are others.
    with pytest.warns(UserWarning, match="by a threshold on the loss and not by 'lira'"):
        alone = risk(audited, X[200:], y[200:])
    assert alone == membership_risk("auc", attack="threshold")(audited, X[200:], y[200:])


@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline])
def test_a_search_with_weights_and_several_scorers(wrap, records):
    X, y = records
    model = wrap(_tree())
    step = "decisiontreeclassifier__" if hasattr(model, "steps") else ""
    scoring = {"accuracy": "accuracy", "risk": membership_risk(attack="threshold")}
    search = GridSearchCV(Audited(model), {}, scoring=scoring, refit=pareto_refit(max_risk=1), cv=2)
    with warnings.catch_warnings():
        # Older versions say nothing of weights that scorers do not get.
        warnings.simplefilter("error")
        search.fit(X, y, **{f"{step}sample_weight": np.ones(400)})
    assert (search.cv_results_["mean_test_risk"] < -0.5).all()


def test_a_search_that_routes_weights(records):
    import sklearn
    from sklearn.metrics import accuracy_score, make_scorer

    X, y = records
    with sklearn.config_context(enable_metadata_routing=True):
        accuracy = make_scorer(accuracy_score).set_score_request(sample_weight=False)
        search = GridSearchCV(
            Audited(_tree().set_fit_request(sample_weight=True)),
            {"estimator__max_depth": [2]},
            scoring={"accuracy": accuracy, "risk": membership_risk(attack="threshold")},
            refit=lambda results: int(results["mean_test_risk"].argmax()),
            cv=2,
        ).fit(X, y, sample_weight=np.ones(400))
    assert (search.cv_results_["mean_test_risk"] <= 0).all()


def test_white_box_attack_without_references(halves):
    X, y, others, labels = halves
    risk = membership_risk("auc", attack="gradient-norm")
    assert -1 <= risk(Audited(LogisticRegression()).fit(X, y), others, labels) <= 0
    with pytest.raises(ValueError, match="gradients, which this model does not have"):
        risk(Audited(_tree()).fit(X, y), others, labels)


def test_weights_per_record_cannot_reach_references(halves):
    X, y, others, labels = halves
    audited = Audited(_tree()).fit(X, y, sample_weight=np.ones(200))
    assert membership_risk(attack="threshold")(audited, others, labels) < 0
    with pytest.raises(ValueError, match="would need sample_weight of the test records"):
        membership_risk(attack="lira", n_references=4)(audited, others, labels)


def test_scorers_are_pickled_cloned_and_printed(halves):
    risk = membership_risk("tpr@0.1", attack=ThresholdAttack("entropy"))
    audited = Audited(_tree()).fit(*halves[:2])
    assert pickle.loads(pickle.dumps(risk))(audited, *halves[2:]) == risk(audited, *halves[2:])
    search = clone(GridSearchCV(audited, {}, scoring=risk, cv=2))
    assert search.fit(*halves[:2]).best_score_ <= 0
    assert repr(risk) == "membership_risk('tpr@0.1', attack='threshold')"
    lira = membership_risk(attack="lira", n_references=8)
    assert repr(lira) == "membership_risk('auc', attack='lira', n_references=8)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "auk"}, "Unknown metric 'auk'"),
        ({"metric": "tpr"}, "needs a false-positive rate"),
        ({"attack": "lyra"}, "Unknown attack 'lyra'"),
        ({"attack": "lira"}, "needs reference models: give n_references of at least 2"),
        ({"attack": "shadow"}, "learns from records whose membership is known"),
        ({"attack": ThresholdAttack(per_class=True)}, "learns from records whose membership"),
        ({"attack": "white-box"}, "an audit does not set aside"),
        ({"n_references": 1}, "0 or at least 2, got 1"),
        ({"n_references": 2.5}, "must be a whole number"),
    ],
)
def test_bad_scorers_are_refused_at_once(options, message):
    if options.get("attack") == "white-box":
        pytest.importorskip("torch")
    with pytest.raises(ValueError, match=message):
        membership_risk(**options)


def test_estimators_that_remember_nothing_are_named(halves):
    X, y, others, labels = halves
    risk = membership_risk(attack="threshold")
    with pytest.raises(ValueError, match=r"wrap it, Audited\(GaussianNB\(...\)\)"):
        risk(GaussianNB().fit(X, y), others, labels)
    inside = make_pipeline(StandardScaler(), Audited(GaussianNB())).fit(X, y)
    with pytest.raises(ValueError, match=r"wrap the whole of it, Audited\(Pipeline\(...\)\)"):
        risk(inside, others, labels)
    outside = Audited(make_pipeline(StandardScaler(), GaussianNB())).fit(X, y)
    assert risk(outside, others, labels) < 0
    with pytest.raises(ValueError, match="same features"):
        risk(outside, others[:, :2], labels)


# --- pareto_refit and pareto_front ---------------------------------------------------------------


def _results(accuracy, risk, **more):
    """cv_results_ of candidates with scores split by split; risks positive."""
    results = {"params": [{"candidate": i} for i in range(len(accuracy))]}
    for name, values in (("accuracy", accuracy), ("risk", -np.asarray(risk, dtype=float)), *more):
        for split, column in enumerate(np.asarray(values, dtype=float).T):
            results[f"split{split}_test_{name}"] = column
    return results


def test_the_most_useful_below_the_limit_is_picked():
    results = _results(
        [[0.95, 0.95], [0.90, 0.90], [0.80, 0.80]], [[0.3, 0.3], [0.1, 0.1], [0.0, 0.0]]
    )
    for limit, expected in ((0.3, 0), (0.29, 1), (0.1, 1), (0.05, 2)):
        assert pareto_refit(max_risk=limit)(results) == expected


def test_the_interval_decides_not_the_mean():
    results = _results([[0.9] * 3, [0.8] * 3], [[0.02, 0.08, 0.14], [0.09, 0.09, 0.09]])
    assert pareto_refit(max_risk=0.1)(results) == 1
    # mean + t s sqrt(1/3 + 1/2) = .08 + 2.92 * .06 * .9129
    edge = 0.08 + 2.9199855803537256 * 0.06 * np.sqrt(1 / 3 + 1 / 2)
    assert pareto_refit(max_risk=edge + 1e-9)(results) == 0
    assert pareto_refit(max_risk=edge - 1e-6)(results) == 1
    # Fewer test records for each training record: splits are more alike, the interval shorter.
    short = 0.08 + 2.9199855803537256 * 0.06 * np.sqrt(1 / 3 + 0.1)
    assert pareto_refit(max_risk=short + 1e-9, test_ratio=0.1)(results) == 0
    assert pareto_refit(max_risk=short - 1e-6, test_ratio=0.1)(results) == 1
    assert pareto_refit(max_risk=0.1, confidence=0.5)(results) == 0


def test_of_equally_useful_ones_the_less_risky_is_picked():
    results = _results([[0.9, 0.7], [0.8, 0.8]], [[0.2, 0.2], [0.1, 0.1]])
    assert pareto_refit(max_risk=0.5)(results) == 1


def test_where_none_qualifies_the_least_risky_is_picked():
    results = _results([[0.9, 0.9], [0.8, 0.8]], [[0.4, 0.4], [0.3, 0.3]])
    with pytest.warns(UserWarning, match=r"at or below max_risk=0.1.*upper end 0.3"):
        assert pareto_refit(max_risk=0.1)(results) == 1


def test_candidates_without_numbers_are_passed_over():
    nan = np.nan
    results = _results([[0.9, 0.9], [nan, 0.9], [0.5, 0.5]], [[nan, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert pareto_refit(max_risk=0.1)(results) == 2
    results = _results([[0.7, 0.7], [0.9, 0.9]], [[nan, nan], [nan, nan]])
    with pytest.warns(UserWarning, match="what it gives away is not known"):
        assert pareto_refit(max_risk=0.1)(results) == 1


def test_unwrapped_estimators_do_not_end_a_search(records):
    """What a search found is kept where the risk could not be measured."""
    X, y = records
    search = GridSearchCV(
        _tree(),
        {"max_depth": [1, 2]},
        scoring={"accuracy": "accuracy", "risk": membership_risk(attack="threshold")},
        refit=pareto_refit(max_risk=0.5),
        cv=2,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    assert any("wrap it, Audited(DecisionTreeClassifier(...))" in str(w.message) for w in caught)
    assert any("is not known" in str(w.message) for w in caught)
    assert np.isnan(search.cv_results_["mean_test_risk"]).all()


def test_choices_are_pickled_cloned_and_printed():
    choose = pareto_refit(max_risk=0.1)
    results = _results([[0.9, 0.9], [0.8, 0.8]], [[0.4, 0.4], [0.0, 0.0]])
    assert pickle.loads(pickle.dumps(choose))(results) == choose(results) == 1
    assert repr(choose) == (
        "pareto_refit(utility='accuracy', risk='risk', max_risk=0.1, confidence=0.95)"
    )
    assert clone(GridSearchCV(_tree(), {}, refit=choose)).refit(results) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_risk": -0.1}, "it is a risk, not the negative score"),
        ({"max_risk": "0.1"}, "max_risk must be a number"),
        ({"max_risk": np.nan}, "max_risk must be a number"),
        ({"max_risk": 0.1, "confidence": 1}, "confidence"),
        ({"max_risk": 0.1, "test_ratio": 0}, "test_ratio must be above 0"),
    ],
)
def test_bad_limits_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        pareto_refit(**options)


def test_scores_that_are_not_there_are_named():
    results = _results([[0.9, 0.9]], [[0.4, 0.4]])
    with pytest.raises(ValueError, match="no score 'auc'; they hold 'accuracy', 'risk'"):
        pareto_refit(risk="auc", max_risk=0.1)(results)
    with pytest.raises(ValueError, match="no score 'f1'"):
        pareto_front(results, utility="f1")
    with pytest.raises(ValueError, match="they hold none"):
        pareto_front({})


def test_one_split_has_no_interval():
    with pytest.raises(ValueError, match="one measurement has no interval"):
        pareto_refit(max_risk=0.1)(_results([[0.9]], [[0.1]]))


def test_front():
    results = _results(
        [[0.9, 0.9], [0.8, 0.6], [0.6, 0.6], [0.5, 0.5], [np.nan, 1]],
        [[0.4, 0.4], [0.1, 0.3], [0.3, 0.3], [0.1, 0.1], [0, 0]],
    )
    front = pareto_front(results)
    assert front.index.tolist() == [3, 1, 0]
    assert front["params"].tolist() == [{"candidate": i} for i in (3, 1, 0)]
    np.testing.assert_allclose(front["utility"], [0.5, 0.7, 0.9])
    np.testing.assert_allclose(front["risk"], [0.1, 0.2, 0.4])
    np.testing.assert_allclose(front["utility_sd"], [0, np.sqrt(0.02), 0], atol=1e-12)
    np.testing.assert_allclose(front["risk_sd"], [0, np.sqrt(0.02), 0], atol=1e-12)


@pytest.mark.slow
def test_interval_of_the_risk_holds():
    """How often the upper end lies above the risk of models trained on as many records."""
    rng = np.random.default_rng(0)
    risk, upper, scorer = [], [], membership_risk("auc", attack="threshold")

    def draw(n):
        y = rng.integers(0, 2, n)
        return rng.normal(size=(n, 3)) + 0.8 * y[:, None], y

    for _ in range(400):
        X, y = draw(150)
        scores = -cross_val_score(
            Audited(_tree(min_samples_leaf=5)), X, y, scoring=scorer, cv=5
        ).reshape(1, -1)
        results = {f"split{i}_test_risk": -scores[:, i] for i in range(5)}
        results |= {f"split{i}_test_accuracy": scores[:, i] for i in range(5)}
        upper.append(_upper(results))
        X, y = draw(120)
        fresh = Audited(_tree(min_samples_leaf=5)).fit(X, y)
        risk.append(-scorer(fresh, *draw(2000)))
    share = np.mean(np.array(upper) >= np.mean(risk))
    assert share > 0.95 - 2 * np.sqrt(0.05 * 0.95 / 400)


def _upper(results):
    from mia_sklearn._comparisons._splits import Split, split_scores
    from mia_sklearn.selection._pareto import upper_end

    return upper_end(Split(-split_scores(results, "risk").values), 0.95)[0]
