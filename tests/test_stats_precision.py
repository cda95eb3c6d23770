"""How many of those whom an attack names are members, at a prior."""

import numpy as np
import pytest

from mia_sklearn.metrics import attack_scorer, compute, parse_metric, ppv_at_fpr, tpr_at_fpr
from mia_sklearn.stats import ppv_interval, ppv_nonmembers_needed, tpr_interval

MEMBERS, NONMEMBERS = np.arange(500, 1500), np.arange(1000)
Y, SCORE = np.repeat([1, 0], 1000), np.concatenate([MEMBERS, NONMEMBERS])


@pytest.mark.parametrize("prior", [0.5, 0.01, 0.3])
def test_value_and_lower_end_are_those_of_the_rates(prior):
    found = ppv_interval(MEMBERS, NONMEMBERS, 0.1, prior)
    # 600 of 1,000 members and 100 of 1,000 non-members lie above 899.
    assert found.value == pytest.approx(0.6 * prior / (0.6 * prior + 0.1 * (1 - prior)))
    assert found[3:] == (0.1, 600, 100)
    low = tpr_interval(MEMBERS, NONMEMBERS, 0.1).low
    assert found.low == pytest.approx(low * prior / (low * prior + 0.1 * (1 - prior)))
    assert found.low < found.value < found.high < 1


def test_numbers_that_are_known():
    found = ppv_interval(MEMBERS, NONMEMBERS, 0.1, 0.5)
    assert found[:3] == pytest.approx((0.8571, 0.8445, 0.8771), abs=1e-4)
    found = ppv_interval(MEMBERS, NONMEMBERS, 0.1, 0.01)
    assert found[:3] == pytest.approx((0.0571, 0.0520, 0.0673), abs=1e-4)


def test_ties_count_on_both_sides():
    # 30 of 1,000 non-members score 1: at .01 they cannot be named, and nobody else is.
    nonmembers = np.repeat([1.0, 0.0], [30, 970])
    found = ppv_interval(np.ones(200), nonmembers, 0.01, 0.5)
    assert np.isnan(found.value)
    assert found.low == 0 and found.high == 1
    assert found[3:] == (0, 0, 0)
    # At .05 they can: 200 of 200 members and 30 of 1,000 non-members.
    found = ppv_interval(np.ones(200), nonmembers, 0.05, 0.5)
    assert found.value == pytest.approx(1 / 1.03)
    # The false-positive rate may be .05, or no more than what 30 of 1,000 show.
    assert found.low == pytest.approx(0.95, abs=0.01)
    assert 0.971 < found.high < 0.99


def test_too_few_nonmembers():
    assert [ppv_nonmembers_needed(fpr) for fpr in (0.1, 0.01)] == [45, 472]
    assert np.isnan(ppv_interval(MEMBERS, np.arange(471), 0.01)[1:3]).all()
    assert not np.isnan(ppv_interval(MEMBERS, np.arange(472), 0.01)[1:3]).any()
    estimate = ppv_at_fpr(np.repeat([1, 0], [1000, 400]), np.r_[MEMBERS, np.arange(400)])
    assert estimate.note == (
        "interval withheld: 400 non-members, 472 needed for a precision at a false-positive rate "
        "of 0.01"
    )


def test_the_metric_by_its_name():
    assert parse_metric("ppv@0.01,0.5") == ("ppv", (0.01, 0.5))
    assert compute("ppv@0.1,0.3", Y, SCORE) == ppv_at_fpr(Y, SCORE, 0.1, 0.3)
    estimate = ppv_at_fpr(Y, SCORE, 0.1, 0.3)
    rate = tpr_at_fpr(Y, SCORE, 0.1)
    assert (estimate.fpr, estimate.n_identified) == (rate.fpr, rate.n_identified)
    assert callable(attack_scorer("ppv@0.01,0.5"))


@pytest.mark.parametrize("text", ["ppv", "ppv@0.01", "ppv@0.01,1", "ppv@0,0.5", "ppv@0.1,0.2,0.3"])
def test_refuses_other_levels(text):
    with pytest.raises(ValueError, match="needs a false-positive rate and a prior between 0 and 1"):
        parse_metric(text)


def test_nobody_is_named():
    nonmembers = np.arange(1000.0)
    estimate = ppv_at_fpr(np.repeat([1, 0], [50, 1000]), np.r_[-np.ones(50), nonmembers], 0.01)
    assert estimate.value == 0 and estimate.low == 0
    found = ppv_at_fpr(np.repeat([1, 0], [50, 1000]), np.zeros(1050), 0.01)
    assert np.isnan(found.value)
    assert found.note == "nobody is named at this false-positive rate"
