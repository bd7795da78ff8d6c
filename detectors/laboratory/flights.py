"""Requests in flight: one row each, and what its columns are."""

from enum import IntEnum


class Of(IntEnum):
    """Columns of a request in flight; times in seconds of the run."""

    TENANT = 0
    REPLICA = 1
    """-1 while it waits in the gateway."""
    PROMPT = 2
    OUTPUT = 3
    PREFILL = 4
    """Tokens of the prompt that are still to be read."""
    DONE = 5
    ARRIVED = 6
    STARTED = 7
    FIRST = 8
    """NaN until the first token."""
    BYTE = 9
    """When the last byte came, or it was started."""
    ENDED = 10
    TRIES = 11
    LIMIT = 12
    """Tokens that its client, or the replica, lets the answer have at most."""
    FLAW = 13
    """What is odd about its answer (``answers.py``)."""
