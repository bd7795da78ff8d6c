"""What went in, what came out, and what should have: the difference as one sentence."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from streams.batch import Message
from streams.codec import decode_frame, decode_record, is_frame
from streams.decode import json_lines
from streams.errors import CorruptMessageError
from streams.schemas.system import Quality, SourceMark
from tidegate.replay.lines import Line

ONE_EACH: Final = ("arrived", "finished", "up.n", "temperature_c.n")
"""Every record of the traffic counts in just one of these columns."""
TELEMETRY: Final = ("requests", "engine", "gpu")

Facts = Mapping[tuple[int, str, str], Sequence[Mapping[str, Any]]]


def difference(expected: Iterable[Line], got: Iterable[Line]) -> str:
    """The first one, by time; empty if there is none."""
    wanted, found = _by_key(expected), _by_key(got)
    for key in sorted(wanted.keys() | found.keys()):
        for one, other in zip_longest(wanted.get(key, ()), found.get(key, ())):
            if one != other:
                known_us, topic, name = key
                return f"{topic} {name} known at {known_us}: {_sentence(one, other)}"
    return ""


def _by_key(lines: Iterable[Line]) -> Facts:
    facts: defaultdict[tuple[int, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        facts[line[:3]].append(line.fact)
    return facts


def _sentence(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    if one is None or other is None:
        return f"expected {_brief(one)}, got {_brief(other)}"
    before, now = dict(_leaves(one)), dict(_leaves(other))
    name = min(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return f"{name} expected {_brief(before.get(name))}, got {_brief(now.get(name))}"


def _brief(fact: object) -> str:
    return "nothing" if fact is None else str(fact)[:300]


def _leaves(fact: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fact.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def imbalance(raw: Iterable[Message], lines: Iterable[Line], told: Sequence[Message]) -> str:
    """Records in = in windows + late + dead letters; empty if so.

    told: all messages of `quality`, `dead-letters` and `state.ingest`.
    """
    records, late = came(raw), late_among(told)
    inside = sum(
        line.fact["columns"].get(name, 0)
        for line in lines
        if line.topic == "windows"
        for name in ONE_EACH
    )
    letters = sum(one.topic == "dead-letters" and _of_telemetry(one) for one in told)
    if records == inside + late + letters:
        return ""
    return f"{records} records came; {inside} in windows + {late} late + {letters} dead letters"


def late_among(told: Iterable[Message]) -> int:
    """Records of telemetry that INGEST has counted as late, published or not."""
    late = 0
    pending: dict[bytes, int] = {}
    for message in filter(_of_telemetry, told):
        key, value = message.key or b"", message.value or b""
        if message.topic == "quality":
            late += decode_record(value, Quality).late
        elif message.topic == "state.ingest" and key.count(b"/") == 1:
            counted = decode_record(value, SourceMark).quality
            pending[key] = counted.late if counted else 0
    return late + sum(pending.values())


def _of_telemetry(message: Message) -> bool:
    return (message.key or b"").startswith(tuple(name.encode() for name in TELEMETRY))


def came(raw: Iterable[Message]) -> int:
    """Records of telemetry in these messages; those of a repeated frame count once."""
    seen: Counter[tuple[int, str, int]] = Counter()
    count = 0
    for message in raw:
        if message.topic not in TELEMETRY:
            continue
        value = message.value or b""
        if not is_frame(value):
            count += len(json_lines(value) or (value,))
            continue
        try:
            header, lines = decode_frame(value)
        except CorruptMessageError:
            count += 1
            continue
        key = (message.partition, header.producer, header.sequence)
        count += 0 if seen[key] else len(lines)
        seen[key] += 1
    return count
