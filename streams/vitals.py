"""What a stage says of its own life: written by its event loop, read by the watchdog's thread."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

BEAT_S: Final = 0.5


@dataclass(slots=True)
class Vital:
    """One thing that has to move: an owned partition, or the one task of an owned stage."""

    stirs: int = 0
    """Grows with every sign of life: a batch, a step, also an attempt that failed."""
    looks: int = 0
    """Grows whenever the broker said how far the log reaches."""
    behind: bool = False
    """At the last look there was more to read."""

    def stir(self) -> None:
        self.stirs += 1

    def look(self, *, behind: bool) -> None:
        self.behind = behind
        self.looks += 1


@dataclass(frozen=True, slots=True)
class Producer:
    """Who writes transactions under an id: no other may be ended in its name."""

    id: int
    epoch: int


class Vitals:
    """Everything about one stage's process; threads read copies of its mappings.

    ``changed`` is set when others have to know at once: what we leave open if we die now.
    """

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.beats = 0
        self.parts: dict[str, Vital] = {}
        self.member_id = ""
        self.producers: dict[str, Producer] = {}
        self.changed = threading.Event()

    async def beat(self) -> None:
        """Shows, for as long as it runs, that the event loop turns."""
        while True:
            self.beats += 1
            await asyncio.sleep(BEAT_S)

    def joined(self, member_id: str) -> None:
        """Under this name the group's coordinator counts us in."""
        if member_id != self.member_id:
            self.member_id = member_id
            self.changed.set()

    def writes(self, transactional_id: str, producer: Producer | None) -> None:
        """From now on this producer writes under the id; None: nobody here does any more."""
        if producer is None:
            self.producers.pop(transactional_id, None)
        else:
            self.producers[transactional_id] = producer
        self.changed.set()

    def copy_of_parts(self) -> Mapping[str, Vital]:
        """Safe from any thread, whatever the loop does meanwhile."""
        return {name: replace(vital) for name, vital in tuple(self.parts.items())}
