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


def test_a_query_that_the_target_lacks_counts_for_no_model():
    rng = np.random.default_rng(3)
    signal, references = rng.normal(1, 1, (10, 5)), rng.normal(size=(10, 5, 12))
    expected = combine_by_rank(signal[:, 1:], references[:, 1:])
    for side in (signal[:, 0], references[:, 0]):
        before = side.copy()
        side[:] = np.nan
        np.testing.assert_array_equal(combine_by_rank(signal, references), expected)
        side[:] = before


def test_a_reference_that_lacks_an_answer_is_left_out():
    rng = np.random.default_rng(4)
    signal, references = rng.normal(1, 1, (10, 5)), rng.normal(size=(10, 5, 12))
    expected = combine_by_rank(signal, references[:, :, 1:])
    references[:, 2, 0] = np.nan
    np.testing.assert_array_equal(combine_by_rank(signal, references), expected)


def some_missing(seed=0, records=30, queries=6):
    """p-values of which some are missing, and a correlation for each record."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.001, 1, (records, queries))
    p[rng.uniform(size=p.shape) < 0.3] = np.nan
    p[0], p[1, 1:] = np.nan, np.nan
    correlation = np.array([np.corrcoef(rng.normal(size=(queries, 9))) for _ in range(records)])
    return p, correlation


def test_records_are_combined_each_with_its_own_correlation():
    p, correlation = some_missing()
    combined = kost_combine(p, correlation)
    assert combined.shape == (30,)
    assert combined[0] == 1
    assert combined[1] == pytest.approx(p[1, 0])
    for own, pairs, result in zip(p, correlation, combined, strict=True):
        there = ~np.isnan(own)
        if there.any():
            left = kost_combine(own[there], pairs[np.ix_(there, there)])
            assert result == pytest.approx(left, rel=1e-12)
    together = kost_combine(p.reshape(5, 6, 6), correlation.reshape(5, 6, 6, 6))
    np.testing.assert_array_equal(together.ravel(), combined)
    shared = kost_combine(p, correlation[0])
    for own, result in zip(p, shared, strict=True):
        assert kost_combine(own, correlation[0]) == pytest.approx(result, rel=1e-12)


def test_what_correlations_say_of_missing_queries_is_not_read():
    p, correlation = some_missing()
    expected = kost_combine(p, correlation)
    missing = np.isnan(p)
    correlation[missing[:, :, None] | missing[:, None, :]] = np.nan
    np.testing.assert_array_equal(kost_combine(p, correlation), expected)


def test_empirical_zeros_of_many_records_are_raised():
    p = np.array([[0, 0.2, np.nan], [0.001, np.nan, 0]])
    raised = np.array([[0.01, 0.2, np.nan], [0.01, np.nan, 0.01]])
    np.testing.assert_array_equal(kost_combine(p, 0.2, n_references=99), kost_combine(raised, 0.2))


@pytest.mark.parametrize(
    ("correlation", "message"),
    [
        (np.eye(4), r"shape \(5, 5\) or \(2, 5, 5\), got \(4, 4\)"),
        (np.ones((3, 5, 5)), r"got \(3, 5, 5\)"),
        (np.ones(5), r"got \(5,\)"),
        (1.5, r"in \[-1, 1\]"),
        (np.nan, r"in \[-1, 1\]"),
        (np.full((5, 5), np.nan), r"in \[-1, 1\]"),
    ],
)
def test_refuses_other_correlations(correlation, message):
    with pytest.raises(ValueError, match=message):
        kost_combine([P, P], correlation)


def test_refuses_a_single_number():
    with pytest.raises(ValueError, match="at least one dimension"):
        kost_combine(0.5, 0)


@pytest.mark.parametrize("base", [1.0, 0.0])
def test_what_differs_by_rounding_ties(base):
    rng = np.random.default_rng(0)
    # Votes: few values, of which many are equal.
    answers = base + rng.integers(0, 3, (40, 3, 17)).astype(float)
    noise = 1 + 1e-12 * rng.normal(size=answers.shape)
    exact = combine_by_rank(answers[:, :, 0], answers[:, :, 1:])
    rounded = answers * noise + (answers == 0) * 1e-13
    np.testing.assert_array_equal(combine_by_rank(rounded[:, :, 0], rounded[:, :, 1:]), exact)
    alike = np.ones((2, 3, 9)) * (1 - 1e-12 * rng.random((2, 3, 9)))
    np.testing.assert_array_equal(combine_by_rank(np.ones((2, 3)), alike), 1)
    # Differences of small numbers are no rounding.
    small = combine_by_rank(1e-15 * answers[:, :, 0], 1e-15 * answers[:, :, 1:])
    np.testing.assert_array_equal(small, exact)
