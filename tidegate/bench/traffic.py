"""The packaged traces -> requests to the laboratory's pools, at a load that they stand."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from detectors.laboratory.answers import LONGEST
from detectors.laboratory.cluster import Cluster, Service
from detectors.laboratory.demand import Demand, together
from detectors.laboratory.trial import Traffic

LOADS: Final = (0.45, 0.7)
"""Share of all slots that is taken in the busiest time; between these, by seed. At the greater one
the smallest pools still keep their SLO (Erlang C; a test)."""
BUSIEST_MIN: Final = 10
"""Minutes of it: a pool is provisioned for the work that comes then, and not for the mean, as a
scaler would have done for the hours that are looked at."""
TENANT_SHARES: Final = (0.5, 0.25, 0.15, 0.1)
LONGEST_S: Final = 3_200.0
"""A trial with its past is no longer: it should not reach the end of a trace."""

Floats = npt.NDArray[np.float64]


class Trace(Protocol):
    """Requests as they came to somebody."""

    @property
    def seconds(self) -> float: ...

    def offered(self, prompt_s: float, output_s: float) -> Floats:
        """Seconds of work that come in each minute, at so many for a token of either kind."""
        ...

    def cut(
        self, begin_s: float, seconds: float, factor: float, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        """(at_s from the cut's start, prompt, output) of ``factor`` times its requests."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """Every request with its own instant and lengths: Azure's hour."""

    at_s: Floats
    prompts: Floats
    outputs: Floats

    @property
    def seconds(self) -> float:
        return float(self.at_s[-1]) + 1.0

    def offered(self, prompt_s: float, output_s: float) -> Floats:
        work = self.prompts * prompt_s + self.outputs * output_s
        return np.asarray(np.bincount((self.at_s // 60).astype(np.int64), work), np.float64)

    def cut(
        self, begin_s: float, seconds: float, factor: float, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        first, last = np.searchsorted(self.at_s, [begin_s, begin_s + seconds])
        copies = _copies(int(last - first), factor, rng)
        index = first + np.repeat(np.arange(last - first), copies)
        at_s = self.at_s[index] - begin_s + np.where(_first(index), 0, rng.random(index.size))
        return at_s, self.prompts[index], self.outputs[index]


@dataclass(frozen=True, slots=True)
class Counted:
    """Sums of each minute: ServeGen's fortnight."""

    requests: Floats
    prompts: Floats
    outputs: Floats

    @property
    def seconds(self) -> float:
        return self.requests.size * 60.0

    def offered(self, prompt_s: float, output_s: float) -> Floats:
        return self.prompts * prompt_s + self.outputs * output_s

    def cut(
        self, begin_s: float, seconds: float, factor: float, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        minutes = np.arange(int(begin_s // 60), int(-(-(begin_s + seconds) // 60)))
        count = rng.poisson(self.requests[minutes % self.requests.size] * factor)
        minute = np.repeat(minutes, count)
        at_s = 60.0 * minute + 60.0 * rng.random(minute.size) - begin_s
        at = minute % self.requests.size
        mean = np.maximum(self.requests[at], 1)
        # Lengths of single requests are about exponential around the mean of their minute.
        prompt = self.prompts[at] / mean * rng.exponential(1.0, minute.size)
        output = self.outputs[at] / mean * rng.exponential(1.0, minute.size)
        inside = (at_s >= 0) & (at_s < seconds)
        return at_s[inside], prompt[inside], output[inside]


@cache
def azure() -> Recorded:
    with files("tidegate.demo.data").joinpath("azure_conv_1h.npz").open("rb") as file:
        trace = np.load(file)
        return Recorded(*(trace[name].astype(float) for name in ("t", "in_tok", "out_tok")))


@cache
def servegen() -> Counted:
    with files("tidegate.bench.data").joinpath("servegen_large_14d.npz").open("rb") as file:
        trace = np.load(file)
        names = "requests", "prompt_tokens", "output_tokens"
        return Counted(*(trace[name].astype(float) for name in names))


@dataclass(frozen=True, slots=True)
class Stretch:
    """So much of a trace from somewhere on."""

    trace: Trace
    begin_s: float
    lasts_s: float

    def offered(self, prompt_s: float, output_s: float) -> Floats:
        """Of its minutes, as ``Trace.offered``."""
        minutes = self.trace.offered(prompt_s, output_s)
        first, last = int(self.begin_s // 60), int((self.begin_s + self.lasts_s) // 60)
        return np.asarray(minutes[np.arange(first, last + 1) % minutes.size])


class PoolTraffic:
    """A stretch of a trace at the load that a pool is to bear."""

    def __init__(
        self, cluster: Cluster, pool: int, stretch: Stretch, rng: np.random.Generator
    ) -> None:
        service = cluster.services[pool]
        self._trace, self._begin_s = stretch.trace, stretch.begin_s
        self._tenants = np.flatnonzero(cluster.pool_of_tenant == pool)
        self._output = service.answer
        load = float(rng.uniform(*LOADS))
        in_flight = load * service.slots * cluster.replicas[pool]
        self._factor = in_flight / busiest(stretch, service, load)
        self._seed = int(rng.integers(2**32))

    def __call__(self, begin_s: int, seconds: int) -> Demand:
        rng = np.random.default_rng([self._seed, begin_s])
        at_s, prompt, output = self._trace.cut(self._begin_s + begin_s, seconds, self._factor, rng)
        shares = np.array(TENANT_SHARES[: self._tenants.size])
        order = np.argsort(at_s, kind="stable")
        tenant = rng.choice(self._tenants, at_s.size, p=shares / shares.sum())
        output = np.clip(output[order] * self._output, 2, LONGEST)
        invalid = rng.random(at_s.size) < INVALID_RATIO
        cut = rng.random(at_s.size) < np.array(CUT_RATIOS)[tenant - self._tenants[0]]
        return Demand(
            at_s=at_s[order],
            tenant=tenant,
            prompt=np.clip(prompt[order], 4, 6_000),
            output=output,
            limit=np.where(cut, output, LONGEST),
            invalid=invalid,
            tries=np.zeros(at_s.size, np.int64),
        )


INVALID_RATIO: Final = 0.003
"""Clients make mistakes."""
CUT_RATIOS: Final = (0.02, 0.1, 0.3, 0.05)
"""Share of each tenant's answers that ended where they do because the client allowed no more."""


def azure_or_servegen(rng: np.random.Generator, cluster: Cluster) -> Traffic:
    """The tokens' pool has either trace; the other pools ServeGen's, at other hours."""
    recorded = azure()
    return _mixed(rng, cluster, recorded if rng.random() < 0.5 else servegen(), LONGEST_S)


def fortnight(rng: np.random.Generator, cluster: Cluster, *, lasts_s: float) -> Traffic:
    """All pools have ServeGen's trace, which has days and weeks; so many seconds of it."""
    return _mixed(rng, cluster, servegen(), lasts_s)


def _mixed(rng: np.random.Generator, cluster: Cluster, first: Trace, lasts_s: float) -> Traffic:
    traces = [first, *(servegen() for _ in cluster.services[1:])]
    pools = [
        PoolTraffic(cluster, pool, Stretch(trace, _begin_s(trace, rng), lasts_s), rng)
        for pool, trace in enumerate(traces)
    ]

    def traffic(begin_s: int, seconds: int) -> Demand:
        return together([pool(begin_s, seconds) for pool in pools])

    return traffic


def _begin_s(trace: Trace, rng: np.random.Generator) -> float:
    return float(rng.uniform(0, max(trace.seconds - LONGEST_S, 1.0)))


def busiest(stretch: Stretch, service: Service, load: float) -> float:
    """Requests in flight in the busiest time of it, at replicas that are ``load`` full.

    By work and not by number: answers are up to four times as long in one minute as in another.
    """
    crowd = 1 + service.crowd * max(load * service.slots - 1, 0)
    work_s = stretch.offered(1 / service.prefill_per_s, service.answer * service.token_s * crowd)
    minutes = np.convolve(work_s, np.full(BUSIEST_MIN, 1 / BUSIEST_MIN), mode="valid")
    return float(minutes.max()) / 60.0


def _copies(size: int, factor: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    whole = int(factor)
    return whole + (rng.random(size) < factor - whole)


def _first(index: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of the equal ones in a row comes first."""
    return np.asarray(np.diff(index, prepend=-1) != 0)
