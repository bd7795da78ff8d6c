"""Pages of dcgm-exporter and of AMD's exporter in, GpuSample out; old and new labels.

Two things dcgm-exporter says otherwise than NVML. ``DCGM_FI_DEV_XID_ERRORS`` is the last XID ever
seen, so an event is its change (``DcgmMeter``). With MIG it repeats what belongs to the board on
each instance; here power, temperature, errors and links are the parent's, memory and activity the
instance's.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streams.schemas.telemetry import GpuSample
from streams.sources.gpu_idle import IdleMeter
from streams.sources.gpu_names import BOARD, INSTANCE, name_of
from streams.sources.gpu_owner import listed
from streams.sources.prometheus_text import Sample

MAX_GPUS: Final = 10_000
"""On one page; what a page has beyond them is left out."""


_SUMMED: Final = frozenset(
    {"remapped_rows", "nvlink_errors", "pcie_bytes_per_s", "nvlink_bytes_per_s"}
)
"""Of several metrics or links; of anything else the largest counts: a repeat is harmless."""
_BLANKS: Final = (0x7FFFFFF0, 2**47, 0x7FFFFFFFFFFFFFF0)
"""DCGM's int32, fp64 and int64 for `no value`; the reasons for it follow, up to 15 further."""
_EXPORTERS: Final = ("dcgm-exporter", "metrics-exporter")


@dataclass(slots=True)
class _Device:
    """What a page says of a GPU or MIG instance: names, owners, (field, metric, link) -> value."""

    names: dict[str, str | int] = field(default_factory=dict)
    owners: set[str] = field(default_factory=set)
    values: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def add(self, to: str, sample: Sample, labels: Mapping[str, str], value: float) -> None:
        key = (to, sample.name, labels.get("nvlink", ""))
        self.values[key] = max(value, self.values.get(key, value))

    def ours(self) -> dict[str, float]:
        """By field, in our units."""
        found: dict[str, float] = {}
        for (to, _, _), value in self.values.items():
            before = found.get(to)
            if before is None:
                found[to] = value
            else:
                found[to] = before + value if to in _SUMMED else max(before, value)
        return found


def read_dcgm(
    samples: Iterable[Sample], *, at_us: int, cluster: str = "local", node: str = ""
) -> list[GpuSample]:
    """One sample for each GPU and MIG instance; ``xid`` is the last one ever seen.

    node: stands in where the page has no host name.
    """
    devices: dict[str, _Device] = {}
    for sample in samples:
        labels = {name.lower(): value for name, value in sample.labels.items()}
        metric, uuid = name_of(sample.name, labels), uuid_of(labels)
        meaning = INSTANCE.get(metric) or BOARD.get(metric)
        if meaning is None or not uuid or _missing(sample.value):
            continue
        instance = _instance(labels)
        whole = metric in BOARD or not instance
        name = uuid if whole else f"{uuid}/{instance}"
        if name not in devices and len(devices) >= MAX_GPUS:
            continue
        device = devices.setdefault(name, _Device())
        device.names |= _names(labels, node) | ({} if whole else {"parent_uuid": uuid})
        if not (whole and instance):  # A pod holds its instance, not the board.
            device.owners |= _owners(labels)
        device.add(meaning.field, sample, labels, sample.value * meaning.factor)
    return [_sample(uuid, devices[uuid], at_us, cluster) for uuid in sorted(devices)]


class DcgmMeter:
    """Pages of one exporter, one after the other: ``xid`` is told once, when it changes.

    What an exporter shows on its first page happened before we looked, and is not told.
    """

    def __init__(self, *, cluster: str = "local", node: str = "") -> None:
        self._cluster = cluster
        self._node = node
        self._last: dict[str, int] = {}
        self._idle = IdleMeter()

    def samples(self, page: Iterable[Sample], at_us: int) -> list[GpuSample]:
        read = read_dcgm(page, at_us=at_us, cluster=self._cluster, node=self._node)
        told = [sample.but(xid=self._news(sample)) for sample in read]
        if len(self._last) > MAX_GPUS:
            self._last.clear()
        self._last |= {sample.gpu_uuid: sample.xid for sample in read}
        return self._idle.judged(told)

    def _news(self, sample: GpuSample) -> int:
        return sample.xid if self._last.get(sample.gpu_uuid, sample.xid) != sample.xid else 0


def _sample(uuid: str, device: _Device, at_us: int, cluster: str) -> GpuSample:
    ours = device.ours()
    total = ours.pop("total", None)
    memory = [ours.pop(name, None) for name in ("used", "free", "reserved")]
    parts = sum(filter(None, memory)) if None not in memory[:2] else None
    for finer, coarser in (("engine_active", "util_ratio"), ("memory_active", "memory_util_ratio")):
        if finer in ours:
            ours.setdefault(coarser, ours[finer])  # A MIG instance has no other.
            del ours[finer]
    numbers: dict[str, Any] = ours | {
        name: int(ours[name]) for name in ("xid", "throttle_reasons") if name in ours
    }
    names: dict[str, Any] = dict(device.names)
    return GpuSample(
        at_us=at_us,
        cluster=cluster,
        gpu_uuid=uuid,
        owner=listed(device.owners),
        memory_used_bytes=memory[0],
        memory_total_bytes=total or parts,
        **names,
        **numbers,
    )


def uuid_of(labels: Mapping[str, str]) -> str:
    """Empty for what is no GPU's. AMD's exporter tells a uuid only when it is asked for."""
    return _first(labels, "uuid", "UUID", "gpu_uuid", "serial_number")


def _instance(labels: Mapping[str, str]) -> str:
    """Of MIG, or a partition of AMD's; empty for a GPU that is whole."""
    if labels.get("gpu_compute_partition_type", "spx").lower() != "spx":
        return labels.get("gpu_partition_id", "")
    return labels.get("gpu_i_id", "")


def _first(labels: Mapping[str, str], *names: str) -> str:
    return next((found for name in names if (found := labels.get(name, ""))), "")


def _missing(value: float) -> bool:
    """Not a number, negative, or one of DCGM's blanks."""
    # Floats cannot tell the 64-bit blanks apart: the largest of them all are 2**63.
    blank = any(first <= value <= first + 16 for first in _BLANKS)
    return not math.isfinite(value) or value < 0 or blank


def _names(labels: Mapping[str, str], node: str) -> dict[str, str | int]:
    model = _first(labels, "modelname", "model_name", "card_series", "card_model")
    index = _first(labels, "gpu", "gpu_id")
    found = {"node": labels.get("hostname") or node, "model": model}
    return {name: text for name, text in found.items() if text or name == "node"} | (
        {"index": int(index)} if index.isdecimal() else {}
    )


def _owners(labels: Mapping[str, str]) -> set[str]:
    """Where Prometheus scraped it, `pod` may be the exporter, and `exported_pod` the user."""
    for pod_label, namespace_label in _POD_LABELS:
        pod, namespace = labels.get(pod_label, ""), labels.get(namespace_label, "")
        if pod and not any(name in pod for name in _EXPORTERS):
            return {f"{namespace}/{pod}".lstrip("/")}
    job = _first(labels, "hpc_job", "job_id")
    return {f"job:{job}"} if job else set()


_POD_LABELS: Final = (
    ("exported_pod", "exported_namespace"),
    ("pod", "namespace"),
    ("pod_name", "pod_namespace"),
)
"""Kubernetes labels: as Prometheus renames them, as they are, and as older exporters call them."""
