"""What the most exposed members look like: of any kind of table, and of no person."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn._audit._features import features_table
from mia_sklearn.report._html import render_html

N = 60
QUIET = {"progress": False, "controls": False}
rng = np.random.default_rng(0)
VALUES = rng.integers(0, 5, (2 * N, 3)) + rng.random((2 * N, 3)).round(2)
FRAME = pd.DataFrame(VALUES, columns=["age", "pay", "<b>"])
FRAME["town"] = np.where(rng.random(2 * N) < 0.5, "Bern", "Ulm")
FRAME.loc[::3, "town"] = None
Y = np.tile([0, 1], N)


def audited(X, model=None, **options):
    model = model or DecisionTreeClassifier(random_state=0)
    split = slice(N), slice(N, None)
    train, test = (X.iloc[part] if hasattr(X, "iloc") else X[part] for part in split)
    model.fit(train, Y[:N])
    options = {"n_references": 0, "attacks": "threshold", **QUIET, **options}
    return audit(model, train, Y[:N], test, Y[N:], **options)


def numbers_only(X):
    return np.asarray(X)[:, :3].astype(float)


def through(function, model=None):
    return make_pipeline(
        FunctionTransformer(function), model or DecisionTreeClassifier(random_state=0)
    )


def test_features_of_a_frame_are_those_of_the_record():
    report = audited(FRAME, through(numbers_only))
    assert list(report.features.columns) == ["age", "pay", "<b>", "town"]
    assert len(report.features) == N
    for place in report.features.index[:20]:
        own = FRAME.iloc[report.records.loc[place, "row"]]
        told = report.features.loc[place]
        assert told["age"] == f"{own['age']:.6g}"
        assert told["town"] == ("missing" if own["town"] is None or pd.isna(own["town"]) else
                                own["town"])  # fmt: skip
    page = render_html(report)
    assert '<span class="key">&lt;b&gt;</span>' in page


@pytest.mark.parametrize("kind", ["array", "sparse"])
def test_features_of_columns_without_names(kind):
    report = audited(VALUES if kind == "array" else sparse.csr_matrix(VALUES))
    assert list(report.features.columns) == ["feature 0", "feature 1", "feature 2"]
    place = report.features.index[0]
    own = VALUES[report.records.loc[place, "row"]]
    assert list(report.features.loc[place]) == [f"{value:.6g}" for value in own]


def test_features_of_texts_are_cut():
    texts = [f"record {i} " + "word " * (40 if i % 2 else 1) for i in range(2 * N)]
    model = make_pipeline(CountVectorizer(token_pattern=r"\w+"), DecisionTreeClassifier())
    report = audited(texts, model)
    told = report.features["text"]
    assert told.str.len().max() == 80
    assert told[told.str.len() == 80].str.endswith("...").all()


def test_names_may_occur_twice():
    frame = pd.DataFrame(VALUES, columns=["a", "a", "b"])
    rows = np.arange(2 * N)
    run = SimpleNamespace(
        of_people=False,
        pool=SimpleNamespace(X=frame),
        plan=SimpleNamespace(audited=rows),
        units=SimpleNamespace(first=rows),
    )
    told = features_table(run, pd.Index([7]))
    assert told.columns.tolist() == ["a", "a", "b"]
    assert told.loc[7].tolist() == [f"{value:.6g}" for value in VALUES[7]]


def test_records_of_very_many_features_are_not_shown():
    assert audited(rng.random((2 * N, 41))).features is None
    assert audited(rng.random((2 * N, 40))).features is not None


def test_people_are_not_shown():
    report = audited(VALUES, groups=np.repeat(np.arange(N), 2))
    assert report.features is None


def test_only_the_most_exposed_are_kept(make_report):
    X = rng.random((600, 2))
    y = np.tile([0, 1], 300)
    model = DecisionTreeClassifier(random_state=0).fit(X[:300], y[:300])
    report = audit(
        model, X[:300], y[:300], X[300:], y[300:], n_references=0, attacks="threshold", **QUIET
    )
    assert list(report.features.index) == list(report.most_exposed(100).index)
    assert (report.records.loc[report.features.index, "member"] == 1).all()


def test_features_follow_the_audited_records():
    """Records left out of the audit shift the others."""
    report = audited(VALUES, max_records=40, random_state=1)
    rows = report.records.loc[report.features.index, "row"]
    assert not (rows.to_numpy() == report.features.index).all()
    for place, row in rows.items():
        assert report.features.loc[place].tolist() == [f"{value:.6g}" for value in VALUES[row]]
