"""A Schema Registry over HTTP: the id of a schema in, the schema out."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final, Protocol
from urllib.parse import quote

import aiohttp
import msgspec

from streams.errors import InvalidParameterError, RegistryUnavailableError
from streams.maps.registered import Registered
from streams.maps.registry_schema import Schema
from streams.maps.settings import RegistrySettings
from streams.windows.check import Reject

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_REFERENCES: Final = 64
"""Of a schema, and of those it refers to, all together."""
_NOT_FOUND: Final = 404


class _Reference(msgspec.Struct):
    name: str
    subject: str
    version: int


class _Answer(msgspec.Struct):
    schema: str
    schemaType: str = "AVRO"  # noqa: N815  -- the registry's name
    references: list[_Reference] = []


class Learner(Protocol):
    """What has to know what numbers mean, as ``Registered`` does."""

    def missing(self, values: Sequence[bytes | None]) -> set[int]: ...
    def learn(self, number: int, schema: Schema | Reject) -> None: ...


class Registry:
    """Asks for what is not known; the answers never change, so nobody asks twice."""

    def __init__(self, settings: RegistrySettings) -> None:
        if not settings.url:
            raise InvalidParameterError("stream.registry.url", "", "the address of the registry")
        self._settings = settings

    async def teach(self, format_: Learner, values: Sequence[bytes | None]) -> None:
        """Let the format know all schemas of these messages.

        An id that the registry does not know makes dead letters of its messages. Raises
        RegistryUnavailableError if it does not answer: then nothing may be decided.
        """
        missing = format_.missing(values)
        if not missing:
            return
        async with self._session() as session:
            for number in sorted(missing):
                found = await self._get(session, f"/schemas/ids/{number}", [])
                reject = Reject("unknown_schema", f"the registry has no schema {number}")
                format_.learn(number, found or reject)

    def _session(self) -> aiohttp.ClientSession:
        settings = self._settings
        login = f"{settings.username}:{settings.password.get_secret_value()}".encode()
        basic = {"Authorization": f"Basic {b64encode(login).decode()}"}
        timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        return aiohttp.ClientSession(headers=basic if settings.username else {}, timeout=timeout)

    async def _get(
        self, session: aiohttp.ClientSession, path: str, asked: list[str]
    ) -> Schema | None:
        if len(asked) >= MAX_REFERENCES or path in asked:
            return None
        asked.append(path)
        answer = await self._answer(session, path)
        if answer is None:
            return None
        references = {}
        for each in answer.references:
            subject = quote(each.subject, safe="")
            found = await self._get(session, f"/subjects/{subject}/versions/{each.version}", asked)
            if found is not None:
                references[each.name] = found
        return Schema(answer.schema, answer.schemaType, references)

    async def _answer(self, session: aiohttp.ClientSession, path: str) -> _Answer | None:
        url = f"{self._settings.url.rstrip('/')}{path}"
        try:
            # Protobuf as a descriptor, not as text; Avro takes no notice.
            async with session.get(url, params={"format": "serialized"}) as answer:
                if answer.status == _NOT_FOUND:
                    return None
                answer.raise_for_status()
                body = await answer.content.read(MAX_BYTES)
                return msgspec.json.decode(body, type=_Answer)
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as exc:
            cause = str(exc) or f"no answer within {self._settings.timeout_s:g} s"
            raise RegistryUnavailableError(self._settings.url, cause) from exc


async def teach(
    format_: object, settings: RegistrySettings, values: Sequence[bytes | None]
) -> None:
    """Where messages name schemas, learn what they mean; else nothing."""
    if isinstance(format_, Registered):
        await Registry(settings).teach(format_, values)
