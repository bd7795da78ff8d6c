"""What the clients of a pool were promised, where a trace knows tokens."""

import math
from dataclasses import dataclass, fields

from streams.errors import InvalidParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySlo:
    """A request that breaks one of these is a miss; infinite: not promised."""

    ttft_s: float = math.inf
    """From its arrival to its first token,"""
    ttft_token_s: float = 0.0
    """and so much more for each token of its prompt."""
    inter_token_s: float = math.inf
    """Between its tokens, in the mean over the request."""
    deadline_s: float = math.inf
    """From its arrival to its last token."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (value > 0 or value == field.default):
                raise InvalidParameterError(field.name, value, "more than 0 s")
