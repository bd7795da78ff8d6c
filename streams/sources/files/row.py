"""One request of a history, whatever file it stood in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``at_s`` counts from the epoch or from the trace's beginning, as the file has it.

    duration_s: arrival to end, where the file knows it. failed: it ended without an answer.
    """

    line: int
    at_s: float
    prompt_tokens: int = 0
    output_tokens: int = 0
    duration_s: float | None = None
    model: str = ""
    tenant: str = ""
    route: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no request, and why."""

    line: int
    reason: str
