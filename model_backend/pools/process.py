"""Replicas as child processes of this one, on loopback."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import aiohttp

from model_backend.pools.base import surplus
from model_backend.pools.child import Child, ending, send
from model_backend.pools.sleep import put_to_sleep, wake_up
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US, Clock
from streams.errors import PoolDriverError
from streams.log import get_logger
from streams.schemas.scaling import ReplicaStatus

HEALTH_TIMEOUT: Final = aiohttp.ClientTimeout(total=1.0)
HEALTHY: Final = 200
HEALTH_PATIENCE_S: Final = 0.2
"""`observe` waits this long for the checks it starts; slower answers are seen the next time."""
TERMINATE_S: Final = 5.0
"""From SIGTERM to SIGKILL."""
CLOSE_S: Final = 1.5
"""The same when we end ourselves: whoever ends us does not wait long."""
START_LIMIT_S: Final = 60.0
"""Beyond its declared start delay, a replica that is not ready by then has failed."""
REMEMBER_S: Final = 60.0
LOGS_KEPT: Final = 20
KEPT_VARIABLES: Final = frozenset({"TIDEGATE_CACHE", "TIDEGATE_DEMO"})

log = get_logger(__name__)

Command = Callable[[PoolSettings, str, int], list[str]]
"""Pool, name of the replica and number of the listening socket it inherits, to its argv."""


def replica_command(pool: PoolSettings, name: str, fd: int) -> list[str]:
    """The argv of one of our own replica programs (``python -m model_backend.replicas``)."""
    options: dict[str, object] = {
        "name": name,
        "model": pool.model,
        "fd": fd,
        "slots": pool.slots,
        "start_delay_s": pool.start_delay_s,
        "parent_pid": os.getpid(),
    }
    if pool.cap_tokens_per_s:
        options["cap_tokens_per_s"] = pool.cap_tokens_per_s
    flags = [
        f"--{key.replace('_', '-')}={value}" for key, value in (options | pool.options).items()
    ]
    return [sys.executable, "-m", "model_backend.replicas", pool.replica, *flags]


class ProcessPool:
    """Starts, checks, drains and ends replica processes; keeps the PoolDriver contract.

    Each child inherits its listening socket, so no port can be lost to another process, and dies
    with this process. Its output goes to ``<log_dir>/<name>.log``.
    """

    def __init__(
        self,
        pool: PoolSettings,
        *,
        clock: Clock,
        log_dir: Path,
        first_number: int = 1,
        command: Command = replica_command,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._log_dir = log_dir
        self._next = first_number
        self._command = command
        self._children: dict[str, Child] = {}
        self._client: aiohttp.ClientSession | None = None

    async def observe(self) -> list[ReplicaStatus]:
        await self._check_health()
        now_us = self._clock()
        for child in list(self._children.values()):
            self._judge(child, now_us)
            if child.ended and now_us - child.since_us > REMEMBER_S * SECOND_US:
                del self._children[child.name]
        return self._statuses(now_us)

    async def scale(self, size: int) -> None:
        now_us = self._clock()
        live = [c for c in self._children.values() if c.state in {"starting", "ready"}]
        asleep = [child.name for child in self._children.values() if child.state == "asleep"]
        missing = max(0, size - len(live))
        for name in asleep[:missing]:
            await self.wake(name)
        for _ in range(missing - len(asleep)):
            await self._start(now_us)
        for replica in surplus(self._statuses(now_us), size):
            ready = replica.state == "ready"
            await (self.drain if ready else self.stop)(replica.replica)

    async def drain(self, replica: str) -> None:
        child = self._children.get(replica)
        if child and child.state == "ready":
            child.becomes("draining", self._clock(), "no longer needed")

    async def sleep(self, replica: str) -> None:
        child = self._children.get(replica)
        if child is None or child.state != "draining" or child.told_to_stop_at_us is not None:
            return
        if child.turning is None:
            falling = put_to_sleep(self._http(), child.address, self._pool.sleep_level)
            child.turning = asyncio.create_task(falling)
        elif child.turning.done():
            child.turning.result()

    async def wake(self, replica: str) -> None:
        child = self._children.get(replica)
        if child and child.state == "asleep":
            child.ordered_at_us, child.woken_s = self._clock(), None
            child.becomes("starting", child.ordered_at_us, "is woken")
            waking = wake_up(self._http(), child.address, self._pool.sleep_level)
            child.turning = asyncio.create_task(waking)

    async def stop(self, replica: str) -> None:
        child = self._children.get(replica)
        if child and not child.ended and child.told_to_stop_at_us is None:
            now_us = self._clock()
            if child.state != "draining":
                child.becomes("draining", now_us, "stopped before it was needed")
            child.told_to_stop_at_us = now_us
            send(child, signal.SIGTERM)

    async def close(self) -> None:
        children = list(self._children.values())
        for child in children:
            await self.stop(child.name)
        waits = [asyncio.create_task(child.process.wait()) for child in children]
        if waits:
            await asyncio.wait(waits, timeout=CLOSE_S)
        for child in children:
            send(child, signal.SIGKILL)
        await asyncio.gather(*waits)
        tasks = [task for child in children for task in (child.check, child.turning) if task]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client:
            await self._client.close()
            self._client = None

    async def _start(self, now_us: int) -> None:
        name = f"{self._pool.name}-{self._next}"
        self._next += 1
        with socket.create_server(("127.0.0.1", 0)) as door, self._log_file(name).open("ab") as out:
            address = f"http://127.0.0.1:{door.getsockname()[1]}"
            argv = self._command(self._pool, name, door.fileno())
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    pass_fds=(door.fileno(),),
                    env=_environment(os.environ),
                    # Ctrl-C in the terminal is for us: we stop the replicas in order.
                    start_new_session=True,
                )
            except OSError as exc:
                raise PoolDriverError(f"{name} could not be started ({exc})") from exc
        child = Child(name, process, address, ordered_at_us=now_us, spawned_at_us=self._clock())
        child.becomes("starting", now_us, f"ordered, ready in about {self._pool.start_delay_s:g} s")
        self._children[name] = child

    def _log_file(self, name: str) -> Path:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        logs = sorted(self._log_dir.glob(f"{self._pool.name}-*.log"), key=os.path.getmtime)
        for old in logs[:-LOGS_KEPT]:
            old.unlink(missing_ok=True)
        return self._log_dir / f"{name}.log"

    async def _check_health(self) -> None:
        """Start the checks that are due and give them a moment; collect those that are done."""
        now_us = self._clock()
        for child in self._children.values():
            interval_us = self._pool.health_interval_s * SECOND_US
            due = now_us - child.checked_at_us >= interval_us
            if child.check is None and due and not child.ended:
                child.checked_at_us = now_us
                child.check = asyncio.create_task(self._health(child.address))
        checks = [child.check for child in self._children.values() if child.check]
        if checks:
            await asyncio.wait(checks, timeout=HEALTH_PATIENCE_S)
        for child in self._children.values():
            if child.check and child.check.done():
                status, child.check = child.check.result(), None
                if status:
                    child.answered_at_us = child.answered_at_us or self._clock()
                if status == HEALTHY:
                    child.healthy_at_us = self._clock()

    async def _health(self, address: str) -> int:
        """The status it answers with; 0 for no answer."""
        try:
            async with self._http().get(f"{address}/health") as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    def _http(self) -> aiohttp.ClientSession:
        self._client = self._client or aiohttp.ClientSession(timeout=HEALTH_TIMEOUT)
        return self._client

    def _judge(self, child: Child, now_us: int) -> None:
        """Move one child on by what is known of its process and its health."""
        if child.ended:
            return
        if child.process.returncode is not None:
            told = child.told_to_stop_at_us is not None
            child.becomes("stopped" if told else "failed", now_us, ending(child.process))
        elif child.told_to_stop_at_us is not None:
            if now_us - child.told_to_stop_at_us > TERMINATE_S * SECOND_US:
                send(child, signal.SIGKILL)
        elif child.turning is not None:
            self._judge_turning(child, child.turning, now_us)
        elif child.state == "starting":
            self._judge_start(child, now_us)
        elif now_us - child.healthy_at_us > self._pool.unhealthy_after_s * SECOND_US:
            self._give_up(child, now_us, f"gave no answer for {self._pool.unhealthy_after_s:g} s")

    def _judge_start(self, child: Child, now_us: int) -> None:
        limit_s = self._pool.start_delay_s + START_LIMIT_S
        if child.healthy_at_us:
            child.ready_at_us = child.healthy_at_us
            took_s = sum(child.phases_s.values())
            child.becomes("ready", now_us, f"ready {took_s:.1f} s after it was ordered")
        elif now_us - child.ordered_at_us > limit_s * SECOND_US:
            self._give_up(child, now_us, f"was not ready after {limit_s:g} s")

    def _judge_turning(self, child: Child, turning: "asyncio.Task[None]", now_us: int) -> None:
        error = turning.exception() if turning.done() else None
        if not turning.done() or (error and child.state == "draining"):  # `sleep` tells of it
            return
        child.turning, child.healthy_at_us = None, now_us
        if error:
            self._give_up(child, now_us, f"did not wake ({error})")
        elif child.state == "draining":
            child.becomes("asleep", now_us, f"at level {self._pool.sleep_level}")
        else:
            child.woken_s = (now_us - child.ordered_at_us) / SECOND_US
            child.becomes("ready", now_us, f"ready {child.woken_s:.1f} s after it was woken")

    @staticmethod
    def _give_up(child: Child, now_us: int, why: str) -> None:
        send(child, signal.SIGKILL)
        child.becomes("failed", now_us, f"{why} and was killed")

    def _statuses(self, now_us: int) -> list[ReplicaStatus]:
        return [
            ReplicaStatus(
                cluster=self._pool.cluster,
                pool=self._pool.name,
                replica=child.name,
                state=child.state,
                since_us=child.since_us,
                at_us=now_us,
                address=child.address,
                metrics_address=f"{child.address}/metrics",
                node=socket.gethostname(),
                pid=child.process.pid,
                reason=child.reason,
                ordered_at_us=child.ordered_at_us,
                slots=self._pool.slots,
                phases_s=child.phases_s,
            )
            for child in self._children.values()
        ]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Ours without our settings: they hold secrets that are none of a replica's business."""
    kept = {
        k: v for k, v in environ.items() if not k.startswith("TIDEGATE_") or k in KEPT_VARIABLES
    }
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
