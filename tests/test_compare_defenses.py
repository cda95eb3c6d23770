"""Defenses side by side: the numbers, failures, and what an audit makes of them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn._models._describe import describe
from mia_sklearn._models._trainable import configured
from mia_sklearn.defenses import (
    PATE,
    LabelOnly,
    ModelStacking,
    TemperaturePosterior,
    TopKPosterior,
)
from mia_sklearn.plots import RiskUtilityDisplay
from mia_sklearn.selection import Audited, compare_defenses
from mia_sklearn.selection._compare import _rates
from mia_sklearn.selection._larger_leaves import with_larger_leaves
from mia_sklearn.selection._quality import calibration_error, quality

pytestmark = pytest.mark.usefixtures("few_rounds")


def _tree(**params):
    return DecisionTreeClassifier(random_state=0, **params)


@pytest.fixture(scope="module")
def records():
    return make_classification(400, 6, n_informative=4, flip_y=0.2, random_state=0)


@pytest.fixture(scope="module")
def halves(records):
    X, y = records
    return X[:200], y[:200], X[200:], y[200:]


# --- compare_defenses --------------------------------------------------------------------------


OPTIONS = {"n_references": 4, "attacks": ["threshold", "lira"], "random_state": 0}
QUIET = {**OPTIONS, "progress": False}
TIMES = ["fit_time", "fit_ratio", "predict_time", "predict_ratio"]


def test_a_defense_that_does_nothing_equals_no_defense(records):
    X, y = records
    forest = RandomForestClassifier(5)
    frame = compare_defenses(
        {"undefended": forest, "idle": TopKPosterior(forest, k=2), "audited": Audited(forest)},
        X,
        y,
        **QUIET,
    )
    numbers = frame.drop(columns=["defense", "parameters", "error", *TIMES])
    assert len(numbers.columns) == 6 + 2 * 4 * 3 + 1
    assert numbers.notna().sum(axis=1).gt(20).all()
    for row in (1, 2):
        pd.testing.assert_series_equal(
            numbers.iloc[0], numbers.iloc[row], check_names=False, check_exact=True
        )
    assert (frame[TIMES] > 0).all(axis=None)
    assert frame["fit_ratio"].iloc[0] == frame["predict_ratio"].iloc[0] == 1


def test_columns_and_what_is_said_beside_them(records):
    X, y = records
    frame = compare_defenses(_tree(), X, y, **QUIET)
    assert frame["defense"].tolist() == [
        *("undefended", "larger leaves", "rounded", "temperature", "MemGuard", "label only"),
        *("input noise", "distillation", "SELENA"),
    ]
    assert frame.columns[:2].tolist() == ["defense", "parameters"]
    assert frame.columns[-6:].tolist() == ["epsilon", *TIMES, "error"]
    for attack in ("threshold", "lira"):
        for rate in ("auc", "tpr@0.001", "tpr@0.01", "tpr@0.1"):
            assert {f"{attack}_{rate}{end}" for end in ("", "_low", "_high")} <= set(frame)
    assert frame.attrs["headline"] == "lira"
    assert frame.attrs["baseline"] == "undefended"
    assert (frame["error"] == "").all()
    assert (frame["epsilon"] >= 0).all()
    assert (
        frame["parameters"].iloc[5] == "LabelOnly(estimator=DecisionTreeClassifier(random_state=0))"
    )
    # A tree that is grown out is right on all that it was trained on.
    assert frame["train_score"].iloc[0] == 1
    assert frame["threshold_auc"].iloc[0] > 0.6
    assert (frame["test_score"].between(frame["test_score_low"], frame["test_score_high"])).all()


def test_numbers_are_those_of_the_audit(records):
    X, y = records
    options = {"X_test": X[200:], "y_test": y[200:], **QUIET}
    frame = compare_defenses({"tree": _tree(max_depth=3)}, X[:200], y[:200], **options)
    model = configured(_tree(max_depth=3), 0).fit(X[:200], y[:200])
    report = audit(
        model, X[:200], y[:200], X[200:], y[200:], controls=False, progress=False, **OPTIONS
    )
    for attack in ("threshold", "lira"):
        row = report.metrics.query("attack == @attack and metric == 'auc'").iloc[0]
        names = [f"{attack}_auc{end}" for end in ("", "_low", "_high")]
        assert frame[names].iloc[0].tolist() == row[["estimate", "low", "high"]].tolist()
    assert frame["test_score"].iloc[0] == model.score(X[200:], y[200:])
    expected = log_loss(y[200:], model.predict_proba(X[200:]))
    assert frame["log_loss"].iloc[0] == pytest.approx(expected)
    # Whether a split that is given is random is not known.
    assert np.isnan(frame["epsilon"].iloc[0])


def test_epsilon_is_that_of_the_headline(make_report):
    report = make_report()
    own = report.metrics.query("metric == 'epsilon' and attack == 'stacked'")["estimate"].item()
    report.metrics = report.metrics.iloc[::-1]
    assert report.metrics["attack"].iloc[-1] == "stacked"
    assert _rates(report)["epsilon"] == own


def test_the_same_seed_gives_the_same_frame(records):
    X, y = records
    models = {"forest": RandomForestClassifier(4), "tree": _tree(max_depth=3)}
    frames = [
        compare_defenses(models, X, y, **QUIET | {"random_state": seed, "n_jobs": n_jobs})
        for seed, n_jobs in ((0, 1), (0, 2), (1, 1))
    ]
    same = [frame.drop(columns=TIMES) for frame in frames]
    pd.testing.assert_frame_equal(same[0], same[1], check_exact=True)
    assert not same[0].equals(same[2])


class Failing(DecisionTreeClassifier):
    def fit(self, X, y, sample_weight=None):
        raise RuntimeError("the disk is full")


def test_a_defense_that_fails_takes_nothing_with_it(records):
    X, y = records
    models = [("tree", _tree()), ("broken", Failing()), ("label only", LabelOnly(_tree()))]
    with pytest.warns(UserWarning, match="'broken' is not compared. RuntimeError: the disk is"):
        frame = compare_defenses(models, X, y, **QUIET)
    assert frame["error"].tolist() == ["", "RuntimeError: the disk is full", ""]
    assert frame.attrs["lost"] == {"broken": "RuntimeError: the disk is full"}
    assert frame.copy().attrs["attacks"] == ["threshold", "lira"]
    display = RiskUtilityDisplay.from_comparison(frame)
    assert display.lost == ["broken"]
    assert "Not measured: broken" in [text.get_text() for text in display.ax_.texts]
    # Whoever drops the row keeps the word.
    kept = RiskUtilityDisplay.from_comparison(frame[frame["error"] == ""])
    assert kept.lost == ["broken"]
    numbers = frame.drop(columns=["defense", "parameters", "error"])
    assert numbers.iloc[1].isna().all()
    assert numbers.iloc[[0, 2]]["lira_auc"].notna().all()
    alone = compare_defenses(dict(models[::2]), X, y, **QUIET)
    assert alone["lira_auc"].tolist() == numbers["lira_auc"].iloc[[0, 2]].tolist()


def test_where_all_fail_there_is_an_error(records):
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="All models failed, the first"):
        compare_defenses({"broken": Failing()}, *records, **QUIET)


@pytest.mark.thorough
def test_strings_frames_and_classes_of_one():
    X, y = make_classification(300, 6, n_informative=4, n_classes=3, random_state=0)
    names = np.array(["north", "south", "west"], dtype=object)[y]
    frame = pd.DataFrame(X, columns=list("abcdef"))
    by_name = compare_defenses(_tree(max_depth=4), frame, names, **QUIET)
    by_number = compare_defenses(_tree(max_depth=4), X, y, **QUIET)
    assert by_name["defense"].tolist()[1:3] == ["larger leaves", "top-k"]
    assert "k=2" in by_name["parameters"].iloc[2]
    pd.testing.assert_frame_equal(
        by_name.drop(columns=TIMES), by_number.drop(columns=TIMES), check_exact=True
    )
    names[0] = "nowhere"
    only_once = compare_defenses(
        {"tree": _tree(max_depth=4)},
        frame,
        names,
        **QUIET | {"attacks": ["threshold"]},
        test_size=60,
    )
    assert only_once.attrs["n_test"] == 60


def test_weights_follow_their_records(records):
    X, y = records
    models = {"tree": _tree(max_depth=3)}
    weight = np.where(y == 0, 1e-9, 1.0)
    options = QUIET | {"fit_params": {"sample_weight": weight}}
    rows = train_test_split(np.arange(400), test_size=0.5, stratify=y, random_state=0)
    train, test = (np.sort(part) for part in rows)
    model = configured(_tree(max_depth=3), 0).fit(X[train], y[train], sample_weight=weight[train])
    found = compare_defenses(models, X, y, **options)
    assert found["test_score"].iloc[0] == model.score(X[test], y[test])
    assert found["lira_auc"].iloc[0] != compare_defenses(models, X, y, **QUIET)["lira_auc"].iloc[0]
    model.fit(X[:200], y[:200], sample_weight=weight[:200])
    given = compare_defenses(models, X[:200], y[:200], X_test=X[200:], y_test=y[200:], **options)
    assert given["test_score"].iloc[0] == model.score(X[200:], y[200:])


def test_times_are_relative_to_the_baseline(records):
    models = {"tree": _tree(), "forest": RandomForestClassifier(30)}
    frame = compare_defenses(models, *records, **QUIET, baseline="forest")
    assert frame.attrs["baseline"] == "forest"
    assert frame["fit_ratio"].tolist()[1] == 1
    assert frame["fit_ratio"].iloc[0] == frame["fit_time"].iloc[0] / frame["fit_time"].iloc[1]


def test_progress_is_on_standard_error(records, capsys):
    compare_defenses({"tree": _tree()}, *records, **OPTIONS)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "defenses" in shown.err
    compare_defenses({"tree": _tree()}, *records, **QUIET)
    assert capsys.readouterr().err == ""


def test_functions_that_train(records):
    def train(X, y, seed):
        return DecisionTreeClassifier(max_depth=3, random_state=seed).fit(X, y)

    frame = compare_defenses({"tree": _tree(max_depth=3), "function": train}, *records, **QUIET)
    assert (frame["error"] == "").all()


@pytest.mark.thorough
def test_networks(one_torch_thread):
    import torch
    from skorch import NeuralNetClassifier

    from nets import Dense

    X, y = make_classification(160, 20, n_informative=5, n_classes=3, random_state=0)
    net = NeuralNetClassifier(
        Dense, criterion=torch.nn.CrossEntropyLoss, max_epochs=2, train_split=None, verbose=0
    )
    models = {"net": net, "temperature": TemperaturePosterior(net, t=1.0)}
    names = np.array(["a", "b", "c"])[y]
    frames = [
        compare_defenses(models, X.astype(np.float32), names, **QUIET | {"n_references": 4})
        for _ in range(2)
    ]
    assert frames[0]["error"].tolist() == ["", ""]
    pd.testing.assert_frame_equal(*(frame.drop(columns=TIMES) for frame in frames))
    assert frames[0]["test_score"].iloc[0] == frames[0]["test_score"].iloc[1]


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ({}, {}, "models is empty"),
        ([_tree()], {}, r"list of \(name, estimator\) pairs"),
        ([("a", _tree()), ("a", _tree())], {}, "uses a name twice"),
        ({"a": DecisionTreeClassifier}, {}, r"models\['a'\]: estimator must be an instance"),
        ({"a": _tree(), "b": StandardScaler()}, {}, r"models\['b'\]: estimator must be a class"),
        (DecisionTreeClassifier, {}, "estimator must be an instance"),
        ({"a": ModelStacking(_tree())}, {}, r"models\['a'\]: estimators must be a list of"),
        ({"a": ModelStacking([("b", 3)])}, {}, "'b' is no classifier, got 3"),
        ({"a": ModelStacking([])}, {}, "estimators must be a list of"),
        ({"a": LabelOnly(None)}, {}, "estimator of LabelOnly must be a classifier, got NoneType"),
        ({"a": LabelOnly(KNeighborsClassifier)}, {}, r"got the class KNeighbors.*give KNeighborsC"),
        (
            {"a": LabelOnly(LabelOnly("x"))},
            {},
            "estimator of LabelOnly must be a classifier, got s",
        ),
        ({"a": PATE(None)}, {}, "estimator of PATE must be a classifier, got NoneType"),
        ({"a": _tree()}, {"baseline": "b"}, "baseline must be one of a, got 'b'"),
        ({"a": _tree()}, {"attacks": ["lyra"]}, "Unknown attack 'lyra'"),
        ({"a": _tree()}, {"n_references": 0}, "needs reference models"),
        ({"a": _tree()}, {"n_references": 1}, "n_references must be at least 2"),
        ({"a": _tree()}, {"release": "all"}, "release must be one of"),
        ({"a": _tree()}, {"test_size": 1.5}, "test_size=1.5 does not split the records"),
        ({"a": _tree()}, {"X_test": np.ones((2, 6))}, "X_test and y_test go together"),
        ({"a": KNeighborsClassifier()}, {"fit_params": {"w": 1}}, "w is to be passed to fit of K"),
    ],
)
def test_bad_comparisons_are_refused_before_training(models, options, message, records):
    with pytest.raises(ValueError, match=message):
        compare_defenses(models, *records, **QUIET | options)


# --- quality -------------------------------------------------------------------------------------


def test_calibration_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 20_000)
    right = rng.random(20_000) < confidence
    assert calibration_error(confidence, right) < 0.02
    assert calibration_error(np.minimum(confidence + 0.2, 1), right) > 0.1
    # All equally sure: one bin, however the records are ordered.
    certain = np.ones(300)
    right = np.arange(300) < 210
    assert calibration_error(certain, right) == pytest.approx(0.3)
    assert calibration_error(certain, right[::-1]) == pytest.approx(0.3)
    # Two bins by hand: |.6 - 1| and |.9 - 0|, half of the records each.
    assert calibration_error(
        np.array([0.6, 0.6, 0.9, 0.9]), np.array([1, 1, 0, 0]), bins=2
    ) == pytest.approx(0.65)


def test_quality_of_certain_errors():
    model = KNeighborsClassifier(1).fit([[0.0], [1.0]], ["a", "b"])
    found = quality(model, np.array([[0.0], [1.0]]), np.array(["a", "a"]), None, confidence=0.95)
    assert found["test_score"] == 0.5
    ends = found["test_score_low"], found["test_score_high"]
    assert ends == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert found["log_loss"] == pytest.approx(-np.log(np.finfo(float).eps) / 2)
    assert found["calibration_error"] == pytest.approx(0.5)
    unseen = quality(model, np.array([[0.0]]), np.array(["c"]), None, confidence=0.95)
    assert unseen["log_loss"] == pytest.approx(-np.log(np.finfo(float).eps))


# --- audit(comparison=) --------------------------------------------------------------------------


def _comparison(rows, **attrs):
    auc = f"{attrs.get('headline', 'stacked')}_auc"
    frame = pd.DataFrame(rows, columns=["defense", "test_score", auc, f"{auc}_low", f"{auc}_high"])
    frame["parameters"] = [f"{name}(tree)" for name in frame["defense"]]
    frame.attrs = {"headline": "stacked", "baseline": "none"} | attrs
    return frame


def _remedy(frame, halves):
    model = _tree(max_depth=3).fit(*halves[:2])
    report = audit(
        model,
        *halves,
        n_references=0,
        controls=False,
        progress=False,
        random_state=0,
        comparison=frame,
    )
    found = [finding for finding in report.findings if finding.code == "MEASURED_REMEDY"]
    return found[0] if found else None


NONE = ("none", 0.80, 0.70, 0.68, 0.72)


def test_the_best_remedy_is_named(halves):
    frame = _comparison(
        [
            NONE,
            ("weak", 0.80, 0.66, 0.64, 0.67),
            ("good", 0.78, 0.55, 0.53, 0.57),
            ("costly", 0.77, 0.50, 0.48, 0.52),
        ]
    )
    finding = _remedy(frame, halves)
    assert finding.severity == "info"
    assert finding.title == "Of 3 defenses measured, 'good' lowers the risk most"
    assert "from 0.700 (0.680 to 0.720) to 0.550 (0.530 to 0.570)" in finding.explanation
    assert "78.0 % in place of 80.0 %" in finding.explanation
    assert "good(tree)" in finding.remedy
    stored = frame.copy()
    stored.attrs = {}
    assert _remedy(stored, halves) == finding
    whole = f"Good({'parameter=0, ' * 20})"
    frame.loc[frame["defense"] == "good", "parameters"] = whole
    assert f"Train {whole} and" in _remedy(frame, halves).remedy
    frame.loc[frame["defense"] == "good", "parameters"] = f"Good({'parameter=0, ' * 200})"
    assert "Train it (Good, with the parameters of" in _remedy(frame, halves).remedy


def test_larger_leaves_are_tried_where_there_are_leaves():
    def leaves(model):
        params = with_larger_leaves(model).get_params()
        return {value for name, value in params.items() if name.endswith("min_samples_leaf")}

    forest = RandomForestClassifier(5)
    assert leaves(forest) == leaves(make_pipeline(StandardScaler(), forest)) == {10}
    assert forest.min_samples_leaf == 1
    assert leaves(RandomForestClassifier(min_samples_leaf=4)) == {20}
    assert leaves(RandomForestClassifier(min_samples_leaf=0.3)) == {0.5}
    assert leaves(VotingClassifier([("a", forest), ("b", KNeighborsClassifier())])) == {10}
    for other in (
        KNeighborsClassifier(),
        GridSearchCV(forest, {"min_samples_leaf": [1, 9]}),
        lambda X, y: None,
    ):
        assert with_larger_leaves(other) is None


def test_parameters_are_told_whole():
    parts = [(f"forest{k}", RandomForestClassifier(10 + k, max_depth=k + 1)) for k in range(20)]
    text = describe(make_pipeline(StandardScaler(), VotingClassifier(parts)))
    assert len(text) > 1000 and "..." not in text
    assert "max_depth=20" in text and "object at" not in describe(object())
    assert describe("x" * 20_000).endswith("x...")


def test_the_baseline_may_stand_anywhere_and_of_equal_risks_the_better_score_is_best(halves):
    rows = [("good", 0.79, 0.55, 0.53, 0.57), NONE, ("better", 0.81, 0.55, 0.53, 0.57)]
    finding = _remedy(_comparison(rows), halves)
    assert finding.title == "Of 2 defenses measured, 'better' lowers the risk most"
    assert "81.0 % in place of 80.0 %" in finding.explanation


def test_where_no_defense_helps_it_is_said(halves):
    frame = _comparison([NONE, ("weak", 0.8, 0.68, 0.66, 0.70), ("costly", 0.7, 0.5, 0.48, 0.52)])
    finding = _remedy(frame, halves)
    assert finding.title == "None of the 2 defenses measured is a remedy"
    assert "0.700 (0.680 to 0.720)" in finding.explanation


def test_intervals_must_part_whatever_the_estimates_say(halves):
    for none, good in [
        ((0.70, 0.60, 0.80), (0.62, 0.58, 0.65)),
        ((0.70, 0.65, 0.75), (0.62, 0.58, 0.66)),
    ]:
        frame = _comparison([("none", 0.8, *none), ("good", 0.8, *good)])
        assert _remedy(frame, halves).title == "None of the 1 defenses measured is a remedy"


@pytest.mark.parametrize("attack", ["lira", "threshold", "rmia"])
def test_a_weaker_attack_names_no_remedy(halves, attack):
    """It may be fooled by what only alters answers: the finding says so, stored or not."""
    rows = [NONE, ("temperature", 0.80, 0.55, 0.53, 0.57)]
    frame = _comparison(rows, headline=attack)
    stored = frame.copy()
    stored.attrs = {}
    for given in (frame, stored):
        finding = _remedy(given, halves)
        assert finding.title == f"The comparison cannot name a remedy: its attack was {attack!r}"
        assert "temperature" not in finding.explanation + finding.remedy
        assert 'attacks="auto"' in finding.remedy


def test_a_remedy_is_named_with_those_that_failed(halves):
    nan = [np.nan] * 4
    frame = _comparison([NONE, ("good", 0.8, 0.55, 0.53, 0.57), ("broken", *nan)])
    frame["error"] = ["", "", "RuntimeError: the disk is full"]
    finding = _remedy(frame, halves)
    assert finding.title == "Of 1 defenses measured, 'good' lowers the risk most"
    assert "they failed: broken (RuntimeError: the disk is full)." in finding.explanation
    gone = frame.iloc[:2].copy()
    gone.attrs = frame.attrs | {"lost": {"other": "ValueError: no"}}
    assert "they failed: other (ValueError: no)." in _remedy(gone, halves).explanation
    frame.attrs = gone.attrs
    both = "they failed: broken (RuntimeError: the disk is full); other (ValueError: no)."
    assert both in _remedy(frame, halves).explanation


def test_without_a_comparison_no_remedy_is_named(halves):
    assert _remedy(None, halves) is None


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("comparison.csv", "comparison must be a data frame, got str"),
        (pd.DataFrame({"defense": ["a"]}), "comparison lacks an AUC"),
        (_comparison([NONE]).drop(columns="test_score"), "comparison lacks 'test_score'"),
        (
            _comparison([NONE, NONE]).rename(columns={"stacked_auc": "lira_auc"}),
            "lacks 'stacked_auc'",
        ),
        (_comparison([NONE]), r"holds 1 model\(s\) with numbers"),
        (_comparison([("none", *[np.nan] * 4), NONE[:1] + NONE[1:]][:1]), "holds 0 model"),
        (
            _comparison([("none", *[np.nan] * 4), ("a", *NONE[1:]), ("b", *NONE[1:])]),
            "no numbers of its baseline 'none'",
        ),
    ],
)
def test_what_is_no_comparison_is_refused(frame, message, halves):
    with pytest.raises(ValueError, match=message):
        _remedy(frame, halves)


def test_from_comparison_to_finding(halves, records):
    X, y = records
    frame = compare_defenses(_tree(), X, y, **QUIET)
    assert _remedy(frame, halves) is not None


class Told(DecisionTreeClassifier):
    """A tree that is told again, beside each record, what its first feature is."""

    told: ClassVar[list] = []

    def fit(self, X, y, beside=None):
        first = X.to_numpy()[:, 0] if hasattr(X, "to_numpy") else X[:, 0]
        own = beside.to_numpy() if hasattr(beside, "to_numpy") else beside
        Told.told.append(np.array_equal(np.reshape(own, (len(first), -1))[:, 0], first))
        return super().fit(X, y)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("kind", ["frame", "series"])
@pytest.mark.parametrize("index", [None, "shuffled", "named"])
def test_values_beside_records_go_with_them(records, index, kind, given):
    X, y = records
    table, n = X, len(X)
    beside = pd.DataFrame({"first": X[:, 0], "word": [f"w{i}" for i in range(n)]})
    if index is not None:
        labels = np.random.default_rng(0).permutation(n)
        labels = labels if index == "shuffled" else [f"r{i}" for i in labels]
        table, beside = pd.DataFrame(X, index=labels), beside.set_axis(labels).sort_index()
    beside = beside if kind == "frame" else beside["first"]
    given = {"X_test": table[250:], "y_test": y[250:]} if given else {}
    Told.told.clear()
    frame = compare_defenses(
        {"tree": Told()},
        *((table[:250], y[:250]) if given else (table, y)),
        **given,
        fit_params={"beside": beside},
        **{**QUIET, "attacks": ["threshold"], "n_jobs": 1},
    )
    # Once for the model itself, once for each reference.
    assert len(Told.told) >= 5 and all(Told.told)
    assert (frame["error"] == "").all()


@pytest.mark.parametrize("max_records", [None, 100])
def test_frames_beside_records_of_an_audit_go_with_them(records, max_records):
    X, y = records
    table = pd.DataFrame(X, index=np.random.default_rng(0).permutation(len(X)))
    beside = pd.DataFrame({"first": X[:, 0], "word": "w"}, index=table.index).sort_index()
    model = Told().fit(table[:200], y[:200], beside.loc[table.index[:200]])
    Told.told.clear()
    audit(
        *(model, table[:200], y[:200], table[200:], y[200:]),
        fit_params={"beside": beside},
        max_records=max_records,
        **{**QUIET, "attacks": ["threshold"], "n_jobs": 1},
    )
    assert len(Told.told) >= 4 and all(Told.told)
