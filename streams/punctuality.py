"""Append times in, what is still to come out: the watermark of one source partition."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from streams.clock import SECOND_US
from streams.settings import WindowSettings
from streams.windows.table import Ints


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

    def at_end(self, clock_us: int) -> None:
        """The clock showed ``clock_us`` before the end of the log was found."""
        passed = clock_us - self.max_clock_error_us - self.lateness_us - 1
        self.watermark_us = max(self.watermark_us, passed)

    def _passed(self, append_us: Ints) -> Ints:
        # A window that ends exactly ``lateness`` before an append time may still get the record.
        return append_us - self.lateness_us - 1
