"""What imports load, each asked in turn of one fresh interpreter."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
import sklearn
before = set(sys.modules)
answers = {}

import mia_sklearn
own = ("mia_sklearn", "_rust")
answers["added"] = sorted(n for n in set(sys.modules) - before if n.split(".")[0] not in own)
answers["names"] = dir(mia_sklearn)

HEAVY = {"torch", "skorch", "matplotlib", "pandas", "polars", "narwhals"}
import sklearn.decomposition, sklearn.linear_model, sklearn.neural_network
before = HEAVY & set(sys.modules)
import mia_sklearn.disclosure
import mia_sklearn.plots
answers["displays"] = sorted(n for n in sys.modules if n.startswith("mia_sklearn.plots."))
answers["heavy"] = sorted(HEAVY & set(sys.modules) - before)

names = {}
exec("from mia_sklearn import *", names)
answers["star"] = [callable(names["audit"]), names["ReferenceModels"].__name__]

# From here on there is no torch.
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "skorch"):
            raise ModuleNotFoundError(name)

answers["torch loaded"] = "torch" in sys.modules
sys.meta_path.insert(0, NotInstalled())
exec("from mia_sklearn.attacks import *", {})
from mia_sklearn import attacks
answers["attacks"] = [*(info.name for info in attacks.all_attacks()), *dir(attacks)]

from mia_sklearn import defenses
answers["defenses"] = [*(info.name for info in defenses.all_defenses()), *dir(defenses)]

def error_of(ask):
    try:
        ask()
    except ImportError as error:
        return str(error)

answers["attack"] = error_of(lambda: attacks.WhiteBoxAttack)
answers["subpackage"] = error_of(lambda: __import__("mia_sklearn.torch"))
print(json.dumps(answers))
from mia_sklearn.cli import main
main(["attacks"])
"""


@pytest.fixture(scope="module")
def printed():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    return run.stdout.splitlines()


@pytest.fixture(scope="module")
def answers(printed):
    return json.loads(printed[0])


def test_import_loads_nothing_that_sklearn_does_not(answers):
    assert answers["added"] == []


def test_public_names_are_there_without_loading_them(answers):
    assert {"audit", "observe", "ReferenceModels", "AuditReport", "synthesize"} <= {
        *answers["names"]
    }


def test_disclosure_is_light(answers):
    assert answers["heavy"] == []


def test_a_display_is_loaded_when_it_is_used(answers):
    assert answers["displays"] == []


def test_star_import_gives_the_public_names(answers):
    assert answers["star"] == [True, "ReferenceModels"]


def test_the_registry_needs_no_torch(answers, printed):
    assert not answers["torch loaded"]
    assert {"white-box", "unsupervised-white-box", "WhiteBoxAttack"} <= {*answers["attacks"]}
    assert {"DP-SGD", "DPSGD", "PATE"} <= {*answers["defenses"]}
    assert "mia-sklearn[torch]" in answers["attack"]
    assert any("mia-sklearn[torch]" in line for line in printed[1:])


def test_without_torch_the_extra_is_named(answers):
    assert "pip install 'mia-sklearn[torch]'" in answers["subpackage"]
