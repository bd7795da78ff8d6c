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
    """

    speed: float = 15.0
    codex_per_s: float = 1.0
    sora_per_s: float = 0.12
    mean_output: float = 12.0


@cache
def _load() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
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
    kinds = np.array([pace.codex_per_s / per_s, pace.sora_per_s / per_s])
    # Another seed begins at another minute of the hour.
    start_s = float(rng.uniform(0, length))
    lap = 0
    first = int(np.searchsorted(times, start_s))
    while True:
        draw = rng.random(times.size)
        for index in range(first, times.size):
            if draw[index] >= kinds.sum():
                continue
            yield PlannedRequest(
                at_s=(lap * length + float(times[index]) - start_s) / pace.speed,
                tenant=TENANTS[int(rng.integers(len(TENANTS)))],
                service="codex" if draw[index] < kinds[0] else "sora",
                prompt_tokens=int(np.clip(prompts[index] * scale, 4, 96)),
                output_tokens=int(np.clip(round(float(outputs[index]) * scale), 2, 48)),
                seconds="4" if outputs[index] < 2 * MEAN_OUT_TOKENS else "8",
            )
        first, lap = 0, lap + 1
