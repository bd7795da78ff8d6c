"""`tidegate fault NAME`: one fault in a running `up`, by hand."""

from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import msgspec
import numpy as np

from streams.clock import system_clock
from streams.errors import TidegateError
from streams.schemas.scaling import ReplicaStatus
from tidegate.demo.faults import FAULTS, HOLD_S, Fault, Scene
from tidegate.demo.load import Client, Tally
from tidegate.demo.plan import token_s
from tidegate.demo.repeat import Repeat
from tidegate.demo.trace import Pace
from tidegate.runfiles import RunFile
from tidegate.settings import load_settings

BY_HAND: Final[Mapping[str, type[Fault]]] = {**FAULTS, "repeat": Repeat}
"""Those of the story, and what the story leaves out."""
USUAL_HOLD_S: Final = 90.0


async def run(name: str, target: str, seconds: float) -> int:
    """Do it, hold it up, mend it; the exit code."""
    running = RunFile.require()
    settings = load_settings({"TIDEGATE_CONFIG": running.settings})
    keys = {k.tenant: k.key.get_secret_value() for k in settings.backend.gateway.keys}
    fault: Fault = BY_HAND[name]()
    async with Client(running.gateway, keys, system_clock, Tally()) as client:
        scene = Scene(
            replicas=lambda: replicas_of(running.api, [p.name for p in settings.backend.pools]),
            client=client,
            clock=system_clock,
            rng=np.random.default_rng(),
            pace=Pace(),
            token_s=token_s(settings),
        )
        truth = await fault.begin(scene, target)
        hold_s = seconds or HOLD_S.get(name, USUAL_HOLD_S)
        print(f"{truth.caption}; for {hold_s:g} s, see {running.api}")
        try:
            await fault.hold(scene, hold_s)
        finally:
            await fault.end(scene)
    return 0


async def replicas_of(api: str, pools: Sequence[str]) -> list[ReplicaStatus]:
    """What the control API lists; raises TidegateError if it does not answer."""
    found: list[ReplicaStatus] = []
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            for pool in pools:
                async with session.get(f"{api}/v1/pools/{pool}/replicas") as answer:
                    answer.raise_for_status()
                    found += listed(await answer.read())
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise TidegateError(f"the control API at {api} does not answer ({exc})") from exc
    return found


class _Listed(msgspec.Struct):
    items: list[ReplicaStatus]


def listed(body: bytes) -> list[ReplicaStatus]:
    """What the control API answers for the replicas of a pool."""
    return msgspec.json.decode(body, type=_Listed).items
