"""A privacy gate in a test suite, and attacks benchmarked: a plugin of pytest.

Installed with the package, pytest finds it by itself. It gives

- the fixture ``privacy_audit``: `mia_sklearn.audit`, with a cache that all tests of a run share,
  seeds, and each report saved under the test's name (``--privacy-report DIR``);
- `assert_private`, which fails a test in words, and whose results stand in JUnit XML and at the end
  of the run;
- the fixture ``benchmark_attack``, which measures how fast and how strong an attack is, by
  pytest-benchmark;
- the marker ``privacy``.

``pytest --help`` lists its options under "privacy"; ``pytest -p no:mia_sklearn.pytest_plugin``
turns it off. Its own assertions are not rewritten: PYTEST_DONT_REWRITE.
"""

from ._assertion import assert_private
from ._audits import PrivacyAudit, privacy_audit
from ._benchmark import AttackBenchmark
from ._options import pytest_addoption as pytest_addoption
from ._options import pytest_configure as pytest_configure
from ._options import pytest_unconfigure as pytest_unconfigure

__all__ = ["AttackBenchmark", "PrivacyAudit", "assert_private", "privacy_audit"]
