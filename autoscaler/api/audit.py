"""Writes of the API: each is put on record first, then published, once per idempotency key."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus
from typing import Final, Protocol, TypeVar
from uuid import uuid4

from autoscaler.api.latest import Latest
from autoscaler.api.problems import ApiError, status_of
from streams.clock import Clock
from streams.errors import TidegateError
from streams.schemas.incidents import Audit, Command, Feedback
from streams.schemas.telemetry import Change
from streams.stage import Out

Publish = Callable[[Out], Awaitable[None]]
"""Returns when the broker has it; raises BrokerUnavailableError."""


class PastAsks(Protocol):
    """What the log says of earlier requests with a key."""

    @property
    def catching_up(self) -> bool:
        """Not all of it was read yet."""
        ...

    def asked(self, name: str) -> Command | Feedback | None: ...


MAX_KEYS: Final = 1_000
R = TypeVar("R", Command, Feedback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One write as it is audited."""

    action: str
    """`override`, `resolve`, `feedback`, ..."""
    target: str
    """`local/codex`, `INC-…`, ..."""
    actor: str
    content: str
    """The body as JSON: another one under the same key is refused."""
    key: str = ""
    """The client's Idempotency-Key; empty: every request counts anew."""

    def name(self) -> str:
        """The id of what is published."""
        return f"{self.action}:{self.target}:{self.key or uuid4().hex}"

    def fingerprint(self) -> str:
        """What the same key has to come with again; empty without a key."""
        return blake2b(self.content.encode(), digest_size=16).hexdigest() if self.key else ""


class Writes:
    """Publishes what was asked.

    What is refused by a route is audited as well. A repeated key gets the first answer again and
    publishes nothing, whatever has changed since; the last 1,000 keys are known here, and those in
    the log of commands, also of other APIs and of this one before it was started anew. PLAN carries
    out each id only once. As the IETF's draft of Idempotency-Key has it, a key is refused with 422
    for another request, and with 409 while its first request is under way.
    """

    def __init__(self, publish: Publish, clock: Clock, past: PastAsks) -> None:
        self._publish = publish
        self._clock = clock
        self._past = past
        self._answers: Latest[str, Command | Feedback] = Latest(MAX_KEYS)
        self._under_way: set[str] = set()

    async def command(self, asked: Asked, make: Callable[[str, int], Command]) -> Command:
        """``make``: id and instant -> the command; may raise a TidegateError to refuse."""
        return await self._write(asked, "commands", make)

    async def feedback(
        self,
        asked: Asked,
        make: Callable[[str, int], Feedback],
        change_of: Callable[[Feedback], Change],
    ) -> Feedback:
        """``change_of``: what tells detectors of it, in the order of everything else they know."""

        def told(feedback: Feedback) -> list[Out]:
            change = change_of(feedback)
            return [Out(topic="changes", key=change.id, value=change)]

        return await self._write(asked, "feedback", make, told)

    async def _write(
        self,
        asked: Asked,
        topic: str,
        make: Callable[[str, int], R],
        more: Callable[[R], Iterable[Out]] | None = None,
    ) -> R:
        now_us, name = self._clock(), asked.name()
        try:
            if (before := self._before(asked, name)) is not None:
                return before  # type: ignore[return-value]  # the name tells what it is
            record = make(name, now_us).but(fingerprint=asked.fingerprint())
            record = await self._first(name, asked, record, topic, more)
        except TidegateError as exc:
            with suppress(TidegateError):  # the caller learns of the first error
                await self._note(asked, name, now_us, status_of(exc), str(exc))
            raise
        if asked.key:
            self._answers.put(name, record)
        return record

    async def _first(
        self,
        name: str,
        asked: Asked,
        record: R,
        topic: str,
        more: Callable[[R], Iterable[Out]] | None,
    ) -> R:
        self._under_way.add(name)
        try:
            await self._note(asked, name, record.at_us, HTTPStatus.ACCEPTED, "")
            await self._publish(Out(topic=topic, key=record.id, value=record))
            for out in more(record) if more else ():
                await self._publish(out)
        finally:
            self._under_way.discard(name)
        return record

    def _before(self, asked: Asked, name: str) -> Command | Feedback | None:
        """The answer to the same request under the same key."""
        if name in self._under_way:
            raise ApiError(
                HTTPStatus.CONFLICT, "the first request with this Idempotency-Key is under way"
            )
        known = self._answers.get(name) or self._past.asked(name)
        if known is None:
            if asked.key and self._past.catching_up:
                raise ApiError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "what was asked before is being read, and may have had this Idempotency-Key",
                )
            return None
        if known.fingerprint != asked.fingerprint():
            raise ApiError(
                HTTPStatus.UNPROCESSABLE_ENTITY, "this Idempotency-Key was used for another request"
            )
        return known

    async def _note(
        self, asked: Asked, name: str, now_us: int, status: HTTPStatus, detail: str
    ) -> None:
        audit = Audit(
            id=f"{name}@{now_us}/{status.value}",
            at_us=now_us,
            actor=asked.actor,
            action=asked.action,
            target=asked.target,
            status=status.value,
            detail=detail[:500],
        )
        await self._publish(Out(topic="audit", key=audit.id, value=audit))
