"""What a profile asks, round by round. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SHORT_WORDS: Final = 4
REPEATS: Final = 3
ANSWER_TOKENS: Final = 24
"""Of the answers that are timed token by token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a profile may use; the first that is reached ends it."""

    in_flight: int = 32
    """Requests at the same time, at most."""
    prompt_words: int = 400
    """Of the longest prompt."""
    requests: int = 300
    tokens: int = 100_000
    """Prompts and answers together."""
    seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Requests sent at the same instant, each with words of its own."""

    in_flight: int
    words: int
    answer_tokens: int
    again: bool = False
    """The prompt of the round before."""


def rounds(bounds: Bounds) -> Iterator[Round]:
    """Prompts alone, long and short; one of them again; then ever more answers at once.

    Batches grow by half and more each time: what a step takes jumps where an engine changes its
    way of computing, so doubling would step over it.
    """
    for words in _lengths(bounds.prompt_words):
        for _ in range(REPEATS):
            yield Round(in_flight=1, words=words, answer_tokens=1)
    yield Round(in_flight=1, words=bounds.prompt_words, answer_tokens=1, again=True)
    for in_flight in _batches(bounds.in_flight):
        for words in (SHORT_WORDS, bounds.prompt_words // 4):
            yield Round(in_flight=in_flight, words=words, answer_tokens=ANSWER_TOKENS)


def _lengths(longest: int) -> list[int]:
    return sorted({SHORT_WORDS, longest // 4, longest // 2, longest})


def _batches(most: int) -> list[int]:
    """So many at once.

    >>> _batches(32)
    [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    """
    grown = (2**power * step // 2 for power in range(20) for step in (2, 3))
    return [*sorted({number for number in grown if number < most} | {most})]
