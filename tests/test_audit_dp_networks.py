"""Claims of networks that are trained privately: gradients of canaries, and each epoch."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")
pytest.importorskip("opacus")

from mia_sklearn import audit_dp  # noqa: E402
from mia_sklearn.defenses import DPSGD  # noqa: E402
from mia_sklearn.stats import TradeOff  # noqa: E402
from mia_sklearn.torch._defenses import _dpsgd  # noqa: E402
from mia_sklearn.torch._defenses._canary_gradients import CanaryGradients  # noqa: E402
from mia_sklearn.torch._defenses._step_scores import StepScores  # noqa: E402
from nets import classifier, sized  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def records():
    X, y = make_blobs(400, 20, centers=3, random_state=0)
    return X.astype(np.float32), y


def private(epsilon, **options):
    options = {"accountant": "rdp", "batch_size": 100} | options
    return DPSGD(sized(max_epochs=5), epsilon, **options)


def codes(report):
    return [finding.code for finding in report.findings]


def test_gradients_of_canaries_are_told_apart(records):
    report = audit_dp(private(4.0, random_state=0), *records, n_canaries=200)
    assert report.outcome == "not refuted" and 0.2 < report.epsilon < report.info["epsilon"] <= 4
    assert report.bounds["score"].tolist() == ["gradient"] * 2
    # What the accountant says of all deltas is tested, as it is.
    assert report.info["family"] == "curve" and report.info["stated"]
    assert report.info["curve"] == "what the accountant of DPSGD says"
    assert report.info["delta"] == 0.1 / (400 - 200 + report.info["n_included"])
    assert "FIXED_SEED" in codes(report)
    again = audit_dp(private(4.0), *records, n_canaries=200)
    assert again.epsilon == report.epsilon


def test_half_of_the_noise_is_noticed(records, monkeypatch):
    enough = _dpsgd.required_noise
    monkeypatch.setattr(_dpsgd, "required_noise", lambda plan: enough(plan) / 4)
    report = audit_dp(private(4.0), *records, (4.0, 1e-4), n_canaries=200)
    assert report.outcome == "refuted" and codes(report)[0] == "CLAIM_REFUTED"


def test_gradients_go_through_clipping(records):
    """What one canary adds to a step is as long as allowed, however long its gradient is."""
    X, y = records
    told = []

    class Listens(CanaryGradients):
        def stepped(self, steps):
            told.append([p.grad.clone() for p in self.parameters])
            super().stepped(steps)

    rows = np.arange(40)
    model = private(np.inf, max_grad_norm=0.5, batch_size=400)
    model.watch_ = watch = Listens(rows, seed=0)
    # All records are in each step, and there is no noise.
    model.fit(X[:40], y[:40])
    for gradients in told:
        flat = torch.cat([g.reshape(-1) for g in gradients]) * watch.expected
        assert flat[flat > 0.25].numpy() == pytest.approx(np.full(40, 0.5), rel=1e-4)
        assert int((flat.abs() > 1e-6).sum()) == 40
    assert watch.scores == pytest.approx(np.full(40, len(told)), rel=1e-3)


def test_what_is_left_out_adds_nothing(records):
    X, y = records
    model = private(np.inf, batch_size=400)
    model.watch_ = watch = CanaryGradients(np.append(np.arange(20), [-1] * 20), seed=0)
    model.fit(X, y)
    # What other records supply along an axis is taken off.
    assert watch.scores[20:] == pytest.approx(np.zeros(20), abs=1e-2)
    assert watch.scores[:20] == pytest.approx(np.full(20, watch.scores[0]), abs=1e-2)
    assert watch.scores[0] > 4


def test_records_are_read_off_each_epoch(records):
    X, y = records
    options = {"canaries": "mislabelled", "iterates": "every", "claimed": (1.0, 1e-5)}
    plain = audit_dp(sized(max_epochs=2, lr=0.1, batch_size=100), X, y, **options, method="one-run")
    assert plain.bounds["score"].tolist() == ["mean of epochs"] * 2 + ["loss"] * 2
    assert not plain.canaries["mean of epochs"].equals(plain.canaries["loss"])
    within = make_pipeline(StandardScaler(), private(8.0))
    defended = audit_dp(within, X, y, **options, method="one-run")
    assert defended.info["estimator"] == "DPSGD" and defended.outcome != "refuted"


def test_what_gradients_do_not_go_with(records):
    X, y = records
    for options, told in (
        ({"neighbours": "replace"}, "with neighbours='add'"),
        ({"iterates": "every"}, "with iterates='last'"),
        ({"n_references": 2}, "with n_references=0"),
    ):
        with pytest.raises(ValueError, match=told):
            audit_dp(private(1.0), X, y, canaries="gradient", **options)
    with pytest.raises(ValueError, match="each of 400 canaries takes one of its own"):
        linear = classifier(torch.nn.Linear, module__in_features=20, module__out_features=3)
        small = DPSGD(linear, 1.0, accountant="rdp")
        audit_dp(small, X, y, n_canaries=400)


def test_a_fitted_model_is_read_as_its_accountant(records):
    model = private(4.0, random_state=0)
    with pytest.raises(NotFittedError):
        model.get_epsilon(1e-5)
    model.fit(*records)
    assert model.get_epsilon(model.delta_) == model.epsilon_
    assert model.get_epsilon(1e-6) > model.epsilon_ > model.get_epsilon(0.1)
    with pytest.raises(ValueError, match="delta must lie"):
        model.get_epsilon(0)
    curve = TradeOff.of(model)
    assert curve.delta(curve.epsilon(1e-6)) == pytest.approx(1e-6)


def scores_of(kind, *, n=400, seed=0):
    """Return what steps of 64 records in 6.25 batches tell of 400 canaries, half of them in."""
    rng = np.random.default_rng(seed)
    members, places = np.arange(n) % 2 == 0, rng.random(n)
    told = StepScores(64 / n, 1.5, np.stack([places] * 2))
    n_batches = 7
    for step in range(6 * n_batches):
        held = {
            "drawn": rng.random(n) < 64 / n,
            "in turn": places // (64 / n) == step % n_batches,
            "going round": (places - step * 64 / n) % 1 < 64 / n,
            "always": np.ones(n, dtype=bool),
        }[kind]
        told.add((held & members) + rng.normal(0, 1.5, n))
    return members, told


@pytest.mark.parametrize("kind", ["in turn", "going round", "always"])
def test_batches_that_are_not_drawn_are_noticed(kind):
    """A canary that is in batches of its turn, or in all of them, is told by that."""
    members, told = scores_of(kind)

    def auc(scores):
        return float((scores[members][:, None] > scores[~members]).mean())

    gain = {"in turn": 0.06, "going round": 0.06, "always": -0.01}[kind]
    assert auc(told.scores) > auc(told.drawn_at_random) + gain and auc(told.scores) > 0.7


def test_noise_that_is_smaller_than_stated_is_reckoned_with():
    rng = np.random.default_rng(0)
    members = np.arange(400) % 2 == 0
    told = StepScores(0.16, 1.0, np.empty((0, 400)))
    stated = StepScores(0.16, 0.4, np.empty((0, 400)))
    for _ in range(40):
        step = (members & (rng.random(400) < 0.16)) + rng.normal(0, 0.4, 400)
        told.add(step)
        stated.add(step)
    aucs = [
        float((each.scores[members][:, None] > each.scores[~members]).mean())
        for each in (told, stated)
    ]
    assert aucs[0] > 0.95 * aucs[1] > 0.8


def test_scores_of_steps_are_ratios():
    """Of canaries left out the mean ratio is 1, whatever batches do."""
    members, told = scores_of("drawn", n=4_000)
    ratios = np.exp(told.scores[~members]) / 2
    # Two priors of one half, each with a mean of 1; the ratio's few large values are not reached.
    assert 0.5 < ratios.mean() < 1.2
    unplaced = StepScores(0.5, 0.0, np.empty((0, 3)))
    unplaced.add(np.array([0.0, 1.0, 1.0]))
    assert unplaced.scores.tolist() == [0, 1, 1]
