"""An HTTP door of ours: its certificate and its address, or why it cannot have them."""

import errno
import ssl
from dataclasses import dataclass
from typing import Protocol, Self

from aiohttp import web

from streams.errors import InvalidParameterError, PortTakenError


class Listening(Protocol):
    """A section of the settings with a door in it."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def tls_cert(self) -> str: ...

    @property
    def tls_key(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a server listens, and what it shows.

    name: for people. section: of the settings. variable: in which its port is set.
    """

    name: str
    section: str
    variable: str
    host: str
    port: int
    tls_cert: str
    tls_key: str

    @classmethod
    def of(cls, settings: Listening, *, name: str, section: str, variable: str) -> Self:
        return cls(
            name=name,
            section=section,
            variable=variable,
            host=settings.host,
            port=settings.port,
            tls_cert=settings.tls_cert,
            tls_key=settings.tls_key,
        )

    def tls(self) -> ssl.SSLContext | None:
        """None without a certificate. Raises InvalidParameterError if it cannot be used."""
        if not self.tls_cert and not self.tls_key:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self.tls_cert, self.tls_key or None, password="")
        except OSError as exc:  # ssl.SSLError is one
            raise InvalidParameterError(
                f"{self.section}.tls_cert, {self.section}.tls_key",
                f"{self.tls_cert}, {self.tls_key}",
                f"a certificate and its key ({exc})",
            ) from exc
        return context

    async def open(self, runner: web.AppRunner, tls: ssl.SSLContext | None) -> None:
        """Raises PortTakenError, or InvalidParameterError for an address of others."""
        try:
            await web.TCPSite(runner, self.host, self.port, ssl_context=tls).start()
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                raise PortTakenError(self.name, self.port, self.variable) from exc
            allowed = f"an address of this machine ({exc.strerror})"
            raise InvalidParameterError(f"{self.section}.host", self.host, allowed) from exc
