"""Records that a thinker keeps, as the state of its stage: only what changed is written."""

from collections.abc import Iterable

from streams.codec import encode_record
from streams.schemas.base import Record


class Ledger:
    """Remembers what was written last, so that a step writes the difference.

    Records are frozen: one that is the same object has not changed.
    """

    def __init__(self) -> None:
        self._written: dict[str, Record] = {}

    def restored(self, records: Iterable[tuple[str, Record]]) -> None:
        """These are written already."""
        self._written = dict(records)

    def changed(self, records: Iterable[tuple[str, Record]]) -> dict[str, bytes | None]:
        """Key -> JSON of what is new, None for what is gone; counts as written from now on."""
        now = dict(records)
        changed: dict[str, bytes | None] = {
            key: encode_record(record)
            for key, record in now.items()
            if self._written.get(key) is not record
        }
        changed |= dict.fromkeys(self._written.keys() - now.keys())
        self._written = now
        return changed
