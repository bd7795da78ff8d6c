"""Words of the command line that several commands take: text in, number out."""

import argparse
from datetime import UTC, datetime, timedelta


def seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 10**7:
        raise argparse.ArgumentTypeError(f"must be seconds from 0 to 10,000,000, got {text}")
    return value


def speed(text: str) -> float:
    """0 stands for as fast as it goes."""
    value = 0.0 if text == "max" else float(text)
    if not (text == "max" or 0 < value < 10**6):
        raise argparse.ArgumentTypeError(f"must be more than 0, or max, got {text}")
    return value


def instant(text: str) -> int:
    """Microseconds of an ISO 8601 time, UTC unless it says otherwise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a time such as 2026-01-31T12:00:00Z, got {text}"
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
