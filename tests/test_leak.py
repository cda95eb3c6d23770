"""How large a leak is, and how it is said: verdict, severity, counts that differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mia_sklearn.metrics import compute
from mia_sklearn.report._counted import RECORD
from mia_sklearn.report._leak import read_leak, two_counts
from mia_sklearn.report._summary import summarize


def rows_of(score, member):
    names = ["auc", "tpr@0.001", "tpr@0.01", "tpr@0.1"]
    rows = []
    for name in names:
        found = compute(name, member, score)
        metric, _, at = name.partition("@")
        rows.append(
            {
                "metric": metric,
                "at": float(at or "nan"),
                "estimate": found.value,
                "low": found.low,
                "high": found.high,
                "n_members": found.n_members,
                "n_nonmembers": found.n_nonmembers,
                "n_identified": found.n_identified,
                "n_false_alarms": found.n_false_alarms,
            }
        )
    return pd.DataFrame(rows)


def simulated(n, gap, known=0.0, seed=0):
    rng = np.random.default_rng(seed)
    member = np.repeat([1, 0], n)
    return rows_of(rng.normal(gap * member) + 8 * member * (rng.random(2 * n) < known), member)


@pytest.mark.parametrize(
    ("n", "gap", "known", "degree", "severity"),
    [
        (1000, 1.8, 0.25, "singled", "serious"),  # AUC .9, 36 % at 1 % false alarms
        (1000, 0.45, 0.03, "singled", "warning"),  # AUC .64, 6 %
        (1000, 0.0, 0.15, "singled", "serious"),  # few, but surely
        (1000, 0.3, 0.0, "apart", "warning"),
        (200, 1.8, 0.25, "apart", "serious"),  # 200 non-members support 10 % false alarms only
        (1000, 0.0, 0.0, "none", "info"),
        (20, 0.0, 0.0, "open", "info"),
    ],
)
def test_degree_and_severity_follow_the_size_of_the_leak(n, gap, known, degree, severity):
    leak = read_leak(simulated(n, gap, known))
    assert (leak.degree, leak.severity) == (degree, severity)


@pytest.mark.parametrize(
    ("low", "auc_low", "severity"),
    [(0.099, 0.69, "warning"), (0.1, 0.6, "serious"), (0.02, 0.7, "serious")],
)
def test_severity_is_read_at_the_lower_ends(low, auc_low, severity):
    rows = simulated(1000, 1.8, 0.25)
    rows.loc[rows["at"] == 0.01, "low"] = low
    rows.loc[rows["metric"] == "auc", "low"] = auc_low
    assert read_leak(rows).severity == severity


def test_singled_out_means_one_per_cent_of_false_alarms(make_report):
    report = make_report(n=200, gap=2.5)
    assert report.metrics.query("attack == 'stacked' and at == 0.1")["low"].iloc[0] > 0.3
    assert report.verdict.startswith("Training records can be told from others: the stacked")
    assert make_report(n=500, gap=2.5).verdict.startswith("Training records can be singled out")


def test_both_counts_stand_in_one_sentence(make_report):
    report = make_report(n=1000, stand_out=0.0, gap=1.8)
    report.records["p_value"] = 1.0
    report.records["q_value"] = np.where(report.records["member"] == 1, 1.0, np.nan)
    rate = report.metrics.query("attack == 'stacked' and at == 0.01").iloc[0]
    note = summarize(report).exposed_note
    assert note.startswith("0 of 1,000 members stand out")
    assert (
        f"The attack's score names {rate.n_identified:.0f} training records together with "
        f"{rate.n_false_alarms:.0f} of 1,000 other records, while 0 stand out one by one"
    ) in note
    # Where nobody is singled out, or there are no p-values, there is nothing to join.
    assert two_counts(read_leak(simulated(1000, 0.0)), 0, RECORD) == ""
    assert two_counts(read_leak(simulated(1000, 1.8)), None, RECORD) == ""
