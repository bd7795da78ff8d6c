"""Many discoveries in, one list of targets out, each time it changes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from streams.metrics import SCRAPE_TARGETS_DROPPED
from streams.sources.discovery.base import Discovery
from streams.sources.targets import Target, merged


class Aim:
    """What all discoveries have found, and the replicas of our own pools before them.

    aim: gets the whole list whenever it is another one.
    """

    def __init__(
        self, discoveries: Sequence[Discovery], aim: Callable[[Sequence[Target]], None]
    ) -> None:
        self._discoveries = discoveries
        self._aim = aim
        self._lists: list[Sequence[Target]] = [()] * (len(discoveries) + 1)
        self._told: Mapping[str, Target] = {}

    def own(self, targets: Sequence[Target]) -> None:
        """The replicas of our own pools; they know their names best."""
        self._take(0, targets)

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(
            *(
                one.run(lambda targets, number=number: self._take(number, targets))  # type: ignore[misc]
                for number, one in enumerate(self._discoveries, start=1)
            ),
            asyncio.Event().wait(),
        )

    def _take(self, number: int, targets: Sequence[Target]) -> None:
        self._lists[number] = targets
        found = merged(self._lists)
        SCRAPE_TARGETS_DROPPED.set(found.dropped)
        if found.targets != self._told:
            self._told = found.targets
            self._aim(list(found.targets.values()))
