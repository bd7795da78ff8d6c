"""Owners that each break one of the rules: what a model is worth shows in finding them."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from streams.batch import RecordBatch
from streams.stage import Out
from tests.model.broker import Log, Producer
from tests.model.owner import Handler, LogOwner, Owner, Steps


class OffsetApart(LogOwner):
    """Commits the offset after the transaction instead of inside it."""

    def _commit(self, producer: Producer, out: Sequence[Out], offset: int | None) -> Steps:
        yield from super()._commit(producer, out, None)
        yield
        if offset is not None:
            self._broker.committed[self._place] = self._committed = offset


class Credulous(LogOwner):
    """Believes the coordinator, whatever it has committed itself."""

    def _committed_now(self) -> int | None:
        return self._broker.offset(self._place)


class Newcomer(LogOwner):
    """Believes the coordinator unless it has itself committed something further on."""

    def _committed_now(self) -> int | None:
        return Owner._committed_now(self)


class AnyBatch(LogOwner):
    """Takes whatever batch the transport hands over."""

    def _fits(self, batch: RecordBatch) -> bool:
        return True


class StateKept(LogOwner):
    """Goes on with its state after an error."""

    def _restored(self, handler: Handler) -> Handler:
        return self.handler or super()._restored(handler)


class NotFenced(LogOwner):
    """Has a transactional id of its own in every process."""

    def _open(self) -> Producer:
        return self._broker.producer("/".join(map(str, (*self._place, self._process.number))))


class LateByTheClock(LogOwner):
    """Takes the moment of reading for the append time."""

    def _fetched(self) -> RecordBatch:
        batch = super()._fetched()
        now_us = self._process.clock()
        messages = [
            msgspec.structs.replace(message, timestamp_us=now_us) for message in batch.messages
        ]
        return replace(batch, messages=messages)


class BlindToTransactions(LogOwner):
    """Takes the last stable offset for the end of the log."""

    def _end(self) -> int:
        return self._log.stable


class HastyToRestore(LogOwner):
    """Restores from what it sees of its state topic at once."""

    def _wait(self, state: Log) -> Steps:
        yield from ()
