"""What the gateway knows of pools and replicas."""

from typing import Any

import pytest

from model_backend.gateway.pools_view import MAX_REPLICAS, PoolsView
from model_backend.gateway.run import feed
from model_backend.settings import PoolSettings
from streams.batch import Message
from streams.codec import encode_record
from streams.schemas.scaling import PoolStatus, ReplicaStatus

CODEX = PoolSettings(name="codex", service="codex", model="gemma", slots=4)
FIXED = PoolSettings(name="fixed", service="f", model="m", address="http://a:1/, http://b:2")


def replica(**but: Any) -> ReplicaStatus:
    usual: dict[str, Any] = {
        "pool": "codex",
        "replica": "codex-1",
        "state": "ready",
        "since_us": 1,
        "at_us": 10,
        "address": "http://c:3",
    }
    return ReplicaStatus(**(usual | but))


def view(*records: PoolStatus | ReplicaStatus) -> PoolsView:
    found = PoolsView([CODEX, FIXED], cluster="local")
    for record in records:
        found.feed(record)
    return found


@pytest.mark.parametrize(
    ("records", "states"),
    [
        pytest.param([replica()], ["ready"], id="the-first-word"),
        pytest.param([replica(), replica(at_us=11, state="draining")], ["draining"], id="newer"),
        pytest.param([replica(), replica(at_us=9, state="draining")], ["ready"], id="not-older"),
        pytest.param([replica(), replica(at_us=11, state="stopped")], [], id="stopped-leaves"),
        pytest.param([replica(), replica(at_us=11, state="failed")], [], id="and-so-does-failed"),
        pytest.param([replica(pool="other")], [], id="pools-unheard-of-are-none-of-ours"),
        pytest.param([replica(cluster="far")], [], id="nor-are-other-clusters"),
    ],
)
def test_the_newest_word_counts(records: list[ReplicaStatus], states: list[str]) -> None:
    assert [one.state for one in view(*records).replicas("codex")] == states


def test_fixed_replicas_are_there_from_the_start() -> None:
    found = [(one.replica, one.address) for one in view().replicas("fixed")]

    assert found == [("fixed-1", "http://a:1"), ("fixed-2", "http://b:2")]


def test_a_record_takes_the_place_of_a_fixed_replica_of_its_address() -> None:
    found = view(replica(pool="fixed", replica="node-7", address="http://b:2"))

    assert [one.replica for one in found.replicas("fixed")] == ["fixed-1", "node-7"]


def test_listeners_hear_of_changes_only() -> None:
    found, heard = view(), list[str]()
    found.listen(heard.append)
    for at_us, state in [(1, "ready"), (2, "ready"), (3, "draining"), (4, "stopped")]:
        found.feed(replica(at_us=at_us, state=state))

    assert heard == ["codex"] * 3


@pytest.mark.parametrize(
    ("records", "slots"),
    [
        pytest.param([replica(slots=2)], 2, id="its-own-word"),
        pytest.param([replica()], 4, id="else-what-the-settings-say"),
        pytest.param(
            [
                replica(),
                PoolStatus(
                    pool="codex",
                    service="codex",
                    model="gemma",
                    at_us=1,
                    desired=1,
                    ready=1,
                    slots_per_replica=7,
                ),
            ],
            7,
            id="or-its-pool",
        ),
    ],
)
def test_slots(records: list[PoolStatus | ReplicaStatus], slots: int) -> None:
    found = view(*records)

    assert found.slots(found.replicas("codex")[0]) == slots


def test_too_many_replicas_are_refused_and_counted() -> None:
    found = view(*(replica(replica=f"codex-{n}") for n in range(MAX_REPLICAS + 3)))

    assert (len(found.replicas("codex")), found.refused) == (MAX_REPLICAS, 3)


@pytest.mark.parametrize("name", ["gemma", "codex"])
def test_pools_are_found_by_model_and_by_service(name: str) -> None:
    assert view().serving(name) == [CODEX]


def message(key: str, value: bytes | None) -> Message:
    return Message("pools", 0, 0, 0, key.encode(), value, ())


def test_messages_are_told_apart_by_their_key() -> None:
    found = view()
    status = PoolStatus(pool="codex", service="c", model="m", at_us=1, desired=2, ready=1)
    feed(found, message("local/codex/codex-1", encode_record(replica())))
    feed(found, message("local/codex", encode_record(status)))

    assert (len(found.replicas("codex")), found.status("codex")) == (1, status)


def test_a_tombstone_is_the_end_and_nonsense_is_nothing() -> None:
    found = view(replica(), replica(replica="codex-2"))
    feed(found, message("local/codex/codex-1", None))
    feed(found, message("local/codex/codex-2", b"nonsense"))

    assert [one.replica for one in found.replicas("codex")] == ["codex-2"]
