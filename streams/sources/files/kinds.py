"""Columns of known traces, and what they mean; of a line a row is made."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from streams.errors import InvalidParameterError
from streams.sources.files.row import BadLine, Row
from streams.sources.files.tables import Line

MAX_TOKENS: Final = 10**9
LATEST_S: Final = 4_102_444_800.0
FIELDS: Final = ("at", "prompt_tokens", "output_tokens", "duration_s", "model", "tenant", "route")
"""What a column can be; only `at` has to be there."""
_NUMBERS: Final = frozenset({"prompt_tokens", "output_tokens", "duration_s"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Which of our fields stands in which column.

    needs: columns by which it is recognised. at_per_s: units of a number in `at` per second; 0
    leaves it to its size. empty_is_failed: no output means that the request failed.
    """

    columns: Mapping[str, str]
    needs: Collection[str] = ()
    at_per_s: float = 0.0
    empty_is_failed: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    # Azure LLM inference traces of 2023 and 2024.
    "azure": Kind(
        columns={
            "at": "TIMESTAMP",
            "prompt_tokens": "ContextTokens",
            "output_tokens": "GeneratedTokens",
        },
        needs=("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    ),
    "burstgpt": Kind(
        columns={
            "at": "Timestamp",
            "prompt_tokens": "Request tokens",
            "output_tokens": "Response tokens",
            "duration_s": "Elapsed time",  # Only the later files have it.
            "model": "Model",
            "route": "Log Type",
        },
        needs=("Timestamp", "Model", "Request tokens", "Response tokens"),
        at_per_s=1,
        empty_is_failed=True,
    ),
    "mooncake": Kind(
        columns={
            "at": "timestamp",
            "prompt_tokens": "input_length",
            "output_tokens": "output_length",
        },
        needs=("timestamp", "input_length", "output_length"),
        at_per_s=1_000,
    ),
    # What ServeGen generates; its own data are rates, from which it generates.
    "servegen": Kind(
        columns={
            "at": "timestamp",
            "prompt_tokens": "input_tokens",
            "output_tokens": "output_tokens",
        },
        needs=("timestamp", "input_tokens", "output_tokens"),
        at_per_s=1,
    ),
    "columns": Kind(columns={name: name for name in FIELDS}, needs=("at",)),
}


def recognised(columns: Collection[str]) -> str:
    """The kind whose columns are all there; raises InvalidParameterError with what there is."""
    for name, kind in KINDS.items():
        if set(kind.needs) <= set(columns):
            return name
    known = "; ".join(f"{name} ({', '.join(kind.needs)})" for name, kind in KINDS.items())
    allowed = f"of a known kind: {known}. Name yours with --columns at=COLUMN,prompt_tokens=COLUMN"
    raise InvalidParameterError("columns", ", ".join(columns), allowed)


def named(pairs: Mapping[str, str], columns: Collection[str]) -> Kind:
    """A kind of one's own: field -> column."""
    unknown = sorted(set(pairs) - set(FIELDS))
    absent = sorted(set(pairs.values()) - set(columns))
    if unknown or "at" not in pairs:
        raise InvalidParameterError("--columns", unknown or "no at", f"at and {', '.join(FIELDS)}")
    if absent:
        raise InvalidParameterError("--columns", absent, f"among those there: {', '.join(columns)}")
    return Kind(columns=pairs)


def rows(lines: Iterable[Line], kind: Kind) -> Iterator[Row | BadLine]:
    for line in lines:
        yield line if isinstance(line, BadLine) else _row(*line, kind)


def _row(line: int, values: Mapping[str, Any], kind: Kind) -> Row | BadLine:
    found: dict[str, Any] = {}
    for name, column in kind.columns.items():
        value = values.get(column)
        if value is None or value == "":
            continue
        try:
            found[name] = _read(name, value, kind)
        except (ValueError, TypeError, OverflowError) as exc:
            return BadLine(line, f"{column}: {exc}")
    if "at" not in found:
        return BadLine(line, f"{kind.columns['at']} is missing")
    failed = kind.empty_is_failed and not found.get("output_tokens")
    return Row(line=line, at_s=found.pop("at"), failed=failed, **found)


def _read(name: str, value: Any, kind: Kind) -> Any:
    if name == "at":
        # Parquet knows instants.
        text = value.isoformat() if isinstance(value, datetime) else value
        return _instant_s(text, kind.at_per_s)
    if name not in _NUMBERS:
        return str(value)
    number = float(value)
    if not 0 <= number <= MAX_TOKENS:
        raise ValueError(f"must be from 0 to {MAX_TOKENS:,}, got {value}")
    return number if name == "duration_s" else round(number)


def _instant_s(value: Any, per_s: float) -> float:
    """Seconds of a number or of an ISO 8601 text, in UTC unless it says otherwise.

    >>> _instant_s("2023-11-16 18:17:03.9799600", 0), _instant_s(1700158623979, 0)
    (1700158623.97996, 1700158623.979)
    """
    try:
        number = float(value)
        at_s = number / (per_s or _per_s(number))
    except ValueError:
        at = datetime.fromisoformat(value)
        at_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if not 0 <= at_s < LATEST_S:
        raise ValueError(f"must be an instant from 1970 to 2100, got {value}")
    return at_s


def _per_s(number: float) -> float:
    """Whether it can only be milli-, micro- or nanoseconds since the epoch."""
    return next(
        (10**power for power, least in ((9, 1e17), (6, 1e14), (3, 1e11)) if number > least), 1
    )
