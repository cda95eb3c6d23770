"""The lists of attacks and defenses, other packages' among them, and what an audit can run."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from mia_sklearn import attacks, defenses
from mia_sklearn._audit._choice import Means, choose_attacks
from mia_sklearn._audit._coverage import coverage
from mia_sklearn.access import DensityAccess, LabelAccess, SampleAccess
from mia_sklearn.attacks import GroupAttack, LiRAAttack, all_attacks
from mia_sklearn.attacks._registry import headline_of, networks, variants
from mia_sklearn.base import BaseAttack
from mia_sklearn.cli import main
from mia_sklearn.defenses import all_defenses

ALL = ["threshold", "shadow", "lira", "rmia", "stacked"]


def test_registry_states_what_each_attack_needs():
    infos = {info.name: info for info in all_attacks()}
    first = ["threshold", "qmia", "shadow", "lira", "rmia", "stacked", "gmia"]
    assert list(infos)[: len(first)] == first
    assert set(networks()) < {info.class_name for info in infos.values()}
    for info in infos.values():
        assert info == info.as_stated_by(info.attack)


def test_every_exported_attack_is_listed():
    public = [getattr(attacks, name) for name in (*attacks.__all__, *networks())]
    exported = {each for each in public if isinstance(each, type) and issubclass(each, BaseAttack)}
    assert {info.attack for info in all_attacks()} == exported - {GroupAttack}


def test_registry_lists_attacks_of_other_packages(monkeypatch):
    point = EntryPoint("their-lira", "mia_sklearn.attacks:LiRAAttack", "mia_sklearn.attacks")
    monkeypatch.setattr(
        "mia_sklearn.base._registry.entry_points", lambda group: [point] if group else []
    )
    last = all_attacks()[-1]
    assert (last.name, last.attack) == ("their-lira", LiRAAttack)

    wrong = EntryPoint("not-one", "sklearn.tree:DecisionTreeClassifier", "mia_sklearn.attacks")
    broken = EntryPoint("broken", "no_such_package:Attack", "mia_sklearn.attacks")
    monkeypatch.setattr(
        "mia_sklearn.base._registry.entry_points", lambda group: [wrong, broken, point]
    )
    infos = {info.name: info for info in all_attacks()}
    assert infos["their-lira"].attack is LiRAAttack
    for name, why in (("not-one", "no subclass of BaseAttack"), ("broken", "no_such_package")):
        assert why in infos[name].unavailable
        with pytest.raises(ImportError, match=f"{name}.*{why}"):
            _ = infos[name].attack


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
    monkeypatch.setattr("mia_sklearn.base._registry.entry_points", lambda group: [point])
    with pytest.raises(ValueError, match=rf"named '{name}'.*{ours}.* of {path}.*Uninstall"):
        all_attacks()


def test_broken_attacks_are_named_where_they_are_asked_for(monkeypatch, capsys):
    point = EntryPoint("broken", "no_such_package:Attack", "mia_sklearn.attacks")
    monkeypatch.setattr("mia_sklearn.base._registry.entry_points", lambda group: [point])
    means = Means("posteriors")
    assert "broken" not in choose_attacks("auto", means)
    table = coverage(choose_attacks("auto", means), "stacked", means).set_index("attack")
    assert table.loc["broken", "reason"].startswith("unavailable: no_such_package")
    with pytest.raises(ImportError, match=r"'broken' is unavailable.*no_such_package"):
        choose_attacks("broken", means)
    assert main(["attacks"]) == 0
    assert "The attack 'broken' is unavailable" in capsys.readouterr().out


def test_a_package_that_is_installed_changes_no_audit(monkeypatch):
    point = EntryPoint("lira-of-theirs", f"{__name__}:Strongest", "mia_sklearn.attacks")
    monkeypatch.setattr("mia_sklearn.base._registry.entry_points", lambda group: [point])
    means = Means("posteriors")
    chosen = choose_attacks("auto", means)
    assert all_attacks()[-1].headline == 99
    assert list(chosen) == ["threshold", "shadow", "lira", "rmia", "stacked"]
    assert headline_of([*choose_attacks(["lira-of-theirs", "lira"], means)]) == "lira"


def test_variants_are_attacks_of_their_own():
    found = {info.name: info for info in variants()}
    assert list(found) == ["gap", "stacked-pool", "cascade-pool"]
    assert (found["gap"].threat_model, found["gap"].requires) == ("label-only", ("label", "proba"))
    assert found["gap"].make().signal == "correctness"
    assert found["stacked-pool"].requires == ("logit", "out", "neighbor")
    assert not {*found} & {info.name for info in all_attacks()}


@pytest.mark.parametrize(
    ("means", "names"),
    [
        (Means("posteriors", with_references=False), ["threshold", "qmia"]),
        (Means("weights", gradients=True), [*ALL, "gradient-norm"]),
        (
            Means("weights", with_references=False, gradients=True),
            ["threshold", "qmia", "gradient-norm"],
        ),
        (Means("weights"), ALL),
        (
            Means("posteriors", with_references=False, edges="answers"),
            ["threshold", "qmia", "margin-edge"],
        ),
        (Means("posteriors", edges="weights"), ALL),
        (Means("weights", edges="weights"), [*ALL, "margin-edge"]),
        (
            Means("labels", LabelAccess(), edges="answers", with_references=False),
            ["gap", "threshold", "qmia"],
        ),
        (Means("labels", LabelAccess()), ["gap", "threshold", "lira", "rmia", "stacked"]),
        (Means("labels", LabelAccess(), with_references=False), ["gap", "threshold", "qmia"]),
        (Means("samples", SampleAccess()), ["threshold", "lira", "stacked"]),
        (Means("weights", DensityAccess(), with_references=False), ["threshold"]),
    ],
)
def test_what_auto_stands_for(means, names):
    assert list(choose_attacks("auto", means)) == names


def test_the_list_of_defenses_states_what_each_needs():
    infos = all_defenses()
    assert infos[0].defense is defenses.TopKPosterior
    for info in infos:
        assert info == info.as_stated_by(info.defense)
    named = {name for name in defenses.__all__ if name not in ("DefenseInfo", "all_defenses")}
    assert {info.class_name for info in infos if not info.needs_networks} == named


def test_defenses_of_other_packages_are_listed(monkeypatch):
    group = "mia_sklearn.defenses"
    theirs = EntryPoint("theirs", "mia_sklearn.defenses:PATE", group)
    wrong = EntryPoint("wrong", "mia_sklearn.attacks:LiRAAttack", group)
    broken = EntryPoint("broken", "no_such_package:Defense", group)
    points = [wrong, theirs, broken]
    monkeypatch.setattr(
        "mia_sklearn.base._registry.entry_points", lambda group: points * ("def" in group)
    )
    infos = {info.name: info for info in all_defenses()}
    assert list(infos)[-3:] == ["broken", "theirs", "wrong"]
    assert infos["theirs"].defense is defenses.PATE
    assert infos["theirs"].needs_reference_data
    for name, why in (("wrong", "no subclass of BaseDefense"), ("broken", "no_such_package")):
        with pytest.raises(ImportError, match=f"The defense '{name}' is unavailable.*{why}"):
            _ = infos[name].defense
    points[:] = [EntryPoint("PATE", "mia_sklearn.defenses:SELENA", group)]
    with pytest.raises(ValueError, match=r"Two defenses are named 'PATE'.*rename its entry point"):
        all_defenses()


class Strongest(LiRAAttack):
    by_default = ("posteriors",)
    headline = 99


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
