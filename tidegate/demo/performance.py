"""Traffic, one fault after the other, and the captions of what came of them."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import numpy as np

from streams.clock import system_clock
from streams.schemas.incidents import Incident
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import Change
from tidegate.demo.faults import FAULTS, Fault, NoTargetError, Scene
from tidegate.demo.load import Client, Tally, replay
from tidegate.demo.plan import DemoPlan, token_s
from tidegate.demo.story import Act, Story, acts
from tidegate.demo.trace import Pace, plan
from tidegate.observer import Observer

FOREVER_S: Final = 10.0**9
RETRY_S: Final = 4.0
RETRIES: Final = 5


class Performance:
    """Plays until its time is over or it is stopped."""

    def __init__(  # noqa: PLR0913  one fact each
        self,
        *,
        plan: DemoPlan,
        pace: Pace,
        seed: int,
        duration_s: float,
        observer: Observer,
        caption: Callable[[str], None],
        start_us: int,
    ) -> None:
        self.tally = Tally()
        self.story = Story(start_us)
        self._plan = plan
        self._pace = pace
        self._seed = seed
        self._duration_s = duration_s or FOREVER_S
        self._observer = observer
        self._caption = caption
        observer.on_incident = self._incident
        observer.on_change = self._change

    async def play(self, stop: asyncio.Event, *, faults: bool) -> list[str]:
        """Traffic until the end, faults meanwhile; what went wrong on our own side."""
        done = asyncio.Event()
        ports, keys = self._plan.ports, self._plan.keys
        async with Client(ports.gateway_url, keys, system_clock, self.tally) as client:
            traffic = asyncio.create_task(replay(client, plan(self._pace, self._seed), done))
            story = asyncio.create_task(self._tell(client) if faults else _nothing())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._duration_s)
            done.set()
            story.cancel()
            results = await asyncio.gather(traffic, story, return_exceptions=True)
        return [f"{type(r).__name__}: {r}" for r in results if isinstance(r, Exception)]

    async def _tell(self, client: Client) -> None:
        rng = np.random.default_rng(self._seed + 1_000)
        scene = Scene(
            replicas=self._replicas,
            client=client,
            clock=system_clock,
            rng=rng,
            pace=self._pace,
            token_s=token_s(self._plan.settings),
        )
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for act in acts(self._seed, self._duration_s):
            await asyncio.sleep(max(0.0, start_s + act.at_s - loop.time()))
            await self._perform(act, scene)

    async def _perform(self, act: Act, scene: Scene) -> None:
        fault: Fault = FAULTS[act.fault]()
        for _ in range(RETRIES):
            try:
                truth = await fault.begin(scene, "")
                break
            except NoTargetError:
                await asyncio.sleep(RETRY_S)  # a second replica may be on its way
        else:
            self._caption(f"{self.story.minute(system_clock())} no target for a {act.fault}")
            return
        self._caption(self.story.begun(truth))
        try:
            await fault.hold(scene, act.hold_s)
        finally:
            await fault.end(scene)

    async def _replicas(self) -> list[ReplicaStatus]:
        return list(self._observer.seen.replicas.values())

    def _incident(self, incident: Incident, seen_us: int) -> None:
        if caption := self.story.incident(incident, seen_us):
            self._caption(caption)

    def _change(self, change: Change, seen_us: int) -> None:
        if caption := self.story.change(change, seen_us):
            self._caption(caption)


async def _nothing() -> None:
    return
