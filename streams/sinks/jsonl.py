"""Points as JSON lines into a file, for `jq`, notebooks and whatever else reads text."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

import msgspec

from streams.errors import SinkUnavailableError
from streams.settings import SinkSettings
from streams.sinks.base import BadPoint, Point


class JsonlSink:
    """Appends one line a point; the last line of an identity is the one that holds.

    At ``max_bytes`` the file becomes ``NAME.1`` (which replaces an older one) and a new one begins.
    """

    name = "jsonl"
    batch_points = 5_000

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._opened: IO[bytes] | None = None

    @classmethod
    def from_settings(cls, settings: SinkSettings) -> Self | None:
        if not settings.jsonl_path:
            return None
        return cls(Path(settings.jsonl_path), max_bytes=settings.jsonl_max_bytes)

    def write(self, points: Sequence[Point]) -> Sequence[BadPoint]:
        lines = b"".join(msgspec.json.encode(point) + b"\n" for point in points)
        try:
            file = self._file()
            _write_all(file, lines)
            if file.tell() >= self._max_bytes:
                self.close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        except OSError as exc:
            self.close()
            raise SinkUnavailableError(self.name, 5.0, str(exc)) from exc
        return ()

    def close(self) -> None:
        if self._opened:
            file, self._opened = self._opened, None
            file.close()

    def _file(self) -> IO[bytes]:
        if not self._opened:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a buffer would bring out later what a failed write left in it.
            self._opened = self._path.open("ab+", buffering=0)
            self._end_torn_line(self._opened)
        return self._opened

    @staticmethod
    def _end_torn_line(file: IO[bytes]) -> None:
        """A process killed while it wrote leaves half a line; it must not spoil the next."""
        if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
            file.write(b"\n")


def _write_all(file: IO[bytes], data: bytes) -> None:
    written = file.write(data)
    if written != len(data):
        raise OSError(f"took {written} of {len(data)} bytes")


def read_jsonl(path: Path) -> list[Point]:
    """The points that hold, in order of time; lines torn by a crash are skipped."""
    held = {}
    for line in path.read_bytes().splitlines():
        try:
            point = msgspec.json.decode(line, type=Point)
        except msgspec.MsgspecError:
            continue
        held[point.identity] = point
    return sorted(held.values(), key=lambda point: (point.at_us, point.identity))
