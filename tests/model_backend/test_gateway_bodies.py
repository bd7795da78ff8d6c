"""What the gateway needs of a body, and what it leaves alone."""

import json
from typing import Any

import pytest

from model_backend.gateway.bodies import (
    CompletionRequest,
    CompletionRoute,
    VideoRequest,
    parse_completion,
    parse_video,
    upstream_body,
    video_body,
)
from model_backend.gateway.refusals import Refusal

CHAT: dict[str, Any] = {"model": "gemma", "messages": [{"role": "user", "content": "Hi"}]}
VIDEO: dict[str, Any] = {"model": "sora", "prompt": "a tide"}


def raw(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def parsed(body: object, route: CompletionRoute = "chat") -> CompletionRequest:
    found = parse_completion(raw(body), route)
    assert isinstance(found, CompletionRequest)
    return found


@pytest.mark.parametrize(
    ("body", "route", "param", "says"),
    [
        pytest.param(b"{", "chat", None, "not valid JSON", id="cut-short"),
        pytest.param(b"", "chat", None, "not valid JSON", id="empty"),
        pytest.param(b'{"model": "\xff"}', "chat", None, "not valid JSON", id="not-utf-8"),
        pytest.param(b"[" * 100_000, "chat", None, "", id="deeper-than-anybody-needs"),
        pytest.param([], "chat", None, "got `array`", id="not-an-object"),
        pytest.param({"messages": [1]}, "chat", "model", "missing", id="no-model"),
        pytest.param({**CHAT, "model": 3}, "chat", "model", "got `int`", id="model-not-a-text"),
        pytest.param({"model": "gemma"}, "chat", "messages", "missing", id="no-messages"),
        pytest.param({**CHAT, "messages": []}, "chat", "messages", ">= 1", id="empty-messages"),
        pytest.param({**CHAT, "stream": "yes"}, "chat", "stream", "got `str`", id="stream-a-text"),
        pytest.param(CHAT, "completions", "prompt", "missing", id="no-prompt"),
        pytest.param({**CHAT, "prompt": 5}, "completions", "prompt", "got `int`", id="bad-prompt"),
    ],
)
def test_a_bad_body_is_told_what_is_wrong(
    body: object, route: CompletionRoute, param: str | None, says: str
) -> None:
    found = parse_completion(raw(body), route)

    assert isinstance(found, Refusal)
    assert (found.status, found.param, says in found.message) == (400, param, True)


@pytest.mark.parametrize("prompt", ["Hi", ["Hi", "Ho"], [1, 2], [[1], [2]]])
def test_every_form_of_a_prompt_is_taken(prompt: object) -> None:
    assert parsed({"model": "gemma", "prompt": prompt}, "completions").model == "gemma"


def test_what_needs_no_change_stays_byte_for_byte() -> None:
    body = b'{"model":"gemma",  "messages":[{}], "x": 1e400}'

    assert upstream_body(parsed(body), "gemma") is body


def test_streams_must_report_their_usage_and_keep_what_else_they_asked_for() -> None:
    asked = {**CHAT, "stream": True, "stream_options": {"continuous": True}, "seed": 2**70}
    sent = json.loads(upstream_body(parsed(asked), "gemma"))

    assert sent == {**asked, "stream_options": {"continuous": True, "include_usage": True}}


def test_null_options_are_as_good_as_none() -> None:
    asked = {**CHAT, "stream": True, "stream_options": None}

    assert json.loads(upstream_body(parsed(asked), "gemma"))["stream_options"] == {
        "include_usage": True
    }


def test_the_model_gets_the_name_its_replicas_know() -> None:
    sent = json.loads(upstream_body(parsed({**CHAT, "model": "codex"}), "gemma"))

    assert sent == CHAT


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        pytest.param({**VIDEO, "seconds": "5"}, "seconds", "4, 8, 12, got '5'", id="odd-length"),
        pytest.param({**VIDEO, "seconds": 4}, "seconds", "got `int`", id="length-not-a-text"),
        pytest.param({**VIDEO, "size": "1x1"}, "size", "got '1x1'", id="odd-size"),
        pytest.param({"model": "sora"}, "prompt", "missing", id="no-prompt"),
        pytest.param({**VIDEO, "prompt": ""}, "prompt", ">= 1", id="empty-prompt"),
        pytest.param({**VIDEO, "prompt": "x" * 32_001}, "prompt", "<= 32000", id="endless-prompt"),
    ],
)
def test_a_bad_video_is_told_what_is_wrong(body: object, param: str, says: str) -> None:
    found = parse_video(raw(body))

    assert isinstance(found, Refusal)
    assert (found.param, says in found.message) == (param, True)


def test_a_form_becomes_the_json_that_replicas_read() -> None:
    found = parse_video(video_body({**VIDEO, "seconds": "8"}))

    assert isinstance(found, VideoRequest)
    assert (found.seconds, found.size) == ("8", "720x1280")
