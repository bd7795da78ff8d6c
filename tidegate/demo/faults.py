"""Faults that `up` and `tidegate fault` bring about, each with its truth to be judged by."""

import asyncio
import math
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

import aiohttp
import numpy as np

from streams.clock import Clock
from streams.errors import TidegateError
from streams.schemas.incidents import Incident
from streams.schemas.scaling import ReplicaStatus
from tidegate.demo.load import Client, replay
from tidegate.demo.trace import Pace, plan

FLOODERS: Final = ("dune", "elm", "fjord")
"""Clients that exist only to misbehave; the well-behaved ones must not suffer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What was done, when and to whom: what a right incident must name."""

    fault: str
    pool: str
    subject_kind: str
    subject: str
    caption: str
    onset_us: int = 0
    ended_us: int | None = None

    def named_by(self, incident: Incident) -> bool:
        """Pool and replica (or client) are right, and it is not an older story."""
        return (
            incident.pool == self.pool
            and incident.subject.kind == self.subject_kind
            and incident.subject.name == self.subject
            and incident.updated_at_us >= self.onset_us
        )


class NoTargetError(TidegateError):
    """Nothing is there that the fault could be done to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What faults need: who is there, a way to send traffic, a clock and dice."""

    replicas: Callable[[], Awaitable[Sequence[ReplicaStatus]]]
    client: Client
    clock: Clock
    rng: np.random.Generator
    pace: Pace
    token_s: float = 1 / 3
    """Usual time between two tokens of a stream."""

    async def ready(self, pool: str) -> list[ReplicaStatus]:
        found = [r for r in await self.replicas() if r.pool == pool and r.state == "ready"]
        return sorted(found, key=lambda r: r.replica)

    async def pick(self, *pools: str, target: str = "") -> ReplicaStatus:
        """A ready replica: the named one, or any; raises NoTargetError."""
        ready = [r for pool in pools for r in await self.ready(pool)]
        chosen = [r for r in ready if target in {"", r.replica}]
        if not chosen:
            names = ", ".join(r.replica for r in ready) or "none"
            raise NoTargetError(f"no ready replica {target or 'at all'}; ready: {names}")
        return chosen[int(self.rng.integers(len(chosen)))]


class Fault(Protocol):
    """Something that goes wrong on purpose: begin does it, hold keeps it up, end mends."""

    async def begin(self, scene: Scene, target: str) -> Truth: ...

    async def hold(self, scene: Scene, seconds: float) -> None: ...

    async def end(self, scene: Scene) -> None: ...


class _Signal:
    """A replica's process gets a signal; what still needs mending is mended at the end."""

    number: signal.Signals
    fault: str
    verb: str

    def __init__(self) -> None:
        self._pid = 0

    async def begin(self, scene: Scene, target: str) -> Truth:
        replica = await scene.pick("codex", "sora", target=target)
        if not replica.pid:
            raise NoTargetError(f"{replica.replica} has no process on this machine")
        truth = Truth(
            fault=self.fault,
            pool=replica.pool,
            subject_kind="replica",
            subject=replica.replica,
            caption=f"we {self.verb} {replica.replica}",
            onset_us=scene.clock(),
        )
        self._pid = replica.pid
        os.kill(replica.pid, self.number)
        return truth

    async def hold(self, scene: Scene, seconds: float) -> None:  # noqa: ARG002
        await asyncio.sleep(seconds)

    async def end(self, scene: Scene) -> None:  # noqa: ARG002
        return


class Freeze(_Signal):
    """The process of a replica stops in its tracks; its port still accepts connections."""

    number = signal.SIGSTOP
    fault = "freeze"
    verb = "froze"

    async def end(self, scene: Scene) -> None:
        # Only if nobody replaced it meanwhile, or the number could belong to somebody else by now.
        if any(r.pid == self._pid for r in await scene.replicas() if r.state == "ready"):
            os.kill(self._pid, signal.SIGCONT)


class Kill(_Signal):
    """The process of a replica is gone from one moment to the next."""

    number = signal.SIGKILL
    fault = "kill"
    verb = "killed"


class Surge:
    """Every client sends several more requests for each one: at least three more a second."""

    per_s: Final = 3.0

    async def begin(self, scene: Scene, target: str) -> Truth:  # noqa: ARG002
        return Truth(
            fault="surge",
            pool="codex",
            subject_kind="pool",
            subject="codex",
            caption=f"traffic of codex grew to {_more(scene.pace) + 1} times",
            onset_us=scene.clock(),
        )

    async def hold(self, scene: Scene, seconds: float) -> None:
        stop = asyncio.Event()
        pace = replace(scene.pace, sora_per_s=0.0, tide=0.0)
        seeds = scene.rng.integers(2**31, size=_more(pace))
        sending = [
            asyncio.create_task(replay(scene.client, plan(pace, int(seed)), stop)) for seed in seeds
        ]
        await asyncio.sleep(seconds)
        stop.set()
        await asyncio.gather(*sending)

    async def end(self, scene: Scene) -> None: ...


def _more(pace: Pace) -> int:
    """For each request so many more; on a slow machine, which gets few, it takes more of them."""
    return min(8, math.ceil(Surge.per_s / pace.codex_per_s))


class Flood:
    """One client sends ten malformed requests a second."""

    per_s: Final = 10

    def __init__(self) -> None:
        self._tenant = ""

    async def begin(self, scene: Scene, target: str) -> Truth:
        if target and target not in FLOODERS:
            raise NoTargetError(f"client {target!r} is not one of {', '.join(FLOODERS)}")
        self._tenant = target or FLOODERS[int(scene.rng.integers(len(FLOODERS)))]
        return Truth(
            fault="flood",
            pool="codex",
            subject_kind="client",
            subject=self._tenant,
            caption=f"client {self._tenant} began to flood bad requests",
            onset_us=scene.clock(),
        )

    async def hold(self, scene: Scene, seconds: float) -> None:
        for _ in range(int(seconds * self.per_s)):
            await scene.client.flood(self._tenant)
            await asyncio.sleep(1 / self.per_s)

    async def end(self, scene: Scene) -> None: ...


class Leak:
    """A replica answers each token a little later than the one before."""

    step: Final = 0.6
    """By how much of the usual time between tokens it grows each second, up to ``most``."""
    every_s: Final = 1.0
    most: Final = 4.5

    def __init__(self) -> None:
        self._address = ""

    async def begin(self, scene: Scene, target: str) -> Truth:
        if len(await scene.ready("codex")) < 2 and not target:
            raise NoTargetError("a slow replica shows only beside another; codex has one")
        replica = await scene.pick("codex", target=target)
        self._address = replica.address
        truth = Truth(
            fault="leak",
            pool="codex",
            subject_kind="replica",
            subject=replica.replica,
            caption=f"{replica.replica} began to answer slower and slower",
            onset_us=scene.clock(),
        )
        await self._delay(self.step * scene.token_s)
        return truth

    async def hold(self, scene: Scene, seconds: float) -> None:
        for step in range(int(seconds / self.every_s)):
            await self._delay(min((step + 2) * self.step, self.most) * scene.token_s)
            await asyncio.sleep(self.every_s)

    async def end(self, scene: Scene) -> None:  # noqa: ARG002
        await self._delay(0.0)

    async def _delay(self, extra_s: float) -> None:
        await order(self._address, "delay", {"extra_s_per_token": extra_s})


async def order(address: str, what: str, body: Mapping[str, object]) -> None:
    """Have a replica misbehave; one that is gone does not any more."""
    timeout = aiohttp.ClientTimeout(total=5)
    with suppress(aiohttp.ClientError, TimeoutError):
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{address}/demo/{what}", json=body) as answer,
        ):
            await answer.read()


FAULTS: Final[Mapping[str, type[Fault]]] = {
    "flood": Flood,
    "freeze": Freeze,
    "kill": Kill,
    "leak": Leak,
    "surge": Surge,
}

HOLD_S: Final[Mapping[str, float]] = {
    "flood": 22.0,
    "freeze": 28.0,
    "kill": 20.0,
    "leak": 24.0,
    "surge": 25.0,
}
"""How long each lasts in the story of `up`."""
