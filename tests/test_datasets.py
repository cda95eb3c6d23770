"""The packed data sets are not in the repository: their tests run where a folder is named."""

import os
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from mia_sklearn import datasets

FOLDER = os.environ.get("MIA_SKLEARN_DATA")
needs_files = pytest.mark.skipif(not FOLDER, reason="MIA_SKLEARN_DATA names no folder")
LOADERS = {
    "adult.csv.gz": datasets.load_adult,
    "cancer.csv.gz": datasets.load_cancer,
    "location30.npz": datasets.load_location30,
    "mnist.npz": datasets.load_mnist,
    "cifar10_jpeg.npz": datasets.load_cifar10,
}


@needs_files
def test_adult_has_its_known_counts():
    everything = datasets.load_adult()
    train, test = datasets.load_adult(subset="train"), datasets.load_adult(subset="test")
    assert everything.data.shape == (48_842, 14)
    assert (train.target == ">50K").sum() == 7_841
    assert (test.target == ">50K").sum() == 3_846
    missing = everything.data.isna().sum()
    assert missing[missing > 0].to_dict() == {
        "workclass": 2_799,
        "occupation": 2_809,
        "native-country": 857,
    }
    assert list(test.data.index[:2]) == [0, 1]
    assert everything.data.iloc[32_561:].reset_index(drop=True).equals(test.data)


@needs_files
def test_cancer_has_its_known_counts():
    X, y = datasets.load_cancer(return_X_y=True)
    assert X.shape == (683, 9)
    assert np.bincount(y).tolist() == [444, 239]
    assert (X.min(), X.max()) == (1, 10)


@needs_files
def test_location_has_its_known_counts():
    data = datasets.load_location30()
    sizes = np.bincount(data.target)
    assert data.data.sum() == 269_047
    assert (sizes.argmin(), sizes.min(), sizes.argmax(), sizes.max()) == (4, 97, 7, 308)
    assert len(data.feature_names) == data.data.shape[1] == 446


@needs_files
def test_mnist_has_its_known_counts():
    train = datasets.load_mnist(subset="train")
    assert np.bincount(train.target)[:3].tolist() == [5_923, 6_742, 5_958]
    assert train.target[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert train.data.mean().round(4) == 33.3184
    assert datasets.load_mnist(subset="test").images.shape == (10_000, 28, 28)


@needs_files
def test_cifar_has_its_known_counts():
    test = datasets.load_cifar10(subset="test")
    assert test.images.shape == (10_000, 32, 32, 3)
    assert np.bincount(test.target).tolist() == [1_000] * 10
    assert len(test.feature_names) == test.data.shape[1]
    assert test.target_names[:2] == ["airplane", "automobile"]


@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_file_names_the_ways_out(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{name} .*folder= .*MIA_SKLEARN_DATA"):
        LOADERS[name](folder=tmp_path)


@pytest.mark.parametrize("name", LOADERS)
def test_another_file_of_the_same_name_is_refused(name, tmp_path):
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(ValueError, match="SHA-256"):
        LOADERS[name](folder=tmp_path)


@pytest.mark.parametrize("name", ["location30.npz", "cifar10_jpeg.npz"])
def test_sets_that_openml_lacks_ask_for_a_folder(name, monkeypatch):
    monkeypatch.delenv("MIA_SKLEARN_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="folder="):
        LOADERS[name]()


@pytest.mark.parametrize("load", [datasets.load_adult, datasets.load_mnist, datasets.load_cifar10])
def test_an_unknown_subset_is_refused(load):
    with pytest.raises(ValueError, match="subset must be one of all, train, test"):
        load(subset="valid")


def _offer(monkeypatch, fetched):
    monkeypatch.delenv("MIA_SKLEARN_DATA", raising=False)

    def fetch(**options):
        if isinstance(fetched, Exception):
            raise fetched
        return fetched

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)


@pytest.mark.parametrize("name", ["adult.csv.gz", "cancer.csv.gz", "mnist.npz"])
def test_without_a_network_the_error_names_the_file(name, monkeypatch):
    _offer(monkeypatch, URLError("no route"))
    with pytest.raises(FileNotFoundError, match=name):
        LOADERS[name]()


def _adult_as_openml_lists_it():
    # 16,281 test rows come first there.
    target = pd.Series(["<=50K"] * 48_842)
    target[16_281 : 16_281 + 7_841] = ">50K"
    frame = pd.DataFrame({"age": np.arange(48_842), "class": target.astype("category")})
    return Bunch(frame=frame)


def test_adult_from_openml_is_put_into_the_published_order(monkeypatch):
    _offer(monkeypatch, _adult_as_openml_lists_it())
    train = datasets.load_adult(subset="train")
    assert train.data["age"].iloc[0] == 16_281
    assert (train.target == ">50K").sum() == 7_841
    assert train.target.name == "income"
    assert train.target.dtype == object


def test_adult_from_openml_in_another_order_is_refused(monkeypatch):
    fetched = _adult_as_openml_lists_it()
    fetched.frame = pd.concat([fetched.frame.iloc[16_281:], fetched.frame.iloc[:16_281]])
    _offer(monkeypatch, fetched)
    with pytest.raises(ValueError, match="order"):
        datasets.load_adult()


def test_cancer_from_openml_drops_incomplete_rows(monkeypatch):
    frame = pd.DataFrame(
        {"Bare_Nuclei": [1.0, np.nan, 10.0], "Class": ["benign", "benign", "malignant"]}
    )
    _offer(monkeypatch, Bunch(frame=frame))
    X, y = datasets.load_cancer(return_X_y=True)
    assert X.tolist() == [[1.0], [10.0]]
    assert y.tolist() == [0, 1]


def test_mnist_from_openml_keeps_the_published_split(monkeypatch):
    pixels = np.zeros((70_000, 784), dtype=np.uint8)
    pixels[60_000] = 7
    _offer(monkeypatch, Bunch(data=pixels, target=np.array(["3"] * 70_000, dtype=object)))
    test = datasets.load_mnist(subset="test")
    assert test.images[0, 0, 0] == 7
    assert test.target.tolist() == [3] * 10_000


@pytest.mark.parametrize("load", LOADERS.values())
def test_an_empty_path_is_no_folder(load):
    with pytest.raises(ValueError, match="folder='' names no folder"):
        load(folder="")
