"""Models that answer labels only: kept counts of perturbed copies, the same for every model."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import FunctionTarget, ReferenceModels, observe
from mia_sklearn._observations._record_columns import RECORD_COLUMNS
from mia_sklearn.access import LabelAccess
from mia_sklearn.access._base import AskedRecords
from mia_sklearn.attacks import LiRAAttack, RMIAAttack, StackedAttack, ThresholdAttack
from mia_sklearn.metrics import roc_auc
from mia_sklearn.stats import pooled_p_values

NEIGHBOR = KNeighborsClassifier(1)


class Asked(ClassifierMixin, BaseEstimator):
    """Predicts, keeps what it was asked, and has no posteriors."""

    def __init__(self, estimator):
        self.estimator = estimator
        self.classes_ = estimator.classes_
        self.tables = []

    def predict(self, X):
        self.tables.append(X)
        return self.estimator.predict(X)


@pytest.fixture(scope="module")
def data():
    """Labels drawn at random: whoever is right has seen the record."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 20)), rng.integers(4, size=400)


@pytest.fixture(scope="module")
def model(data):
    X, y = data
    return KNeighborsClassifier(1).fit(X[:200], y[:200])


@pytest.fixture(scope="module")
def references(data):
    options = {"signal": LabelAccess(n_queries=10), "random_state": 0}
    return ReferenceModels(NEIGHBOR, 8, **options).fit(*data)


@pytest.fixture(scope="module")
def seen(model, data, references):
    return observe(model, *data, references=references)


MEMBER = np.arange(400) < 200
MOST = np.log((11 + 0.5) / 0.5)


# -- What is seen ----------------------------------------------------------------------------


def test_members_of_a_nearest_neighbour_keep_their_label(seen):
    assert (seen["logit"][MEMBER] > 0).all()
    # A few have a neighbour nearer than some copies are.
    assert (seen["logit"][MEMBER] == np.float32(MOST)).mean() > 0.95
    assert (seen.filter(like="in_") == np.float32(MOST)).to_numpy().mean() > 0.95
    # Others are answered with the random label of their neighbour.
    assert 0.05 < (seen["logit"][~MEMBER] > 0).mean() < 0.35
    assert roc_auc(MEMBER, seen["logit"]).value > 0.85


def test_columns_are_those_of_any_observations(seen, references):
    blocks = references.n_blocks_
    names = ["label", *(f"proba_{c}" for c in range(4)), "logit"]
    names += [f"{side}_{k}" for side in ("out", "in") for k in range(blocks)]
    names += RECORD_COLUMNS
    assert seen.columns.tolist() == names
    shadow, _ = references.shadow_observations(random_state=0)
    assert shadow.columns.tolist() == names


def test_the_prediction_of_the_record_is_its_posterior(seen, model, data):
    X, y = data
    predicted = seen.filter(like="proba_").to_numpy()
    np.testing.assert_array_equal(predicted, np.eye(4)[model.predict(X)])
    gap = ThresholdAttack("correctness").fit(seen, MEMBER)
    np.testing.assert_array_equal(gap.predict(seen), model.predict(X) == y)


@pytest.mark.parametrize(
    "attack",
    [
        ThresholdAttack("logit"),
        LiRAAttack(),
        RMIAAttack(),
        StackedAttack(record_columns=False, random_state=0),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_attacks_read_kept_counts(attack, seen, references):
    attack.fit(*references.shadow_observations(random_state=0))
    score = attack.decision_function(seen)
    assert roc_auc(MEMBER, score).value > 0.85
    # Records that answer alike throughout are ranked alike, whatever their order.
    order = np.random.default_rng(0).permutation(len(seen))
    np.testing.assert_allclose(attack.decision_function(seen.iloc[order]), score[order])
    answers = seen.columns.difference(RECORD_COLUMNS).tolist()
    codes = seen.groupby(answers).ngroup().to_numpy()
    for code in np.unique(codes):
        assert np.ptp(score[codes == code]) < 1e-9


@pytest.mark.parametrize("attack", [LiRAAttack(), StackedAttack(random_state=0)])
def test_a_constant_answer_tells_nothing(attack, data):
    X, y = data
    constant = DummyClassifier(strategy="constant", constant=1)
    fitted = ReferenceModels(constant, 4, signal="label", random_state=0).fit(X, y)
    table = observe(constant.fit(X[:200], y[:200]), X, y, references=fitted)
    attack.fit(*fitted.shadow_observations(random_state=0))
    score = attack.decision_function(table)
    for label in range(4):
        assert np.ptp(score[y == label]) < 1e-9


def test_null_a_target_that_saw_none_of_the_records(data, references):
    X, y = data
    rng = np.random.default_rng(1)
    stranger = KNeighborsClassifier(1).fit(rng.normal(size=(200, 20)), rng.integers(4, size=200))
    table = observe(stranger, X, y, references=references)
    shadow = references.shadow_observations(random_state=0)
    for attack in (ThresholdAttack("logit"), LiRAAttack(), StackedAttack(random_state=0)):
        estimate = roc_auc(MEMBER, attack.fit(*shadow).decision_function(table))
        # Three and a half standard errors.
        assert abs(estimate.value - 0.5) < 0.1


@pytest.mark.slow
def test_null_rates_are_nominal():
    covered, alarms = [], []
    for seed in range(60):
        X, y = make_classification(600, 10, n_informative=5, flip_y=0.3, random_state=seed)
        pool, fresh = slice(0, 400), slice(400, 600)
        fitted = ReferenceModels(NEIGHBOR, 8, signal=LabelAccess(n_queries=10), random_state=seed)
        fitted.fit(X[pool], y[pool])
        target = KNeighborsClassifier(1).fit(X[fresh], y[fresh])
        table = observe(target, X[pool], y[pool], references=fitted)
        attack = LiRAAttack().fit(*fitted.shadow_observations(random_state=seed))
        estimate = roc_auc(MEMBER, attack.decision_function(table))
        covered.append(estimate.low <= 0.5 <= estimate.high)
        # A non-member of a target that trains on the pool as references do.
        target.fit(X[:200], y[:200])
        others = observe(target, X[200:400], y[200:400], references=fitted)
        p = pooled_p_values(others["logit"], others.filter(like="out_"))
        alarms.append((p <= 0.05).mean())
    # 95 % intervals: fewer than 51 of 60 would be a chance of 1 in 1,000.
    assert sum(covered) >= 51
    # Ties count against membership: the rate is at most nominal.
    assert np.mean(alarms) <= 0.055


# -- The copies ------------------------------------------------------------------------------


def test_all_models_are_asked_about_the_same_copies(model, data, references):
    X, y = data
    other = KNeighborsClassifier(3).fit(X[200:], y[200:])
    asked = [Asked(model), Asked(other)]
    for one in asked:
        observe(one, X, y, references=references)
    for mine, theirs in zip(asked[0].tables, asked[1].tables, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_copies_do_not_depend_on_who_else_is_asked_about(seen, model, data, references):
    X, y = data
    rows = np.array([399, 3, 260, 256, 255, 0])
    part = observe(model, X[rows], y[rows], references=references)
    pd.testing.assert_frame_equal(part, seen.loc[rows])
    records = AskedRecords(X, y, np.arange(4))
    question = LabelAccess(n_queries=4).question(records, 7)
    whole, some = Asked(model), Asked(model)
    question.ask(whole, np.arange(400), 0)
    question.ask(some, np.array([300]), 1)
    n = 400 - question.block_size
    first = n + (300 - question.block_size) * 4
    np.testing.assert_array_equal(some.tables[0][1:], whole.tables[1][first : first + 4])


def test_one_predict_for_each_block_of_bounded_size(model, data):
    X, y = data
    asked = Asked(model)
    observe(asked, X, y, access="label", n_queries=3)
    assert [len(table) for table in asked.tables] == [4 * 256, 4 * 144]
    wide = AskedRecords(np.zeros((100, 50_000), dtype=np.float32), y, np.arange(4))
    assert LabelAccess(perturb=lambda X, _: X).question(wide, 0).block_size == 3


def test_no_copies_leave_the_record_alone(model, data):
    X, y = data
    target = FunctionTarget(model.predict, classes=np.arange(4))
    table = observe(target, X, y, access=LabelAccess(n_queries=0))
    assert target.n_queries_ == 400
    np.testing.assert_allclose(np.sign(table["logit"]), np.where(model.predict(X) == y, 1, -1))


def test_queries_are_counted(model, data):
    target = FunctionTarget(model.predict, classes=np.arange(4), query_budget=400 * 6)
    whole = observe(target, *data, access="label", n_queries=5, random_state=0)
    assert target.n_queries_ == 400 * 6
    assert whole.notna().all(axis=None)
    plain = observe(
        model.predict, *data, access="label", n_queries=5, classes=np.arange(4), random_state=0
    )
    pd.testing.assert_frame_equal(whole, plain)


def test_a_budget_that_ends_midway_returns_what_was_reached(model, data, references):
    X, y = data
    whole = observe(model, X, y, references=references)
    target = FunctionTarget(model.predict, classes=np.arange(4), query_budget=300 * 11 + 10)
    with pytest.warns(UserWarning, match=r"query_budget ends after 300 of 400 records"):
        part = observe(target, X, y, references=references)
    assert target.n_queries_ == 300 * 11
    pd.testing.assert_frame_equal(part.iloc[:300], whole.iloc[:300])
    unreached = part.iloc[300:]
    assert unreached[["proba_0", "proba_3", "logit"]].isna().all(axis=None)
    assert unreached.drop(columns=[*part.filter(like="proba_"), "logit"]).notna().all(axis=None)
    # What was not asked is neither a member's answer nor another's.
    gap = ThresholdAttack("correctness").fit(whole, MEMBER).decision_function(part)
    assert np.ptp(gap[300:]) == 0
    with pytest.raises(ValueError, match="query_budget allows 3310 queries; 3300 were made and 11"):
        observe(target, X, y, references=references)


def test_the_same_seed_gives_the_same_observations(model, data):
    def logits(seed):
        return observe(model, *data, access="label", random_state=seed)["logit"]

    pd.testing.assert_series_equal(logits(0), logits(0))
    assert not logits(0).equals(logits(1))


def test_a_function_may_make_the_copies(model, data):
    X, y = data
    tables = []

    def halve(X, random_state):
        assert isinstance(random_state, np.random.RandomState)
        tables.append(X.copy())
        return X / 2

    asked = Asked(model)
    observe(asked, X, y, access="label", perturb=halve, n_queries=3)
    np.testing.assert_array_equal(tables[-1], np.repeat(X[256:], 3, axis=0))
    np.testing.assert_array_equal(asked.tables[-1][144:], np.repeat(X[256:], 3, axis=0) / 2)
    # Copies of sparse records are the function's own affair.
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(0.3, size=(400, 20)))
    bayes = LogisticRegression().fit(counts, y)
    table = observe(bayes, counts, y, access="label", perturb=lambda X, _: 2 * X, n_queries=2)
    assert table["logit"].notna().all()


# -- Kinds of models and records -------------------------------------------------------------


def named(y):
    return np.array(["a", "b", "c", "d"])[y]


@pytest.mark.parametrize(
    "estimator",
    [LinearSVC(), GaussianNB(), make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearSVC())],
    ids=["no posteriors", "posteriors", "pipeline"],
)
def test_text_labels_and_models_without_posteriors(estimator, data):
    X, y = np.rint(data[0]), named(data[1])
    fitted = ReferenceModels(estimator, 4, signal="label", random_state=0).fit(X, y)
    table = observe(estimator.fit(X[:200], y[:200]), X, y, references=fitted)
    predicted = fitted.classes_[table.filter(like="proba_").to_numpy().argmax(axis=1)]
    np.testing.assert_array_equal(predicted, estimator.predict(X))


def test_frames():
    X, y = make_classification(200, 4, flip_y=0.6, random_state=0)
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["where"] = pd.Categorical(np.array(["north", "south"])[(X[:, 0] > 0).astype(int)])
    encode = make_column_transformer(
        (OneHotEncoder(), make_column_selector(dtype_include="category")), remainder="passthrough"
    )
    tree = make_pipeline(encode, DecisionTreeClassifier(random_state=0))
    fitted = ReferenceModels(tree, 4, signal="label", random_state=0).fit(frame, named(y))
    table = observe(tree.fit(frame[:100], named(y[:100])), frame, named(y), references=fitted)
    assert table.notna().all(axis=None)
    assert roc_auc(np.arange(200) < 100, table["logit"]).value > 0.5


def test_references_that_saw_one_class_only():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), np.zeros(40, dtype=int)
    y[0] = 1
    fitted = ReferenceModels(LinearSVC(), 2, signal="label", random_state=0).fit(X, y)
    alone = np.flatnonzero(fitted.membership_[:, 0] == 0)
    assert (fitted.outputs_[alone, :, 1] == 0).all()
    assert (fitted.outputs_[alone, 1:, 0] > 0).all()
    assert (fitted.outputs_[alone, 0, 0] < 0).all()


def test_classes_that_the_references_do_not_know_are_no_column(model, data):
    X, y = data
    rows = y < 3
    fitted = ReferenceModels(NEIGHBOR, 4, signal="label", random_state=0).fit(X[rows], y[rows])
    table = observe(model, X[rows], y[rows], references=fitted)
    other = model.predict(X[rows]) == 3
    assert other.any()
    np.testing.assert_array_equal(table["proba_0"].isna(), other)
    assert table["logit"].notna().all()


def test_a_cache_keeps_each_kind_of_copies_apart(data, tmp_path):
    def outputs(access):
        options = {"signal": access, "cache": tmp_path, "random_state": 0}
        return ReferenceModels(NEIGHBOR, 2, **options).fit(*data).outputs_

    def n_kept():
        return len(list(tmp_path.glob("model-*")))

    first = outputs(LabelAccess(n_queries=2))
    each = n_kept()
    np.testing.assert_array_equal(outputs(LabelAccess(n_queries=2)), first)
    assert n_kept() == each
    assert not np.array_equal(outputs(LabelAccess(n_queries=3)), first)
    assert n_kept() == 2 * each


def test_networks_trained_as_one_answer_as_alone(monkeypatch):
    torch = pytest.importorskip("torch")
    pytest.importorskip("skorch")
    from mia_sklearn.torch import _backend
    from nets import classifier

    X, y = make_classification(120, 20, n_informative=6, n_classes=3, random_state=0)
    X = X.astype(np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    net = classifier(module__dropout=0.0)
    options = {"signal": "label", "random_state": 0}
    together = ReferenceModels(net, 4, **options).fit(X, named(y))
    monkeypatch.setattr(_backend, "train_as_one", lambda *_, **__: "of a test")
    with pytest.warns(UserWarning, match="one by one, not as one: of a test"):
        alone = ReferenceModels(net, 4, **options).fit(X, named(y))
    torch.set_num_threads(before)
    # A copy on the very boundary may fall to either side, by rounding.
    assert (together.outputs_ == alone.outputs_).mean() > 0.99
    assert together.classes_.tolist() == ["a", "b", "c"]
    table = observe(net.fit(X[:60], y[:60]), X, y, access="label", n_queries=4)
    assert table["logit"].notna().all()


def test_a_network_in_single_parts_is_asked_too():
    pytest.importorskip("skorch")
    from nets import Convolutional, classifier

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 1, 8, 8)).astype(np.float32), rng.integers(3, size=40)
    net = classifier(Convolutional)
    fitted = ReferenceModels(net, 2, signal=LabelAccess(n_queries=3), random_state=0).fit(X, y)
    assert np.isfinite(fitted.outputs_).all()
    assert fitted.phi().shape == (4, 40)


# -- Functions as targets --------------------------------------------------------------------


def test_functions_answer_labels_or_posteriors(model, data):
    X, _ = data
    for function in (model.predict, model.predict_proba):
        target = FunctionTarget(function, classes=np.arange(4))
        np.testing.assert_array_equal(target.predict(X), model.predict(X))
        assert target.n_queries_ == 400


def test_functions_that_answer_something_else_are_refused(data):
    X, y = data
    for answer, message in (
        (np.full(400, 9), "returned the label 9, which is not one of classes"),
        (np.zeros((400, 3)), r"returned shape \(400, 3\)"),
    ):
        target = FunctionTarget(lambda X, answer=answer: answer[: len(X)], classes=np.arange(4))
        with pytest.raises(ValueError, match=message):
            target.predict(X)
    target = FunctionTarget(lambda X: np.zeros(len(X), dtype=int), classes=np.arange(4))
    with pytest.raises(ValueError, match="returns labels is asked with access='label'"):
        observe(target, X, y)


# -- Bad input -------------------------------------------------------------------------------


def test_models_that_predict_no_labels_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match=r"needs a classifier.*got LinearReg"):
        observe(LinearRegression().fit(X, y), X, y, access="label")
    with pytest.raises(ValueError, match=r"needs a classifier.*got LinearReg"):
        ReferenceModels(LinearRegression(), signal="label").fit(X, y)
    with pytest.raises(ValueError, match=r"needs a classifier.*got GaussianMixture"):
        observe(GaussianMixture(2).fit(X), X, access="label")
    with pytest.raises(ValueError, match=r"needs a classifier.*got GaussianMixture"):
        ReferenceModels(GaussianMixture(2), signal="label").fit(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"access": "label", "n_queries": -1}, "'n_queries' parameter of LabelAccess must be an"),
        ({"access": "label", "perturb": "often"}, "'perturb' parameter of LabelAccess"),
        ({"access": LabelAccess(noise=-1)}, "'noise' parameter of LabelAccess"),
        ({"access": LabelAccess(flip=2)}, "'flip' parameter of LabelAccess"),
        ({"access": LabelAccess(), "perturb": "auto"}, "perturb= is neither an argument of obs"),
        ({"access": "label", "samples": 3}, "has no option 'samples'; it takes perturb, n_queries"),
        ({"access": "labels"}, "Unknown access 'labels'"),
        ({"perturb": "auto"}, "perturb= is neither an argument of observe"),
    ],
)
def test_bad_options(options, message, model, data):
    with pytest.raises(ValueError, match=message):
        observe(model, *data, **options)


@pytest.mark.parametrize(
    ("perturb", "message"),
    [
        (lambda X, _: X[:1], r"one copy for each row.*\(2, 20\), got \(1, 20\)"),
        (lambda X, _: X[:, :2], "must have the same features"),
        (lambda X, _: None, "one copy for each row.*got NoneType"),
        (lambda X, _: pd.DataFrame(X), "must be tables of one kind"),
    ],
)
def test_functions_that_make_other_tables_are_refused_before_training(perturb, message, data):
    def train(X, y, seed):
        raise AssertionError("trained")

    with pytest.raises(ValueError, match=message):
        ReferenceModels(train, signal=LabelAccess(perturb)).fit(*data)


def test_sparse_records_need_a_function(data):
    X, y = data
    with pytest.raises(ValueError, match='X is sparse: perturb="auto"'):
        ReferenceModels(LinearSVC(), signal="label").fit(sparse.csr_matrix(X), y)


def test_answers_of_another_length_are_refused(model, data):
    asked = Asked(model)
    asked.predict = lambda X: np.zeros(3, dtype=int)
    with pytest.raises(ValueError, match=r"3,.*6656 records"):
        observe(asked, *data, access="label")


def test_target_and_references_must_have_been_asked_alike(model, data, references):
    for options in ({"access": "label"}, {"access": "label", "n_queries": 10}):
        observe(model, *data, references=references, **options)
    for options, message in (
        ({"access": "label", "n_queries": 25}, "asked for LabelAccess.*, but the references were"),
        ({"access": "label", "perturb": lambda X, _: X}, "asked for LabelAccess.*, but the refer"),
        ({"access": "density"}, "needs a model with score_samples"),
    ):
        with pytest.raises(ValueError, match=message):
            observe(model, *data, references=references, **options)
    posteriors = ReferenceModels(NEIGHBOR, 2, random_state=0).fit(*data)
    with pytest.raises(ValueError, match="The references gave posteriors"):
        observe(model, *data, references=posteriors, access="label")
