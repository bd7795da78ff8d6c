"""What the gateway tells the stream."""

from model_backend.gateway.calls import Call
from model_backend.gateway.emit import Emitter
from model_backend.gateway.lanes import Lane
from model_backend.gateway.sse import Usage as Counted
from streams.clock import SECOND_US
from streams.schemas.scaling import Drain
from streams.schemas.system import Usage
from streams.schemas.telemetry import Change, EngineSample, RequestEvent
from streams.stage import Out

NOON = 1_767_225_600 * SECOND_US


def at(seconds: float) -> int:
    return NOON + round(seconds * SECOND_US)


def call() -> Call:
    """Arrived at noon, taken after 1 s, first byte after 3 s, 5 tokens until 5 s."""
    made = Call(
        id="req_1", route="chat", arrived_at_us=NOON, tenant="birch", pool="codex", model="gemma"
    )
    made.sent(lane().take("req_1", at(1), streamed=True), attempt=1)
    made.heard(at(3))
    made.heard(at(5))
    made.count(Counted(7, 5), 4)
    return made


def lane() -> Lane:
    return Lane("codex", "codex-1", "http://a:1", slots=2)


class Told:
    """Takes what is emitted, or refuses it."""

    def __init__(self, *, room: bool = True) -> None:
        self.out: list[Out] = []
        self._room = room
        self.emitter = Emitter(self._take, cluster="local", gateway="door:1")

    def _take(self, out: Out) -> bool:
        self.out.append(out)
        return self._room


def test_an_end_says_where_the_time_went() -> None:
    told = Told()
    told.emitter.ended(call(), "finished", 200, "", at(6))

    assert told.out == [
        Out(
            topic="requests",
            key="local/codex/req_1",
            value=RequestEvent(
                kind="finished",
                at_us=at(6),
                pool="codex",
                model="gemma",
                route="chat",
                tenant="birch",
                request_id="req_1",
                replica="codex-1",
                status=200,
                attempt=1,
                prompt_tokens=7,
                output_tokens=5,
                queue_s=1.0,
                ttft_s=3.0,
                inter_token_s=0.5,
                duration_s=6.0,
            ),
        )
    ]


def test_arrivals_say_whether_their_client_has_tried_before() -> None:
    told, made = Told(), call()
    made.client_retry = 2
    told.emitter.arrived(made, NOON)

    assert isinstance(told.out[0].value, RequestEvent)
    assert (told.out[0].value.kind, told.out[0].value.attempt) == ("arrived", 2)


def test_usage_carries_the_id_of_its_request() -> None:
    told = Told()
    told.emitter.used(call(), "codex", at(6))

    [out] = told.out
    assert isinstance(out.value, Usage)
    assert (out.topic, out.key, out.value.id, out.value.account) == (
        "usage",
        "birch",
        "req_1",
        "birch",
    )


def test_who_got_nothing_used_nothing() -> None:
    told, made = Told(), call()
    made.output_tokens = 0
    told.emitter.used(made, "codex", at(6))

    assert not told.out


def test_a_replica_is_told_of_with_what_it_did_since() -> None:
    told, seen = Told(), lane()
    first, second = (seen.take(f"req_{n}", NOON, streamed=True) for n in range(2))
    for seconds in (1, 1.5, 2.5):
        seen.heard(first, at(seconds), tokens=1)
    seen.end(second, failed=True)
    told.emitter.replica(seen, at(3), 1.0)

    [out] = told.out
    assert (out.topic, out.key) == ("engine", "local/codex/codex-1")
    assert out.value == EngineSample(
        at_us=at(3),
        pool="codex",
        replica="codex-1",
        source="gateway",
        in_flight=1.0,
        stalled_s=0.5,
        failed=1,
        ttft_s=1.0,
        inter_token_s=0.75,
    )


def test_each_interval_starts_anew() -> None:
    told, seen = Told(), lane()
    seen.end(seen.take("req_1", NOON, streamed=True), failed=False)
    for _ in range(2):
        told.emitter.replica(seen, NOON, 1.0)

    finished = [out.value.finished for out in told.out if isinstance(out.value, EngineSample)]
    assert finished == [1, 0]


def test_changes_and_drains_name_their_replica() -> None:
    told, seen = Told(), lane()
    told.emitter.changed(seen, "set_aside", "moved", NOON)
    told.emitter.drain(seen, NOON)

    change, drain = (out.value for out in told.out)
    assert isinstance(change, Change)
    assert isinstance(drain, Drain)
    assert (change.pool, change.replica, drain.gateway) == ("codex", "codex-1", "door:1")
    assert [out.key for out in told.out] == ["local/codex/codex-1"] * 2


def test_what_the_stream_does_not_take_is_counted() -> None:
    told = Told(room=False)
    told.emitter.pool("codex", NOON, queued=1, in_flight=2)

    assert told.emitter.dropped == 1
