"""Fixtures that several test files share."""

from __future__ import annotations

import threading
from functools import cache, partial
from importlib.metadata import entry_points, version

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, norm
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

# All packages before their files are collected for their examples: a file that pytest imports
# first is another module than the one that the package imports after it.
import mia_sklearn.attacks
import mia_sklearn.defenses
import mia_sklearn.disclosure
import mia_sklearn.plots
import mia_sklearn.selection
from mia_sklearn import ReferenceModels, metrics, observe
from mia_sklearn.attacks._boosted import SmallBooster
from mia_sklearn.report import AuditReport, Finding

for display in mia_sklearn.plots.__all__:
    getattr(mia_sklearn.plots, display)

# scikit-learn's checks that each estimator can fail in a way of its own. The others look at code
# that estimators of one family share: one of a family goes through all of them in `make test`, the
# rest in `make test-slow`. Of the ways to run one check the narrowest is here: read-only records of
# single precision.
OWN_CHECKS = {
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_dont_overwrite_attributes",
    "check_estimators_nan_inf",
    "check_estimators_pickle",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_n_features_in",
    "check_parameters_default_constructible",
}

METRICS = ("auc", "tpr@0.1", "tpr@0.01", "tpr@0.001", "advantage", "accuracy", "epsilon")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        family = item.get_closest_marker("one_for_all")
        if family is None:
            continue
        estimator, check = (item.callspec.params[name] for name in ("estimator", "check"))
        options = check.keywords
        while isinstance(check, partial):
            check = check.func
        own = check.__name__ in OWN_CHECKS
        if check.__name__ == "check_classifiers_train":
            own = options.get("X_dtype") == "float32"
        if not own and not isinstance(estimator, family.args):
            item.add_marker(pytest.mark.slow)


def _measure(attack, group, name, scores, confidence):
    member, score = scores
    metric, level = metrics.parse_metric(name)
    estimate = metrics.compute(name, member, score, confidence=confidence)
    return {
        "attack": attack,
        "slice": group,
        "metric": metric,
        "at": np.nan if level is None else level,
        "estimate": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n_members": estimate.n_members,
        "n_nonmembers": estimate.n_nonmembers,
        "fpr": np.nan if estimate.fpr is None else estimate.fpr,
        "n_identified": np.nan if estimate.n_identified is None else estimate.n_identified,
        "n_false_alarms": np.nan if estimate.n_false_alarms is None else estimate.n_false_alarms,
        "note": estimate.note,
    }


@pytest.fixture(scope="module")
def one_torch_thread():
    """Small networks are no faster on several threads, and crawl where others compute too."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def boost_less():
    """Return a function that lets attacks that learn boost in few rounds, by a monkeypatch."""

    def boosting(**options):
        return SmallBooster(**options | {"max_iter": 15})

    def boost_less_(patch):
        for module in ("_shadow", "_stacked"):
            patch.setattr(f"mia_sklearn.attacks.{module}.SmallBooster", boosting)

    return boost_less_


@pytest.fixture(scope="module")
def few_rounds(boost_less):
    """Let attacks that learn boost in few rounds: most of the time of a small audit goes there."""
    with pytest.MonkeyPatch.context() as patch:
        boost_less(patch)
        yield


@pytest.fixture(scope="module")
def no_pictures():
    """Make the figures of pages and draw them not: that is most of what a saved report takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mia_sklearn.report._html._picture", lambda figure: "data:image/svg+xml,")
        yield


@pytest.fixture(scope="session", autouse=True)
def what_is_installed_is_read_once():
    """Each audit reads what all packages bring, which takes a seventh of a small one."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("base._registry", "_audit._findings._of_other_packages"):
            patch.setattr(f"mia_sklearn.{module}.entry_points", cache(entry_points))
        patch.setattr("mia_sklearn._audit._tables.version", cache(version))
        yield


@pytest.fixture(scope="session", autouse=True)
def few_trees():
    """Let few trees tell how hard a record is: a hundred take a tenth of a second per audit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mia_sklearn._observations._record_columns._N_TREES", 10)
        yield


@pytest.fixture(scope="session")
def make_report():
    """Make a report of simulated scores: members score `gap` higher, a few of them far higher."""

    def make(n=500, gap=1.2, stand_out=0.05, seed=0, labels=("<=50K", ">50K"), **info):
        rng = np.random.default_rng(seed)
        member = np.repeat([1, 0], n)
        score = rng.normal(gap * member) + 5 * (member * (rng.random(2 * n) < stand_out))
        weak = 0.5 * score + rng.normal(size=2 * n)
        p_value = norm.sf(score)
        records = pd.DataFrame(
            {
                "set": np.where(member == 1, "train", "test"),
                "row": np.tile(np.arange(n), 2),
                "label": np.array(labels)[rng.integers(0, len(labels), 2 * n)],
                "member": member,
                "stacked": score,
                "threshold": weak,
                "slice_sex": np.array(["female", "male"])[rng.integers(0, 2, 2 * n)],
                "p_value": p_value,
                "q_value": np.append(false_discovery_control(p_value[:n]), np.full(n, np.nan)),
            }
        )
        confidence = info.get("confidence", 0.95)
        rows = [
            _measure(attack, "all", name, (member, records[attack].to_numpy()), confidence)
            for attack in ("stacked", "threshold")
            for name in METRICS
        ]
        for sex, part in records.groupby("slice_sex"):
            scores = (part["member"], part["stacked"])
            rows.append(_measure("stacked", f"sex={sex}", "auc", scores, confidence))
        trains = "records of the same kind and how the model was trained"
        coverage = pd.DataFrame(
            {
                "attack": ["stacked", "threshold", "lira", "gap"],
                "status": ["run", "run", "not run", "not run"],
                "track": ["L", "", "", ""],
                "threat_model": ["black-box", "black-box", "black-box", "label-only"],
                "access": ["posteriors", "posteriors", "posteriors", "predicted labels"],
                "knowledge": [trains, "the record and its label", trains, "the record"],
                "reason": ["", "", "not asked for", "not asked for"],
            }
        )
        controls = pd.DataFrame(
            {
                "control": ["shift", "pipeline", "memoriser"],
                "value": [0.503, 0.874, 0.918],
                "low": [np.nan, 0.851, np.nan],
                "high": [np.nan, 0.894, np.nan],
                "p_value": [0.412, np.nan, np.nan],
                "passed": pd.array([True, True, pd.NA], dtype="boolean"),
                "note": [
                    "Reference models, whose training sets have nothing to do with the model's, "
                    "are at chance.",
                    "Each reference model in turn was attacked as if it were the model; the AUC "
                    "agrees with cross-validation.",
                    "What plain memorising (1-nearest neighbour) would show on these records.",
                ],
            }
        )
        findings = [
            Finding(
                "DUPLICATES",
                "info",
                "4 records occur more than once",
                "A record that occurs twice is remembered better than others.",
                "Remove duplicates if they are not different people.",
            ),
            Finding(
                "RECORDS_EXPOSED",
                "serious",
                "23 training records stand out one by one",
                "Someone who holds such a person's record can tell that it was used for training. "
                "Where being in the data says something (a diagnosis, a debt), that is a "
                "disclosure.",
                "Look at the records listed below; train a model that remembers less: larger "
                "leaves, stronger regularisation, fewer parameters.",
            ),
            Finding(
                "FEW_NONMEMBERS",
                "warning",
                "Too few non-members for a false-positive rate of 0.001",
                "With 500 non-members nothing can be said about attackers who err once in 1,000.",
                "Give at least 4,044 records that the model was not trained on.",
            ),
        ]
        return AuditReport(
            metrics=pd.DataFrame(rows),
            records=records,
            findings=findings,
            coverage=coverage,
            controls=controls,
            info={
                "title": "RandomForestClassifier on Adult",
                "headline": "stacked",
                "attacks": ["threshold", "stacked"],
                "model": "RandomForestClassifier(n_estimators=100)",
                "estimator": "RandomForestClassifier(n_estimators=100)",
                "n_train": n,
                "n_test": n,
                "n_members": n,
                "n_nonmembers": n,
                "n_unaudited": 0,
                "n_references": 16,
                "sampling": "block",
                "block_size": 2,
                "smoothing": 0.03,
                "split": "random",
                "release": "posteriors",
                "confidence": confidence,
                "random_state": 0,
                "versions": {"mia_sklearn": "0.1.0", "scikit-learn": "1.9.0"},
                "timings": {"references": 8.123456789, "attacks": 2.5},
                "target_train_accuracy": 0.9994,
                "target_test_accuracy": 0.8512,
                "created": "2026-11-22",
            }
            | info,
        )

    return make


# A target that memorises, and references like it.


@pytest.fixture(scope="session")
def pool():
    """Records with noisy labels, which a forest can only memorise."""
    X, y = make_classification(
        900, 8, n_informative=4, n_classes=3, flip_y=0.3, class_sep=0.8, random_state=0
    )
    return X, y


@pytest.fixture(scope="session")
def target_member(pool):
    member = np.zeros(len(pool[1]), dtype=bool)
    member[np.random.default_rng(1).permutation(len(member))[: len(member) // 2]] = True
    return member


@pytest.fixture(scope="session")
def target(pool, target_member):
    X, y = pool
    return RandomForestClassifier(20, random_state=0).fit(X[target_member], y[target_member])


@pytest.fixture(scope="session")
def references(pool):
    return ReferenceModels(RandomForestClassifier(20), n_models=8, random_state=0).fit(*pool)


@pytest.fixture(scope="session")
def shadow(references):
    """Observations of acting references, and their membership."""
    return references.shadow_observations(4000, random_state=0)


@pytest.fixture(scope="session")
def target_observations(target, pool, references):
    return observe(target, *pool, references=references)


_WAITED_FOR = set()


@pytest.fixture(autouse=True)
def threads_that_were_given_up():
    """Wait for workers that a test leaves behind: they put warning filters back when they end."""
    yield
    for thread in threading.enumerate():
        if thread.name.endswith("(worker)") and thread.ident not in _WAITED_FOR:
            _WAITED_FOR.add(thread.ident)
            thread.join(timeout=5)
