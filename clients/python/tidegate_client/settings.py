"""Arguments and ``TIDEGATE_CLIENT_*`` in, settings out, or what is wrong with them."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tidegate_client.errors import InvalidSettingError

PREFIX: Final = "TIDEGATE_CLIENT_"
_SECURITY: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_COMPRESSION: Final = ("none", "gzip", "lz4", "zstd", "snappy")


@dataclass(frozen=True)
class Settings:
    """Where to send, and how much may wait. Each can come from ``TIDEGATE_CLIENT_<NAME>``."""

    broker: str = "127.0.0.1:9092"
    """`host:port[,host:port]`."""
    prefix: str = "tidegate."
    """Of the topics."""
    cluster: str = "local"
    """Written into every record that does not name one."""
    producer: str = ""
    """Who sends, at most 128 characters; by default the host's name."""
    linger_s: float = 0.2
    """Records wait this long for others to share a frame with."""
    batch_records: int = 500
    """A frame has at most so many."""
    buffer_records: int = 20_000
    """Of each kind wait at most so many in memory; then the oldest are dropped."""
    spool_dir: str = ""
    """Folder for frames that wait for the broker; empty: they wait in memory only."""
    spool_bytes: int = 64_000_000
    """The spool of a process is at most this large; then the oldest frames are dropped."""
    exit_s: float = 2.0
    """How long closing, also at exit, may wait for the broker."""
    compression: str = "none"
    """Or `gzip`; or `lz4`, `zstd`, `snappy` where kafka-python finds their packages.

    An event in columns takes some 45 bytes. kafka-python's gzip makes 10 of them, and is then most
    of what the client costs.
    """
    security: str = "plaintext"
    """`plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`."""
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    kafka: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """More options of kafka-python's producer, by its names; an argument only."""

    def __post_init__(self) -> None:
        if not self.producer:
            object.__setattr__(self, "producer", socket.gethostname()[:128])
        object.__setattr__(self, "broker", self.broker.replace("kafka://", "").replace(" ", ""))
        _check(self)


def read_settings(environ: Mapping[str, str], arguments: Mapping[str, Any]) -> Settings:
    """Arguments win. Raises InvalidSettingError."""
    fields = {each.name: each for each in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if name.startswith(PREFIX):
            known = name[len(PREFIX) :].lower()
            if known not in fields or known == "kafka":
                allowed = ", ".join(PREFIX + each.upper() for each in fields if each != "kafka")
                raise InvalidSettingError("environment variable", name, f"one of {allowed}")
            values[known] = _read(name, text, type(fields[known].default))
    for name in arguments:
        if name not in fields:
            raise InvalidSettingError("argument", name, f"one of {', '.join(fields)}")
    return Settings(**{**values, **arguments})


def _read(name: str, text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise InvalidSettingError(name, text, what) from None


def _check(of: Settings) -> None:
    def need(name: str, allowed: str, *, fits: object) -> None:
        if not fits:
            raise InvalidSettingError(name, getattr(of, name), allowed)

    address = r"([^:,/\s]+|\[[^\]]+\]):\d{1,5}"
    need("broker", "host:port[,host:port]", fits=re.fullmatch(f"{address}(,{address})*", of.broker))
    need("prefix", "made of A-Z a-z 0-9 . _ -", fits=re.fullmatch(r"[A-Za-z0-9._-]*", of.prefix))
    printable = 0 < len(of.producer) <= 128 and of.producer.isprintable()
    need("producer", "1 to 128 characters that can be printed", fits=printable)
    need("linger_s", "from 0.01 s to 60 s", fits=0.01 <= of.linger_s <= 60)
    need("batch_records", "from 1 to 5,000", fits=1 <= of.batch_records <= 5_000)
    need("buffer_records", "at least batch_records", fits=of.buffer_records >= of.batch_records)
    need("spool_bytes", "at least 1,000,000", fits=of.spool_bytes >= 1_000_000)
    need("exit_s", "from 0 s to 600 s", fits=0 <= of.exit_s <= 600)
    need("compression", f"one of {', '.join(_COMPRESSION)}", fits=of.compression in _COMPRESSION)
    need("security", f"one of {', '.join(_SECURITY)}", fits=of.security in _SECURITY)
    need("username", "given for a login", fits=of.username or "sasl" not in of.security)
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(of, name)
        need(name, "a file that can be read", fits=not path or Path(path).is_file())
