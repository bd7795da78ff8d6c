"""How long to wait before the next try."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 0.5
MOST_S: Final = 15.0


def pause_s(failures: int, chance: float) -> float:
    """After so many failures in a row, at least one; ``chance`` from 0 to 1 spreads many clients.

    >>> [pause_s(failures, 1.0) for failures in (1, 2, 3, 9)], pause_s(1, 0.0)
    ([0.5, 1.0, 2.0, 15.0], 0.25)
    """
    most = min(MOST_S, FIRST_S * 2.0 ** min(failures - 1, 10))
    return most * (0.5 + 0.5 * chance)
