"""A replica as the gateway finds it."""

from typing import Any

import pytest

from model_backend.gateway.lanes import Lane
from streams.clock import SECOND_US
from streams.schemas.scaling import ReplicaStatus

NOON = 1_767_225_600 * SECOND_US


def at(seconds: float) -> int:
    return NOON + round(seconds * SECOND_US)


def lane(**but: Any) -> Lane:
    usual: dict[str, Any] = {
        "pool": "codex",
        "replica": "codex-1",
        "address": "http://a:1",
        "slots": 2,
    }
    return Lane(**(usual | but))


@pytest.mark.parametrize(
    ("given", "has_room"),
    [
        pytest.param(lane(), True, id="ready"),
        pytest.param(lane(state="draining"), False, id="draining"),
        pytest.param(lane(state="starting"), False, id="starting"),
        pytest.param(lane(set_aside_at_us=1), False, id="set-aside"),
        pytest.param(lane(address=""), False, id="nowhere"),
        pytest.param(lane(slots=0), False, id="full"),
    ],
)
def test_room(given: Lane, has_room: bool) -> None:
    assert given.has_room is has_room


def test_an_idle_replica_is_never_stalled() -> None:
    assert lane().stalled_s(NOON) == 0


def test_a_stream_waits_for_its_own_bytes() -> None:
    found = lane()
    stuck, busy = (found.take(name, NOON, streamed=True) for name in ("stuck", "busy"))
    found.heard(stuck, at(1), 1)
    found.heard(busy, at(3), 1)

    assert found.stalled_s(at(4)) == 3


def test_what_has_had_no_byte_yet_waits_for_any_sign_of_life() -> None:
    found = lane()
    found.take("whole", NOON, streamed=False)
    found.sign(at(3))

    assert found.stalled_s(at(4)) == 1


def test_a_client_that_reads_slowly_stalls_nobody() -> None:
    found = lane()
    flight = found.take("slow", NOON, streamed=True)
    found.heard(flight, at(1), 1)
    flight.paused = True

    assert found.stalled_s(at(9)) == 0


def test_any_sign_of_life_ends_all_doubt() -> None:
    found = lane(doubtful=True)
    found.sign(NOON)

    assert not found.doubtful


def test_silence_of_an_idle_time_does_not_count() -> None:
    found = lane()
    found.sign(NOON)
    found.take("late", at(100), streamed=False)

    assert found.silent_s(at(101)) == 1


def test_one_set_aside_shows_its_silence_with_nothing_in_flight() -> None:
    found = lane(set_aside_at_us=at(5), sign_at_us=NOON)

    assert found.stalled_s(at(9)) == 9


@pytest.mark.parametrize(
    ("heard", "seconds", "why"),
    [
        pytest.param(False, 29, None, id="in-time"),
        pytest.param(False, 30, "first_byte", id="no-first-byte"),
        pytest.param(True, 30, None, id="a-stream-may-go-on"),
        pytest.param(True, 120, "too_long", id="but-not-for-ever"),
    ],
)
def test_time_limits(heard: bool, seconds: float, why: str | None) -> None:
    found = lane()
    flight = found.take("req_1", NOON, streamed=True)
    flight.first_byte_by_us, flight.end_by_us = at(30), at(120)
    if heard:
        found.heard(flight, NOON, 1)

    assert flight.overdue(at(seconds)) == why


def test_a_process_is_known_by_address_and_pid() -> None:
    found = lane(pid=7)
    said = ReplicaStatus(
        pool="codex", replica="codex-1", state="ready", since_us=1, at_us=1, address="http://a:1"
    )

    assert (found.is_same(said.but(pid=7)), found.is_same(said.but(pid=8))) == (True, False)


def test_neither_the_opening_nor_the_closing_event_is_a_token() -> None:
    found = lane()
    flight = found.take("r", NOON, streamed=True)
    for seconds, tokens in [(1, 0), (2, 1), (3, 1), (4, 1), (4, 0)]:
        found.heard(flight, at(seconds), tokens)

    assert (found.interval.ttft_s, found.interval.inter_token_s) == (2, 1)


def test_a_gap_is_known_to_be_long_before_it_ends() -> None:
    found = lane(slots=4)
    late, quick, client = (
        found.take(name, NOON, streamed=True) for name in ("late", "quick", "client")
    )
    for flight in (late, quick, client):
        found.heard(flight, at(0.5), 1)
    client.paused = True  # its client reads slowly: nothing is missing from the replica
    found.take_interval(at(1))
    found.heard(quick, at(1.5), 1)

    assert found.take_interval(at(2)).inter_token_s == (1.5 + 1.0) / 2
