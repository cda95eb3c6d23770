"""Cosine neighbour counts against a scan of all pairs, on every kind of input."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics.pairwise import cosine_distances
from sklearn.pipeline import make_pipeline

from mia_sklearn import _rust
from mia_sklearn.neighbors import CosineNeighborCounter
from processes import printed_after_ctrl_c, printed_by_kernels

RADII = [0.05, 0.2, 0.9, 1.0, 1.5]


def twin(queries, references, radii, cap=None):
    """Count by all pairs in float64; rows may be huge or tiny, but not both within one."""

    def units(rows):
        rows = np.asarray(rows, dtype=np.longdouble)
        rows = rows / np.abs(rows).max(axis=1, keepdims=True)
        return rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))

    distances = (1 - units(queries) @ units(references).T).astype(float)
    for radius in np.atleast_1d(radii):
        # Beside a tie only: nothing in these tests may hang on a last bit.
        assert (np.abs(distances - radius) > 1e-11).all()
    counts = (distances[:, :, None] < np.atleast_1d(radii)).sum(axis=1)
    return np.minimum(counts, cap or len(references))


def features(rng, rows, width, *, rank=3, noise=0.3):
    """Draw rows like the outputs of many networks: two sides, some directions, noise."""
    side = rng.choice([-1.0, 1.0], rows)[:, None] * np.linspace(1, 2, width)
    leading = rng.normal(size=(rows, rank)) @ np.random.default_rng(5).normal(size=(rank, width))
    return side + 0.4 * leading + noise * rng.uniform(0, 2, (rows, 1)) * rng.normal(size=side.shape)


def _cases():
    rng = np.random.default_rng(0)
    near = features(rng, 400, 30)
    return {
        "structured": (features(rng, 301, 200), features(rng, 450, 200)),
        "narrow": (near[:100, :3], near[100:, :3]),
        "one feature": (near[:50, :1], near[50:, :1]),
        "one query": (near[:1], near[1:]),
        "one reference": (near[1:], near[:1]),
        "isotropic": (rng.normal(size=(200, 300)), rng.normal(size=(310, 300))),
        "wide": (features(rng, 40, 1_100), features(rng, 60, 1_100)),
        "constant": (np.full((70, 9), 0.1), np.full((90, 9), -0.3)),
        "repeated": (np.repeat(near[:7], 30, axis=0), np.repeat(near[5:12], 40, axis=0)),
        "tiny": (1e-30 * near[:150], 1e-30 * near[150:]),
        "huge": (1e30 * near[:150], 1e30 * near[150:]),
        "of many lengths": (
            near[:150] * 10.0 ** rng.uniform(-25, 25, (150, 1)),
            near[150:] * 10.0 ** rng.uniform(-25, 25, (250, 1)),
        ),
        "low rank": (
            rng.normal(size=(200, 4)) @ rng.normal(size=(4, 150)),
            rng.normal(size=(300, 4)) @ rng.normal(size=(4, 150)),
        ),
        "sparse": (near[:150] * (rng.random((150, 30)) < 0.2) + 1e-3, np.eye(30)),
    }


CASES = _cases()
every_case = pytest.mark.parametrize("name", list(CASES))
every_type = pytest.mark.parametrize("dtype", ["float32", "float64"])


@every_case
@every_type
@pytest.mark.parametrize("cap", [None, 1, 10, 10_000])
def test_counts_equal_their_twin(name, dtype, cap):
    queries, references = (x.astype(dtype) for x in CASES[name])
    counter = CosineNeighborCounter().fit(references)
    found = counter.count(queries, RADII, cap=cap)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, twin(queries, references, RADII, cap))
    np.testing.assert_array_equal(counter.count(queries, 0.2, cap=cap), found[:, 1])


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-200, 1e200, 1e308])
def test_float64_of_any_size(scale):
    queries = np.array([[1.0, 0.0], [1.0, 1.0]]) * scale
    counter = CosineNeighborCounter().fit([[1.0, 0.0], [0.0, 1.0]])
    assert counter.count(queries, 0.1).tolist() == [1, 0]
    assert counter.count(queries, 0.3).tolist() == [1, 2]
    again = CosineNeighborCounter().fit(queries)
    assert again.count([[3.0, 0.0]], 0.1).tolist() == [1]


@pytest.mark.parametrize("types", [("float32", "float64"), ("float64", "float32")])
def test_types_may_differ(types):
    queries, references = (x.astype(t) for x, t in zip(CASES["structured"], types, strict=True))
    found = CosineNeighborCounter().fit(references).count(queries, RADII)
    np.testing.assert_array_equal(found, twin(queries, references, RADII))


def test_pairs_that_float32_cannot_tell_apart():
    rng = np.random.default_rng(3)
    references = features(rng, 500, 40)
    unit = references / np.linalg.norm(references, axis=1, keepdims=True)
    # The query's cosine with each reference in turn is the threshold, give or take 1e-9.
    radius, off = 0.2, rng.choice([-1e-9, 1e-9], 500)
    across = rng.normal(size=unit.shape)
    across -= (across * unit).sum(axis=1, keepdims=True) * unit
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    cosine = (1 - radius + off)[:, None]
    queries = cosine * unit + np.sqrt(1 - cosine**2) * across
    found = CosineNeighborCounter(radius).fit(references).count(queries)
    np.testing.assert_array_equal(found, twin(queries, references, radius)[:, 0])
    own = [
        CosineNeighborCounter(radius).fit(r[None]).count(q[None])[0]
        for q, r in zip(queries[:60], references[:60], strict=True)
    ]
    np.testing.assert_array_equal(own, off[:60] > 0)


@every_type
def test_whole_numbers_that_tie_are_not_below(dtype):
    rng = np.random.default_rng(4)
    # Eight ones of twenty in every row: a quarter of all pairs has the cosine 1/2 exactly.
    table = np.argsort(rng.random((1_500, 20)), axis=1) < 8
    queries, references = table[:600].astype(dtype), table[600:].astype(dtype)
    shared = table[:600].astype(int) @ table[600:].T.astype(int)
    assert (shared == 4).mean() > 0.2
    counter = CosineNeighborCounter(0.5).fit(references)
    np.testing.assert_array_equal(counter.count(queries), (shared > 4).sum(axis=1))
    # Scaled rows tie just as well.
    scaled = queries * 2.0 ** rng.integers(-9, 9, (600, 1))
    np.testing.assert_array_equal(counter.count(scaled), (shared > 4).sum(axis=1))
    np.testing.assert_array_equal(
        counter.count(queries, cap=3), (shared > 4).sum(axis=1).clip(0, 3)
    )


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "every other": lambda table: np.repeat(np.repeat(table, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda table: np.ascontiguousarray(table[::-1, ::-1])[::-1, ::-1],
    "frame": pd.DataFrame,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@every_type
def test_the_layout_in_memory_changes_nothing(layout, dtype):
    queries, references = (x.astype(dtype) for x in CASES["structured"])
    arranged = [LAYOUTS[layout](x) for x in (queries, references)]
    found = CosineNeighborCounter().fit(arranged[1]).count(arranged[0], RADII)
    np.testing.assert_array_equal(found, twin(queries, references, RADII))
    np.testing.assert_array_equal(np.asarray(arranged[0]), queries)
    for table in (queries, references):
        table.flags.writeable = False
    if layout != "frame":
        strided = _rust.CosineIndex(LAYOUTS[layout](references))
        np.testing.assert_array_equal(strided.count(LAYOUTS[layout](queries), RADII), found)


def test_read_only_and_later_changed_references():
    queries, references = CASES["structured"]
    mine = references.copy()
    mine.flags.writeable = False
    counter = CosineNeighborCounter().fit(mine)
    before = counter.count(queries)
    mine.flags.writeable = True
    mine[:] = 1.0
    np.testing.assert_array_equal(counter.count(queries), before)


@pytest.mark.parametrize(
    "again", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy]
)
def test_copies_count_alike(again):
    queries, references = CASES["of many lengths"]
    counter = CosineNeighborCounter(0.9, cap=50).fit(references)
    other = again(counter)
    np.testing.assert_array_equal(other.count(queries), counter.count(queries))
    assert other.n_references_ == len(references)
    assert not hasattr(clone(counter), "n_references_")


def test_transform_is_a_column_of_counts():
    queries, references = CASES["structured"]
    columns = [f"net_{i}" for i in range(200)]
    frame = pd.DataFrame(queries, columns=columns)
    counter = CosineNeighborCounter(0.2).set_output(transform="pandas")
    pipeline = make_pipeline(counter).fit(pd.DataFrame(references, columns=columns))
    found = pipeline.transform(frame)
    assert found.columns.tolist() == pipeline.get_feature_names_out().tolist() == ["n_neighbors"]
    np.testing.assert_array_equal(found["n_neighbors"], counter.count(frame))
    distances = cosine_distances(queries, references)
    np.testing.assert_array_equal(found["n_neighbors"], (distances < 0.2).sum(axis=1))
    with pytest.raises(ValueError, match="feature names"):
        counter.count(frame.rename(columns={"net_3": "other"}))


def _table(rows=20, **places):
    table = np.random.default_rng(0).normal(size=(rows, 4))
    for place, value in places.items():
        table[int(place[1:])] = value
    return table


GOOD = CosineNeighborCounter().fit(_table())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CosineNeighborCounter().fit(_table(r3=0, r17=0)), "only zeros in rows 3, 17;"),
        (lambda: CosineNeighborCounter().fit(_table(r3=np.nan)), "NaN or infinity in rows 3;"),
        (lambda: GOOD.count(_table(r9=0)), "queries hold only zeros in rows 9;"),
        (lambda: GOOD.count(_table(r2=-np.inf, r8=np.nan)), "NaN or infinity in rows 2, 8;"),
        (lambda: GOOD.count(np.zeros((9, 4))), "rows 0, 1, 2, 3, 4 and 4 more;"),
        (lambda: CosineNeighborCounter(0.0).fit(_table()), r"radius must lie in \(0, 2\)"),
        (lambda: CosineNeighborCounter(2).fit(_table()), "radius"),
        (lambda: CosineNeighborCounter("near").fit(_table()), "radius must be a number"),
        (lambda: CosineNeighborCounter(np.nan).fit(_table()), "radius"),
        (lambda: CosineNeighborCounter(1e-13).fit(_table()), "rounding would decide"),
        (lambda: GOOD.count(_table(), -0.1), "radius"),
        (lambda: GOOD.count(_table(), [0.1, 3.0]), "radius"),
        (lambda: GOOD.count(_table(), []), "radius must be a number"),
        (lambda: GOOD.count(_table(), [[0.1]]), "radius must be a number"),
        (lambda: CosineNeighborCounter(cap=0).fit(_table()), "cap must be a whole number"),
        (lambda: GOOD.count(_table(), cap=-1), "cap"),
        (lambda: GOOD.count(_table(), cap=1.5), "cap"),
        (lambda: GOOD.count(_table(), cap=True), "cap"),
        (lambda: GOOD.count(np.empty((0, 4))), "0 sample"),
        (lambda: CosineNeighborCounter().fit(np.empty((0, 4))), "0 sample"),
        (lambda: CosineNeighborCounter().fit(np.empty((3, 0))), "0 feature"),
        (lambda: GOOD.count(_table()[:, :3]), "3 features, but .* expecting 4"),
        (lambda: CosineNeighborCounter([0.1, 0.2]).fit(_table()).transform(_table()), "radius"),
        (lambda: _rust.CosineIndex(_table()[:0]), "references is empty"),
        (lambda: _rust.CosineIndex(_table()).count(_table()[:0], [0.1]), "queries is empty"),
        (lambda: _rust.CosineIndex(_table()).count(_table(), []), "radius is empty"),
        (lambda: _rust.CosineIndex(_table()).count(_table(), [0.0]), "radius must lie"),
        (lambda: _rust.CosineIndex(_table()).count(_table(), [0.1], 0), "cap must be at least 1"),
        (lambda: _rust.CosineIndex(_table()).count(_table()[:, :2], [0.1]), "have 2 features"),
        (lambda: _rust.CosineIndex(np.ones((1, 2**17 + 1))), "at most 131072"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


_PRINT_DIGEST = """
rng = np.random.default_rng(0)
side = rng.choice([-1, 1], 3_000)[:, None] * np.ones(70)
table = side + rng.uniform(0, 2, (3_000, 1)) * rng.normal(size=side.shape)
index = _rust.CosineIndex(table[1_000:])
counts = [index.count(table[:1_000], [0.1, 0.5], cap) for cap in (None, 1, 30)]
print(hashlib.sha256(b"".join(c.tobytes() for c in counts)).hexdigest())
"""


def test_the_number_of_threads_changes_no_count():
    one, two, three = (printed_by_kernels(_PRINT_DIGEST, RAYON_NUM_THREADS=n) for n in "123")
    assert one == two == three


# On one thread it would take far longer than the test waits.
_LONG_COUNT = """
import numpy as np
from mia_sklearn.neighbors import CosineNeighborCounter
table = np.random.default_rng(0).normal(size=(120_000, 300)).astype(np.float32)
counter = CosineNeighborCounter(1.0).fit(table)
print("counting", flush=True)
try:
    counter.count(table)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child")
@pytest.mark.slow
def test_ctrl_c_ends_a_long_count():
    output = printed_after_ctrl_c(_LONG_COUNT, wait=0.5, timeout=20, RAYON_NUM_THREADS="1")
    assert output == "interrupted\n"
