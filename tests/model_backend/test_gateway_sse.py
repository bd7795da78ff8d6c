"""Event streams, cut anywhere."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_backend.gateway.sse import MAX_EVENT_BYTES, EventFilter, Usage, usage_of


def event(payload: object) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def token(text: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}}], "usage": None})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})
DONE = b"data: [DONE]\n\n"
WHOLE = token('"usage"') + token("[DONE]") + USAGE + DONE


def passed(stream: bytes, *, cuts: list[int], keep: bool = False) -> tuple[bytes, EventFilter]:
    events, start, out = EventFilter(keep_usage=keep), 0, b""
    for cut in [*sorted(cuts), len(stream)]:
        out += events.feed(stream[start:cut])
        start = cut
    return out, events


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_wherever_it_is_cut_the_usage_is_found_and_taken_out(cuts: list[int]) -> None:
    out, events = passed(WHOLE, cuts=cuts)

    assert out == WHOLE.replace(USAGE, b"")
    assert (events.usage, events.tokens, events.done) == (Usage(7, 2), 2, True)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_a_client_that_asked_gets_the_usage(cuts: list[int]) -> None:
    assert passed(WHOLE, cuts=cuts, keep=True)[0] == WHOLE


def test_only_text_counts_as_tokens() -> None:
    role = event({"choices": [{"delta": {"role": "assistant", "content": None}}]})
    empty = event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    spoken = token("a") + event({"choices": [{"text": "b"}]})
    call = event({"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "{"}}]}}]})
    end = event({"choices": [{"delta": {}, "finish_reason": "stop"}]})

    _, events = passed(role + empty + spoken + call + end + DONE, cuts=[])

    assert events.tokens == 3


def test_usage_beside_content_is_noted_and_stays() -> None:
    stream = event({"choices": [{}], "usage": {"completion_tokens": 1}}) + DONE
    out, events = passed(stream, cuts=[])

    assert (out, events.usage) == (stream, Usage(0, 1))


@pytest.mark.parametrize("cuts", [[], [50, 150, 250]])
def test_nothing_follows_an_error(cuts: list[int]) -> None:
    failure = event({"error": {"message": "out of memory"}})
    out, events = passed(token("a") + failure + token("b") + DONE + DONE, cuts=cuts)

    assert out == token("a") + failure
    assert (events.failed, events.done) == (True, False)


def test_a_null_error_is_no_error() -> None:
    assert not passed(event({"choices": [{}], "error": None}) + DONE, cuts=[])[1].failed


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(b": keep-alive [DONE]\n\n", id="comments"),
        pytest.param(b'event: x\ndata: {"usage": 1}\n\n', id="other-shapes"),
        pytest.param(b'data: not JSON "usage"\n\n', id="what-is-no-json"),
        pytest.param(b'data: "\xff" "error"\n\n', id="what-is-no-text"),
    ],
)
def test_what_we_do_not_know_passes(odd: bytes) -> None:
    assert passed(odd + DONE, cuts=[])[0] == odd + DONE


def test_windows_line_ends_are_ends_too() -> None:
    out, events = passed(WHOLE.replace(b"\n", b"\r\n"), cuts=[40, 41])

    assert (out, events.done) == (WHOLE.replace(USAGE, b""), True)


def test_an_endless_event_is_not_held_back() -> None:
    out, _ = passed(b"data: " + b"x" * MAX_EVENT_BYTES, cuts=[100])

    assert len(out) == MAX_EVENT_BYTES + 6


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        pytest.param(b'{"usage": {"completion_tokens": 3}}', Usage(0, 3), id="counted"),
        pytest.param(b'{"choices": []}', Usage(), id="not-counted"),
        pytest.param(b"<html>", Usage(), id="not-json"),
    ],
)
def test_usage_of_a_whole_answer(body: bytes, usage: Usage) -> None:
    assert usage_of(body) == usage
