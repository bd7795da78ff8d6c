"""Why a GPU's clocks are held back: NVML's bit mask in, dcgm-exporter's names out, and back."""

from collections.abc import Iterable, Mapping
from typing import Final

CLOCK_EVENTS: Final[Mapping[str, int]] = {
    "gpu_idle": 0x01,
    "clocks_setting": 0x02,
    "power_cap": 0x04,
    "hw_slowdown": 0x08,
    "sync_boost": 0x10,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
    "display_clocks": 0x100,
}


def names(mask: int) -> list[str]:
    """Of all bits that are set; those without a name as a number.

    >>> names(0x44), names(0x8000), names(0)
    (['power_cap', 'hw_thermal'], ['0x8000'], [])
    """
    rest = mask & ~sum(CLOCK_EVENTS.values())
    return [name for name, bit in CLOCK_EVENTS.items() if mask & bit] + [hex(rest)] * bool(rest)


def mask_of(events: Iterable[str]) -> int:
    """The bits of the names that are known.

    >>> hex(mask_of(["hw_thermal", "power_cap", "moon"]))
    '0x44'
    """
    return sum(CLOCK_EVENTS[name] for name in set(events) if name in CLOCK_EVENTS)
