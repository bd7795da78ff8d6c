"""Work of a second in, what GPUs show of it out: power, heat, clocks, and what they slow down."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks.base import Bools
from streams.clock_events import CLOCK_EVENTS
from streams.windows.table import Floats, Ints

BOARD_W: Final = 350.0
IDLE_W: Final = 62.0
SM_MHZ: Final = 2_520.0
MEMORY_MHZ: Final = 9_001.0
HEAT_C_PER_W: Final = 0.125
"""Degrees above the air for each watt, in the long run."""
CORE_TAU_S: Final = 35.0
MEMORY_TAU_S: Final = 70.0
SLOWS_C: Final = 87.0
"""Above it the driver takes clocks back, bit by bit."""
BRAKES_C: Final = 92.0
"""Above it the hardware halves them at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuDrive:
    """What is done to GPUs in this second; one entry each."""

    cooling: Floats
    power_limit: Floats
    room_c: Floats


@dataclass(slots=True, kw_only=True)
class Hardware:
    """Clocks, power and heat of all GPUs, with the inertia of metal.

    >>> one = Hardware(core_c=np.array([40.0]), memory_c=np.array([45.0]), clock=np.ones(1))
    >>> usual = GpuDrive(cooling=np.ones(1), power_limit=np.ones(1), room_c=np.full(1, 27.0))
    >>> for _ in range(300):
    ...     power_w, bits = one.step(usual, load=np.ones(1))
    >>> round(float(one.core_c[0])), int(bits[0])
    (71, 0)
    """

    core_c: Floats
    memory_c: Floats
    clock: Floats
    """Share of the full clock."""

    def step(self, drive: GpuDrive, load: Floats) -> tuple[Floats, Ints]:
        """Watts and the mask of reasons to hold clocks back; ``load`` is 0 to 1."""
        wanted_w = IDLE_W + (BOARD_W - IDLE_W) * load
        limit_w = drive.power_limit * BOARD_W
        # Power goes with about the square of the clock: voltage falls with it.
        capped = np.where(wanted_w > limit_w, np.sqrt(limit_w / wanted_w), 1.0)
        hot = np.clip((self.core_c - SLOWS_C) * 0.08, 0, 0.6)
        brakes = self.core_c > BRAKES_C
        target = np.minimum(np.minimum(capped, 1 - hot), np.where(brakes, 0.5, 1.0))
        self.clock = self.clock + 0.5 * (target - self.clock)
        power_w = IDLE_W + (wanted_w - IDLE_W) * self.clock**2
        self._warm(drive, power_w)
        return power_w, _reasons(load, capped, hot, brakes)

    def _warm(self, drive: GpuDrive, power_w: Floats) -> None:
        core_c = drive.room_c + power_w * HEAT_C_PER_W / drive.cooling
        self.core_c = self.core_c + (core_c - self.core_c) / CORE_TAU_S
        self.memory_c = self.memory_c + (self.core_c + 9 - self.memory_c) / MEMORY_TAU_S


def _reasons(load: Floats, capped: Floats, hot: Floats, brakes: Bools) -> Ints:
    bits = CLOCK_EVENTS
    return np.asarray(
        np.where(load <= 0, bits["gpu_idle"], 0)
        | np.where(capped < 1, bits["power_cap"], 0)
        | np.where(hot > 0, bits["sw_thermal"], 0)
        | np.where(brakes, bits["hw_slowdown"] | bits["hw_thermal"], 0),
        np.int64,
    )
