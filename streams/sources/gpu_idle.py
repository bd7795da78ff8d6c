"""Readings of GPUs in, how long each has been held without work out.

A GPU is *held* when somebody is known to own it, a process is on it, or more than a tenth of its
memory is in use; it *works* when any of its engines was busy. Stranded is what has been held and
idle for ``STRANDED_S``.
"""

from collections.abc import Iterable
from typing import Final

from streams.clock import SECOND_US
from streams.schemas.telemetry import GpuSample

HELD_MEMORY_RATIO: Final = 0.1
"""More than a driver and its tools take for themselves."""
BUSY_RATIO: Final = 0.01
"""Drivers round a lone look by a monitor up to a percent."""
STRANDED_S: Final = 600.0
"""Longer than a model takes to load, or a batch to come in."""
MAX_GPUS: Final = 100_000


class IdleMeter:
    """Fills in ``held_idle_s``: time since the GPU was last seen working, free, or another's.

    After a start it counts from the first reading. What tells nothing of its work is not judged.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], tuple[str, int]] = {}

    def judged(self, samples: Iterable[GpuSample]) -> list[GpuSample]:
        return [self._judged(sample) for sample in samples]

    def _judged(self, sample: GpuSample) -> GpuSample:
        key, busy = (sample.node, sample.gpu_uuid), work_of(sample)
        if busy is None:
            return sample
        if busy > BUSY_RATIO or not is_held(sample):
            self._since.pop(key, None)
            return sample.but(held_idle_s=0.0)
        owner, since_us = self._since.get(key, ("", 0))
        if not since_us or owner != sample.owner:
            if len(self._since) >= MAX_GPUS:
                self._since.clear()
            since_us = sample.at_us
            self._since[key] = (sample.owner, since_us)
        return sample.but(held_idle_s=max(0, sample.at_us - since_us) / SECOND_US)


def is_held(sample: GpuSample) -> bool:
    used, total = sample.memory_used_bytes, sample.memory_total_bytes
    full = bool(used and total and used > HELD_MEMORY_RATIO * total)
    return bool(sample.owner or sample.replica or sample.processes) or full


def work_of(sample: GpuSample) -> float | None:
    """The busiest of its engines, from 0 to 1; None where it shows none of them."""
    engines = (
        sample.util_ratio,
        sample.sm_active_ratio,
        sample.encoder_util_ratio,
        sample.decoder_util_ratio,
    )
    return max((ratio for ratio in engines if ratio is not None), default=None)
