"""Settings of what is read without being asked: engines that are scraped."""

from typing import Annotated

from pydantic import BaseModel, Field


class ScrapeSettings(BaseModel, frozen=True, extra="forbid"):
    """Which engines are scraped besides the replicas of our own pools, and how often."""

    targets: tuple[str, ...] = ()
    """One line each, an address and what it is part of: `http://vllm-0:8000 pool=chat`,
    `dns+http://vllm.default.svc:8000 pool=chat`, `srv+http://_http._tcp.vllm.default.svc`,
    `kubernetes://default?app=vllm pool=chat`, `file:///etc/tidegate/targets.json`."""
    signals_every_s: Annotated[float, Field(ge=0.5)] = 1.0
    """Requests running and waiting, cache, tokens: what tells of load."""
    full_every_s: Annotated[float, Field(ge=0.5)] = 1.0
    """The whole page, with the distributions of latencies."""
    pages_per_s: Annotated[int, Field(ge=1)] = 500
    """With more targets than this allows for, all are read less often: 1,000 every 2 s, in full
    every 10 s."""
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 0.8
    discover_every_s: Annotated[float, Field(ge=1)] = 15.0
    """How often names and files are looked at again; Kubernetes tells by itself."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Where the agent says how scraping goes, on 127.0.0.1; 0: nowhere."""
