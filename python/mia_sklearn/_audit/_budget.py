"""A budget of time: how many references and which attacks an audit takes.

What is chosen depends on the clock, and nothing else does: an audit that is asked for the same
numbers gives the same report. So both come from a short list.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from math import ceil, isfinite
from numbers import Real
from typing import TYPE_CHECKING, Any

from joblib import effective_n_jobs

from .._models._backend import backend_of
from .._process._engine import away, cluster
from .._process._parallel import at_most
from .._process._progress import foretell
from ..attacks._registry import headline_of
from ..references._sampling import shape_of_block
from ..report._time_budget import seconds_in_words
from ._cascade import N_SECOND, stages_of
from ._costs import Costs
from ._options import check_references_suffice
from ._people import of_single_records
from ._triage import N_REFERENCES, seconds_of_training

if TYPE_CHECKING:
    from ._run import Asked, Planned

__all__ = ["MOST_REFERENCES", "TimeBudget", "begun", "check_time_budget"]

_LOG = logging.getLogger(__name__)

_LADDER = (4, 8, 16, 32, 64)
MOST_REFERENCES = _LADDER[-1]
# What is estimated takes longer beside other work.
_MARGIN = 1.2
# The clock is looked at so often, in shares of the budget.
_SHARE = 0.1
# So many small networks train as one in about the time of one.
_AS_ONE = 4

_now = time.perf_counter


def begun() -> float:
    """Return when an audit begins, for its `TimeBudget`."""
    return _now()


def check_time_budget(seconds: Any, n_references: int) -> None:
    """Raise unless there is a time, and something to choose.

    Parameters
    ----------
    seconds : float or None
    n_references : int
    """
    if seconds is None:
        return
    is_number = isinstance(seconds, Real) and not isinstance(seconds, bool)
    if not (is_number and isfinite(seconds) and seconds > 0):
        raise ValueError(
            f"time_budget must be None, or a number of seconds above 0, got {seconds!r}."
        )
    if not n_references:
        raise ValueError(
            "time_budget chooses how many reference models are trained, and this audit trains none "
            "(quick=True, n_references=0, or answers of a discriminator): leave time_budget out."
        )


class TimeBudget:
    """Says how many references to train, and which attacks to run, in a time that runs already.

    Parameters
    ----------
    run : Planned
        What is to be done, with the strongest attacks.
    seconds : float
    most : int
        References.
    start : float
        When the audit has `begun`.
    asked : object
        The attacks as they were asked for: of "auto" alone some may be left out.
    n_jobs : int or None
        As in `ReferenceModels`.

    Attributes
    ----------
    rungs : list of int
        Numbers of references, from the least that suffices to the most.
    sets : list of list of str
        Attacks, the strongest set first.
    aim : int
        References that will be trained, as far as is known.
    """

    def __init__(
        self,
        run: Planned,
        seconds: float,
        most: int,
        *,
        start: float,
        asked: Any,
        n_jobs: int | None,
    ) -> None:
        self.seconds, self._run, self._start = float(seconds), run, start
        quick = [name for name in run.attacks if of_single_records(run.attacks[name]).is_quick]
        self.sets = [list(run.attacks)]
        self._may_choose = isinstance(asked, str) and asked == "auto"
        if self._may_choose and 0 < len(quick) < len(run.attacks):
            self.sets.append(quick)
        self.rungs = _rungs(run, most)
        self.aim = self.rungs[0]
        with away():
            self._at_once = effective_n_jobs(at_most(n_jobs, most))
            # The clock is looked at where a table need not be sent anew, nor networks parted.
            self._by_rungs = bool(cluster())
        if backend_of(run.trainable) is not None:
            self._at_once, self._by_rungs = _AS_ONE, True
        # Of so many references at a time, as the last ones took.
        self._round: float | None = None
        self._costs = Costs(run)
        self._since = start
        # Whether there seemed to be time enough, once.
        self._begun = False
        self._check_own_training()

    def next(self, n: int, n_trained: int) -> int:
        """Return how many references to have next; no more than there are ends it."""
        is_first = n_trained > 0 and self._round is None
        if n_trained:
            self._round = (_now() - self._since) / ceil(n_trained / self._at_once)
        if n == 0:
            if not self._fits(0, 0, self.sets[-1]):
                raise ValueError(self._too_little())
            upto = 1
        elif self._round is None and n < self.rungs[-1]:
            # Kept from an earlier run, they say nothing of what others will take.
            upto = n + 1
        else:
            rung, attacks = self._choice(n)
            if is_first:
                self._foretell(rung, attacks)
            self.aim = rung
            upto = self._step(n, rung)
        self._since = _now()
        return upto

    def settled(self, run: Asked) -> Asked:
        """Return what was asked, with the attacks for which there is time left."""
        assert run.references is not None
        n = run.references.n_models_
        left = (names for names in self.sets if self._fits(n, n, names, margin=1.0))
        chosen = next(left, self.sets[-1])
        self._chosen = n, chosen
        self.left_out = [name for name in run.attacks if name not in chosen]
        _LOG.info("time_budget=%g: %d references; attacks: %s", self.seconds, n, ", ".join(chosen))
        if len(chosen) == len(run.attacks):
            return run
        foretell(f"What is left of the time budget is enough for {_listed(chosen)}.")
        attacks = {name: run.attacks[name] for name in chosen}
        return replace(run, attacks=attacks, headline=headline_of(attacks))

    def told(self) -> dict[str, Any]:
        """Return what was chosen, what of it is less than usual, and the time that would do.

        For the audit as it is without a budget: with the usual number of references.
        """
        n, attacks = self._chosen
        most = _whole_blocks(self._run, N_REFERENCES)
        usual = max((rung for rung in self.rungs if rung <= most), default=self.rungs[0])
        lowered = ["n_references"] * (n < usual) + ["attacks"] * (attacks != self.sets[0])
        told: dict[str, Any] = {"seconds": self.seconds, "n_references": n, "lowered": lowered}
        if self._may_choose:
            told["attacks"] = attacks
        if lowered:
            told["usual"] = {"n_references": usual, "attacks": self.sets[0]}
            if self._round is not None:
                needed = _MARGIN * self._needed(0, usual, self.sets[0])
                told["usual"]["seconds"] = round(needed, 1)
        return told

    def _choice(self, n: int) -> tuple[int, list[str]]:
        """Return the strongest of what there is time for: attacks first, then references."""
        for attacks in self.sets:
            for rung in reversed(self.rungs):
                if self._fits(n, rung, attacks):
                    self._begun = True
                    return rung, attacks
        if not self._begun and n < self.rungs[0]:
            raise ValueError(self._too_little())
        # What was begun is brought to an end.
        return max((rung for rung in self.rungs if rung <= n), default=self.rungs[0]), self.sets[-1]

    def _step(self, n: int, rung: int) -> int:
        """Return how many references to have before the clock is looked at again."""
        if rung <= n:
            return rung
        if self._by_rungs:
            return min(each for each in self.rungs if each > n)
        assert self._round is not None
        rounds = max(1, int(_SHARE * self.seconds / max(self._round, 1e-6)))
        # No leap on the word of a few that happened to be quick.
        return min(rung, n + rounds * self._at_once, max(n + self._at_once, 2 * n))

    def _fits(self, n: int, rung: int, attacks: list[str], margin: float = _MARGIN) -> bool:
        needed = self._needed(n, rung, attacks)
        return _now() - self._start + margin * needed <= self.seconds

    def _needed(self, n: int, rung: int, attacks: list[str]) -> float:
        """Return how many seconds are needed from `n` references on."""
        run = {name: self._run.attacks[name] for name in attacks}
        rounds = ceil(max(0, rung - n) / self._at_once)
        rounds += len(stages_of(run)) * ceil(N_SECOND / self._at_once)
        return rounds * (self._round or 0.0) + self._costs.seconds(run, max(rung, self.rungs[0]))

    def _too_little(self) -> str:
        """Say that the time is too short, and what would do."""
        least, attacks = self.rungs[0], self.sets[-1]
        spent = _now() - self._start
        enough = spent + _MARGIN * self._needed(int(self._round is not None), least, attacks)
        if self._round is None:
            why = f"attacks and controls alone take {seconds_in_words(enough)}, without references."
            enough = 0.0
        else:
            why = (
                f"the first reference model took {seconds_in_words(self._round)}, and an audit "
                f"needs {least} at least, {self._at_once} of them at a time, beside "
                f"{_listed(attacks)}. With a cache= it is kept, and not trained again."
            )
        return _refusal(self.seconds, why, enough)

    def _check_own_training(self) -> None:
        """Raise where the model itself says that it took longer to train."""
        own = seconds_of_training(self._run.target)
        if own is not None and own > self.seconds:
            why = f"training the model itself took {seconds_in_words(own)}, as it says."
            rounds = ceil(self.rungs[0] / self._at_once)
            raise ValueError(_refusal(self.seconds, why, _MARGIN * rounds * own))

    def _foretell(self, rung: int, attacks: list[str]) -> None:
        assert self._round is not None
        text = (
            f"One reference took {seconds_in_words(self._round)}: the time budget of "
            f"{seconds_in_words(self.seconds)} is enough for {rung}, and for {_listed(attacks)}."
        )
        foretell(text)
        _LOG.info("%s", text)


def _rungs(run: Planned, most: int) -> list[int]:
    """Return the numbers of references to choose from, whole blocks that suffice."""
    most = _whole_blocks(run, most)
    counts = sorted({most, *(min(most, _whole_blocks(run, n)) for n in _LADDER)})
    return [n for n in counts if n == most or _suffices(run, n)]


def _suffices(run: Planned, n: int) -> bool:
    try:
        check_references_suffice(run, n)
    except ValueError:
        return False
    return True


def _whole_blocks(run: Planned, n: int) -> int:
    size, _ = shape_of_block(len(run.plan.audited), run.plan.n_trained - len(run.plan.core))
    return max(2, ceil(n / size)) * size


def _refusal(seconds: float, why: str, enough: float) -> str:
    larger = f"Give time_budget={ceil(enough)}" if enough else "Give more"
    return (
        f"time_budget={seconds:g} is too short: {why} {larger}, a smaller max_records, or more "
        "n_jobs; quick=True trains no reference."
    )


def _listed(attacks: list[str]) -> str:
    return f"the attack{'s' * (len(attacks) > 1)} {', '.join(attacks)}"
