"""Records about the stream itself: what could not be read, and how well the sources behave."""

from streams.schemas.base import Record


class DeadLetter(Record, frozen=True, kw_only=True):
    """A record that was set aside, where it came from and why."""

    at_us: int
    """Append time of the record."""
    topic: str
    partition: int
    offset: int
    reason: str
    """`not_json`, `missing_field`, `wrong_type`, `not_finite`, `far_future`, `too_large`,
    `corrupt_frame`, `unknown_kind`."""
    detail: str
    sha256: str
    size_bytes: int
    head: str = ""
    """First 4 KiB, secrets and prompts redacted, bytes that are no UTF-8 replaced."""


class Quality(Record, frozen=True, kw_only=True):
    """What one source partition sent in one interval, as INGEST counted it."""

    at_us: int
    source: str
    partition: int
    records: int
    accepted: int
    late: int = 0
    far_future: int = 0
    dead: int = 0
    duplicate_frames: int = 0
    behind_s: float | None = None
    """Append time less event time, the interval's median."""


class Usage(Record, frozen=True, kw_only=True):
    """What happened: recorded even if nothing is charged for it."""

    id: str
    at_us: int
    account: str
    service: str
    model: str
    prompt_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    request_id: str = ""


class Charge(Record, frozen=True, kw_only=True):
    """What is to be charged for one usage record."""

    id: str
    usage: str
    at_us: int
    account: str
    micro_credits: int
    source: str


class Balance(Record, frozen=True, kw_only=True):
    """How much an account's balance changed and why."""

    id: str
    charge: str
    at_us: int
    account: str
    sequence: int
    change_micro_credits: int
    balance_micro_credits: int
    reason: str = ""
