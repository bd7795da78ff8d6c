"""When the next token of a stream may leave a capped replica; a moment in, a moment out."""

from streams.errors import InvalidParameterError


class Pacer:
    """Spaces the tokens of one stream ``1 / tokens_per_s + extra_s`` seconds apart.

    Unused time is kept for at most ``burst_s``. Instants are seconds of any clock that only goes
    forward.

    tokens_per_s: the cap, 0 for none.

    >>> pacer = Pacer(tokens_per_s=10)
    >>> [round(pacer.reserve(5.0), 3) for _ in range(3)]
    [5.0, 5.1, 5.2]
    >>> pacer.extra_s = 0.4
    >>> [round(pacer.reserve(5.2), 3) for _ in range(2)]
    [5.3, 5.8]
    """

    def __init__(self, *, tokens_per_s: float, burst_s: float = 0.0) -> None:
        if not 0 <= tokens_per_s < float("inf"):
            raise InvalidParameterError("cap_tokens_per_s", tokens_per_s, "0 (no cap) or more")
        self.tokens_per_s = tokens_per_s
        self._burst_s = burst_s
        self._extra_s = 0.0
        self._next_s = float("-inf")

    @property
    def extra_s(self) -> float:
        """Seconds added to every token: the demo's slow leak of latency."""
        return self._extra_s

    @extra_s.setter
    def extra_s(self, seconds: float) -> None:
        if not 0 <= seconds <= 60:
            raise InvalidParameterError("extra_s_per_token", seconds, "from 0 to 60 s")
        self._extra_s = seconds

    def for_stream(self) -> "Pacer":
        """A fresh one at the same pace."""
        pacer = Pacer(tokens_per_s=self.tokens_per_s, burst_s=self._burst_s)
        pacer.extra_s = self._extra_s
        return pacer

    def reserve(self, now_s: float) -> float:
        """The instant at which the next token may leave; it is taken, ask again for another."""
        at_s = max(self._next_s, now_s - self._burst_s)
        per_token_s = 1 / self.tokens_per_s if self.tokens_per_s else 0.0
        self._next_s = at_s + per_token_s + self._extra_s
        return max(at_s, now_s)
