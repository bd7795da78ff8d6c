"""What a step of an inference engine takes, given what is in its batch. Pure."""

from dataclasses import dataclass, fields
from typing import Final

from streams.errors import InvalidParameterError

WHOLE: Final = 1_000_000
"""A prompt is prefilled in one step, however long it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One replica under continuous batching: what it does is steps, one after the other.

    A step prefills up to ``chunk_tokens`` prompt tokens (less one for each answer in the batch) and
    gives every answer in the batch one token. It takes::

        step_s + prompt_token_s * prompt tokens + sequence_s * answers + resident_token_s * resident

    ``resident`` are the tokens that those answers have in the KV cache, prompts included.

    >>> engine = Engine(step_s=0.02, prompt_token_s=0.001, sequence_s=0.002, slots=8)
    >>> engine.takes_s(prompt=100, answers=0, resident=0), engine.takes_s(0, 4, 2_000)
    (0.12, 0.028)
    """

    step_s: float
    prompt_token_s: float
    sequence_s: float = 0.0
    resident_token_s: float = 0.0
    overhead_s: float = 0.0
    """Of each request before its first token reaches its client, beside the steps."""
    slots: int = 1
    """Requests it has in its batch at most."""
    kv_tokens: int = 2**40
    """A request is taken in only where its prompt and its whole answer have room."""
    chunk_tokens: int = WHOLE

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), 1 if field.type in {int, "int"} else 0
            if not value >= least:
                raise InvalidParameterError(field.name, value, f"at least {least}")
        if self.step_s + min(self.prompt_token_s, self.sequence_s) <= 0:
            raise InvalidParameterError("step_s", self.step_s, "more than 0")

    def takes_s(self, prompt: float, answers: float, resident: float) -> float:
        """Seconds of a step."""
        return (
            self.step_s
            + self.prompt_token_s * prompt
            + self.sequence_s * answers
            + self.resident_token_s * resident
        )

    def alone_s(self, prompt: float, output: float) -> tuple[float, float]:
        """Seconds to the first token, and between tokens, of a request that is there alone."""
        first_s = self.overhead_s + self.takes_s(prompt, 0, 0)
        return first_s, self.takes_s(0, 1, prompt + output / 2)

    def work_s(self, prompt: float, output: float) -> float:
        """Seconds of a full replica that a request uses up: its part of every step it is in."""
        resident = self.resident_token_s * (prompt + output / 2)
        shared = self.step_s / self.slots
        return self.prompt_token_s * prompt + output * (shared + self.sequence_s + resident)
