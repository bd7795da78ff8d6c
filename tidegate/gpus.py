"""`tidegate gpus`: one reading of this node's GPUs, or of a dcgm-exporter's page, for people."""

import socket
from collections.abc import Iterator
from typing import Final

from streams.clock import Clock, system_clock
from streams.clock_events import names
from streams.errors import InvalidParameterError
from streams.schemas.telemetry import GpuSample
from streams.sources.amd import AmdSource
from streams.sources.dcgm import DcgmMeter
from streams.sources.gpu_names import WANTED
from streams.sources.nvml import NvmlSource
from streams.sources.prometheus_text import parse
from streams.windows.features import FEATURES
from tidegate.settings import Settings
from tidegate.watch.look import asker_for

_SHOWN: Final = (
    ("use", "util_ratio", 100, "%"),
    ("memory", "memory_used_bytes", 1e-9, "GB"),
    ("power", "power_w", 1, "W"),
    ("temperature", "temperature_c", 1, "°C"),
)


async def show(url: str, settings: Settings, clock: Clock = system_clock) -> int:
    """Prints what there is; 1 if that is no GPU at all. Raises SourceUnavailableError."""
    cluster = settings.cluster
    found: list[GpuSample] = []
    if url:
        async with await asker_for(settings.watch) as asker:
            page = await asker.page(url)
        samples = parse(page.body, wanted=WANTED).samples
        found = DcgmMeter(cluster=cluster).samples(samples, clock())
        absent = (
            []
            if found
            else ["the page has no metric of a GPU that we know (DCGM_FI_…, AMD's gpu_…)"]
        )
    else:
        found, absent = await _here(cluster, clock())
    for line in (*absent, *(line for sample in found for line in told(sample))):
        print(line)
    return 0 if found else 1


async def _here(cluster: str, now_us: int) -> tuple[list[GpuSample], list[str]]:
    node, found, absent = socket.gethostname(), list[GpuSample](), list[str]()
    for maker, make in (("NVIDIA", NvmlSource), ("AMD", AmdSource)):
        try:
            source = make(cluster=cluster, node=node)
        except InvalidParameterError as exc:
            absent.append(f"no GPU of {maker}: {exc}")
            continue
        samples = await source.read([], now_us)
        found += samples
        if not samples:
            absent.append(f"no GPU of {maker}: {source.absent or 'the driver has none'}")
        await source.close()
    return found, absent


def told(sample: GpuSample) -> Iterator[str]:
    """Two lines about a GPU: what it shows, and what it does not."""
    part = f" of {sample.parent_uuid}" if sample.parent_uuid else ""
    shown = [
        f"{name} {value * factor:.4g} {unit}"
        for name, field, factor, unit in _SHOWN
        if (value := getattr(sample, field)) is not None
    ]
    shown += [f"held by {sample.owner}"] if sample.owner else []
    shown += [f"XID {sample.xid}"] if sample.xid else []
    shown += [f"clocks: {' '.join(names(sample.throttle_reasons))}"] * bool(sample.throttle_reasons)
    yield f"{sample.node} {sample.gpu_uuid}{part} {sample.model}: {', '.join(shown)}"
    features = [feature.name for feature in FEATURES["gpu"]]
    missing = [name for name in features if getattr(sample, name) is None]
    if missing:
        yield f"  missing: {', '.join(missing)}"
