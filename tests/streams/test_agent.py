"""Who is read by the agent, and how often."""

from collections.abc import Sequence

import pytest

from streams.batch import Message
from streams.codec import encode_record
from streams.schemas.scaling import ReplicaState, ReplicaStatus
from streams.schemas.telemetry import EngineSample
from streams.sources.agent import Agent, Replicas
from streams.stage import Out

ADDRESS = "http://127.0.0.1:1"


def status(state: ReplicaState = "ready", address: str = ADDRESS) -> ReplicaStatus:
    return ReplicaStatus(
        pool="codex", replica="codex-1", state=state, since_us=0, at_us=0, address=address
    )


def message(value: bytes | None, key: str = "local/codex/codex-1") -> Message:
    return Message("pools", 0, 0, 0, key.encode(), value, ())


def told(*messages: Message) -> Replicas:
    replicas = Replicas()
    replicas.feed(messages)
    return replicas


@pytest.mark.parametrize(
    ("state", "read"),
    [("starting", 0), ("ready", 1), ("draining", 1), ("failed", 0), ("stopped", 0)],
)
def test_only_what_serves_is_read(state: ReplicaState, read: int) -> None:
    assert len(told(message(encode_record(status(state)))).serving()) == read


@pytest.mark.parametrize(
    "last", [encode_record(status("stopped")), None, b"{"], ids=["stopped", "forgotten", "broken"]
)
def test_what_no_longer_serves_is_read_no_more(last: bytes | None) -> None:
    assert told(message(encode_record(status())), message(last)).serving() == []


def test_records_of_pools_are_no_replicas() -> None:
    assert told(message(b"{}", key="local/codex")).serving() == []


class Clockwork:
    """Says of each replica that it is up."""

    async def read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> list[EngineSample]:
        return [EngineSample(at_us=now_us, pool=r.pool, replica=r.replica) for r in replicas]

    async def close(self) -> None: ...


async def test_each_second_every_replica_gives_one_record() -> None:
    offered: list[Out] = []

    def offer(*out: Out) -> bool:
        offered.extend(out)
        return True

    agent = Agent(told(message(encode_record(status()))), [Clockwork()], offer)
    counts = [await agent.read_once(second) for second in (1, 2)]

    assert counts == [1, 1]
    assert {(out.topic, out.key) for out in offered} == {("engine", "local/codex/codex-1")}
