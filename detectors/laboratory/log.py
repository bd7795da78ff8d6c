"""What is read of a run, second by second, with the noise and the steps of its meters."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.laboratory.answers import found_at_the_end
from detectors.laboratory.demand import Demand
from detectors.laboratory.drivers import Drivers
from detectors.laboratory.flights import Of
from detectors.laboratory.hardware import BOARD_W, MEMORY_MHZ, SM_MHZ, Hardware
from detectors.laboratory.noise import Noise
from detectors.laboratory.readings import Readings, Spread
from detectors.laboratory.serving import Served
from streams.windows.table import Floats, Ints

COUNTS: Final = ("arrived", "finished", "failed", "rejected", "cancelled")
SPREADS: Final = ("queue_s", "ttft_s", "inter_token_s", "duration_s")
OF_ANSWERS: Final = frozenset(
    {"answers", "answer_tokens", "ends", "truncated", "texts", "empty", "stretches", "repeated"}
)
"""What the gateway finds in answers."""
BASE_RSS_BYTES: Final = 6e9
GIB: Final = 2.0**30


@dataclass(slots=True)
class Log:
    """What is read of each second as it passes."""

    drivers: Drivers
    series: dict[str, dict[str, Floats]] = field(default_factory=dict)
    ended: list[tuple[int, Floats]] = field(default_factory=list)

    def __post_init__(self) -> None:
        cluster, seconds = self.drivers.cluster, self.drivers.seconds
        tenants, pools = len(cluster.tenants), len(cluster.services)
        names = (*COUNTS, "prompt_tokens", "output_tokens")
        self.series["request"] = {n: np.zeros((seconds, tenants + pools)) for n in names}
        for name in ("queued", "in_flight"):
            self.series["request"][name] = np.full((seconds, tenants + pools), np.nan)
        self.series["engine"], self.series["gpu"] = {}, {}

    def arrivals(self, second: int, new: Demand) -> None:
        """Those that come again among them: nobody can tell them from others."""
        counts = self.series["request"]
        tenants = len(self.drivers.cluster.tenants)
        count = np.bincount(new.tenant, minlength=tenants)
        counts["arrived"][second, :tenants] += count
        counts["rejected"][second, :tenants] += np.bincount(
            new.tenant, new.invalid, minlength=tenants
        )
        counts["prompt_tokens"][second, :tenants] += np.bincount(
            new.tenant, new.prompt, minlength=tenants
        )

    def served(self, second: int, served: Served, in_flight: Floats) -> None:
        cluster, counts = self.drivers.cluster, self.series["request"]
        tenants = len(cluster.tenants)
        for name, rows in served.ended.items():
            tenant = rows[:, Of.TENANT].astype(np.int64)
            counts[name][second, :tenants] += np.bincount(tenant, minlength=tenants)
            counts["output_tokens"][second, :tenants] += np.bincount(
                tenant, rows[:, Of.DONE], minlength=tenants
            )
        self.ended.append((second, served.ended["finished"]))
        counts["queued"][second, tenants:] = served.queued
        counts["in_flight"][second, tenants:] = np.bincount(cluster.pool_of_replica, in_flight)
        finished = np.bincount(
            served.ended["finished"][:, Of.REPLICA].astype(np.int64), minlength=cluster.size
        )
        failed = served.ended["failed"][:, Of.REPLICA]
        self._engine(
            second,
            in_flight=in_flight,
            stalled_s=np.where(in_flight > 0, served.stalled_s, 0.0),
            ttft_s=served.ttft_s,
            inter_token_s=served.token_s,
            finished=finished,
            failed=np.bincount(failed[failed >= 0].astype(np.int64), minlength=cluster.size),
            running=served.batch,
            waiting=served.waiting,
            kv_use_ratio=served.kv_use_ratio,
            prompt_tokens=served.prefill_tokens + served.cached_tokens,
            cached_tokens=served.cached_tokens,
            prefix_hit_ratio=served.hit_ratio,
            output_tokens=served.tokens,
            preemptions=served.preempted,
            stretches=cluster.per_replica("text") * served.stretches[0],
            repeated=cluster.per_replica("text") * served.stretches[1],
            **found_at_the_end(served.ended["finished"], cluster),
        )

    def _engine(self, second: int, **values: Floats | Ints) -> None:
        shape = self.drivers.seconds, self.drivers.cluster.size
        for name, value in values.items():
            self.series["engine"].setdefault(name, np.full(shape, np.nan))[second] = value

    def gpus(
        self, second: int, hardware: Hardware, power_w: Floats, bits: Ints, busy: Floats
    ) -> None:
        shape = self.drivers.seconds, self.drivers.cluster.replica_of_gpu.size
        for name, value in {
            "power_w": power_w,
            "util_ratio": busy,
            "temperature_c": hardware.core_c,
            "memory_temperature_c": hardware.memory_c,
            "sm_clock_mhz": SM_MHZ * hardware.clock,
            "throttle_reasons": bits,
        }.items():
            self.series["gpu"].setdefault(name, np.zeros(shape))[second] = value

    def readings(self, sums: dict[str, Floats], noise: Noise) -> Readings:
        self._finish_engines(noise)
        self._finish_gpus(sums, noise)
        request = self.series["request"]
        pools = np.arange(request["arrived"].shape[1]) >= len(self.drivers.cluster.tenants)
        seen = sum(request[name] for name in COUNTS) + pools
        return Readings(
            cluster=self.drivers.cluster,
            series=self.series,
            spreads=self._spreads(),
            present={
                "request": np.asarray(seen) > 0,
                "engine": self.drivers.heard > 0,
                "gpu": self.drivers.gpu_heard > 0,
            },
        )

    def _finish_engines(self, noise: Noise) -> None:
        engine, drivers = self.series["engine"], self.drivers
        engine["scrape_s"] = noise.scrape_s
        engine["cpu_ratio"] = (0.3 + 0.006 * engine["output_tokens"]) * noise.cpu
        engine["cpu_ratio"] += drivers.cpu_extra
        # A leak and noise, of which the process gives back what it no longer needs.
        engine["rss_bytes"] = (
            BASE_RSS_BYTES + 3e8 * np.tanh(noise.rss / 3e8) + drivers.rss_leaked_bytes
        )
        engine["up"] = drivers.up.copy()
        silent = drivers.up <= 0
        of_process = {"up", "in_flight", "stalled_s", "cpu_ratio", "rss_bytes"}
        for name in engine.keys() - of_process - OF_ANSWERS:
            counts = name.endswith("tokens") or name in {"finished", "failed", "preemptions"}
            engine[name][silent] = 0.0 if counts else np.nan
        engine["scrape_s"][silent] = 0.8

    def _finish_gpus(self, sums: dict[str, Floats], noise: Noise) -> None:
        gpu, drivers = self.series["gpu"], self.drivers
        gpu["power_w"] = gpu["power_w"] * noise.power
        # As NVML has them: whole degrees, whole per cents, clocks in steps of 15 MHz.
        gpu["util_ratio"] = (
            np.clip(np.rint(100 * gpu["util_ratio"] + 3 * noise.small), 0, 100) / 100
        )
        gpu["memory_util_ratio"] = np.rint(60 * gpu["util_ratio"]) / 100
        gpu["temperature_c"] = np.rint(gpu["temperature_c"] + 0.3 * noise.small)
        gpu["memory_temperature_c"] = 2 * np.rint(gpu["memory_temperature_c"] / 2)
        gpu["sm_clock_mhz"] = 15 * np.rint(gpu["sm_clock_mhz"] / 15)
        gpu["memory_clock_mhz"] = np.full_like(noise.small, MEMORY_MHZ)
        gpu["power_limit_w"] = BOARD_W * drivers.power_limit
        gpu["memory_total_bytes"] = np.full_like(noise.small, 48 * GIB)
        gpu["memory_used_bytes"] = np.full_like(noise.small, 42 * GIB)
        gpu["remapped_rows"] = np.zeros_like(noise.small)
        gpu["processes"] = np.ones_like(noise.small)
        gpu["xid"] = drivers.xid.astype(np.float64)
        tokens = np.nan_to_num(self.series["engine"]["output_tokens"])
        of_gpus = drivers.cluster.replica_of_gpu
        gpu["nvlink_bytes_per_s"] = 4e6 * tokens[:, of_gpus] * noise.power
        gpu["pcie_bytes_per_s"] = (2e5 + 2e4 * tokens[:, of_gpus]) * noise.power
        gpu |= sums

    def _spreads(self) -> dict[str, Spread]:
        rows = np.concatenate([rows for _, rows in self.ended])
        second = np.repeat([second for second, _ in self.ended], [len(r) for _, r in self.ended])
        tenant = rows[:, Of.TENANT].astype(np.int64)
        arrived_s, first_s, ended_s = rows[:, Of.ARRIVED], rows[:, Of.FIRST], rows[:, Of.ENDED]
        values = (
            rows[:, Of.STARTED] - arrived_s,
            first_s - arrived_s,
            (ended_s - first_s) / np.maximum(rows[:, Of.OUTPUT] - 1, 1),
            ended_s - arrived_s,
        )
        return {
            name: Spread(second, tenant, np.maximum(value, 0.0))
            for name, value in zip(SPREADS, values, strict=True)
        }
