"""Defenses that train networks: scikit-learn's checks, and what all defenses must keep."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

import test_defenses_common as common  # noqa: E402
from nets import Dense, Sized, classifier, sized  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402
from skorch import NeuralNetBinaryClassifier, NeuralNetRegressor  # noqa: E402
from skorch.callbacks import EpochScoring, LRScheduler  # noqa: E402
from skorch.dataset import ValidSplit  # noqa: E402
from test_defenses_common import records  # noqa: E402, F401
from torch import nn  # noqa: E402

from mia_sklearn import defenses  # noqa: E402
from mia_sklearn.base import TrainingSet, fit_clone  # noqa: E402
from mia_sklearn.defenses import (  # noqa: E402
    AdversarialRegularization,
    DropoutDefense,
    EarlyStoppingDefense,
    RelaxLoss,
    WeightPenalty,
)
from mia_sklearn.torch import TorchTarget  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

DEFENSES = {
    "dropout": DropoutDefense(sized(), p=0.3),
    "penalty": WeightPenalty(sized(), l1=1e-3, l2=1e-3),
    "early stopping": EarlyStoppingDefense(sized(), max_gap=2.0),
    "relaxed": RelaxLoss(sized(), alpha=0.3),
    "adversarial": AdversarialRegularization(sized(), lam=0.5, random_state=0),
}
IDLE = {
    "dropout": DropoutDefense(sized(), p=0),
    "penalty": WeightPenalty(sized(), l2=0),
    "early stopping": EarlyStoppingDefense(sized(train_split=ValidSplit(5)), max_gap=1e9),
    "relaxed": RelaxLoss(sized(), alpha=0),
    "adversarial": AdversarialRegularization(sized(), lam=0, k=2, random_state=0),
}
# Those of `common` that hold as they are.
SHARED = (
    common.test_released_answers_agree,
    common.test_two_classes,
    common.test_names_instead_of_numbers,
    common.test_frames,
    common.test_in_a_pipeline_and_a_search,
    common.test_is_audited,
    common.test_references_are_defended_alike,
)


@parametrize_with_checks(list(DEFENSES.values()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


every_defense = pytest.mark.parametrize("name", list(DEFENSES))


@pytest.fixture
def as_common(monkeypatch):
    monkeypatch.setattr(common, "DEFENSES", DEFENSES)


@every_defense
@pytest.mark.parametrize("shared", SHARED, ids=lambda test: test.__name__.removeprefix("test_"))
def test_as_all_defenses(name, shared, records, as_common):  # noqa: F811
    shared(name, records)


@every_defense
def test_at_chance_where_the_model_never_saw_the_records(name, as_common):
    common.test_at_chance_where_the_model_never_saw_the_records(name)


def test_every_network_is_listed():
    exported = {getattr(defenses, name) for name in defenses._NETWORKS}
    assert exported == {type(defense) for defense in DEFENSES.values()}
    assert set(defenses._NETWORKS) <= set(dir(defenses))
