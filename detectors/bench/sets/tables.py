"""Columns of a CSV file of one series."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detectors.banks.base import Floats


def columns(path: Path, *names: str) -> list[list[str]]:
    """A list of texts for each name; a KeyError names a column that is not there."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError("there must be rows below the line of names, got none")
    return [[row[name] or "" for row in rows] for name in names]


def numbers(texts: Sequence[str]) -> Floats:
    """float64[rows, 1]; NaN where there is nothing, or something without end."""
    values = np.array([float(text or "nan") for text in texts])[:, None]
    return np.where(np.isfinite(values), values, np.nan)


def instants(texts: Sequence[str]) -> Floats:
    """Seconds since 1970; UTC where no zone is given."""
    return np.array([instant(text) for text in texts])


def instant(text: str) -> float:
    """Seconds since 1970 of an ISO time, with its date in dashes or slashes.

    >>> instant("1970-01-02 00:00:00"), instant("1970/01/01 01:00:00+01:00")
    (86400.0, 0.0)
    """
    at = datetime.fromisoformat(text.strip().replace("/", "-"))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
