"""Audits of models that release labels only."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from mia_sklearn import audit
from mia_sklearn.access import LabelAccess
from mia_sklearn.attacks import LiRAAttack
from mia_sklearn.selection import compare_defenses

pytestmark = pytest.mark.usefixtures("few_rounds")

ATTACKS = ["gap", "threshold", "lira", "rmia", "stacked"]


def run(model, data, **options):
    X, y = data
    half = len(y) // 2
    options = {"release": "labels", "n_references": 8, "controls": False} | options
    options = {"random_state": 0, "progress": False} | options
    return audit(model, X[:half], y[:half], X[half:], y[half:], **options)


def auc(report, attack):
    rows = report.metrics.query("metric == 'auc' and slice == 'all'").set_index("attack")
    return rows.loc[attack]


def codes(report):
    return {finding.code for finding in report.findings}


@pytest.fixture(scope="module")
def data():
    return make_classification(600, 10, n_informative=5, flip_y=0.3, random_state=0)


@pytest.fixture(scope="module")
def model(data):
    X, y = data
    return KNeighborsClassifier(3).fit(X[:300], y[:300])


@pytest.fixture(scope="module")
def report(model, data):
    return run(model, data, controls=True, split="random", slices="label")


def test_the_attacks_of_a_label_release(report):
    assert report.info["attacks"] == ATTACKS
    assert report.info["headline"] == "stacked"
    assert report.info["queries_per_record"] == 26
    assert report.info["asked_for"].startswith("LabelAccess(")
    coverage = report.coverage.set_index("attack")
    assert (coverage["threat_model"] == "label-only").all()
    assert (coverage["access"] == "asks for the predicted class").all()
    assert (coverage.loc[ATTACKS, "status"] == "run").all()
    assert not coverage["reason"].str.contains("upper bound").any()
    assert coverage.loc["stacked", "reason"] == "the headline, fixed in advance"


def test_kept_counts_find_what_the_gap_does_not(report):
    assert auc(report, "stacked")["estimate"] > auc(report, "gap")["high"]
    assert report.metrics.query("metric == 'auc'")["estimate"].between(0, 1).all()
    assert np.isfinite(report.records[ATTACKS].to_numpy()).all()
    assert report.records["p_value"].between(0, 1).all()
    failed = report.controls.query("control in ('references', 'pipeline')")
    assert failed["passed"].all()


def test_accuracy_is_that_of_the_labels(report, model, data):
    X, y = data
    assert report.info["target_train_accuracy"] == pytest.approx(model.score(X[:300], y[:300]))
    assert report.info["target_test_accuracy"] == pytest.approx(model.score(X[300:], y[300:]))


def test_the_remedy_is_not_to_release_labels(report):
    leak = next(finding for finding in report.findings if finding.code == "TELLS_APART")
    assert "release labels" not in leak.remedy
    assert "differential privacy" in leak.remedy


def test_no_posterior_is_asked_for(data):
    class Mute(KNeighborsClassifier):
        def predict_proba(self, X):
            raise AssertionError("asked for posteriors")

    X, y = data
    half = len(y) // 2
    report = run(Mute(1).fit(X[:half], y[:half]), data, n_references=4)
    assert auc(report, "stacked")["low"] > 0.5
    assert run(LinearSVC().fit(X[:half], y[:half]), data, n_references=4).info["attacks"] == ATTACKS


def test_null_a_constant_answer(data):
    X, y = data
    constant = DummyClassifier(strategy="constant", constant=1).fit(X[:300], y[:300])
    report = run(constant, data)
    for attack in ATTACKS:
        assert auc(report, attack)["low"] <= 0.5
    assert "NOT_SHOWN" in codes(report)


def test_null_a_target_that_saw_none_of_the_records(data):
    other = make_classification(300, 10, n_informative=5, flip_y=0.3, random_state=1)
    report = run(KNeighborsClassifier(3).fit(*other), data, attacks=["lira"])
    assert auc(report, "lira")["low"] < 0.5 < auc(report, "lira")["high"]


def test_queries_per_record(model, data):
    for options, queries in (
        ({"n_queries": 5}, 6),
        ({"access": LabelAccess(n_queries=3)}, 4),
        ({"access": "label", "release": "posteriors", "n_queries": 2}, 3),
    ):
        report = run(model, data, n_references=2, attacks=["lira"], **options)
        assert report.info["queries_per_record"] == queries
    alone = run(model, data, n_references=2, attacks=["gap", "lira"], n_queries=0)
    assert "queries_per_record" not in alone.info


def test_functions_that_answer_labels_are_audited_within_their_budget(model, data):
    asked = []

    def answer(X):
        asked.append(len(X))
        return model.predict(X)

    options = {"classes": [0, 1], "n_references": 0, "n_queries": 4}
    report = run(answer, data, query_budget=600 * 5, **options)
    assert sum(asked) == 600 * 5
    assert report.info["attacks"] == ["gap", "threshold", "qmia"]
    assert report.info["headline"] == "qmia"
    assert auc(report, "threshold")["low"] > 0.5
    asked.clear()
    with pytest.raises(ValueError, match="query_budget allows 2999 queries; 0 were made and 3000"):
        run(answer, data, query_budget=2999, **options)
    assert not asked
    report = run(
        answer, data, classes=[0, 1], n_queries=4, n_references=4, estimator=KNeighborsClassifier(3)
    )
    assert auc(report, "stacked")["low"] > 0.5


def test_frames_text_labels_and_the_rest_of_a_larger_training_set(data):
    X, y = data
    frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(X.shape[1])])
    frame["kind"] = (X[:, 0] > 0).astype(int)
    labels = np.where(y == 1, "yes", "no")
    forest = RandomForestClassifier(10, random_state=0).fit(frame[:500], labels[:500])
    report = audit(
        forest, frame[:500], labels[:500], frame[500:], labels[500:], release="labels",
        n_references=4, n_queries=5, max_records=150, controls=False, random_state=0,
        progress=False,
    )  # fmt: skip
    assert report.info["n_unaudited"] > 0
    assert auc(report, "stacked")["estimate"] > 0.5
    again = audit(
        forest, frame[:500], labels[:500], frame[500:], labels[500:], release="labels",
        n_references=4, n_queries=5, max_records=150, controls=False, random_state=0,
        progress=False, n_jobs=2,
    )  # fmt: skip
    pd.testing.assert_frame_equal(report.records, again.records)


def test_people_with_several_records(model, data):
    people = np.arange(600) // 3
    report = run(model, data, groups=people, n_queries=5, attacks=["gap", "lira"])
    assert report.info["n_members"] == 100
    assert auc(report, "lira")["low"] > 0.5
    assert (report.coverage["threat_model"] == "label-only").all()


def test_networks_that_diverge_are_left_out_of_the_comparison_with_the_target():
    torch = pytest.importorskip("torch")
    pytest.importorskip("skorch")
    from nets import Frail, classifier

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    X, y = make_classification(120, 20, n_informative=6, n_classes=3, random_state=0)
    X = X.astype(np.float32)
    net = classifier(Frail)
    torch.manual_seed(1)
    net.fit(X[:60], y[:60])
    with pytest.warns(UserWarning, match="are left out.*it diverged"):
        report = run(net, (X, y), n_references=8, n_queries=3, attacks=["lira"])
    torch.set_num_threads(before)
    assert "LOST_REFERENCES" in codes(report)
    assert np.isfinite(report.records["lira"]).all()


def test_defenses_are_compared_by_what_labels_give_away(data):
    X, y = data
    models = {"memorises": KNeighborsClassifier(1), "smooth": KNeighborsClassifier(25)}
    options = {"release": "labels", "attacks": ["gap", "lira"], "n_references": 4}
    frame = compare_defenses(models, X, y, random_state=0, progress=False, **options)
    measured = frame.set_index("defense")["lira_auc"]
    assert measured["memorises"] > measured["smooth"] + 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_queries": -1}, "'n_queries' parameter of LabelAccess must be an int"),
        ({"n_queries": 3, "access": LabelAccess()}, "n_queries=3, but access=LabelAccess"),
        ({"attacks": ["gradient-norm"]}, "reads more than the answers to 'label'"),
        ({"attacks": ["lira"], "n_references": 0}, "needs reference models"),
        ({"release": "predictions"}, "release must be one of labels, posteriors, weights"),
    ],
)
def test_bad_options(options, message, model, data):
    with pytest.raises(ValueError, match=message):
        run(model, data, **options)


def test_sparse_records_need_a_function_that_perturbs_them(data):
    X, y = data
    counts = sparse.csr_matrix(np.rint(np.abs(X)))
    model = LogisticRegression(max_iter=1000).fit(counts[:300], y[:300])
    with pytest.raises(ValueError, match='X is sparse: perturb="auto"'):
        run(model, (counts, y), n_references=2)
    access = LabelAccess(lambda X, _: X * 2, n_queries=2)
    report = run(model, (counts, y), n_references=2, access=access, attacks=[LiRAAttack()])
    assert report.info["headline"] == "lira"
