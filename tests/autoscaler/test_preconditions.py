"""Who asks on rules that are no more is told so; keys, preconditions and what is required."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.api.app import create_api
from autoscaler.api.view import View
from autoscaler.rule_version import version_of
from autoscaler.rules import RuleBook, refusal
from autoscaler.schedules.rules import Bounds
from autoscaler.settings import ApiSettings
from streams.clock import ManualClock
from streams.errors import OutdatedError
from streams.schemas.incidents import Audit, Command, Rule
from streams.stage import Out
from tests.autoscaler.messages import message
from tests.autoscaler.test_rules import POOL, POOLS, command
from tests.autoscaler.world import at, pool_status


class Chain:
    """An API, its view and the rules of PLAN, which hears commands when it is told to."""

    def __init__(self, *, required: bool = False) -> None:
        self.clock = ManualClock(at(1))
        self.out: list[Out] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_gate = asyncio.Queue[Out]()
        self.rules = RuleBook()
        self.view = View(shards=1)
        status = pool_status(0, min_replicas=1, max_replicas=4, desired=2, ready=2)
        self.view.feed([message("pools", "local/codex", status)])
        api = create_api(
            self.view, self._publish, ApiSettings(require_if_match=required), self.clock
        )
        transport = httpx.ASGITransport(api)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8088")

    async def _publish(self, out: Out) -> None:
        self.at_gate.put_nowait(out)
        await self.gate.wait()
        self.out.append(out)

    def plan(self) -> list[Rule]:
        """PLAN carries out what was published so far, and the view hears of it."""
        commands = [out.value for out in self.out if isinstance(out.value, Command)]
        rules = [rule for one in commands for rule in self.rules.carry_out(one, POOLS)]
        self.view.feed([message("rules", rule.id, rule) for rule in rules])
        self.clock.advance(1)
        return rules

    async def etag(self) -> str:
        return (await self.client.get("/v1/pools/codex/rules")).headers["etag"]

    async def override(self, replicas: int, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.post(
            "/v1/pools/codex/override", json={"replicas": replicas}, headers=named
        )
        return answer.status_code


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    chain = Chain()
    async with chain.client:
        yield chain


async def test_the_etag_changes_with_the_rules_and_only_then(chain: Chain) -> None:
    before, again = await chain.etag(), await chain.etag()
    await chain.override(3)
    chain.plan()

    assert before == again != await chain.etag()


async def test_an_order_on_the_newest_rules_is_accepted(chain: Chain) -> None:
    assert await chain.override(3, If_Match=await chain.etag()) == 202
    assert [rule.replicas for rule in chain.plan()] == [3]


async def test_an_order_on_rules_of_before_is_refused_and_on_record(chain: Chain) -> None:
    tag = await chain.etag()
    await chain.override(3)
    chain.plan()

    assert await chain.override(4, If_Match=tag) == 412
    assert [out.value.status for out in chain.out if isinstance(out.value, Audit)] == [202, 412]


async def test_also_while_the_order_before_it_is_being_carried_out(chain: Chain) -> None:
    tag = await chain.etag()
    await chain.override(3)

    assert await chain.override(4, If_Match=tag) == 412
    chain.plan()
    assert await chain.override(4, If_Match=await chain.etag()) == 202


async def test_an_order_that_came_to_nothing_is_forgotten_in_time(chain: Chain) -> None:
    tag = await chain.etag()
    await chain.client.post("/v1/pools/codex/release")
    assert await chain.override(4, If_Match=tag) == 412

    chain.clock.advance(11)
    assert await chain.override(4, If_Match=tag) == 202


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param("*", 202, id="any"),
        pytest.param('"x", "{}"', 202, id="one-of-several"),
        pytest.param('"x"', 412, id="another"),
        pytest.param('W/"{}"', 412, id="weak-never-matches"),
        pytest.param("{}", 422, id="without-quotes"),
    ],
)
async def test_the_header_as_rfc_9110_has_it(chain: Chain, header: str, status: int) -> None:
    tag = (await chain.etag()).strip('"')

    assert await chain.override(3, If_Match=header.replace("{}", tag)) == status


@pytest.mark.parametrize(("header", "status"), [("", 428), ("*", 202)])
async def test_where_it_is_required_who_names_nothing_is_told_so(header: str, status: int) -> None:
    chain = Chain(required=True)

    assert await chain.override(3, **({"If_Match": header} if header else {})) == status


async def test_a_repeated_key_gets_the_first_answer_whatever_changed_since(chain: Chain) -> None:
    tag = await chain.etag()
    assert await chain.override(3, If_Match=tag, Idempotency_Key="k") == 202
    chain.plan()

    assert await chain.override(3, If_Match=tag, Idempotency_Key="k") == 202
    assert chain.plan() == []


async def test_a_key_whose_first_request_is_under_way_is_a_conflict(chain: Chain) -> None:
    chain.gate.clear()
    first = asyncio.create_task(chain.override(3, Idempotency_Key="k"))
    await chain.at_gate.get()
    second = asyncio.create_task(chain.override(3, Idempotency_Key="k"))
    await chain.at_gate.get()
    chain.gate.set()

    assert sorted([await first, await second]) == [202, 409]
    assert await chain.override(3, Idempotency_Key="k") == 202


def test_what_plan_refuses_as_outdated_is_on_record_as_such() -> None:
    rules, asked = RuleBook(), command("override", replicas=3, if_match=("x",))
    with pytest.raises(OutdatedError, match="are not those named in If-Match") as caught:
        rules.carry_out(asked, POOLS)

    assert refusal(asked, caught.value, at(2)).value == Audit(
        id="c1/refused", at_us=at(2), actor="ann", action="override", target="local/codex",
        status=412, detail=str(caught.value),
    )  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), min_size=1, max_size=12))
def test_nobody_overwrites_what_he_has_not_seen(asked: Sequence[tuple[int, int]]) -> None:
    """Each order rests on the rules of some steps ago; it takes effect iff those still stand."""
    rules, seen = RuleBook(), [version_of([])]
    pools = {POOL: Bounds(low=1, high=4, standing=2)}
    for number, (replicas, ago) in enumerate(asked, 1):
        known = seen[-1 - min(ago, len(seen) - 1)]
        one = command("override", number, replicas=replicas, if_match=(known,))
        if known == seen[-1]:
            rules.carry_out(one, pools)
        else:
            with pytest.raises(OutdatedError):
                rules.carry_out(one, pools)
        seen.append(version_of(rules.of(POOL)))
