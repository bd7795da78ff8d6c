"""Records about the stream itself: what could not be read, and how well the sources behave."""

from streams.schemas.base import Record
from streams.schemas.origins import Origins


class DeadLetter(Record, frozen=True, kw_only=True):
    """A record that was set aside, where it came from and why."""

    at_us: int
    """Append time of the record."""
    topic: str
    partition: int
    offset: int
    reason: str
    """`not_json`, `missing_field`, `wrong_type`, `not_finite`, `far_future`, `too_large`,
    `too_deep`, `out_of_range`, `corrupt_frame`, `unknown_kind`, `unknown_schema`."""
    detail: str
    sha256: str
    size_bytes: int
    line: int = 0
    """Which record of the message, from 0: frames and JSON lines hold many."""
    head: str = ""
    """First 4 KiB, secrets and prompts redacted, bytes that are no UTF-8 replaced."""


class Quality(Record, frozen=True, kw_only=True):
    """What one source partition sent in one interval, as INGEST counted it.

    Always: records = accepted + late + far_future + dead. Records of repeated frames are not among
    them.
    """

    at_us: int
    """Append time at which the interval began, in whole seconds."""
    source: str
    partition: int
    records: int
    accepted: int
    late: int = 0
    far_future: int = 0
    dead: int = 0
    duplicate_frames: int = 0
    behind_s: float | None = None
    """Append time less event time, the median of the newest batch in the interval."""
    shard: int | None = None
    """Set where a shard's WATCH speaks of the source, and not INGEST."""
    given_up: bool = False
    """Silent for so long that the shard's windows close without it, until it is heard again."""
    missed_rows: int = 0
    """Rows of windows that had closed while the shard did not wait for the source; dropped."""
    site: str = ""
    """Set where an edge site speaks of what it reads."""
    lost: int = 0
    """Messages that the site has dropped unsent for want of room, since its file was made."""
    origins: Origins | None = None
    """Set where the source's senders are spoken of one by one, and all counts above are 0."""
    lateness_s: float = 0.0
    """How late records of the source may be; set with ``origins``."""


class FrameMark(Record, frozen=True, kw_only=True):
    """Which frames of a producer INGEST has counted, on one source partition."""

    producer: str
    boot: str
    sequence: int
    """The highest so far."""
    seen: int = 1
    """Bit i: the frame with ``sequence - i`` has been counted."""
    number: int = 0
    """The highest ``FrameHeader.number`` so far."""
    lost: int = 0
    """Numbers below it that have not come, from the first that came on."""


class SnapshotManifest(Record, frozen=True, kw_only=True):
    """The state of a log stage on one partition; its chunks stand under the keys `id/1` to `id/n`.

    Written when all of them are: without it there is no snapshot.
    """

    id: str
    """The offset and the checksum: the same state has the same id, whoever writes it."""
    offset: int
    """Everything before it is in the state, nothing else; committed before this was written."""
    last_offset: int
    """Of the last message in the state, which stands at the same place if the log is the same."""
    last_at_us: int
    """Its append time."""
    chunks: int
    size_bytes: int
    """Of all chunks together, a block."""
    crc32c: int
    """Of the same."""
    meaning: str
    """Digest of the settings under which the state means what it means."""
    code: str
    """Version of Tidegate that wrote it."""
    numpy: str


class SourceMark(Record, frozen=True, kw_only=True):
    """How far INGEST has come on one source partition."""

    next_offset: int
    watermark_us: int
    quality: Quality | None = None
    """What was counted and not yet published."""
    origins: Origins | None = None
    """The same, of each sender."""


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
