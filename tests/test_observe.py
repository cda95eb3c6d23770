import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import FunctionTarget, ReferenceModels, observe, top_posteriors
from mia_sklearn._observations._columns import Reader, block_slots, group_columns, n_blocks
from mia_sklearn._observations._neighborhood import Neighborhood, perturbed_copies
from mia_sklearn._observations._reference_table import ReferenceTable
from mia_sklearn.signals import log_posteriors, rescaled_logit


@pytest.fixture(scope="module")
def binary():
    return make_classification(240, 5, n_informative=3, n_redundant=0, flip_y=0.2, random_state=3)


def fit_references(binary, **options):
    options = {"n_models": 8, "random_state": 0, **options}
    return ReferenceModels(LogisticRegression(), **options).fit(*binary)


@pytest.fixture(scope="module")
def halves(binary):
    return fit_references(binary)


@pytest.fixture(scope="module")
def quarters(binary):
    return fit_references(binary, train_size=0.75)


@pytest.fixture(scope="module")
def thin(binary):
    return fit_references(binary, train_size=0.25)


@pytest.fixture(scope="module")
def model(binary):
    X, y = binary
    return LogisticRegression().fit(X[::2], y[::2])


def columns(observations, prefix):
    names = [c for c in observations if c.startswith(prefix) and c[len(prefix) :].isdigit()]
    return observations[names].to_numpy()


def test_columns_without_references(model, binary):
    X, y = binary
    observations = observe(model, X, y)
    assert observations.columns.tolist() == ["label", "proba_0", "proba_1", "logit"]
    assert_allclose(observations["logit"], rescaled_logit(log_posteriors(model, X), y), rtol=1e-6)
    assert_allclose(observations["proba_1"], model.predict_proba(X)[:, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "slots"), [("halves", (1, 1)), ("quarters", (1, 3)), ("thin", (3, 1))]
)
def test_blocks_own_fixed_slots(kind, slots, model, binary, request):
    n_out, n_in = slots
    refs = request.getfixturevalue(kind)
    observations = observe(model, *binary, references=refs)
    out, in_ = columns(observations, "out_"), columns(observations, "in_")
    assert out.shape[1] == n_out * refs.n_blocks_
    assert in_.shape[1] == n_in * refs.n_blocks_
    phi = refs.phi()
    for record in range(0, 240, 17):
        for block in range(refs.n_blocks_):
            models = np.flatnonzero(refs.block_ == block)
            trained = refs.membership_[models, record] > 0
            expected = phi[models[~trained], record], phi[models[trained], record]
            found = (
                out[record, block * n_out : (block + 1) * n_out],
                in_[record, block * n_in : (block + 1) * n_in],
            )
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["halves", "quarters", "thin"])
def test_acting_references_leave_their_whole_block_empty(kind, request):
    refs = request.getfixturevalue(kind)
    observations, membership = refs.shadow_observations()
    assert len(observations) == refs.n_models_ * refs.n_pool_
    groups = group_columns(observations.columns)
    table = Reader(observations.to_numpy(), groups)
    assert n_blocks(table) == refs.n_blocks_
    acting = observations.index.get_level_values("model").to_numpy()
    rows = observations.index.get_level_values("row").to_numpy()
    np.testing.assert_array_equal(membership, refs.membership_[acting, rows] > 0)
    np.testing.assert_array_equal(table.column("logit"), refs.phi()[acting, rows])
    for block in range(refs.n_blocks_):
        out, in_ = block_slots(table, block)
        empty = np.isnan(table["out"][:, slice(*out)]).all(axis=1)
        empty &= np.isnan(table["in"][:, slice(*in_)]).all(axis=1)
        np.testing.assert_array_equal(empty, refs.block_[acting] == block)
        full = ~np.isnan(table["out"][:, slice(*out)]).any(axis=1)
        np.testing.assert_array_equal(full, refs.block_[acting] != block)


@pytest.mark.parametrize("kind", ["halves", "quarters", "thin"])
def test_shadow_and_target_tables_have_the_same_columns(kind, model, binary, request):
    refs = request.getfixturevalue(kind)
    target = observe(model, *binary, references=refs)
    shadow, _ = refs.shadow_observations(100)
    assert shadow.columns.tolist() == target.columns.tolist()
    assert set(shadow.dtypes) == set(target.dtypes) == {np.dtype(np.float32)}


def test_trimmed_records_are_empty_places(model, binary):
    refs = fit_references(binary, train_size=0.6)
    assert not refs.labelled_.all()
    observations = observe(model, *binary, references=refs)
    out, in_ = columns(observations, "out_"), columns(observations, "in_")
    assert not np.isnan(out).any()
    assert np.isnan(in_).sum() == (~refs.labelled_).sum()
    shadow, _ = refs.shadow_observations()
    acting = shadow.index.get_level_values("model")
    rows = shadow.index.get_level_values("row")
    assert refs.labelled_[acting, rows].all()


@pytest.mark.parametrize("sampling", ["bootstrap", "disjoint"])
def test_other_samplings_pack_to_the_left(sampling, model, binary):
    refs = fit_references(binary, sampling=sampling)
    observations = observe(model, *binary, references=refs)
    phi, trained = refs.phi(), refs.membership_ > 0
    for side, chosen in (("out_", ~trained), ("in_", trained)):
        found = columns(observations, side)
        for record in range(0, 240, 13):
            expected = phi[chosen[:, record], record]
            np.testing.assert_array_equal(found[record, : len(expected)], expected)
            assert np.isnan(found[record, len(expected) :]).all()
    shadow, _ = refs.shadow_observations(50, 0)
    assert shadow.columns.tolist() == observations.columns.tolist()
    count = np.isfinite(columns(shadow, "out_")).sum(axis=1)
    count += np.isfinite(columns(shadow, "in_")).sum(axis=1)
    assert (count == refs.n_models_ - 1).all()


def test_population_teaches_and_the_pool_is_out(model, binary):
    X, y = binary
    refs = ReferenceModels(LogisticRegression(), n_models=4, random_state=0)
    refs.fit(X[:100], y[:100], population=(X[100:], y[100:]))
    observations = observe(model, X[:100], y[:100], references=refs)
    assert np.isfinite(columns(observations, "out_")).sum(axis=1).min() >= 2
    assert np.isnan(columns(observations, "in_")).all()
    shadow, membership = refs.shadow_observations()
    assert shadow.index.get_level_values("row").min() >= 100
    assert 0 < membership.mean() < 1
    with pytest.raises(ValueError, match="neighbors= needs references trained on the pool"):
        observe(model, X[:100], y[:100], references=refs, neighbors=3)


def test_rows_are_sampled_evenly(halves):
    shadow, membership = halves.shadow_observations(83, random_state=0)
    assert len(shadow) == len(membership) == 83
    per_model = shadow.index.get_level_values("model").value_counts()
    assert per_model.max() - per_model.min() <= 1
    again, _ = halves.shadow_observations(83, random_state=0)
    pd.testing.assert_frame_equal(again, shadow)
    few, _ = halves.shadow_observations(3, random_state=0)
    assert len(few) == 3


def test_mean_posteriors_of_many_classes():
    X, y = make_classification(120, 6, n_informative=4, n_classes=3, random_state=0)
    refs = ReferenceModels(LogisticRegression(), n_models=6, random_state=0).fit(X, y)
    observations, _ = refs.shadow_observations()
    acting = observations.index.get_level_values("model")
    rows = observations.index.get_level_values("row")
    proba = np.exp(refs.outputs_.astype(float))
    for place in range(0, len(observations), 37):
        others = refs.block_ != refs.block_[acting[place]]
        for side, chosen in (
            ("out_mean_", refs.membership_[:, rows[place]] == 0),
            ("in_mean_", refs.membership_[:, rows[place]] > 0),
        ):
            expected = proba[others & chosen, rows[place]].mean(axis=0)
            found = columns(observations, side)[place]
            assert_allclose(found, expected, rtol=1e-5)


def test_records_are_matched_by_content(model, binary, halves):
    X, y = binary
    whole = observe(model, X, y, references=halves)
    order = np.random.default_rng(0).permutation(240)[:50]
    part = observe(model, X[order], y[order], references=halves)
    assert part.index.tolist() == order.tolist()
    np.testing.assert_array_equal(part.to_numpy(), whole.to_numpy()[order])
    framed = observe(model, X[order].tolist(), y[order], references=halves)
    np.testing.assert_array_equal(framed.to_numpy(), part.to_numpy())
    explicit = observe(model, X[order], y[order], references=halves, rows=order)
    np.testing.assert_array_equal(explicit.to_numpy(), part.to_numpy())


def test_identical_records_are_taken_in_order(binary):
    X, y = binary
    X, y = np.vstack([X[:60], X[:60]]), np.concatenate([y[:60], y[:60]])
    refs = ReferenceModels(LogisticRegression(), n_models=4, random_state=0).fit(X, y)
    model = LogisticRegression().fit(X, y)
    assert observe(model, X, y, references=refs).index.tolist() == list(range(120))
    twice = observe(model, X[[5, 65]], y[[5, 65]], references=refs)
    assert twice.index.tolist() == [5, 65]
    with pytest.raises(ValueError, match=r"Record 2 of X .* is not in the pool"):
        observe(model, X[[5, 5, 5]], y[[5, 5, 5]], references=refs)


def test_strangers_are_named(model, binary, halves):
    X, y = binary
    changed = X[:4].copy()
    changed[2, 0] += 1
    with pytest.raises(ValueError, match=r"Record 2 of X .* is not in the pool"):
        observe(model, changed, y[:4], references=halves)
    with pytest.raises(ValueError, match="Record 1 of X is not record 0"):
        observe(model, X[:3], y[:3], references=halves, rows=[0, 0, 2])
    with pytest.raises(ValueError, match="rows must lie between 0 and 239"):
        observe(model, X[:1], y[:1], references=halves, rows=[240])
    with pytest.raises(ValueError, match="rows must hold one integer per record"):
        observe(model, X[:2], y[:2], references=halves, rows=[0])


def test_a_label_is_part_of_the_record(model, binary, halves):
    X, y = binary
    with pytest.raises(ValueError, match="Record 0 of X"):
        observe(model, X[:1], 1 - y[:1], references=halves)


def test_functions_are_asked_within_their_budget(binary):
    X, y = binary
    inner = LogisticRegression().fit(X, y)
    asked = []

    def answer(table):
        asked.append(len(table))
        return inner.predict_proba(table)

    target = FunctionTarget(answer, classes=[0, 1], query_budget=400)
    observations = observe(target, X, y)
    assert_allclose(observations["proba_0"], inner.predict_proba(X)[:, 0], rtol=1e-5)
    spent = target.n_queries_
    assert sum(asked) == spent == 240
    with pytest.raises(ValueError, match=f"query_budget allows 400 queries; {spent} were made"):
        observe(target, X, y)
    assert sum(asked) == spent


def test_neighbors_are_those_of_the_pool(model, binary, halves):
    X, y = binary
    observations = observe(model, X, y, references=halves, neighbors=3)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1, kind="stable")[:, :3]
    nearest = np.take_along_axis(distance, order, axis=1)
    assert_allclose(columns(observations, "neighbor_distance_"), nearest, rtol=1e-5)
    np.testing.assert_array_equal(columns(observations, "neighbor_same_"), y[order] == y[:, None])
    shadow, _ = halves.shadow_observations(64, 0, neighbors=3)
    assert shadow.columns.tolist() == observations.columns.tolist()
    with pytest.raises(ValueError, match="neighbors= needs the whole pool in X"):
        observe(model, X[:10], y[:10], references=halves, neighbors=3)


def test_neighbor_columns_know_nothing_of_the_acting_block(halves):
    """Changing the acting block's own answers must change nothing but the acting model's."""
    table = ReferenceTable(halves, neighbors=2)
    rows = np.arange(halves.n_pool_)
    block = np.flatnonzero(halves.block_ == halves.block_[0])
    acting, complement = block

    def fill(phi):
        table.phi = phi
        values = np.empty((len(rows), len(table.columns())), dtype=np.float32)
        own = halves.phi()[acting]
        table.fill(
            values,
            halves.outputs_[acting],
            rows,
            without=block,
            pool_phi=own,
        )
        return values

    changed = halves.phi().copy()
    changed[complement] += 5
    np.testing.assert_array_equal(fill(changed), fill(halves.phi()))


def test_duplicates_are_neighbors_of_one_another():
    X = np.repeat(np.arange(10.0), 3)[:, None]
    near = Neighborhood(X, np.zeros(30, dtype=int), 2)
    assert (near.distance[:, :2] == 0).all()
    assert (near.index != np.arange(30)[:, None]).all()


def test_copies_are_answered_by_target_and_references(binary):
    X, y = binary
    refs = ReferenceModels(LogisticRegression(), n_models=4, n_queries=3, random_state=0)
    refs.fit(X, y)
    model = LogisticRegression().fit(X[::2], y[::2])
    observations = observe(model, X, y, references=refs, n_queries=3)
    copies = perturbed_copies(X, refs.labels_, 3, refs.query_seed_)
    for query, copy in enumerate(copies):
        expected = rescaled_logit(log_posteriors(model, copy), y, refs.smoothing_)
        assert_allclose(observations[f"query_logit_{query}"], expected, rtol=1e-4, atol=1e-5)
    plain = ReferenceModels(LogisticRegression(), n_models=4, random_state=0).fit(X, y)
    np.testing.assert_array_equal(plain.outputs_, refs.outputs_)
    shadow, _ = refs.shadow_observations(40, 0, n_queries=3)
    assert shadow.columns.tolist() == observations.columns.tolist()
    with pytest.raises(ValueError, match="references answered 3 copies"):
        observe(model, X, y, references=refs, n_queries=4)
    with pytest.raises(ValueError, match="references answered 0 copies"):
        observe(model, X, y, references=plain, n_queries=1)


def test_copies_keep_the_kind_of_table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 60, 50),
            "income": rng.normal(size=50),
            "city": rng.choice(["a", "b", None], 50),
            "flag": rng.integers(0, 2, 50),
        },
        index=np.arange(50) + 7,
    )
    labels = rng.integers(0, 2, 50)
    noisy, crossed = perturbed_copies(frame, labels, 2, 0)
    for copy in (noisy, crossed):
        assert copy.columns.tolist() == frame.columns.tolist()
        assert copy.dtypes.tolist() == frame.dtypes.tolist()
        assert set(copy["flag"]) <= {0, 1}
    assert (noisy["city"].fillna("") == frame["city"].fillna("")).all()
    assert (noisy["income"] != frame["income"]).all()
    assert abs((noisy["income"] - frame["income"]).std() - 0.1 * frame["income"].std()) < 0.05
    many = rng.normal(size=(500, 4))
    crossed = perturbed_copies(many, np.arange(500) % 2, 2, 0)[1]
    assert (crossed != many).mean() == pytest.approx(0.4, abs=0.05)


def test_top_posteriors_make_tables_alike(model, binary):
    two = top_posteriors(observe(model, *binary), 3)
    X, y = make_classification(60, 6, n_informative=4, n_classes=4, random_state=0)
    four = top_posteriors(observe(DecisionTreeClassifier(random_state=0).fit(X, y), X, y), 3)
    assert two.columns.tolist() == four.columns.tolist() == ["proba_0", "proba_1", "proba_2"]
    assert (np.diff(two.to_numpy(), axis=1) <= 0).all()
    assert (two["proba_2"] == 0).all()
    with pytest.raises(ValueError, match="must have columns proba_0"):
        top_posteriors(two[[]])


def test_phi_is_one_signal_for_all(model, binary, halves):
    observations = observe(model, *binary, references=halves)
    true = np.where(binary[1] == 1, observations["proba_1"], observations["proba_0"])
    assert_allclose(expit(observations["logit"]), true, rtol=1e-4)
