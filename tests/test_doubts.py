"""What leaves an audit in doubt: it is said first, and no condition is decided."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, ReferenceModels, audit
from mia_sklearn._audit._causes import class_order
from mia_sklearn._audit._findings import Context, _in_doubt
from mia_sklearn._audit._findings._in_doubt import BelowChance
from mia_sklearn._audit._likeness import _ALARM, traits
from mia_sklearn.attacks import ThresholdAttack
from mia_sklearn.metrics import roc_auc
from mia_sklearn.report import Finding
from mia_sklearn.report._finding import QUALIFYING
from mia_sklearn.report._summary import summarize

pytestmark = pytest.mark.usefixtures("few_rounds")

FOREST = RandomForestClassifier(10, min_samples_leaf=3, random_state=0)


@pytest.fixture(scope="module")
def halves():
    X, y = make_classification(600, 8, n_informative=4, flip_y=0.2, random_state=0)
    return X[:300], y[:300], X[300:], y[300:]


def run(model, halves, **options):
    options = {"n_references": 8, "attacks": ["threshold", "lira"], "controls": False} | options
    return audit(model, *halves, random_state=0, n_jobs=1, progress=False, **options)


def doubt(report, code):
    """The finding of this code, after checking that it comes first everywhere."""
    finding = next(finding for finding in report.findings if finding.code == code)
    assert finding.qualifies
    first = summarize(report).findings[0]
    assert first.qualifies
    assert report.verdict.startswith("Not to be relied on: ")
    said = finding.title[:1].lower() + finding.title[1:]
    assert said in report.verdict.split(". ")[0]
    assert summarize(report).tone == "open"
    for condition in ("auc <= 0.99", "auc >= 0.99", "auc > 0.01", "threshold:auc <= 0.999"):
        outcome = report.check(condition)
        assert (outcome.outcome, outcome.results[0].outcome) == ("inconclusive", "open")
        assert said in str(outcome)
    return finding


def codes(report):
    return {finding.code for finding in report.findings}


# -- Trained otherwise -------------------------------------------------------------------------


def fit(halves, model=FOREST, **params):
    return model.fit(*halves[:2], **params)


@pytest.mark.parametrize(
    ("model", "weigh"),
    [
        (RandomForestClassifier(10, min_samples_leaf=5, random_state=0), "a class"),
        (DecisionTreeClassifier(min_samples_leaf=5, random_state=0), "records"),
        (LogisticRegression(), "records"),
    ],
)
def test_weights_that_were_not_given_are_named_first(halves, model, weigh):
    y = np.concatenate([halves[1], halves[3]])
    weights = np.where(y == 1, 20.0, 1.0)
    if weigh == "records":
        weights = np.random.default_rng(0).exponential(size=600) ** 3
    options = {"n_references": 16}
    fit(halves, model, sample_weight=weights[:300])
    finding = doubt(run(model, halves, **options), "REFERENCES_DIFFER")
    assert finding.title.endswith("(was it fitted with sample_weight?)")
    assert finding.explanation.startswith(
        "What is most likely, first: If the model was fitted with sample_weight"
    )
    assert run(model, halves, fit_params={"sample_weight": weights}, **options).doubts == []


@pytest.mark.parametrize(
    ("estimator", "cause"),
    [
        (RandomForestClassifier(10, max_depth=1), "has max_depth=1 in place of None, min_samp"),
        (LogisticRegression(C=1e-3), "is a LogisticRegression, the model a RandomForestClassifier"),
        (lambda X, y, seed: GaussianNB().fit(X, y), "may train otherwise than it was"),
    ],
)
def test_references_of_another_kind_are_named(halves, estimator, cause):
    finding = doubt(run(fit(halves), halves, estimator=estimator), "REFERENCES_DIFFER")
    assert cause in finding.title


def test_another_seed_is_no_other_training(halves):
    report = run(fit(halves), halves, estimator=FOREST.set_params(random_state=99))
    assert report.doubts == []


def test_records_that_were_not_trained_on_are_named(halves):
    X, y = make_classification(900, 8, n_informative=4, flip_y=0.2, random_state=0)
    stranger = fit((X[600:], y[600:]), ExtraTreesClassifier(10, random_state=0))
    report = run(stranger, (X[:300], y[:300], X[300:600], y[300:600]))
    finding = doubt(report, "REFERENCES_DIFFER")
    assert "or on other records than X_train?)" in finding.title


def otherwise(halves, model, scaled):
    """A model and tables, of which one knows records in other units than the other."""
    X, y, X_test, y_test = halves
    X, X_test = (table * 10.0 ** np.arange(8) + 50 for table in (X, X_test))
    scaler = StandardScaler().fit(X)
    seen, seen_test = map(scaler.transform, (X, X_test))
    if scaled:
        return model.fit(X, y), (seen, y, seen_test, y_test)
    return model.fit(seen, y), (X, y, X_test, y_test)


@pytest.mark.parametrize("what", ["left out", "done twice", "columns"])
def test_records_that_were_preprocessed_otherwise_are_named_before_weights(halves, what):
    model = DecisionTreeClassifier(min_samples_leaf=5, random_state=0)
    if what == "columns":
        places, (X, y, X_test, y_test) = np.roll(np.arange(8), 3), halves
        model, tables = fit(halves, model), (X[:, places], y, X_test[:, places], y_test)
    else:
        model, tables = otherwise(halves, model, what == "done twice")
    finding = doubt(run(model, tables, n_references=16), "REFERENCES_DIFFER")
    assert "(were X_train and X_test preprocessed as the model's records were?)" in finding.title
    assert finding.explanation.index("left out or done twice") < finding.explanation.index("weight")


def test_parameters_that_were_changed_after_it_was_fitted_are_named(halves):
    model = fit(halves, DecisionTreeClassifier(random_state=0)).set_params(max_depth=2)
    finding = doubt(run(model, halves), "REFERENCES_DIFFER")
    assert "(were its parameters changed after it was fitted?)" in finding.title


def test_a_part_of_the_records_is_named(halves):
    X, y, *_ = halves
    model = RandomForestClassifier(20, random_state=0).fit(X[:150], y[:150])
    finding = doubt(run(model, halves, n_references=16), "REFERENCES_DIFFER")
    assert "(was it fitted on a part of X_train alone, or with sample_weight?)" in finding.title


@pytest.mark.parametrize(("n_references", "says"), [(4, True), (16, False)])
def test_few_references_say_that_they_show_little_of_the_models_training(
    halves, n_references, says
):
    report = run(fit(halves), halves, n_references=n_references, attacks="threshold")
    found = next(finding for finding in report.findings if finding.code == "FEW_REFERENCES")
    assert ("that REFERENCES_DIFFER is not found says little" in found.explanation) == says


@pytest.mark.parametrize("n_references", [0, 8])
def test_swapped_sides_are_an_error_of_the_set_up(halves, n_references):
    X, y, X_test, y_test = halves
    model = fit(halves, RandomForestClassifier(10, random_state=0))
    report = run(model, (X_test, y_test, X, y), n_references=n_references, attacks="auto")
    finding = doubt(report, "BELOW_CHANCE")
    assert "X_train and X_test seem to be swapped" in finding.explanation
    assert "REFERENCES_DIFFER" in codes(report) or not n_references


# -- Classes in another order ------------------------------------------------------------------


def three_classes():
    X, y = make_classification(
        600, 8, n_informative=5, n_classes=3, flip_y=0.1, random_state=0, class_sep=2
    )
    return X[:300], np.array(list("abc"))[y[:300]], X[300:], np.array(list("abc"))[y[300:]]


@pytest.mark.parametrize("n_references", [0, 4])
@pytest.mark.parametrize("given", ["bac", "bca", "cba"])
def test_classes_in_another_order_are_said_first(n_references, given):
    data = three_classes()
    model = fit(data, LogisticRegression())
    report = run(
        model.predict_proba,
        data,
        classes=list(given),
        estimator=LogisticRegression() if n_references else None,
        n_references=n_references,
        attacks="threshold",
    )
    finding = doubt(report, "CLASSES_PERMUTED")
    assert report.verdict.startswith("Not to be relied on: classes= seem to be in another order")
    assert finding.remedy == "Give classes=['a', 'b', 'c'], and audit again."
    # What follows from it is not blamed on something else.
    assert not any("swapped" in other.title for other in report.findings)


def test_two_swapped_classes_pass_no_condition(halves):
    model = fit(halves, RandomForestClassifier(10, random_state=0))
    report = run(model.predict_proba, halves, classes=[1, 0], n_references=0, attacks="auto")
    assert not report.check("auc <= 0.6")
    doubt(report, "CLASSES_PERMUTED")
    doubt(report, "BELOW_CHANCE")
    right = run(model.predict_proba, halves, classes=[0, 1], n_references=0, attacks="auto")
    assert right.doubts == []
    assert right.check("auc > 0.55")


def test_labels_that_were_encoded_otherwise(halves):
    X, y, X_test, y_test = halves
    report = run(fit(halves), (X, 1 - y, X_test, 1 - y_test), n_references=0, attacks="auto")
    assert "labels of y_train and y_test seem" in doubt(report, "CLASSES_PERMUTED").title


def test_a_model_that_always_says_the_rarer_class_has_no_other_order(halves):
    X, y, X_test, y_test = halves
    y, y_test = (np.where(np.arange(300) % 4 == 0, 1, 0) for _ in range(2))
    report = run(
        lambda X: np.tile([0.1, 0.9], (len(X), 1)),
        (X, y, X_test, y_test),
        classes=[0, 1],
        n_references=0,
        attacks="auto",
    )
    assert "CLASSES_PERMUTED" not in codes(report)


# -- How doubts are said ------------------------------------------------------------------------


@pytest.mark.parametrize("code", QUALIFYING)
def test_each_qualifies_verdict_text_and_conditions(make_report, code):
    report = make_report()
    assert report.check("auc > 0.6").outcome == "pass"
    report.findings.append(Finding(code, "warning", "Something is wrong", "...", "..."))
    doubt(report, code)
    assert str(report).startswith("Not to be relied on: something is wrong. Training records")


def test_the_page_and_what_is_stored_are_qualified_too(make_report, tmp_path):
    report = make_report()
    report.findings.append(Finding("NO_SIGNAL", "warning", "Something is wrong", "...", "..."))
    page = report.save(tmp_path).read_text()
    assert "Not to be relied on: something is wrong." in page
    assert 'class="verdict open"' in page
    assert AuditReport.load(tmp_path).doubts == ["something is wrong"]


def test_other_findings_do_not(make_report):
    report = make_report()
    report.findings.append(Finding("OVERFITTED", "serious", "Something is wrong", "", ""))
    assert report.doubts == []


def test_several_doubts_are_named_likeliest_first(make_report):
    report = make_report()
    for code in reversed(QUALIFYING[:3]):
        report.findings.append(Finding(code, "warning", f"AUC {code}", "", ""))
    report.controls.loc[0, "passed"] = False
    named = "; ".join(f"aUC {code}" for code in QUALIFYING[:3])
    assert report.verdict.startswith(
        f"Not to be relied on: {named}; a control failed (shift). Training"
    )


# -- The test of likeness -----------------------------------------------------------------------


def literal(values, trained, block, own, own_trained):
    """Mean signal on training records: each model beside the others, block by block."""

    def beside(row, inside, without):
        others = [k for k in range(len(values)) if block[k] != without]
        gaps = []
        for i in np.flatnonzero(inside):
            same = [values[k, i] for k in others if trained[k, i]]
            if same:
                gaps.append(row[i] - np.mean(same))
        return np.mean(gaps)

    away = [beside(values[k], trained[k], block[k]) for k in range(len(values))]
    return beside(own, own_trained, block[-1]), np.mean(away), np.std(away, ddof=1)


def test_traits_equal_a_literal_twin():
    from scipy.stats import t as student_t

    rng = np.random.default_rng(0)
    halves = [rng.permutation(40) < 20 for _ in range(4)]
    trained = np.array([part for half in halves for part in (half, ~half)])
    values, block = rng.normal(1, 1, (8, 40)), np.repeat(np.arange(4), 2)
    own, own_trained = rng.normal(1, 1, 40), rng.permutation(40) < 20
    found = {(t.name, t.side): t for t in traits(values, trained, block, own, own_trained)}
    off, mean, spread = literal(values, trained, block, own, own_trained)
    p = 2 * student_t.sf(abs(off - mean) / (spread * np.sqrt(1 + 1 / 8)), 7)
    assert found["signal", "training"].p_value == pytest.approx(p)
    assert found["signal", "training"].target == pytest.approx(own[own_trained].mean())
    assert set(found) == {
        (name, side) for name in ("signal", "spread", "distance") for side in ("training", "other")
    }


def test_distances_from_one_or_two_models_are_not_compared():
    rng = np.random.default_rng(0)
    for n_blocks in (3, 4):
        halves = [rng.permutation(40) < 20 for _ in range(n_blocks)]
        trained = np.array([part for half in halves for part in (half, ~half)])
        values, block = rng.normal(1, 1, trained.shape), np.repeat(np.arange(n_blocks), 2)
        found = traits(values, trained, block, values[0], trained[1])
        assert ("distance" in {trait.name for trait in found}) == (n_blocks == 4)


def test_references_that_err_equally_often_may_differ_from_others():
    """All are always right, the target in 18 of 20: as if one error more were made in 22."""
    from scipy.stats import t as student_t

    half = np.arange(40) < 20
    trained = np.array([half, ~half] * 4)
    own = np.where(np.arange(40) % 20 < 2, 0, 1)
    block = np.repeat(np.arange(4), 2)
    found = traits(np.ones((8, 40)), trained, block, own, half, accuracy=True)
    spread = np.sqrt(21 / 22 * 1 / 22 / 20 * (1 + 1 / 8))
    expected = 2 * student_t.sf(0.1 / spread, 7)
    assert [trait.p_value for trait in found] == pytest.approx([expected] * 2)


def spaced(gap, n=100):
    """Scores of n members and n others at equal distances of a normal distribution's levels."""
    levels = norm.ppf((np.arange(n) + 0.5) / n)
    return np.r_[levels + gap, levels], np.repeat([1, 0], n)


def below_chance(run, records):
    return BelowChance().find(Context(run, None, records, [], {}))


def test_ten_attacks_share_what_one_would_be_allowed(monkeypatch):
    monkeypatch.setattr(_in_doubt, "likely_causes", lambda run, differing: [])
    score, member = spaced(-0.5)
    assert roc_auc(member, score, confidence=0.998).high < 0.5
    assert roc_auc(member, score, confidence=0.9998).high > 0.5
    names = [f"a{k}" for k in range(10)]
    records = pd.DataFrame({"member": member, "lira": spaced(0)[0], **dict.fromkeys(names, score)})

    def judged(*attacks):
        run = SimpleNamespace(headline="lira", references=None, classes=[0, 1])
        run.attacks = dict.fromkeys(["lira", *attacks], ThresholdAttack())
        return below_chance(run, records)

    assert judged(*names) is None
    assert judged("a0").title.startswith("The a0 attack is surely worse than guessing")


@pytest.mark.parametrize("sign", [1, -1])
def test_attacks_may_point_down_where_the_references_do(monkeypatch, sign):
    """Beside the headline only: models that learn altered labels answer members with less."""
    monkeypatch.setattr(_in_doubt, "likely_causes", lambda run, differing: [])
    score, member = spaced(-1)
    records = pd.DataFrame({"member": member, "lira": spaced(0)[0], "threshold": score})
    trained = np.array([member == 1, member == 0])
    refs = SimpleNamespace(
        n_pool_=200, n_models_=2, lost_={}, membership_=trained.astype(int),
        phi=lambda: np.where(trained, sign, 0.0),
    )  # fmt: skip
    run = SimpleNamespace(headline="lira", references=refs, classes=[0, 1])
    run.attacks = dict.fromkeys(["lira", "threshold"], ThresholdAttack())
    assert (below_chance(run, records) is None) == (sign < 0)
    run.headline = "threshold"
    assert below_chance(run, records) is not None


@pytest.mark.parametrize(("n", "expected"), [(10, None), (100, [1, 0])])
def test_another_order_of_few_records_is_chance(n, expected):
    """Right in 4 of 10: read the other way round, 6 of 10."""
    y = np.arange(n) % 2
    predicted = np.where(np.arange(n) % 10 < 4, y, 1 - y)
    if expected:
        predicted = 1 - y
    run = SimpleNamespace(answers=np.log(np.eye(2)[predicted] + 0.1), access=None, y=y)
    run.classes = np.array([0, 1])
    order = class_order(run)
    assert (order.classes if expected else order) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(),
        DecisionTreeClassifier(min_samples_leaf=5),
        RandomForestClassifier(10),
        LogisticRegression(),
        KNeighborsClassifier(3),
        GaussianNB(),
    ],
)
@pytest.mark.parametrize(("share", "n_blocks"), [(0.5, 2), (0.5, 8), (0.75, 4)])
def test_null_a_reference_that_plays_the_target_is_like_the_others(model, share, n_blocks):
    X, y = make_classification(400, 6, n_informative=4, flip_y=0.2, random_state=0)
    refs = ReferenceModels(model, 600, train_size=share, random_state=0).fit(X, y)
    phi, trained = refs.phi(), refs.membership_ > 0
    right = refs.outputs_.argmax(axis=-1) == refs.labels_
    rng = np.random.default_rng(0)
    alarms, n = 0, 1500
    for _ in range(n):
        chosen = rng.permutation(refs.n_blocks_)[: n_blocks + 1]
        actor = rng.choice(np.flatnonzero(refs.block_ == chosen[0]))
        others = np.flatnonzero(np.isin(refs.block_, chosen[1:]))
        part = (trained[others], refs.block_[others])
        found = traits(right[others], *part, right[actor], trained[actor], accuracy=True)
        found += traits(phi[others], *part, phi[actor], trained[actor])
        alarms += any(trait.p_value <= _ALARM / len(found) for trait in found)
    # 1 of 1,000, with three standard errors and the few models that recur.
    assert alarms <= 8


class Centred(LogisticRegression):
    """Answers by the records' distance from the mean of those that are asked together."""

    def predict_proba(self, X):
        return super().predict_proba(X - X.mean(axis=0))

    def decision_function(self, X):
        return super().decision_function(X - X.mean(axis=0))


class Counting(LogisticRegression):
    """Grows surer with each call."""

    def predict_proba(self, X):
        self.n_calls_ = getattr(self, "n_calls_", 0) + 1
        odds = super().decision_function(X) * self.n_calls_
        return np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], axis=1)


class Noisy(LogisticRegression):
    """Adds fresh noise to each answer, as a defense may."""

    def predict_proba(self, X):
        odds = super().decision_function(X) + np.random.default_rng().normal(size=len(X))
        return np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], axis=1)


@pytest.mark.parametrize("kind", [Centred, Counting])
def test_answers_that_depend_on_the_call_leave_all_in_doubt(kind, halves):
    X, y, X_test, y_test = halves
    halves = X, y, X_test + 0.2, y_test
    report = run(kind().fit(X, y), halves, n_references=0, attacks=["threshold"])
    finding = doubt(report, "UNSTEADY_ANSWERS")
    assert "in one call" in finding.explanation


def test_labels_that_depend_on_the_call_leave_all_in_doubt(halves):
    X, y, X_test, y_test = halves

    def by_batch(X):
        return (X[:, 0] > np.quantile(X[:, 0], 0.5 + 0.4 * (len(X) % 2))).astype(int)

    given = X[:299], y[:299], X_test, y_test
    report = run(
        by_batch,
        given,
        n_references=0,
        attacks=["gap"],
        classes=[0, 1],
        release="labels",
        n_queries=1,
    )
    assert "UNSTEADY_ANSWERS" in codes(report)


@pytest.mark.parametrize("model", [Noisy(), LogisticRegression(), FOREST, KNeighborsClassifier(3)])
def test_noise_of_each_answer_is_no_doubt(model, halves):
    X, y, *_ = halves
    for _ in range(5):
        report = run(model.fit(X, y), halves, n_references=0, attacks=["threshold"])
        assert "UNSTEADY_ANSWERS" not in codes(report)


def test_a_query_budget_is_kept_for_the_audit(halves):
    X, y, *_ = halves
    model = LogisticRegression().fit(X, y)
    asked = []

    def answers(X):
        asked.append(len(X))
        return model.predict_proba(X)

    options = {"n_references": 0, "attacks": ["threshold"], "classes": [0, 1]}
    run(answers, halves, query_budget=600, **options)
    assert sum(asked) == 600
    asked.clear()
    run(answers, halves, **options)
    assert sum(asked) == 600 + 256
