"""A ticked stage: several inputs, one active instance, a step for each second of event time."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from streams import metrics
from streams.arrivals import BLOCKS
from streams.batch import Message
from streams.batched import App
from streams.clock import SECOND_US, Clock, system_clock
from streams.lag import watch_lag
from streams.memory import MemoryKeeper
from streams.ownership import Owned, attach_owned
from streams.peek import peek
from streams.progress import Progress
from streams.reader import TopicReader
from streams.schemas.system import DeadLetter
from streams.settings import StreamSettings, WindowSettings
from streams.stage import Out, Outcome, Thinker, Tick
from streams.ticks import STALL_US, Inputs
from streams.together import until_one_ends

OFFSETS: Final = "offsets"
"""Key of the inputs' progress among the state objects; a thinker must not use it."""
POLL_S: Final = 0.25
GATHER_S: Final = 0.05
"""Heartbeats of all shards come together; one look at them all is cheaper than one each."""
COMMIT_S: Final = 5.0
"""Ticks in which nothing happened are committed this often."""


def attach_ticked_stage(  # noqa: PLR0913  # the stage's whole description
    app: App,
    *,
    stage: str,
    control_topic: str,
    thinker: Callable[[], Thinker],
    early: str = "",
    clock: Clock = system_clock,
    stall_us: int | None = STALL_US,
) -> None:
    """Step a thinker while partition 0 of ``control_topic`` (without prefix) is ours.

    Its inputs are read by manual assignment. Outputs, state objects and the inputs' offsets go out
    in one transaction: an arrival is consumed once, and read again if it was not.

    early: series kind whose deltas are handed out as they are while the final watermark stalls.
    stall_us: without a watermark for so long, ticks follow the clock; None: they wait for it.
    """

    async def run(owned: Owned) -> None:
        stage = TickedStage(app.settings, owned, thinker, clock, stall_us)
        await stage.run(early)

    attach_owned(app, stage=stage, control_topic=control_topic, run=run)


class TickedStage:
    """From the state of the last commit on, until an error or cancellation."""

    def __init__(
        self,
        settings: StreamSettings,
        owned: Owned,
        thinker: Callable[[], Thinker],
        clock: Clock,
        stall_us: int | None,
    ) -> None:
        self._settings = settings
        self._stall_us = stall_us
        self._owned = owned
        self._make = thinker
        self._memory = MemoryKeeper(owned.stage, settings)
        self._clock = clock
        self._unwritten = Unwritten()
        self._silently = False
        """Going again through what an earlier run has written."""
        self._committed_at = 0.0

    async def run(self, early: str) -> None:
        self._state = await self._owned.state()
        committed = Progress.load(self._state.pop(OFFSETS, None))
        recalled = await self._memory.recalled(self._make, self._state, committed)
        self._thinker, progress = recalled
        self._silently = progress.now_us < committed.now_us
        if not self._silently:
            self._thinker.restore(self._state)
        inputs = Inputs(
            self._thinker.inputs,
            self._settings.topics.shards,
            interval_us=intervals_us(self._settings.windows),
            progress=progress,
            stall_us=self._stall_us,
            held_us=held_us(self._settings.windows),
            committed=committed,
        )
        starts = progress.starts()
        async with TopicReader(self._settings, inputs.topics, positions=starts) as reader:
            jobs = [self._turn(reader, inputs), watch_lag(reader, self._owned)]
            if early:
                jobs.append(peek(self._settings, early, inputs, self._clock))
            await until_one_ends(*jobs)

    async def _turn(self, reader: TopicReader, inputs: Inputs) -> None:
        idle = metrics.IDLE_SECONDS.labels(self._owned.stage)
        while True:
            self._owned.vital.stir()
            began_s = asyncio.get_running_loop().time()
            messages = await reader.poll(POLL_S)
            idle.inc(asyncio.get_running_loop().time() - began_s)
            self._take(messages, inputs)
            await asyncio.sleep(GATHER_S)
            self._take(await reader.poll(0.0), inputs)
            if inputs.ready(self._clock()):
                await self._read_records(reader, inputs)
                await self._step_all(inputs)
            reader.hold(inputs.held_back())

    async def _read_records(self, reader: TopicReader, inputs: Inputs) -> None:
        """What there is by now of all topics without watermark.

        Windows would carry the ticks past records that simply had not been read yet. A stage that
        follows the clock when windows stall waits no longer for records either: somebody's open
        transaction may hold them back.
        """
        loop = asyncio.get_running_loop()
        patience_s = math.inf if self._stall_us is None else self._stall_us / SECOND_US
        until_s = loop.time() + patience_s
        await reader.look_at_ends([topic for topic in inputs.topics if topic not in BLOCKS])
        while waiting := {source for source in reader.behind if source[0] not in BLOCKS}:
            if inputs.full or loop.time() > until_s:
                break
            self._owned.vital.stir()
            reader.hold(reader.sources - waiting)
            self._take(await reader.poll(POLL_S), inputs)

    def _take(self, messages: Sequence[Message], inputs: Inputs) -> None:
        clock_us = self._clock()
        for message in messages:
            dead = inputs.add(message, clock_us)
            if dead is not None:
                self._unwritten.out.append(_as_out(dead))
                metrics.DEAD_LETTERS.labels(self._owned.stage).inc()
        metrics.RECORDS_IN.labels(self._owned.stage).inc(len(messages))

    async def _step_all(self, inputs: Inputs) -> None:
        while ticks := inputs.due(self._clock()):
            began_s = asyncio.get_running_loop().time()
            for tick in ticks:
                self._step(tick, inputs.silent_until_us)
            self._memory.writer.worked_s += asyncio.get_running_loop().time() - began_s
            await self._commit(inputs)
            self._owned.vital.stir()
            await asyncio.sleep(0)
            self._show(inputs)

    def _step(self, tick: Tick, silent_until_us: int) -> None:
        if self._silently and tick.now_us > silent_until_us:
            # Whatever came of going through it again: what people ordered is as it was written.
            self._thinker.restore(self._state)
            self._silently = False
        outcome = self._thinker.step(tick)
        if not self._silently:
            self._unwritten.add(outcome)

    async def _commit(self, inputs: Inputs) -> None:
        now = asyncio.get_running_loop().time()
        idle = not self._unwritten and not self._memory.writer.waits
        if self._silently or (idle and now - self._committed_at < COMMIT_S):
            return
        progress = inputs.progress()
        more = self._memory.next_objects() | {OFFSETS: progress.dump()}
        await self._owned.commit(self._unwritten.taken(more))
        self._committed_at = now
        await self._memory.committed(self._thinker, progress)

    def _show(self, inputs: Inputs) -> None:
        stage = self._owned.stage
        metrics.WATERMARK.labels(stage).set(inputs.now_us / SECOND_US)
        metrics.WATERMARK_LAG.labels(stage).set((self._clock() - inputs.now_us) / SECOND_US)


@dataclass(slots=True)
class Unwritten:
    """Outcomes of several ticks on their way into one transaction."""

    out: list[Out]
    state: dict[str, bytes | None]

    def __init__(self) -> None:
        self.out, self.state = [], {}

    def __bool__(self) -> bool:
        return bool(self.out or self.state)

    def add(self, outcome: Outcome) -> None:
        self.out += outcome.out
        self.state |= outcome.state

    def taken(self, more: dict[str, bytes | None]) -> Outcome:
        outcome = Outcome(out=self.out, state=self.state | more)
        self.out, self.state = [], {}
        return outcome


def held_us(windows: WindowSettings) -> int:
    """A second's tick comes no sooner than this after it, by any clock that is right enough."""
    return max(0, round((windows.lateness_s - windows.max_clock_error_s) * SECOND_US))


def intervals_us(windows: WindowSettings) -> dict[str, int]:
    """Length of the windows per series kind."""
    load_us, gpu_us = windows.interval_s * SECOND_US, windows.gpu_interval_s * SECOND_US
    return {"request": load_us, "engine": load_us, "gpu": gpu_us}


def _as_out(dead: DeadLetter) -> Out:
    return Out(topic="dead-letters", key=f"{dead.topic}/{dead.partition}/{dead.offset}", value=dead)
