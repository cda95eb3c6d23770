"""The grammar of conditions."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["OPERATORS", "RISKS", "Condition", "parse"]

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_RANGES = {
    "auc": (0.0, 1.0),
    "tpr": (0.0, 1.0),
    "advantage": (-1.0, 1.0),
    "accuracy": (0.0, 1.0),
    "epsilon": (0.0, math.inf),
    "ppv": (0.0, 1.0),
}
# Of synthetic tables, see `SyntheticReport`: what stands before the colon tells one of several
# risks of a name from the others, a secret column for example.
RISKS = ("copies", "singling_out", "linkability", "inference")
_RANGES |= dict.fromkeys(RISKS, (0.0, 1.0))
# What a metric is read at, an example of it.
_READ_AT = {
    "tpr": "the false-positive rate it is read at, such as 'tpr@0.01'",
    "ppv": "the false-positive rate it is read at and a prior, such as 'ppv@0.01,0.5'",
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<operator><=|>=|<|>)
          |(?P<mark>[:@,])
          |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
          |(?P<name>[A-Za-z_][\w.-]*))""",
    re.VERBOSE,
)
_OF_ATTACKS = ", which say what an attack finds, not how good the model is"
_HINT = "Write '[attack:]metric[@level[,prior]] operator number', for example 'auc <= 0.6'."


@dataclass(frozen=True)
class Condition:
    """A bound on one number of an audit.

    Parameters
    ----------
    metric : {"auc", "tpr", "advantage", "accuracy", "epsilon", "ppv"}
        Or, of a synthetic table, "copies", "singling_out", "linkability" or "inference".
    operator : {"<", "<=", ">", ">="}
    bound : float
    level : float, default=None
        The false-positive rate of "tpr" and "ppv".
    attack : str, default=None
        The attack meant; the audit's headline attack by default. Of risks of a synthetic table the
        kind of predicate or the secret column, all of them by default.
    prior : float, default=None
        The share of members among the candidates that "ppv" is read at.

    Examples
    --------
    >>> from mia_sklearn.conditions import Condition
    >>> print(Condition("tpr", "<=", 0.05, level=0.01, attack="lira"))
    lira:tpr@0.01 <= 0.05
    """

    metric: str
    operator: str
    bound: float
    level: float | None = None
    attack: str | None = None
    prior: float | None = None

    @property
    def measure(self) -> str:
        """The metric with its levels, as `mia_sklearn.metrics` names it."""
        levels = [f"{level:.12g}" for level in (self.level, self.prior) if level is not None]
        return f"{self.metric}@{','.join(levels)}" if levels else self.metric

    def __str__(self) -> str:
        attack = "" if self.attack is None else f"{self.attack}:"
        return f"{attack}{self.measure} {self.operator} {self.bound:.12g}"


def parse(text: str, attacks: Iterable[str] | None = None) -> Condition:
    """Read ``[attack:]metric[@level[,prior]] operator number``.

    Parameters
    ----------
    text : str
        Metrics, and the attack where `attacks` is given, in upper or lower case.
    attacks : iterable of str, default=None
        Names that the attack may have; not checked by default.

    Returns
    -------
    Condition

    Raises
    ------
    ValueError
        If the text does not follow the grammar, names an unknown metric or attack, or sets a
        bound that the metric cannot reach. The message gives the position.

    Examples
    --------
    >>> from mia_sklearn.conditions import parse
    >>> parse("lira:auc < .7")
    Condition(metric='auc', operator='<', bound=0.7, level=None, attack='lira', prior=None)
    """
    if not isinstance(text, str):
        raise TypeError(f"A condition must be a string, got {type(text).__name__}. {_HINT}")
    reader = _Reader(text)
    attack = None
    metric = reader.take("name", "the name of a metric or attack")
    if reader.next_is(":"):
        attack = metric
        metric = reader.take("name", "the name of a metric")
    metric = metric.lower()
    if metric not in _RANGES:
        raise reader.error(
            f"unknown metric {metric!r}; choose one of {', '.join(_RANGES)}{_OF_ATTACKS}"
        )
    level = prior = None
    if reader.next_is("@"):
        if metric not in _READ_AT:
            reader.take("number", "a number")
            raise reader.error(f"only {' and '.join(_READ_AT)} take a level, {metric!r} does not")
        level = reader.share("a false-positive rate", f"the level of {metric}")
        if metric == "ppv":
            if not reader.next_is(","):
                raise reader.error(f"ppv needs {_READ_AT['ppv']}")
            prior = reader.share("a prior", "the prior of ppv")
    elif metric in _READ_AT:
        raise reader.error(f"{metric} needs {_READ_AT[metric]}")
    comparison = reader.take("operator", f"one of {', '.join(OPERATORS)}")
    bound = float(reader.take("number", "a number"))
    smallest, largest = _RANGES[metric]
    if not smallest <= bound <= largest:
        span = f"between {smallest:g} and {largest:g}" if largest < math.inf else "at or above 0"
        raise reader.error(f"{metric} lies {span}, a bound of {bound:g} decides nothing")
    reader.end()
    if attack is not None and attacks is not None and metric not in RISKS:
        known = list(attacks)
        meant = [name for name in known if name == attack] or [
            name for name in known if name.lower() == attack.lower()
        ]
        if len(meant) != 1:
            raise ValueError(
                f"Condition {text!r}: the attack {attack!r} is not part of this audit; it has "
                f"{', '.join(known)}."
            )
        attack = meant[0]
    return Condition(metric, comparison, bound, level, attack, prior)


class _Reader:
    """The tokens of a condition, taken one by one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.last = 0

    def _peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self.text, self.position)

    def next_is(self, mark: str) -> bool:
        token = self._peek()
        if token is None or token.group("mark") != mark:
            return False
        self.position = token.end()
        return True

    def take(self, kind: str, expected: str) -> str:
        token = self._peek()
        if token is None or token.lastgroup != kind:
            self.last = self._start()
            raise self.error(f"expected {expected}, found {self._found()}")
        self.last, self.position = token.start(kind), token.end()
        return token.group(kind)

    def share(self, expected: str, name: str) -> float:
        number = float(self.take("number", expected))
        if not 0 < number < 1:
            raise self.error(f"{name} must lie strictly between 0 and 1")
        return number

    def end(self) -> None:
        self.last = self._start()
        if self.last < len(self.text):
            raise self.error(f"nothing may follow the number, found {self._found()}")

    def _start(self) -> int:
        rest = self.text[self.position :]
        return self.position + len(rest) - len(rest.lstrip())

    def _found(self) -> str:
        return repr(self.text[self.last :]) if self.last < len(self.text) else "the end"

    def error(self, problem: str) -> ValueError:
        return ValueError(f"Condition {self.text!r}, position {self.last + 1}: {problem}. {_HINT}")
