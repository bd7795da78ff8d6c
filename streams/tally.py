"""Counts of each batch in, a Quality record a second out."""

from streams.clock import SECOND_US
from streams.schemas.system import Quality


class Tally:
    """Adds up what a source sent until a second of append time has gone by."""

    def __init__(self) -> None:
        self.pending: Quality | None = None
        """What was counted and not yet given out."""

    def add(self, counts: Quality) -> Quality | None:
        """Returns the interval that ``counts.at_us`` has ended, if one."""
        begun = counts.at_us // SECOND_US * SECOND_US
        ended = self.end_before(begun)
        self.pending = summed(self.pending, counts) if self.pending else counts.but(at_us=begun)
        return ended

    def end_before(self, now_us: int) -> Quality | None:
        """The pending interval, if its second has gone by."""
        pending = self.pending
        if pending is None or now_us < pending.at_us + SECOND_US:
            return None
        self.pending = None
        return pending


def summed(before: Quality, now: Quality) -> Quality:
    return before.but(
        records=before.records + now.records,
        accepted=before.accepted + now.accepted,
        late=before.late + now.late,
        far_future=before.far_future + now.far_future,
        dead=before.dead + now.dead,
        duplicate_frames=before.duplicate_frames + now.duplicate_frames,
        behind_s=before.behind_s if now.behind_s is None else now.behind_s,
    )
