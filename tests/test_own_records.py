"""Estimators that carry training records, or what was fitted on them, to each reference model."""

from __future__ import annotations

from collections import deque
from functools import lru_cache, partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.model_selection import (
    KFold,
    PredefinedSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    Normalizer,
    PolynomialFeatures,
)
from sklearn.svm import SVC

from mia_sklearn._models._trainable import check_trainable
from small_targets import (
    TEST,
    TRAIN,
    TREE,
    X,
    Y,
    right,
    run,
)

pytestmark = pytest.mark.usefixtures("few_rounds")


class _Slots:
    __slots__ = ("weights",)

    def __init__(self, weights):
        self.weights = weights


def _weighted(weights):
    return make_pipeline(
        FunctionTransformer(lambda X, weights: X, kw_args={"weights": weights}), GaussianNB()
    )


WEIGHTS = np.linspace(0.1, 1, 60)
CARRYING = {
    "positions": CalibratedClassifierCV(GaussianNB(), cv=list(KFold(3).split(X[TRAIN]))),
    "folds": CalibratedClassifierCV(GaussianNB(), cv=PredefinedSplit(np.arange(60) % 3)),
    "arguments": _weighted(WEIGHTS),
    "a dict": _weighted(dict(enumerate(WEIGHTS))),
    "text": _weighted([str(weight) for weight in WEIGHTS]),
    "a row": _weighted(WEIGHTS[None, :]),
    "a queue": _weighted(deque(WEIGHTS)),
    "a set": _weighted(frozenset(WEIGHTS)),
    "slots": _weighted(_Slots(WEIGHTS)),
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


# -- What was fitted before, reached by a function -------------------------------------------------

ENCODER = PCA(2).fit(X[TRAIN])
UNFITTED = PCA(2)


def _encode(records):
    return ENCODER.transform(records)


def _reaching(model):
    return lambda records: np.abs(model.fit_transform(records))


class _Encoding:
    def __init__(self, encoder):
        self.encoder = encoder

    def __call__(self, records):
        return self.encoder.transform(records)


class _Stateless(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def transform(self, X):
        return np.abs(X)


class _EncodingStep(_Stateless):
    def transform(self, X):
        return _encode(X)


REACHING = {
    "a global": lambda records: -ENCODER.transform(records),
    "a function of a function": lambda records: np.abs(_encode(records)),
    "within a comprehension": lambda records: np.hstack([_encode(records) for _ in range(2)]),
    "a closure": _reaching(ENCODER),
    "a pipeline": _reaching(make_pipeline(PCA(2)).fit(X[TRAIN])),
    "a default": lambda records, encoder=ENCODER: encoder.transform(records),
    "a partial": partial(lambda records, encoder: encoder.transform(records), encoder=ENCODER),
    "an object that is called": _Encoding(ENCODER),
    "its method": _Encoding(ENCODER).__call__,
    "a bound method": ENCODER.transform,
    "a dict": _reaching({"first": [ENCODER]}),
    "a cached function": lru_cache(_encode),
}


@pytest.mark.parametrize("name", REACHING)
def test_functions_that_reach_what_was_fitted(name):
    model = make_pipeline(FunctionTransformer(REACHING[name]), GaussianNB())
    message = r"FunctionTransformer, whose func reaches a fitted .* stays fitted when it is cloned"
    with pytest.raises(ValueError, match=message):
        check_trainable(model, None)


def test_arguments_and_classes_that_reach_what_was_fitted():
    given = FunctionTransformer(
        lambda records, model: model.transform(records), kw_args={"model": ENCODER}
    )
    model = make_pipeline(given, GaussianNB()).fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match=r"kw_args of FunctionTransformer holds a fitted PCA"):
        run(model)
    model = make_pipeline(_EncodingStep(), GaussianNB()).fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match=r"_EncodingStep, whose class reaches a fitted PCA"):
        run(model)


def test_functions_that_reach_nothing_fitted():
    functions = [
        np.log1p,
        lambda records: clone(UNFITTED).fit_transform(records),
        lambda records: PolynomialFeatures().fit_transform(records) + np.abs(X).max(),
        _reaching(make_pipeline(Normalizer(), Binarizer())),
        _reaching(UNFITTED),
        Normalizer().fit_transform,
    ]
    for function in functions:
        check_trainable(make_pipeline(FunctionTransformer(function), GaussianNB()), None)
    check_trainable(make_pipeline(_Stateless(), GaussianNB()), None)


def test_networks_that_begin_with_other_networks():
    torch = pytest.importorskip("torch")
    model = make_pipeline(FunctionTransformer(_reaching(torch.nn.Linear(6, 2))), GaussianNB())
    with pytest.raises(ValueError, match=r"func reaches a fitted Linear"):
        check_trainable(model, None)
    backbone = net(module__backbone=torch.nn.Linear(6, 2))
    with pytest.raises(ValueError, match=r"module__backbone reaches a fitted Linear"):
        check_trainable(backbone, None)
