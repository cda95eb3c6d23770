"""A hundred thousand records: memory grows with the records, not with their pairs."""

from pathlib import Path

import pytest

from processes import printed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc"),
]

# Prints by how many bytes the process has grown at most, and something of the result.
MEASURED = """
import numpy as np
from pathlib import Path
from mia_sklearn.cluster import CosineAgglomerative
from mia_sklearn.neighbors import CosineNeighborCounter
from mia_sklearn.vulnerability import VulnerableRecords

rng = np.random.default_rng(0)
centres = rng.normal(size=(200, 16))
X = (centres[rng.integers(200, size=100_000)] + 0.2 * rng.normal(size=(100_000, 16)))
X = X.astype(np.float32)

def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])

# Threads and pages that any call brings.
CosineNeighborCounter().fit(X[:2000]).count(X[:2000])
CosineAgglomerative(2).fit(X[:2000])
Path("/proc/self/clear_refs").write_text("5")
before = peak()
{work}
print(peak() - before, result)
"""
WORK = {
    "counts": "result = int((CosineNeighborCounter(0.2).fit(X).count(X) >= 1).sum())",
    "vulnerable": "result = int((VulnerableRecords(0.2, 0.1).fit(X).predict() == 1).sum())",
    "linkage": "result = len(set(CosineAgglomerative(200).fit(X).labels_.tolist()))",
}


@pytest.mark.parametrize("work", WORK)
def test_memory_is_bounded(work):
    code = MEASURED.replace("{work}", WORK[work])
    grown, result = map(int, printed(code).split())
    # The records are 6.4 MB; their pairs would be 40 GB.
    assert grown < 100e6
    assert result == {"counts": 100_000, "vulnerable": 100_000, "linkage": 200}[work]
