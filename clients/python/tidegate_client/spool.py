"""Frames on disk: they outlive the process and are sent by the next one that uses the folder.

One folder for each process, locked while it lives; one file for each frame, whole or not there.
Not forced to the disk: a spool outlives a kill, not a power cut.
"""

from __future__ import annotations

import fcntl
import os
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Callable, Final, NamedTuple

from tidegate_client.backlog import IN_FLIGHT, Frame
from tidegate_client.fields import FIELDS
from tidegate_client.frames import is_sound
from tidegate_client.tally import Tally

_BLOCK_BYTES: Final = 4096
"""What the smallest file takes."""

Complain = Callable[[str, str], None]
"""Takes what it is about, and a sentence."""


class _File(NamedTuple):
    path: Path
    topic: str
    sequence: int
    records: int
    bytes: int

    def read(self) -> Frame:
        data = self.path.read_bytes()
        return Frame(self.topic, self.path.parent.name, self.sequence, self.records, data)


class Spool:
    """At most ``max_bytes``; when there are more, the oldest go."""

    def __init__(
        self, folder: Path, boot: str, *, max_bytes: int, tally: Tally, complain: Complain
    ) -> None:
        self._folder = folder
        self._boot = boot
        self._max_bytes = max_bytes
        self._tally = tally
        self._complain = complain
        self._bytes = 0
        self._files: OrderedDict[Path, _File] = OrderedDict()
        self._locks: dict[Path, int] = {}
        self._adopt()

    def has_room(self) -> bool:
        return True

    def put(self, frame: Frame) -> None:
        size = _on_disk(len(frame.data))
        while self._files and self._bytes + size > self._max_bytes:
            self._drop(next(iter(self._files.values())), "spool_full")
        path = self._folder / self._boot / f"{frame.sequence:016d}.{frame.topic}.{frame.records}"
        try:
            self._lock(path.parent)
            unfinished = path.with_name("unfinished")
            unfinished.write_bytes(frame.data)
            unfinished.replace(path)
        except OSError as exc:
            self._tally.drop("spool_failed", frame.records)
            self._complain("spool", f"cannot write to the spool: {exc}; such records are dropped")
            return
        self._tally.spool(frame.records)
        self._add(_File(path, frame.topic, frame.sequence, frame.records, size))

    def head(self) -> Sequence[Frame]:
        frames: list[Frame] = []
        for file in list(self._files.values())[:IN_FLIGHT]:
            frame = _sound(file)
            if frame is None:
                self._drop(file, "spool_failed")
            else:
                frames.append(frame)
        return frames

    def remove(self, frame: Frame) -> bool:
        for file in self._files.values():
            if (file.sequence, file.path.parent.name) == (frame.sequence, frame.boot):
                self._forget(file)
                return True
        return False

    def close(self) -> None:
        self._leave_if_empty(self._folder / self._boot)
        self.abandon()

    def abandon(self) -> None:
        for handle in self._locks.values():
            os.close(handle)
        self._locks.clear()
        self._files.clear()

    def _adopt(self) -> None:
        """Take over what processes that have ended left, the oldest first."""
        with suppress(OSError):
            for folder in sorted(self._folder.iterdir(), key=lambda each: each.stat().st_mtime):
                if folder.is_dir() and self._lock(folder):
                    for file in filter(None, map(_file, sorted(folder.iterdir()))):
                        self._tally.adopt(file.records)
                        self._add(file)
                    self._leave_if_empty(folder)

    def _lock(self, folder: Path) -> bool:
        """Whether the folder is ours, now or before."""
        if folder in self._locks:
            return True
        if folder.name == self._boot:
            folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._locks[folder] = handle
        return True

    def _add(self, file: _File) -> None:
        self._files[file.path] = file
        self._bytes += file.bytes

    def _drop(self, file: _File, reason: str) -> None:
        self._forget(file)
        self._tally.drop(reason, file.records)

    def _forget(self, file: _File) -> None:
        del self._files[file.path]
        self._bytes -= file.bytes
        self._tally.spool(-file.records)
        with suppress(OSError):
            file.path.unlink()
        if file.path.parent.name != self._boot:
            self._leave_if_empty(file.path.parent)

    def _leave_if_empty(self, folder: Path) -> None:
        if folder in self._locks and not any(path.parent == folder for path in self._files):
            with suppress(OSError):
                for left in folder.iterdir():
                    left.unlink()
                folder.rmdir()
            os.close(self._locks.pop(folder))


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES


def _file(path: Path) -> _File | None:
    """None for what is not a frame."""
    sequence, topic, count = (*path.name.split("."), "", "")[:3]
    if topic not in FIELDS or not (sequence.isdigit() and count.isdigit()):
        return None
    return _File(path, topic, int(sequence), int(count), _on_disk(path.stat().st_size))


def _sound(file: _File) -> Frame | None:
    """None for a file that is gone or not what was written."""
    try:
        frame = file.read()
    except OSError:
        return None
    return frame if is_sound(frame.data) else None
