"""Who we are to a target, from settings and files in; headers and certificates of a request out."""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.errors import InvalidParameterError
from streams.log import get_logger
from streams.sources.settings import AccessSettings
from streams.tls import client_tls

AGAIN_S: Final = 10.0
"""How often files are looked at again: Kubernetes changes a token long before the old one ends."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """What goes along with a request."""

    headers: Mapping[str, str]
    tls: ssl.SSLContext | bool


class Access:
    """What the settings say, as their files have it now.

    Reads them when made, so outside of a loop; raises InvalidParameterError. If one cannot be read
    later, what was read before stays.

    section: of the settings; hint: what to do when it is refused.
    """

    def __init__(
        self,
        settings: AccessSettings | None = None,
        *,
        section: str = "access",
        hint: str = "",
        again_s: float = AGAIN_S,
    ) -> None:
        self.hint = hint
        self._settings = own = settings or AccessSettings()
        self._section = section
        self._again_s = again_s
        self._due_s = 0.0
        named = (own.token_file, own.ca_file, own.cert_file, own.key_file)
        self._files = [Path(name) for name in named if name]
        self._seen = self._states()
        self._shown = self._read()

    async def shown(self) -> Shown:
        now_s = asyncio.get_running_loop().time()
        if self._files and now_s >= self._due_s:
            self._due_s = now_s + self._again_s
            await asyncio.to_thread(self._look_again)
        return self._shown

    def _look_again(self) -> None:
        seen = self._states()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._shown = self._read()
        except InvalidParameterError as exc:
            log.warning("access_not_renewed", section=self._section, cause=str(exc))

    def _states(self) -> list[tuple[int, int, int] | None]:
        return [_state(file) for file in self._files]

    def _read(self) -> Shown:
        own = self._settings
        tls: ssl.SSLContext | bool = True
        if own.ca_file or own.cert_file:
            tls = client_tls(
                self._section,
                ca_file=own.ca_file,
                cert_file=own.cert_file,
                key_file=own.key_file,
            )
        return Shown(_headers(own, self._token()), tls)

    def _token(self) -> str:
        name = self._settings.token_file
        if not name:
            return self._settings.token.get_secret_value()
        try:
            token = Path(name).read_text("ascii").strip()
        except (OSError, ValueError):
            token = ""
        if not token or not token.isprintable():
            allowed = "a readable file with a token in it"
            raise InvalidParameterError(f"{self._section}.token_file", name, allowed)
        return token


def _headers(own: AccessSettings, token: str) -> dict[str, str]:
    if token:
        return {"Authorization": f"Bearer {token}"}
    if own.username:
        pair = f"{own.username}:{own.password.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _state(file: Path) -> tuple[int, int, int] | None:
    """Another one when the file is; None where there is none."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
