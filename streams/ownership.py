"""Owning a stage as a whole: one active instance, the owner of its control topic's partition."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from faust.types import TP

from streams import metrics
from streams.batched import App, group_id
from streams.connection import full_name, new_consumer
from streams.errors import InvalidParameterError, OwnershipLostError, TidegateError
from streams.log import get_logger
from streams.retry import Attempts, persist
from streams.settings import StreamSettings
from streams.stage import Out, Outcome
from streams.topics import TOPICS
from streams.transaction import Atomic, Ordered, Transaction, transactional_id
from streams.vitals import Vital

log = get_logger(__name__)

MEMBER_S: Final = 0.5
"""How often to ask whether the group counts us in."""
LET_FINISH_S: Final = 1.5
"""How long a commit under way may take when the stage is taken from us."""


class Owned:
    """The right to write for a stage, from take-over until the first error."""

    def __init__(
        self, settings: StreamSettings, stage: str, transaction: Transaction, vital: Vital
    ) -> None:
        self.stage = stage
        self.vital = vital
        """The stage's work stirs it, or is taken to hang once there is something to read."""
        self._settings = settings
        self._transaction = transaction
        self._undisputed = asyncio.Event()
        self._undisputed.set()
        self._writing = asyncio.Lock()
        self._lost = False

    async def state(self) -> dict[str, bytes]:
        """The newest value of every key in the stage's state topic; nothing if it has none."""
        if self._topic not in TOPICS:
            return {}
        return await read_compacted(self._settings, self._topic)

    async def commit(self, outcome: Outcome) -> None:
        """Write outputs and state objects, in one transaction where the broker has them.

        Raises OwnershipLostError when another owner has taken over or the outcome is unknown: what
        was built on the state so far is void, return and start anew.
        """
        out = [*outcome.out, *self._state_messages(outcome)]
        await self._undisputed.wait()
        async with self._writing:
            if self._lost:
                raise OwnershipLostError(f"stage {self.stage} is not ours any more")
            try:
                with metrics.COMMIT_SECONDS.labels(self.stage).time():
                    await self._transaction.commit(out)
            except BaseException as exc:
                self._lost = True
                if isinstance(exc, KafkaError):
                    raise OwnershipLostError(f"outcome of a commit unknown ({exc})") from exc
                raise
        metrics.BATCHES.labels(self.stage).inc()
        metrics.RECORDS_OUT.labels(self.stage).inc(len(outcome.out))

    async def suspend(self) -> None:
        """Let a commit under way finish and hold further ones back until ``resume`` or ``end``."""
        self._undisputed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LET_FINISH_S), self._writing:
                pass

    def resume(self) -> None:
        self._undisputed.set()

    def end(self) -> None:
        """It is over: whoever still wants to commit, or waits to, is told so."""
        self._lost = True
        self._undisputed.set()

    def _state_messages(self, outcome: Outcome) -> list[Out]:
        if outcome.state and self._topic not in TOPICS:
            raise InvalidParameterError("state", sorted(outcome.state), f"empty: no {self._topic}")
        return [
            Out(topic=self._topic, key=key, value=value, partition=0)
            for key, value in outcome.state.items()
        ]

    @property
    def _topic(self) -> str:
        return f"state.{self.stage}"


def attach_owned(
    app: App, *, stage: str, control_topic: str, run: Callable[[Owned], Awaitable[None]]
) -> None:
    """Run ``run`` while partition 0 of ``control_topic`` (without prefix) is ours.

    It is cancelled when the partition is lost, and started anew, with a new ``Owned``, after any
    error. The control topic is not read here; ``run`` reads what it needs by itself.
    """
    topic = full_name(app.settings, control_topic)
    app.unread.add(topic)
    app.owners.append(SoleOwner(app, stage, control_topic, run))

    @app.agent(app.batched_topic(topic), name=stage)
    async def subscribe(batches: Any) -> None:
        async for _ in batches:
            pass  # Never: a subscription without an agent is not one to Faust.


class SoleOwner:
    """Starts and stops the one task of a stage as its control partition comes and goes."""

    def __init__(
        self, app: App, stage: str, control_topic: str, run: Callable[[Owned], Awaitable[None]]
    ) -> None:
        self._app = app
        self._stage = stage
        self._control = control_topic
        self._tp = TP(full_name(app.settings, control_topic), 0)
        self._run = run
        self._ours = asyncio.Event()
        self._owned: Owned | None = None
        self._task: asyncio.Task[None] | None = None
        self._vital = app.vitals.parts[stage] = Vital()
        self._attempts = Attempts()

    async def assigned(self, partitions: set[TP]) -> None:
        fenced = self._app.settings.broker.delivery == "exactly_once"
        if self._tp not in partitions or not fenced:
            # Without transactions nothing tells us whether another owned it meanwhile: start anew.
            await self._end()
        if self._tp not in partitions:
            return
        self._ours.set()
        if self._owned is not None:
            self._owned.resume()
        if self._task is None:
            work = persist(self._own, on_error=self._failed, attempts=self._attempts)
            self._task = asyncio.create_task(work, name=f"owned-{self._stage}")

    async def revoked(self) -> None:
        self._ours.clear()
        if self._owned is not None:
            await self._owned.suspend()

    async def close(self) -> None:
        await self.revoked()
        await self._end()

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _own(self) -> None:
        await self._until_member()
        transaction = self._transaction()
        owned = Owned(self._app.settings, self._stage, transaction, self._vital)
        try:
            await transaction.open()
            # We may have been frozen meanwhile and have fenced the rightful owner: ask again.
            await self._confirm()
            log.info("stage_taken", stage=self._stage)
            self._owned = owned
            metrics.PARTITIONS.labels(self._stage).set(1)
            await self._run(owned)
        finally:
            self._owned = None
            self._vital.look(behind=False)
            metrics.PARTITIONS.labels(self._stage).set(0)
            owned.end()
            await transaction.close()
        raise TidegateError(f"stage {self._stage} returned without being asked to")

    async def _until_member(self) -> None:
        """Who is no member must not fence the one who is."""
        await self._ours.wait()
        while not await self._app.consumer.is_member():
            await asyncio.sleep(MEMBER_S)
            await self._ours.wait()

    async def _confirm(self) -> None:
        if not self._ours.is_set() or not await self._app.consumer.is_member():
            raise OwnershipLostError(f"stage {self._stage} is not ours for the moment")

    def _transaction(self) -> Transaction:
        settings = self._app.settings
        if settings.broker.delivery == "at_least_once":
            tp = self._tp
            return Ordered(settings, lambda offset: self._app.consumer.commit_offset(tp, offset))
        name = transactional_id(settings, self._stage, self._control, 0)
        source = TopicPartition(self._tp.topic, 0)
        group = group_id(settings, self._stage)
        return Atomic(settings, name, source=source, group=group, told=self._app.vitals.writes)

    def _failed(self, error: Exception) -> None:
        self._vital.stir()
        lost = isinstance(error, OwnershipLostError | ProducerFenced)
        (metrics.FENCED if lost else metrics.ERRORS).labels(self._stage).inc()
        metrics.FAILING.labels(self._stage).set(self._attempts.failed + 1)
        known = isinstance(error, TidegateError | KafkaError)
        log.log(
            logging.INFO if lost else logging.ERROR,
            "stage_dropped",
            stage=self._stage,
            error=f"{type(error).__name__}: {error}",
            exc_info=None if known else error,
        )


async def read_compacted(settings: StreamSettings, topic: str) -> dict[str, bytes]:
    """The newest value of every key in partition 0; keys with a tombstone are left out."""
    found: dict[str, bytes] = {}
    tp = TopicPartition(full_name(settings, topic), 0)
    async with new_consumer(settings) as consumer:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        end = (await consumer.end_offsets([tp]))[tp]
        while await consumer.position(tp) < end:
            for record in (await consumer.getmany(tp, timeout_ms=500)).get(tp, ()):
                key = (record.key or b"").decode(errors="replace")
                if record.value is None:
                    found.pop(key, None)
                else:
                    found[key] = record.value
    return found
