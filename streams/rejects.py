"""Errors of decoding in, reasons in words out."""

import json
from typing import Final

import msgspec

from streams.windows.check import Reject

MAX_DETAIL_CHARS: Final = 300


def reject_of(error: Exception, raw: bytes) -> Reject:
    """Why a record could not be decoded."""
    detail = shortened(str(error))
    if isinstance(error, RecursionError):
        return Reject("too_deep", "nested too deeply")
    if not isinstance(error, msgspec.ValidationError):
        return _not_json(raw, detail)
    if detail.startswith("Object missing required field"):
        return Reject("missing_field", detail)
    if detail.startswith("Invalid enum value"):
        return Reject("unknown_kind", detail)
    if "out of range" in detail:
        return Reject("out_of_range", detail)
    return Reject("wrong_type", detail)


def _not_json(raw: bytes, detail: str) -> Reject:
    """NaN and infinities are not JSON, but deserve a name of their own."""
    found: list[str] = []
    if b"NaN" in raw or b"Infinity" in raw:
        try:
            json.loads(raw, parse_constant=found.append)
        except (ValueError, RecursionError):
            found.clear()
    if found:
        return Reject("not_finite", f"{found[0]} is no number in JSON")
    return Reject("not_json", detail if raw else "the message is empty")


def shortened(text: str) -> str:
    """What foreign bytes brought about, fit to be shown."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable if len(printable) <= MAX_DETAIL_CHARS else printable[:MAX_DETAIL_CHARS] + "…"
