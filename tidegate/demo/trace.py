"""The packaged Azure trace -> requests at the pace and length one machine can carry."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt

TENANTS: Final = ("acme", "birch", "cedar")
"""Well-behaved clients; the trace names none, so they are drawn."""

MEAN_OUT_TOKENS: Final = 211.0
"""Mean answer of the trace; the demo's mean answer divided by this scales every length."""
SWELL_S: Final = 300.0
"""Seconds of the trace whose mean rate is the tide; what is shorter are waves, and stays."""
BEGINS_S: Final = (300.0, 900.0)
"""Trace seconds between which a replay begins: the flood comes after half an hour, the ebb after
three quarters of one."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """One request of the trace as the demo will send it."""

    at_s: float
    """Seconds after the start of the replay."""
    tenant: str
    service: str
    prompt_tokens: int
    output_tokens: int
    seconds: str = "4"
    """Length of the clip, for `sora`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the trace is made to fit.

    speed: trace seconds per replay second. codex_per_s: mean requests a second kept.
    sora_per_s: mean video jobs a second. mean_output: mean answer in tokens.
    tide: the power of the trace's own rise and fall: 1 leaves it as it was, 0 evens it out.
    """

    speed: float = 20.0
    codex_per_s: float = 1.0
    sora_per_s: float = 0.12
    mean_output: float = 13.8
    tide: float = 1.5


@cache
def _load() -> tuple[Floats, Ints, Ints]:
    with files("tidegate.demo.data").joinpath("azure_conv_1h.npz").open("rb") as file:
        trace = np.load(file)
        return trace["t"], trace["in_tok"].astype(np.int64), trace["out_tok"].astype(np.int64)


def plan(pace: Pace, seed: int) -> Iterator[PlannedRequest]:
    """Requests in order of time, without end: after its hour the trace starts over.

    The same pace and seed give the same requests.
    """
    times, prompts, outputs = _load()
    rng = np.random.default_rng(seed)
    length = float(times[-1]) + 1.0
    per_s = times.size / length * pace.speed
    scale = pace.mean_output / MEAN_OUT_TOKENS
    swell = _swell(times, length, pace.tide)
    codex, either = pace.codex_per_s / per_s, (pace.codex_per_s + pace.sora_per_s) / per_s
    # Another seed begins at another minute.
    start_s = float(rng.uniform(*BEGINS_S))
    lap = 0
    first = int(np.searchsorted(times, start_s))
    while True:
        draw = rng.random(times.size) / swell
        for index in range(first, times.size):
            if draw[index] >= either:
                continue
            yield PlannedRequest(
                at_s=(lap * length + float(times[index]) - start_s) / pace.speed,
                tenant=TENANTS[int(rng.integers(len(TENANTS)))],
                service="codex" if draw[index] < codex else "sora",
                prompt_tokens=int(np.clip(prompts[index] * scale, 4, 96)),
                output_tokens=int(np.clip(round(float(outputs[index]) * scale), 2, 48)),
                seconds="4" if outputs[index] < 2 * MEAN_OUT_TOKENS else "8",
            )
        first, lap = 0, lap + 1


def _swell(times: Floats, length: float, tide: float) -> Floats:
    """How much more often than the mean each request of the trace is kept."""
    counts, edges = np.histogram(times, bins=max(1, round(length / SWELL_S)), range=(0, length))
    middles = (edges[:-1] + edges[1:]) / 2
    rate = np.interp(times, middles, counts / counts.mean(), period=length)
    kept = rate ** (tide - 1)
    return np.asarray(kept / kept.mean(), np.float64)
