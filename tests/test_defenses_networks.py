"""Defenses that train networks: scikit-learn's checks, and what all defenses must keep."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

import test_defenses_common as common  # noqa: E402
from mia_sklearn import defenses  # noqa: E402
from mia_sklearn.defenses import (  # noqa: E402
    AdversarialRegularization,
    DropoutDefense,
    EarlyStoppingDefense,
    RelaxLoss,
    WeightPenalty,
)
from nets import sized  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")
records = common.records

# Trained with few, large steps: they go through hundreds of checks.
DEFENSES = {
    "dropout": DropoutDefense(sized(), p=0.3),
    "penalty": WeightPenalty(sized(), l1=1e-3, l2=1e-3),
    "early stopping": EarlyStoppingDefense(sized(), max_gap=2.0),
    "relaxed": RelaxLoss(sized(), alpha=0.3),
    "adversarial": AdversarialRegularization(sized(), lam=0.5, random_state=0),
}
# Those of `common` that hold as they are.
SHARED = (
    common.test_two_classes,
    common.test_names_instead_of_numbers,
    common.test_frames,
    common.test_in_a_pipeline_and_a_search,
    common.test_is_audited,
    common.test_references_are_defended_alike,
)


@pytest.mark.one_for_all(DropoutDefense)
@parametrize_with_checks(list(DEFENSES.values()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# One of the family; the others, which differ by a loss, a penalty, an opponent or the number of
# epochs, in `make test-slow`.
every_defense = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "dropout" else pytest.mark.slow) for name in DEFENSES],
)


@pytest.fixture
def as_common(monkeypatch):
    monkeypatch.setattr(common, "DEFENSES", DEFENSES)


@every_defense
@pytest.mark.parametrize("shared", SHARED, ids=lambda test: test.__name__.removeprefix("test_"))
def test_as_all_defenses(name, shared, records, as_common):
    shared(name, records)


@every_defense
def test_at_chance_where_the_model_never_saw_the_records(name, as_common):
    common.test_at_chance_where_the_model_never_saw_the_records(name)


@every_defense
def test_released_answers_agree(name, records):
    X, y, others, _ = records
    defense = clone(DEFENSES[name]).fit(X, y)
    for asked in (X, others):
        common.check_defense_releases_one_thing(defense, asked)
    again = pickle.loads(pickle.dumps(defense))
    np.testing.assert_array_equal(again.predict_proba(others), defense.predict_proba(others))
    fresh = clone(defense)
    assert not hasattr(fresh, "classes_")
    assert repr(fresh) == repr(clone(fresh))


@every_defense
def test_networks_that_predict_numbers_are_refused_by_name(name):
    from skorch import NeuralNetRegressor

    defense = clone(DEFENSES[name]).set_params(net=NeuralNetRegressor(torch.nn.Linear))
    with pytest.raises(ValueError, match=r"does not defend regressors \(net=Neur.*InputNoise"):
        defense.fit(np.ones((20, 2), np.float32), np.arange(20.0, dtype=np.float32))


def test_a_column_of_numbers_stays_one_for_a_network():
    """Its loss compares it with answers of one column."""
    from skorch import NeuralNetRegressor

    X, y = np.ones((20, 2), np.float32), np.arange(20.0, dtype=np.float32)[:, None]
    defense = defenses.InputNoise(NeuralNetRegressor(torch.nn.Linear))
    assert defense._training_set(X, y, {}).y.shape == (20, 1)
    with pytest.warns(UserWarning, match="column-vector"):
        assert defenses.InputNoise(Ridge())._training_set(X, y, {}).y.shape == (20,)


def test_every_network_is_listed():
    exported = {getattr(defenses, name) for name in defenses._registry.networks()}
    # DPSGD needs Opacus beside: its tests are in a file of their own.
    assert exported == {type(defense) for defense in DEFENSES.values()} | {defenses.DPSGD}
    assert set(defenses._registry.networks()) <= set(dir(defenses))
