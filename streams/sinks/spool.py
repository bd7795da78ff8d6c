"""Points that wait for their sink, in order, on disk or in memory."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from streams.sinks.base import Point


class Spool:
    """A queue of points in SQLite; with a path it survives the process.

    The bound is whoever fills it: ``delivery.py`` asks ``len`` first.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
        self._lock = threading.Lock()
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE IF NOT EXISTS spool (seq INTEGER PRIMARY KEY, point BLOB NOT NULL);"
        )
        self._count = int(self._db.execute("SELECT count(*) FROM spool").fetchone()[0])

    def __len__(self) -> int:
        return self._count

    def put(self, points: Sequence[Point]) -> None:
        rows = [(msgspec.json.encode(point),) for point in points]
        with self._lock, self._db:
            self._db.executemany("INSERT INTO spool (point) VALUES (?)", rows)
            self._count += len(rows)

    def head(self, count: int) -> list[Point]:
        """The oldest ``count`` points; they stay until ``drop``."""
        with self._lock:
            found = self._db.execute(
                "SELECT point FROM spool ORDER BY seq LIMIT ?", (count,)
            ).fetchall()
        return [msgspec.json.decode(data, type=Point) for (data,) in found]

    def drop(self, count: int) -> None:
        """Forget the oldest ``count`` points: they have been written."""
        with self._lock, self._db:
            gone = self._db.execute(
                "DELETE FROM spool WHERE seq IN (SELECT seq FROM spool ORDER BY seq LIMIT ?)",
                (count,),
            ).rowcount
            self._count -= gone

    def close(self) -> None:
        self._db.close()
