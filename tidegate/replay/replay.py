"""A recording, message by message in; second by second, what the stages make of it out."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streams.batch import Message
from streams.clock import SECOND_US
from streams.settings import WindowSettings
from streams.ticked import intervals_us
from tidegate.replay.chain import Chain
from tidegate.replay.lines import Line, Lines
from tidegate.replay.steps import Step, Steps
from tidegate.settings import Settings


class Played(NamedTuple):
    """A step of the recording's clock: what came in, what was written, what is final by now."""

    clock_us: int
    came: list[Message]
    written: list[Message]
    lines: list[Line]


class Replay:
    """The same messages give the same lines, into whatever steps they are divided.

    every_us: length of a step.
    """

    def __init__(self, settings: Settings, *, every_us: int = SECOND_US) -> None:
        self._windows = settings.stream.windows
        self._every_us = every_us
        self._steps = Steps(every_us=every_us)
        self._chain = Chain(settings)
        self._lines = Lines(intervals_us(self._windows))
        self._last_us = 0
        """The newest stamp."""
        self._end_us = 2**62
        """What is known later is not given out: it would depend on the length of a step."""

    def take(self, message: Message) -> Iterator[Played]:
        """Next in the order of ``streams.ordered``."""
        self._last_us = max(self._last_us, message.timestamp_us)
        return map(self._played, self._steps.take(message))

    def rest(self) -> Iterator[Played]:
        """After the last message: until the last window that anything could be in has closed."""
        windows = self._windows
        self._end_us = end_of(self._last_us, windows)
        held_us = round((windows.lateness_s + windows.max_clock_error_s + 1) * SECOND_US)
        return map(self._played, self._steps.until(self._end_us + held_us + self._every_us))

    def _played(self, step: Step) -> Played:
        written = self._chain.step(step.messages, step.clock_us)
        self._lines.take(written)
        lines = self._lines.through(min(self._chain.settled_us, self._end_us))
        return Played(step.clock_us, step.messages, written, lines)


def end_of(last_us: int, windows: WindowSettings) -> int:
    """When the last window that a record stamped ``last_us`` could be in has ended."""
    open_s = math.ceil(windows.max_skew_s) + max(windows.interval_s, windows.gpu_interval_s)
    return (last_us // SECOND_US + 1 + open_s) * SECOND_US


def replayed(
    messages: Iterable[Message], settings: Settings, *, every_us: int = SECOND_US
) -> Iterator[Played]:
    """All steps of a whole recording."""
    replay = Replay(settings, every_us=every_us)
    for message in messages:
        yield from replay.take(message)
    yield from replay.rest()
