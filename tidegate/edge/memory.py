"""A site's thinking on its file: each step is on disk before it is sent, a restart goes on."""

from collections.abc import Sequence

from streams.clock import SECOND_US
from streams.codec import decode_record
from streams.stage import Out
from streams.topics import TOPICS
from tidegate.edge.merge_sites import begin
from tidegate.edge.site import Sender, Site, worth_sending
from tidegate.edge.spool import Record, Spool
from tidegate.settings import Settings


class Memory:
    """Blocks while it writes: call it from a thread.

    settings: as ``settings_of`` has them.
    """

    def __init__(self, settings: Settings, spool: Spool, sender: Sender) -> None:
        self._site = Site(settings)
        begin(self._site.watch, settings)
        self._sender = sender
        self._spool = spool
        self._every_us = round(settings.edge.snapshot_s * SECOND_US)
        self._restore()
        self._snapshot_us = self._site.clock_us

    def step(self, records: Sequence[Out], clock_us: int) -> int:
        """Take in what was just read; returns how many messages wait for the line because of it."""
        found = [out for out in self._site.step(records, clock_us) if worth_sending(out)]
        lost = self._spool.dropped
        out = [
            self._sender.addressed(one, position, lost=lost)
            for position, one in enumerate(found, self._spool.next_position)
        ]
        self._spool.keep(clock_us, records, out)
        if self._site.clock_us - self._snapshot_us >= self._every_us:
            self._spool.snapshot(self._site.meaning, self._site.save())
            self._snapshot_us = self._site.clock_us
        return len(out)

    def _restore(self) -> None:
        """Silently: what came of these steps waits in the spool, or has been sent."""
        state = self._spool.state(self._site.meaning)
        if state is not None:
            self._site.load(state)
        for step in self._spool.taken():
            self._site.step([_out(record) for record in step.records], step.clock_us)


def _out(record: Record) -> Out:
    topic, key, value = record
    kind = TOPICS[topic].record
    assert kind is not None  # noqa: S101
    return Out(topic=topic, key=key, value=decode_record(value, kind))
