"""Tables of every kind: one answer whatever holds the records, and nothing is written to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn._observations._neighborhood import perturbed_copies
from mia_sklearn._records._digests import row_digests
from mia_sklearn._records._dtypes import united
from mia_sklearn._records._numeric import numeric_features
from mia_sklearn._records._perturbation import Perturbation
from mia_sklearn._records._rows import (
    as_table,
    concat_rows,
    from_pandas,
    take_rows,
    to_pandas,
)
from mia_sklearn.defenses import SELENA, InputNoise, LabelOnly
from mia_sklearn.selection import Audited, compare_defenses, membership_risk

pytestmark = pytest.mark.usefixtures("few_rounds")

K = {"n_references": 4, "random_state": 0, "progress": False, "controls": False}
N = 80
RNG = np.random.default_rng(0)
WORDS = np.array([f"word{i}" for i in range(40)])
TEXTS = [" ".join(RNG.choice(WORDS, 8)) for _ in range(N)]
FRAME = pd.DataFrame(
    {
        "city": RNG.choice(["Bath", "Cork", "Deal", "Ely"], N),
        "age": RNG.integers(20, 80, N),
        "pay": RNG.normal(size=N).round(2),
    }
)
Y = ((FRAME["pay"] > 0).to_numpy() ^ (RNG.random(N) < 0.3)).astype(int)
NUMBERS = FRAME[["age", "pay"]].astype(float)
HALF = N // 2


def on_text():
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=100))


def on_columns(text=False):
    steps = [("t", TfidfVectorizer(), "text")] if text else [("c", OneHotEncoder(), ["city"])]
    return make_pipeline(
        ColumnTransformer(steps, remainder="drop" if text else "passthrough"),
        LogisticRegression(C=100) if text else DecisionTreeClassifier(random_state=0),
    )


def scores(model, train, test, y_train=Y[:HALF], y_test=Y[HALF:], **options):
    """Audit a model that is fitted here; return what the records scored."""
    options = {"attacks": ["threshold", "lira"], **K, **options}
    report = audit(model.fit(train, y_train), train, y_train, test, y_test, **options)
    return report.records[["threshold", "lira"]].to_numpy()


def halves(X):
    return take_rows(X, slice(HALF)), take_rows(X, slice(HALF, N))


TEXT_TABLES = {
    "list": lambda: TEXTS,
    "tuple": lambda: tuple(TEXTS),
    "Series": lambda: pd.Series(TEXTS, index=np.arange(N) + 100),
    "objects": lambda: np.array(TEXTS, dtype=object),
    "strings": lambda: np.array(TEXTS),
    "Polars Series": lambda: pytest.importorskip("polars").Series("text", TEXTS),
    "pyarrow strings": lambda: (
        pytest.importorskip("pyarrow") and pd.Series(TEXTS, dtype="string[pyarrow]")
    ),
    "frame": lambda: pd.DataFrame({"text": TEXTS}),
    "Polars frame": lambda: pytest.importorskip("polars").DataFrame({"text": TEXTS}),
}


@pytest.fixture(scope="module")
def text_scores():
    return scores(on_text(), TEXTS[:HALF], TEXTS[HALF:])


@pytest.mark.parametrize("kind", TEXT_TABLES)
def test_texts_are_audited_alike_whatever_holds_them(kind, text_scores):
    X = TEXT_TABLES[kind]()
    model = on_columns(text=True) if "frame" in kind else on_text()
    found = scores(model, *halves(X))
    np.testing.assert_allclose(found, text_scores, atol=1e-6)
    assert_array_equal(row_digests(halves(X)[0]), row_digests(TEXTS[:HALF]))


def test_a_model_gets_the_kind_of_table_that_it_was_fitted_on():
    seen = set()

    class Looks(FunctionTransformer):
        def transform(self, X):
            seen.add(type(X))
            return np.array([[len(document)] for document in X])

    for X in (TEXTS, pd.Series(TEXTS), np.array(TEXTS, dtype=object)):
        seen.clear()
        scores(make_pipeline(Looks(), LogisticRegression()), *halves(X), n_queries=2)
        assert seen == {type(X)}


@pytest.mark.parametrize(
    ("documents", "vectorizer"),
    [
        ([text.split()[: 3 + i % 5] for i, text in enumerate(TEXTS)], "words"),
        ([dict.fromkeys(text.split(), 1) for text in TEXTS], "dicts"),
    ],
)
def test_words_and_counts_stand_for_texts(documents, vectorizer):
    step = DictVectorizer() if vectorizer == "dicts" else CountVectorizer(analyzer=list)
    model = make_pipeline(step, LogisticRegression())
    assert np.isfinite(scores(model, *halves(documents), controls=True)).all()
    assert np.isfinite(scores(model, *halves(documents), release="labels")).all()


def _given(X, y=Y):
    train, test = halves(X)
    return train, y[:HALF], test, y[HALF:]


def test_texts_of_different_numbers_of_words():
    words = [[f"a{k % 5}"] * (2 + k % 3) + [f"b{k}"] for k in range(N)]
    model = make_pipeline(FeatureHasher(16, input_type="string"), LogisticRegression())
    report = audit(model.fit(words[:HALF], Y[:HALF]), *_given(words), attacks=["threshold"], **K)
    assert report.info["n_members"] == HALF


def test_references_of_texts(tmp_path):
    model, people = on_text(), np.arange(N) // 2
    refs = ReferenceModels(model, 4, random_state=0, n_queries=2, cache=tmp_path)
    refs.fit(TEXTS, Y, groups=people)
    table = observe(model.fit(TEXTS, Y), TEXTS, Y, references=refs, neighbors=3, n_queries=2)
    assert len(table) == N and np.isfinite(table["logit"]).all()
    stored = sorted(tmp_path.iterdir())
    again = ReferenceModels(model, 4, random_state=0, n_queries=2, cache=tmp_path)
    assert_array_equal(again.fit(TEXTS, Y, groups=people).outputs_, refs.outputs_)
    assert sorted(tmp_path.iterdir()) == stored


def test_defenses_and_searches_of_texts(tmp_path):
    model = on_text()
    long = [len(text) > 50 for text in TEXTS]
    scores(model, *halves(TEXTS), slices={"long": long}, controls=True)
    selena = SELENA(model, n_models=3, n_left_out=1)
    compared = compare_defenses(
        {"none": model, "labels": LabelOnly(model), "selena": selena},
        TEXTS, Y, n_references=2, attacks=["threshold"], random_state=0, progress=False,
    )  # fmt: skip
    assert (compared["error"] == "").all()
    search = GridSearchCV(
        Audited(model),
        {"estimator__logisticregression__C": [0.1, 100]},
        scoring=membership_risk("auc"),
        cv=2,
    ).fit(TEXTS, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    with pytest.raises(ValueError, match="X holds texts: InputNoise"):
        InputNoise(model).fit(TEXTS, Y)


def test_texts_are_compared_and_perturbed_by_their_words():
    features = numeric_features(TEXTS, one_hot=True)
    shared = len(set(TEXTS[0].split()) & set(TEXTS[1].split())) > 0
    assert (features[0].multiply(features[1]).sum() > 0) == shared
    frame = pd.DataFrame({"text": TEXTS, "age": FRAME["age"]})
    mixed = numeric_features(frame, one_hot=False)
    assert_array_equal(mixed[:, 0].toarray().ravel(), FRAME["age"])
    for X in (TEXTS, frame):
        copies = Perturbation(X, noise=0.5)(np.array([0, 5]), 30, np.random.default_rng(0))
        copies = to_pandas(copies)["text"]
        assert all(set(text.split()) <= set(TEXTS[0].split()) for text in copies[:30])
        assert all(set(text.split()) <= set(TEXTS[5].split()) for text in copies[30:])
        assert copies.nunique() > 1 and copies.str.len().min() < len(TEXTS[0])
    less, mixed = perturbed_copies(TEXTS, Y, 2, 0)
    assert all(set(a.split()) <= set(b.split()) for a, b in zip(less, TEXTS, strict=True))
    assert not all(set(a.split()) <= set(b.split()) for a, b in zip(mixed, TEXTS, strict=True))


FRAMES = {
    "Polars": lambda: pytest.importorskip("polars").DataFrame(FRAME.to_dict("list")),
    "pyarrow": lambda: pytest.importorskip("pyarrow").table(FRAME.to_dict("list")),
}


@pytest.fixture(scope="module")
def frame_scores():
    return scores(on_columns(), *halves(FRAME), n_queries=2)


def test_polars_frames_are_audited_as_pandas_frames(frame_scores):
    frame = FRAMES["Polars"]()
    found = scores(on_columns(), *halves(frame), n_queries=2)
    # Copies draw their noise column by column, in the same order.
    np.testing.assert_allclose(found, frame_scores, atol=1e-6)
    by_group = {"groups": "city"}
    with pytest.raises(ValueError, match="have records in X_train and in X_test both"):
        scores(on_columns(), *halves(frame), **by_group)
    assert scores(on_columns(), *halves(frame), slices=["city"], release="labels").shape == (N, 2)


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_other_libraries(kind):
    frame = FRAMES[kind]()
    assert_array_equal(row_digests(frame), row_digests(FRAME))
    assert_array_equal(numeric_features(frame, one_hot=True), numeric_features(FRAME, one_hot=True))
    back = from_pandas(to_pandas(frame), frame)
    assert back.equals(frame) and type(back) is type(frame)
    assert concat_rows(*halves(frame)).equals(frame)
    assert to_pandas(take_rows(frame, [3, 1]))["age"].tolist() == FRAME["age"][[3, 1]].tolist()


def test_swapped_columns_of_a_polars_frame_are_refused():
    pl = pytest.importorskip("polars")
    train, y_train, test, y_test = _given(FRAMES["Polars"]())
    model = on_columns().fit(train, y_train)
    swapped = test.select("age", "city", "pay")
    with pytest.raises(ValueError, match="X_test has the model's columns in another order"):
        audit(model, train, y_train, swapped, y_test, **K)
    with pytest.raises(ValueError, match="missing: pay; not known to it: wage"):
        audit(model, train, y_train, test.rename({"pay": "wage"}), y_test, **K)
    with pytest.raises(ValueError, match=r"X_train is lazy: pass X_train.collect\(\)"):
        audit(model, pl.LazyFrame(train), y_train, test, y_test, **K)
    with pytest.raises(ValueError, match="must be tables of one kind"):
        audit(model, train, y_train, to_pandas(test), y_test, **K)


def test_two_columns_of_a_name_are_refused():
    pa = pytest.importorskip("pyarrow")
    table = pa.table([[1, 2], [3, 4]], names=["a", "a"])
    for X in (table, pd.DataFrame([[1, 3], [2, 4]], columns=["a", "a"])):
        with pytest.raises(ValueError, match="has several columns named 'a': rename all but one"):
            as_table(X, "X_train")


def test_enums_of_polars_frames_are_united():
    pl = pytest.importorskip("polars")
    train, test = (pl.DataFrame({"c": values}) for values in (["b", "a"], ["c", "b"]))
    one = train.with_columns(pl.col("c").cast(pl.Enum(["b", "a"])))
    other = test.with_columns(pl.col("c").cast(pl.Enum(["b", "c"])))
    one, other = united(one, other, "X_train", "X_test")
    assert one.schema == other.schema == {"c": pl.Enum(["b", "a", "c"])}
    whole, narrow = pl.DataFrame({"c": [1, 2]}), pl.DataFrame({"c": [1.0, None]})
    assert united(whole, narrow, "X_train", "X_test")[1].schema == {"c": pl.Int64}
    with pytest.raises(ValueError, match="'c' of X_train and X_test hold"):
        united(whole, test, "X_train", "X_test")


# Categories and dtypes.


def as_categories(frame, **more):
    return frame.astype({"city": "category"}).assign(**more)


class Coded(FunctionTransformer):
    """Reads the numbers of categories, as trees for categories do."""

    def transform(self, X):
        assert X["city"].dtype == "category"
        return np.column_stack([X["city"].cat.codes, X["age"], X["pay"]])


def test_categories_that_differ_between_train_and_test_are_united():
    train, y_train, test, y_test = _given(FRAME)
    keep = (train["city"] != "Bath").to_numpy(), (test["city"] != "Deal").to_numpy()
    sides = (train[keep[0]], y_train[keep[0]]), (test[keep[1]], y_test[keep[1]])
    (A, a), (B, b) = sides
    cities = ["Cork", "Deal", "Ely", "Bath"]
    together = [X.astype({"city": pd.CategoricalDtype(cities)}) for X in (A, B)]
    apart = [as_categories(X) for X in (A, B)]
    assert list(apart[0]["city"].cat.categories) != list(apart[1]["city"].cat.categories)
    model = make_pipeline(Coded(), DecisionTreeClassifier(random_state=0))
    expected = scores(model, *together, a, b)
    assert_array_equal(scores(model, *apart, a, b), expected)
    # Text is made what the model was fitted on.
    assert_array_equal(scores(model, apart[0], B, a, b), expected)


def test_ordered_categories():
    one = pd.Series(["low", "high"], dtype=pd.CategoricalDtype(["low", "high"], ordered=True))
    other = pd.Series(["mid", "low"], dtype=pd.CategoricalDtype(["low", "mid"], ordered=True))
    one, other = united(one.to_frame("c"), other.to_frame("c"), "X_train", "X_test")
    assert list(one["c"].cat.categories) == ["low", "high", "mid"] and one["c"].cat.ordered
    assert other["c"].tolist() == ["mid", "low"]
    turned = one.astype(pd.CategoricalDtype(["high", "low"], ordered=True))
    with pytest.raises(ValueError, match="'c' of X_train and X_test are in another order"):
        united(one, turned, "X_train", "X_test")


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ("int64", "int8", "int64"),
        ("int8", "int64", "int8"),
        ("int64", "Int64", "int64"),
        ("Int64", "int64", "Int64"),
        ("int64", "object", "int64"),
        ("float32", "int64", "float32"),
        ("int64", "category", "int64"),
    ],
)
def test_one_dtype_where_no_value_changes(train, test, expected):
    pair = FRAME[["age"]].astype(train), FRAME[["age"]].astype(test)
    one, other = united(*pair, "X_train", "X_test")
    assert one.dtypes["age"] == other.dtypes["age"] == expected
    assert one["age"].tolist() == other["age"].tolist() == FRAME["age"].tolist()


def test_both_tables_take_a_wider_dtype_where_a_value_is_missing():
    """The target is still asked about whole numbers, which it was fitted on."""
    train, y_train, test, y_test = _given(FRAME[["age", "pay"]])
    test = test.astype({"age": float})
    test.iloc[0, 0] = np.nan
    asked = []

    class Looks(DecisionTreeClassifier):
        def predict_proba(self, X):
            asked.append(X["age"].dtype.kind)
            return super().predict_proba(X)

    target = Looks(random_state=0).fit(train, y_train)
    audit(target, train, y_train, test, y_test, attacks=["threshold"], **{**K, "n_references": 0})
    # The last table holds the missing value.
    assert set(asked[:-1]) <= {"i", "f"} and asked[0] == "i" and asked[-1] == "f"


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (FRAME[["age"]], FRAME[["age"]].astype(str)),
        (FRAME[["age"]].astype("category"), FRAME[["age"]].astype(str)),
        (FRAME[["age"]].astype("datetime64[s]"), FRAME[["age"]].astype(str)),
        (FRAME[["age"]].to_numpy(), FRAME[["age"]].to_numpy().astype(str)),
    ],
)
def test_numbers_and_text_are_not_united(train, test):
    with pytest.raises(ValueError, match="X_train and X_test hold"):
        united(train, test, "X_train", "X_test")


def test_sparse_tables_of_all_formats():
    X = FRAME[["age", "pay"]].to_numpy()
    train, test = halves(X)
    model = DecisionTreeClassifier(random_state=0)
    expected = scores(model, sparse.csr_matrix(train), sparse.csr_matrix(test))
    assert_array_equal(scores(model, sparse.coo_array(train), sparse.csc_array(test)), expected)
    with pytest.raises(ValueError, match="must be tables of one kind, got csr_matrix"):
        scores(model, sparse.csr_matrix(train), test)


def test_digests_of_times_do_not_depend_on_the_other_records():
    times = pd.DataFrame({"t": pd.to_datetime(["2020-01-01 00:00", "2020-01-02 10:00"])})
    assert row_digests(times)[0] == row_digests(times[:1])[0]
    assert row_digests(times.astype("datetime64[s]"))[0] == row_digests(times)[0]


def test_digests_of_cells_leave_nothing_out():
    def digests(*cells):
        return row_digests(pd.DataFrame({"a": list(cells)})).tolist()

    long = np.arange(5000.0)
    other = long.copy()
    other[2500] += 1e-9
    one, two = digests(long, other)
    assert one != two
    one, two = digests({"a": 1, "b": (2,)}, {"b": [2.0], "a": np.int64(1)})
    assert one == two
    assert len(set(digests(["1"], [1], [[1]], [1, 1]))) == 4


# Labels.


@pytest.mark.parametrize(
    "make",
    [
        lambda y: y.tolist(),
        lambda y: y[:, None],
        lambda y: pd.DataFrame({"y": y}),
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: pd.Series(pd.Categorical(y)),
        pd.Categorical,
        lambda y: pd.array(y, dtype="Int64"),
        lambda y: y.astype(bool),
        lambda y: y.astype(float),
        lambda y: pytest.importorskip("polars").Series("y", y),
        lambda y: pytest.importorskip("polars").DataFrame({"y": y}),
    ],
    ids=[
        "list",
        "column",
        "frame",
        "Int64",
        "category",
        "category array",
        "Int64 array",
        "bool",
        "float",
        "Polars",
        "Polars frame",
    ],
)
def test_labels_of_all_kinds(make):
    X = NUMBERS.to_numpy()
    model = DecisionTreeClassifier(random_state=0).fit(X[:HALF], Y[:HALF])
    options = {"attacks": ["threshold", "lira"], **K}
    expected = audit(model, *_given(X), **options).records
    found = audit(model, X[:HALF], make(Y[:HALF]), X[HALF:], make(Y[HALF:]), **options).records
    pd.testing.assert_frame_equal(found, expected)


def test_labels_of_another_type_are_refused_by_name():
    X = NUMBERS.to_numpy()
    model = DecisionTreeClassifier().fit(X[:HALF], Y[:HALF])
    words = Y.astype(str)
    with pytest.raises(ValueError, match=r"y_train holds labels of another type .*astype\('int64'"):
        audit(model, *_given(X, words), **K)
    model = DecisionTreeClassifier().fit(X[:HALF], words[:HALF])
    with pytest.raises(ValueError, match=r"y_train holds labels of another type .*astype\('str'"):
        audit(model, *_given(X), **K)
    with pytest.raises(ValueError, match=r"y_train must have one label per record, got shape"):
        audit(model, *_given(X, np.column_stack([Y, Y])), **K)


# What scikit-learn is set to.


def audit_with(config):
    model = make_pipeline(
        ColumnTransformer([("c", OrdinalEncoder(), ["city"])], remainder="passthrough"),
        DecisionTreeClassifier(random_state=0),
    )
    options = {**K, "controls": True, "attacks": ["shadow"]}
    with config_context(**config):
        return audit(model.fit(FRAME[:HALF], Y[:HALF]), *_given(FRAME), **options)


@pytest.fixture(scope="module")
def audit_by_default():
    return audit_with({})


@pytest.mark.thorough
@pytest.mark.parametrize(
    "config",
    [
        {"transform_output": "pandas"},
        {"transform_output": "polars"},
        {"enable_metadata_routing": True},
        {"assume_finite": True},
    ],
    ids=str,
)
def test_settings_of_scikit_learn(config, audit_by_default):
    if config.get("transform_output") == "polars":
        pytest.importorskip("polars")
    report = audit_with(config)
    pd.testing.assert_frame_equal(report.records, audit_by_default.records)
    pd.testing.assert_frame_equal(report.controls, audit_by_default.controls)


@pytest.mark.parametrize("kind", ["pandas", "Categorical", "Enum"])
def test_texts_held_as_categories_are_texts(kind):
    texts = [f"a{k} b" for k in range(20)]
    sides = texts[:10], texts[10:]
    if kind == "pandas":
        train, test = (pd.Series(side, dtype="category") for side in sides)
    else:
        pl = pytest.importorskip("polars")
        train, test = (
            pl.Series(side).cast(pl.Enum(side) if kind == "Enum" else pl.Categorical)
            for side in sides
        )
    tables = united(as_table(train), as_table(test), "X_train", "X_test")
    assert [text for table in tables for text in table] == texts
    assert list(concat_rows(*tables)) == texts
