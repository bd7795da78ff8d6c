"""Raw topics, ours and those of others: which there are, and what decodes their messages."""

from typing import Final

import msgspec

from streams.clock import SECOND_US
from streams.decode import Decoder
from streams.errors import InvalidParameterError
from streams.frames import shape_of
from streams.maps.formats import format_of
from streams.maps.reading import MapDecoder
from streams.maps.settings import MapSettings
from streams.repeats import Repeats
from streams.settings import StreamSettings
from streams.topics import TOPICS, is_foreign

KIND_OF: Final = {"requests": "request", "engine": "engine", "gpu": "gpu"}
INPUTS: Final = (*KIND_OF, "changes")


def inputs(settings: StreamSettings) -> tuple[str, ...]:
    """All raw topics, also those of others."""
    return (*INPUTS, *dict.fromkeys(f"/{each.topic}" for each in settings.maps))


def state_partition(topic: str, partition: int, settings: StreamSettings) -> int:
    """Where in ``state.ingest`` the marks of a source are: others may have more partitions."""
    return partition % settings.topics.raw_partitions if is_foreign(topic) else partition


def maps_of(topic: str, settings: StreamSettings) -> list[MapSettings]:
    return [each for each in settings.maps if f"/{each.topic}" == topic]


def later_s(topic: str, settings: StreamSettings) -> float:
    return max((each.lateness_s for each in maps_of(topic, settings)), default=0.0)


def decoder_of(topic: str, settings: StreamSettings, repeats: Repeats) -> Decoder | MapDecoder:
    limit = settings.topics.max_message_bytes
    if maps := maps_of(topic, settings):
        lateness_s = settings.windows.lateness_s + later_s(topic, settings)
        return MapDecoder(
            format_of(maps[0], settings.receive),
            [each.mapping() for each in maps],
            max_message_bytes=limit,
            in_time_us=round(lateness_s * SECOND_US) if maps[0].late == "now" else None,
        )
    return Decoder(
        _record_of(topic),
        max_message_bytes=limit,
        repeats=repeats,
        shape=shape_of(_record_of(topic)) if topic in KIND_OF else None,
    )


def _record_of(topic: str) -> type[msgspec.Struct]:
    record = TOPICS[topic].record if topic in INPUTS else None
    if record is None:
        raise InvalidParameterError("topic", topic, f"one of {', '.join(INPUTS)}")
    return record
