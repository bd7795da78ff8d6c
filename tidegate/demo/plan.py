"""The settings `up` runs with: two pools, four clients, one machine."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from detectors.settings import ChannelSettings
from model_backend.settings import BackendSettings, KeySettings, PoolSettings
from streams.settings import BrokerSettings, SinkSettings, TopicSettings, WindowSettings
from tidegate.demo.faults import FLOODERS
from tidegate.demo.trace import TENANTS
from tidegate.settings import Settings

CAP_TOKENS_PER_S: Final = 12.0
MAX_CODEX: Final = 3
SLOTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where `up` listens; all on loopback."""

    broker: int
    gateway: int
    api: int
    webhook: int

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api}"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """Settings of the run and the secrets made for it."""

    settings: Settings
    ports: Ports
    keys: Mapping[str, str]
    webhook_secret: str


def demo_settings(  # noqa: PLR0913  every argument is one fact of the machine or the command line
    base: Settings,
    *,
    ports: Ports,
    folder: Path,
    model_path: str,
    cap_tokens_per_s: float,
    broker: str = "",
    prefix: str = "tidegate.",
) -> DemoPlan:
    """``base`` (defaults, file, environment) with everything the demo needs on top."""
    keys = {tenant: f"tg-{secrets.token_urlsafe(24)}" for tenant in (*TENANTS, *FLOODERS)}
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    stream = base.stream.model_copy(
        update={
            "broker": base.stream.broker.model_copy(update=_broker(broker, ports)),
            "topics": TopicSettings(prefix=prefix, shards=2, raw_partitions=1),
            "windows": WindowSettings(lateness_s=1.0),
            "sinks": SinkSettings(
                embedded_path=str(folder / "tidegate.sqlite"), influx=base.stream.sinks.influx
            ),
        }
    )
    known = tuple(
        KeySettings(tenant=tenant, key=SecretStr(key), requests_per_minute=1200)
        for tenant, key in keys.items()
    )
    backend = BackendSettings(
        gateway=base.backend.gateway.model_copy(update={"port": ports.gateway, "keys": known}),
        pools=tuple(PoolSettings(**pool) for pool in _pools(model_path, cap_tokens_per_s)),
    )
    channel = ChannelSettings(
        name="demo",
        url=f"http://127.0.0.1:{ports.webhook}/alerts",
        secret=SecretStr(secret),
        allow_private=True,
    )
    scaling = base.scaling.model_copy(
        update={"ladder": "full", "dry_run": False, "scale_down_after_s": 25.0}
    )
    # Copied, not built: building would ask the environment once more, over what is set here.
    settings = base.model_copy(
        update={
            "stream": stream,
            "detection": base.detection.model_copy(update={"channels": (channel,)}),
            "backend": backend,
            "scaling": scaling,
            "api": base.api.model_copy(update={"port": ports.api}),
        }
    )
    return DemoPlan(settings=settings, ports=ports, keys=keys, webhook_secret=secret)


def cap_for(measured_tokens_per_s: float) -> float:
    """The cap of one replica, so that a full pool stays within what one core was measured to make.

    >>> cap_for(44.0), cap_for(20.0)
    (12.0, 5.5)
    """
    return min(CAP_TOKENS_PER_S, round(measured_tokens_per_s * 0.82 / MAX_CODEX, 1))


def token_s(settings: Settings) -> float:
    """Seconds between two tokens of a stream of `codex`, as its cap has it."""
    codex = next(pool for pool in settings.backend.pools if pool.name == "codex")
    return codex.slots / codex.cap_tokens_per_s if codex.cap_tokens_per_s else 0.025


def _broker(url: str, ports: Ports) -> dict[str, Any]:
    if url:
        return BrokerSettings(url=url).model_dump(include={"url"})
    return {"url": f"kafka://127.0.0.1:{ports.broker}", "delivery": "at_least_once"}


def _pools(model_path: str, cap: float) -> list[dict[str, Any]]:
    return [
        {
            "name": "codex",
            "service": "codex",
            "model": "gemma-3-270m",
            "driver": "process",
            "replica": "llama",
            "options": {"model_path": model_path},
            "min_replicas": 1,
            "initial_replicas": 2,
            "max_replicas": MAX_CODEX,
            "slots": SLOTS,
            "cap_tokens_per_s": cap,
            "start_delay_s": 8.0,
            "slo_queue_s": 1.0,
        },
        {
            "name": "sora",
            "service": "sora",
            "model": "sora-stand-in",
            "role": "job",
            "driver": "process",
            "replica": "video",
            "min_replicas": 1,
            "initial_replicas": 1,
            "max_replicas": 2,
            "slots": 1,
            "start_delay_s": 6.0,
            "slo_queue_s": 10.0,
        },
    ]
