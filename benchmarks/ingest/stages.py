"""Tidegate at work: its real stages, as ``tidegate worker`` runs them, and what they write."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from benchmarks.ingest.load import Loader, Windows
from benchmarks.ingest.processes import Processes
from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import Block, decode_block
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.windows.blocks import decode_table
from tidegate.settings import Settings
from tidegate.settings_file import write_settings

POLL_S: Final = 0.05
READY_S: Final = 90.0
DONE_S: Final = 400.0


class Stage:
    """``workers`` processes of one stage."""

    def __init__(self, name: str, settings: StreamSettings, folder: Path) -> None:
        self.processes = Processes(folder / f"{name}.txt")
        self._name = name
        self._file = folder / f"{name}.json"
        write_settings(Settings(stream=settings), self._file)

    async def start(self, workers: int = 1) -> None:
        argv = [sys.executable, "-m", "tidegate", "worker", "--stages", self._name]
        for _ in range(workers):
            await self.processes.start(argv, {"TIDEGATE_CONFIG": str(self._file)})


class Ingest:
    """INGEST as a contender; its results are the partials, read as any consumer would."""

    def __init__(self, workers: int, settings: StreamSettings, folder: Path) -> None:
        self._workers = workers
        self._stage = Stage("ingest", settings, folder)
        self.processes = self._stage.processes
        self._partials = Partials(settings)
        self._stack = AsyncExitStack()

    async def start(self, loader: Loader) -> None:
        """Returns when what is there has been summed up."""
        await self._stack.enter_async_context(self._partials.reader)
        await self._stage.start(self._workers)
        await self._reach(loader.ends, READY_S)

    def loaded(self, loader: Loader) -> None:
        """It needs not be told."""

    async def done(self, loader: Loader) -> None:
        await self._reach(loader.ends, DONE_S)

    async def windows(self) -> Windows:
        return self._partials.windows()

    async def stop(self) -> None:
        await self.processes.stop()
        await self._stack.aclose()

    async def _reach(self, ends: Sequence[int], patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                await self._partials.reach(ends)
        except TimeoutError:
            raise self.processes.failed(f"not at the end within {patience_s:g} s") from None


class Partials:
    """Committed blocks of requests, and how far they say INGEST has come."""

    def __init__(self, settings: StreamSettings) -> None:
        self.reader = TopicReader(settings, ["partials"])
        self._shards = range(settings.topics.shards)
        self._next: dict[tuple[int, int], int] = defaultdict(int)
        self._blocks: list[Block] = []

    async def reach(self, ends: Sequence[int]) -> None:
        while not self._at(ends):
            for message in await self.reader.poll(POLL_S):
                self._take(message)

    def windows(self) -> Windows:
        found: Windows = defaultdict(lambda: [0, 0])
        for block in self._blocks:
            table = decode_table(block)
            for row in range(len(table)):
                model = table.labels[int(table.series[row])]["model"]
                held = found[model, int(table.window_us[row]) // SECOND_US]
                held[0] += int(table.ints["finished"][row])
                held[1] += int(table.ints["duration_s.sum"][row])
        return found

    def _at(self, ends: Sequence[int]) -> bool:
        return all(
            self._next[shard, partition] >= end
            for shard in self._shards
            for partition, end in enumerate(ends)
        )

    def _take(self, message: Message) -> None:
        block = decode_block(message.value or b"")
        header = block.header
        if header.source != "requests":
            return
        if block.columns:
            self._blocks.append(block)
        if header.part == header.parts:
            place = (header.shard, header.partition)
            self._next[place] = max(self._next[place], header.next_offset)
