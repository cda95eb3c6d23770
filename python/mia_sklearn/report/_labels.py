"""Labels of records that JSON has no words for: times, tuples, and others, beside their type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["decode_label", "encode_label"]


def encode_label(value: Any, encode: Callable[[Any], Any]) -> Any:
    """Turn a label into JSON from which `decode_label` makes an equal one.

    Parameters
    ----------
    value : object
    encode : callable
        Encodes what needs no type beside it.
    """
    import pandas as pd

    if isinstance(value, tuple):
        parts = [encode_label(part, encode) for part in value]
        return {"": "tuple", "value": parts}
    if isinstance(value, pd.Interval):
        ends = [encode_label(end, encode) for end in (value.left, value.right)]
        return {"": "interval", "value": ends, "closed": value.closed}
    if isinstance(value, datetime) and value is not pd.NaT:
        zone = None if value.tzinfo is None else str(value.tzinfo)
        return {"": "time", "value": pd.Timestamp(value).isoformat(), "zone": zone}
    if isinstance(value, pd.Period):
        return {"": "period", "value": str(value), "frequency": value.freqstr}
    for kind, (types, to_text, _) in _plain_kinds().items():
        if isinstance(value, types):
            return {"": kind, "value": to_text(value)}
    return encode(value)


def decode_label(value: dict[str, Any], decode: Callable[[Any], Any]) -> Any:
    """Return the label that `encode_label` wrote with its type."""
    import pandas as pd

    kind, content = value[""], value["value"]
    if kind == "tuple":
        return tuple(decode(part) for part in content)
    if kind == "interval":
        left, right = map(decode, content)
        return pd.Interval(left, right, closed=value["closed"])
    if kind == "time":
        found, zone = pd.Timestamp(content), value["zone"]
        # An offset alone is in the text already.
        return found.tz_convert(zone) if zone and "/" in zone else found
    if kind == "period":
        return pd.Period(content, freq=value["frequency"])
    return _plain_kinds()[kind][2](content)


def _plain_kinds() -> dict[str, tuple[Any, Callable[[Any], str], Callable[[str], Any]]]:
    """Return the types whose text says all, with how to write and read it; in this order."""
    import pandas as pd

    return {
        "no time": (type(pd.NaT), str, lambda _: pd.NaT),
        "duration": (timedelta, lambda value: pd.Timedelta(value).isoformat(), pd.Timedelta),
        "date": (date, date.isoformat, date.fromisoformat),
        "uuid": (UUID, str, UUID),
        "decimal": (Decimal, str, Decimal),
        "bytes": (bytes, bytes.hex, bytes.fromhex),
    }
