"""An Authorization header to the tenant it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from model_backend.settings import KeySettings
from streams.errors import InvalidParameterError

ANONYMOUS_REQUESTS_PER_MINUTE: Final = 6_000
ANONYMOUS_MAX_IN_FLIGHT: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Who pays and waits together, and how much they may ask for."""

    name: str
    requests_per_minute: int
    max_in_flight: int


ANONYMOUS: Final = Tenant(
    name="anonymous",
    requests_per_minute=ANONYMOUS_REQUESTS_PER_MINUTE,
    max_in_flight=ANONYMOUS_MAX_IN_FLIGHT,
)


class KeyProblem(StrEnum):
    """Why a caller is nobody we know."""

    MISSING = "missing"
    WRONG = "wrong"


class Keyring:
    """All keys, kept as SHA-256 only.

    A key is looked up by its digest: how long that takes says nothing about how much of a guessed
    key was right, and does not grow with the number of keys. Raises InvalidParameterError for an
    empty key, or one that two entries share.
    """

    def __init__(self, keys: Sequence[KeySettings], *, allow_anonymous: bool) -> None:
        self._allow_anonymous = allow_anonymous
        self._tenants: dict[bytes, Tenant] = {}
        for entry in keys:
            secret = entry.key.get_secret_value()
            digest = _digest(secret)
            if not secret or digest in self._tenants:
                raise InvalidParameterError(
                    f"gateway.keys: the key of tenant {entry.tenant}",
                    "(hidden)",
                    "not empty and no other entry's key",
                )
            self._tenants[digest] = Tenant(
                name=entry.tenant,
                requests_per_minute=entry.requests_per_minute,
                max_in_flight=entry.max_in_flight,
            )

    def identify(self, authorization: str | None) -> Tenant | KeyProblem:
        """The tenant of ``Bearer <key>``; without a header `anonymous` where that is allowed.

        Where no key is configured at all, any is as good as none: SDKs insist on sending one.
        """
        if self._allow_anonymous and (authorization is None or not self._tenants):
            return ANONYMOUS
        if authorization is None:
            return KeyProblem.MISSING
        scheme, _, secret = authorization.partition(" ")
        digest = _digest(secret.strip())
        tenant = self._tenants.get(digest) if scheme.lower() == "bearer" else None
        return tenant or KeyProblem.WRONG


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()
