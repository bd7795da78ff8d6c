"""Labels to identity to shard: ``series_id`` and ``shard_of``."""

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b

SERIES_LABELS: dict[str, tuple[str, ...]] = {
    "request": ("cluster", "pool", "model", "route", "tenant"),
    "engine": ("cluster", "pool", "replica"),
    "gpu": ("cluster", "node", "gpu_uuid"),
}
"""What identifies a series of each kind; everything else is an attribute and may change."""


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def series_id(kind: str, labels: Mapping[str, str]) -> int:
    """blake2b-64 of the canonical JSON of kind and labels, as a signed 64-bit integer.

    >>> series_id("engine", {"replica": "codex-1", "cluster": "local", "pool": "codex"})
    -2675424401666646426
    """
    identity = {name: labels.get(name, "") for name in SERIES_LABELS[kind]}
    return _hash64(
        json.dumps([kind, identity], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    )


def series_hex(series: int) -> str:
    """Sixteen hex digits, as shown to people and used in ids."""
    return f"{series & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def series_of(text: str) -> int:
    """The inverse of ``series_hex``. Raises ValueError for anything else.

    >>> series_of(series_hex(-2675424401666646426))
    -2675424401666646426
    """
    return int.from_bytes(bytes.fromhex(text.zfill(16))[-8:], "big", signed=True)


def routing_key(kind: str, labels: Mapping[str, str]) -> str:
    """What decides the shard: the pool for requests and engines, the node group for GPUs.

    Fellows sit together, so that comparing a replica or GPU with its peers stays within a shard.
    """
    if kind == "gpu":
        group = labels.get("node_group") or labels.get("node", "")
        return f"{labels.get('cluster', '')}/{labels.get('zone', '')}/{group}"
    return f"{labels.get('cluster', '')}/{labels.get('pool', '')}"


def shard_of(key: str, shards: int) -> int:
    """blake2b-64 of the routing key modulo the number of shards.

    >>> shard_of("local/codex", 16) in range(16)
    True
    """
    return _hash64(key) % shards


def build_of(engine: str, version: str, models: Iterable[str]) -> str:
    """What must be the same for two replicas to carry as much."""
    return " ".join((engine, version, *sorted(models)))
