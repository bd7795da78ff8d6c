"""Messages in the order of their stamps in, the chain's steps out: its clock is theirs."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from streams.batch import Message
from streams.clock import SECOND_US


class Step(NamedTuple):
    """All that was stamped before ``clock_us`` and after the step before."""

    clock_us: int
    messages: list[Message]


class Steps:
    """Divides messages by whole seconds, or by ``every_us``; silence has its steps too."""

    def __init__(self, *, every_us: int = SECOND_US) -> None:
        self._every_us: Final = every_us
        self._messages: list[Message] = []
        self._clock_us = 0

    def take(self, message: Message) -> Iterator[Step]:
        """The steps that were complete before this message."""
        at_us = message.timestamp_us
        if not self._clock_us:
            self._clock_us = (at_us // self._every_us + 1) * self._every_us
        yield from self.until(at_us)
        self._messages.append(message)

    def until(self, at_us: int) -> Iterator[Step]:
        """The steps that are complete before ``at_us``, if there were messages at all."""
        while self._clock_us and at_us >= self._clock_us:
            yield Step(self._clock_us, self._messages)
            self._messages = []
            self._clock_us += self._every_us
