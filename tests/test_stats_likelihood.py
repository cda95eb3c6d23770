"""The Gaussian likelihood ratio against its formulas, written out."""

import numpy as np
import pytest
from scipy.stats import norm, t

from mia_sklearn.metrics import roc_auc
from mia_sklearn.stats._likelihood import GaussianRatio, Moments


def present(row):
    return row[~np.isnan(row)]


def common_variance(references):
    rows = [present(row) for row in references]
    squares = sum(((row - row.mean()) ** 2).sum() for row in rows if len(row))
    return squares / sum(len(row) - 1 for row in rows if len(row))


def literal(signal, out, in_, density=None):
    """Follow the definition record by record; fewer than 30 records, each with both kinds."""
    common = [common_variance(side) for side in (out, in_)]
    degrees = [sum(len(present(row)) - 1 for row in side) for side in (out, in_)]
    floor = max(0.1 * (common[0] * degrees[0] + common[1] * degrees[1]) / sum(degrees), 1e-12)

    def moments(row, common):
        row = present(row)
        squares = ((row - row.mean()) ** 2).sum()
        v = max((squares + 4 * common) / (len(row) - 1 + 4), floor)
        return row.mean(), v, v / len(row), len(row)

    outs, ins = (
        [moments(row, c) for row in side] for side, c in zip((out, in_), common, strict=True)
    )
    center = np.array([(i[0] + o[0]) / 2 for o, i in zip(outs, ins, strict=True)])
    gap = np.array([i[0] - o[0] for o, i in zip(outs, ins, strict=True)])
    noise = np.array([i[2] + o[2] for o, i in zip(outs, ins, strict=True)])
    edges = np.unique(np.quantile(center, np.linspace(0, 1, 31)[1:-1]))
    bins = np.searchsorted(edges, center)
    scores = []
    for k, x in enumerate(signal):
        alike = bins == bins[k]
        prior = gap[alike].mean()
        spread = 0.0
        if alike.sum() > 1:
            spread = max(gap[alike].var(ddof=1) - noise[alike].mean(), 0.0)
        shrunk = prior + spread / (spread + noise[k]) * (gap[k] - prior)
        terms = []
        for side, mean in ((outs, center[k] - shrunk / 2), (ins, center[k] + shrunk / 2)):
            v = side[k][1] + side[k][2]
            if density == "student":
                freedom = side[k][3] - 1 + 4
                terms.append(t.logpdf(x, freedom, mean, np.sqrt(v)))
                continue
            terms.append(-0.5 * ((x - mean) ** 2 / v + np.log(v)))
        scores.append(terms[1] - terms[0])
    return np.array(scores)


@pytest.mark.parametrize(("variance", "seed"), [*(("shrunk", k) for k in range(3)), ("student", 3)])
def test_shrunk_variances_are_their_definition(variance, seed):
    rng = np.random.default_rng(seed)
    # Unequal numbers of references, and rows of one mean so that bins hold several.
    signal, out, in_ = rng.normal(size=90), rng.normal(size=(90, 7)), rng.normal(2, 2, (90, 4))
    for table, column in ((out, 3), (in_, 2)):
        table[rng.uniform(size=90) < 0.4, column] = np.nan
    sides = Moments(signal, out), Moments(signal, in_)
    score = GaussianRatio(variance).fit(*sides).score(signal, *sides)
    expected = literal(signal, out, in_, density=variance)
    np.testing.assert_allclose(score, expected, rtol=1e-8, atol=1e-10)


def test_offline_a_student_score_is_a_normal_one_of_the_same_tail():
    rng = np.random.default_rng(0)
    signal, references = 3 * rng.normal(size=200), rng.normal(size=(200, 5))
    references[:100, 3:] = np.nan
    out = Moments(signal, references)
    z = GaussianRatio(online=False).fit(out).score(signal, out)
    score = GaussianRatio("student", online=False).fit(out).score(signal, out)
    freedom = np.repeat([6, 8], 100)
    np.testing.assert_allclose(score, norm.isf(t.sf(z, freedom)), rtol=0.02)
    far = GaussianRatio("student", online=False).fit(out).score(1e9 * signal, out)
    assert np.isfinite(far).all()


def test_offline_score_of_two_references():
    # v = (2 + 4 * 2) / 5 = 2, and 2 (1 + 1/2) = 3.
    signal, references = np.ones(6), np.tile([-1.0, 1.0], (6, 1))
    out = Moments(signal, references)
    ratio = GaussianRatio(online=False).fit(out)
    np.testing.assert_allclose(ratio.score(signal, out), 1 / np.sqrt(3))
    assert ratio.floor_ == pytest.approx(0.2)


def test_the_floor_weighs_sides_by_their_degrees_of_freedom():
    # Out: variance 2 with 1 degree; in: variance 0 with 3.
    signal = np.zeros(5)
    sides = [Moments(signal, np.tile(row, (5, 1))) for row in ([-1.0, 1.0], [3.0] * 4)]
    assert GaussianRatio().fit(*sides).floor_ == pytest.approx(0.1 * 2 / 4)


def test_the_rank_counts_half_of_ties():
    assert Moments(np.zeros(1), np.array([[0.0, 0.0, 1.0, 1.0]])).rank == 0.25
    assert Moments(np.zeros(1), np.array([[-1.0, 0.0, 1.0, np.nan]])).rank == 0.5


def test_gaps_that_differ_are_kept():
    # Half of the records answer members six deviations higher, the others alike: a gap shrunk to
    # the mean would see members among the latter as often as not.
    rng = np.random.default_rng(0)
    n = 2_000
    gap = np.repeat([0.0, 6.0], n // 2)
    member = rng.uniform(size=n) < 0.5
    out, in_ = rng.normal(size=(n, 8)), rng.normal(size=(n, 8)) + gap[:, None]
    # Records of either kind lie around the same middle.
    out, in_ = out - gap[:, None] / 2, in_ - gap[:, None] / 2
    signal = rng.normal(size=n) + np.where(member, gap / 2, -gap / 2)
    sides = Moments(signal, out), Moments(signal, in_)
    score = GaussianRatio().fit(*sides).score(signal, *sides)
    # With gaps known: one half for the first kind, .99999 for the second, .875 of all together.
    assert roc_auc(member, score).value > 0.86
