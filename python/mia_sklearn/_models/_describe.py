"""An estimator in one line, with all that it was given."""

from __future__ import annotations

import re
from inspect import signature
from typing import Any

from sklearn.base import BaseEstimator

from ._kinds import is_net, is_pipeline

# Nobody reads more; some objects print the records that they hold.
_MOST = 10_000


def describe(estimator: Any) -> str:
    """Return an estimator's class and parameters, from which it can be made again."""
    if is_net(estimator) and not is_pipeline(estimator):
        text = _net_with_parameters(estimator)
    else:
        # Scikit-learn leaves out the middle of what is longer than 700 letters.
        whole = isinstance(estimator, BaseEstimator)
        text = estimator.__repr__(N_CHAR_MAX=_MOST) if whole else repr(estimator)
        text = " ".join(text.split())
    # Where an object lies in memory says nothing of it.
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", text)
    return text if len(text) <= _MOST else text[: _MOST - 3] + "..."


def _net_with_parameters(net: Any) -> str:
    """Return a net's own text and its parameters: it prints its module alone."""
    usual: dict[str, Any] = {}
    for base in reversed(type(net).__mro__):
        if "__init__" in vars(base):
            usual |= {
                name: p.default for name, p in signature(vars(base)["__init__"]).parameters.items()
            }
    given = {
        name: getattr(value, "__name__", value)
        for name, value in net.get_params(deep=False).items()
        if not name.startswith(("_", "callbacks", "verbose"))
        and not (name in usual and _content(value) == _content(usual[name]))
    }
    order = ("module", "criterion", "optimizer", "lr", "max_epochs", "batch_size")
    names = [*(name for name in order if name in given), *sorted(given.keys() - {*order})]
    text = ", ".join(f"{name}={given[name]}" for name in names)
    return f"{type(net).__name__}({text})"


def _content(value: Any) -> Any:
    """Return a parameter as its type and attributes: its clone is another object."""
    return (type(value), vars(value)) if hasattr(value, "__dict__") else value
