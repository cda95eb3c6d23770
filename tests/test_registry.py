"""The list of attacks, other packages' among them, and which ones an audit can run."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from mia_sklearn._audit._choice import Means, choose_attacks
from mia_sklearn._audit._coverage import coverage
from mia_sklearn.attacks import LiRAAttack, all_attacks
from mia_sklearn.cli import main


@pytest.mark.parametrize(
    ("name", "path", "ours"),
    [
        ("stacked", "mia_sklearn.attacks:LiRAAttack", "StackedAttack of mia-sklearn"),
        ("gap", "mia_sklearn.attacks:LiRAAttack", "ThresholdAttack of mia-sklearn"),
        ("auto", "mia_sklearn.attacks:LiRAAttack", "of mia-sklearn"),
    ],
)
def test_two_attacks_of_one_name_are_refused(monkeypatch, name, path, ours):
    point = EntryPoint(name, path, "mia_sklearn.attacks")
    monkeypatch.setattr("mia_sklearn.attacks._registry.entry_points", lambda group: [point])
    with pytest.raises(ValueError, match=rf"named '{name}'.*{ours}.* of {path}.*Uninstall"):
        all_attacks()


def test_broken_attacks_are_named_where_they_are_asked_for(monkeypatch, capsys):
    point = EntryPoint("broken", "no_such_package:Attack", "mia_sklearn.attacks")
    monkeypatch.setattr("mia_sklearn.attacks._registry.entry_points", lambda group: [point])
    means = Means("posteriors")
    assert "broken" not in choose_attacks("auto", means)
    table = coverage(choose_attacks("auto", means), "stacked", means).set_index("attack")
    assert table.loc["broken", "reason"].startswith("unavailable: no_such_package")
    with pytest.raises(ImportError, match=r"'broken' is unavailable.*no_such_package"):
        choose_attacks("broken", means)
    assert main(["attacks"]) == 0
    assert "The attack 'broken' is unavailable" in capsys.readouterr().out


class Federal(LiRAAttack):
    threat_model = "telepathic"


class Deep(LiRAAttack):
    requires = ("logit", "activation")


class Copies(LiRAAttack):
    requires = ("logit", "out", "query")


@pytest.mark.parametrize(
    ("attack", "means", "message"),
    [
        ("logan", Means("posteriors"), "'logan' is one on generators"),
        (Federal(), Means("posteriors"), "threat_model of Federal must be one of label-only"),
        (Deep(), Means("posteriors"), "'Deep'.* gradients, which this model does not have"),
        (Copies(), Means("posteriors", queries=False), "cannot run 'Copies'.*n_queries=10"),
    ],
)
def test_attacks_that_an_audit_cannot_run_are_refused_at_once(attack, means, message):
    with pytest.raises(ValueError, match=message):
        choose_attacks([attack], means)
