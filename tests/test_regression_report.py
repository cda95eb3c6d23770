"""What is said of regressors and of several outputs: findings, reports, evidence."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_multilabel_classification
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn.attacks import StackedAttack
from mia_sklearn.metrics import roc_auc
from mia_sklearn.report import AuditReport

X, Y = load_diabetes(return_X_y=True)
# No two are alike, none is a short number that a report may hold by chance.
Y = Y + np.linspace(0.111, 0.999, len(Y))
TWO = np.column_stack([Y, 1e4 * X[:, 2] + 0.1234])
N = 120
TRAIN, TEST = np.arange(0, N, 2), np.arange(1, N, 2)
QUICK = {"n_references": 4, "random_state": 0, "progress": False, "attacks": ["threshold", "lira"]}


def _audited(model, y=Y, X=X, **options):
    options = {**QUICK, "controls": False, **options}
    fitted = options.pop("fitted", None) or clone(model).fit(X[TRAIN], y[TRAIN])
    return audit(fitted, X[TRAIN], y[TRAIN], X[TEST], y[TEST], **options)


def _finding(report, code):
    return next((finding for finding in report.findings if finding.code == code), None)


@pytest.fixture(scope="module")
def forest():
    return _audited(RandomForestRegressor(10, random_state=0), slices="label", controls=True)


@pytest.fixture(scope="module")
def both():
    return _audited(DecisionTreeRegressor(max_depth=6, random_state=0), TWO, controls=True)


@pytest.fixture(scope="module")
def labels():
    tables = make_multilabel_classification(N, n_classes=3, random_state=0)
    return _audited(DecisionTreeClassifier(max_depth=6, random_state=0), *tables[::-1])


# -- Words ---------------------------------------------------------------------------------------

# What has no meaning where numbers are predicted; "label" may name a slice.
_OF_CLASSES = re.compile(
    r"posterior|answers right|true label|its label|and label|predicted class|\bclasses\b(?! that)|"
    r"right on \d|within classes|target_t|release labels",
)


@pytest.mark.parametrize("name", ["forest", pytest.param("both", marks=pytest.mark.thorough)])
def test_no_sentence_speaks_of_classes(name, request, tmp_path):
    report = request.getfixturevalue(name)
    report.save(tmp_path)
    page = re.sub(r"<(style|script).*?</\1>", "", (tmp_path / "index.html").read_text(), flags=re.S)
    # A guideline asks for classes and posteriors, in its own words.
    for text in (str(report), page, report.to_markdown(), report.model_card()):
        assert _OF_CLASSES.findall(text) == []


def test_whoever_holds_a_regressor_asks_for_predictions_too():
    machine = SVR(C=1e3, epsilon=20)
    report = _audited(machine, release="weights", attacks=["margin-edge"], n_references=0)
    assert set(report.coverage["access"]) == {"asks for predictions"}
    assert _finding(report, "SUPPORT_VECTORS") is not None
    assert _OF_CLASSES.findall(str(report)) == []


def test_true_values_stand_where_labels_do(forest, both, labels):
    assert "R2 on the members audited" in str(forest)
    assert "Mean absolute error on the non-members audited" in str(forest)
    assert re.search(r"set +row +true value", str(forest))
    assert "the record and its true value;" in str(forest)
    assert "on features and true value, 99 %" in str(forest)
    assert "one record: one row and its true value" in forest.to_markdown()
    # Of trees and forests there are such rules, but none for those that predict numbers.
    assert "published rules for classifiers alone" in forest.to_markdown()
    assert "the record and its true values;" in str(both)
    assert re.search(r"Outputs, over which accuracy or errors are averaged +2", str(both))
    first = both.most_exposed(1).iloc[0]
    assert f"{first['label_0']:.6g}, {first['label_1']:.6g}" in str(both)
    assert "the record and its true labels;" in str(labels)
    first = labels.most_exposed(1).iloc[0]
    assert ", ".join(str(first[f"label_{j}"]) for j in range(3)) in str(labels)


def test_outputs_keep_the_names_of_their_columns():
    tree = DecisionTreeRegressor(max_depth=6, random_state=0)
    y = pd.DataFrame(TWO, columns=["hours", "weight"])
    halves = X[TRAIN], y.iloc[TRAIN], X[TEST], y.iloc[TEST]
    options = {**QUICK, "n_references": 2, "slices": ["weight", "label_0"], "controls": False}
    report = audit(tree.fit(*halves[:2]), *halves, **options)
    assert report.info["outputs"] == ["hours", "weight"]
    assert re.search("They are called +hours, weight", str(report))
    first = report.most_exposed(1).iloc[0]
    assert f"hours {first['label_0']:.6g}, weight {first['label_1']:.6g}" in str(report)
    assert {"slice_weight", "slice_label_0"} <= set(report.records)


def test_nothing_is_drawn_within_classes(forest, labels):
    assert "stratified" not in {**forest.info, **labels.info}


def test_evidence_holds_no_true_value(forest, both, tmp_path):
    forest.save(tmp_path, records=False)
    kept = AuditReport.load(tmp_path)
    assert kept.info["target_test_mae"] == forest.info["target_test_mae"]
    assert kept.info["asked_for"] == "PredictionAccess()"
    texts = [path.read_text() for path in tmp_path.iterdir()]
    texts = [*texts, str(kept), forest.to_markdown(), both.to_markdown(), both.model_card()]
    shown = [text for value in TWO[:N].ravel() for text in (f"{value:.6g}", str(value))]
    assert [text for text in shown if any(text in whole for whole in texts)] == []


def test_the_quarters_of_a_slice_have_no_outer_ends(forest):
    groups = sorted(set(forest.metrics["slice"]) - {"all"})
    assert [name.partition("=")[2].split()[0][:4] for name in groups].count("over") == 1
    assert sum("=up to " in name for name in groups) == 1 and len(groups) == 4
    greatest = [f"{Y[:N].max():.{digits}f}" for digits in range(4)]
    assert not any(text in name for name in groups for text in greatest)


def test_many_outputs_are_not_all_listed():
    y = np.column_stack([Y + j * X[:, j] for j in range(6)])
    report = _audited(Ridge(), y, n_references=2, attacks="threshold")
    first = report.most_exposed(1).iloc[0]
    listed = ", ".join(f"{first[f'label_{j}']:.6g}" for j in range(4))
    assert f"{listed}, ..." in str(report)


def test_conditions_hold_on_regressors(forest):
    outcome = forest.check("auc <= 0.99", "threshold:tpr@0.1 <= 1", "accuracy <= 0.999")
    assert outcome.outcome == "pass"
    with pytest.raises(ValueError, match=r"unknown metric 'r2'.* not how good the model is"):
        forest.check("r2 <= 0.9")
    with pytest.raises(ValueError, match="the attack 'gap' is not part of this audit"):
        forest.check("gap:auc <= 0.9")


def test_records_that_stand_alone_are_reported():
    report = _audited(
        RandomForestRegressor(5, random_state=0), n_references=8, attacks=["threshold", "gmia"]
    )
    assert {"vulnerable", "expected_neighbors"} <= set(report.records)
    for test, said in ((10.4, "although the model generalises"), (11, "because they stand alone")):
        report.info |= {"target_train_mae": 10.0, "target_test_mae": test}
        assert f"Records at risk {said}" in str(report)


# -- Findings ------------------------------------------------------------------------------------


def test_the_gap_is_one_of_errors(forest, both):
    found, info = _finding(forest, "OVERFITTED"), forest.info
    said = [f"{info[f'target_{side}_mae']:.4g}" for side in ("train", "test")]
    assert found.title == (
        f"The model is off by {said[0]}, on average, on the training records audited and by "
        f"{said[1]} on the others"
    )
    assert found.severity == "warning"
    assert (
        "standard deviations of its outputs, on average, on" in _finding(both, "OVERFITTED").title
    )


def test_a_gap_in_units_is_the_same_in_others():
    kinds = [_audited(Ridge(), TWO * scale, n_references=2) for scale in ([1, 1], [1e3, 1e-3])]
    assert [_finding(report, "OVERFITTED") is None for report in kinds] in ([True] * 2, [False] * 2)


def test_a_model_that_learned_little_is_not_overfitted():
    assert _finding(_audited(Ridge(1e3)), "OVERFITTED") is None


def test_what_several_outputs_are_right_on_are_labels(labels):
    assert re.fullmatch(
        r"The model is right on [\d.]+ % of the labels of the training records audited and on "
        r"[\d.]+ % of those of the others",
        _finding(labels, "OVERFITTED").title,
    )


def test_exact_answers_are_said_to_be_exact():
    found = _finding(_audited(KNeighborsRegressor(1), X=X * 1e3), "SATURATED")
    assert found.title == "Models like this one answer their own training records exactly"
    assert "held against the true values, as residuals divided by" in found.explanation
    assert _finding(_audited(KNeighborsRegressor(3)), "SATURATED") is None


def test_swapped_tables_are_named():
    model = DecisionTreeRegressor(max_depth=8, random_state=0).fit(X[TEST], Y[TEST])
    report = _audited(DecisionTreeRegressor(max_depth=8), fitted=model, n_references=8)
    text = " ".join(finding.explanation for finding in report.findings if finding.qualifies)
    assert re.search(
        r"seem to be swapped: the model is off by [\d.]+, on average, on X_train", text
    )


def test_parameters_that_were_changed_are_named():
    model = DecisionTreeRegressor(random_state=0).fit(X[TRAIN], Y[TRAIN])
    report = _audited(model, fitted=model.set_params(max_depth=3), n_references=8)
    found = _finding(report, "REFERENCES_DIFFER")
    assert "were its parameters changed after it was fitted?" in found.title
    assert re.search(
        r"is off by 0 on average on its training records, and references by", str(found)
    )


def test_weights_that_were_not_given_are_named():
    weights = np.where(np.arange(len(TRAIN)) % 4 == 0, 50.0, 0.02)
    model = Ridge(1e-3).fit(X[TRAIN], Y[TRAIN], sample_weight=weights)
    report = _audited(Ridge(1e-3), fitted=model, n_references=8)
    found = _finding(report, "REFERENCES_DIFFER")
    assert found is not None and "sample_weight" in found.explanation


@pytest.mark.parametrize("factor", [1e3, -1.0])
def test_records_in_other_units_are_named(factor):
    model = Ridge(1e-3).fit(X[TRAIN] * factor, Y[TRAIN])
    report = _audited(Ridge(1e-3), fitted=model, n_references=8)
    found = _finding(report, "REFERENCES_DIFFER")
    assert found is not None and "of one class" not in found.explanation


def test_the_memoriser_counts_exact_answers():
    y = np.where(np.arange(N) % 3 == 0, 7.0, Y[:N])
    report = _audited(Ridge(), np.r_[y, Y[N:]], controls=True)
    row = report.controls.set_index("control").loc["memoriser"]
    right = float(re.search(r"a = ([\d.]+) being the share", row["note"])[1])
    nearest = KNeighborsRegressor(1).fit(X[TRAIN], y[TRAIN]).predict(X[TEST])
    assert right == pytest.approx((nearest == y[TEST]).mean(), abs=2e-3)


# -- The stacked attack --------------------------------------------------------------------------


def _heavy(seed, n, heavy=True):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 6))
    y = 2.2 * features[:, 0] + 1.2 * rng.normal(size=n)
    return features, np.exp(y) if heavy else y


@pytest.mark.parametrize("heavy", [True, False])
def test_predictions_are_read_where_tails_are_heavy(heavy):
    features, y = _heavy(1, 400, heavy)
    references = ReferenceModels(Ridge(), n_models=4, random_state=0)
    references.fit(features, np.column_stack([np.arange(400.0) % 7, y]))
    attack = StackedAttack(random_state=0).fit(*references.shadow_observations(random_state=0))
    read = {f"{kind}_{j}" for kind in ("target", "prediction") for j in (0, 1)}
    assert read & set(attack.feature_names_) == (read if heavy else set())


@pytest.mark.slow
def test_reading_them_helps(monkeypatch):
    gains = []
    for seed in range(6):
        features, y = _heavy(seed, 600)
        model = RandomForestRegressor(20, random_state=0).fit(features[:300], y[:300])
        references = ReferenceModels(model, n_models=8, random_state=seed).fit(features, y)
        seen = observe(model, features, y, references=references)
        shadow = references.shadow_observations(random_state=seed)
        aucs = []
        for limit in (0, np.inf):
            monkeypatch.setattr("mia_sklearn.attacks._stacked._HEAVY", limit)
            attack = StackedAttack(random_state=0).fit(*shadow)
            aucs.append(roc_auc(np.arange(600) < 300, attack.decision_function(seen)).value)
        gains.append(aucs[0] - aucs[1])
    assert np.mean(gains) > 0.002


def test_labels_of_several_outputs_are_no_remedy(labels):
    leak = next(f for f in labels.findings if f.code in ("SINGLED_OUT", "TELLS_APART"))
    assert "release labels" not in leak.remedy
    assert "release fewer digits; or train" in leak.remedy
