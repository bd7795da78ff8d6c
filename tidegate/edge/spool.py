"""What a site has to send and what it knows, in one SQLite file: in order, durable, bounded."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from streams.stage import Out

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL; -- what was sent must not be forgotten in a power cut
CREATE TABLE IF NOT EXISTS waiting (
    position INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    shard INTEGER,
    value BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS taken (
    number INTEGER PRIMARY KEY,
    clock_us INTEGER NOT NULL,
    records BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS known (name TEXT PRIMARY KEY, value NOT NULL);
"""
_SEND: Final = "INSERT INTO waiting VALUES (?, ?, ?, ?, ?)"
_TAKE: Final = "INSERT INTO taken (clock_us, records) VALUES (?, ?)"
_KNOW: Final = "INSERT OR REPLACE INTO known VALUES (?, ?)"
Record = tuple[str, str, bytes]
"""Topic, key and value."""
MAX_BATCH_BYTES: Final = 4_000_000
MAX_BATCH: Final = 2_000


class Taken(NamedTuple):
    """A step: when it was, and what was read for it."""

    clock_us: int
    records: list[Record]


class Waiting(NamedTuple):
    """One message and its place among all that the site ever sent."""

    position: int
    out: Out


class Spool:
    """Calls may come from any thread.

    max_bytes: of what waits; beyond it the oldest goes, counted in ``dropped``.
    born: the first position if the file is new; beyond any that an older file has used.
    """

    def __init__(self, path: Path, *, max_bytes: int, born: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, check_same_thread=False)
        self._file.executescript(_SCHEMA)
        self.max_bytes = max_bytes
        self._bytes = self._size_before(2**62)
        self.next_position = self._number("next") or born
        """Of the next message that is kept."""
        self.dropped = self._number("dropped")
        """Messages that were never sent because there was no room, since the file was made."""

    def close(self) -> None:
        self._file.close()

    def keep(self, clock_us: int, records: Sequence[Out], out: Sequence[Out]) -> None:
        """A step: what was read, and the messages that came of it; on disk when this returns."""
        read = msgspec.msgpack.encode([(one.topic, one.key, one.payload or b"") for one in records])
        rows = [
            (position, one.topic, one.key, one.partition, one.payload or b"")
            for position, one in enumerate(out, self.next_position)
        ]
        with self._lock, self._file:
            self._file.execute(_TAKE, (clock_us, read))
            self._file.executemany(_SEND, rows)
            self._bytes += sum(len(row[-1]) for row in rows)
            self.next_position += len(rows)
            self._make_room()
            self._file.executemany(_KNOW, [("next", self.next_position), ("dropped", self.dropped)])

    def snapshot(self, meaning: str, state: bytes) -> None:
        """Everything known by now; what was taken before it is not needed any more."""
        with self._lock, self._file:
            self._file.execute("DELETE FROM taken")
            self._file.executemany(_KNOW, [("meaning", meaning), ("state", state)])

    def state(self, meaning: str) -> bytes | None:
        """Of the last snapshot, if it means the same."""
        with self._lock:
            found = self._known("state") if self._known("meaning") == meaning else None
        assert found is None or isinstance(found, bytes)  # noqa: S101
        return found

    def taken(self) -> list[Taken]:
        """What was read since the last snapshot, in order."""
        with self._lock:
            rows = self._file.execute("SELECT clock_us, records FROM taken ORDER BY number")
            return [Taken(clock_us, _records(data)) for clock_us, data in rows]

    def waiting(self) -> list[Waiting]:
        """The oldest that are to be sent, as many as fit into a transaction."""
        with self._lock:
            return list(self._oldest())

    def sent(self, position: int) -> None:
        """All before ``position`` have arrived."""
        with self._lock, self._file:
            self._remove_before(position)

    def _oldest(self) -> Iterator[Waiting]:
        size = 0
        rows = self._file.execute("SELECT * FROM waiting ORDER BY position LIMIT ?", (MAX_BATCH,))
        for position, topic, key, shard, value in rows:
            size += len(value)
            if size > MAX_BATCH_BYTES and size > len(value):
                return
            yield Waiting(position, Out(topic=topic, key=key, value=value, partition=shard))

    def _make_room(self) -> None:
        """Down to nine tenths: not a deletion for every message from then on."""
        if self._bytes <= self.max_bytes:
            return
        least, position = self._bytes - 0.9 * self.max_bytes, self.next_position
        for position, size in self._file.execute(  # noqa: B007 -- where it stops
            "SELECT position + 1, length(value) FROM waiting ORDER BY position"
        ):
            least -= size
            if least <= 0:
                break
        self.dropped += self._remove_before(position)

    def _remove_before(self, position: int) -> int:
        """How many those were."""
        self._bytes -= self._size_before(position)
        return self._file.execute("DELETE FROM waiting WHERE position < ?", (position,)).rowcount

    def _size_before(self, position: int) -> int:
        query = "SELECT ifnull(sum(length(value)), 0) FROM waiting WHERE position < ?"
        found: tuple[int] = self._file.execute(query, (position,)).fetchone()
        return found[0]

    def _number(self, name: str) -> int:
        found = self._known(name)
        return found if isinstance(found, int) else 0

    def _known(self, name: str) -> object:
        found: tuple[object] | None = self._file.execute(
            "SELECT value FROM known WHERE name = ?", (name,)
        ).fetchone()
        return found[0] if found else None


def _records(data: bytes) -> list[Record]:
    return msgspec.msgpack.decode(data, type=list[Record])
