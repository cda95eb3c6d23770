"""One p-value from several queries."""

import numpy as np
import pytest
from scipy.stats import binomtest, combine_pvalues

from mia_sklearn.stats import combine_by_rank, kost_combine

P = [0.1, 0.02, 0.1, 0.02, 0.3]


@pytest.mark.parametrize(("rho", "expected"), [(0, 0.0023631), (0.5, 0.0334093), (1, 0.0654389)])
def test_known_values(rho, expected):
    assert kost_combine(P, rho) == pytest.approx(expected, abs=5e-8)
    pairs = np.where(np.eye(5), 1.0, rho)
    assert kost_combine(P, pairs) == kost_combine(P, rho)
    np.testing.assert_array_equal(
        kost_combine([P, [0.5] * 5], rho), [kost_combine(p, rho) for p in (P, [0.5] * 5)]
    )


def test_independent_is_fishers():
    expected = combine_pvalues(P, method="fisher").pvalue
    assert kost_combine(P, 0) == pytest.approx(expected)
    # Negative correlation would make the law narrower than Fisher's.
    assert kost_combine(P, -0.5) == pytest.approx(expected)


def test_empirical_zeros_are_raised():
    assert kost_combine([0, 0.001], 0.3, n_references=99) == kost_combine([0.01, 0.01], 0.3)
    with pytest.raises(ValueError, match="give `n_references`"):
        kost_combine([0, 0.1], 0.3)
    for bad in (-0.1, 1.1):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            kost_combine([bad, 0.1], 0.3)


def test_combined_by_rank_is_the_rank_of_the_sum_of_standardised_answers():
    rng = np.random.default_rng(0)
    signal, references = rng.normal(0.5, 1, (20, 4)), rng.normal(size=(20, 4, 9))
    references[3, :, 2:5] = np.nan
    for i, p in enumerate(combine_by_rank(signal, references)):
        row = references[i][:, ~np.isnan(references[i]).any(axis=0)]
        answers = np.column_stack([signal[i], row])
        sums = np.zeros(answers.shape[1])
        for model in range(answers.shape[1]):
            others = np.delete(answers, model, axis=1)
            sums[model] = (
                (answers[:, model] - others.mean(axis=1)) / others.std(axis=1, ddof=1)
            ).sum()
        assert p == (sums >= sums[0]).mean()


def test_combined_by_rank_is_valid_for_skewed_and_dependent_queries():
    rng = np.random.default_rng(1)
    answers = rng.lognormal(size=(4000, 6, 20)) + 2 * rng.lognormal(size=(4000, 1, 20))
    p = combine_by_rank(answers[:, :, 0], answers[:, :, 1:])
    assert binomtest(int((p <= 0.05).sum()), len(p), 0.05).pvalue > 0.001
    assert p.min() == 1 / 20
    leaked = combine_by_rank(answers[:, :, 0] + 15, answers[:, :, 1:])
    assert (leaked <= 0.05).mean() > 0.5


def test_combined_by_rank_without_information_is_1():
    np.testing.assert_array_equal(combine_by_rank(np.ones((2, 3)), np.ones((2, 3, 9))), 1)
    np.testing.assert_array_equal(
        combine_by_rank(np.full((1, 3), np.nan), np.full((1, 3, 4), np.nan)), 1
    )


def test_missing_queries_add_nothing():
    rng = np.random.default_rng(2)
    signal, references = rng.normal(1, 1, (10, 5)), rng.normal(size=(10, 5, 12))
    expected = combine_by_rank(signal[:, :3], references[:, :3])
    signal[:, 3:], references[:, 3:] = np.nan, np.nan
    np.testing.assert_array_equal(combine_by_rank(signal, references), expected)


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match="`signal` must have shape"):
        combine_by_rank(np.ones((2, 3)), np.ones((2, 4, 5)))
