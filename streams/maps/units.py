"""A value as somebody else's document has it in, the same in the unit of our field out."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from streams.clock import SECOND_US

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANTS: Final = {"s": SECOND_US, "ms": 1_000, "us": 1}
_SPANS: Final = {"min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SIZES: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_SHARES: Final = {"ratio": 1.0, "%": 0.01}


def units_of(field: str) -> tuple[str, ...]:
    """Which units an expression for this field of ours may name; the first is meant if none is.

    >>> units_of("duration_s")
    ('s', 'min', 'ms', 'us', 'ns')
    """
    if field == "at_us":
        return (*_INSTANTS, "ns", "iso")
    return (
        ("s", *(unit for unit in _scales(field) if unit != "s"))
        if field.endswith("_s")
        else (tuple(_scales(field)))
    )


def reader(field: str, unit: str) -> Callable[[object], object]:
    """Turns a value of that unit into ours; raises ValueError that says what is allowed.

    >>> reader("duration_s", "ms")(250)
    0.25
    >>> reader("at_us", "iso")("1970-01-01T00:00:01Z")
    1000000
    """
    if field == "at_us":
        return _instant(unit)
    scale = _scales(field).get(unit, 1.0)
    return lambda value: number(value) * scale if scale != 1 else number(value)


def number(value: object) -> float:
    """A finite number, also from text; true and false are 1 and 0."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, str):
        try:
            value = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            raise ValueError("a number") from None
    if not isinstance(value, int | float):
        raise ValueError("a number")  # noqa: TRY004  -- it is the data that is wrong
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a finite number")
    return value


def whole(value: object) -> int:
    found = number(value)
    if found != int(found):
        raise ValueError("a whole number")
    return int(found)


def text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("a text or a number")


def _scales(field: str) -> Mapping[str, float]:
    for ending, scales in (("_s", _SPANS), ("_bytes", _SIZES), ("_ratio", _SHARES)):
        if field.endswith(ending):
            return scales
    return {}


def _instant(unit: str) -> Callable[[object], int]:
    if unit == "iso":
        return _iso
    if unit == "ns":
        return lambda value: int(number(value) // 1_000)
    scale = _INSTANTS[unit]
    return lambda value: (
        _iso(value) if isinstance(value, datetime) else round(number(value) * scale)
    )


def _iso(value: object) -> int:
    """UTC unless it says otherwise; Avro has instants of its own, in any unit."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        at = None
    if not isinstance(at, datetime):
        raise ValueError("a time such as 2026-01-31T12:00:00Z")  # noqa: TRY004  -- as above
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)
