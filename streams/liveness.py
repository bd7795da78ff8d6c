"""Looks at a stage in, a verdict with its sentence out: what should move still moves, or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from streams.vitals import Vital

GAP_S: Final = 5.0
"""Who looks less often than this was frozen itself, or the broker was gone: nothing follows."""


class Standstill:
    """How long one thing has been seen standing still although there was something to do.

    >>> reader = Standstill()
    >>> [reader.see(at_s, 7, busy=True) for at_s in (0, 2, 4)]
    [0, 2, 4]
    >>> [reader.see(at_s, 8, busy=True) for at_s in (6, 8)]
    [0, 2]
    >>> reader.see(60, 8, busy=True)
    0
    """

    def __init__(self) -> None:
        self._stirs: int | None = None
        self._since_s = 0.0
        self._seen_s = float("-inf")

    def see(self, at_s: float, stirs: int, *, busy: bool) -> float:
        """Seconds without a sign of life (``stirs`` has not grown) between looks that were busy."""
        if not busy or stirs != self._stirs or at_s - self._seen_s > GAP_S:
            self._since_s = at_s
        self._stirs, self._seen_s = stirs, at_s
        return at_s - self._since_s


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a stage is; ``why`` is empty for one that is well."""

    state: Literal["well", "slow", "stuck"] = "well"
    why: str = ""


class Judge:
    """Sees a stage's vitals again and again, and says when it has to be started anew.

    A stage is stuck when its event loop has not turned, or one of its parts has shown no sign of
    life although the broker had more for it, for ``stuck_after_s``; slow from half of that on.
    Only time in which the broker answers counts: a stage without a broker does not hang.
    """

    def __init__(self, stuck_after_s: float) -> None:
        self._stuck_after_s = stuck_after_s
        self._loop = Standstill()
        self._parts: dict[str, _Part] = {}

    def verdict(self, now_s: float, beats: int, parts: Mapping[str, Vital]) -> Verdict:
        """``beats``: how often the loop has turned; ``parts``: its vitals as they are now."""
        blocked_s = self._loop.see(now_s, beats, busy=True)
        self._parts = {name: self._parts.get(name) or _Part() for name in parts}
        stood_s = {name: self._parts[name].see(now_s, vital) for name, vital in parts.items()}
        worst = max(stood_s, key=lambda name: stood_s[name], default="")
        if worst and stood_s[worst] > blocked_s:
            return self._judged(
                stood_s[worst], f"{worst} has not moved for {{:.0f}} s, and there is more to read"
            )
        return self._judged(blocked_s, "its event loop has been blocked for {:.0f} s")

    def _judged(self, stood_s: float, sentence: str) -> Verdict:
        if stood_s < self._stuck_after_s / 2:
            return Verdict()
        stuck = stood_s >= self._stuck_after_s
        return Verdict("stuck" if stuck else "slow", sentence.format(stood_s))


@dataclass(slots=True)
class _Part:
    still: Standstill = field(default_factory=Standstill)
    looks: int = 0
    stood_s: float = 0.0

    def see(self, now_s: float, vital: Vital) -> float:
        if vital.looks != self.looks:  # the broker has answered anew
            self.looks = vital.looks
            self.stood_s = self.still.see(now_s, vital.stirs, busy=vital.behind)
        return self.stood_s
