"""Attacks on a net while it trains, and their picture."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from mia_sklearn.metrics import precision_at_n, roc_auc  # noqa: E402
from mia_sklearn.plots import MembershipCurveDisplay  # noqa: E402
from mia_sklearn.torch import GAN, MembershipCurve  # noqa: E402
from nets import classifier  # noqa: E402

mpl.use("Agg")
pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(90, 4))


def test_it_sees_what_an_attacker_of_that_epoch_sees(X):
    curves = [
        MembershipCurve(X[:60], X[60:], every=2, signal=s) for s in ("score", "gradient_norm")
    ]
    gan = GAN(max_epochs=5, random_state=0, callbacks=curves).fit(X[:60])
    for curve in curves:
        assert curve.frame()["epoch"].tolist() == [2, 4, 5]
    short = GAN(max_epochs=2, random_state=0).fit(X[:60])
    member = np.repeat([1, 0], [60, 30])
    for net, row in ((short, 0), (gan, -1)):
        signals = net.discriminator_score(X), -net.discriminator_gradient_norm(X)
        for curve, score in zip(curves, signals, strict=True):
            found = curve.frame().iloc[row]
            for name, metric in (("auc", roc_auc), ("precision", precision_at_n)):
                expected = metric(member, score)
                assert found[name] == pytest.approx(expected.value)
                assert found[f"{name}_low"] == pytest.approx(expected.low)
                assert found[f"{name}_high"] == pytest.approx(expected.high)


def test_known_answers(X):
    members = X + np.array([9, 0, 0, 0])
    curve = MembershipCurve(members, X, signal=lambda net, X: X[:, 0], every=1)
    GAN(max_epochs=1, callbacks=[curve]).fit(members)
    assert curve.frame()[["auc", "precision"]].to_numpy().tolist() == [[1.0, 1.0]]


def test_it_changes_nothing(X):
    watched = GAN(max_epochs=4, random_state=0, callbacks=[MembershipCurve(X, X, every=1)]).fit(X)
    plain = GAN(max_epochs=4, random_state=0).fit(X)
    assert np.array_equal(watched.sample(5, 0), plain.sample(5, 0))


def test_it_goes_on_and_begins_anew(X):
    curve = MembershipCurve(X[:60], X[60:], every=2)
    gan = GAN(max_epochs=3, random_state=0, callbacks=[curve]).fit(X[:60])
    gan.partial_fit(X[:60])
    assert curve.frame()["epoch"].tolist() == [2, 3, 4, 6]
    gan.fit(X[:60])
    assert curve.frame()["epoch"].tolist() == [2, 3]
    assert clone(curve).frame().empty


def test_of_another_net():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 20)).astype(np.float32)
    y = rng.integers(3, size=80)
    known = dict(zip(map(bytes, X), y, strict=True))

    def right(net, X):
        probabilities = net.predict_proba(X)
        return probabilities[np.arange(len(X)), [known[bytes(x)] for x in X]]

    curve = MembershipCurve(X[:40], X[40:], every=20, signal=right)
    torch.manual_seed(0)
    classifier(max_epochs=60, lr=0.5, callbacks=[curve]).fit(X[:40], y[:40])
    assert curve.frame()["auc"].iloc[-1] > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [({"every": 0}, "every must be at least 1"), ({"signal": "loss"}, "signal must be one of")],
)
def test_bad_input(X, options, message):
    with pytest.raises(ValueError, match=message):
        GAN(max_epochs=1, callbacks=[MembershipCurve(X, X, **options)]).fit(X)


def test_picture(X):
    curve = MembershipCurve(X[:60], X[60:], every=1, confidence=0.9)
    with pytest.raises(ValueError, match="The curve holds no attack yet"):
        MembershipCurveDisplay.from_callback(curve)
    GAN(max_epochs=3, random_state=0, callbacks=[curve]).fit(X[:60])
    display = MembershipCurveDisplay.from_callback(curve)
    pd.testing.assert_frame_equal(display.frame(), curve.frame())
    auc, precision, *chance = display.ax_.get_lines()
    assert auc.get_ydata().tolist() == curve.frame()["auc"].tolist()
    assert precision.get_ydata().tolist() == curve.frame()["precision"].tolist()
    assert sorted(line.get_ydata()[0] for line in chance) == pytest.approx([0.5, 60 / 90])
    assert "90%" in display.ax_.get_ylabel()
    assert display.plot(display.ax_).figure_ is display.ax_.figure
