"""What makes a decoded record unfit to be summed up, in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from streams.windows.features import FEATURES, Feature, Merge
from streams.windows.histogram import VALUE_LIMIT
from streams.windows.identity import LABELS, MAX_LABEL_CHARS
from streams.windows.spread import read_spread

INSTANT_LIMIT: Final = 2**62
"""Instants beyond, in µs, are nonsense."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a record is set aside; ``reason`` is one of ``DeadLetter.reason``."""

    reason: str
    detail: str


def describe(kind: str, record: msgspec.Struct) -> Reject:
    """The first flaw of a record that was found unfit."""
    at_us = getattr(record, "at_us")  # noqa: B009 -- every record of a series kind has it
    if not -INSTANT_LIMIT < at_us < INSTANT_LIMIT:
        return Reject("out_of_range", f"at_us is {_short(at_us)}, no instant in µs")
    return (
        _label_flaw(LABELS[kind], record)
        or _value_flaw(FEATURES[kind], record)
        or Reject("out_of_range", "a value is out of range")
    )


def _label_flaw(names: Sequence[str], record: msgspec.Struct) -> Reject | None:
    for name in names:
        label = getattr(record, name)
        if len(label) > MAX_LABEL_CHARS:
            detail = f"{name} has {len(label)} characters, allowed are {MAX_LABEL_CHARS}"
            return Reject("too_large", detail)
        if not label.isprintable():
            return Reject("wrong_type", f"{name} holds characters that cannot be printed")
    return None


def _value_flaw(features: Sequence[Feature], record: msgspec.Struct) -> Reject | None:
    for feature in features:
        value = None if feature.merge is Merge.COUNT else getattr(record, feature.source)
        if value is None:
            continue
        if isinstance(value, float) and not math.isfinite(value):
            return Reject("not_finite", f"{feature.source} is {value}")
        if abs(value) * feature.scale >= VALUE_LIMIT:
            return Reject("out_of_range", f"{feature.source} is {_short(value)}: too large")
        if value < (least := feature.range.least):
            why = f"less than {least:g}" if least else "negative"
            return Reject("out_of_range", f"{feature.source} is {_short(value)}: {why}")
    return next(filter(None, (_spread_flaw(feature, record) for feature in features)), None)


def _spread_flaw(feature: Feature, record: msgspec.Struct) -> Reject | None:
    text = getattr(record, feature.spread) if feature.spread else ""
    if not text or read_spread(text, feature.scale) is not None:
        return None
    return Reject("wrong_type", f"{feature.spread} is {text[:40]!r}, no list of value:count")


def _short(value: float) -> str:
    """Python refuses to print whole numbers of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
