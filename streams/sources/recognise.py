"""A page of /metrics in, what speaks there out: which engine, which exporter, which models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from streams.sources.prometheus_text import Sample, parse

Speaker = Literal["engine", "gpu_exporter", "node_exporter", "unknown", "not_metrics"]

MAX_NAMES: Final = 16
"""Models named at most; a page that names more says no more to a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Who speaks on a page. name: `vllm`, `sglang`, `dcgm-exporter`, ...; empty where unknown."""

    speaker: Speaker
    name: str = ""
    version: str = ""
    """As the page has it; most engines do not say."""
    models: tuple[str, ...] = ()


_SPEAKERS: Final[Mapping[bytes, tuple[Speaker, str]]] = {
    b"vllm:": ("engine", "vllm"),
    b"sglang:": ("engine", "sglang"),
    b"trtllm_": ("engine", "trtllm"),
    b"tgi_": ("engine", "tgi"),
    b"llamacpp:": ("engine", "llamacpp"),
    b"nv_": ("engine", "triton"),
    b"tidegate_replica_": ("engine", "tidegate"),
    b"DCGM_": ("gpu_exporter", "dcgm-exporter"),
    b"amd_": ("gpu_exporter", "amd-exporter"),
    b"node_": ("node_exporter", "node-exporter"),
}
"""Beginning of a metric's name -> who uses it; of several on a page the first here counts:
Triton with the vLLM backend speaks of both, and its engine says more."""
_MODEL: Final = ("model_name", "model_id", "model")
_VERSION: Final = ("_build_info", "_version_info", "DCGM_FI_DEV_GPU_TEMP", "tgi_info")


def recognise(page: bytes) -> Recognised:
    r"""Who speaks on a page of metrics; HTML and the like are `not_metrics`.

    >>> recognise(b'vllm:num_requests_running{engine="0",model_name="m"} 1\n')
    Recognised(speaker='engine', name='vllm', version='', models=('m',))
    """
    if page.lstrip()[:1] in {b"<", b"{"}:
        return Recognised(speaker="not_metrics")
    text = b"\n" + page
    for prefix, (speaker, name) in _SPEAKERS.items():
        if b"\n" + prefix in text:
            samples = parse(page, wanted=(prefix.decode(),)).samples
            return Recognised(
                speaker=speaker,
                name=name,
                version=_version(samples),
                models=_models(samples) if speaker == "engine" else (),
            )
    samples = parse(page).samples
    return Recognised(speaker="unknown" if samples else "not_metrics")


def _models(samples: Sequence[Sample]) -> tuple[str, ...]:
    found = (sample.labels.get(name, "") for name in _MODEL for sample in samples)
    return tuple(sorted(set(filter(None, found)))[:MAX_NAMES])


def _version(samples: Sequence[Sample]) -> str:
    for sample in samples:
        if sample.name.endswith(_VERSION):
            labels = sample.labels
            found = labels.get("version") or labels.get("DCGM_FI_DRIVER_VERSION")
            if found:
                return found
    return ""
