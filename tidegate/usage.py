"""How many cores we and the whole machine use, per process, by way of psutil."""

from collections import defaultdict
from collections.abc import Mapping

import psutil


class CpuMeter:
    """Mean cores in use since the last ``reset``; ``sample`` must be called every few seconds."""

    def __init__(self) -> None:
        self._own: dict[int, tuple[str, float]] = {}
        self._used_s: defaultdict[str, float] = defaultdict(float)
        self._machine = psutil.cpu_times()

    def reset(self, names: Mapping[int, str]) -> None:
        self._used_s.clear()
        self._machine = psutil.cpu_times()
        self._own = {}
        self.sample(names, count=False)

    def sample(self, names: Mapping[int, str], *, count: bool = True) -> None:
        """``names``: pid -> name of each of our processes and of their children."""
        for pid, name in names.items():
            try:
                process = psutil.Process(pid)
                family = [process, *process.children(recursive=True)]
            except psutil.Error:
                continue
            for member in family:
                self._take(member, name if member.pid == pid else f"{name}/replicas", count=count)

    def result(self) -> dict[str, float]:
        """Cores: ``free`` and ``total`` of the machine, ``used`` by us, and each process."""
        now = psutil.cpu_times()
        elapsed = sum(now) - sum(self._machine)
        total = float(psutil.cpu_count() or 1)
        wall_s = elapsed / total or 1.0
        idle = (now.idle - self._machine.idle) + (
            getattr(now, "iowait", 0.0) - getattr(self._machine, "iowait", 0.0)
        )
        cores = {name: round(used / wall_s, 3) for name, used in sorted(self._used_s.items())}
        return {
            "total": total,
            "free": round(idle / wall_s, 2),
            "used": round(sum(self._used_s.values()) / wall_s, 2),
            **cores,
        }

    def _take(self, process: psutil.Process, name: str, *, count: bool) -> None:
        try:
            times = process.cpu_times()
        except psutil.Error:
            return
        used = times.user + times.system
        before = self._own.get(process.pid, (name, used if not count else 0.0))[1]
        self._own[process.pid] = (name, used)
        if count:
            self._used_s[name] += used - before
