"""Questions to what runs: does the broker answer, is all ready, what did each stage count."""

import asyncio
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from streams.errors import BrokerUnavailableError, TidegateError
from tidegate.demo.plan import Ports
from tidegate.observer import Observed
from tidegate.supervisor import Supervisor

READY_S: Final = 90.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=2)
_COUNTERS: Final = {"records_in", "records_out", "batches", "errors"}


async def require_broker(url: str, seconds: float = 20.0) -> None:
    """Wait until something accepts connections there; raises BrokerUnavailableError."""
    host, _, port = url.removeprefix("kafka://").partition(",")[0].rpartition(":")
    cause = "no answer"
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 2)
        except (OSError, ValueError, TimeoutError) as exc:
            cause = str(exc) or type(exc).__name__
            await asyncio.sleep(0.2)
            continue
        writer.close()
        return
    raise BrokerUnavailableError(url, cause)


async def wait_until_ready(seen: Observed, supervisor: Supervisor, ports: Ports) -> None:
    """Return when requests can flow and windows close; raises TidegateError that says what not."""
    loop = asyncio.get_running_loop()
    until = loop.time() + READY_S
    waiting = "everything"
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        while loop.time() < until and not supervisor.failed:
            waiting = await _not_ready(session, seen, ports)
            if not waiting:
                return
            await asyncio.sleep(0.3)
    said = "\n".join(supervisor.last_words()) or "no process ended"
    raise TidegateError(f"{waiting} did not become ready within {READY_S:g} s; {said}")


async def _not_ready(session: aiohttp.ClientSession, seen: Observed, ports: Ports) -> str:
    """What is waited for, empty when all is there."""
    doors = {"the gateway": f"{ports.gateway_url}/health", "the API": f"{ports.api_url}/v1/health"}
    for what, url in doors.items():
        try:
            async with session.get(url) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return what
    if not seen.events_through_us:
        return "the first final window"
    if not seen.pools:
        return "the pools"
    unready = [pool.pool for pool in seen.pools.values() if not pool.ready]
    return f"pool {unready[0]}" if unready else ""


async def stage_counts(port: int) -> dict[str, float]:
    """Counters of one stage from its /metrics; empty if it does not answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return {}
    counts: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix("tidegate_stage_")
        if name in _COUNTERS:
            counts[name] = sum(s.value for s in family.samples if s.name.endswith("_total"))
    return counts
