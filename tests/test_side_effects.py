"""Models that are trained anew, or come from a stranger, read and write nothing beside them."""

from __future__ import annotations

import functools

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels
from mia_sklearn._models._side_effects import without_side_effects
from mia_sklearn._models._trainable import configured
from mia_sklearn.defenses import RoundedPosterior

pytestmark = pytest.mark.usefixtures("few_rounds")

X, Y = make_classification(60, 6, random_state=0)


def piped(folder):
    return make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0), memory=folder)


def doubled(X):
    return 2 * X


NESTED = {
    "pipeline": piped,
    "memory": lambda folder: piped(joblib.Memory(folder, verbose=0)),
    "search": lambda folder: GridSearchCV(
        piped(folder), {"decisiontreeclassifier__max_depth": [1, 2]}, cv=2
    ),
    "calibrated": lambda folder: CalibratedClassifierCV(piped(folder), cv=2),
    "voting": lambda folder: VotingClassifier([("a", piped(folder)), ("b", piped(folder))]),
    "stacked": lambda folder: StackingClassifier([("a", piped(folder))], piped(folder), cv=2),
    "union": lambda folder: make_pipeline(
        FeatureUnion(
            [
                ("a", Pipeline([("s", StandardScaler()), ("t", StandardScaler())], memory=folder)),
                ("b", "passthrough"),
            ]
        ),
        DecisionTreeClassifier(random_state=0),
    ),
    "columns": lambda folder: make_pipeline(
        make_column_transformer(
            (make_pipeline(StandardScaler(), StandardScaler(), memory=folder), [0, 1]),
            remainder="passthrough",
        ),
        DecisionTreeClassifier(random_state=0),
    ),
    "cached function": lambda folder: make_pipeline(
        FunctionTransformer(joblib.Memory(folder, verbose=0).cache(doubled)),
        DecisionTreeClassifier(random_state=0),
    ),
    "part of a cached function": lambda folder: make_pipeline(
        FunctionTransformer(functools.partial(joblib.Memory(folder, verbose=0).cache(doubled))),
        DecisionTreeClassifier(random_state=0),
    ),
    "defense": lambda folder: RoundedPosterior(piped(folder)),
}


def folders_in(value, seen=None):
    """Walk through all that an object holds and return the caches of steps that it finds."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return []
    seen[id(value)] = value
    if isinstance(value, (list, tuple, set)):
        inside = [(None, item) for item in value]
    elif isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, functools.partial):
        inside = [(None, value.func), *value.keywords.items()]
    else:
        inside = list(getattr(value, "__dict__", {}).items())
    found = [value] if isinstance(value, joblib.memory.MemorizedFunc) else []
    found += [item for name, item in inside if name == "memory" and item is not None]
    for _, item in inside:
        if type(item).__module__ not in ("numpy", "builtins") or isinstance(
            item, (list, tuple, dict)
        ):
            found += folders_in(item, seen)
    return found


@pytest.mark.parametrize("kind", NESTED)
def test_nothing_nested_has_a_folder(kind, tmp_path):
    folder = tmp_path / "cache"
    model = NESTED[kind](str(folder))
    assert folders_in(model), "the walk finds them"
    assert not folders_in(without_side_effects(model))
    assert not folders_in(configured(model, 0))
    assert folders_in(model), "the user's own is as it was"
    ReferenceModels(model, 2, random_state=0).fit(X, Y)
    assert not list(folder.rglob("*.pkl"))


@pytest.mark.parametrize("kind", ["pipeline", "search", "union", "columns", "voting"])
def test_a_fitted_model_answers_the_same_and_its_copy_keeps_what_it_learned(kind, tmp_path):
    model = NESTED[kind](str(tmp_path)).fit(X, Y)
    assert np.array_equal(without_side_effects(model).predict(X), model.predict(X))
    forest = RandomForestClassifier(2, random_state=0).fit(X, Y)
    assert without_side_effects(forest).estimators_[0].tree_ is forest.estimators_[0].tree_
    assert not hasattr(clone(without_side_effects(model)), "classes_")


def test_what_is_shared_stays_shared_and_circles_end():
    one = LogisticRegression()
    one.itself = one
    made = without_side_effects(VotingClassifier([("a", one), ("b", one)]))
    assert made.estimators[0][1] is made.estimators[1][1] is made.estimators[0][1].itself
    assert made.estimators[0][1] is not one


def test_references_print_nothing(capfd):
    model = GridSearchCV(
        make_pipeline(StandardScaler(), RandomForestClassifier(2, verbose=2), verbose=True),
        {},
        cv=2,
        verbose=3,
    )
    ReferenceModels(model, 2, random_state=0).fit(X, Y)
    assert capfd.readouterr() == ("", "")


def test_boosters_write_and_print_nothing(tmp_path, monkeypatch, capfd):
    catboost, lightgbm, xgboost = map(pytest.importorskip, ("catboost", "lightgbm", "xgboost"))
    monkeypatch.chdir(tmp_path)
    plain = {"n_estimators": 2, "random_state": 0}
    models = [
        catboost.CatBoostClassifier(**plain, train_dir="logs", save_snapshot=True, verbose=1),
        catboost.CatBoostClassifier(**plain, logging_level="Info"),
        lightgbm.LGBMClassifier(**plain, verbose=1),
        xgboost.XGBClassifier(
            **plain,
            verbosity=2,
            callbacks=[
                xgboost.callback.TrainingCheckPoint("models", interval=1),
                xgboost.callback.LearningRateScheduler(steady),
            ],
        ),
    ]
    for model in models:
        ReferenceModels(model, 2, random_state=0).fit(X, Y)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    kept = configured(models[-1], 0).callbacks
    assert [type(callback).__name__ for callback in kept] == ["LearningRateScheduler"]
    assert models[0].get_params()["train_dir"] == "logs"
    fitted = catboost.CatBoostClassifier(**plain, allow_writing_files=False, verbose=0).fit(X, Y)
    assert np.array_equal(without_side_effects(fitted).predict_proba(X), fitted.predict_proba(X))


def steady(epoch):
    return 0.3


def test_callbacks_of_nets_write_and_print_nothing(tmp_path, monkeypatch, capfd, one_torch_thread):
    from skorch.callbacks import Checkpoint, EarlyStopping, ProgressBar, TrainEndCheckpoint

    from nets import classifier

    monkeypatch.chdir(tmp_path)
    net = classifier(
        module__n_features=6,
        module__n_outputs=2,
        verbose=1,
        callbacks=[
            ("stop", EarlyStopping(monitor="train_loss")),
            ("saved", Checkpoint(monitor=None, dirname="here")),
            TrainEndCheckpoint(dirname="there"),
            ProgressBar(),
        ],
    )
    ReferenceModels(RoundedPosterior(net), 2, random_state=0).fit(X.astype("float32"), Y)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert [name for name, _ in configured(net, 0).callbacks] == ["stop"]
    assert len(net.callbacks) == 4


def test_nets_go_back_to_their_best_epoch_without_a_file(tmp_path, monkeypatch, one_torch_thread):
    import torch
    from skorch.callbacks import Checkpoint

    from nets import classifier

    monkeypatch.chdir(tmp_path)

    def train(net):
        torch.manual_seed(0)
        return net.fit(X.astype("float32"), Y).predict_proba(X.astype("float32"))

    def best_in(epoch):
        def is_best(net):
            return len(net.history) == epoch

        return is_best

    def net(callback):
        return classifier(
            module__n_features=6, module__n_outputs=2, max_epochs=3, callbacks=[callback]
        )

    saved = net(Checkpoint(best_in(2), dirname="here", load_best=True))
    expected = train(saved)
    assert [file.name for file in tmp_path.iterdir()] == ["here"]
    quiet = without_side_effects(net(Checkpoint(best_in(2), dirname="quiet", load_best=True)))
    assert np.array_equal(train(quiet), expected)
    assert not np.array_equal(train(net(("last", None))), expected)
    assert [file.name for file in tmp_path.iterdir()] == ["here"]


def test_a_net_that_begins_with_a_file_is_refused(one_torch_thread):
    from skorch.callbacks import Checkpoint, LoadInitState

    from nets import classifier

    start = LoadInitState(Checkpoint(dirname="here"))
    net = classifier(module__n_features=6, module__n_outputs=2, callbacks=[("start", start)])
    with pytest.raises(ValueError, match=r"LoadInitState.*Pass a net without it"):
        ReferenceModels(net, 2).fit(X.astype("float32"), Y)
