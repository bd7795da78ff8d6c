"""Whether this process itself stood still: what seems late then, says nothing of others."""

import asyncio
from typing import Final

EVERY_S: Final = 0.1
LATE_S: Final = 0.25


class Stalls:
    """A beat of the event loop; one that comes late is a stall."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due_s = self._loop.time() + EVERY_S
        self._last_s = -1.0
        # Not a task: a callback runs before the tasks whose timeouts the same stall has let expire.
        self._next = self._loop.call_at(self._due_s, self._beat)

    def since(self, began_s: float) -> bool:
        """Whether there was one after ``began_s`` of the loop's clock."""
        return self._last_s >= began_s

    def stop(self) -> None:
        self._next.cancel()

    def _beat(self) -> None:
        now_s = self._loop.time()
        if now_s - self._due_s > LATE_S:
            self._last_s = now_s
        self._due_s = now_s + EVERY_S
        self._next = self._loop.call_at(self._due_s, self._beat)
