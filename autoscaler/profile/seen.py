"""What the answers of a round tell of the engine's steps. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.profile.rounds import Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One streamed answer; instants in seconds of one clock."""

    asked_s: float
    came_s: tuple[float, ...]
    """Of each piece of text."""
    prompt_tokens: int
    answer_tokens: int

    @property
    def ttft_s(self) -> float:
        return self.came_s[0] - self.asked_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Seconds of one: of ``prompt`` tokens alone, or with ``answers`` that hold ``resident``."""

    took_s: float
    prompt: int = 0
    answers: int = 0
    resident: float = 0.0


def most_at_once(answers: Sequence[Answer]) -> int:
    """How many were between their first and last token at the same time."""
    begins = [(one.came_s[0], 1) for one in answers]
    ends = [(one.came_s[-1], -1) for one in answers]
    most = now = 0
    for _, change in sorted(begins + ends, key=lambda event: (event[0], -event[1])):
        now += change
        most = max(most, now)
    return most


def step_of(asked: Round, answers: Sequence[Answer]) -> Step | None:
    """What a round was made for; None where it did not come about.

    A step of many answers is taken from the stretch in which all of them got tokens.
    """
    if asked.answer_tokens == 1:
        return Step(took_s=answers[0].ttft_s, prompt=answers[0].prompt_tokens)
    since_s = max(one.came_s[0] for one in answers)
    until_s = min(one.came_s[-1] for one in answers)
    steps = sum(_tokens_within(one, since_s, until_s) for one in answers) / len(answers)
    if until_s <= since_s or steps < 3:
        return None
    held = sum(one.prompt_tokens + one.answer_tokens / 2 for one in answers)
    return Step(took_s=(until_s - since_s) / steps, answers=len(answers), resident=held)


def _tokens_within(answer: Answer, since_s: float, until_s: float) -> float:
    """A piece of text may be of several tokens, or a part of one."""
    pieces = sum(since_s < came_s <= until_s for came_s in answer.came_s)
    return pieces * (answer.answer_tokens - 1) / max(1, len(answer.came_s) - 1)
