import httpx
import pytest

from autoscaler.api.app import create_api
from autoscaler.api.view import View
from autoscaler.settings import ApiSettings
from streams.clock import ManualClock
from streams.errors import TidegateError
from streams.stage import Out
from tests.dashboards.synthetic import NOW_US, story
from tests.services.base import free_port
from tidegate.demo.by_hand import listed, replicas_of


async def nowhere(_: Out) -> None:
    return


async def test_a_fault_finds_its_target_in_the_control_api() -> None:
    view = View(shards=2)
    view.feed(story())
    api = create_api(view, nowhere, ApiSettings(), ManualClock(NOW_US))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://127.0.0.1"
    ) as client:
        answer = await client.get("/v1/pools/codex/replicas")

    assert "codex-2" in {replica.replica for replica in listed(answer.content)}


async def test_without_the_control_api_it_says_so() -> None:
    with pytest.raises(TidegateError, match=r"control API at .* does not answer"):
        await replicas_of(f"http://127.0.0.1:{free_port()}", ["codex"])
