import pytest

from streams.errors import TidegateError
from tests.dashboards.conftest import LivePage, live_page
from tests.services.base import free_port
from tidegate.demo.by_hand import replicas_of

__all__ = ["live_page"]  # a control API on a port of its own, with a pool in its view


async def test_a_fault_finds_its_target_in_the_control_api(live_page: LivePage) -> None:
    found = await replicas_of(live_page.url.rstrip("/"), ["codex"])

    assert "codex-2" in {replica.replica for replica in found}


async def test_without_the_control_api_it_says_so() -> None:
    with pytest.raises(TidegateError, match=r"control API at .* does not answer"):
        await replicas_of(f"http://127.0.0.1:{free_port()}", ["codex"])
