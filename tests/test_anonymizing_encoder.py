"""The anonymising encoder: what it drops and keeps by construction, its place in a Pipeline."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from mia_sklearn.disclosure import privacy_frontier, private_label_risk  # noqa: E402
from mia_sklearn.torch import AnonymizingEncoder  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SMALL = {"max_epochs": 2, "random_state": 0}


def records(n, seed=0):
    """Two labels that have nothing to do with each other, each told by a feature of its own."""
    rng = np.random.default_rng(seed)
    y, s = rng.integers(0, 2, (2, n))
    X = rng.normal(size=(n, 6))
    X[:, 0] += 3 * y
    X[:, 1] += 3 * s
    return X, np.array(["sad", "glad"])[y], np.array(["anna", "omar"])[s]


X, Y, PRIVATE = records(120)


@pytest.mark.one_for_all()
@parametrize_with_checks([AnonymizingEncoder(lam=0, max_epochs=1)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.thorough
def test_a_private_bit_is_dropped_and_the_public_one_kept():
    X, y, private = records(1000)
    train, test = slice(500), slice(500, 1000)
    attackers = {"logistic": LogisticRegression(), "neighbors": KNeighborsClassifier(15)}
    found = {}
    for lam in (0, 3):
        encoder = AnonymizingEncoder(lam=lam, max_epochs=20, random_state=0)
        encoder.fit(X[train], y[train], private=private[train])
        risk = private_label_risk(
            encoder.transform(X[test]),
            private[test],
            public=y[test],
            attackers=attackers,
            random_state=0,
        )
        found[lam] = risk.set_index(["label", "attacker"])
    best = ("private", "best")
    assert found[0].loc[best, "low"] > 0.6
    assert found[3].loc[best, "balanced_accuracy"] < 0.58
    assert found[3].loc[best, "low"] < 0.5
    assert found[3].loc[("public", "best"), "low"] > 0.85


def test_without_a_private_label_only_where_it_plays_no_part():
    told = AnonymizingEncoder(lam=0, **SMALL).fit(X, Y)
    assert sorted(told.history_[-1]) == ["epoch", "public_accuracy", "public_loss"]
    with pytest.raises(ValueError, match=r"private is needed with lam=1.0: .*<step>__private"):
        AnonymizingEncoder().fit(X, Y)


def test_same_seed_same_encoding_and_global_generators_are_left_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    one, same, other = (
        AnonymizingEncoder(max_epochs=2, random_state=seed).fit(X, Y, private=PRIVATE)
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(one.transform(X), same.transform(X))
    assert one.history_ == same.history_ != other.history_
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.transform(X), one.transform(X))


def test_frames_and_names():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    encoder = AnonymizingEncoder(n_components=3, **SMALL).set_output(transform="pandas")
    encoded = encoder.fit_transform(frame, Y, private=pd.Series(PRIVATE))
    assert encoded.columns.tolist() == [f"anonymizingencoder{i}" for i in range(3)]
    assert encoder.feature_names_in_.tolist() == list("abcdef")
    plain = AnonymizingEncoder(n_components=3, **SMALL).fit(X, Y, private=PRIVATE)
    np.testing.assert_array_equal(plain.transform(X), encoded.to_numpy())


def test_private_through_a_pipeline():
    alone = AnonymizingEncoder(**SMALL)
    scaled = StandardScaler().fit_transform(X)
    expected = alone.fit(scaled, Y, private=PRIVATE).transform(scaled)

    by_keyword = make_pipeline(StandardScaler(), AnonymizingEncoder(**SMALL), LogisticRegression())
    by_keyword.fit(X, Y, anonymizingencoder__private=PRIVATE)
    np.testing.assert_array_equal(by_keyword[:-1].transform(X), expected)

    with config_context(enable_metadata_routing=True):
        encoder = AnonymizingEncoder(**SMALL).set_fit_request(private=True)
        routed = make_pipeline(StandardScaler(), encoder, LogisticRegression())
        routed.fit(X, Y, private=PRIVATE)
        np.testing.assert_array_equal(routed[:-1].transform(X), expected)
        search = GridSearchCV(routed, {"anonymizingencoder__lam": [0, 1]}, cv=2)
        search.fit(X, Y, private=PRIVATE)
        assert len(search.cv_results_["params"]) == 2


def test_own_modules():
    class Images(nn.Module):
        def __init__(self, n_features):
            super().__init__()
            self.first = nn.Conv2d(1, 2, 2)

        def forward(self, x):
            return self.first(x.reshape(-1, 1, 2, 3)).flatten(1)

    encoder = AnonymizingEncoder(Images, **SMALL).fit(X, Y, private=PRIVATE)
    assert encoder.transform(X).shape == (120, 4)
    assert len(encoder.get_feature_names_out()) == 4


def test_what_is_kept_holds_no_record():
    encoder = AnonymizingEncoder(progress=True, **SMALL).fit(X, Y, private=PRIVATE)
    arrays = [value for value in vars(encoder).values() if isinstance(value, np.ndarray)]
    assert not arrays
    n_parameters = sum(part.numel() for part in encoder.encoder_.parameters())
    assert n_parameters == 7 * 64 + 65 * 4


@pytest.mark.thorough
def test_frontier_over_lam():
    X, y, private = records(600)
    encoder = make_pipeline(StandardScaler(), AnonymizingEncoder(max_epochs=8))
    options = {"attackers": {"logistic": LogisticRegression()}, "random_state": 0}
    frontier = privacy_frontier(encoder, X, y, private, [0, 3], **options)
    assert frontier["lam"].tolist() == [0, 3]
    assert frontier["attacker"].tolist() == ["logistic"] * 2
    assert frontier["on_frontier"].any()
    for label in ("public", "private"):
        assert (frontier[f"{label}_low"] <= frontier[f"{label}_accuracy"]).all()
        assert (frontier[f"{label}_accuracy"] <= frontier[f"{label}_high"]).all()
        assert (frontier[f"{label}_chance"] == 0.5).all()
    assert (frontier["public_low"] > 0.7).all()
    again = privacy_frontier(encoder, X, y, private, [0], **options)
    pd.testing.assert_frame_equal(
        again.drop(columns="on_frontier"), frontier[:1].drop(columns="on_frontier")
    )
    # Of people with two records each, only half are independent.
    groups = np.repeat(np.arange(300), 2)
    grouped = privacy_frontier(encoder, X, y, private, [0], groups=groups, **options)
    widths = [(table["private_high"] - table["private_low"])[0] for table in (grouped, frontier)]
    assert widths[0] > 1.2 * widths[1]


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({}, {"private": None}, "private is needed"),
        ({}, {"private": PRIVATE[:-1]}, "inconsistent numbers of samples"),
        ({}, {"private": np.full(120, "anna")}, "private has one class, .*anna"),
        ({}, {"private": np.where(Y == "sad", np.nan, 1.0)}, "private holds missing labels"),
        ({}, {"private": X[:, 0]}, "Unknown label type"),
        ({}, {"y": np.full(120, "sad")}, "y has one class"),
        ({}, {"X": np.where(X > 2, np.nan, X)}, "Input X contains NaN"),
        ({"lam": -1}, {}, "'lam' parameter"),
        ({"k": 0}, {}, "'k' parameter"),
        ({"batch_size": 1}, {}, "'batch_size' parameter"),
        ({"device": "cuda:99"}, {}, "device='cuda:99'"),
        ({"module": nn.Linear(6, 2)}, {}, "module is an instance of Linear"),
        ({"module": lambda n: n}, {}, "module must make a torch.nn.Module, got int"),
        ({"module": lambda n: nn.Unflatten(1, (2, 3))}, {}, "module must return one vector"),
        ({"learning_rate": 1e30}, {}, "The loss became NaN in epoch"),
    ],
)
def test_bad_input_is_named(options, change, message):
    if options.get("device") and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    data = {"X": X, "y": Y, "private": PRIVATE} | change
    encoder = AnonymizingEncoder(**SMALL).set_params(**options)
    with pytest.raises(ValueError, match=message):
        encoder.fit(data["X"], data["y"], private=data["private"])


@pytest.mark.parametrize(
    ("encoder", "lams", "message"),
    [
        (StandardScaler(), [1], "StandardScaler has no parameter lam"),
        (AnonymizingEncoder(), [], "lams is empty"),
    ],
)
def test_bad_frontiers_are_named(encoder, lams, message):
    with pytest.raises(ValueError, match=message):
        privacy_frontier(encoder, X, Y, PRIVATE, lams)
