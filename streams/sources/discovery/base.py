"""What a discovery is: something that knows which targets there are and tells of changes."""

from collections.abc import Callable, Sequence
from typing import Protocol

from streams.sources.targets import Target

Found = Callable[[Sequence[Target]], None]


class Discovery(Protocol):
    """One line of ``scrape.targets``."""

    kind: str

    async def run(self, found: Found) -> None:
        """Calls ``found`` with all targets there are, each time that they may have changed.

        Until cancelled. What cannot be had is counted, said once, and tried again; until then
        the targets found last are kept.
        """
        ...
