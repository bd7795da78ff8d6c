from typing import Any

import pytest

from streams.clock import SECOND_US
from streams.receive.genai import Naming, Span, events, is_call
from streams.schemas.telemetry import RequestEvent
from tests.streams.samples import T0

NAMING = Naming(
    cluster="local", pool=("tidegate.pool", "gen_ai.request.model"), tenant=("user.id",)
)
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "codex", "user.id": "u"}


def span(failed: bool = False, **attributes: str) -> Span:
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    return Span(
        id="ab", start_us=T0, end_us=T0 + 3 * SECOND_US, failed=failed, attributes=CALL | named
    )


def ended(**but: Any) -> RequestEvent:
    found = events(span(**but), NAMING)
    assert not isinstance(found, str)
    return found[1]


def test_a_span_is_an_arrival_and_an_end() -> None:
    found = events(span(gen_ai__usage__input_tokens="9", gen_ai__usage__output_tokens="5"), NAMING)

    arrived = RequestEvent(
        kind="arrived",
        at_us=T0,
        pool="codex",
        model="codex",
        route="chat",
        tenant="u",
        request_id="ab",
        prompt_tokens=9,
    )
    ended_us = T0 + 3 * SECOND_US
    assert found == (
        arrived,
        arrived.but(
            kind="finished",
            at_us=ended_us,
            prompt_tokens=0,
            output_tokens=5,
            status=200,
            duration_s=3.0,
        ),
    )


@pytest.mark.parametrize(
    ("but", "outcome"),
    [
        pytest.param({}, ("finished", 200, ""), id="well"),
        pytest.param({"failed": True}, ("finished", 500, "failed"), id="an-error"),
        pytest.param({"error__type": "timeout"}, ("finished", 500, "timeout"), id="says-which"),
        pytest.param({"error__type": "503"}, ("finished", 503, "503"), id="with-a-status"),
        pytest.param({"error__type": "429"}, ("rejected", 429, "rate_limited"), id="too-many"),
        pytest.param(
            {"http__response__status_code": "400", "failed": True},
            ("rejected", 400, "invalid"),
            id="the-client-is-wrong",
        ),
        pytest.param({"error__type": "cancelled"}, ("cancelled", 499, "client_left"), id="left"),
    ],
)
def test_how_it_ended(but: dict[str, Any], outcome: tuple[str, int, str]) -> None:
    found = ended(**but)

    assert (found.kind, found.status, found.reason) == outcome


def test_old_names_are_read_too() -> None:
    found = ended(gen_ai__usage__completion_tokens="3", gen_ai__latency__time_to_first_token="1.0")

    assert (found.output_tokens, found.ttft_s, found.inter_token_s) == (3, 1.0, 1.0)


def test_an_event_may_tell_of_the_first_token() -> None:
    first = Span(id="a", start_us=T0, end_us=T0 + 9, failed=False, attributes=CALL, first_us=T0 + 5)

    found = events(first, NAMING)

    assert not isinstance(found, str)
    assert found[1].ttft_s == 5e-6


@pytest.mark.parametrize(
    ("attributes", "call"),
    [
        ({"gen_ai.system": "openai"}, True),
        ({"gen_ai.operation.name": "embeddings"}, True),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.system": "openai"}, False),
        ({"http.method": "GET"}, False),
    ],
)
def test_what_is_a_call(attributes: dict[str, str], call: bool) -> None:
    assert is_call(attributes) == call


def test_a_span_without_pool_or_end_is_told_why() -> None:
    nowhere = Span(id="a", start_us=T0, end_us=T0, failed=False, attributes={})
    endless = Span(id="a", start_us=T0, end_us=0, failed=False, attributes=CALL)

    assert "none of tidegate.pool, gen_ai.request.model" in str(events(nowhere, NAMING))
    assert events(endless, NAMING) == "the span must end after its start"
