"""The client that reaches replicas, against real sockets."""

from collections.abc import AsyncIterator

import pytest

from model_backend.gateway.upstream import AiohttpUpstream, ReplicaError
from tests.model_backend.gateway_world import FakeReplica


@pytest.fixture
async def replica() -> AsyncIterator[FakeReplica]:
    made = await FakeReplica().start()
    yield made
    made.frozen.set()
    await made.stop()


@pytest.fixture
async def upstream() -> AsyncIterator[AiohttpUpstream]:
    made = AiohttpUpstream()
    await made.open()
    yield made
    await made.close()


async def test_a_well_replica_is_well(replica: FakeReplica, upstream: AiohttpUpstream) -> None:
    assert await upstream.probe(replica.address) is None


async def test_one_that_does_not_answer_is_silent(replica: FakeReplica) -> None:
    replica.frozen.clear()
    impatient = AiohttpUpstream(health_timeout_s=0.02)
    await impatient.open()
    found = await impatient.probe(replica.address)
    await impatient.close()

    assert isinstance(found, ReplicaError)
    assert (found.silent, found.refused, str(found)) == (True, False, "no answer")


async def test_one_that_is_not_there_refuses(
    replica: FakeReplica, upstream: AiohttpUpstream
) -> None:
    await replica.stop()
    with pytest.raises(ReplicaError) as raised:
        await upstream.send("POST", f"{replica.address}/v1/chat/completions", b"{}")

    assert (raised.value.refused, str(raised.value)) == (True, "connection refused")


async def test_an_answer_beyond_all_bounds_is_broken_off(
    replica: FakeReplica, upstream: AiohttpUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_backend.gateway.upstream.MAX_ANSWER_BYTES", 3)
    reply = await upstream.send("GET", f"{replica.address}/v1/videos/1/content")
    with pytest.raises(ReplicaError, match="exceeds 3 bytes"):
        await reply.whole()
    reply.close()
