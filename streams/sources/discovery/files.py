"""Targets in a file in Prometheus' `file_sd` format, JSON or YAML."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from streams.errors import InvalidParameterError
from streams.sources.discovery.polled import DiscoveryError
from streams.sources.targets import Target, target

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
_LABELS: Final = ("pool", "replica", "cluster")


class _Group(msgspec.Struct):
    targets: list[str]
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class FileLookup:
    """`[{"targets": ["10.0.0.7:8000"], "labels": {"pool": "chat"}}]`.

    Besides ours, `__scheme__` and `__metrics_path__` of Prometheus are understood. Labels of a
    group go before those of the line. Read again when it changed.
    """

    kind = "file"

    def __init__(self, path: Path, labels: Mapping[str, str], cluster: str) -> None:
        self._path = path
        self._labels = labels
        self._cluster = cluster
        self._seen: tuple[int, int] | None = None
        self._found: Sequence[Target] = ()

    async def look(self) -> Sequence[Target]:
        return await asyncio.to_thread(self._read)

    def _read(self) -> Sequence[Target]:
        try:
            stat = self._path.stat()
            seen = stat.st_mtime_ns, stat.st_size
            if seen != self._seen:
                if stat.st_size > MAX_FILE_BYTES:
                    raise DiscoveryError(f"{self._path} has more than {MAX_FILE_BYTES} bytes")
                self._found = self._targets(self._path.read_bytes())
                self._seen = seen
        except (OSError, ImportError, msgspec.MsgspecError, InvalidParameterError) as exc:
            raise DiscoveryError(f"{self._path}: {exc}") from exc
        return self._found

    def _targets(self, text: bytes) -> list[Target]:
        # YAML holds JSON, but is read a hundred times more slowly.
        decode = msgspec.json.decode if text.lstrip()[:1] == b"[" else msgspec.yaml.decode
        groups = decode(text, type=list[_Group])
        return [
            self._target(address, group.labels) for group in groups for address in group.targets
        ]

    def _target(self, address: str, labels: Mapping[str, str]) -> Target:
        own = {name: labels[name] for name in _LABELS if name in labels}
        if "://" not in address:
            path = labels.get("__metrics_path__", "/metrics")
            address = f"{labels.get('__scheme__', 'http')}://{address}{path}"
        return target(address, {**self._labels, **own}, self._cluster)
