"""Pauses between attempts, and the one loop that survives any error of what it runs."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

FIRST_S: Final = 0.1
LONGEST_S: Final = 10.0


def backoff_s(attempt: int, jitter: float, *, longest_s: float = LONGEST_S) -> float:
    """Seconds to wait before attempt number ``attempt`` (from 1): doubling, half of it jittered.

    jitter: a number in [0, 1), so that those who failed together do not return together.

    >>> [backoff_s(n, 0.0) for n in (1, 2, 3, 20)]
    [0.05, 0.1, 0.2, 5.0]
    """
    whole = min(longest_s, FIRST_S * 2.0 ** min(attempt - 1, 30))
    return whole * (0.5 + 0.5 * jitter)


class Attempts:
    """Counts failures in a row and sleeps accordingly; ``succeeded`` starts the count anew."""

    def __init__(self, *, longest_s: float = LONGEST_S, rng: random.Random | None = None) -> None:
        self._longest_s = longest_s
        self._rng = rng or random.Random()
        self.failed = 0

    def succeeded(self) -> None:
        self.failed = 0

    async def pause(self) -> None:
        """Call after a failure."""
        self.failed += 1
        await asyncio.sleep(backoff_s(self.failed, self._rng.random(), longest_s=self._longest_s))


async def persist(
    run: Callable[[], Awaitable[None]],
    *,
    on_error: Callable[[Exception], None],
    attempts: Attempts,
) -> None:
    """Run until it returns; after any error tell ``on_error``, pause and run it again."""
    while True:
        try:
            await run()
        except Exception as exc:  # noqa: BLE001  # whatever it is, the partition is still ours
            on_error(exc)
        else:
            return
        await attempts.pause()
