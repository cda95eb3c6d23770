"""How long a report takes to save and to read, and how large its files are.

The records are simulated as an audit with five attacks leaves them: scores of full precision, one
attack of few levels, pooled p-values for all, q-values for members. "page" is what of saving goes
into `index.html`. `python benchmarks/report_files.py` prints the table, with
`--without-pyarrow` as it is where pyarrow is not installed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from mia_sklearn import AuditReport, metrics
from mia_sklearn.report import _html, _record_files
from mia_sklearn.stats import pooled_p_values
from mia_sklearn.stats._listing import list_members

SIZES = (10_000, 100_000, 1_000_000)
ATTACKS = ("threshold", "shadow", "lira", "rmia", "stacked")
METRICS = ("auc", "tpr@0.1", "tpr@0.01", "tpr@0.001", "advantage", "accuracy")


def simulated(n: int) -> AuditReport:
    rng = np.random.default_rng(0)
    half = n // 2
    member = np.repeat([1, 0], [half, n - half])
    signal = rng.normal(0.7 * member) + 5 * (member * (rng.random(n) < 0.005))
    scores = {name: signal + rng.normal(size=n) for name in ATTACKS}
    scores["shadow"] = np.round(scores["shadow"] * 30) / 30
    p_value = pooled_p_values(signal, rng.normal(size=(n, 8)))
    q_value = np.append(false_discovery_control(p_value[:half]), np.full(n - half, np.nan))
    records = pd.DataFrame(
        {
            "set": np.where(member == 1, "train", "test"),
            "row": np.append(np.arange(half), np.arange(n - half)),
            "index": np.append(np.arange(half), np.arange(n - half)),
            "label": rng.integers(0, 2, n),
            "member": member,
            **scores,
            "p_value": p_value,
            "q_value": q_value,
        }
    )
    rows = []
    for name in ATTACKS:
        for text in METRICS:
            kind, level = metrics.parse_metric(text)
            found = metrics.compute(text, member, scores[name])
            row = {"attack": name, "slice": "all", "metric": kind, "at": level or np.nan}
            row |= {"estimate": found.value, "low": found.low, "high": found.high}
            row |= {"n_members": half, "n_nonmembers": n - half, "note": found.note}
            row |= {"n_identified": found.n_identified, "n_false_alarms": found.n_false_alarms}
            rows.append(row)
    columns = ("attack", "status", "track", "threat_model", "access", "knowledge", "reason")
    report = AuditReport(
        metrics=pd.DataFrame(rows).astype({"n_identified": float, "n_false_alarms": float}),
        records=records,
        findings=[],
        coverage=pd.DataFrame([(name, "run", *[""] * 5) for name in ATTACKS], columns=columns),
        controls=pd.DataFrame(
            columns=["control", "value", "low", "high", "p_value", "passed", "note"]
        ),
        info={"headline": "stacked", "attacks": list(ATTACKS), "confidence": 0.95},
    )
    # As the audit does, which finds the exposed records so.
    list_members(p_value, member == 1, 0.1, 0)
    return report


def measure(n: int, folder: Path) -> str:
    report = simulated(n)
    _html.render_html(simulated(1000))  # What is loaded once.
    start = time.perf_counter()
    _html.render_html(report, "")
    page = time.perf_counter() - start
    start, busy = time.perf_counter(), time.process_time()
    report.save(folder)
    saved, busy = time.perf_counter() - start, time.process_time() - busy
    start = time.perf_counter()
    loaded = AuditReport.load(folder)
    read = time.perf_counter() - start
    pd.testing.assert_frame_equal(loaded.records, report.records, check_exact=True)
    size = {path.name: path.stat().st_size / 1e6 for path in folder.iterdir()}
    records = sum(of for name, of in size.items() if name.startswith("records."))
    return (
        f"| {n:,} | {saved:.1f} | {busy:.1f} | {page:.1f} | {read:.1f} | {size['audit.json']:.2f} "
        f"| {records:.1f} | {sum(size.values()):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--without-pyarrow", action="store_true")
    args = parser.parse_args()
    if args.without_pyarrow:
        _record_files.find_spec = lambda name: None
    head = ("records", "save s", "of it CPU s", "page s", "load s", "audit.json MB")
    head = (*head, "records MB", "all MB")
    print(f"| {' | '.join(head)} |")
    print(f"|{' --- |' * len(head)}")
    for n in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            print(measure(n, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
