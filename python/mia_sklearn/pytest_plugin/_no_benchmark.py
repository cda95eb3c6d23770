"""The fixture of benchmarks where pytest-benchmark is not installed, or turned off."""

from __future__ import annotations

import pytest

__all__ = ["benchmark_attack"]


@pytest.fixture
def benchmark_attack() -> None:
    """Skip: how fast an attack is, is measured by pytest-benchmark."""
    pytest.skip("benchmark_attack needs pytest-benchmark: pip install pytest-benchmark")
