"""Models from files of unknown origin, and the columns that they take from a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._models._fitted_columns import takes_documents
from .._models._kinds import is_pipeline
from .._models._known_features import known_names
from .._models._side_effects import without_side_effects
from ._native_trees import check_trees
from ._read_tables import check_file
from ._reading import Reading, check_names, fed_columns, shortened

PICKLES = (".joblib", ".pickle", ".pkl")
# Parts of scikit-learn's own estimators that skops leaves to the user, by name: they hold numbers,
# texts and other parts, and run nothing of the file's. Found by fitting every estimator of
# scikit-learn with every option. What compiled code reads without looking is checked, see
# `check_trees`. Functions that do more than compute from arrays are never among them, nor what
# calls a function that the file names, and `object`, which says nothing of what it stands for.
_CHECKED = {
    "scipy.interpolate._bsplines.BSpline",
    "scipy.sparse._csc.csc_array",
    "scipy.sparse._csc.csc_matrix",
    "scipy.sparse._csr.csr_array",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.cluster._kmeans._kmeans_single_elkan",
    "sklearn.cluster._kmeans._kmeans_single_lloyd",
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
}
_PARTS = {
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.cluster._bisect_k_means": "_BisectingTree",
    "sklearn.compose._column_transformer": "_RemainderColsList make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
    # What features are selected by: functions of arrays alone.
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_regression r_regression",
    "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels": "ConstantKernel DotProduct Exponentiation Matern Product "
    "RBF RationalQuadratic Sum WhiteKernel",
    "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogitLink LogLink MultinomialLogit",
    "sklearn._loss.loss": "ExponentialLoss HalfBinomialLoss HalfMultinomialLoss HalfTweedieLoss "
    "HalfTweedieLossIdentity",
    "sklearn.metrics._dist_metrics": "BrayCurtisDistance64 CanberraDistance64 ChebyshevDistance64 "
    "DiceDistance64 EuclideanDistance64 HammingDistance64 JaccardDistance64 ManhattanDistance64 "
    "RogersTanimotoDistance64 RussellRaoDistance64 SokalSneathDistance64",
    # Of searches: a scorer of any other function is refused for that function.
    "sklearn.metrics._scorer": "_PassthroughScorer _Scorer negative_likelihood_ratio "
    "positive_likelihood_ratio",
    "sklearn.metrics._classification": "accuracy_score balanced_accuracy_score brier_score_loss "
    "d2_brier_score d2_log_loss_score f1_score jaccard_score log_loss matthews_corrcoef "
    "precision_score recall_score",
    "sklearn.metrics._regression": "d2_absolute_error_score explained_variance_score "
    "mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance mean_poisson_deviance "
    "mean_squared_error mean_squared_log_error median_absolute_error r2_score "
    "root_mean_squared_error root_mean_squared_log_error",
    "sklearn.metrics._ranking": "average_precision_score roc_auc_score top_k_accuracy_score",
    "sklearn.model_selection._search_successive_halving": "HalvingGridSearchCV "
    "HalvingRandomSearchCV",
    "sklearn.model_selection._split": "GroupKFold KFold RepeatedKFold RepeatedStratifiedKFold "
    "ShuffleSplit StratifiedKFold StratifiedShuffleSplit",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
    # Of encoders and imputers, which say what kind of array they met, of column selectors, of what
    # was fitted on sparse tables, and the functions of arrays by which features are pooled.
    "numpy": "dtype matrix max mean median min number",
    # By which splines make arrays.
    "scipy._lib.array_api_compat.numpy._aliases": "asarray",
    # Of histogram gradient boosting, which converts numbers by a function of scikit-learn's; a
    # partial of any other function is refused for that function.
    "functools": "partial",
    "sklearn.utils.validation": "check_array",
}
TRUSTED = _CHECKED | {f"{home}.{name}" for home, names in _PARTS.items() for name in names.split()}


def check_model_file(path: Path) -> None:
    """Raise if a model cannot be read from a file, as far as its name tells."""
    check_file(path)
    kind = path.suffix.lower()
    if kind not in (".skops", *PICKLES):
        raise ValueError(
            f"{path}: a model is read from .skops, {', '.join(PICKLES)}, not from "
            f"{kind or 'a file without extension'}."
        )


def read_model(path: Path, *, trusted_types: Collection[str] = (), trust: bool = False) -> Any:
    """Load an estimator without running code that nobody vouched for.

    A skops file may hold `trusted_types` beside those that skops trusts by itself and `TRUSTED`;
    pickles, which run whatever code their author wrote, need `trust`. Nothing nested in the
    estimator reads or writes files, or prints, when it is used.
    """
    check_model_file(path)
    if path.suffix.lower() in PICKLES and not trust:
        raise ValueError(
            f"{path} is a pickle, which runs whatever code its author wrote when it is loaded. "
            "Save the model with skops.io.dump, or add --trust if you know who made the file."
        )
    try:
        if path.suffix.lower() == ".skops":
            model = _read_skops(path, trusted_types)
        else:
            import joblib

            model = joblib.load(path)
    except UntrustedTypes:
        raise
    except Exception as error:  # A damaged or foreign file may raise anything.
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
        raise ValueError(
            f"{path} could not be loaded ({reason}). Save it again with the installed versions of "
            "its libraries."
        ) from error
    return without_side_effects(model)


class UntrustedTypes(ValueError):
    """A skops file holds types that neither skops nor the user trusts."""


def _read_skops(path: Path, trusted_types: Collection[str]) -> Any:
    import skops.io

    untrusted = skops.io.get_untrusted_types(file=path)
    unknown = [name for name in untrusted if name not in TRUSTED and name not in trusted_types]
    if unknown:
        options = " ".join(f"--trust-type {name}" for name in unknown)
        raise UntrustedTypes(
            f"{path} holds types that are not trusted by themselves. If you know them, add: "
            f"{options}"
        )
    model = skops.io.load(path, trusted=untrusted)
    check_trees(model)
    return model


def features_for(model: Any, X: Any, path: Path, reading: Reading | None = None) -> Any:
    """Return the columns that the model was fitted on, as it was given them.

    Parameters
    ----------
    model : fitted estimator
    X : DataFrame or ndarray
        All columns of the file but the target.
    path : Path
        The file, for messages.
    reading : Reading, default=None
        How the file was read.

    Returns
    -------
    DataFrame or ndarray, or Series of texts

    Raises
    ------
    ValueError
        If columns are missing.
    """
    if isinstance(X, np.ndarray):
        return X
    names = known_names(model)
    if names is not None:
        check_names(model, list(X.columns), path)
        return _as_selected(model, X[list(names)], path)
    reading = reading or Reading()
    columns = fed_columns(model, list(X.columns), reading)
    if reading.text is not None or takes_documents(model):
        return X[columns[0]]
    X = X if list(X.columns) == columns else X[columns]
    if not hasattr(model, "n_features_in_"):
        return X
    # A model that counted its features but knows no names was fitted on an array.
    # Truths beside numbers would make an array of objects.
    numbers = all(dtype.kind in "biuf" for dtype in X.dtypes)
    return X.astype(float).to_numpy() if numbers and len(set(X.dtypes)) > 1 else X.to_numpy()


def _as_selected(model: Any, X: Any, path: Path) -> Any:
    """Raise if a model that chose columns by their types would choose others of these."""
    for name, chosen, select in _selections(model):
        try:
            again = list(select(X))
        except Exception as error:
            raise ValueError(f"{path}: the model could not select columns ({error}).") from error
        differ = sorted(set(map(str, again)) ^ set(map(str, chosen)))
        if differ:
            raise ValueError(
                f"{path}: the types of {shortened(differ)} are not those that {name!r} of the "
                "model was fitted on. Name them with --dtype COLUMN=TYPE, or give a Parquet file, "
                "which holds them."
            )
    return X


def _selections(model: Any) -> list[tuple[str, list[Any], Any]]:
    """Return the columns that a model begins by choosing, and the functions that choose."""
    while hasattr(model, "best_estimator_") or is_pipeline(model):
        model = model.steps[0][1] if is_pipeline(model) else model.best_estimator_
    fitted = {name: columns for name, _, columns in getattr(model, "transformers_", ())}
    return [
        (name, fitted[name], select)
        for name, _, select in getattr(model, "transformers", ())
        if callable(select) and name in fitted and not isinstance(fitted[name], slice)
    ]


def column_of(
    name: str, X: Any, y: np.ndarray | None, path: Path, targets: Sequence[str] = ()
) -> list[Any]:
    """Return the values by which records are sliced: of a column, or the labels or true values.

    These are called "label"; of several outputs "label_0", ..., or as `targets` says.
    """
    if y is not None and y.ndim == 1 and name == "label":
        return y.tolist()
    if y is not None and y.ndim == 2 and name in (f"label_{j}" for j in range(y.shape[1])):
        return y[:, int(name.removeprefix("label_"))].tolist()
    if y is not None and y.ndim == 2 and len(targets) == y.shape[1] and name in targets:
        return y[:, targets.index(name)].tolist()
    if isinstance(X, np.ndarray) or name not in X.columns:
        columns = [] if isinstance(X, np.ndarray) else list(X.columns)
        several = set(name.split(",")) <= {*columns, "label"} and "," in name
        hint = f" Put spaces between names: --slices {name.replace(',', ' ')}." if several else ""
        raise ValueError(f"--slices {name!r} is no column of {path}.{hint}")
    return X[name].tolist()
