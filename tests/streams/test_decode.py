import pytest

from streams.codec import FrameHeader, encode_frame, encode_record
from streams.decode import Decoder, json_lines
from streams.portions import Decoded
from streams.rejects import MAX_DETAIL_CHARS
from streams.repeats import Repeats
from streams.schemas.telemetry import RequestEvent
from tests.streams.samples import request

GOOD = encode_record(request())


def decoded(*values: bytes | None, max_message_bytes: int = 1_000_000) -> Decoded:
    decoder = Decoder(RequestEvent, max_message_bytes=max_message_bytes, repeats=Repeats())
    return decoder.decode(values, lambda _: None)


def frame(header: dict[str, object], lines: bytes = GOOD) -> bytes:
    usual = FrameHeader(producer="p", boot="b", sequence=1, count=1)
    return encode_frame(usual.but(**header), lines)


def test_each_record_knows_where_it_came_from() -> None:
    found = decoded(GOOD, b"moon", frame({"count": 2}, GOOD + b"\n" + GOOD), GOOD)

    assert list(zip(found.message, found.line, strict=True)) == [(0, 0), (2, 0), (2, 1), (3, 0)]
    assert [(flaw.message, flaw.line) for flaw in found.flaws] == [(1, 0)]


def test_no_messages_are_no_records() -> None:
    assert decoded().message.size == 0


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        pytest.param({"producer": ""}, "producer must have 1 to 128", id="no-producer"),
        pytest.param({"boot": "b" * 129}, "boot must have 1 to 128", id="long-boot"),
        pytest.param({"producer": "a\n"}, "characters that can be printed", id="line-feed"),
        pytest.param({"sequence": -1}, "sequence must be", id="below-zero"),
        pytest.param({"sequence": 2**62}, "sequence must be", id="too-high"),
    ],
)
def test_a_frame_that_cannot_be_told_from_others_is_corrupt(
    header: dict[str, object], detail: str
) -> None:
    (flaw,) = decoded(frame(header)).flaws

    assert flaw.reject.reason == "corrupt_frame"
    assert detail in flaw.reject.detail


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        pytest.param(b'{"a":1}', None, id="one-document"),
        pytest.param(b'{"a":1}\n', None, id="one-document-and-a-line-feed"),
        pytest.param(b'{\n  "a": 1\n}', None, id="one-document-over-lines"),
        pytest.param(b'{"a":1}\r\n\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}'], id="lines"),
        pytest.param(b'{"a":\n{"b":2}', [b'{"a":', b'{"b":2}'], id="the-first-line-is-bad"),
    ],
)
def test_json_lines_are_told_from_one_document(value: bytes, lines: list[bytes] | None) -> None:
    assert json_lines(value) == lines


def test_too_many_lines_are_one_dead_letter() -> None:
    (flaw,) = decoded(b"{}\n" * 100_001).flaws

    assert (flaw.reject.reason, flaw.line) == ("too_large", 0)


def test_a_large_message_costs_only_itself() -> None:
    found = decoded(GOOD, GOOD + b" " * 500, GOOD, max_message_bytes=400)

    assert found.message.tolist() == [0, 2]
    assert found.flaws[0].reject.detail == f"{len(GOOD) + 500} bytes, allowed are 400"


def test_details_are_short_and_can_be_printed() -> None:
    (flaw,) = decoded(b'{"kind":"%s","at_us":1,"pool":"p"}' % (b"\\u0007x" * 500)).flaws

    assert len(flaw.reject.detail) == MAX_DETAIL_CHARS + 1
    assert flaw.reject.detail.isprintable()


def test_a_number_that_only_looks_infinite_is_plain_nonsense() -> None:
    (flaw,) = decoded(b'{"pool": Infinity').flaws

    assert flaw.reject.reason == "not_json"
