"""Points into one SQLite file: the store of a machine that has nothing else."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec

from streams.clock import SECOND_US
from streams.errors import SinkUnavailableError
from streams.settings import SinkSettings
from streams.sinks.base import BadPoint, FieldValue, Point

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    measurement TEXT NOT NULL,
    tags TEXT NOT NULL,
    UNIQUE (measurement, tags)
);
CREATE TABLE IF NOT EXISTS points (
    series INTEGER NOT NULL REFERENCES series (id),
    at_us INTEGER NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (series, at_us)
);
CREATE INDEX IF NOT EXISTS points_by_time ON points (at_us);
DELETE FROM series WHERE id NOT IN (SELECT series FROM points);
"""
_NAME: Final = "INSERT OR IGNORE INTO series (measurement, tags) VALUES (?, ?)"
_UPSERT: Final = (
    "INSERT OR REPLACE INTO points SELECT id, ?, ? FROM series WHERE measurement = ? AND tags = ?"
)
_READ: Final = (
    "SELECT tags, at_us, fields FROM points JOIN series ON series.id = points.series"
    " WHERE measurement = ? AND at_us >= ? AND at_us < ? ORDER BY at_us, tags"
)
_MAKE_ROOM: Final = (
    "DELETE FROM points WHERE at_us <= (SELECT at_us FROM points ORDER BY at_us"
    " LIMIT 1 OFFSET (SELECT CAST(count(*) * ? AS INTEGER) FROM points))"
)
_RETRY_AFTER_S: Final = 5.0


class EmbeddedSink:
    """Keeps the newest ``retention_s`` of event time, and at most ``max_bytes`` on disk.

    When the size is reached, the oldest go until a tenth of it is free. A crash of the process
    loses nothing written; a power cut may lose the last moments (WAL, synchronous NORMAL).
    """

    name = "embedded"
    batch_points = 5_000

    def __init__(self, path: Path, *, retention_s: float, max_bytes: int) -> None:
        self._path = path
        self._retention_us = round(retention_s * SECOND_US)
        self._max_bytes = max_bytes
        self._opened: sqlite3.Connection | None = None
        self._newest_us = 0

    @classmethod
    def from_settings(cls, settings: SinkSettings) -> Self | None:
        if not settings.embedded_path:
            return None
        return cls(
            Path(settings.embedded_path),
            retention_s=settings.embedded_retention_s,
            max_bytes=settings.embedded_max_bytes,
        )

    def write(self, points: Sequence[Point]) -> Sequence[BadPoint]:
        try:
            with self._connection() as transaction:
                named = [(point.measurement, _tags(point)) for point in points]
                transaction.executemany(_NAME, set(named))
                transaction.executemany(
                    _UPSERT,
                    (
                        (point.at_us, msgspec.json.encode(point.fields), *name)
                        for point, name in zip(points, named, strict=True)
                    ),
                )
            self._newest_us = max([self._newest_us, *(point.at_us for point in points)])
            self._prune()
        except (sqlite3.Error, OSError) as exc:
            self.close()
            raise SinkUnavailableError(self.name, _RETRY_AFTER_S, str(exc)) from exc
        return ()

    def read(
        self, measurement: str, *, since_us: int = 0, until_us: int = 2**62
    ) -> Iterator[Point]:
        """Points of ``[since_us, until_us)`` in order of time; for views and tests."""
        found = self._connection().execute(_READ, (measurement, since_us, until_us))
        for tags, at_us, fields in found:
            yield Point(
                measurement=measurement,
                at_us=at_us,
                tags=dict(json.loads(tags)),
                fields=msgspec.json.decode(fields, type=dict[str, FieldValue]),
            )

    def close(self) -> None:
        if self._opened:
            self._opened.close()
            self._opened = None

    def _connection(self) -> sqlite3.Connection:
        if not self._opened:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # One thread at a time uses it (base.py), but not always the same one.
            self._opened = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
            self._opened.executescript(
                f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_SCHEMA}"
            )
        return self._opened

    def _prune(self) -> None:
        with self._connection() as transaction:
            oldest_kept = self._newest_us - self._retention_us
            transaction.execute("DELETE FROM points WHERE at_us < ?", (oldest_kept,))
            used = self._used_bytes(transaction)
            if used > self._max_bytes:
                transaction.execute(_MAKE_ROOM, (1 - 0.9 * self._max_bytes / used,))

    @staticmethod
    def _used_bytes(connection: sqlite3.Connection) -> int:
        """Pages in use: SQLite reuses free ones, the file itself does not shrink."""
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size


def _tags(point: Point) -> str:
    return json.dumps(sorted(point.tags.items()), separators=(",", ":"), ensure_ascii=False)
