"""What a service for the tests can do: be prepared, start, stop."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Missing(Exception):  # noqa: N818  a state of the machine, not a mistake
    """A tool this service needs is not on the machine; the message says what would bring it."""


def cache_dir() -> Path:
    """``TIDEGATE_CACHE``, by default under the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tidegate"
    path = Path(os.environ.get("TIDEGATE_CACHE", default))
    path.mkdir(parents=True, exist_ok=True)
    return path


def answers(request: str | urllib.request.Request, trust: ssl.SSLContext | None = None) -> bool:
    """Whether somebody serves there, and says that all is well."""
    try:
        with urllib.request.urlopen(request, timeout=2, context=trust):
            return True
    except urllib.error.HTTPError as exc:
        exc.close()
    except OSError:
        pass
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def need(tool: str, remedy: str) -> str:
    if (path := shutil.which(tool)) is None:
        raise Missing(f"{tool} is not installed; {remedy}")
    return path


def call(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run a preparing step: its output, which is shown only when it fails."""
    done = subprocess.run(
        argv,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise Missing(f"`{' '.join(argv[:4])} …` failed:\n{tail}")
    return done.stdout


def say(text: str) -> None:
    sys.stderr.write(f"services: {text}\n")


class Service(ABC):
    """One process on loopback, with its files in a folder of its own."""

    size: str
    """What preparing downloads and takes, for people."""

    @classmethod
    @abstractmethod
    def prepare(cls) -> Path:
        """Fetch or build what is needed, once. Raises Missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def spawn(self, argv: Sequence[str], ready: Callable[[], bool], seconds: float = 60) -> None:
        """Start the process and wait until ``ready``; raises Missing with the end of its log."""
        log = self.folder / "log.txt"
        with log.open("ab") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, cwd=self.folder)
        until = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise Missing(f"{type(self).__name__} did not start:\n{tail}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5):
            return True
    except OSError:
        return False
