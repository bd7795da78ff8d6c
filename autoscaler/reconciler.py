"""Brings pools to their wanted size, step by step; what it has to say is kept until sent."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.drive import Drive
from model_backend.pools.base import PoolDriver
from streams.batch import Message
from streams.clock import Clock
from streams.codec import decode_record
from streams.errors import CorruptMessageError, PoolDriverError
from streams.log import get_logger
from streams.schemas.scaling import Decision, Drain
from streams.stage import Out, Outcome

PERIOD_S: Final = 0.5
PATIENCE_S: Final = 60.0
"""For all that a driver does in one step; drivers answer within seconds, or refuse."""
UNSENT: Final = 2_000
"""Records kept while the broker is away; the oldest go first, newer ones say the same better."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrivenPool:
    """One pool's will and hands; ``name`` is ``cluster/pool``."""

    name: str
    drive: Drive
    driver: PoolDriver


class Reconciler:
    """Brings every pool to its wanted size, step by step, and collects what there is to say.

    Each pool has steps of its own, one at a time: a driver that is slow or hangs holds up no other.
    """

    def __init__(
        self,
        pools: Sequence[DrivenPool],
        clock: Clock,
        *,
        period_s: float = PERIOD_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._pools = pools
        self._by_name = {pool.name: pool.drive for pool in pools}
        self._clock = clock
        self._period_s = period_s
        self._patience_s = patience_s
        self._unsent: deque[Out] = deque(maxlen=UNSENT)
        self._news = asyncio.Event()

    def feed(self, messages: Iterable[Message]) -> None:
        """Take in decisions and drains; what is unreadable or of other pools is skipped."""
        for message in messages:
            if not message.value:
                continue
            try:
                self._take(message.topic, message.value)
            except CorruptMessageError as exc:
                log.warning("record_unreadable", topic=message.topic, error=str(exc))

    def _take(self, topic: str, value: bytes) -> None:
        if topic == "decisions":
            decision = decode_record(value, Decision)
            if drive := self._by_name.get(f"{decision.cluster}/{decision.pool}"):
                drive.decided(decision)
        elif topic == "drains":
            drain = decode_record(value, Drain)
            if drive := self._by_name.get(f"{drain.cluster}/{drain.pool}"):
                drive.drained(drain)

    def say(self, out: Iterable[Out]) -> None:
        self._unsent.extend(out)
        if self._unsent:
            self._news.set()

    async def step(self) -> None:
        """Look at every pool and act once; a driver that refuses is asked again the next time."""
        await asyncio.gather(*(self._step(pool) for pool in self._pools))

    async def _step(self, pool: DrivenPool) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._act(pool)
        except TimeoutError:
            self.say([pool.drive.hangs(self._patience_s, self._clock())])
            log.warning("driver_hangs", pool=pool.name, patience_s=self._patience_s)
        except PoolDriverError as exc:
            log.warning("driver_refused", pool=pool.name, error=str(exc))

    async def _act(self, pool: DrivenPool) -> None:
        step = pool.drive.step(await pool.driver.observe(), self._clock())
        self.say(step.out)
        for replica in step.stop:
            await pool.driver.stop(replica)
        await self._put_to_sleep(pool, step.sleep)
        if step.size is not None:
            await pool.driver.scale(step.size)

    @staticmethod
    async def _put_to_sleep(pool: DrivenPool, replicas: Sequence[str]) -> None:
        for replica in replicas:
            try:
                await pool.driver.sleep(replica)
            except PoolDriverError as exc:
                pool.drive.cannot_sleep(replica, str(exc))

    async def send(self, commit: Callable[[Outcome], Awaitable[None]]) -> None:
        """Write what there is to say, without end. After an error call it again: nothing is lost.

        Said twice does no harm: keys and ids come from the data, the newest record wins.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            sending, self._unsent = self._unsent, deque(maxlen=UNSENT)
            try:
                await commit(Outcome(out=tuple(sending)))
            except BaseException:
                self._unsent = deque((*sending, *self._unsent), maxlen=UNSENT)
                self._news.set()
                raise

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for pool in self._pools:
                group.create_task(self._keep(pool))
            await asyncio.Event().wait()  # also without any pool

    async def _keep(self, pool: DrivenPool) -> None:
        while True:
            await self._step(pool)
            await asyncio.sleep(self._period_s)

    async def close(self) -> None:
        await asyncio.gather(*(pool.driver.close() for pool in self._pools))
