"""Audits of generators: models of how records lie, trained without labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mia_sklearn import AuditReport, ReferenceModels, audit, observe
from mia_sklearn.access import DensityAccess, FunctionAccess
from mia_sklearn.attacks import LiRAAttack
from mia_sklearn.cli import main

pytestmark = pytest.mark.usefixtures("few_rounds")


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4)) + 3 * rng.integers(0, 3, size=(400, 1))
    return X[:200], X[200:]


def run(model, records, **options):
    options = {"n_references": 4, "random_state": 0, "progress": False, **options}
    return audit(model, *records, **{"controls": False, **options})


def auc_of(report):
    metrics = report.metrics
    own = metrics[(metrics["attack"] == report.info["headline"]) & (metrics["metric"] == "auc")]
    return own.iloc[0]


class Memory(BaseEstimator):
    """A density that is high where a training record lies and nowhere else."""

    def fit(self, X, y=None):
        self.X_ = np.asarray(X)
        return self

    def score_samples(self, X):
        return -cdist(np.asarray(X), self.X_).min(axis=1)


class Forgetful(Memory):
    """A density that does not depend on what it was fitted on."""

    def score_samples(self, X):
        return -np.square(np.asarray(X)).sum(axis=1)


def test_a_memorising_density_is_recognised_throughout(records):
    report = run(Memory().fit(records[0]), records)
    assert report.info["headline"] == "stacked"
    assert auc_of(report)["estimate"] == 1
    assert report.findings[0].code == "TELLS_APART"
    assert "bandwidth" in report.findings[0].remedy


@pytest.mark.parametrize("seed", range(3))
def test_a_density_of_other_records_is_at_chance(records, seed):
    rng = np.random.default_rng(seed)
    halves = rng.permutation(np.concatenate(records)).reshape(2, 200, 4)
    report = run(Forgetful().fit(halves[0]), halves)
    assert auc_of(report)["low"] <= 0.5 <= auc_of(report)["high"]


def test_the_report_says_nothing_of_labels_and_accuracy(records, tmp_path):
    model = KernelDensity(bandwidth=0.5).fit(records[0])
    report = run(model, records, split="random", controls=True)
    assert report.info["release"] == "weights"
    assert report.info["asked_for"] == "DensityAccess()"
    assert "target_train_accuracy" not in report.info
    assert "label" not in report.records
    assert set(report.controls["control"]) == {"shift", "references", "pipeline"}
    coverage = report.coverage
    assert not coverage["knowledge"].str.contains("label").any()
    assert set(coverage["attack"]) & {"shadow", "gap", "stacked-pool", "gradient-norm"} == set()
    report.save(tmp_path)
    assert AuditReport.load(tmp_path).verdict == report.verdict


def test_frames_and_pipelines_are_audited_as_arrays_are(records):
    names = list("abcd")
    frames = [pd.DataFrame(X, columns=names) for X in records]
    model = make_pipeline(StandardScaler(), KernelDensity(bandwidth=0.3))
    by_array = run(model.fit(records[0]), records, slices={"half": np.arange(400) % 2})
    by_frame = run(model.fit(frames[0]), frames, slices={"half": np.arange(400) % 2})
    for column in ("stacked", "lira", "slice_half"):
        assert by_array.records[column].tolist() == by_frame.records[column].tolist()


def test_a_function_that_draws_records_is_audited_by_its_samples(records):
    model = KernelDensity(bandwidth=0.05).fit(records[0])

    def draw(n, random_state):
        return model.sample(n, random_state=random_state)

    report = run(draw, records, release="samples", estimator=KernelDensity(bandwidth=0.05))
    assert auc_of(report)["low"] > 0.6
    with pytest.raises(ValueError, match="plain function: references need estimator="):
        run(draw, records, release="samples")


class Collapsed(Forgetful):
    """A generator of one record."""

    def sample(self, n, random_state=None):
        return np.repeat(self.X_[:1], n, axis=0)


@pytest.mark.parametrize(
    ("model", "release", "reason"),
    [(Collapsed(), "samples", "alike"), (KernelDensity(bandwidth=1e6), "weights", "same signal")],
)
def test_answers_that_tell_nothing_are_named(records, model, release, reason):
    report = run(model.fit(records[0]), records, release=release, n_references=0)
    found = {finding.code: finding for finding in report.findings}
    assert reason in found["NO_SIGNAL"].explanation


def test_without_references_the_signal_alone_is_thresholded(records):
    report = run(KernelDensity(bandwidth=0.5).fit(records[0]), records, n_references=0)
    assert report.attacks == ["threshold"]
    assert "NO_REFERENCES" in [finding.code for finding in report.findings]


def test_an_access_of_ones_own_is_followed(records):
    model = GaussianMixture(3, random_state=0).fit(records[0])
    access = FunctionAccess(score)
    report = run(model, records, access=access, attacks=["lira"], n_references=8)
    X = np.concatenate(records)
    references = ReferenceModels(
        GaussianMixture(3, random_state=0), n_models=8, signal=access, random_state=0
    )
    observations = observe(model, X, references=references.fit(X))
    shadow = references.shadow_observations(random_state=0)
    expected = LiRAAttack().fit(*shadow).decision_function(observations)
    np.testing.assert_allclose(report.records["lira"], expected)


def score(model, X):
    return model.score_samples(X)


def test_references_resume_from_a_cache(records, tmp_path):
    model = KernelDensity(bandwidth=0.5).fit(records[0])
    first = run(model, records, cache=tmp_path)
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = run(model, records, cache=tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written
    assert first.records["stacked"].tolist() == again.records["stacked"].tolist()
    run(model, records, cache=tmp_path, access=score)
    assert len(list(tmp_path.iterdir())) == 2 * len(written)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"release": "labels"}, "release must be one of samples, weights for a gen"),
        ({"attacks": ["shadow"]}, "reads more than the answers to 'density'"),
        ({"attacks": ["gap"]}, "reads more than the answers"),
        ({"n_queries": 3}, "n_queries asks for posteriors"),
        ({"slices": "label"}, "do not have"),
        ({"access": "discriminator"}, "discriminator_score"),
        ({"access": "neighbours"}, "Unknown access 'neighbours'"),
        ({"y_test": np.zeros(200), "X_test": np.zeros((200, 4))}, "trained without labels"),
    ],
)
def test_what_cannot_be_audited_is_refused(records, options, message):
    model = KernelDensity().fit(records[0])
    given = {"X_train": records[0], "y_train": records[1], **options}
    with pytest.raises(ValueError, match=message):
        audit(model, **given, random_state=0, progress=False)


def test_records_of_another_shape_are_refused(records):
    model = KernelDensity().fit(records[0])
    with pytest.raises(ValueError, match="X_train has 3 features"):
        run(model, [X[:, :3] for X in records])


def test_classifiers_are_asked_for_no_density(records):
    from sklearn.linear_model import LogisticRegression

    labels = np.arange(200) % 2
    model = LogisticRegression().fit(records[0], labels)
    with pytest.raises(ValueError, match="access='density' needs a model with score_samples"):
        observe(model, records[0], labels, access="density")
    with pytest.raises(ValueError, match="for a classifier"):
        audit(model, records[0], labels, records[1], labels, release="samples")
    with pytest.raises(ValueError, match="y is None"):
        observe(model, records[0])


def test_target_and_references_are_asked_the_same(records):
    X = np.concatenate(records)
    model = KernelDensity().fit(records[0])
    references = ReferenceModels(KernelDensity(), n_models=4, random_state=0).fit(X)
    assert isinstance(references.access_, DensityAccess)
    with pytest.raises(ValueError, match="references were asked for DensityAccess"):
        observe(model, X, access=score, references=references)
    with pytest.raises(ValueError, match="no outputs to compare records by"):
        _ = references.features_


def test_the_command_line_reads_records_without_labels(records, tmp_path, capsys):
    import joblib

    frames = [pd.DataFrame(X, columns=list("abcd")) for X in records]
    for name, frame in zip(("train", "test"), frames, strict=True):
        frame.assign(id=0).to_csv(tmp_path / f"{name}.csv", index=False)
    joblib.dump(KernelDensity(bandwidth=0.5).fit(frames[0]), tmp_path / "model.joblib")
    files = [f"--{name}={tmp_path / name}.csv" for name in ("train", "test")]
    code = main(
        ["audit", f"--model={tmp_path / 'model.joblib'}", "--trust", *files, "--references=4",
         "--jobs=1", "--quiet", "--fail-if=auc > 0.5"]
    )  # fmt: skip
    assert code == 1
    assert "stacked attack" in capsys.readouterr().out
