"""InfluxDB 1.12, built from its Go module: the write API of 2.x and InfluxQL of all."""

import os
import urllib.parse
import urllib.request
from pathlib import Path

from tests.services.base import Service, answers, cache_dir, call, free_port, need, say

VERSION = "v1.12.2"

_CONFIG = """reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = true
  flux-enabled = true
  log-enabled = false
"""


class Influx(Service):
    """One server with an admin and a database."""

    size = "about 400 MB of Go modules, 2 to 6 minutes to build, once"
    user, password, database = "tidegate", "only-for-tests", "tidegate"

    @classmethod
    def prepare(cls) -> Path:
        home = cache_dir() / f"influxdb-{VERSION}"
        if not (home / "bin" / "influxd").exists():
            need("go", "install Go 1.24 or newer")
            need("cargo", "install Rust (rustup)")
            say(f"building InfluxDB {VERSION} ({cls.size})")
            cls._build(home / "bin")
        return home

    @staticmethod
    def _build(binaries: Path) -> None:
        binaries.mkdir(parents=True, exist_ok=True)
        # flux denies compiler warnings, and newer compilers have more of them.
        lenient = binaries / "rustc-lenient"
        lenient.write_text('#!/bin/sh\nrustc="$1"; shift; exec "$rustc" "$@" --cap-lints=allow\n')
        lenient.chmod(0o755)
        env = {
            "GOBIN": str(binaries),
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "RUSTUP_TOOLCHAIN": "stable",
            "RUSTC_WRAPPER": str(lenient),
        }
        call(["go", "install", "github.com/influxdata/pkg-config@latest"], env=env)
        env["PKG_CONFIG"] = str(binaries / "pkg-config")
        call(["go", "install", f"github.com/influxdata/influxdb/cmd/influxd@{VERSION}"], env=env)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.binary = self.prepare() / "bin" / "influxd"
        self.port = free_port()
        config = _CONFIG.format(port=self.port, rpc=free_port(), folder=folder)
        (folder / "influxdb.conf").write_text(config)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return f"{self.user}:{self.password}"

    def start(self) -> None:
        self.spawn(
            [str(self.binary), "-config", str(self.folder / "influxdb.conf")],
            lambda: answers(f"{self.url}/ping"),
        )
        admin = f"CREATE USER {self.user} WITH PASSWORD '{self.password}' WITH ALL PRIVILEGES"
        self.query(admin, signed=False)
        self.query(f"CREATE DATABASE {self.database}")

    def query(self, text: str, *, signed: bool = True) -> bytes:
        """Send InfluxQL; the answer as JSON bytes."""
        body = urllib.parse.urlencode({"q": text, "db": self.database}).encode()
        # 1.x looks for credentials in the header and the URL, not in the body.
        headers = {"Authorization": f"Token {self.token}"} if signed else {}
        request = urllib.request.Request(f"{self.url}/query", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            data: bytes = answer.read()
            return data
