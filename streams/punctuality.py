"""Append times and event times in; the watermark of a source partition, and who missed it, out."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from streams.clock import SECOND_US
from streams.settings import WindowSettings
from streams.windows.fields import Mask
from streams.windows.table import Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """The records of a batch by what becomes of them.

    passed_us: of each message, the append time that the log has reached with it. message: where
    each record is from. behind_us: its append time less its event time. fit: neither of the rest.
    """

    passed_us: Ints
    message: Ints
    behind_us: Ints
    late: Mask
    far: Mask
    fit: Mask


@dataclass(slots=True, kw_only=True)
class Punctuality:
    """``watermark_us``: windows that end at or before it get nothing more from this source.

    A record is late if the end of its window + lateness lies before its append time. Where append
    times go back (another broker leads, or producers stamp the records), the newest so far counts
    in place of an older one: the watermark was written on the strength of it.
    """

    lateness_us: int
    max_skew_us: int
    max_clock_error_us: int
    watermark_us: int = 0

    @classmethod
    def of(cls, settings: WindowSettings, *, later_s: float = 0.0) -> Self:
        """``later_s``: how much later than others this source may be."""
        return cls(
            lateness_us=round((settings.lateness_s + later_s) * SECOND_US),
            max_skew_us=round(settings.max_skew_s * SECOND_US),
            max_clock_error_us=round(settings.max_clock_error_s * SECOND_US),
        )

    def read(self, append_us: Ints) -> Ints:
        """Messages with these append times have been read: the watermark after each of them."""
        passed = np.maximum.accumulate(self._passed(append_us))
        reached = np.maximum(passed, self.watermark_us)
        if reached.size:
            self.watermark_us = int(reached[-1])
        return reached

    @property
    def passed_us(self) -> int:
        """The append time that the log has reached: nothing older is to come."""
        return self.watermark_us + self.lateness_us + 1

    def sort(self, append_us: Ints, message: Ints, at_us: Ints, window_ends: Ints) -> Sorted:
        """``append_us``: of the messages; the rest of their records."""
        reached = self.read(append_us)
        behind_us = append_us[message] - at_us
        far: Mask = behind_us < -self.max_skew_us
        late: Mask = ~far & (window_ends <= reached[message])
        return Sorted(
            passed_us=reached + self.lateness_us + 1,
            message=message,
            behind_us=behind_us,
            late=late,
            far=far,
            fit=~(late | far),
        )

    def at_end(self, clock_us: int) -> None:
        """The clock showed ``clock_us`` before the end of the log was found."""
        passed = clock_us - self.max_clock_error_us - self.lateness_us - 1
        self.watermark_us = max(self.watermark_us, passed)

    def _passed(self, append_us: Ints) -> Ints:
        # A window that ends exactly ``lateness`` before an append time may still get the record.
        return append_us - self.lateness_us - 1
