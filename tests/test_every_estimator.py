"""Every classifier and regressor of scikit-learn goes through an audit, and is told of."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multioutput import ClassifierChain, RegressorChain
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.utils import all_estimators, get_tags

from mia_sklearn import audit

pytestmark = pytest.mark.usefixtures("few_rounds")

# What is refused, with the words that say why.
EXCEPTIONS = {"FrozenEstimator": "stays fitted when it is cloned"}

# Where the default parameters do not fit these records.
PARAMETERS = {
    "CCA": {"n_components": 1},  # no more than there are outputs
    "CategoricalNB": {"min_categories": 5},  # a training set may lack one
    "IsotonicRegression": {"out_of_bounds": "clip"},  # NaN beyond the records trained on
    "PLSCanonical": {"n_components": 1},
    "RadiusNeighborsClassifier": {"radius": 4.0},  # nobody is near
    "RadiusNeighborsRegressor": {"radius": 4.0},
    "RandomizedSearchCV": {"n_iter": 1},  # of a single choice
    "SelfTrainingClassifier": {"estimator": LogisticRegression()},
}


def _made(cls):
    """Yield estimators of a class, one for each kind of inner one where it needs one."""
    signature = inspect.signature(cls).parameters.values()
    needed = [p.name for p in signature if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    for inner in (LogisticRegression(), Ridge()) if needed else (None,):
        parts = {"estimators": [("a", inner), ("b", inner)], "steps": [("only", inner)]}
        given = parts | {"param_grid": {}, "param_distributions": {}, "transformers": []}
        given |= {"transformer_list": []}
        with warnings.catch_warnings():
            # Some are deprecated.
            warnings.simplefilter("ignore")
            parameters = {name: given.get(name, inner) for name in needed}
            model = cls(**parameters, **PARAMETERS.get(cls.__name__, {}))
            if "random_state" in model.get_params():
                model.set_params(random_state=0)
            kind = get_tags(model).estimator_type
        of_inner = kind if inner is None else get_tags(inner).estimator_type
        if kind in ("classifier", "regressor") and kind == of_inner:
            yield model


def _cases():
    """Yield all classifiers and regressors with one output, and with two where they can."""
    for name, cls in all_estimators():
        if name in EXCEPTIONS:
            continue
        for model in _made(cls):
            tags = get_tags(model)
            labels = tags.classifier_tags
            several = tags.target_tags.multi_output or (labels is not None and labels.multi_label)
            one = tags.target_tags.single_output
            kind = tags.estimator_type
            for n_outputs in (1,) * one + (2,) * several:
                yield pytest.param(model, n_outputs, id=f"{name}-{kind}-{n_outputs}")


def _records(model, n_outputs, n=300):
    """Return records that a model of this kind takes."""
    tags = get_tags(model)
    if tags.estimator_type == "regressor":
        X, y = make_regression(n, 6, n_targets=n_outputs, noise=20.0, random_state=0)
        if tags.input_tags.one_d_array:
            X = X[:, :1]
        return X, np.exp(y / y.std()) if tags.target_tags.positive_only else y
    if n_outputs == 2:
        X, y = make_multilabel_classification(n, 6, n_classes=2, random_state=0)
        X = (X + np.random.default_rng(0).normal(scale=0.5, size=X.shape)) / X.std(axis=0)
    else:
        n_classes = 3 if tags.classifier_tags.multi_class else 2
        informative = {"n_informative": 4, "n_redundant": 0}
        X, y = make_classification(n, 6, **informative, n_classes=n_classes, random_state=0)
    if tags.input_tags.positive_only:
        X = np.digitize(X, [-1.5, -0.5, 0.5, 1.5])
    return X, y


def _audited(model, n_outputs, n=300, **options):
    X, y = _records(model, n_outputs, n)
    half = n // 2
    model.fit(X[:half], y[:half])
    sides = X[:half], y[:half], X[half:], y[half:]
    return audit(model, *sides, random_state=0, progress=False, **options)


def _check_told(report, model):
    """A finished report: numbers within their bounds, and a text that says which model it is."""
    metrics = report.metrics
    known = metrics[np.isfinite(metrics["estimate"])]
    assert (known["low"].isna() | (known["low"] <= known["estimate"])).all()
    assert (known["high"].isna() | (known["estimate"] <= known["high"])).all()
    aucs = metrics.query("metric == 'auc' and slice == 'all'")
    assert report.info["headline"] in set(aucs["attack"])
    assert aucs["estimate"].between(0, 1).all()
    assert type(model).__name__ in report.to_markdown()


# One of each family, beside those that test_regression.py audits.
FAMILIES = [
    (KNeighborsRegressor(), 1),
    (MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0), 1),
    (RegressorChain(LinearRegression()), 2),
    (ClassifierChain(LogisticRegression()), 2),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("model", "n_outputs"), FAMILIES, ids=[type(model).__name__ for model, _ in FAMILIES]
)
def test_every_family_is_audited(model, n_outputs):
    _check_told(_audited(model, n_outputs, n=80, n_references=2), model)


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exceptions_are_refused(name):
    model = next(_made(dict(all_estimators())[name]))
    X, y = _records(model.estimator, 1, n=40)
    model.estimator.fit(X[:20], y[:20])
    with pytest.raises(ValueError, match=EXCEPTIONS[name]):
        audit(model, X[:20], y[:20], X[20:], y[20:], progress=False)


def test_parameters_are_of_estimators():
    assert {name for name, _ in all_estimators()}.issuperset(PARAMETERS)


@pytest.mark.slow
# Some do not converge by their default parameters, some are to change, and all records have labels.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning:sklearn")
@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples:UserWarning")
@pytest.mark.parametrize(
    "options", [{"n_references": 4}, {"quick": True}], ids=["references", "quick"]
)
@pytest.mark.parametrize(("model", "n_outputs"), list(_cases()))
def test_every_estimator_is_audited(model, n_outputs, options):
    _check_told(_audited(model, n_outputs, **options), model)
