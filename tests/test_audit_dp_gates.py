"""Claims of differential privacy on the command line and in a test suite."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.datasets import make_blobs
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from mia_sklearn import audit_dp
from mia_sklearn.cli import main
from mia_sklearn.pytest_plugin import _assertion, assert_private


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claim")
    X, y = make_blobs(800, centers=[[-6, 0], [6, 0]], random_state=0)
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(y=np.where(y, "yes", "no"))
    frame.to_csv(folder / "train.csv", index=False)
    models = {
        "keeps": KNeighborsClassifier(1).fit(frame[["a", "b"]], frame["y"]),
        "unfitted": LogisticRegression(),
        "constant": DummyClassifier(),
    }
    for name, model in models.items():
        skops.io.dump(model, folder / f"{name}.skops")
    return folder


def run(case, name, *more):
    what = ["--model", case / f"{name}.skops", "--train", case / "train.csv", "--target", "y"]
    options = ["--method", "one-run", "--quiet"]
    return main([str(part) for part in ("audit-dp", *what, *options, *more)])


def test_the_command_says_by_its_exit_code(case, capsys):
    claim = ("--epsilon", 1, "--delta", 1e-5)
    assert run(case, "keeps", *claim) == 1
    assert capsys.readouterr().out.startswith("The claim, epsilon 1")
    assert run(case, "keeps", "--epsilon", 3, "--format", "md") == 0
    assert capsys.readouterr().out.startswith("# Audit of differential privacy")
    assert run(case, "constant", *claim) == 0
    assert run(case, "constant", *claim, "--strict") == 3
    # One that was not fitted names no columns: it gets those of the file.
    assert run(case, "unfitted", *claim, "--canaries", 100) == 0


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ((), "give claimed="),
        (("--delta", "1e-5"), "--delta needs --epsilon"),
        (("--epsilon", "0"), "finite number above 0"),
        (("--epsilon", "1", "--canaries", "900"), "more than the 800 records"),
        (("--epsilon", "1", "--kind", "gradient"), "needs a training"),
    ],
)
def test_bad_claims_are_refused(case, capsys, more, why):
    assert run(case, "keeps", *more) == 2
    assert why in capsys.readouterr().err


def test_a_test_suite_holds_a_claim(case, monkeypatch):
    # What is tried here is no gate of this run.
    monkeypatch.setattr(_assertion, "RUNNING", [])
    frame = pd.read_csv(case / "train.csv")
    records = frame[["a", "b"]].to_numpy(), frame["y"]

    def of(model, claimed):
        return audit_dp(model, *records, claimed, method="one-run")

    with pytest.raises(AssertionError, match=r"privacy FAILED: epsilon <= 1 at delta 1e-05"):
        assert_private(of(KNeighborsClassifier(1), (1, 1e-5)))
    assert_private(of(KNeighborsClassifier(1), (3, 0.0)))
    constant = of(DummyClassifier(), (1, 1e-5))
    with pytest.raises(AssertionError, match=r"(?s)UNDECIDED.*allow_undecided=True"):
        assert_private(constant)
    assert_private(constant, allow_undecided=True)
    with pytest.raises(ValueError, match="held against its own claim alone"):
        assert_private(constant, "auc <= 0.6")
