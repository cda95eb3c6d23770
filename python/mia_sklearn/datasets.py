"""Public data sets of the membership-inference literature, with their checksums.

The package ships no data. Each loader looks for its packed file in `folder`, else in the folder
that the environment variable ``MIA_SKLEARN_DATA`` names, and refuses a file whose SHA-256 is not
the one listed here. Without a file, the sets that OpenML holds in the same form are fetched
through :func:`sklearn.datasets.fetch_openml`, which caches them.

=====================  ===================================================  ======
file                   content                                              OpenML
=====================  ===================================================  ======
``adult.csv.gz``       48,842 rows: the 32,561 train rows, then 16,281 test  yes
``cancer.csv.gz``      699 rows, with the id of each sample                  yes
``location30.npz``     ``X`` (5010, 446) and ``y`` (0..29)                   no
``mnist.npz``          ``X_train``, ``y_train``, ``X_test``, ``y_test``      yes
``cifar10_jpeg.npz``   JPEG bytes of 30,000 train and 10,000 test images     no
=====================  ===================================================  ======
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ._process._folders import path_of

__all__ = ["load_adult", "load_cancer", "load_cifar10", "load_location30", "load_mnist"]

_ENVIRONMENT = "MIA_SKLEARN_DATA"
_SHA256 = {
    "adult.csv.gz": "020e937679cdc52788c5245ee380b93586fdfdcbd89503550194edbfa5a35831",
    "cancer.csv.gz": "784adb924de96e2133b038a55c9e6c1a7b89bdca098ab3549d0bac5212dd4b04",
    "cifar10_jpeg.npz": "b86940d79dea8a212e4422044329039429aa7bc46b91c11914b1930ab1f38e30",
    "location30.npz": "b8ac9a0aeb02e82a2a0a7aa1769be1d96d352b2e7785b1d3e821bff7aec24f3a",
    "mnist.npz": "d2fc8bab397b964798b4c839bd1e705e10a4bb65f4d56a88002229d145796751",
}
_ADULT_TRAIN = 32_561
_ADULT_TEST = 16_281


def load_adult(
    *, subset: str = "all", folder: str | os.PathLike[str] | None = None, return_X_y: bool = False
) -> Any:
    """Load Adult, census records of 1994: does a person earn more than 50,000 dollars?

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        The published split: 32,561 train rows, then 16,281 test rows.
    folder : path, default=None
        Folder that holds ``adult.csv.gz``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        ``data`` : DataFrame of 6 integer and 8 text columns, NaN where a value is missing;
        ``target`` : Series of "<=50K" and ">50K"; ``feature_names``, ``target_names``.

    Raises
    ------
    FileNotFoundError
        If the folder does not hold the file, or neither a folder nor OpenML is there.
    ValueError
        If the file is not the one expected, or the subset is unknown.

    References
    ----------
    .. [1] B. Becker and R. Kohavi, "Adult", UCI Machine Learning Repository, 1996.
    """
    rows = _subset_rows(subset, _ADULT_TRAIN, _ADULT_TRAIN + _ADULT_TEST)
    path = _packed("adult.csv.gz", folder)
    if path is not None:
        import pandas as pd

        frame = pd.read_csv(path, na_values="?")
    else:
        frame = _adult_from_openml()
    data = frame.iloc[rows, :-1].reset_index(drop=True)
    target = frame.iloc[rows, -1].rename("income").reset_index(drop=True)
    return _bunch(data, target, list(data.columns), ["<=50K", ">50K"], return_X_y)


def load_cancer(*, folder: str | os.PathLike[str] | None = None, return_X_y: bool = False) -> Any:
    """Load Breast Cancer Wisconsin (Original), the 683 complete rows.

    This is not the set of :func:`sklearn.datasets.load_breast_cancer`, which is the later
    "Diagnostic" one. The data was obtained from the University of Wisconsin Hospitals, Madison,
    from Dr. William H. Wolberg.

    Parameters
    ----------
    folder : path, default=None
        Folder that holds ``cancer.csv.gz``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (683, 9), float64, values 1..10; ``target`` : ndarray of
        int, 1 = malignant; ``feature_names``, ``target_names``.

    Raises
    ------
    FileNotFoundError
        If the folder does not hold the file, or neither a folder nor OpenML is there.
    ValueError
        If the file is not the one expected.

    References
    ----------
    .. [1] O. L. Mangasarian and W. H. Wolberg, "Cancer diagnosis via linear programming",
       SIAM News 23(5), 1990.
    """
    path = _packed("cancer.csv.gz", folder)
    if path is not None:
        import pandas as pd

        frame = pd.read_csv(path, na_values="?").iloc[:, 1:].dropna()
        malignant = frame.iloc[:, -1] == 4
    else:
        frame = _fetch("cancer.csv.gz", data_id=15, as_frame=True).frame.dropna()
        malignant = frame.iloc[:, -1] == "malignant"
    return _bunch(
        frame.iloc[:, :-1].to_numpy(dtype=np.float64),
        malignant.to_numpy(dtype=np.intp),
        list(frame.columns[:-1]),
        ["benign", "malignant"],
        return_X_y,
    )


def load_location30(
    *, folder: str | os.PathLike[str] | None = None, return_X_y: bool = False
) -> Any:
    """Load Location: which of 446 places a user visited; 30 types of user.

    Parameters
    ----------
    folder : path, default=None
        Folder that holds ``location30.npz``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (5010, 446), uint8, 0 or 1; ``target`` : ndarray of int,
        0..29; ``feature_names``, ``target_names``.

    Raises
    ------
    FileNotFoundError
        If no folder holds the file.
    ValueError
        If the file is not the one expected.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017.
    """
    arrays = _arrays("location30.npz", folder)
    return _bunch(
        arrays["X"],
        arrays["y"].astype(np.intp),
        [f"place_{j}" for j in range(arrays["X"].shape[1])],
        list(range(30)),
        return_X_y,
    )


def load_mnist(
    *, subset: str = "all", folder: str | os.PathLike[str] | None = None, return_X_y: bool = False
) -> Any:
    """Load MNIST, handwritten digits, in the original order.

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        The published split: 60,000 train images, then 10,000 test images.
    folder : path, default=None
        Folder that holds ``mnist.npz``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (n_images, 784), uint8, 0..255; ``target`` : ndarray of int;
        ``images`` : the same pixels as (n_images, 28, 28); ``feature_names``, ``target_names``.

    Raises
    ------
    FileNotFoundError
        If the folder does not hold the file, or neither a folder nor OpenML is there.
    ValueError
        If the file is not the one expected, or the subset is unknown.

    References
    ----------
    .. [1] Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition",
       Proceedings of the IEEE 86(11), 1998.
    """
    rows = _subset_rows(subset, 60_000, 70_000)
    path = _packed("mnist.npz", folder)
    if path is not None:
        with np.load(path, allow_pickle=False) as arrays:
            images = np.concatenate([arrays["X_train"], arrays["X_test"]])[rows]
            target = np.concatenate([arrays["y_train"], arrays["y_test"]])[rows]
    else:
        fetched = _fetch("mnist.npz", data_id=554, as_frame=False)
        images = fetched.data[rows].astype(np.uint8).reshape(-1, 28, 28)
        target = fetched.target[rows]
    return _bunch(
        images.reshape(len(images), -1),
        target.astype(np.intp),
        [f"pixel_{i}_{j}" for i in range(28) for j in range(28)],
        list(range(10)),
        return_X_y,
        images=images,
    )


def load_cifar10(
    *, subset: str = "all", folder: str | os.PathLike[str] | None = None, return_X_y: bool = False
) -> Any:
    """Load a JPEG copy of CIFAR-10: 30,000 train and 10,000 test photographs.

    JPEG loses detail, so pixels differ a little from the original arrays: report results as
    "CIFAR-10 (JPEG copy, 30,000 train)". Needs Pillow, which matplotlib brings.

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
    folder : path, default=None
        Folder that holds ``cifar10_jpeg.npz``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        ``data`` : ndarray of shape (n_images, 3072), uint8; ``target`` : ndarray of int;
        ``images`` : the same pixels as (n_images, 32, 32, 3); ``feature_names``,
        ``target_names``.

    Raises
    ------
    FileNotFoundError
        If no folder holds the file.
    ValueError
        If the file is not the one expected, or the subset is unknown.

    Notes
    -----
    Rows are sorted by split, then class: shuffle before taking a slice.

    References
    ----------
    .. [1] A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    from PIL import Image

    rows = _subset_rows(subset, 30_000, 40_000)
    arrays = _arrays("cifar10_jpeg.npz", folder)
    data, ends = arrays["data"], arrays["offsets"]
    encoded = [data[a:b].tobytes() for a, b in zip(ends[:-1][rows], ends[1:][rows], strict=True)]
    images = np.stack([np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in encoded])
    return _bunch(
        images.reshape(len(images), -1),
        arrays["y"][rows].astype(np.intp),
        [f"{c}_{i}_{j}" for i in range(32) for j in range(32) for c in ("red", "green", "blue")],
        arrays["classes"].tolist(),
        return_X_y,
        images=images,
    )


def _bunch(
    data: Any,
    target: Any,
    feature_names: list[str],
    target_names: list[Any],
    return_X_y: bool,
    **more: Any,
) -> Any:
    if return_X_y:
        return data, target
    return Bunch(
        data=data, target=target, feature_names=feature_names, target_names=target_names, **more
    )


def _subset_rows(subset: str, n_train: int, n_all: int) -> slice:
    subsets = {
        "all": slice(0, n_all),
        "train": slice(0, n_train),
        "test": slice(n_train, n_all),
    }
    if subset not in subsets:
        raise ValueError(f"subset must be one of {', '.join(subsets)}; got {subset!r}.")
    return subsets[subset]


def _packed(name: str, folder: str | os.PathLike[str] | None) -> Path | None:
    """Return the checked path of a packed file, or None when no folder was named."""
    folder = os.environ.get(_ENVIRONMENT) or None if folder is None else folder
    if folder is None:
        return None
    path = path_of("folder", folder) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. Put {name} into that folder, or name another one with "
            f"folder= or the environment variable {_ENVIRONMENT}."
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != _SHA256[name]:
        raise ValueError(
            f"{path} is not the file expected: its SHA-256 is {digest}, not {_SHA256[name]}. "
            "Copy it again."
        )
    return path


def _arrays(name: str, folder: str | os.PathLike[str] | None) -> dict[str, np.ndarray]:
    """Read an .npz that only exists as a packed file."""
    path = _packed(name, folder)
    if path is None:
        raise FileNotFoundError(
            f"{name} cannot be downloaded: name the folder that holds it with folder= or the "
            f"environment variable {_ENVIRONMENT}."
        )
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _fetch(name: str, **options: Any) -> Bunch:
    from sklearn.datasets import fetch_openml

    try:
        return fetch_openml(**options)
    except OSError as error:
        raise FileNotFoundError(
            f"OpenML could not be reached ({error}). Name the folder that holds {name} with "
            f"folder= or the environment variable {_ENVIRONMENT}."
        ) from error


def _adult_from_openml() -> Any:
    import pandas as pd

    frame = _fetch("adult.csv.gz", data_id=1590, as_frame=True).frame
    # OpenML lists the test rows first.
    frame = pd.concat([frame.iloc[_ADULT_TEST:], frame.iloc[:_ADULT_TEST]], ignore_index=True)
    if (frame.iloc[:_ADULT_TRAIN, -1] == ">50K").sum() != 7_841:
        raise ValueError(
            "OpenML's Adult is not in the order expected; name the folder that holds "
            f"adult.csv.gz with folder= or the environment variable {_ENVIRONMENT}."
        )
    return frame.astype(dict.fromkeys(frame.columns[frame.dtypes == "category"], object))
