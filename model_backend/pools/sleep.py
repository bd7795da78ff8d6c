"""How an engine is put to sleep and woken, by the verbs of vLLM's sleep mode."""

from typing import Final

import aiohttp

from streams.errors import PoolDriverError

SLEEP_TIMEOUT: Final = aiohttp.ClientTimeout(total=60.0)
WAKE_TIMEOUT: Final = aiohttp.ClientTimeout(total=300.0)
DISCARDED: Final = 2
"""The level at which weights are not kept: they are read again, and nothing cached is true."""
_OK: Final = 200


async def put_to_sleep(client: aiohttp.ClientSession, address: str, level: int) -> None:
    """Returns once it sleeps. Raises PoolDriverError where it cannot or does not."""
    await _post(client, f"{address}/sleep?level={level}", SLEEP_TIMEOUT)
    async with client.get(f"{address}/is_sleeping", timeout=SLEEP_TIMEOUT) as answer:
        said = await answer.json() if answer.status == _OK else {}
    if not (isinstance(said, dict) and said.get("is_sleeping") is True):
        raise PoolDriverError(f"{address} was told to sleep and does not")


async def wake_up(client: aiohttp.ClientSession, address: str, level: int) -> None:
    """Returns once it serves. Raises PoolDriverError where it does not."""
    await _post(client, f"{address}/wake_up", WAKE_TIMEOUT)
    if level >= DISCARDED:
        reload = {"method": "reload_weights"}
        await _post(client, f"{address}/collective_rpc", WAKE_TIMEOUT, reload)
        await _post(client, f"{address}/reset_prefix_cache", WAKE_TIMEOUT)


async def _post(
    client: aiohttp.ClientSession,
    url: str,
    limit: aiohttp.ClientTimeout,
    body: dict[str, str] | None = None,
) -> None:
    try:
        async with client.post(url, json=body, timeout=limit) as answer:
            if answer.status != _OK:
                raise PoolDriverError(f"{url} answered {answer.status}")
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise PoolDriverError(f"{url} gave no answer ({exc or type(exc).__name__})") from exc
