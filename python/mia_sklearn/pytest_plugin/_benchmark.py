"""The fixture that measures attacks: how fast, by pytest-benchmark, and how strong."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from ._session import PrivacySession

if TYPE_CHECKING:
    from ..metrics import Estimate

__all__ = ["AttackBenchmark", "benchmark_attack", "pytest_terminal_summary"]

_MEASURES = ("auc", "tpr@0.01", "tpr@0.001")
_STEPS = ("fit", "scoring")


class AttackBenchmark:
    """What the fixture ``benchmark_attack`` gives: it times an attack, and notes its strength.

    Each test that uses the fixture runs twice, timing how the attack is fitted and how it scores.

    Parameters
    ----------
    step : {"fit", "scoring"}
        What is timed.
    benchmark : BenchmarkFixture
        That of pytest-benchmark.
    session : PrivacySession
        The run of pytest, at whose end the table is printed.

    Examples
    --------
    >>> def test_lira(benchmark_attack: AttackBenchmark, references, observations, member):
    ...     found = benchmark_attack("lira", references, observations, member)
    ...     assert found["auc"].low > 0.5
    """

    def __init__(self, step: str, benchmark: Any, session: PrivacySession) -> None:
        self.step = step
        self._benchmark, self._session = benchmark, session

    def __repr__(self) -> str:
        return f"<benchmark_attack, {self.step}>"

    def __call__(
        self,
        attack: Any,
        references: Any,
        observations: Any,
        member: Any,
        *,
        confidence: float = 0.95,
        rounds: int | None = None,
        **options: Any,
    ) -> dict[str, Estimate]:
        """Time one step of an attack, and note how strong it is.

        Parameters
        ----------
        attack : str or attack
            A name of `mia_sklearn.attacks.all_attacks`, or an unfitted attack.
        references : ReferenceModels, or (observations, membership)
            What the attack learns from: references that were fitted, whose shadow observations
            are made before the time is taken, or a table and who is a member in it.
        observations : table of shape (n_records, n_columns)
            The target's, of `mia_sklearn.observe` with these references.
        member : array-like of shape (n_records,)
            1 for the target's members, 0 for others.
        confidence : float, default=0.95
            Confidence of each interval.
        rounds : int, default=None
            How many times the step is run; None leaves it to pytest-benchmark.
        **options
            ``neighbors`` and ``n_queries`` of `ReferenceModels.shadow_observations`, as they were
            given to `observe`.

        Returns
        -------
        dict of str to Estimate
            AUC, and the true-positive rates at 1 % and at .1 % false alarms. They stand in the
            benchmark's ``extra_info`` too.
        """
        import numpy as np
        from sklearn.base import clone

        from ..metrics import compute

        member = np.asarray(member)
        name, attack = _made(attack)
        if hasattr(references, "shadow_observations"):
            table, membership = references.shadow_observations(**{"random_state": 0, **options})
        else:
            table, membership = references
        self._benchmark.group = f"attacks: {self.step}"
        run = self._timed(rounds)
        fitted = run["fit"](lambda: clone(attack).fit(table, membership))
        scores = run["scoring"](lambda: fitted.decision_function(observations))
        found = {each: compute(each, member, scores, confidence=confidence) for each in _MEASURES}
        extra = _extra(found, fitted, references, table) | {
            "attack": name,
            "parameters": repr(attack),
            "step": self.step,
            "confidence": confidence,
        }
        self._benchmark.extra_info.update(extra)
        self._note(name, found)
        return found

    def _timed(self, rounds: int | None) -> dict[str, Any]:
        """Return what runs each step, and gives its result: the one in question is timed."""

        def time(step: Any) -> Any:
            if rounds is None:
                return self._benchmark(step)
            return self._benchmark.pedantic(step, rounds=rounds)

        return {step: time if step == self.step else (lambda step: step()) for step in _STEPS}

    def _note(self, name: str, found: dict[str, Estimate]) -> None:
        """Put what was measured into the row of this test's table, which both steps share."""
        test, _, parameters = self._benchmark.name.partition("[")
        others = parameters.rstrip("]").split("-")
        if self.step in others:
            others.remove(self.step)
        label = test + (f"[{'-'.join(others)}]" if others else "")
        row = self._session.benchmarks.setdefault(f"{label} {name}", {"test": label})
        row |= {"attack": name, **found}
        stats = self._benchmark.stats
        row[self.step] = math.nan if stats is None else stats.stats.median


def _made(attack: Any) -> tuple[str, Any]:
    """Return an attack with its name, unfitted and seeded."""
    from sklearn.base import clone

    from ..attacks import all_attacks

    listed = {info.name: info for info in all_attacks()}
    if isinstance(attack, str):
        if attack not in listed:
            raise ValueError(f"Unknown attack {attack!r}; choose from {', '.join(listed)}.")
        name, attack = attack, listed[attack].make()
    else:
        own = (info.name for info in listed.values() if info.is_of(attack))
        name, attack = next(own, type(attack).__name__), clone(attack)
    if "random_state" in attack.get_params(deep=False) and attack.random_state is None:
        attack.set_params(random_state=0)
    return name, attack


def _extra(found: dict[str, Estimate], attack: Any, references: Any, table: Any) -> dict[str, Any]:
    """Return what is noted beside the times, as plain JSON values."""
    extra: dict[str, Any] = {
        "threat_model": getattr(attack, "threat_model", None),
        "n_references": _n_references(references, table),
        "n_learned_from": len(table),
        "n_members": found["auc"].n_members,
        "n_nonmembers": found["auc"].n_nonmembers,
    }
    for name, estimate in found.items():
        ends = {"": estimate.value, "_low": estimate.low, "_high": estimate.high}
        # Strict readers of JSON know no NaN: withheld.
        extra |= {f"{name}{end}": None if math.isnan(v) else float(v) for end, v in ends.items()}
    return extra


def _n_references(references: Any, table: Any) -> int | None:
    if hasattr(references, "n_models_"):
        return int(references.n_models_ - len(references.lost_))
    names = getattr(getattr(table, "index", None), "names", ())
    return int(table.index.get_level_values("model").nunique()) if "model" in names else None


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    session = config.pluginmanager.get_plugin("mia_sklearn.session")
    if session is not None and session.benchmarks:
        terminalreporter.section("attacks: strength and speed")
        for line in table_of(session.benchmarks.values()):
            terminalreporter.write_line(line)


def table_of(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the lines of a table: an attack a row, how strong it is and how long it takes."""
    lines = [("test", "attack", "AUC", "TPR at 1 %", "TPR at .1 %", "fit s", "scoring s")]
    for row in rows:
        seconds = [row.get(step, math.nan) for step in _STEPS]
        times = ["-" if math.isnan(s) else f"{s:.3g}" for s in seconds]
        lines.append((row["test"], row["attack"], *(str(row[m]) for m in _MEASURES), *times))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


@pytest.fixture(params=_STEPS)
def benchmark_attack(request: Any, benchmark: Any) -> AttackBenchmark:
    """Measure an attack: ``benchmark_attack("lira", references, observations, member)``.

    Each test that uses it runs twice, timing how the attack is fitted, and how it scores; both
    note its AUC and true-positive rates with intervals, records, references and threat model, so
    that one ``--benchmark-json`` compares attacks in speed and strength.
    """
    session = request.config.pluginmanager.get_plugin("mia_sklearn.session")
    return AttackBenchmark(request.param, benchmark, session)
