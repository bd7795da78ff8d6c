"""A profile is taken: round after round while the bounds allow it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from autoscaler.profile.ask import BUSY, Model
from autoscaler.profile.rounds import Bounds, Round, rounds
from autoscaler.profile.seen import Answer, Step, most_at_once, step_of
from streams.sources.engines import read_engine
from streams.sources.prometheus_text import parse

_TOKENS_A_WORD: Final = 3
"""More than any tokenizer needs for the words that are sent."""


@dataclass(slots=True)
class Measured:
    """What was seen, and what was used for it."""

    steps: list[Step] = field(default_factory=list)
    slots: int = 1
    """Most answers that came at the same time."""
    full: bool = False
    """Some waited while others were answered, or were refused: ``slots`` is the limit."""
    again: Step | None = None
    """A prompt that was asked once more."""
    kv_tokens: int = 0
    """As the engine tells it; 0: it does not."""
    resident: int = 0
    """Most tokens that were in its KV cache at the same time."""
    requests: int = 0
    tokens: int = 0
    stopped: str = ""
    """Why the last round was the last."""


async def measure(model: Model, bounds: Bounds, say: Callable[[str], None]) -> Measured:
    """Raises SourceUnavailableError where the first question is not answered."""
    await model.find()
    seen, clock = Measured(), asyncio.get_running_loop().time
    levels = read_engine(parse(await model.metrics()).samples).levels
    seen.kv_tokens = int(levels.get("kv_capacity_tokens") or 0)
    end_s = clock() + bounds.seconds
    await model.answer(2, 2)  # the first answer of an engine is slower than all others
    for asked in rounds(bounds):
        seen.stopped = _used_up(seen, asked, bounds, end_s - clock())
        if seen.stopped or seen.full:
            break
        try:
            async with asyncio.timeout(end_s - clock()):
                answers = await _asked(model, asked)
        except TimeoutError:
            seen.stopped = f"{bounds.seconds:g} s are over"
            break
        _take_in(seen, asked, answers)
        say(_line(asked, answers))
    return seen


async def _asked(model: Model, asked: Round) -> list[Answer]:
    """The answers that came; those refused for want of room are left out."""
    tasks = [
        model.answer(asked.words, asked.answer_tokens, again=asked.again)
        for _ in range(asked.in_flight)
    ]
    answers = []
    for one in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(one, Answer):
            answers.append(one)
        elif asked.in_flight == 1 or getattr(one, "trouble", "") != BUSY:
            raise one
    return answers


def _take_in(seen: Measured, asked: Round, answers: list[Answer]) -> None:
    seen.requests += asked.in_flight
    seen.tokens += sum(one.prompt_tokens + one.answer_tokens for one in answers)
    step = step_of(asked, answers) if len(answers) == asked.in_flight else None
    if asked.again:
        seen.again = step
        return
    at_once = most_at_once(answers)
    if asked.answer_tokens > 1:
        seen.slots = max(seen.slots, at_once)
        seen.full = at_once < asked.in_flight
        held = sum(one.prompt_tokens + one.answer_tokens for one in answers)
        seen.resident = max(seen.resident, held * at_once // max(1, len(answers)))
    if step is not None and not seen.full:
        seen.steps.append(step)


def _used_up(seen: Measured, asked: Round, bounds: Bounds, left_s: float) -> str:
    tokens = asked.in_flight * (_TOKENS_A_WORD * asked.words + asked.answer_tokens)
    if left_s <= 0:
        return f"{bounds.seconds:g} s are over"
    if seen.requests + asked.in_flight > bounds.requests:
        return f"{bounds.requests} requests are used up"
    if seen.tokens + tokens > bounds.tokens:
        return f"{bounds.tokens:,} tokens would not do for the next round"
    return ""


def _line(asked: Round, answers: list[Answer]) -> str:
    first_s = max((one.ttft_s for one in answers), default=0.0)
    return (
        f"{asked.in_flight} at once, {asked.words} words, {asked.answer_tokens} tokens: "
        f"first token after {first_s:.3f} s at most"
    )
