"""CPU and memory of the replica processes on this node."""

import asyncio
from collections.abc import Sequence

import psutil

from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import EngineSample


class ProcessSource:
    """Reads `/proc` (or its like) for each replica whose process runs on ``node``.

    CPU is the mean since the reading before; the first reading of a process has none.
    """

    def __init__(self, *, node: str) -> None:
        self._node = node
        self._processes: dict[int, psutil.Process] = {}

    async def read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> Sequence[EngineSample]:
        local = [replica for replica in replicas if replica.pid and replica.node == self._node]
        return await asyncio.to_thread(self._read, local, now_us)

    async def close(self) -> None:
        self._processes.clear()

    def _read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> list[EngineSample]:
        pids = {replica.pid for replica in replicas}
        self._processes = {pid: known for pid, known in self._processes.items() if pid in pids}
        samples = (self._sample(replica, now_us) for replica in replicas)
        return [sample for sample in samples if sample]

    def _sample(self, replica: ReplicaStatus, now_us: int) -> EngineSample | None:
        try:
            known = self._processes.get(replica.pid)
            process = known or psutil.Process(replica.pid)
            cpu_percent, rss_bytes = process.cpu_percent(), process.memory_info().rss
        except psutil.Error:
            # It ended between two readings; whoever runs it says so.
            self._processes.pop(replica.pid, None)
            return None
        self._processes[replica.pid] = process
        return EngineSample(
            at_us=now_us,
            source="process",
            cluster=replica.cluster,
            pool=replica.pool,
            replica=replica.replica,
            cpu_ratio=cpu_percent / 100 if known else None,
            rss_bytes=float(rss_bytes),
        )
