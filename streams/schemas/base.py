"""What every record shares."""

from typing import Any, Self

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fact on a topic; instants are int64 microseconds UTC (``_us``), spans seconds (``_s``).

    Fields may be added with a default, never renamed or reused: a reader of any age skips what it
    does not know and fills in what is missing.
    """

    def but(self, **changes: Any) -> Self:
        """A copy with other values in some fields."""
        return msgspec.structs.replace(self, **changes)
