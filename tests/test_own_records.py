"""Estimators that carry entries of their training records, where no training set slices them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import (
    KFold,
    PredefinedSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from small_targets import (
    TEST,
    TRAIN,
    TREE,
    X,
    Y,
    right,
    run,
)

WEIGHTS = np.linspace(0.1, 1, 60)
CARRYING = {
    "positions": CalibratedClassifierCV(GaussianNB(), cv=list(KFold(3).split(X[TRAIN]))),
    "folds": CalibratedClassifierCV(GaussianNB(), cv=PredefinedSplit(np.arange(60) % 3)),
    "arguments": make_pipeline(
        FunctionTransformer(lambda X, weights: X, kw_args={"weights": WEIGHTS}), GaussianNB()
    ),
    "a global array": make_pipeline(FunctionTransformer(lambda X: X * WEIGHTS.mean()), TREE),
}


@pytest.mark.parametrize("name", CARRYING)
def test_entries_of_training_records_in_parameters(name):
    model = CARRYING[name].fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(
        ValueError, match=r"training records?\.? .*estimator= a function \(X, y, seed"
    ):
        run(model)
    assert run(model, n_references=0)


def test_kernels_between_training_records():
    kernel = X @ X[TRAIN].T
    model = SVC(kernel="precomputed").fit(kernel[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match=r"kernel of SVC takes distances or kernels.*give the rec"):
        run(model, records=kernel)


# -- Networks ------------------------------------------------------------------------------------


def net(**params):
    pytest.importorskip("skorch")
    from skorch import NeuralNetClassifier
    from torch import nn

    options = {"criterion": nn.CrossEntropyLoss, "max_epochs": 1, "train_split": None, "verbose": 0}
    return NeuralNetClassifier(**{"module": nn.Linear, **SIZES_OF_NET, **options, **params})


SIZES_OF_NET = {"module__in_features": 6, "module__out_features": 3}
SINGLE = X.astype(np.float32)


def _weighted_sampler():
    from torch.utils.data import WeightedRandomSampler

    return {"iterator_train__sampler": WeightedRandomSampler(WEIGHTS, 60)}


def _batches():
    from torch.utils.data import BatchSampler, RandomSampler

    batches = BatchSampler(RandomSampler(range(60)), 10, drop_last=False)
    return {"iterator_train__batch_sampler": batches, "iterator_train__batch_size": 1}


def _loader():
    from functools import partial

    from torch.utils.data import DataLoader, RandomSampler

    return {"iterator_train": partial(DataLoader, sampler=RandomSampler(range(60)))}


def _loss():
    import torch

    class Weighted(torch.nn.CrossEntropyLoss):
        def __init__(self, weights):
            super().__init__()
            self.weights = weights

    return {"criterion": Weighted, "criterion__weights": torch.ones(60)}


def _callback():
    from skorch.callbacks import Callback

    class Holding(Callback):
        def __init__(self, records):
            self.records = records

    return {"callbacks": [Holding(SINGLE[TRAIN])]}


def _dataset():
    from skorch.dataset import Dataset

    return {"dataset": Dataset(SINGLE[TRAIN], Y[TRAIN])}


@pytest.mark.parametrize(
    ("carrying", "named"),
    [
        (_weighted_sampler, "iterator_train__sampler .* WeightedRandomSampler"),
        (_batches, "iterator_train__batch_sampler .* BatchSampler"),
        (_loader, "iterator_train .* RandomSampler"),
        (_loss, "criterion__weights .* 60 entries"),
        (_callback, "callbacks .* 60 entries"),
        (_dataset, "dataset .* Dataset"),
    ],
)
def test_nets_that_carry_records(carrying, named):
    pytest.importorskip("skorch")
    model = net().fit(SINGLE[TRAIN], Y[TRAIN])
    # As if trained so: what the audit reads are the parameters.
    vars(model).update(carrying())
    with pytest.raises(ValueError, match=rf"{named}.*estimator= a function \(X, y, seed"):
        run(model, records=SINGLE)


def test_nets_with_weights_of_classes_and_records_to_stop_by():
    torch = pytest.importorskip("torch")
    pytest.importorskip("skorch")
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    weighted = net(criterion__weight=torch.tensor([1.0, 2.0, 1.0])).fit(SINGLE[TRAIN], Y[TRAIN])
    assert run(weighted, records=SINGLE).info["target_train_accuracy"] == right(
        weighted, records=SINGLE
    )
    apart = net(train_split=predefined_split(Dataset(SINGLE[TEST] + 1, Y[TEST])))
    assert run(apart.fit(SINGLE[TRAIN], Y[TRAIN]), records=SINGLE)
    among = net(train_split=predefined_split(Dataset(SINGLE[:20], Y[:20])))
    with pytest.raises(ValueError, match=r"train_split .*in X_train or X_test too"):
        run(among.fit(SINGLE[TRAIN], Y[TRAIN]), records=SINGLE)
