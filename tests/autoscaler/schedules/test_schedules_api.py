"""Schedules over HTTP: set, shown, replaced, ended; what contradicts is told at once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from streams.schemas.incidents import Audit
from tests.autoscaler.test_preconditions import Chain
from tests.autoscaler.world import at

PATH = "/v1/pools/codex/schedules/launch"
LAUNCH: dict[str, Any] = {
    "starts_at": "2023-11-14T22:30:00+00:00",
    "ends_at": "2023-11-14T23:30:00+00:00",
    "min_replicas": 3,
    "actor": "ann",
    "reason": "launch",
}


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    chain = Chain()
    async with chain.client:
        yield chain


async def test_one_that_is_set_is_carried_out_and_shown(chain: Chain) -> None:
    answer = await chain.client.put(PATH, json=LAUNCH)
    (rule,) = chain.plan()
    (shown,) = (await chain.client.get("/v1/pools/codex/schedules")).json()["items"]

    assert (answer.status_code, rule.id) == (202, "schedule:local/codex/launch")
    assert shown["says"] == "at least 3 replicas, 2023-11-14 22:30 to 23:30 UTC"
    assert (shown["next_from_us"], shown["holds"], shown["actor"]) == (at(1_000), False, "ann")


async def test_it_stands_among_the_rules_of_the_pool(chain: Chain) -> None:
    await chain.client.put(PATH, json=LAUNCH)
    chain.plan()
    pool = (await chain.client.get("/v1/pools/codex")).json()

    says = "ann schedules launch (at least 3 replicas, 2023-11-14 22:30 to 23:30 UTC): launch"
    assert pool["rules"] == [says]


async def test_the_same_name_replaces_it_and_deleting_ends_it(chain: Chain) -> None:
    await chain.client.put(PATH, json=LAUNCH)
    chain.plan()
    await chain.client.put(PATH, json=LAUNCH | {"min_replicas": 2})
    assert len(chain.rules.of(("local", "codex"))) == len(chain.plan()) == 1

    assert (await chain.client.delete(PATH, params={"actor": "bob"})).status_code == 202
    assert [rule.ended for rule in chain.plan()] == [True]
    assert (await chain.client.get("/v1/pools/codex/schedules")).json() == {"items": []}


async def test_it_locks_like_every_order(chain: Chain) -> None:
    tag = await chain.etag()
    first, second = [
        (await chain.client.put(PATH, json=LAUNCH, headers={"If-Match": tag})).status_code
        for _ in range(2)
    ]

    assert (first, second) == (202, 412)


@pytest.mark.parametrize(
    ("but", "says"),
    [
        pytest.param({"min_replicas": 9}, "must be 1 to 4, the bounds of pool codex", id="bounds"),
        pytest.param({"ends_at": None}, "either starts_at and ends_at", id="no-end"),
        pytest.param({"starts_at": "2023-11-14T22:30:00"}, "timezone", id="no-offset"),
        pytest.param(
            {"starts_at": "2023-11-01T00:00Z", "ends_at": "2023-11-02T00:00Z"}, "to come", id="over"
        ),
    ],
)
async def test_what_cannot_be_is_refused_at_once(
    chain: Chain, but: dict[str, Any], says: str
) -> None:
    answer = await chain.client.put(PATH, json=LAUNCH | but)

    assert (answer.status_code, says in answer.json()["detail"]) == (422, True)
    assert chain.plan() == []


async def test_limits_that_contradict_it_are_refused_with_both_named(chain: Chain) -> None:
    await chain.client.put(PATH, json=LAUNCH)
    chain.plan()
    answer = await chain.client.post("/v1/pools/codex/limits", json={"max_replicas": 2})

    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "limits of operator must be within 3 replicas or more of schedule launch while that holds, "
        "first from 2023-11-14 22:30 UTC, got '1 to 2 replicas'"
    )


async def test_one_that_is_not_there_is_not_ended(chain: Chain) -> None:
    answer = await chain.client.delete(PATH)

    assert (answer.status_code, answer.json()["detail"]) == (404, "no schedule 'launch'")


async def test_who_did_it_is_on_record(chain: Chain) -> None:
    await chain.client.put(PATH, json=LAUNCH)
    audits = [out.value for out in chain.out if isinstance(out.value, Audit)]

    assert [(one.actor, one.action, one.target, one.status) for one in audits] == [
        ("ann", "schedule", "local/codex/launch", 202)
    ]
