"""One peer at work: a script of ``peers/`` in the benchmark's own environment."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.ingest.load import Loader, Windows
from benchmarks.ingest.processes import Processes
from streams.connection import full_name
from streams.settings import StreamSettings

PEERS: Final = Path(__file__).parent / "peers"
PYTHON: Final = Path("build/bench-venv/bin/python")
READY_S: Final = 90.0
DONE_S: Final = 400.0


class Peer:
    """Says `ready` when it has read what is there, `done` when its last window is out."""

    def __init__(self, script: str, settings: StreamSettings, folder: Path) -> None:
        self.processes = Processes(folder / "log.txt")
        self._script = script
        self._settings = settings
        self._totals, self._out = folder / "totals.json", folder / "windows.json"
        self._child: asyncio.subprocess.Process | None = None

    async def start(self, loader: Loader) -> None:
        """Returns when it is ready."""
        told = {
            "bootstrap": self._settings.broker.bootstrap,
            "topic": full_name(self._settings, "requests"),
            "partitions": self._settings.topics.raw_partitions,
            "warm": sum(loader.ends),
            "totals": str(self._totals),
            "out": str(self._out),
        }
        argv = [str(PYTHON), str(PEERS / self._script), msgspec.json.encode(told).decode()]
        self._child = await self.processes.start(argv)
        await self._said(b"ready\n", READY_S)

    def loaded(self, loader: Loader) -> None:
        """Everything is in the log: tell how much that is."""
        self._totals.write_bytes(msgspec.json.encode([sum(loader.ends), loader.events]))

    async def done(self, loader: Loader) -> None:  # noqa: ARG002  -- as Tidegate's
        await self._said(b"done\n", DONE_S)

    async def windows(self) -> Windows:
        child = self._child
        if child is not None and child.stdin is not None:
            child.stdin.write(b"measured\n")
            await child.wait()
        found: Windows = {}
        for model, second, count, sum_us in msgspec.json.decode(self._out.read_bytes()):
            held = found.setdefault((model, second), [0, 0])
            held[0] += count
            held[1] += sum_us
        return found

    async def stop(self) -> None:
        await self.processes.stop()

    async def _said(self, word: bytes, patience_s: float) -> None:
        stream = self._child.stdout if self._child is not None else None
        try:
            async with asyncio.timeout(patience_s):
                while stream is not None and (line := await stream.readline()) != word:
                    if not line:
                        raise self.processes.failed(f"{self._script} ended")
        except TimeoutError:
            told = word.decode().strip()
            raise self.processes.failed(f"no {told!r} within {patience_s:g} s") from None
