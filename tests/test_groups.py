"""People with several rows: drawn together, scored together, counted once."""

import importlib.util
from decimal import Decimal
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from scipy.stats import binom
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, ReferenceModels, audit, observe
from mia_sklearn._records._groups import Grouping, cut_nearest, group_codes
from mia_sklearn.attacks import GradientNormAttack, GroupAttack, LiRAAttack, ThresholdAttack
from mia_sklearn.cli import main
from mia_sklearn.metrics import roc_auc
from mia_sklearn.references._sampling import assign
from mia_sklearn.report._html import render_html

pytestmark = pytest.mark.usefixtures("few_rounds")

ROWS = 5
BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "people.py"


def people(seed, n=100, rows=ROWS, alike=0.9):
    """Draw people whose rows resemble one another, in features and label."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), rows)
    centre = rng.normal(size=(n, 4))
    X = np.sqrt(alike) * centre[who] + np.sqrt(1 - alike) * rng.normal(size=(len(who), 4))
    y = (centre[:, 0] + rng.normal(size=n) > 0).astype(int)[who]
    return X, y, who


def half_of(who, seed):
    everyone = np.unique(who)
    return np.isin(who, np.random.default_rng([seed, 1]).permutation(everyone)[::2])


# --- who trains on what ---------------------------------------------------------------------


@pytest.mark.parametrize("sampling", ["block", "bootstrap", "disjoint"])
@pytest.mark.parametrize("train_size", [None, 0.25, 0.6])
def test_people_are_in_or_out_with_all_rows(sampling, train_size):
    if sampling == "disjoint" and train_size == 0.6:
        pytest.skip("training and test set would not both fit")
    who = np.random.default_rng(0).permutation(np.repeat(np.arange(80), np.arange(80) % 7 + 1))
    drawn = assign(sampling, len(who), train_size, 0, n_models=6, entropy=3, groups=who)
    grouping = Grouping(who)
    for table in (drawn.membership, drawn.labelled):
        assert not grouping.mixed(table.T).any()
    asked = len(who) * (train_size or 0.5)
    sizes = drawn.membership.sum(axis=1)
    # Cut at the nearest person: half of the largest one, at either end.
    assert np.all(np.abs(sizes - asked) <= 7 + 0.05 * asked)
    assert drawn.train_size == round(sizes.mean())
    if sampling == "block":
        for block in range(drawn.block.max() + 1):
            own = drawn.block == block
            trained = (drawn.membership[own] == 1) | ~drawn.labelled[own]
            apart = ~trained if drawn.holdout == "out" else trained
            assert np.all(apart.sum(axis=0) == 1)


@pytest.mark.parametrize("sampling", ["block", "bootstrap", "disjoint"])
def test_people_with_one_row_each_are_drawn_like_records(sampling):
    plain = assign(sampling, 90, 0.3, 0, n_models=6, entropy=5)
    grouped = assign(sampling, 90, 0.3, 0, n_models=6, entropy=5, groups=np.arange(90))
    assert np.array_equal(plain.membership, grouped.membership)
    assert np.array_equal(plain.labelled, grouped.labelled)


def test_one_person_with_most_rows_is_refused():
    who = np.repeat([0, 1, 2], [10, 10, 60])
    with pytest.raises(ValueError, match="the largest group holds 60 of 80 records, more than"):
        assign("block", 80, None, 0, n_models=2, entropy=0, groups=who)


@pytest.fixture(scope="module")
def grouped():
    X, y, who = people(0, 60)
    names = np.array([f"p{code:02}" for code in who])
    references = ReferenceModels(DecisionTreeClassifier(max_depth=5), 4, random_state=0)
    return X, y, names, references.fit(X, y, groups=names)


def test_references_know_the_groups(grouped):
    X, _, names, references = grouped
    assert np.array_equal(references.group_names_[references.groups_], names)
    assert not Grouping(references.groups_).mixed(references.membership_.T).any()
    assert ReferenceModels(DecisionTreeClassifier(), 2).fit(X, names).groups_ is None


def test_population_and_core_share_no_one_with_the_pool():
    X, y, who = people(0, 30)
    references = ReferenceModels(DecisionTreeClassifier(), 2, train_size=60, random_state=0)
    parts = {"population": (X[50:120], y[50:120]), "core": (X[120:], y[120:])}
    references.fit(X[:50], y[:50], groups=who, **parts)
    assert references.groups_.tolist() == who[:120].tolist()
    assert not references.membership_[:, :50].any()
    assert not Grouping(who[50:120]).mixed(references.membership_[:, 50:].T).any()
    message = "groups: 9 in the pool and population must be in one of them only"
    with pytest.raises(ValueError, match=message):
        references.fit(X[:50], y[:50], groups=np.where(who == 10, 9, who), **parts)
    with pytest.raises(ValueError, match="groups: 3, 4 in the core and elsewhere must be in one"):
        moved = np.where(who == 29, 3, np.where(who == 28, 4, who))
        references.fit(X[:50], y[:50], groups=moved, **parts)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.arange(299), r"shape \(299,\); expected one value per record of the pool: 300 values"),
        (np.zeros((300, 1)), r"shape \(300, 1\)"),
        ([None, *"ab" * 149, "a"], "no value for record 0 .1 are missing"),
        (np.append(np.arange(299.0), np.nan), "no value for record 299"),
        (pd.Series(np.zeros(300)), "the largest group holds 300 of 300"),
    ],
)
def test_wrong_groups_are_refused_before_anything_is_trained(groups, message):
    class Untrainable(DecisionTreeClassifier):
        def fit(self, X, y):
            raise AssertionError("trained")

    X, y, _ = people(0, 60)
    with pytest.raises(ValueError, match=message):
        ReferenceModels(Untrainable(), 2).fit(X, y, groups=groups)


def test_generators_have_people_too():
    X, _, who = people(0, 40)
    references = ReferenceModels(KernelDensity(), 2, random_state=0).fit(X, groups=who)
    shadow, member = references.shadow_observations()
    assert {"group", "acting"} <= set(shadow)
    assert not Grouping(who).mixed(references.membership_.T).any()
    attack = GroupAttack(LiRAAttack(), random_state=0).fit(shadow, member)
    assert attack.decision_function(shadow).shape == (len(shadow),)


# --- observations ---------------------------------------------------------------------------


def test_observations_say_whose_they_are(grouped):
    X, y, names, references = grouped
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    seen = observe(tree, X, y, references=references)
    assert np.array_equal(references.group_names_[seen["group"].astype(int)], names)
    assert (seen["acting"] == -1).all()
    pd.testing.assert_frame_equal(seen, observe(tree, X, y, references=references, groups=names))
    alone = observe(tree, X, y, groups=names)
    assert alone["group"].tolist() == seen["group"].tolist()
    inside = observe(LogisticRegression().fit(X, y), X, y, groups=names, view="white-box")
    assert {"group", "grad_norm"} <= set(inside)


def test_shadow_observations_hold_whole_people(grouped):
    references = grouped[-1]
    shadow, member = references.shadow_observations(max_rows=203, random_state=0)
    assert len(shadow) == 200
    assert (shadow["acting"] == shadow.index.get_level_values("model")).all()
    once = shadow.assign(member=member).groupby(["acting", "group"])["member"]
    assert (once.size() == ROWS).all()
    assert (once.nunique() == 1).all()


def test_identical_rows_of_two_people_are_told_apart():
    X, y, who = people(0, 20)
    X[5:10], y[5:10] = X[:5], y[:5]
    references = ReferenceModels(DecisionTreeClassifier(), 2, random_state=0).fit(X, y, groups=who)
    tree = DecisionTreeClassifier().fit(X, y)
    seen = observe(tree, X[5:10], y[5:10], references=references, groups=who[5:10])
    assert seen.index.tolist() == [5, 6, 7, 8, 9]
    assert (seen["group"] == 1).all()


def test_groups_that_do_not_fit_the_references_are_refused(grouped):
    X, y, names, references = grouped
    tree = DecisionTreeClassifier().fit(X, y)
    with pytest.raises(ValueError, match="holds 'anna', which the references were not fitted"):
        observe(tree, X[:1], y[:1], references=references, groups=["anna"])
    with pytest.raises(ValueError, match=r"Record 0 of X \(with its label and group\) is not in"):
        observe(tree, X[:1], y[:1], references=references, groups=["p07"])
    with pytest.raises(ValueError, match="expected one value per record of X: 300 values"):
        observe(tree, X, y, groups=names[1:])
    plain = ReferenceModels(DecisionTreeClassifier(), 2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="drawn record by record"):
        observe(tree, X, y, references=plain, groups=names)


# --- the attack on people -------------------------------------------------------------------


def simulated(seed=0, n=400, rows=ROWS, gap=1.0):
    """Draw signals of known laws: N(0, 1) in and out, members `gap` higher."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), rows)
    member = who % 2
    table = pd.DataFrame(rng.normal(size=(n * rows, 8))).add_prefix("out_")
    table = table.assign(logit=rng.normal(size=n * rows) + gap * member, group=who)
    return table, member


@pytest.mark.parametrize("aggregate", ["sum", "learned", "mean"])
def test_auc_of_people_is_that_of_the_sum(aggregate):
    table, member = simulated(gap=0.7)
    attack = GroupAttack(ThresholdAttack(), aggregate=aggregate, random_state=0)
    score = attack.fit(table, member).decision_function(table)
    assert not Grouping(table["group"].to_numpy()).mixed(score).any()
    # Means of 5 normal rows: Phi(.7 sqrt(5) / sqrt(2)) = .866; a row: Phi(.7 / sqrt(2)) = .690.
    people_auc = roc_auc(member[::ROWS], score[::ROWS], confidence=0.999)
    assert people_auc.low < 0.866 < people_auc.high
    assert people_auc.low > 0.75
    known, rate = score[::ROWS], member[::ROWS]
    # Log-odds: among those that score about 0, half are members.
    near = np.abs(known) < 0.5
    assert 0.35 < rate[near].mean() < 0.65


def test_sum_is_the_sum_of_the_rows():
    table, member = simulated(n=60)
    alone = LiRAAttack().fit(table, member)
    each = alone.decision_function(table) - logit(member.mean())
    attack = GroupAttack(LiRAAttack(), clip=1.5, random_state=0).fit(table, member)
    expected = Grouping(table["group"].to_numpy()).sum(np.clip(each, -1.5, 1.5))
    order = np.argsort(expected)
    score = attack.decision_function(table)[::ROWS]
    assert np.array_equal(np.argsort(score), order)
    slope = np.diff(score[order]) / np.diff(expected[order])
    np.testing.assert_allclose(slope, slope[0], rtol=1e-5)


def test_people_without_columns_have_one_row_each():
    table, member = simulated(n=80)
    alone = LiRAAttack().fit(table.drop(columns="group"), member)
    attack = GroupAttack(LiRAAttack(), clip=np.inf, random_state=0)
    attack.fit(table.drop(columns="group"), member)
    rows = table.drop(columns="group")
    order = np.argsort(alone.decision_function(rows))
    assert np.array_equal(np.argsort(attack.decision_function(rows)), order)


def test_a_person_under_two_models_is_two_answers():
    table, member = simulated(n=40)
    other = table.assign(acting=1, logit=table["logit"] + 0.5 - member)
    both = pd.concat([table.assign(acting=0), other])
    attack = GroupAttack(ThresholdAttack(), random_state=0)
    score = attack.fit(both, np.append(member, 1 - member)).decision_function(both)
    answers = Grouping(both["group"].to_numpy() * 2 + both["acting"].to_numpy())
    assert not answers.mixed(score).any()
    assert len(np.unique(score)) == 80


def test_scores_in_sample_do_not_mislead():
    """What an attack knows by heart of the people of `fit` does not alter what others get."""

    class Rote(ThresholdAttack):
        def _fit(self, table, member):
            super()._fit(table, member)
            signs = np.where(member, 10.0, -10.0)
            self._known = dict(zip(table.column("logit").tolist(), signs, strict=True))

        def _score(self, table):
            known = [self._known.get(value, 0.0) for value in table.column("logit").tolist()]
            return super()._score(table) + known

    attack = GroupAttack(Rote("loss"), random_state=0).fit(*simulated(seed=0))
    table, member = simulated(seed=1)
    score = attack.decision_function(table)
    # The log-likelihood ratio of 5 rows is 2.5 on average for members, -2.5 for others. Read off
    # the scores in sample it would come out as a fifth of that.
    assert 1.5 < score[member == 1].mean() < 4.5
    assert -4.5 < score[member == 0].mean() < -1.5


def test_same_seed_same_people(grouped):
    X, y, _, references = grouped
    seen = observe(DecisionTreeClassifier(random_state=0).fit(X, y), X, y, references=references)
    shadow = references.shadow_observations(random_state=0)
    one, two = (
        GroupAttack(LiRAAttack(), aggregate="learned", random_state=3).fit(*shadow) for _ in "ab"
    )
    assert np.array_equal(one.decision_function(seen), two.decision_function(seen))


def test_people_in_part_are_refused():
    table, member = simulated(n=20)
    member[7] = 1 - member[7]
    with pytest.raises(ValueError, match="Records of the group 1 are members and non-members"):
        GroupAttack(LiRAAttack()).fit(table, member)


# --- the null -------------------------------------------------------------------------------


def _without_a_leak(seed):
    """Attack a model of other people: nobody is a member, whatever half is called so."""
    X, y, who = people(seed)
    elsewhere, labels, _ = people([seed, 2])
    target = LogisticRegression().fit(elsewhere, labels)
    member = half_of(who, seed)
    seen = observe(target, X, y, groups=who)
    rows = ThresholdAttack().fit(seen, member).decision_function(seen)
    attack = GroupAttack(ThresholdAttack(), aggregate="mean", random_state=0)
    score = attack.fit(seen, member).decision_function(seen)
    first = Grouping(who).first
    return roc_auc(member, rows), roc_auc(member[first], score[first])


def _covers(estimates):
    return np.array([estimate.low <= 0.5 <= estimate.high for estimate in estimates])


def test_ignoring_people_gives_intervals_that_are_too_narrow():
    rows, whole = zip(*(_without_a_leak(seed) for seed in range(80)), strict=True)
    # With rows that are alike, 5 of them tell as much as one: Phi(1.96 / sqrt(5)) covers .62.
    assert _covers(rows).mean() < 0.8
    assert _covers(whole).sum() >= binom.ppf(0.001, 80, 0.95)
    # The estimates are as far from one half on either count; it is the width that is wrong.
    width = [np.mean([e.high - e.low for e in estimates]) for estimates in (rows, whole)]
    assert width[0] < 0.6 * width[1]


@pytest.mark.slow
def test_intervals_and_p_values_of_people_hold():
    """References, a learned threshold, p-values: all at their nominal rates or below."""
    spec = importlib.util.spec_from_file_location("benchmarks_people", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    n = 150
    runs = [benchmark.null_run(seed) for seed in range(n)]
    covered = {name: _covers([aucs[name] for aucs, _ in runs]).sum() for name in runs[0][0]}
    assert covered.pop("records, people ignored") < 0.85 * n
    assert len(covered) == 2
    for hits in covered.values():
        assert hits >= binom.ppf(0.001, n, 0.95)
    for level in (0.01, 0.05, 0.1):
        shares = np.array([np.mean(p <= level) for _, p in runs])
        assert shares.mean() <= level + 3.3 * shares.std() / np.sqrt(n)


# --- the audit ------------------------------------------------------------------------------


def split_people(seed=0, n=80, **options):
    X, y, who = people(seed, n, **options)
    member = half_of(who, seed)
    names = np.array([f"p{code:02}" for code in who])
    frame = pd.DataFrame(X, columns=list("abcd"))
    return (frame[member], y[member], frame[~member], y[~member]), names[member], names[~member]


QUICK = {"random_state": 0, "progress": False}


@pytest.fixture(scope="module")
def report():
    parts, theirs, others = split_people(alike=0.5)
    forest = RandomForestClassifier(15, min_samples_leaf=4, random_state=0)
    return audit(
        forest.fit(parts[0], parts[1]),
        parts[0].assign(who=theirs),
        parts[1],
        parts[2].assign(who=others),
        parts[3],
        groups="who",
        n_references=4,
        attacks=["threshold", "lira"],
        slices={"ward": np.append(theirs < "p40", others < "p40")},
        split="random",
        **QUICK,
    )


def test_report_counts_people(report, tmp_path):
    assert report.info["unit"] == "person"
    assert report.info["records_per_person"] == {"least": 5, "median": 5, "most": 5}
    assert (report.info["n_members"], report.info["n_train"]) == (40, 200)
    assert (report.metrics.query("slice == 'all'")["n_members"] == 40).all()
    records = report.records
    assert len(records) == 80
    assert records.columns[:4].tolist() == ["set", "group", "n_rows", "member"]
    assert records["group"].is_unique
    assert (records["n_rows"] == 5).all()
    assert records["p_value"].between(0, 1).all()
    auc = report.metrics.query("metric == 'auc' and slice == 'all' and attack == 'lira'")
    again = roc_auc(records["member"], records["lira"])
    assert auc[["estimate", "low"]].to_numpy().tolist() == [[again.value, again.low]]
    assert again.low > 0.7
    assert set(report.metrics["slice"]) == {"all", "ward=True", "ward=False"}
    assert report.controls["control"].tolist() == ["shift", "references", "pipeline"]
    assert not report.failed_controls
    assert report.info["headline"] == "lira"
    loaded = AuditReport.load(report.save(tmp_path).parent)
    pd.testing.assert_frame_equal(loaded.records, records)


def test_report_speaks_of_people(report):
    text = str(report)
    assert report.verdict.startswith("People in the training set can be ")
    assert "PEOPLE: The unit of privacy is a person: all of their records, 5 in the median" in text
    assert "all records of a person and their true labels" in " ".join(text.split())
    assert "set    person  records" in text
    assert "The unit is one record" not in text
    page = render_html(report)
    assert "Most exposed people" in page
    codes = {finding.code for finding in report.findings}
    assert "PEOPLE" in codes
    for finding in report.findings:
        if finding.code not in ("OVERFITTED", "SATURATED", "PEOPLE"):
            assert "training records" not in finding.title + finding.explanation, finding


def test_one_row_each_is_the_audit_of_records(monkeypatch):
    """The same people, metrics and order as without groups, but for the wording."""
    # People are not drawn within classes, whatever their records' split looks like.
    monkeypatch.setattr("mia_sklearn._audit._run.is_stratified", lambda *_: False)
    parts, theirs, others = split_people(rows=1, n=160)
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(parts[0], parts[1])
    options = {"n_references": 4, "attacks": ["lira"], "controls": False, **QUICK}
    plain = audit(model, *parts, **options)
    grouped = audit(model, *parts, groups=np.append(theirs, others), **options)
    assert np.array_equal(plain.records["p_value"], grouped.records["p_value"])
    auc = "metric == 'auc'"
    assert plain.metrics.query(auc).iloc[0, 4] == pytest.approx(
        grouped.metrics.query(auc).iloc[0, 4], abs=0.02
    )


def test_no_references_and_gradients():
    parts, theirs, others = split_people()
    model = LogisticRegression().fit(parts[0], parts[1])
    groups = np.append(theirs, others)
    attacks = ["threshold", GradientNormAttack()]
    report = audit(model, *parts, groups=groups, n_references=0, attacks=attacks, **QUICK)
    assert len(report.records) == 80
    assert report.records["p_value"].isna().all()
    # The order is that of the mean, which no membership went into.
    seen = observe(model, pd.concat(parts[::2]), np.concatenate(parts[1::2]), view="white-box")
    scores = GradientNormAttack().fit(seen, report.records["member"].repeat(5))
    norm = pd.Series(scores.score_observations(seen)).groupby(groups).mean()
    ours = report.records.set_index("group")["gradient-norm"]
    assert ours.rank().corr(norm.rank(), method="pearson") == pytest.approx(1)


def test_generators_are_audited_by_person():
    parts, theirs, others = split_people(alike=0.5)
    model = KernelDensity(bandwidth=0.3).fit(parts[0])
    report = audit(
        model,
        parts[0].assign(who=theirs),
        parts[2].assign(who=others),
        groups="who",
        n_references=4,
        attacks=["lira"],
        controls=False,
        **QUICK,
    )
    assert len(report.records) == 80
    assert report.metrics.query("metric == 'auc'")["low"].item() > 0.7
    knowledge = report.coverage.set_index("attack").loc["lira", "knowledge"]
    assert knowledge.startswith("all records of a person; how the model was trained")


def test_max_records_takes_whole_people():
    parts, theirs, others = split_people()
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(parts[0], parts[1])
    groups = np.append(theirs, others)
    options = {"n_references": 2, "attacks": ["lira"], **QUICK}
    report = audit(model, *parts, groups=groups, max_records=203, **options)
    assert report.records["n_rows"].tolist() == [5] * 40
    assert report.info["n_unaudited"] == 100


def test_whole_people_come_nearest_to_the_number_asked_for():
    assert cut_nearest(np.array([3, 3, 3]), [4, 5]).tolist() == [1, 2]


def test_an_attack_that_scores_people_is_left_as_it_is():
    parts, theirs, others = split_people()
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(parts[0], parts[1])
    attack = GroupAttack(LiRAAttack(), aggregate="learned")
    report = audit(
        model,
        *parts,
        groups=np.append(theirs, others),
        n_references=2,
        attacks=[("learned", attack), "lira"],
        controls=False,
        **QUICK,
    )
    assert {"learned", "lira"} <= set(report.records)
    assert report.coverage.set_index("attack").loc["learned", "threat_model"] == "black-box"


def _audit(parts, **options):
    model = DecisionTreeClassifier(max_depth=3).fit(parts[0][list("abcd")], parts[1])
    return audit(model, *parts, n_references=2, **options, **QUICK)


def test_wrong_groups_of_an_audit_are_refused():
    parts, theirs, others = split_people()
    with pytest.raises(
        ValueError, match=r"groups has shape \(200,\); expected one value per train"
    ):
        _audit(parts, groups=theirs)
    missing = np.append(theirs, others).astype(object)
    missing[[3, 8]] = None
    with pytest.raises(ValueError, match=r"no value for record 3 \(2 are missing"):
        _audit(parts, groups=missing)
    both = np.append(theirs, others)
    both[-1] = both[0]
    with pytest.raises(ValueError, match=f"groups: '{both[0]}' have records in X_train and in X_t"):
        _audit(parts, groups=both)
    with pytest.raises(ValueError, match="and 35 others have records in X_train and in X_test"):
        _audit(parts, groups=np.append(theirs, theirs))
    with pytest.raises(ValueError, match="names the column 'who', which X_train does not have"):
        _audit(parts, groups="who")
    with pytest.raises(ValueError, match="slices: 'a' has several values for 'p"):
        _audit(parts, groups=np.append(theirs, others), slices="a")


# --- who is the same person -----------------------------------------------------------------


LARGE = [2**60 + k for k in range(6)]


@pytest.mark.parametrize(
    ("groups", "n"),
    [
        ([1, 1.0, np.int64(1), np.float32(1), True, Decimal("1.00")], 1),
        ([Decimal("1.5"), Decimal("1.500"), 1.5, "a", "a", np.str_("a")], 2),
        ([*LARGE[:5], 0.5], 6),
        (np.array([*LARGE[:5], 0.5], dtype=object), 6),
        (np.array(LARGE), 6),
        (pd.Series(LARGE, dtype="Int64"), 6),
        (pd.Series(pd.Categorical(LARGE)), 6),
        (pd.Series(["a", "b"] * 3, dtype="string"), 2),
        (["a", "a ", "A", 1, 2, 3], 6),
        (pd.to_datetime(["2020-01-01", "2020-01-02"] * 3), 2),
        (np.array(["2020-01-01", "2020-01-02"] * 3, dtype="M8[s]"), 2),
        ((1, 2, 3, 1, 2, 3), 3),
    ],
)
def test_equal_identifiers_are_one_person(groups, n):
    codes, names = group_codes(groups, 6, "")
    assert len(names) == len(np.unique(codes)) == n
    given = list(groups)
    for one, name in zip(given, codes, strict=True):
        assert given.index(one) == int(np.flatnonzero(codes == name)[0])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([0, "0", 1], "groups holds the text '0' and also 0 of the type int, and nothing tells"),
        ([7.0, "007", 1], "holds the text '007' and also 7.0"),
        (["True", True, "b"], "holds the text 'True'"),
        (np.array(["1", 1, 1.5], dtype=object), "holds the text '1'"),
        (np.array([2.0**60, 1, 2]), "1152921504606846976 as a floating-point number, which stands"),
        (np.array([2**24, 1, 2], dtype=np.float32), "16777216 as a floating-point number"),
        ([2**60, 2.0**60, 3], "as a floating-point number"),
        ([[1], [2], [3]], "one value per record in one dimension, got lists inside of a list"),
        (np.array([{}, 1, 2], dtype=object), "values that are no names .unhashable"),
        ("abc", "one dimension, got a str"),
        ((k for k in "abc"), "got a generator"),
        (lambda X: X, "got a function"),
    ],
)
def test_identifiers_that_may_be_equal_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        group_codes(groups, 3, "")


def test_observations_and_references_know_people_by_the_same_rule():
    X, y, who = people(0, 30)
    large = 2**60 + who
    references = ReferenceModels(DecisionTreeClassifier(max_depth=2), 2, random_state=0)
    references.fit(X, y, groups=large)
    model = DecisionTreeClassifier(max_depth=2).fit(X, y)
    some = np.flatnonzero(who < 5)
    seen = observe(
        model, X[some], y[some], references=references, groups=large[some].astype(object)
    )
    assert seen[seen.columns[seen.columns.str.startswith("group")][0]].nunique() == 5
    with pytest.raises(ValueError, match="groups holds '1152921504606846976', '"):
        observe(model, X[some], y[some], references=references, groups=large[some].astype(str))


def test_an_audit_of_a_few_people_is_refused():
    parts, theirs, others = split_people(n=18)
    with pytest.raises(ValueError, match="Too few people: 9 of 9 in X_train and 9 of 9 in X_test"):
        _audit(parts, groups=np.append(theirs, others))
    parts, theirs, others = split_people()
    with pytest.raises(
        ValueError, match=r"those of 8 people in X_train and of 8 in X_test, .*Raise m"
    ):
        _audit(parts, groups=np.append(theirs, others), max_records=80)


def test_group_column_of_the_model_stays():
    parts, theirs, others = split_people()
    numbered = [
        X.assign(e=[float(name[1:]) for name in names])
        for X, names in ((parts[0], theirs), (parts[2], others))
    ]
    model = DecisionTreeClassifier(max_depth=3).fit(numbered[0], parts[1])
    report = audit(
        model, numbered[0], parts[1], numbered[1], parts[3], groups="e", n_references=0, **QUICK
    )
    assert sorted(report.records["group"]) == list(range(80))


def test_command_line_takes_a_column(tmp_path, capsys):
    parts, theirs, others = split_people()
    model = LogisticRegression().fit(parts[0], parts[1])
    joblib.dump(model, tmp_path / "model.joblib")
    for name, X, y, who in (("train", *parts[:2], theirs), ("test", *parts[2:], others)):
        X.assign(who=who, ill=y).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [f"--{name}={tmp_path / name}.csv" for name in ("train", "test")]
    start = ["audit", f"--model={tmp_path / 'model.joblib'}", "--trust", *files, "--target=ill"]
    assert main([*start, "--groups=who", "--references=0", "--jobs=1"]) == 0
    assert "The unit of privacy is a person" in capsys.readouterr().out
    assert main([*start, "--groups=whom", "--references=0"]) == 2
    assert "names the column 'whom'" in capsys.readouterr().err
