"""The small file in which a stage tells its supervisor that it lives, and what it would leave."""

from pathlib import Path

import msgspec

from streams.vitals import Producer, Vitals


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the file; the next process of the stage takes it up."""

    stage: str = ""
    beats: int = 0
    """Grows every second while the process as a whole runs."""
    starts: int = 0
    hangs: int = 0
    """How often the stage was ended because it hung."""
    member_id: str = ""
    """Who we are in the consumer group, empty if nobody."""
    producers: dict[str, Producer] = {}
    """Transactional id -> who writes under it."""


def read_pulse(path: Path) -> Pulse:
    """What the stage said last; an empty one if it never did, or the file is broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pulse)
    except (OSError, msgspec.MsgspecError):
        return Pulse()


def write_pulse(path: Path, pulse: Pulse) -> None:
    """Whole or not at all, whenever we are killed."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(pulse))
    fresh.replace(path)


class PulseWriter:
    """Writes one stage's pulse; counts on from what an earlier process of the stage has left."""

    def __init__(self, path: Path, vitals: Vitals) -> None:
        before = read_pulse(path)
        self.starts, self.hangs = before.starts + 1, before.hangs
        self._path = path
        self._vitals = vitals
        self._beats = 0

    def write(self, *, hung: bool = False) -> None:
        self._beats += 1
        vitals = self._vitals
        self.hangs += hung
        pulse = Pulse(
            stage=vitals.stage,
            beats=self._beats,
            starts=self.starts,
            hangs=self.hangs,
            member_id=vitals.member_id,
            producers=dict(vitals.producers),
        )
        write_pulse(self._path, pulse)
