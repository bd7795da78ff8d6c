"""What was asked of a pool: when each request came and how long it holds a slot."""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from autoscaler.backtest.policy import Floats, Ints
from autoscaler.engine import Engine
from streams.errors import InvalidParameterError

_WHOLE_S: Final = 300
"""Traces are cut to a multiple of this, so that they are as long at every cadence."""
_BY_REQUEST: Final = ("t", "in_tok", "out_tok", "resolution_s")
_BY_SECOND: Final = ("n_1s", "in_tok_10s", "out_tok_10s")
_LAYOUTS: Final = f"meta, and {', '.join(_BY_REQUEST)} or {', '.join(_BY_SECOND)}"
_TOKENS_S: Final = 10
"""Tokens of traces by the second are given for spans of this length."""
_WARM_UP: Final = ((7 * 86_400, 3 * 86_400), (43_200, 7_200), (1_800, 600))
"""Traces of at least so many seconds are judged only after so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    name: str
    arrival_s: Floats
    """Ascending, from the start of the trace."""
    service_s: Floats
    seconds: int
    slots: int
    """Requests a replica serves at once."""
    prompt_tokens: Ints | None = None
    """Of each request; None where the trace does not know."""
    output_tokens: Ints | None = None
    engine: Engine | None = None
    """What a replica takes for those tokens: a step as long as one answer alone, prompts beside."""

    @property
    def warm_up_s(self) -> int:
        """What passes before a policy is judged: it may have a day or two to learn from."""
        for least_s, warm_up_s in _WARM_UP:
            if self.seconds >= least_s:
                return warm_up_s
        return self.seconds // 6

    @property
    def mean_service_s(self) -> float:
        return float(self.service_s.mean())

    @property
    def mean_load(self) -> float:
        """Slots that would be busy on average after the warm-up if nobody waited."""
        judged = self.arrival_s >= self.warm_up_s
        return float(self.service_s[judged].sum()) / (self.seconds - self.warm_up_s)


def load(path: Path, seed: int = 1) -> Trace:
    """A trace from a ``.npz``: requests one by one (``t``), or by the second (``n_1s``).

    By the second, requests fall anywhere within it, and the tokens of ten seconds are shared out
    with exponential weights; ``seed`` decides how.
    """
    with np.load(path) as arrays:
        data = dict(arrays)
    if not _is_trace(data):
        raise InvalidParameterError(str(path), sorted(data), "a trace: " + _LAYOUTS)
    profile: Mapping[str, float] = json.loads(str(data["meta"]))["profile"]
    rng = np.random.default_rng(seed)
    arrival_s, prompt, output, length_s = (_single if "t" in data else _by_second)(data, rng)
    seconds = length_s // _WHOLE_S * _WHOLE_S or length_s
    kept = int(np.searchsorted(arrival_s, seconds))
    service_s = prompt / profile["prefill_tps"] + output * profile["tpot_s"]
    return Trace(
        name=path.stem,
        arrival_s=arrival_s[:kept],
        service_s=service_s[:kept],
        seconds=seconds,
        slots=int(profile["slots"]),
        prompt_tokens=_whole(prompt[:kept]),
        output_tokens=_whole(output[:kept]),
        engine=Engine(
            batch_s=((0, profile["tpot_s"]),),
            prompt_token_s=1 / profile["prefill_tps"],
            slots=int(profile["slots"]),
        ),
    )


def _whole(tokens: Floats) -> Ints:
    return np.maximum(1, np.rint(tokens)).astype(np.int64)


def is_trace(path: Path) -> bool:
    with np.load(path) as arrays:
        return _is_trace(arrays)


def _is_trace(names: Container[str]) -> bool:
    return any(
        all(name in names for name in (*layout, "meta")) for layout in (_BY_REQUEST, _BY_SECOND)
    )


def _single(
    data: Mapping[str, npt.NDArray[np.float64]], rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, int]:
    arrival_s = data["t"].astype(float)
    coarse_s = float(data["resolution_s"])
    if coarse_s > 0:
        arrival_s = np.sort(arrival_s + rng.uniform(0, coarse_s, len(arrival_s)))
    seconds = int(np.ceil(arrival_s[-1] + 1))
    return arrival_s, data["in_tok"].astype(float), data["out_tok"].astype(float), seconds


def _by_second(
    data: Mapping[str, npt.NDArray[np.float64]], rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, int]:
    counts = data["n_1s"].astype(np.int64)
    arrival_s = np.repeat(np.arange(len(counts), dtype=float), counts)
    arrival_s += rng.random(len(arrival_s))
    arrival_s.sort()
    prompt, output = (_shared(arrival_s, data[f"{of}_tok_10s"], rng) for of in ("in", "out"))
    return arrival_s, prompt, output, len(counts)


def _shared(arrival_s: Floats, totals: npt.NDArray[np.float64], rng: np.random.Generator) -> Floats:
    block = (arrival_s // _TOKENS_S).astype(np.int64)
    weight = rng.exponential(size=len(arrival_s))
    weights = np.bincount(block, weight, minlength=len(totals))
    return np.maximum(1.0, weight * (totals.astype(float) / np.maximum(weights, 1e-12))[block])
