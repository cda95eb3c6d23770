"""Audits whose outcome is known beforehand, and what they must say about it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

import mia_sklearn._audit._controls
import mia_sklearn.references._answered
from mia_sklearn import audit
from mia_sklearn._audit._findings import _of_references
from mia_sklearn._observations._shadow import shadow_observations
from mia_sklearn.attacks import ThresholdAttack

AUTO = ["threshold", "shadow", "lira", "rmia", "stacked"]
TREE = DecisionTreeClassifier(random_state=0)
FOREST = RandomForestClassifier(10, random_state=0)


def records(n, n_classes=3, flip_y=0.2, seed=0):
    return make_classification(
        n, 6, n_informative=4, n_classes=n_classes, flip_y=flip_y, random_state=seed
    )


def run(model, train, test, **options):
    options = {"n_references": 4, "n_jobs": 1, "random_state": 0, "split": "random"} | options
    return audit(model, *train, *test, progress=False, **options)


def halves(X, y):
    half = len(y) // 2
    return (X[:half], y[:half]), (X[half:], y[half:])


def rows(report, metric, attack=None):
    own = report.metrics.query("metric == @metric and slice == 'all'").set_index("attack")
    return own if attack is None else own.loc[attack]


def codes(report):
    return {finding.code for finding in report.findings}


def control(report, name):
    return report.controls.set_index("control").loc[name]


# -- Memorising, and nothing at all ----------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3, 30])
@pytest.mark.parametrize("n_references", [0, 4])
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
def test_loss_threshold_on_a_nearest_neighbour(n_classes, n_references):
    X, y = records(600)
    if n_classes != 3:  # Labels at random, of which nothing but the members can be known.
        y = np.random.default_rng(0).integers(n_classes, size=600)
    train, test = halves(X, y)
    model = KNeighborsClassifier(1).fit(*train)
    attack = ThresholdAttack("loss")
    report = run(model, train, test, attacks=[("loss", attack)], n_references=n_references)
    auc = rows(report, "auc", "loss")
    expected = 1 - model.score(*test) / 2
    assert auc["estimate"] == pytest.approx(expected, abs=1e-12)
    assert auc["low"] <= expected <= auc["high"]
    if n_classes == 30:
        assert auc["low"] > 0.95
    # The memoriser stands on the same neighbour, in units of standard deviations.
    assert control(report, "memoriser")["value"] == pytest.approx(expected, abs=0.03)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("model", "seed"),
    [
        pytest.param(model, seed, marks=() if seed == always else pytest.mark.slow)
        for always, model in enumerate([FOREST, KNeighborsClassifier(1)])
        for seed in range(3)
    ],
)
def test_nothing_is_found_on_a_target_fitted_on_other_data(model, seed):
    X, y = records(900, seed=seed)
    attacks = [*AUTO, "gap", "stacked-pool"]
    report = run(
        model.fit(X[600:], y[600:]),
        *halves(X[:600], y[:600]),
        attacks=attacks,
        random_state=seed,
        confidence=0.999,  # Of 6 times 7 intervals at 0.95, two would miss.
        controls=False,
    )
    auc = rows(report, "auc")
    assert list(auc.index) == attacks
    assert (auc["low"] <= 0.5).all()
    assert (auc["high"] >= 0.5).all()
    tpr = rows(report, "tpr")
    assert (tpr["low"].fillna(0) <= tpr["at"]).all()
    assert (rows(report, "advantage")["low"] <= 0).all()
    assert (rows(report, "epsilon")["low"] == 0).all()
    assert "NOT_SHOWN" in codes(report)
    assert "EXPOSED_RECORDS" not in codes(report)
    assert report.check("auc > 0.55").outcome != "pass"


@pytest.mark.parametrize("model", [FOREST, GaussianNB()])
def test_p_values_of_non_members_are_uniform(model):
    p_values = []
    for seed in range(4):
        train, test = halves(*records(600, seed=seed))
        options = {"attacks": "threshold", "controls": False, "n_references": 8}
        report = run(model.fit(*train), train, test, random_state=seed, **options)
        p_values.append(report.records.query("member == 0")["p_value"])
    p_values = np.concatenate(p_values)
    assert (p_values <= 0.01).mean() <= 0.02
    assert (p_values <= 0.05).mean() <= 0.08
    assert 0.4 <= (p_values <= 0.5).mean() <= 0.6


def test_every_attack_finds_a_forest_that_memorises():
    train, test = halves(*records(600, flip_y=0.4))
    report = run(FOREST.fit(*train), train, test, n_references=8, controls=False)
    assert (rows(report, "auc")["low"] > 0.6).all()
    assert rows(report, "epsilon", "stacked")["low"] > 0
    assert report.check("auc > 0.6").outcome == "pass"


# -- The audit's own soundness ---------------------------------------------------------------


def leaking_shadow_observations(references, **options):
    """Leave the acting reference's complement where it would be: it tells the answer."""
    observations, membership = shadow_observations(references, **options)
    values = observations.to_numpy(copy=True)
    models, rows = (observations.index.get_level_values(k) for k in ("model", "row"))
    complement = references.phi()[models ^ 1, rows]
    for block in range(references.n_blocks_):
        for side, chosen in (("out", membership == 1), ("in", membership == 0)):
            place = observations.columns.get_loc(f"{side}_{block}")
            here = chosen & (models // 2 == block)
            values[here, place] = complement[here]
    observations[:] = values
    return observations, membership


@pytest.mark.thorough
@pytest.mark.parametrize("n_references", [4, pytest.param(6, marks=pytest.mark.slow)])
def test_leaking_shadow_observations_fail_the_pipeline_control(monkeypatch, n_references):
    train, test = halves(*records(600))
    model = FOREST.fit(*train)
    sound = run(model, train, test, n_references=n_references)
    for module in (mia_sklearn.references._answered, mia_sklearn._audit._controls):
        monkeypatch.setattr(module, "shadow_observations", leaking_shadow_observations)
    leaking = run(model, train, test, n_references=n_references)
    assert control(sound, "pipeline")["passed"]
    assert "PIPELINE_CONTROL" not in codes(sound)
    assert not control(leaking, "pipeline")["passed"]
    assert "PIPELINE_CONTROL" in codes(leaking)
    # The shift control looks elsewhere: it cannot see this.
    assert control(leaking, "shift")["passed"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("model", "n_members"),
    [
        (FOREST, 150),
        (GaussianNB(), 225),
        pytest.param(FOREST, 225, marks=pytest.mark.slow),
        pytest.param(GaussianNB(), 150, marks=pytest.mark.slow),
    ],
)
def test_sound_audits_pass_their_controls(model, n_members):
    X, y = records(300, seed=1)
    train, test = (X[:n_members], y[:n_members]), (X[n_members:], y[n_members:])
    report = run(model.fit(*train), train, test)
    assert report.controls["passed"].dropna().tolist() == [True] * 3


def shifted(X, y):
    train, (X_test, y_test) = halves(X, y)
    return train, (X_test + 0.5, y_test)


def test_shifted_test_records_are_noticed_and_withhold_epsilon():
    X, y = records(600)
    report = run(FOREST.fit(*halves(X, y)[0]), *shifted(X, y))
    assert control(report, "shift")["low"] > 0.5
    assert not control(report, "shift")["passed"]
    assert {"SHIFT"} <= codes(report)
    epsilon = rows(report, "epsilon")
    assert epsilon[["estimate", "low", "high"]].isna().all(axis=None)
    assert epsilon["note"].str.contains("told apart without the model").all()


@pytest.mark.parametrize(
    ("split", "reason"), [(None, 'say split="random"'), ("other", "this split is not")]
)
def test_epsilon_needs_a_random_split(split, reason):
    train, test = halves(*records(200))
    report = run(TREE.fit(*train), train, test, split=split, attacks="threshold")
    epsilon = rows(report, "epsilon", "threshold")
    assert np.isnan(epsilon["estimate"])
    assert reason in epsilon["note"]


def test_saturated_answers_choose_one_smoothing_from_references_alone():
    train, test = halves(*records(300))
    options = {"controls": False, "attacks": "lira"}
    votes = run(TREE.fit(*train), train, test, **options)
    smooth = run(GaussianNB().fit(*train), train, test, estimator=TREE, **options)
    assert votes.info["smoothing"] == smooth.info["smoothing"] == 0.03
    assert "0.03" in next(f.explanation for f in votes.findings if f.code == "SATURATED")


# -- Findings: each code where it belongs, and not where it does not -------------------------


def leaking(**options):
    train, test = halves(*records(400))
    return run(FOREST.fit(*train), train, test, **options)


def singling():
    # At fewer than 403 non-members nothing can be said of 1 % false alarms.
    train, test = halves(*records(1000, flip_y=0.4))
    options = {"attacks": "lira", "n_references": 8, "controls": False}
    return run(FOREST.fit(*train), train, test, **options)


def quiet(**options):
    train, test = halves(*records(400))
    return run(DummyClassifier(strategy="uniform").fit(*train), train, test, **options)


def weakly_leaking():
    train, test = halves(*records(400))
    model = LogisticRegression().fit(*train)
    return run(model, train, test, n_references=8, controls=False)


def exposing():
    # Records that lie among those of the other class: only who saw them answers their label.
    X, y = records(400, n_classes=2, flip_y=0)
    y[:20] = 1 - y[:20]
    train, test = halves(X, y)
    model = KNeighborsClassifier(1).fit(*train)
    return run(model, train, test, n_references=16, controls=False)


def shifted_labels():
    """Test labels are noise, so that references too answer otherwise on test records."""
    (X, y), (X_test, y_test) = halves(*records(400, flip_y=0))
    y_test = np.random.default_rng(0).permutation(y_test)
    attacks = [ThresholdAttack("loss")]
    model = LogisticRegression().fit(X, y)
    return run(model, (X, y), (X_test, y_test), attacks=attacks)


def overlapping():
    (X, y), (X_test, y_test) = halves(*records(200))
    test = np.vstack([X_test, X[:7]]), np.append(y_test, y[:7])
    return run(TREE.fit(X, y), (X, y), test, attacks="threshold", controls=False)


def repeating():
    (X, y), test = halves(*records(200))
    train = np.vstack([X, X[:7]]), np.append(y, y[:7])
    return run(TREE.fit(*train), train, test, attacks="threshold", controls=False)


def trained_otherwise():
    train, test = halves(*records(400))
    stump = DecisionTreeClassifier(max_depth=1)
    options = {"estimator": stump, "n_references": 8, "controls": False}
    return run(FOREST.fit(*train), train, test, **options)


def many_records():
    train, test = halves(*records(2 * 4200))
    model = DummyClassifier().fit(*train)
    return run(model, train, test, attacks="threshold", controls=False)


def many_references():
    # A list of 1 of 20 members at a false-discovery rate of 0.1 needs 200 that did not train on
    # each; the test asks for less than that, not to train 400.
    train, test = halves(*records(40, n_classes=2))
    options = {"n_references": 60, "attacks": "threshold", "controls": False}
    return run(DummyClassifier().fit(*train), train, test, **options)


def part_of_the_records():
    return leaking(max_records=300, attacks="threshold", controls=False)


def of_a_search():
    train, test = halves(*records(200))
    search = GridSearchCV(TREE, {"max_depth": [3, 9]}, cv=2).fit(*train)
    return run(search, train, test, attacks="threshold", controls=False)


def without_references():
    return leaking(n_references=0)


FINDINGS = {
    # code: (audits that must report it, audits that must not)
    "SINGLED_OUT": ([singling], [quiet, weakly_leaking, leaking]),
    "TELLS_APART": ([weakly_leaking, leaking], [quiet, singling]),
    "NOT_SHOWN": ([quiet], [leaking, weakly_leaking]),
    "EXPOSED_RECORDS": ([exposing], [quiet]),
    "OVERFITTED": ([leaking], [quiet]),
    "SHIFT": ([], [leaking, quiet]),
    "REFERENCE_CONTROL": ([shifted_labels], [leaking, quiet]),
    "OVERLAP": ([overlapping], [leaking, repeating]),
    "DUPLICATES": ([repeating], [leaking, overlapping]),
    "REFERENCES_DIFFER": ([trained_otherwise], [leaking, quiet]),
    "SATURATED": ([leaking], [quiet]),
    "TOO_FEW_RECORDS": ([leaking], [many_records]),
    "FEW_REFERENCES": ([leaking], [many_references]),
    "UNAUDITED_MEMBERS": ([part_of_the_records], [leaking]),
    "UNUSED_NONMEMBERS": ([part_of_the_records], [leaking]),
    "SEARCH": ([of_a_search], [leaking]),
    "NO_REFERENCES": ([without_references], [leaking]),
}


@pytest.fixture(scope="module")
def found():
    """The codes that an audit reports; each is made once."""
    made = {}

    def of(make):
        if make not in made:
            with pytest.MonkeyPatch.context() as patch:
                if make is many_references:
                    patch.setattr(_of_references, "LISTED_AT", 0.8)
                made[make] = codes(make())
        return made[make]

    return of


@pytest.mark.parametrize("code", FINDINGS)
def test_findings_are_where_they_belong(found, code):
    present, absent = FINDINGS[code]
    assert all(code in found(make) for make in present)
    assert not any(code in found(make) for make in absent)


@pytest.mark.parametrize(("flips", "severity"), [(30, "warning"), (9, "info")])
def test_severity_of_overfitting_follows_the_gap(flips, severity):
    """A model that is right on all training records, and wrong on some others."""
    (X, y), (X_test, _) = halves(*records(1000, n_classes=2))
    model = KNeighborsClassifier(1).fit(X, y)
    y_test = model.predict(X_test)
    y_test[: 5 * flips] = 1 - y_test[: 5 * flips]
    test = X_test, y_test
    options = {"attacks": "threshold", "n_references": 0, "controls": False}
    report = run(model, (X, y), test, **options)
    finding = next(f for f in report.findings if f.code == "OVERFITTED")
    assert report.info["target_test_accuracy"] == 1 - 5 * flips / 500
    assert finding.severity == severity


def test_findings_say_what_it_means_and_what_to_do(found):
    for finding in leaking(attacks="threshold").findings:
        assert finding.severity in ("info", "warning", "serious")
        assert len(finding.explanation) > 40
        assert finding.remedy
