"""Who was in the training table: scores of a synthetic table alone, refits, copies, the null."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.cluster import KMeans
from sklearn.neighbors import KernelDensity

from mia_sklearn import audit_synthetic
from mia_sklearn.synthetic._copied import CopyTest, copy_test, occur_once
from mia_sklearn.synthetic._findings import copied_rows
from mia_sklearn.synthetic._membership import measure_membership
from mia_sklearn.synthetic._nearest import nearest_others
from mia_sklearn.synthetic._repeats import once_each
from mia_sklearn.synthetic._scores import HEADLINE, SCORES, surroundings
from mia_sklearn.synthetic._tables import check_tables
from synthetic_tables import copying, people


def attacked(synthetic, train, control, generator=None, seed=0):
    given = synthetic, train, control
    return measure_membership(
        check_tables(*given), given=given[1:], generator=generator, confidence=0.95, seed=seed
    )


def normal(n, seed, width=5):
    return np.random.default_rng(seed).normal(size=(n, width))


def jittered(n, share, seed, size):
    """Return tables of which the synthetic one holds some training records, each moved a little."""
    synthetic, train, control = copying(n, share, seed)
    k, rng = round(n * share), np.random.default_rng([seed, 9])
    synthetic.loc[: k - 1, "income"] *= 1 + size * rng.normal(size=k)
    synthetic.loc[: k - 1, "age"] += 10 * size * rng.normal(size=k)
    return synthetic, train, control


@pytest.mark.parametrize("n", [100, 1000])
def test_copies_of_one_training_record_in_a_hundred_are_found(n):
    for seed in range(2):
        test = copy_test(check_tables(*copying(n, 0.01, seed)))
        assert test.p_value <= 0.01
        assert set(range(n // 100)) <= set(test.rows.tolist())
        assert (test.exact_train, test.exact_control) == (n // 100, 0)


@pytest.mark.parametrize(("n", "size"), [(100, 1e-4), (1000, 1e-2)])
def test_near_copies_are_found(n, size):
    test = copy_test(check_tables(*jittered(n, 0.01, 0, size)))
    assert test.exact_train == 0
    assert test.near_train >= n // 200
    assert test.p_value <= 0.01


def test_where_all_of_the_control_are_copied_nothing_is_said_of_near_copies():
    synthetic, control, train = copying(200, 1.0, 0)
    test = copy_test(check_tables(synthetic, train, control))
    assert (test.exact_train, test.exact_control) == (0, 200)
    assert test.p_value > 0.5


def test_near_copies_that_coincidence_explains_are_not_called_copies():
    rows = np.arange(5)
    assert copied_rows(CopyTest(100, 100, 0, 0, 5, 5, rows, 0.5)).size == 0
    assert copied_rows(CopyTest(100, 100, 1, 0, 4, 5, rows, 0.5)).tolist() == [0]
    assert copied_rows(CopyTest(100, 100, 1, 1, 4, 5, rows, 0.5)).size == 0
    assert copied_rows(CopyTest(100, 100, 1, 0, 4, 0, rows, 0.01)).tolist() == [0, 1, 2, 3, 4]


def test_coincidences_of_a_coarse_table_are_no_copies():
    def coarse(seed):
        return people(200, seed)[["job", "sick"]].assign(
            age=np.random.default_rng(seed).integers(40, size=200)
        )

    test = copy_test(check_tables(coarse(0), coarse(1), coarse(2)))
    assert test.exact_train > 3
    assert test.p_value > 0.01


def test_records_that_occur_twice_are_neither_members_nor_others():
    synthetic, train, control = copying(120, 0.3, 0)
    control = pd.concat([control, train[:5]], ignore_index=True)
    train = pd.concat([train, train[5:10]], ignore_index=True)
    tables = check_tables(synthetic, train, control)
    once = occur_once([tables.train, tables.control])
    assert np.flatnonzero(~once[0]).tolist() == [*range(10), *range(120, 125)]
    assert np.flatnonzero(~once[1]).tolist() == [*range(120, 125)]
    records = attacked(synthetic, train, control).records
    assert set(records.loc[records["member"], "row"]) == set(range(10, 120))
    assert not set(records.loc[~records["member"], "row"]) & set(range(120, 125))


def test_a_training_table_that_repeats_records_counts_each_once():
    """Attacks on copies of one record are one attack, and copies of it are found."""
    synthetic, train, control = (people(120, [3, part]) for part in range(3))
    oversampled = pd.concat([train, *[train[:40]] * 3], ignore_index=True)
    options = {"secrets": "sick", "n_attacks": 100}
    plain, report = (
        audit_synthetic(synthetic, X_train, control, **options) for X_train in (train, oversampled)
    )
    assert [finding.code for finding in report.findings] == ["SYNTHETIC_REPEATS"]
    assert report.info["n_repeated"] == 120
    assert_frame_equal(report.measures, plain.measures)
    assert_frame_equal(report.membership, plain.membership)
    copying = pd.concat([train[:5], synthetic[5:]], ignore_index=True)
    found = audit_synthetic(copying, oversampled[40:], control, membership=False, **options)
    assert "5 training records stand in the synthetic table, 5 as" in found.findings[0].title
    # Where the first of each stands in the table that was given.
    assert found.info["copied_rows"] == [80, 81, 82, 83, 84]


def test_few_repeated_records_that_are_copied_are_found():
    synthetic, train, control = (people(120, [4, part]) for part in range(3))
    train = pd.concat([train, train[:3]], ignore_index=True)
    synthetic = pd.concat([train[:3], synthetic[3:]], ignore_index=True)
    report = audit_synthetic(synthetic, train, control, secrets=[], membership=False)
    assert "3 training records stand in" in report.findings[0].title
    assert report.info["copied_rows"] == [0, 1, 2]


def test_coarse_records_that_repeat_on_one_side_alone_are_told():
    tables = [people(150, [5, part])[["sick", "job", "age"]] for part in range(3)]
    tables[1] = pd.concat([tables[1], *[tables[1][:60]] * 3], ignore_index=True)
    each_once, repeats = once_each(check_tables(*tables))
    assert (repeats.more, repeats.once, len(each_once.train)) == ("X_train", False, 330)
    # As often on both sides, as in any coarse table.
    assert (
        once_each(check_tables(*(people(150, k)[["sick", "job"]] for k in range(3))))[1].more
        is None
    )


def test_scores_rank_what_lies_next_to_synthetic_rows_first():
    synthetic, reference = normal(60, 0), normal(50, 1)
    around = surroundings(np.vstack([synthetic[:5] + 0.01, normal(20, 2)]), synthetic, reference)
    for name, score in SCORES.items():
        values = score(around)
        assert np.isfinite(values).all(), name
        assert values[:5].min() > np.median(values[5:]), name
    one = np.zeros((1, 5))
    gap = surroundings(one, one + 0.25, np.vstack([one + 0.5, one + 0.5]))
    assert SCORES["nearest"](gap) == -1.25
    assert SCORES["dcr_difference"](gap) == 2.5 - 1.25


def test_scores_of_coarse_tables_are_finite():
    coarse = np.repeat(np.arange(3.0)[:, np.newaxis], 8, axis=0)
    around = surroundings(coarse, coarse, coarse)
    assert all(np.isfinite(score(around)).all() for score in SCORES.values())


def test_a_memorising_table_tells_members_and_an_independent_one_does_not():
    rng = np.random.default_rng(0)
    train, control = normal(150, 1), normal(150, 2)
    found = attacked(train + 0.1 * rng.normal(size=train.shape), train, control)
    first = found.measures.iloc[0]
    assert first["attack"] == HEADLINE
    assert first["headline"]
    assert first["auc"] > 0.9
    assert (first["n_members"], first["n_nonmembers"]) == (150, 75)
    assert [finding.code for finding in found.findings] == ["SYNTHETIC_MEMBERSHIP"]
    assert found.findings[0].severity == "serious"
    nothing = attacked(normal(150, 3), train, control)
    assert (nothing.measures["auc lower"] < 0.5).all()
    assert (nothing.measures["auc upper"] > 0.5).all()
    assert nothing.findings == []


def test_refits_of_the_generator_sharpen():
    rng = np.random.default_rng(0)
    # Some records lie in the thick of the others, some alone: what is usual differs.
    train, control = rng.normal(size=(2, 200, 1)) * np.exp(rng.normal(size=(2, 200, 1)))
    generator = KernelDensity(bandwidth=0.02)
    synthetic = generator.fit(train).sample(200, random_state=0)
    found = attacked(synthetic, train, control, generator)
    auc = found.measures.set_index("attack")["auc"]
    assert found.measures["headline"].tolist() == [True] + [False] * len(SCORES)
    assert auc["refits"] > auc[HEADLINE] + 0.01
    again = attacked(synthetic, train, control, generator)
    pd.testing.assert_frame_equal(found.records, again.records)


def test_refits_of_a_function_on_frames():
    def bootstrap(X, seed):
        return X.sample(len(X), replace=True, random_state=seed)

    synthetic, train, control = copying(120, 0.0, 1)
    auc = attacked(bootstrap(train, 0), train, control, bootstrap).measures["auc"]
    assert auc.iloc[0] > 0.7
    assert attacked(synthetic, train, control, bootstrap).measures["auc lower"].iloc[0] < 0.5


def test_generators_that_cannot_be_refitted_are_refused_at_once():
    with pytest.raises(ValueError, match="generator must be an unfitted estimator with fit and"):
        audit_synthetic(None, None, None, generator=KernelDensity)
    with pytest.raises(ValueError, match="has no sample"):
        audit_synthetic(None, None, None, generator=KMeans())


def test_the_report_shows_who_was_in_the_table():
    report = audit_synthetic(*copying(120, 0.5, 0), secrets="sick")
    assert report.attacks == list(SCORES)
    for text in (str(report), report.to_markdown(), report._repr_html_()):
        assert "Who was in the training table" in text
        assert "fixed as headline" in text
    assert report.check("auc >= 0.5")


def test_the_nearest_other_record_is_not_the_record_itself():
    table = np.random.default_rng(0).integers(0, 20, (60, 2)) * 0.05
    far = np.minimum(np.abs(table[:, np.newaxis] - table), 1.0).sum(axis=2)
    np.fill_diagonal(far, np.inf)
    assert 0 < (far.min(axis=1) == 0).sum() < 60
    np.testing.assert_allclose(nearest_others(table, np.arange(60)), far.min(axis=1), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 400])
def test_independent_tables_show_nothing_at_the_nominal_rates(n):
    runs = 200
    holds, named, copied = [], [], 0
    for seed in range(runs):
        tables = copying(n, 0.0, seed)
        measures = attacked(*tables, seed=seed).measures
        holds.append((measures["auc lower"] <= 0.5) & (measures["auc upper"] >= 0.5))
        named.append(measures["tpr@0.01"])
        copied += copy_test(check_tables(*tables)).p_value <= 0.01
    # Three standard errors of 200 runs.
    assert np.mean(holds, axis=0).min() >= 0.95 - 0.046
    # A threshold at 1 of n non-members names one in n + 1 of new ones in the mean.
    assert np.mean(named, axis=0).max() <= 0.02 if n == 100 else 0.015
    assert copied <= 0.01 * runs + 3
