"""A budget of time: what is chosen, that nothing but the clock chooses, and how it is told."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit
from mia_sklearn._audit import _budget
from mia_sklearn._audit._costs import Costs
from mia_sklearn._audit._prepare import prepare
from mia_sklearn.report import AuditReport

pytestmark = pytest.mark.usefixtures("no_pictures")

X, Y = make_classification(80, 4, random_state=0)
RECORDS = X[:40], Y[:40], X[40:], Y[40:]
TARGET = DecisionTreeClassifier(random_state=0).fit(*RECORDS[:2])
QUICK = ["threshold", "lira", "rmia"]
ALL = ["threshold", "shadow", "lira", "rmia", "stacked"]


class Clock:
    """Time that passes where it is told to, and what a reference takes."""

    def __init__(self):
        self.time, self.n_trained, self.costs = 0.0, 0, [10.0]

    def __call__(self):
        return self.time

    def train(self, X, y, seed):
        self.time += self.costs[min(self.n_trained, len(self.costs) - 1)]
        self.n_trained += 1
        return DecisionTreeClassifier(random_state=seed).fit(X, y)

    def __reduce__(self):
        return Clock, ()


class Slow(DecisionTreeClassifier):
    """A tree that takes ten seconds."""

    clock: Clock

    def fit(self, X, y):
        self.clock.train(X, y, 0)
        return super().fit(X, y)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_budget, "_now", clock)
    # Attacks that learn take four seconds more than those that do not.
    monkeypatch.setattr(
        Costs, "seconds", lambda self, attacks, n: 1.0 if "stacked" not in attacks else 5.0
    )
    monkeypatch.setattr(Slow, "clock", clock, raising=False)
    return clock


def budget_of(clock, seconds, *, n_jobs=1, n_references=None, attacks="auto", model=TARGET):
    names = "estimator fit_params split release access slices groups dp max_records n_queries"
    planned, _ = prepare(
        model, RECORDS, n_references=n_references, time_budget=seconds, attacks=attacks,
        confidence=0.95, of_function=(None, None), comparison=None, n_jobs=n_jobs, seed=0,
        **dict.fromkeys(names.split()),
    )  # fmt: skip
    budget = planned.budget
    budget._start = budget._since = clock.time
    return budget


def driven(budget, clock, at_once=1):
    """Return how many references there are in the end, and how many there were between."""
    n = n_trained = 0
    steps = []
    while (upto := budget.next(n, n_trained)) > n:
        steps.append(upto)
        n_trained = upto - n
        for start in range(n, upto, at_once):
            clock.time += max(clock.costs[min(start, len(clock.costs) - 1) :][:1])
        n = upto
    return upto, steps


@pytest.mark.parametrize(
    ("seconds", "n"), [(50, 4), (55, 4), (110, 8), (220, 16), (450, 32), (780, 64), (9e9, 64)]
)
def test_as_many_references_are_trained_as_there_is_time_for(clock, seconds, n):
    assert driven(budget_of(clock, seconds), clock)[0] == n
    assert clock.time <= seconds


def test_workers_train_as_many_at_a_time(clock, monkeypatch):
    monkeypatch.setattr(_budget, "effective_n_jobs", lambda n_jobs: n_jobs)
    monkeypatch.setattr(_budget, "at_most", lambda n_jobs, n: n_jobs)
    assert driven(budget_of(clock, 110, n_jobs=4), clock, at_once=4)[0] == 32


def test_attacks_that_learn_are_worth_more_than_references(clock):
    """10 s and 1.2 times 30 s for three more, and 1 or 5 s for attacks."""
    clock.time = 0
    for seconds, attacks in ((51.9, QUICK), (52.1, ALL), (99, ALL)):
        budget = budget_of(clock, seconds)
        assert budget.next(0, 0) == 1
        clock.time += 10
        budget.next(1, 1)
        assert budget._choice(1) == (4, attacks)


def test_of_attacks_that_were_asked_for_none_is_left_out(clock):
    assert budget_of(clock, 52, attacks=ALL).sets == [ALL]
    assert budget_of(clock, 52, attacks=QUICK).sets == [QUICK]
    assert budget_of(clock, 52).sets == [ALL, QUICK]


def test_references_that_become_slower_end_at_the_number_that_is_reached(clock):
    clock.costs = [10.0] * 10 + [40.0]
    n, steps = driven(budget_of(clock, 300), clock)
    # Sixteen fitted in by the first ones.
    assert n == 8 and steps[-1] > 8
    assert clock.time <= 300
    clock.costs, clock.time = [10.0, 500.0], 0.0
    # What was begun is brought to an end: the least that an attack can learn from.
    n, steps = driven(budget_of(clock, 100), clock)
    assert n == 4


def test_references_that_become_faster_are_more(clock):
    clock.costs = [10.0, 1.0]
    assert driven(budget_of(clock, 100), clock)[0] == 64


def test_those_that_were_kept_say_nothing_of_what_others_take(clock):
    budget = budget_of(clock, 100)
    assert [budget.next(n, 0) for n in range(4)] == [1, 2, 3, 4]
    clock.time += 10
    # The fifth was trained: eight in all would take 30 s more, sixteen do not fit.
    assert budget.next(5, 1) > 5 and budget.aim == 8


@pytest.mark.parametrize(("n_references", "rungs"), [(None, [4, 8, 16, 32, 64]), (12, [4, 8, 12])])
def test_n_references_is_the_most(clock, n_references, rungs):
    assert budget_of(clock, 60, n_references=n_references).rungs == rungs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_budget": 0}, "time_budget must be None, or a number of seconds above 0, got 0"),
        ({"time_budget": "10min"}, "time_budget must be None.*got '10min'"),
        ({"time_budget": float("nan")}, "time_budget must be"),
        ({"time_budget": True}, "time_budget must be"),
        ({"time_budget": 60, "n_references": 0}, "trains none .*: leave time_budget out"),
        ({"time_budget": 60, "quick": True}, "trains none .*: leave time_budget out"),
        ({"time_budget": 0.5}, "=0.5 is too short: attacks and controls alone take 1.2 s"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(clock, options, message):
    with pytest.raises(ValueError, match=message):
        audit(Slow().fit(*RECORDS[:2]), *RECORDS, progress=False, **options)
    assert clock.n_trained == 1


def test_a_model_that_says_it_took_longer_is_refused(clock):
    model = DecisionTreeClassifier(random_state=0).fit(*RECORDS[:2])
    model.refit_time_ = 70.0
    with pytest.raises(ValueError, match="training the model itself took 70 s, as it says"):
        budget_of(clock, 60, model=model)
    budget_of(clock, 90, model=model)


def test_too_little_for_the_least_is_refused_and_loses_nothing(clock, tmp_path):
    options = {"cache": tmp_path, "random_state": 0, "progress": False, "n_jobs": 1}
    target = Slow().fit(*RECORDS[:2])
    clock.time, clock.n_trained = 0.0, 0
    message = "=40 is too short: the first reference model took 10 s, .* 4 at least.*budget=48,"
    with pytest.raises(ValueError, match=message):
        audit(target, *RECORDS, time_budget=40, **options)
    assert clock.n_trained == 1
    assert len(list(tmp_path.glob("model-*"))) == 1


def test_the_report_is_that_of_the_chosen_numbers(clock, tmp_path):
    target = Slow().fit(*RECORDS[:2])
    # The last one leaves no time for all attacks.
    clock.time, clock.n_trained, clock.costs = 0.0, 0, [10.0, 10.0, 10.0, 17.0]
    options = {"random_state": 0, "progress": False, "n_jobs": 1, "controls": False}
    found = audit(target, *RECORDS, time_budget=51, **options)
    chosen = found.info["time_budget"]
    assert chosen["n_references"] == 4 and chosen["attacks"] == QUICK
    assert chosen["lowered"] == ["n_references", "attacks"]
    assert chosen["usual"] == {"n_references": 16, "attacks": ALL, "seconds": 332.4}
    asked = {name: chosen[name] for name in ("n_references", "attacks")}
    again = audit(target, *RECORDS, **asked, **options)
    for table in ("metrics", "records", "structural"):
        pd.testing.assert_frame_equal(getattr(found, table), getattr(again, table))
    ours = {"created", "timings", "time_budget"}
    assert {k: v for k, v in found.info.items() if k not in ours} == {
        k: v for k, v in again.info.items() if k not in ours
    }
    left = found.coverage.set_index("attack")["reason"]
    assert left["stacked"] == left["shadow"] == "the time budget left no time for it"
    _check_words(found, tmp_path)


def _check_words(report, folder):
    finding = next(each for each in report.findings if each.code == "TIME_BUDGET")
    again = "n_references=4, attacks=['threshold', 'lira', 'rmia']"
    assert finding.severity == "warning" and again in finding.explanation
    assert finding.title == (
        "A time budget of 51 s was enough for 4 references in place of 16 and the attacks "
        "threshold, lira, rmia alone"
    )
    assert "(about 6 min here)" in finding.remedy
    assert report.check("auc <= 1").results[0].reason.endswith("weaker than it is by default.")
    # What is kept where nobody is named holds it too.
    report.save(folder, records=False)
    for each in (report, AuditReport.load(folder)):
        assert f"51 s; the same audit on any machine: {again}" in str(each)
    assert json.loads((folder / "audit.json").read_text())["info"]["time_budget"]["seconds"] == 51


def test_a_baseline_with_more_references_is_named(make_report):
    now, before = make_report(n=30), make_report(n=30)
    now.info |= {"n_references": 4, "time_budget": {"lowered": ["n_references"]}}
    before.info["n_references"] = 16
    said = "A time budget gave this audit 4 references and the baseline had 16"
    assert said in now.compare(before).reason
    now.info["time_budget"]["lowered"] = []
    assert said not in now.compare(before).reason


class UpTo:
    """Stops at a number."""

    def __init__(self, *steps):
        self.steps, self.aim = steps, steps[-1]

    def next(self, n, n_trained):
        return next((step for step in self.steps if step > n), self.aim)


@pytest.mark.parametrize(("cache", "groups"), [(False, None), (True, np.arange(80) // 3)])
def test_models_that_stop_short_are_those_of_fewer(cache, groups, tmp_path):
    options = {"random_state": 0, "train_size": 52, "n_jobs": 1}
    more = ReferenceModels(GaussianNB(), 30, cache=tmp_path if cache else None, **options)
    # One is trained and left out, since seven are no whole number of blocks.
    more._pace = UpTo(1, 4, 7)
    more._pace.aim = 6
    more.fit(X, Y, groups=groups)
    fewer = ReferenceModels(GaussianNB(), 6, **options).fit(X, Y, groups=groups)
    for name in ("membership_", "labelled_", "block_", "seeds_", "outputs_"):
        assert np.array_equal(getattr(more, name), getattr(fewer, name)), name
    for name in ("n_models_", "n_blocks_", "train_size_", "query_seed_", "smoothing_"):
        assert getattr(more, name) == getattr(fewer, name), name


@pytest.mark.slow
def test_time_is_kept_by_a_real_clock():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 5))
    y = (X[:, 0] > 0).astype(int)
    model = DecisionTreeClassifier(random_state=0).fit(X[:1000], y[:1000])
    options = {"n_jobs": 1, "random_state": 0, "progress": False}
    report = audit(model, X[:1000], y[:1000], X[1000:], y[1000:], time_budget=60, **options)
    assert sum(report.info["timings"].values()) < 90
    n = report.info["time_budget"]["n_references"]
    assert n == report.info["n_references"] and n in (4, 8, 16, 32, 64)
