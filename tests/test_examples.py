import runpy
from pathlib import Path

import pytest

# Run by tests of their own: one by pytest, one where diffprivlib can be imported.
ELSEWHERE = {"test_privacy", "differential_privacy"}
EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[1] / "examples").glob("*.py")
    if path.stem not in ELSEWHERE
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out
