"""The cascade: references for one target, trained on what a first stage makes of its answers."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit, observe, observe_cascade
from mia_sklearn._observations._cascade import auc_on_references
from mia_sklearn.attacks import CascadeAttack, LiRAAttack, StackedAttack
from mia_sklearn.attacks._registry import run_by_default
from mia_sklearn.metrics import roc_auc
from mia_sklearn.references._for_target import assign_for_target, joined, train_more
from mia_sklearn.selection import membership_risk

pytestmark = pytest.mark.usefixtures("few_rounds")

TREE = DecisionTreeClassifier(random_state=0)
CONTROLS = ["references", "pipeline"]


def drawn(posterior, train_size, **options):
    options = {"n_models": 12, "entropy": 0, **options}
    return assign_for_target(np.asarray(posterior, dtype=float), train_size, **options)


@pytest.mark.parametrize(("n_models", "n_parts"), [(4, 2), (8, 2), (12, 3)])
def test_parts_take_turns(n_models, n_parts):
    parts = drawn(np.full(60, 0.5), 30, n_models=n_models)
    labelled = np.array([part.labelled.any(axis=0) for part in parts])
    assert len(parts) == n_parts and (labelled.sum(axis=0) == 1).all()
    for part, own in zip(parts, labelled, strict=True):
        assert own.sum() == 60 / n_parts
        assert part.n_models == 4 and (part.membership.sum(axis=1) == 30).all()
        assert (part.labelled == own).all()
        # Complementary within the part, so that every record is in half of its references.
        pairs = part.membership[:, own].reshape(2, 2, -1)
        assert (pairs.sum(axis=1) == 1).all()


def test_other_records_are_drawn_with_their_posterior():
    posterior = np.where(np.arange(4000) % 4 < 2, 0.9, 0.1)
    # As many of both in each half.
    for part in drawn(posterior, 2000, n_models=20, strata=posterior):
        beside = ~part.labelled.any(axis=0)
        share = part.membership[:, beside].mean(axis=0)
        for expected in (0.9, 0.1):
            chosen = posterior[beside] == expected
            assert share[chosen].mean() == pytest.approx(expected, abs=0.02)
        # Independently of one another: as many records are in all of the models as should be.
        always = (share == 1).mean()
        m = part.n_models
        assert always == pytest.approx((0.9**m + 0.1**m) / 2, abs=0.03)


def test_what_is_believed_of_a_record_does_not_decide_where_it_is_scored():
    fair, other = np.full(60, 0.5), np.full(60, 0.5)
    own = drawn(fair, 30)[0].labelled.any(axis=0)
    other[own] = np.linspace(0.01, 0.99, own.sum())
    plain, changed = drawn(fair, 30)[0], drawn(other, 30)[0]
    np.testing.assert_array_equal(plain.membership, changed.membership)


def test_log_odds_are_moved_alike_until_they_sum_up_to_the_size():
    posterior = np.where(np.arange(4000) % 2 == 0, 0.8, 0.2)
    shares: dict[float, list[float]] = {0.8: [], 0.2: []}
    for part in drawn(posterior, 1200, strata=posterior):
        beside = ~part.labelled.any(axis=0)
        for expected, found in shares.items():
            found.append(part.membership[:, beside & (posterior == expected)].mean())
    # Of log-odds moved by -1.245, whose probabilities are .3 on average.
    assert np.mean(shares[0.8]) == pytest.approx(0.535, abs=0.02)
    assert np.mean(shares[0.2]) == pytest.approx(0.067, abs=0.02)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_sets_have_the_targets_size_whatever_the_posterior_sums_up_to(share):
    for part in drawn(np.full(400, share), 300):
        assert part.membership.sum(axis=1).tolist() == [300] * part.n_models
        assert part.block_size == 4


def test_people_are_drawn_whole():
    people = np.repeat(np.arange(40), 5)
    for part in drawn(np.full(200, 0.5), 100, groups=people):
        for rows in (part.labelled, part.membership):
            assert (rows.reshape(len(rows), 40, 5).std(axis=2) == 0).all()
        assert abs(part.membership.sum(axis=1, dtype=int) - 100).max() <= 10


def test_classes_are_drawn_in_their_share():
    classes = (np.arange(200) < 20).astype(int)
    for part in drawn(np.full(200, 0.5), 100, strata=classes):
        assert abs(part.membership[:, classes == 1].sum(axis=1, dtype=int) - 10).max() <= 2


@pytest.fixture(scope="module")
def memorised():
    """Records without any pattern, of which some were learned by heart."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(160, 5)), rng.integers(2, size=160)
    return X, y, rng.permutation(160) < 80


def observed(X, y, target, *, first=None, n_models=8, **options):
    references = ReferenceModels(target, n_models=4, random_state=0).fit(X, y)
    first = clone(LiRAAttack() if first is None else first)
    first.fit(*references.shadow_observations(random_state=0))
    options = {"attack": first, "n_models": n_models, "random_state": 0, **options}
    return references, first, observe_cascade(target, X, y, references=references, **options)


def small():
    booster = HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5, random_state=0)
    return CascadeAttack(booster, random_state=0)


@pytest.fixture(scope="module")
def of_memorised(memorised):
    X, y, member = memorised
    return observed(X, y, TREE.fit(X[member], y[member]))


def test_what_memorises_is_found(memorised, of_memorised):
    seen = of_memorised[2]
    attack = small().fit(seen.shadow, seen.membership)
    assert attack.threat_model == "black-box" and "cascade_log_odds" in attack.feature_names_
    assert attack.score(seen.observations, memorised[2]) > 0.7


def test_the_first_stage_speaks_of_the_acting_model(memorised, of_memorised):
    X, y, _ = memorised
    references, first, seen = of_memorised
    alone = observe(TREE, X, y, references=references)
    np.testing.assert_allclose(
        seen.observations["cascade_log_odds"], first.decision_function(alone), rtol=1e-6
    )
    # One scale in both stages.
    np.testing.assert_array_equal(seen.observations["logit"], alone["logit"])
    assert seen.observations.index.tolist() == list(range(160))
    # Every record is learned from under each reference of its half, in half of which it is.
    assert len(seen.shadow) == 4 * 160 and seen.membership.mean() == 0.5
    assert seen.shadow.groupby("row").size().eq(4).all()
    told = roc_auc(seen.membership, seen.shadow["cascade_log_odds"])
    assert told.low > 0.5


@pytest.fixture(scope="module")
def of_stump(memorised):
    """What hardly depends on its records, so that a second stage has nothing to go by."""
    X, y, member = memorised
    stump = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X[member], y[member])
    return stump, *observed(X, y, stump)


def test_where_the_first_stage_finds_little_it_is_the_stacked_attack(memorised, of_stump):
    """With as many references, none of which was trained for the target."""
    stump, references, _, seen = of_stump
    assert seen.first_stage_auc < 0.6
    every = joined(references, train_more(references, *memorised[:2], n_models=8))
    assert (every.n_models_, every.block_.tolist()) == (12, np.repeat(range(6), 2).tolist())
    shadow, membership = every.shadow_observations(random_state=0)
    both = [small().fit(seen.shadow, seen.membership)]
    both.append(StackedAttack(both[0].estimator, random_state=0).fit(shadow, membership))
    alone = observe(stump, *memorised[:2], references=every)
    scores = [both[0].decision_function(seen.observations), both[1].decision_function(alone)]
    np.testing.assert_array_equal(*scores)


def test_a_second_stage_is_decided_by_references_alone(memorised, of_stump):
    X, y, member = memorised
    stump, references, first, plain = of_stump
    other = clone(stump).fit(X[~member], y[~member])
    options = {"references": references, "attack": first, "n_models": 4}
    again = observe_cascade(other, X, y, **options)
    assert again.first_stage_auc == plain.first_stage_auc
    assert plain.observations["cascade_log_odds"].isna().all()
    forced = observe_cascade(other, X, y, min_auc=0, **options)
    assert forced.first_stage_auc == plain.first_stage_auc
    assert forced.observations["cascade_log_odds"].notna().all()


def test_a_first_stage_that_finds_nothing_has_an_auc_of_a_half(memorised):
    """On records that it has not learned from, whatever it can learn by heart."""
    X, y, _ = memorised
    constant = ReferenceModels(DummyClassifier(), 4, random_state=0).fit(X, y)
    attack = StackedAttack(DecisionTreeClassifier(random_state=0), random_state=0)
    auc = auc_on_references(attack, constant, *constant.shadow_observations(random_state=0))
    assert auc == pytest.approx(0.5, abs=0.07)


def test_a_target_that_trained_elsewhere_gives_nothing(memorised):
    X, y, member = memorised
    rng = np.random.default_rng(1)
    target = clone(TREE).fit(rng.normal(size=(80, 5)), rng.integers(2, size=80))
    _, _, seen = observed(X, y, target)
    score = small().fit(seen.shadow, seen.membership).decision_function(seen.observations)
    found = roc_auc(member, score)
    assert found.low <= 0.5 <= found.high
    assert (np.abs(score) > np.log(19)).mean() < 0.1


@pytest.mark.slow
def test_nominal_rate_under_the_null():
    """Intervals hold .5 at their rate, and nobody is named for certain, in 100 runs."""
    inside, sure = 0, []
    for run in range(100):
        rng = np.random.default_rng(run)
        X, y = rng.normal(size=(300, 5)), rng.integers(2, size=300)
        tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=run)
        tree.fit(X[200:], y[200:])
        X, y, member = X[:200], y[:200], rng.permutation(200) < 100
        _, _, seen = observed(X, y, tree, n_models=12)
        attack = CascadeAttack(random_state=0).fit(seen.shadow, seen.membership)
        score = attack.decision_function(seen.observations)
        found = roc_auc(member, score)
        inside += found.low <= 0.5 <= found.high
        sure.append((score > np.log(19)).mean())
    assert inside >= 89
    assert np.mean(sure) < 0.05


@pytest.fixture(scope="module")
def halves(memorised):
    X, y, member = memorised
    return X[member], y[member], X[~member], y[~member]


def run(halves, **options):
    model = clone(options.pop("model", TREE)).fit(*halves[:2])
    options = {"attacks": ["stacked", "cascade"], "n_references": 4, "random_state": 0, **options}
    return audit(model, *halves, **{"controls": False, "progress": False, **options})


@pytest.fixture(scope="module")
def report(halves, few_rounds):
    return run(halves, controls=True)


def test_an_audit_says_that_it_is_another_attacker(report):
    assert report.info["headline"] == "stacked"
    assert (report.info["n_references"], report.info["n_references_for_target"]) == (4, 12)
    assert 0.5 < report.info["first_stage_auc"] <= 1
    row = report.coverage.set_index("attack").loc["cascade"]
    assert row["track"] == "cascade"
    assert "the whole training set lies among the audited records" in row["knowledge"]
    assert report.info["timings"]["cascade"] > 0


def test_p_values_are_those_of_references_that_do_not_know_the_target(report, halves):
    plain = run(halves, attacks=["stacked"])
    for column in ("stacked", "p_value"):
        np.testing.assert_array_equal(report.records[column], plain.records[column])


def test_it_makes_the_verdict_where_it_is_named_alone(report, halves):
    alone = run(halves, attacks="cascade", controls=True)
    assert alone.info["headline"] == "cascade"
    np.testing.assert_array_equal(alone.records["cascade"], report.records["cascade"])
    # Only the first stage's references know nothing of the target.
    assert (
        alone.controls.set_index("control").loc["references", "value"]
        == (report.controls.set_index("control").loc["references", "value"])
    )


def test_auto_does_not_run_it():
    answers = ["posteriors", "labels", "signal", "predictions", "weights"]
    assert "cascade" not in {info.name for info in run_by_default(answers)}


def test_an_audit_says_that_there_was_no_second_stage(halves):
    model = DecisionTreeClassifier(max_depth=1, random_state=0)
    report = run(halves, model=model, attacks=["lira", "cascade"])
    assert (report.info["n_references"], report.info["n_references_more"]) == (4, 12)
    assert report.info["first_stage_auc"] < 0.6 and "n_references_for_target" not in report.info


def test_references_of_the_second_stage_that_are_lost_are_named(halves):
    calls = []

    def train(X, y, seed):
        calls.append(seed)
        # The first of the second stage, and its second try.
        if len(calls) in (5, 6):
            raise RuntimeError("not today")
        return clone(TREE).fit(X, y)

    with pytest.warns(UserWarning, match="1 of 12 reference models of the second stage are left"):
        report = run(halves, attacks="cascade", estimator=train, controls=True)
    assert report.info["n_references"] + report.info["n_references_for_target"] == 15
    (finding,) = [one for one in report.findings if one.code == "LOST_REFERENCES"]
    assert finding.title == "1 of 16 reference models could not be trained"
    assert "of the 12 that the cascade adds model 0: RuntimeError: not today" in finding.explanation
    notes = report.controls.set_index("control")["note"]
    assert all("the headline attack's first stage" in notes[name] for name in CONTROLS)


def test_an_audit_that_was_stopped_resumes(halves, report, tmp_path, monkeypatch):
    import mia_sklearn._audit._cascade as stage

    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, "lay_cascade", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(halves, cache=tmp_path)
    kept = set(tmp_path.glob("*.npy"))
    again = run(halves, cache=tmp_path, n_jobs=2)
    assert set(tmp_path.glob("*.npy")) == kept and len(kept) == 18
    np.testing.assert_array_equal(again.records["cascade"], report.records["cascade"])


def _weights(halves):
    weights = np.linspace(0.5, 2, 160)
    return {"fit_params": {"sample_weight": weights}}


def _people(halves):
    return {"groups": np.repeat(np.arange(40), 4)}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(_weights, id="weights"),
        pytest.param(_people, id="people"),
        pytest.param(lambda _: {"max_records": 100}, id="core"),
        pytest.param(lambda _: {"release": "labels", "n_queries": 3}, id="labels"),
        pytest.param(lambda _: {"n_queries": 2}, id="copies"),
    ],
)
@pytest.mark.thorough
def test_it_goes_with(options, halves):
    report = run(halves, **options(halves))
    found = report.metrics.set_index(["attack", "metric"])["estimate"]
    assert found["cascade", "auc"] > 0.6
    assert report.info["n_references_for_target"] == 12


def test_it_is_refused_by_name_before_anything_is_trained(halves):
    with pytest.raises(ValueError, match="'cascade' needs reference models"):
        run(halves, attacks="cascade", n_references=0)
    with pytest.raises(ValueError, match="'cascade' trains references for one model"):
        membership_risk("auc", attack="cascade", n_references=4)


def _never(*_):
    raise AssertionError("was trained")


@pytest.mark.parametrize(
    ("fitted", "given", "message"),
    [
        ({"sampling": "bootstrap"}, {}, "drawn in blocks, got sampling='bootstrap'"),
        ({}, {"n_models": 1}, "n_models must be at least 2"),
        ({}, {"min_auc": 70}, "min_auc must be between 0 and 1, got 70"),
        ({}, {"core": 3}, "core holds 3 records, and the references were fitted with 0"),
        ({}, {"groups": np.arange(160)}, "groups must be those"),
        ({}, {"order": slice(None, None, -1)}, "all of them and in the same order"),
    ],
)
def test_other_records_are_refused(fitted, given, message, memorised):
    X, y, member = memorised
    references = ReferenceModels(LogisticRegression(), 2, random_state=0, **fitted).fit(X, y)
    references.estimator = _never
    target = KNeighborsClassifier(1).fit(X[member], y[member])
    order = given.pop("order", slice(None))
    if "core" in given:
        given["core"] = (X[: given["core"]], y[: given["core"]])
    first = LiRAAttack().fit(*references.shadow_observations(random_state=0))
    with pytest.raises(ValueError, match=message):
        observe_cascade(target, X[order], y[order], references=references, attack=first, **given)


def test_a_population_is_refused(memorised):
    X, y, member = memorised
    references = ReferenceModels(LogisticRegression(), 2, random_state=0)
    references.fit(X[:60], y[:60], population=(X[60:], y[60:]))
    target = KNeighborsClassifier(1).fit(X[member], y[member])
    with pytest.raises(ValueError, match="trained on the pool itself, not on a population"):
        observe_cascade(target, X[:60], y[:60], references=references)
