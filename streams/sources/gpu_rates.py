"""Counters of bytes in, bytes per second out."""

from streams.clock import SECOND_US


class GpuRates:
    """Differences between a GPU's readings; None at first, and where a counter went back."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, int], tuple[float, int]] = {}

    def rate(self, uuid: str, counter: int, total: float | None, now_us: int) -> float | None:
        key = (uuid, counter)
        if total is None:
            self._before.pop(key, None)
            return None
        before, before_us = self._before.get(key, (total, now_us))
        self._before[key] = (total, now_us)
        elapsed_us = now_us - before_us
        if elapsed_us <= 0 or total < before:
            return None  # NVML's counters wrap: what lies between is not known then.
        return (total - before) * SECOND_US / elapsed_us
