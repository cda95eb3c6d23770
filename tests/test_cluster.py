"""Average linkage on cosine distance against SciPy, scikit-learn and the definition."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import fcluster, is_valid_linkage, linkage
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.pairwise import cosine_distances

from mia_sklearn import _rust
from mia_sklearn.cluster import CosineAgglomerative
from processes import printed_after_ctrl_c, printed_by_kernels


def _as_scipy(children, heights):
    """Return the linkage matrix of SciPy, with the sizes of the clusters."""
    n = len(children) + 1
    sizes = np.ones(2 * n - 1)
    for i, pair in enumerate(children):
        sizes[n + i] = sizes[pair].sum()
    return np.column_stack([children.astype(float), heights, sizes[n:]])


def _assert_greedy(x, children, heights):
    """Follow the tree merge by merge: each must be of the two nearest clusters left, or tied.

    Where distances are equal there are several right trees, and heights may differ too.
    """
    n = len(x)
    distances = np.full((2 * n - 1, 2 * n - 1), np.inf)
    distances[:n, :n] = cosine_distances(x)
    np.fill_diagonal(distances, np.inf)
    sizes = np.ones(2 * n - 1)
    assert (np.diff(heights) >= 0).all()
    for i, ((a, b), height) in enumerate(zip(children, heights, strict=True)):
        assert a < b < n + i
        assert sizes[a] > 0 and sizes[b] > 0, "a cluster merges twice"
        assert distances[a, b] <= distances.min() + 1e-10
        assert abs(distances[a, b] - height) < 1e-10
        mean = (sizes[a] * distances[a] + sizes[b] * distances[b]) / (sizes[a] + sizes[b])
        distances[n + i], distances[:, n + i] = mean, mean
        sizes[n + i] = sizes[a] + sizes[b]
        sizes[[a, b]] = 0
        distances[[a, b]] = np.inf
        distances[:, [a, b]] = np.inf
        distances[n + i, n + i] = np.inf


def _spectrum(n, d, seed=0):
    """Features as networks give them: a few directions hold nearly all."""
    rng = np.random.default_rng(seed)
    scales = 0.8 ** np.arange(min(n, d, 30))
    return 1 + (rng.normal(size=(n, len(scales))) * scales) @ rng.normal(size=(len(scales), d))


CASES = {
    "random": _spectrum(700, 40),
    "isotropic": np.random.default_rng(0).normal(size=(600, 90)),
    "many features": np.random.default_rng(1).normal(size=(90, 700)),
    "one feature": np.random.default_rng(2).normal(size=(50, 1)),
    "two features": np.random.default_rng(3).normal(size=(300, 2)),
    "tied": np.random.default_rng(4).integers(-1, 2, (300, 4)) + 0.5,
    "binary": np.eye(7)[np.random.default_rng(5).integers(0, 7, (300, 3))].sum(axis=1),
    "one-hot": np.eye(40)[np.random.default_rng(6).integers(0, 40, 300)],
    "orthogonal": np.eye(120),
    "opposite": np.vstack([np.eye(40), -np.eye(40)]),
    "constant": np.full((200, 5), 0.1),
    "duplicates": np.repeat(_spectrum(30, 6), 9, axis=0),
    "multiples": np.outer(np.arange(1.0, 150), [0.3, 0.1, 0.7]),
    "nearly equal": 1 + 1e-7 * np.random.default_rng(7).normal(size=(250, 12)),
    "nested": np.exp(np.random.default_rng(8).normal(size=(300, 3)) * [3, 2, 1]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_each_merge_is_of_the_nearest_two(name, dtype):
    x = CASES[name].astype(dtype)
    children, heights = _rust.average_linkage(x)
    assert children.dtype == np.int64 and heights.dtype == np.float64
    assert is_valid_linkage(_as_scipy(children, heights))
    _assert_greedy(x.astype(float), children, heights)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["random", "isotropic", "many features", "nested"])
def test_the_tree_is_scipys(name, dtype):
    x = CASES[name].astype(dtype)
    expected = linkage(x.astype(float), "average", metric="cosine")
    children, heights = _rust.average_linkage(x)
    np.testing.assert_array_equal(children, expected[:, :2])
    np.testing.assert_allclose(heights, expected[:, 2], rtol=0, atol=1e-12)


# Around what is remembered, a panel and a block.
@pytest.mark.parametrize("n", [2, 3, 8, 9, 10, 11, 47, 48, 49, 96, 239, 240, 241, 480, 500, 1_000])
def test_any_number_of_records(n):
    x = _spectrum(n, 20, seed=n)
    expected = linkage(x, "average", metric="cosine")
    children, heights = _rust.average_linkage(x)
    np.testing.assert_array_equal(children, expected[:, :2])
    np.testing.assert_allclose(heights, expected[:, 2], rtol=0, atol=1e-12)


def test_many_records_are_cut_as_scipy_cuts_them():
    x = _spectrum(3_000, 50).astype(np.float32)
    expected = linkage(x.astype(float), "average", metric="cosine")
    model = CosineAgglomerative(50).fit(x)
    assert np.abs(model.distances_ - expected[:, 2]).max() < 1e-5
    assert adjusted_rand_score(fcluster(expected, 50, "maxclust"), model.labels_) == 1


@pytest.mark.parametrize("scale", [2.0**-1070, 2.0**-500, 2.0**500, 2.0**1000])
def test_tiny_and_huge_numbers_keep_their_direction(scale):
    x = np.round(_spectrum(120, 6) * 64)  # few bits: subnormal numbers lose none
    children, heights = _rust.average_linkage(x)
    scaled_children, scaled_heights = _rust.average_linkage(x * scale)
    np.testing.assert_array_equal(scaled_children, children)
    np.testing.assert_allclose(scaled_heights, heights, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_vectors_have_no_merges(n):
    children, heights = _rust.average_linkage(np.ones((n, 3)))
    assert children.shape == (0, 2) and heights.shape == (0,)
    assert _rust.cluster_medoids(np.ones((n, 3)), np.zeros(n, np.int64)).tolist() == [0] * n


def _read_only(table):
    table = table.copy()
    table.flags.writeable = False
    return table


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        _read_only,
        lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
        lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    ],
    ids=["Fortran", "read-only", "strided", "reversed"],
)
def test_the_layout_in_memory_changes_no_bit(arrange, dtype):
    x = CASES["random"].astype(dtype)
    labels = np.arange(len(x)) % 7
    arranged = arrange(x)
    for result, expected in zip(
        (*_rust.average_linkage(arranged), _rust.cluster_medoids(arranged, labels)),
        (*_rust.average_linkage(x), _rust.cluster_medoids(x, labels)),
        strict=True,
    ):
        assert result.tobytes() == expected.tobytes()


_PRINT_DIGEST = """
rng = np.random.default_rng(0)
digest = hashlib.sha256()
for x in [rng.normal(size=(2_003, 33)), rng.integers(0, 2, (1_501, 9)) + 0.5]:
    for array in _rust.average_linkage(x):
        digest.update(array.tobytes())
print(digest.hexdigest())
"""


def test_the_number_of_threads_changes_no_bit():
    one, two, three = (printed_by_kernels(_PRINT_DIGEST, RAYON_NUM_THREADS=n) for n in "123")
    assert one == two == three


_FIT_UNTIL_STOPPED = """
import sys, numpy as np
from mia_sklearn.cluster import CosineAgglomerative
x = np.random.default_rng(0).normal(size=(150_000, 150)).astype(np.float32)
print("begins", flush=True)
try:
    CosineAgglomerative().fit(x)
    print("finished")
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.slow
def test_ctrl_c_ends_a_fit():
    # Half a minute's work, then in its first search.
    assert printed_after_ctrl_c(_FIT_UNTIL_STOPPED, wait=1.5, timeout=60) == "stopped\n"


_PRINT_MEMORY = """
import re, numpy as np
from pathlib import Path
from mia_sklearn.cluster import CosineAgglomerative

def resident(key):
    return int(re.search(key + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

rng = np.random.default_rng(0)
CosineAgglomerative(2).fit(rng.normal(size=(50, 8)))
x = rng.normal(size=(20_000, 8))
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = resident("VmRSS")
CosineAgglomerative(50).fit(x)
print(resident("VmHWM") - before)
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_grows_with_the_records_not_with_their_pairs():
    result = subprocess.run(
        [sys.executable, "-c", _PRINT_MEMORY], capture_output=True, check=True, text=True
    )
    # The distances of all pairs would be 1,600,000 kilobytes.
    assert int(result.stdout) < 40_000


def _brute_medoid(x, rows):
    distances = cdist(x[rows], x[rows], "cosine").sum(axis=1)
    return rows[np.flatnonzero(distances <= distances.min() + 1e-10)[0]]


@pytest.mark.parametrize("name", ["random", "isotropic", "duplicates", "tied", "opposite"])
def test_medoids_are_those_of_all_pairs(name):
    x = CASES[name]
    model = CosineAgglomerative(25).fit(x)
    expected = [_brute_medoid(x, np.flatnonzero(model.labels_ == k)) for k in range(25)]
    assert model.medoid_indices_.dtype == np.int64
    np.testing.assert_array_equal(model.medoid_indices_, expected)


def test_of_two_records_the_first_is_the_medoid():
    x = np.random.default_rng(0).normal(size=(200, 9))
    labels = np.arange(200) % 100
    np.testing.assert_array_equal(_rust.cluster_medoids(x, labels), np.arange(100))


@pytest.mark.parametrize("n_clusters", [1, 2, 7, 50, 699, 700])
def test_attributes_are_those_of_scikit_learn(n_clusters):
    x = CASES["random"]
    model = CosineAgglomerative(n_clusters).fit(x)
    other = AgglomerativeClustering(
        n_clusters, metric="cosine", linkage="average", compute_distances=True
    ).fit(x)
    np.testing.assert_array_equal(model.children_, other.children_)
    np.testing.assert_allclose(model.distances_, other.distances_, rtol=0, atol=1e-12)
    assert model.n_leaves_ == other.n_leaves_
    assert model.n_clusters_ == n_clusters
    assert model.labels_.dtype == np.int64
    assert adjusted_rand_score(model.labels_, other.labels_) == 1
    # Numbered as they first occur.
    values, first = np.unique(model.labels_, return_index=True)
    np.testing.assert_array_equal(values, np.arange(n_clusters))
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(model.fit_predict(x), model.labels_)


def test_integers_lists_and_frames_are_read():
    x = np.random.default_rng(0).integers(1, 9, (60, 4))
    expected = CosineAgglomerative(5).fit(x.astype(float))
    frame = pd.DataFrame(x, columns=list("abcd"))
    for other in (x, x.tolist(), x.astype("i2"), x.astype(">f8"), frame):
        model = clone(expected).fit(other)
        np.testing.assert_array_equal(model.children_, expected.children_)
        np.testing.assert_array_equal(model.medoid_indices_, expected.medoid_indices_)
    assert model.feature_names_in_.tolist() == list("abcd")
    assert model.n_features_in_ == 4


def _with(rows, value):
    x = np.random.default_rng(0).normal(size=(30, 3))
    if value == 0:
        x[rows] = 0
    else:
        x[rows, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "n_clusters", "message"),
    [
        (_with([3, 17], 0), 2, "vectors hold only zeros in rows 3, 17; .* direction: drop"),
        (_with([5], np.nan), 2, r"NaN or infinity in rows 5; .*: drop or repair"),
        (_with([0, 29], np.inf), 2, r"NaN or infinity in rows 0, 29; .*: drop or repair"),
        (_with([2], -np.inf), 2, r"NaN or infinity in rows 2;"),
        (_with(range(15), 0), 2, "rows 0, 1, 2, 3, 4 and 10 more;"),
        (_with([], 1), 31, "n_clusters=31 must be at most the number of records in X, 30"),
        (_with([], 1), 0, "'n_clusters' parameter.*must be an int in the range"),
        (_with([], 1), -1, "'n_clusters' parameter"),
        (_with([], 1), 2.5, "'n_clusters' parameter"),
        (np.ones((1, 3)), 1, "1 sample"),
        (np.ones((0, 3)), 1, "0 sample"),
        (np.ones((5, 0)), 1, "0 feature"),
        (np.ones(5), 1, "1D array"),
    ],
)
def test_bad_input_is_named_with_its_fix(x, n_clusters, message):
    with pytest.raises(ValueError, match=message):
        CosineAgglomerative(n_clusters).fit(x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _rust.average_linkage(_with([4], 0)), ValueError, "only zeros in rows 4"),
        (lambda: _rust.average_linkage(_with([4], np.nan)), ValueError, "NaN or .* in rows 4"),
        (lambda: _rust.average_linkage(_with([4], np.inf)), ValueError, "infinity in rows 4"),
        (lambda: _rust.average_linkage(np.ones((3, 0))), ValueError, "only zeros in rows 0, 1, 2"),
        (lambda: _rust.average_linkage(np.ones(3)), ValueError, "vectors must have shape"),
        (lambda: _rust.average_linkage(np.ones((3, 2), int)), TypeError, "vectors must be float32"),
        (
            lambda: _rust.cluster_medoids(np.ones((3, 2)), np.zeros(2, np.int64)),
            ValueError,
            "labels has 2 rows where 3 were expected",
        ),
        (
            lambda: _rust.cluster_medoids(np.ones((3, 2)), np.array([0, 2, 0])),
            ValueError,
            "none of them empty, got 1",
        ),
        (
            lambda: _rust.cluster_medoids(np.ones((3, 2)), np.array([0, -1, 0])),
            ValueError,
            "got -1",
        ),
        (
            lambda: _rust.cluster_medoids(np.ones((3, 2)), np.array([0, 3, 0])),
            ValueError,
            "got 3",
        ),
        (
            lambda: _rust.cluster_medoids(np.zeros((1, 2)), np.array([0])),
            ValueError,
            "only zeros in rows 0",
        ),
    ],
)
def test_wrong_arguments_of_the_kernels_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
