"""NVIDIA GPUs of this node through NVML, from the driver's library to GpuSample."""

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.clock import SECOND_US
from streams.log import get_logger
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import GpuSample
from streams.sources.gpu_idle import IdleMeter
from streams.sources.gpu_owner import Owners
from streams.sources.gpu_rates import GpuRates
from streams.sources.nvml_session import Gpu, Session
from streams.sources.nvml_values import Asking, board, memory, pids, transferred

FELL_OFF_THE_BUS: Final = 79
"""The XID that says what NVML's GPU_IS_LOST says; the driver may be unable to send the event."""
RESET: Final = 1.0
"""The recovery action that NVML's RESET_REQUIRED asks for."""
LOOK_EVERY_US: Final = 10 * SECOND_US
"""How often we look which GPUs and instances there are, and whether a driver came back."""
REOPEN_EVERY_US: Final = 60 * SECOND_US
"""While a GPU is lost; opening NVML may take a second."""

log = get_logger(__name__)


class NvmlSource:
    """One sample per GPU, MIG instance and reading; silent, once said, where there is no driver.

    A value that a GPU, instance or driver does not offer is missing. A lost GPU is reported as XID
    79 until it is back, which is noticed, as is a driver that was loaded anew.

    nvml: the module `pynvml`, or one that does the same.
    """

    def __init__(
        self,
        *,
        cluster: str,
        node: str,
        zone: str = "",
        nvml: Any = None,
        owners: Owners | None = None,
    ) -> None:
        self._ask = Asking(nvml or importlib.import_module("pynvml"))
        self._place: Any = {"cluster": cluster, "node": node, "zone": zone}
        self._owners = owners or Owners()
        self._idle, self._rates = IdleMeter(), GpuRates()
        self._session: Session | None = None
        self._gpus: dict[str, Gpu] = {}
        self._lost: set[str] = set()
        self._look_at_us = self._reopen_at_us = 0
        self.absent = ""
        """Why there is no GPU, as far as we know."""

    async def read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> Sequence[GpuSample]:
        return await asyncio.to_thread(self._read, replicas, now_us)

    async def close(self) -> None:
        if self._session:
            self._session.close()
        self._session = None

    def _read(self, replicas: Sequence[ReplicaStatus], now_us: int) -> list[GpuSample]:
        here = (replica for replica in replicas if replica.node == self._place["node"])
        by_pid = {replica.pid: replica for replica in here if replica.pid}
        try:
            if now_us >= self._look_at_us:
                self._look_at_us = now_us + LOOK_EVERY_US
                self._look(now_us)
            if self._session is None:
                return []
            xids = self._session.xids(list(self._gpus.values()))
            samples = [self._sample(gpu, by_pid, xids, now_us) for gpu in self._gpus.values()]
        except self._ask.nvml.NVMLError as exc:
            self._absent(str(exc))
            return []
        return self._idle.judged(samples)

    def _look(self, now_us: int) -> None:
        if self._lost and self._session and now_us >= self._reopen_at_us:
            # A handle that was lost never works again: that takes a new session.
            self._reopen_at_us = now_us + REOPEN_EVERY_US
            self._session.close()
            self._session = None
        if self._session is None:
            self._session = Session(self._ask)
        found = {gpu.uuid: gpu for gpu in self._session.look()}
        whole = {uuid: gpu for uuid, gpu in self._gpus.items() if not gpu.parent_uuid}
        lost = whole.keys() - found.keys()
        if found.keys() | lost != self._gpus.keys() or lost != self._lost:
            log.info("gpus", found=len(found), lost=sorted(lost))
        self._gpus = found | {uuid: whole[uuid] for uuid in lost}
        self._lost, self.absent = lost, ""

    def _absent(self, cause: str) -> None:
        if self._session:
            self._session.close()
        self._session = None
        if cause != self.absent:
            log.info("no_gpu_metrics", cause=cause, looking_again_s=LOOK_EVERY_US / SECOND_US)
        self.absent = cause

    def _sample(
        self, gpu: Gpu, by_pid: Mapping[int, ReplicaStatus], xids: Mapping[str, int], now_us: int
    ) -> GpuSample:
        xid = xids.get(gpu.uuid, 0)
        known = GpuSample(
            at_us=now_us,
            **self._place,
            gpu_uuid=gpu.uuid,
            index=gpu.index,
            model=gpu.model,
            parent_uuid=gpu.parent_uuid,
            xid=xid,
        )
        if gpu.uuid in self._lost:
            return known.but(xid=xid or FELL_OFF_THE_BUS)
        try:
            return known.but(**self._measured(gpu, by_pid, now_us))
        except self._ask.nvml.NVMLError_GpuIsLost:
            self._lost.add(gpu.uuid)
            return known.but(xid=xid or FELL_OFF_THE_BUS)
        except self._ask.nvml.NVMLError_ResetRequired:
            return known.but(recovery_action=RESET)

    def _measured(
        self, gpu: Gpu, by_pid: Mapping[int, ReplicaStatus], now_us: int
    ) -> dict[str, Any]:
        ask, handle = self._ask, gpu.handle
        found = memory(ask, handle)
        if not gpu.parent_uuid:
            found |= board(ask, handle)
            found |= transferred(ask, handle, self._rates, gpu.uuid, now_us)
        processes = pids(ask, handle)
        if processes is None:
            return found
        replica = next((by_pid[pid] for pid in processes if pid in by_pid), None)
        if replica:
            found |= {"pool": replica.pool, "replica": replica.replica}
        return found | {"processes": float(len(processes)), "owner": self._owners.of(processes)}
