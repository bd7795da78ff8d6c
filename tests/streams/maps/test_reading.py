import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import decode_block
from streams.intake import Ingest
from streams.maps.settings import MapSettings
from streams.schemas.system import DeadLetter, SourceMark
from streams.settings import StreamSettings, TopicSettings
from streams.stage import Out
from streams.windows.blocks import decode_table
from tests.streams.samples import T0, batch

FIELDS = {"at": "ts|s", "pool": "=codex", "duration_s": "ms|ms"}


def settings(*maps: dict[str, Any]) -> StreamSettings:
    return StreamSettings(
        topics=TopicSettings(shards=1, raw_partitions=4),
        maps=tuple(MapSettings.model_validate({"topic": "llm-requests"} | each) for each in maps),
    )


ONE = settings({"fields": FIELDS | {"event": "=finished"}})
TWO = settings(*({"fields": FIELDS | {"event": e}} for e in ("=arrived", "=finished")))
STATE = 5
"""A partition that our own topics do not have."""


def ingest(value: bytes, by: StreamSettings = ONE, append_us: int = T0) -> list[Out]:
    message = Message("/llm-requests", STATE, 7, append_us, None, value)
    return Ingest("/llm-requests", STATE, by).step(batch(message))


def document(**but: Any) -> bytes:
    return json.dumps({"ts": T0 / SECOND_US, "ms": 250} | but).encode()


def sums(out: list[Out]) -> dict[str, int]:
    tables = [decode_table(decode_block(o.value)) for o in out if isinstance(o.value, bytes)]
    names = ("arrived", "finished")
    return {name: sum(int(t.ints[name].sum()) for t in tables if len(t)) for name in names}


def letters(out: list[Out]) -> list[DeadLetter]:
    return [o.value for o in out if isinstance(o.value, DeadLetter)]


def test_a_message_of_others_is_summed_up_as_ours_are() -> None:
    out = ingest(document())

    assert sums(out) == {"arrived": 0, "finished": 1}
    header = decode_block(next(o.value for o in out if isinstance(o.value, bytes))).header
    assert (header.source, header.partition, header.from_offset) == ("/llm-requests", STATE, 7)
    assert {o.partition for o in out if o.topic == "state.ingest"} == {1}


def test_one_document_may_say_two_things() -> None:
    assert sums(ingest(document(), TWO)) == {"arrived": 1, "finished": 1}


@pytest.mark.parametrize("join", [b"\n", b","])
def test_a_message_may_hold_many(join: bytes) -> None:
    value = join.join([document()] * 3)

    assert sums(ingest(value if join == b"\n" else b"[" + value + b"]")) == {
        "arrived": 0,
        "finished": 3,
    }


def test_a_bad_document_is_a_dead_letter_and_its_neighbours_go_on() -> None:
    out = ingest(b"\n".join([document(), document(ms="soon", prompt="my secret"), document()]))

    (letter,) = letters(out)
    assert sums(out)["finished"] == 2
    assert (letter.topic, letter.offset, letter.line) == ("/llm-requests", 7, 1)
    assert letter.reason == "wrong_type"
    assert "secret" not in letter.head


def test_lateness_is_judged_by_the_topics_own_stamps_and_may_be_widened() -> None:
    patient = settings({"fields": FIELDS | {"event": "=finished"}, "lateness_s": 60})
    late = T0 + 30 * SECOND_US

    assert sums(ingest(document(), ONE, late))["finished"] == 0
    assert sums(ingest(document(), patient, late))["finished"] == 1


def test_maps_of_one_topic_must_agree() -> None:
    with pytest.raises(ValueError, match="maps of topic 'llm-requests' must have the same record"):
        settings({"fields": FIELDS | {"event": "=arrived"}}, {
            "record": "change", "fields": {"at": "=0", "id": "i", "kind": "=other", "summary": "s"},
        })  # fmt: skip


@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["ts", "ms", "x"]), inner),
).map(lambda value: msgspec.json.encode(value) if not _huge(value) else b"{"))  # fmt: skip
def test_any_bytes_are_records_or_dead_letters(value: bytes) -> None:
    out = ingest(value)

    quality = next(o.value.quality for o in out if isinstance(o.value, SourceMark))
    assert quality is not None
    assert quality.records == quality.accepted + quality.late + quality.far_future + quality.dead


def _huge(value: object) -> bool:
    """What msgspec does not write."""
    try:
        msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError, ValueError):
        return True
    return False
