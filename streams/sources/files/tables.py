"""A file in; the names of its columns and its lines, one at a time, out."""

import csv
import gzip
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from streams.errors import InvalidParameterError
from streams.sources.files.row import BadLine

Line = tuple[int, Mapping[str, Any]] | BadLine

MAX_LINE_CHARS: Final = 1024 * 1024
"""Longer lines are bad ones, and are not held in memory."""
PARQUET_ROWS: Final = 10_000
_SEPARATORS: Final = ",;\t|"


@dataclass(frozen=True, slots=True)
class Table:
    """``lines`` can be read once."""

    columns: Sequence[str]
    lines: Iterator[Line]


def open_table(path: Path) -> Table:
    """CSV with a header, JSON lines or Parquet, by the name's ending; the former also as `.gz`.

    Raises InvalidParameterError for what is no such file.
    """
    ending = "".join(path.suffixes[-2:]).lower().removesuffix(".gz").rpartition(".")[2]
    reader = _READERS.get(ending)
    if reader is None:
        allowed = f"a file that ends with one of .{', .'.join(_READERS)}"
        raise InvalidParameterError("FILE", path.name, allowed)
    try:
        return reader(path)
    except OSError as exc:
        raise InvalidParameterError("FILE", str(path), f"readable ({exc.strerror})") from exc


def _csv(path: Path) -> Table:
    lines = _text_lines(path)
    header = next(lines, "")
    separator = max(_SEPARATORS, key=header.count)
    columns = next(csv.reader([header], delimiter=separator), [])
    return Table([name.strip() for name in columns], _csv_lines(lines, columns, separator))


def _csv_lines(lines: Iterator[str], columns: Sequence[str], separator: str) -> Iterator[Line]:
    names = [name.strip() for name in columns]
    reader = csv.reader(lines, delimiter=separator)
    while True:
        try:
            found = next(reader, None)
        except csv.Error as exc:
            yield BadLine(reader.line_num + 1, str(exc))
            continue
        line = reader.line_num + 1
        if found is None:
            return
        if len(found) == len(names):
            yield line, dict(zip(names, found, strict=True))
        elif found:
            yield BadLine(line, f"{len(found)} fields, the header has {len(names)}")


def _json_lines(path: Path) -> Table:
    decode = msgspec.json.Decoder(dict[str, Any]).decode

    def lines() -> Iterator[Line]:
        for number, text in enumerate(_text_lines(path), 1):
            if text.strip():
                try:
                    yield number, decode(text)
                except msgspec.MsgspecError as exc:
                    yield BadLine(number, f"no JSON object ({exc})")

    first = next((line for line in lines() if not isinstance(line, BadLine)), None)
    return Table(list(first[1]) if first else [], lines())


def _parquet(path: Path) -> Table:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as exc:
        needed = "read with pyarrow: pip install tidegate[parquet]"
        raise InvalidParameterError("a Parquet file", path.name, needed) from exc
    try:
        file = parquet.ParquetFile(path)
    except ValueError as exc:  # What pyarrow raises is one.
        raise InvalidParameterError("FILE", path.name, f"Parquet ({exc})") from exc
    rows = (row for batch in file.iter_batches(PARQUET_ROWS) for row in batch.to_pylist())
    return Table(list(file.schema_arrow.names), iter(enumerate(rows, 1)))


def _text_lines(path: Path) -> Iterator[str]:
    """With their ends; of a line that is too long only the beginning, so that it will be bad."""
    with _opened(path) as file:
        while line := file.readline(MAX_LINE_CHARS):
            yield line
            while line and not line.endswith("\n"):
                line = file.readline(MAX_LINE_CHARS)


def _opened(path: Path) -> AbstractContextManager[IO[str]]:
    # Some tools begin a file with a byte order mark.
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


_READERS: Final = {
    "csv": _csv,
    "tsv": _csv,
    "jsonl": _json_lines,
    "ndjson": _json_lines,
    "parquet": _parquet,
}
