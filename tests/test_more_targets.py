"""Targets that people bring, from bug reports of the libraries that they come from.

Each is audited with few references: it works, or is refused in a sentence that names the way out.
"""

from __future__ import annotations

import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, RFECV
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifierCV, SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import LabelPropagation
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn._models._lost_parameters import check_parameters
from mia_sklearn._models._trainable import check_trainable
from mia_sklearn._records._checked import as_labels
from mia_sklearn.defenses import DistinctTraining, RoundedPosterior
from mia_sklearn.references import ReferenceModels
from mia_sklearn.selection import compare_defenses
from mia_sklearn.signals import log_posteriors
from small_targets import (
    BINARY,
    FOUR,
    FRAME,
    TEST,
    TRAIN,
    TREE,
    WORDS,
    X,
    Y,
    codes,
    fitted,
    right,
    run,
)

pytestmark = pytest.mark.usefixtures("few_rounds")

PARTS = [("tree", TREE), ("bayes", GaussianNB())]
WORKING = {
    # name: (estimator, labels); the audit's accuracy is that of predict
    "pairs of three classes": (SVC(C=100, decision_function_shape="ovo"), Y),
    "pairs of four classes": (SVC(C=100, decision_function_shape="ovo"), FOUR),
    "pairs, nu": (NuSVC(nu=0.1, decision_function_shape="ovo"), WORDS),
    "pairs in a pipeline": (
        make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")),
        WORDS,
    ),
    "pairs in a search": (
        GridSearchCV(SVC(decision_function_shape="ovo"), {"C": [100.0]}, cv=2),
        Y,
    ),
    "pairs of chosen features": (RFE(SVC(kernel="linear", decision_function_shape="ovo")), Y),
    "pairs, defended": (DistinctTraining(SVC(decision_function_shape="ovo")), Y),
    "pairs, bagged": (BaggingClassifier(SVC(decision_function_shape="ovo"), 3), Y),
    "one against one": (OneVsOneClassifier(LinearSVC()), WORDS),
    "output code": (OutputCodeClassifier(TREE, random_state=0), WORDS),
    "perceptron": (Perceptron(), Y),
    "ridge with as many alphas as records": (RidgeClassifierCV(np.logspace(-3, 3, 60)), Y),
    "halving search": (
        HalvingGridSearchCV(TREE, {"max_depth": [1, 4]}, cv=2, min_resources=20, random_state=0),
        Y,
    ),
    "selected by a search": (RFECV(LogisticRegression(), cv=2), WORDS),
    "gaussian process": (GaussianProcessClassifier(), BINARY),
    "boosted stumps": (AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=3), Y),
    "stack with features": (StackingClassifier(PARTS, cv=2, passthrough=True), WORDS),
    "weights of named classes": (
        LogisticRegression(class_weight={"low": 1, "middle": 5, "top": 2}),
        WORDS,
    ),
    "labels of truth": (LogisticRegression(), BINARY.astype(bool)),
    "splits drawn anew": (CalibratedClassifierCV(GaussianNB(), cv=KFold(3)), Y),
    "distances computed inside": (
        make_pipeline(
            KNeighborsTransformer(mode="distance", n_neighbors=5),
            KNeighborsClassifier(3, metric="precomputed"),
        ),
        Y,
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", WORKING)
def test_answers_are_those_of_predict(name):
    estimator, y = WORKING[name]
    model = fitted(estimator, y)
    report = run(model, y)
    assert "ANSWERS_DIFFER" not in codes(report)
    # A tie of votes is broken by scores here, by the order of the classes there.
    assert report.info["target_train_accuracy"] == pytest.approx(right(model, y), abs=0.04)


def test_pairs_are_read_as_scikit_learn_reads_them():
    for y in (Y, FOUR):
        pairs = fitted(SVC(decision_function_shape="ovo"), y)
        np.testing.assert_allclose(
            log_posteriors(pairs, X), log_posteriors(fitted(SVC(), y), X), atol=1e-12
        )


# -- Estimators of other houses -----------------------------------------------------------------


class Plain:
    """Knows scikit-learn's manners of ten years ago: no tags, no base class."""

    def __init__(self, depth=2, names=("x",)):
        self.depth = depth
        self.names = list(names)

    def get_params(self, deep=True):
        return {"depth": self.depth, "names": list(self.names)}

    def set_params(self, **params):
        self.__dict__.update(params)
        return self

    def fit(self, X, y):
        self.inner = DecisionTreeClassifier(max_depth=self.depth, random_state=0).fit(X, y)
        self.classes_ = list(self.inner.classes_)
        return self

    def predict(self, X):
        return self.inner.predict(X)

    def predict_proba(self, X):
        return self.inner.predict_proba(X)


class OnlyMixin(ClassifierMixin, Plain):
    """Tags that nobody begins."""


class WithoutClasses(Plain):
    def fit(self, X, y):
        super().fit(X, y)
        del self.classes_
        return self


class RaisingClasses(Plain):
    @property
    def classes_(self):
        raise RuntimeError("the server does not answer")

    @classes_.setter
    def classes_(self, value):
        pass


class Doubling(Plain):
    def __init__(self, depth=2, names=("x",)):
        super().__init__(depth, [*names, "y"])


class Missing(Plain):
    def predict_proba(self, X):
        return np.full((len(X), 3), np.nan)


@pytest.mark.parametrize("kind", [Plain, OnlyMixin])
def test_estimators_without_tags(kind):
    model = kind(names=["a", "b"]).fit(X[TRAIN], WORDS[TRAIN])
    assert run(model, WORDS).info["target_train_accuracy"] == right(model, WORDS)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (WithoutClasses, "lacks classes_.*Pass the function model.predict_proba"),
        (RaisingClasses, "classes_ of RaisingClasses cannot be read: the server.*Pass the func"),
        (Doubling, r"the constructor of Doubling changes names.*function \(X, y, seed\)"),
        (Missing, "Missing's posteriors hold NaN, first in row 0"),
    ],
)
def test_what_does_not_keep_the_manners_is_refused(kind, message):
    with pytest.raises(ValueError, match=message):
        run(kind().fit(X[TRAIN], Y[TRAIN]))


class Posteriors:
    """Answers posteriors and nothing else."""

    classes_ = (0, 1, 2)

    def predict_proba(self, X):
        return np.full((len(X), 3), 1 / 3)


class Refusing(Posteriors):
    def predict(self, X):
        raise NotImplementedError("ask for posteriors")


def test_posteriors_without_predictions():
    assert run(Posteriors(), estimator=TREE)
    with pytest.raises(ValueError, match=r"does not predict: NotImpl.*: ask for .*proba, with"):
        run(Refusing(), estimator=TREE)


def test_training_in_steps():
    stepwise = SGDClassifier(loss="log_loss", random_state=0)
    for _ in range(3):
        stepwise.partial_fit(X[TRAIN], Y[TRAIN], classes=[0, 1, 2])
    warm = RandomForestClassifier(2, warm_start=True, random_state=0).fit(X[TRAIN], Y[TRAIN])
    warm.set_params(n_estimators=4).fit(X[TRAIN], Y[TRAIN])
    for model in (stepwise, warm):
        assert run(model).info["target_train_accuracy"] == right(model)


def test_columns_of_a_frame():
    encode = make_column_transformer((OneHotEncoder(), ["city"]), remainder=StandardScaler())
    early = HistGradientBoostingClassifier(
        max_iter=3, categorical_features="from_dtype", early_stopping=True, random_state=0
    )
    for estimator in (make_pipeline(encode, LogisticRegression()), early):
        model = fitted(estimator, WORDS, FRAME)
        assert run(model, WORDS, FRAME).info["target_train_accuracy"] == pytest.approx(
            right(model, WORDS, FRAME)
        )


class _OfValues(ClassifierMixin, BaseEstimator):
    """Reads labels as a column of a data frame, whose index is that of the records."""

    def fit(self, X, y):
        self.kind_ = (type(y), getattr(y, "name", None), str(getattr(y, "dtype", "")))
        if hasattr(y, "values"):
            assert y.index.equals(X.index)
            assert y.values.ndim == len(y.shape)
        tree = DecisionTreeClassifier(max_depth=3, random_state=0)
        self.tree_ = tree.fit(X[["a", "b"]], as_labels(y))
        self.classes_ = self.tree_.classes_
        return self

    def predict_proba(self, X):
        KINDS_OF_LABELS.append(self.kind_)
        return self.tree_.predict_proba(X[["a", "b"]])

    def predict(self, X):
        return self.tree_.predict(X[["a", "b"]])


KINDS_OF_LABELS = []


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(WORDS, name="level"),
        pd.Series(WORDS, name="level", dtype="category"),
        pd.Series(Y == 1, name=3),
        pd.Series(Y, name="level", dtype="Int64"),
        pd.DataFrame({"level": Y}),
    ],
    ids=["text", "categories", "truth", "nullable", "frame"],
)
def test_references_get_labels_of_the_kind_that_the_target_was_given(column):
    frame = FRAME.set_axis(np.random.default_rng(1).permutation(120), axis=0)
    y = column.set_axis(frame.index, axis=0)
    model = _OfValues().fit(frame[TRAIN], y[TRAIN])
    KINDS_OF_LABELS.clear()
    run(model, y, frame)
    assert set(KINDS_OF_LABELS) == {model.kind_}


def test_references_get_arrays_of_labels_where_they_were_given():
    KINDS_OF_LABELS.clear()
    ReferenceModels(_OfValues(), 2, random_state=0, progress=False).fit(FRAME, Y)
    assert set(KINDS_OF_LABELS) == {(np.ndarray, None, "int64")}


def test_references_get_labels_in_columns_of_other_libraries():
    polars = pytest.importorskip("polars")
    seen = []

    class OfPolars(GaussianNB):
        def fit(self, X, y):
            seen.append((type(y), y.schema if hasattr(y, "schema") else (y.name, y.dtype)))
            return super().fit(X, np.ravel(y))

    series = polars.Series("level", WORDS.tolist())
    for y in (series, series.cast(polars.Categorical), series.to_frame()):
        seen.clear()
        ReferenceModels(OfPolars(), 2, random_state=0, progress=False).fit(X, y)
        kind = y.schema if hasattr(y, "schema") else (y.name, y.dtype)
        assert seen == [(type(y), kind)] * 4


# -- What is refused ---------------------------------------------------------------------------

PUBLIC = PCA(3).fit(X[TEST] + 1)
KEPT = {
    "transformer": make_pipeline(FrozenEstimator(PUBLIC), LogisticRegression()),
    "vote": VotingClassifier([("tree", FrozenEstimator(fitted(TREE)))], voting="soft"),
    "calibration": CalibratedClassifierCV(FrozenEstimator(fitted(TREE))),
    "stack": StackingClassifier([("tree", fitted(TREE))], cv="prefit"),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_stays_fitted_names_the_way_out(name):
    model = KEPT[name].fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match=r"stays fitted .*estimator=lambda X, y, seed: clone"):
        run(model)
    if name == "transformer":
        report = run(model, estimator=lambda X, y, seed: clone(model).fit(X, y))
        assert report.info["target_train_accuracy"] == right(model)


SEVERAL = np.stack([BINARY, 1 - BINARY], axis=1)
HALF_LABELLED = np.where(np.arange(120) % 3, BINARY, -1)
REFUSED = {
    "several outputs": (
        OneVsRestClassifier(GaussianNB()).fit(X[TRAIN], SEVERAL[TRAIN]),
        BINARY,
        "y_train must have one column for each output of the model",
    ),
    "a chain": (
        ClassifierChain(GaussianNB()).fit(X[TRAIN], SEVERAL[TRAIN]),
        BINARY,
        "y_train must have one column for each output of the model",
    ),
    "records without labels": (
        LabelPropagation(max_iter=10_000).fit(X[TRAIN], HALF_LABELLED[TRAIN]),
        HALF_LABELLED,
        r"without a label by -1.*estimator= a function",
    ),
    "search without a model": (
        GridSearchCV(TREE, {"max_depth": [1, 2]}, refit=False, cv=2).fit(X[TRAIN], Y[TRAIN]),
        Y,
        "refit=False: train model.estimator with model.best_params_",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_sentence(name):
    model, y, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        run(model, y)


def test_a_function_that_draws_samples_needs_its_release():
    for given in ((X[TRAIN], X[TEST]), (X[TRAIN], None, X[TEST])):
        with pytest.raises(ValueError, match='release="samples"'):
            audit(lambda n, random_state: X[:n], *given)


# -- Other libraries -----------------------------------------------------------------------------


def test_resampling_before_training():
    ensembles = pytest.importorskip("imblearn.ensemble")
    from imblearn.pipeline import make_pipeline as resampling_pipeline
    from imblearn.under_sampling import RandomUnderSampler

    forest = ensembles.BalancedRandomForestClassifier(3, random_state=0)
    resampled = resampling_pipeline(RandomUnderSampler(random_state=0), TREE)
    for estimator in (forest, resampled):
        model = fitted(estimator, WORDS)
        assert run(model, WORDS).info["target_train_accuracy"] == right(model, WORDS)


def of_categories(**params):
    catboost = pytest.importorskip("catboost")
    options = {"iterations": 3, "verbose": 0, "allow_writing_files": False}
    return catboost.CatBoostClassifier(cat_features=["city"], **options, **params)


def test_catboost_with_categories():
    model = of_categories(class_weights={"low": 1, "middle": 2, "top": 1})
    model.fit(FRAME[TRAIN], WORDS[TRAIN])
    report = run(model, WORDS, FRAME)
    assert report.info["target_train_accuracy"] == right(model, WORDS, FRAME)
    assert "cat_features" in report.info["estimator"]
    pipeline = make_pipeline(of_categories()).fit(FRAME[TRAIN], WORDS[TRAIN])
    assert run(pipeline, WORDS, FRAME, attacks="lira", n_references=4)


def test_catboost_that_was_saved_is_audited():
    model = of_categories().fit(FRAME[TRAIN], WORDS[TRAIN])
    loaded = pickle.loads(pickle.dumps(model))
    for audited in (loaded, make_pipeline(loaded)):
        assert run(audited, WORDS, FRAME).info["target_train_accuracy"] == right(
            model, WORDS, FRAME
        )
    with pytest.raises(ValueError, match="X_train has 1 features, but the model was fitted on"):
        run(loaded, WORDS, FRAME[["city"]])


def test_catboost_with_categories_is_defended_and_compared():
    plain = of_categories()
    defended = RoundedPosterior(of_categories()).fit(FRAME[TRAIN], WORDS[TRAIN])
    assert run(defended, WORDS, FRAME).info["target_train_accuracy"] > 0.5
    compared = compare_defenses(
        {"plain": plain, "rounded": RoundedPosterior(plain)},
        FRAME,
        WORDS,
        n_references=2,
        attacks="threshold",
        random_state=0,
        progress=False,
    )
    # CatBoost predicts a column of labels.
    assert compared["test_score"].between(0.3, 1).all()


def _half_squares(y, score):
    proba = 1 / (1 + np.exp(-score))
    return proba - y, proba * (1 - proba)


def test_boosting_with_an_objective_of_ones_own():
    for name in ("lightgbm", "xgboost"):
        library = pytest.importorskip(name)
        kind = library.LGBMClassifier if name == "lightgbm" else library.XGBClassifier
        model = kind(objective=_half_squares, n_estimators=3, verbosity=0)
        with pytest.raises(ValueError, match=r"objective= .*raw scores.*FunctionTarget"):
            run(model.fit(X[TRAIN], BINARY[TRAIN]), BINARY)


def boosted(tmp_path, read_with=None, **params):
    """XGBoost that was fitted; read from its own file where parameters to make it by are given."""
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_jobs=1, **params).fit(X[TRAIN], BINARY[TRAIN])
    if read_with is None:
        return model
    model.save_model(tmp_path / "model.json")
    loaded = xgboost.XGBClassifier(**read_with)
    loaded.load_model(tmp_path / "model.json")
    return loaded


LOST = {
    "all": ({}, {}, "the parameters alone that a file tells"),
    "rounds": ({"n_estimators": 3}, {"max_depth": 3}, "has 3 rounds, and a clone would have 100"),
    "depth": (
        {"n_estimators": 3, "max_depth": 9, "min_child_weight": 0},
        {"n_estimators": 3, "max_depth": 2},
        "and max_depth says 2",
    ),
}


@pytest.mark.parametrize("name", LOST)
def test_xgboost_without_the_parameters_that_it_was_trained_with(name, tmp_path):
    params, given, message = LOST[name]
    model = boosted(tmp_path, given, **params)
    for audited in (model, make_pipeline(model)):
        with pytest.raises(ValueError, match=rf"{message}.*read by load_model.*estimator=XGBClass"):
            run(audited, BINARY)
    estimator = boosted(tmp_path, **params)
    assert run(model, BINARY, estimator=estimator).doubts == []


@pytest.mark.parametrize(
    ("library", "kind"), [("xgboost", "XGBClassifier"), ("lightgbm", "LGBMClassifier")]
)
def test_bare_boosters_are_told_the_way_out(library, kind):
    module = pytest.importorskip(library)
    wrapped = getattr(module, kind)(n_estimators=3, n_jobs=1, verbosity=0)
    model = wrapped.fit(X[TRAIN], BINARY[TRAIN])
    booster = model.get_booster() if library == "xgboost" else model.booster_
    with pytest.raises(ValueError, match=rf"Booster of {library}.*Audit the {kind}.*classes="):
        run(booster, BINARY)

    def asked(X):
        return booster.predict(module.DMatrix(X) if library == "xgboost" else X)

    options = {"attacks": "threshold", "n_references": 2}
    assert run(asked, BINARY, classes=model.classes_, estimator=wrapped, **options).attacks


def test_xgboost_whose_parameters_train_it(tmp_path):
    few = {"n_estimators": 3}
    for params in (
        few | {"booster": "dart"},
        few | {"num_parallel_tree": 2},
        few | {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 30},
        few | {"booster": "gblinear"},
        {"base_score": 0.5, "booster": "gbtree"},
    ):
        model = boosted(tmp_path, **params)
        check_parameters(model)
        check_parameters(pickle.loads(pickle.dumps(model)))
        if "base_score" not in params:
            check_parameters(boosted(tmp_path, params, **params))
    # Its trees make one round.
    forest = pytest.importorskip("xgboost").XGBRFClassifier(n_estimators=3, n_jobs=1)
    check_parameters(forest.fit(X[TRAIN], BINARY[TRAIN]))


def test_early_stopping_needs_the_records_to_stop_by():
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=3, early_stopping_rounds=1)
    stop = {"eval_set": [(X[TEST] + 0.1, BINARY[TEST])], "verbose": False}
    model.fit(X[TRAIN], BINARY[TRAIN], **stop)
    with pytest.raises(ValueError, match=r"early_stopping_rounds=1 .*fit_params=.*eval_set"):
        run(model, BINARY)
    report = run(model, BINARY, fit_params=stop)
    assert report.info["target_train_accuracy"] == right(model, BINARY)


def outputs(estimator, *, n_jobs=1, **params):
    references = ReferenceModels(estimator, 4, n_jobs=n_jobs, random_state=0, progress=False)
    return references.fit(X, BINARY, fit_params=params).outputs_


class _Budget:
    """Stops after a few rounds of all trainings that it has seen."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.seen = []

    def __call__(self, env):
        import lightgbm

        self.seen.append(env.iteration)
        if len(self.seen) >= self.rounds:
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)


def _enclosed_budget(rounds):
    seen = _Budget(rounds)
    return lambda env: seen(env)  # noqa: PLW0108


def test_callbacks_of_fit_are_each_reference_models_own():
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=6, verbose=-1, min_child_samples=2)
    expected = outputs(clone(model).set_params(n_estimators=3))
    for budget in (_Budget(3), _Budget(3).__call__, _enclosed_budget(3)):
        for n_jobs in (1, 2):
            assert_array_equal(outputs(model, n_jobs=n_jobs, callbacks=[budget]), expected)
    used = _Budget(3)
    model.fit(X[TRAIN], BINARY[TRAIN], callbacks=[used])
    assert len(used.seen) == 3
    assert_array_equal(outputs(model, callbacks=[used]), expected)
    assert len(used.seen) == 3


def test_callbacks_that_cannot_be_made_anew_are_refused():
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(X[TRAIN], BINARY[TRAIN])
    count = 0

    def counting(env):
        nonlocal count
        count += 1

    class Renamed:
        def __init__(self, rounds):
            self.left = rounds

        def __call__(self, env):
            self.left -= 1

    for callback, why in (
        (counting, "counting changes names outside itself"),
        (Renamed(3), r"Renamed .*each argument of its constructor as an attribute"),
        (_Budget(threading.Lock()), "cannot pickle"),
    ):
        message = rf"fit_params\['callbacks'\] cannot be copied .*{why}.*estimator= a function"
        with pytest.raises(ValueError, match=message):
            run(model, BINARY, fit_params={"callbacks": [callback]})


@pytest.mark.parametrize("save_best", [False, True])
def test_copies_of_a_callback_have_seen_no_training(save_best):
    xgboost = pytest.importorskip("xgboost")

    def unfitted():
        stop = xgboost.callback.EarlyStopping(rounds=3, save_best=save_best)
        return xgboost.XGBClassifier(n_estimators=30, max_depth=3, callbacks=[stop])

    records = {"eval_set": [(X[TEST], BINARY[TEST])], "verbose": False}
    model = unfitted().fit(X[TRAIN], BINARY[TRAIN], **records)
    assert_array_equal(outputs(model, **records), outputs(unfitted(), **records))
    with pytest.raises(ValueError, match=r"EarlyStopping in callbacks .*fit_params=.*eval_set"):
        run(model, BINARY)


def test_boosting_that_was_stopped_early_needs_the_records_to_stop_by():
    lightgbm, catboost = map(pytest.importorskip, ("lightgbm", "catboost"))
    validation = {"eval_set": [(X[TEST], BINARY[TEST])]}
    stop = {"callbacks": [lightgbm.early_stopping(1, verbose=False)]}
    light = lightgbm.LGBMClassifier(n_estimators=30, min_child_samples=2, verbose=-1)
    quiet = {"verbose": 0, "allow_writing_files": False}
    cat = catboost.CatBoostClassifier(iterations=30, learning_rate=0.5, **quiet)
    waiting = clone(cat).set_params(od_wait=2)
    needed = r"needs records to stop by: give them as fit_params=.*eval_set"
    stopped = r", which was stopped early, " + needed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        light.fit(X[TRAIN], BINARY[TRAIN], **validation, **stop)
        cat.fit(X[TRAIN], BINARY[TRAIN], **validation)
    for model, given, message in (
        (light, {}, "LGBMClassifier" + stopped),
        (light, stop, "Early stopping in fit_params " + needed),
        (light, stop | {"eval_set": None}, "Early stopping in fit_params " + needed),
        (light, validation, r"fit_params say not how: give .*callbacks="),
        (clone(light).set_params(n_iter_no_change=3), {}, "n_iter_no_change=3 .*" + needed),
        (cat, {}, "CatBoostClassifier" + stopped),
        (cat, {"early_stopping_rounds": 3}, "Early stopping in fit_params " + needed),
        (waiting, {}, "od_wait=2 of CatBoostClassifier " + needed),
    ):
        with pytest.raises(ValueError, match=message):
            check_trainable(model, given)
    for model, given in (
        (light, validation | stop),
        (cat, validation),
        (waiting, validation),
        # CatBoost trains all rounds where there is nothing to stop by.
        (waiting.fit(X[TRAIN], BINARY[TRAIN]), {}),
    ):
        check_trainable(model, given)


def test_boosting_that_goes_on_from_another_model_is_trained_from_scratch_by_a_function():
    kinds = {
        "xgboost": ("XGBClassifier", "xgb_model", {"verbosity": 0}),
        "lightgbm": ("LGBMClassifier", "init_model", {"verbose": -1}),
        "catboost": ("CatBoostClassifier", "init_model", {"verbose": 0}),
    }
    for library, (kind, argument, quiet) in kinds.items():
        estimator = getattr(pytest.importorskip(library), kind)(n_estimators=2, **quiet)
        first = clone(estimator).fit(X[TRAIN], BINARY[TRAIN])
        inside = getattr(first, "get_booster", lambda first=first: first)()
        way_out = r" hands on .*estimator= a function \(X, y, seed\) that trains from scratch"
        for given in (first, inside, "model.bin"):
            with pytest.raises(ValueError, match=rf"fit_params\['{argument}'\]{way_out}"):
                run(first, BINARY, fit_params={argument: given})
        step = f"{kind.lower()}__{argument}"
        with pytest.raises(ValueError, match=rf"fit_params\['{step}'\]{way_out}"):
            run(make_pipeline(first), BINARY, fit_params={step: first})


def test_arguments_of_fit_hand_on_nothing_that_was_learned():
    class Taught(GaussianNB):
        def fit(self, X, y, teacher=None):
            return super().fit(X, y)

    model = fitted(TREE)
    for given in (model, [make_pipeline(model)], {"first": model.predict}):
        with pytest.raises(ValueError, match=r"fit_params\['teacher'\] hands on a fitted"):
            run(fitted(Taught()), fit_params={"teacher": given})
    report = run(fitted(Taught()), fit_params={"teacher": clone(TREE)})
    assert "REFERENCES_DIFFER" not in codes(report)
    linear = SGDClassifier(loss="log_loss").fit(X[TRAIN], BINARY[TRAIN])
    with pytest.raises(ValueError, match=r"fit_params\['coef_init'\] hands on"):
        run(linear, BINARY, fit_params={"coef_init": linear.coef_})


def test_boosting_with_a_model_of_each_class():
    lightgbm = pytest.importorskip("lightgbm")
    estimator = lightgbm.LGBMClassifier(n_estimators=3, objective="multiclassova", verbose=-1)
    model = fitted(estimator, WORDS)
    assert run(model, WORDS).info["target_train_accuracy"] == right(model, WORDS)


def test_boosting_on_categories_and_hard_answers():
    xgboost = pytest.importorskip("xgboost")
    for params, records, y in (
        ({"enable_categorical": True}, FRAME, Y),
        ({"objective": "multi:softmax"}, X, Y),
        ({"objective": "binary:hinge"}, X, BINARY),
    ):
        model = xgboost.XGBClassifier(n_estimators=3, **params).fit(records[TRAIN], y[TRAIN])
        assert run(model, y, records).info["target_train_accuracy"] == right(model, y, records)
