"""What the client makes, the server reads: every topic, every version of a frame."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegate_client import fields
from tidegate_client.crc32c import crc32c, slow_crc32c
from tidegate_client.errors import UnfitRecordError
from tidegate_client.fields import FIELDS, REQUIRED, Field
from tidegate_client.frames import Identity, encode, is_sound
from tidegate_client.records import row_of

from streams.schemas import vocabulary
from tests.clients.world import RECORDS, decoded

WHO = Identity("host-7", "b00t")
TEXTS = st.text(max_size=20) | st.sampled_from(["a", "é", "\n", "\ud7ff"])
SORTS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "whole": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    "attributes": st.dictionaries(TEXTS, TEXTS, max_size=3),
}


def values_of(field: Field) -> st.SearchStrategy[Any]:
    if field.choices:
        return st.sampled_from(field.choices)
    return SORTS[field.sort] | (st.just(None) if field.default is None else st.nothing())


def records_of(topic: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    needed = {f.name: values_of(f) for f in FIELDS[topic] if f.default is REQUIRED}
    other = {f.name: values_of(f) for f in FIELDS[topic] if f.default is not REQUIRED}
    return st.lists(st.fixed_dictionaries(needed, optional=other), min_size=1, max_size=5)


@pytest.mark.parametrize("topic", FIELDS)
@given(data=st.data())
def test_the_server_reads_what_the_client_wrote(topic: str, data: st.DataObject) -> None:
    records = data.draw(records_of(topic))
    frame = encode(topic, [row_of(topic, record) for record in records], WHO, 7)

    header, read = decoded(topic, frame)

    assert (header.producer, header.boot, header.sequence) == ("host-7", "b00t", 7)
    assert header.count == len(records)
    assert is_sound(frame)
    defaults = {f.name: f.default for f in FIELDS[topic] if f.default is not REQUIRED}
    for record, found in zip(records, read, strict=True):
        assert found == {**defaults, **record}


def test_changes_are_lines_and_all_else_is_columns() -> None:
    least = {"kind": "arrived", "at_us": 1, "pool": "p"}
    change = {"id": "1", "at_us": 1, "kind": "deployed", "summary": "v2"}
    frames = [encode(t, [row_of(t, r)], WHO, 1) for t, r in
              (("requests", least), ("changes", change))]  # fmt: skip
    assert [frame[4] for frame in frames] == [2, 1]


@pytest.mark.parametrize("topic", FIELDS)
def test_no_field_is_missing_or_in_another_place(topic: str) -> None:
    assert [field.name for field in FIELDS[topic]] == list(RECORDS[topic].__struct_fields__)


def test_the_vocabulary_is_that_of_the_server() -> None:
    found = Path(fields.__file__).read_text()
    assert found == vocabulary.module(), "make docs writes it anew"


@given(st.binary(max_size=300))
def test_checksums_do_not_depend_on_a_package(data: bytes) -> None:
    assert slow_crc32c(data) == crc32c(data)


def test_the_checksum_is_castagnoli() -> None:
    assert slow_crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    ("topic", "record", "flaw"),
    [
        pytest.param("requests", {"kind": "arrived", "at_us": 1}, "needs 'pool'", id="missing"),
        pytest.param("requests", {"colour": 1}, "has no field 'colour'", id="unknown"),
        pytest.param("requests", {"kind": "came"}, "kind of requests must be one of", id="choice"),
        pytest.param(
            "requests",
            {"pool": "x" * 16_385, "kind": "arrived", "at_us": 1},
            "pool of requests has 16385 characters",
            id="endless",
        ),
        pytest.param("windows", {}, "topic must be one of requests", id="topic"),
    ],
)
def test_a_record_that_fits_no_topic_says_why(topic: str, record: Any, flaw: str) -> None:
    with pytest.raises(UnfitRecordError, match=flaw):
        row_of(topic, record)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"prompt_tokens": "many"}, id="text-for-a-number"),
        pytest.param({"prompt_tokens": 2**63}, id="too-large"),
        pytest.param({"ttft_s": "soon"}, id="text-for-seconds"),
        pytest.param({"model": [1]}, id="list-for-text"),
        pytest.param({"tenant": b"t"}, id="bytes-for-text"),
        pytest.param({"tenant": "\ud800"}, id="half-a-character"),
    ],
)
def test_values_of_another_sort_are_found_when_packed(wrong: dict[str, Any]) -> None:
    row = row_of("requests", {"kind": "arrived", "at_us": 1, "pool": "p"} | wrong)
    with pytest.raises(UnfitRecordError):
        encode("requests", [row], WHO, 1)


@pytest.mark.parametrize("cut", [0, 4, 20, -1])
def test_a_frame_cut_off_is_not_sound(cut: int) -> None:
    row = row_of("requests", {"kind": "arrived", "at_us": 1, "pool": "p"})
    assert not is_sound(encode("requests", [row], WHO, 1)[:cut])
