"""What a step of an inference engine takes, given what is in its batch. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from streams.errors import InvalidParameterError

WHOLE: Final = 1_000_000
"""A prompt is prefilled in one step, however long it is."""
UNBOUNDED: Final = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One replica under continuous batching: what it does is steps, one after the other.

    A step prefills up to ``chunk_tokens`` prompt tokens (less one for each answer in the batch) and
    gives every answer in the batch one token, and each prompt that ends its first. It takes::

        batch_s(tokens given) + prompt_token_s * prompt tokens + resident_token_s * resident

    ``resident`` are the tokens that those answers have in the KV cache, prompts included.

    >>> engine = Engine(batch_s=((0, 0.02), (4, 0.04)), prompt_token_s=0.001, slots=4)
    >>> engine.takes_s(prompt=100, answers=2, resident=900)
    0.13
    """

    batch_s: tuple[tuple[int, float], ...]
    """Tokens given and seconds, ascending; a straight line between two. 0: a prompt alone."""
    prompt_token_s: float
    resident_token_s: float = 0.0
    slots: int = 1
    """Requests it has in its batch at most."""
    kv_tokens: int = UNBOUNDED
    """A request is taken in only where its prompt and its whole answer have room."""
    chunk_tokens: int = WHOLE

    def __post_init__(self) -> None:
        answers = [number for number, _ in self.batch_s]
        if answers[:1] != [0] or answers != sorted(set(answers)):
            raise InvalidParameterError("batch_s", answers, "answers from 0 on, ascending")
        if not min(took_s for _, took_s in self.batch_s) > 0:
            raise InvalidParameterError("batch_s", self.batch_s, "more than 0 s")
        for name, least in (("prompt_token_s", 0), ("resident_token_s", 0), ("slots", 1)):
            if not getattr(self, name) >= least:
                raise InvalidParameterError(name, getattr(self, name), f"at least {least}")
        for name in ("kv_tokens", "chunk_tokens"):
            if getattr(self, name) < 1:
                raise InvalidParameterError(name, getattr(self, name), "at least 1")

    def batches_s(self) -> npt.NDArray[np.float64]:
        """``batch_s`` of 0, 1, … ``slots`` answers."""
        known, took_s = zip(*self.batch_s, strict=True)
        steps: npt.NDArray[np.float64] = np.interp(np.arange(self.slots + 1), known, took_s)
        return steps

    def takes_s(self, prompt: float, answers: int, resident: float) -> float:
        """Seconds of a step."""
        base_s = float(self.batches_s()[answers])
        return base_s + self.prompt_token_s * prompt + self.resident_token_s * resident

    @property
    def prefill_per_s(self) -> float:
        """Prompt tokens a second, where prompts are long."""
        return 1 / self.prompt_token_s if self.prompt_token_s else float("inf")

    def decode_per_s(self, resident: float = 0.0) -> float:
        """Tokens a second of a full batch, each answer with so many tokens in the KV cache."""
        return self.slots / self.takes_s(0, self.slots, self.slots * resident)
