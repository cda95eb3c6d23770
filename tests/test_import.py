import subprocess
import sys

ADDED_MODULES = """
import sys
import sklearn
before = set(sys.modules)
import mia_sklearn
own = ("mia_sklearn", "_rust")
print(*sorted(name for name in set(sys.modules) - before if name.split(".")[0] not in own))
"""


def _run(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_import_loads_nothing_that_sklearn_does_not():
    assert _run(ADDED_MODULES) == ""


def test_public_names_are_there_without_loading_more_than_asked():
    code = "import sys, mia_sklearn; print(*dir(mia_sklearn), '|', 'pandas' in sys.modules)"
    names, _, pandas_loaded = _run(code).partition("|")
    assert {"audit", "observe", "ReferenceModels", "AuditReport", "synthesize"} <= set(
        names.split()
    )
    assert pandas_loaded.strip() == "False"


def test_star_import_gives_the_public_names():
    code = "from mia_sklearn import *; print(callable(audit), ReferenceModels.__name__)"
    assert _run(code) == "True ReferenceModels"
