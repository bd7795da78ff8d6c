"""`tidegate gpus`: one reading of this node's GPUs, or of a dcgm-exporter's page, for people."""

import socket
from collections.abc import Iterator
from typing import Final

import aiohttp

from streams.clock import Clock, system_clock
from streams.clock_events import names
from streams.errors import InvalidParameterError
from streams.schemas.telemetry import GpuSample
from streams.sources.amd import AmdSource
from streams.sources.dcgm import WANTED, DcgmMeter
from streams.sources.nvml import NvmlSource
from streams.sources.prometheus_text import MAX_BYTES, parse
from streams.windows.features import FEATURES

TIMEOUT_S: Final = 10.0
_SHOWN: Final = (
    ("use", "util_ratio", 100, "%"),
    ("memory", "memory_used_bytes", 1e-9, "GB"),
    ("power", "power_w", 1, "W"),
    ("temperature", "temperature_c", 1, "°C"),
)


async def show(url: str, cluster: str, clock: Clock = system_clock) -> int:
    """Prints what there is; 1 if that is no GPU at all."""
    found: list[GpuSample] = []
    if url:
        page = parse(await _fetched(url), wanted=WANTED)
        found = DcgmMeter(cluster=cluster).samples(page.samples, clock())
        absent = [] if found else ["the page has no DCGM_FI_… metric of a GPU"]
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


async def _fetched(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as client, client.get(url) as answer:
            answer.raise_for_status()
            text = bytearray()
            async for chunk in answer.content.iter_any():
                text += chunk
                if len(text) > MAX_BYTES:
                    break
            return bytes(text)
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        cause = str(exc) or type(exc).__name__
        raise InvalidParameterError("URL", url, f"a page that answers ({cause})") from exc


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
