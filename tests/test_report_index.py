"""Reports name records as the user's tables do."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, audit
from mia_sklearn.report import _record_files
from mia_sklearn.report._labels import decode_label, encode_label

pytestmark = [pytest.mark.usefixtures("no_pictures"), pytest.mark.usefixtures("few_rounds")]

N = 40
DAYS = pd.date_range("2024-10-27", periods=2 * N, freq="h")
INDEXES = {
    "positions": pd.RangeIndex(5, 5 + 2 * N),
    "text": pd.Index([f"=p{i}" for i in range(2 * N)]),
    "repeated text": pd.Index([f"p{i % 7}" for i in range(2 * N)]),
    "times": DAYS,
    "times of a zone": pd.date_range("2024-10-26", periods=2 * N, freq="h", tz="Europe/Paris"),
    "times of an offset": DAYS.tz_localize("UTC").tz_convert("UTC+01:30"),
    "with a time that is missing": DAYS.where(np.arange(2 * N) > 3),
    "durations": pd.timedelta_range("1s", periods=2 * N, freq="7ms"),
    "periods": pd.period_range("2020-01", periods=2 * N, freq="M"),
    "intervals": pd.interval_range(0, 2 * N),
    "categories": pd.CategoricalIndex(np.arange(2 * N) % 3),
    "fractions": pd.Index(np.arange(2 * N) / 3),
    "several levels": pd.MultiIndex.from_arrays(
        [np.arange(2 * N) % 5, DAYS, [("a", i) for i in range(2 * N)]]
    ),
    "all kinds": pd.Index(
        [
            *(7, 7.5, "seven", None, float("nan"), True, DAYS[0], date(2024, 1, 2)),
            *(Decimal("7.10"), UUID(int=7), b"\x00\xff", ("a", (1, DAYS[1])), 2**70),
            *(pd.NA, pd.Timedelta("1s")),
            *range(100, 100 + 2 * N - 15),
        ],
        dtype=object,
    ),
}  # fmt: skip


def report_on(index, others=None, **options):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(2 * N, 2)), columns=["a", "b"], index=index)
    y = np.arange(2 * N) % 2
    X_train, X_test = X.iloc[:N], X.iloc[N:]
    if others is not None:
        X_test = X_test.set_axis(others)
    model = DecisionTreeClassifier(random_state=0).fit(X_train, y[:N])
    options = {"attacks": "threshold", "controls": False, "progress": False, **options}
    return audit(model, X_train, y[:N], X_test, y[N:], n_references=0, random_state=0, **options)


def test_a_time_keeps_its_zone_and_an_offset():
    for zone in ("Europe/Paris", "UTC+02:00"):
        before = pd.Timestamp("2024-10-27 00:30", tz=zone)
        after = decode_label(encode_label(before, lambda value: value), lambda value: value)
        day = pd.Timedelta("1D")
        assert (after.isoformat(), (after + day).isoformat()) == (
            before.isoformat(), (before + day).isoformat(),
        )  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("many", [False, True], ids=["rows", "parquet"])
@pytest.mark.parametrize("kind", INDEXES)
def test_records_are_named_by_their_index_also_in_a_saved_report(kind, many, tmp_path, monkeypatch):
    if many:
        pytest.importorskip("pyarrow")
        monkeypatch.setattr(_record_files, "MANY", 10)
    index = INDEXES[kind]
    report = report_on(index)
    expected = pd.Series(index.to_flat_index().astype(object), dtype=object)
    pd.testing.assert_series_equal(
        report.records["index"].astype(object), expected, check_names=False
    )
    assert report.records["row"].tolist() == [*range(N), *range(N)]
    report.save(tmp_path)
    loaded = AuditReport.load(tmp_path).records
    assert_frame_equal(loaded, report.records, check_exact=True)
    assert [type(v) for v in loaded["index"]] == [type(v) for v in report.records["index"]]
    assert (tmp_path / "records.parquet").exists() == many
    if many:
        return
    written = pd.read_csv(tmp_path / "records.csv")
    assert written.columns[:3].tolist() == ["set", "row", "index"]


def test_labels_of_some_records_follow_them():
    report = report_on(INDEXES["text"], max_records=30)
    records = report.records
    place = records["row"] + N * (records["member"] == 0)
    assert len(records) == 30
    assert records["index"].tolist() == INDEXES["text"][place].tolist()


def test_two_tables_may_have_indexes_of_two_kinds():
    report = report_on(INDEXES["text"], others=DAYS[:N])
    assert report.records["index"].tolist() == [*INDEXES["text"][:N], *DAYS[:N]]


def test_records_without_an_index_are_named_by_position():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.arange(60) % 2
    model = DecisionTreeClassifier(random_state=0).fit(X[:30], y[:30])
    halves = (X[:30], y[:30], X[30:], y[30:])
    records = audit(model, *halves, n_references=0, random_state=0, progress=False).records
    assert records["index"].tolist() == records["row"].tolist() == [*range(30), *range(30)]
