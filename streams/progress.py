"""How far the inputs of a ticked stage have been consumed: kept with its state."""

import msgspec

from streams.errors import CorruptMessageError
from streams.schemas.base import Record

Source = tuple[str, int]
"""Topic and partition."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """How far a partition has been consumed: everything below ``low``, and ``done`` above it."""

    low: int
    done: tuple[int, ...] = ()


class Progress(Record, frozen=True, kw_only=True):
    """What a restart has to know of the inputs; kept with the state, in the same transaction."""

    now_us: int = 0
    """The last tick."""
    arrived_us: int = 0
    """The last tick that had arrivals; 0 for none."""
    places: dict[str, Place] = msgspec.field(default_factory=dict)
    """`topic/partition` -> place."""

    @classmethod
    def load(cls, data: bytes | None) -> "Progress":
        """Raises CorruptMessageError if ``data`` is not what ``dump`` wrote."""
        try:
            return msgspec.json.decode(data, type=cls) if data else cls()
        except msgspec.MsgspecError as exc:
            raise CorruptMessageError(f"offsets of the inputs: {exc}") from exc

    def dump(self) -> bytes:
        return msgspec.json.encode(self)

    def starts(self) -> dict[Source, int]:
        """Where to read on."""
        pairs = ((name.rpartition("/"), place) for name, place in self.places.items())
        return {(topic, int(partition)): place.low for (topic, _, partition), place in pairs}


class Consumed:
    """What an earlier run had consumed by its last tick."""

    def __init__(self, progress: Progress) -> None:
        self.until_us = progress.now_us
        self._places = {
            name: (place.low, frozenset(place.done)) for name, place in progress.places.items()
        }

    def has(self, source: Source, offset: int) -> bool:
        low, done = self._places.get(f"{source[0]}/{source[1]}", (0, frozenset()))
        return offset < low or offset in done
