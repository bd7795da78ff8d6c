"""What was found at an address in; pools, replicas, GPUs and plain words about them out. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.sources.engines import read_engine
from streams.sources.meter import EngineMeter
from streams.sources.prometheus_text import Sample

_LEVELS: Final = {
    "running": "requests running",
    "waiting": "requests waiting",
    "kv_use_ratio": "use of the KV cache",
}
_COUNTERS: Final = {
    "prompt_tokens": "prompt tokens",
    "output_tokens": "output tokens",
    "finished": "requests finished",
    "ttft_count": "time to first token",
    "inter_token_count": "time between tokens",
}
_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One engine, or exporter of GPUs, where somebody pointed us to.

    key: how its feed calls it. engine: who speaks there. model: that it serves, or of its GPUs.
    place: where it is, in case that a model is in several.
    lacks: signals that it does not give, in words. gpus: how many it shows; serves: whether it is
    an engine, with GPUs on its page or not.
    """

    key: Hashable
    address: str
    engine: str = ""
    model: str = ""
    replica: str
    place: str = ""
    lacks: tuple[str, ...] = ()
    up: bool = True
    gpus: int = 0
    serves: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was found under the names that it has from here on; GPUs are of no pool."""

    found: Found
    pool: str
    replica: str


def missing(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Signals that an engine could give and this page does not."""
    reading = read_engine(samples)
    sample = EngineMeter(cluster="", pool="", replica="").sample(reading, 0, 0.0)
    levels = [words for name, words in _LEVELS.items() if getattr(sample, name) is None]
    counters = [words for name, words in _COUNTERS.items() if name not in reading.counters]
    return (*levels, *counters)


def called(found: Sequence[Found]) -> list[Watched]:
    """Pools by model (else by engine), by place too where a model has several; unique replicas."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    for one in found:
        places[_base(one)].add(one.place)
    pools = [_base(one) for one in found]
    pools = [
        f"{pool}@{plain(one.place)}" if pool and len(places[pool]) > 1 else pool
        for pool, one in zip(pools, found, strict=True)
    ]
    times = Counter((pool, one.replica) for pool, one in zip(pools, found, strict=True))
    return [
        Watched(
            found=one,
            pool=pool,
            replica=plain(one.replica if times[pool, one.replica] == 1 else str(one.address)),
        )
        for pool, one in zip(pools, found, strict=True)
    ]


def _base(found: Found) -> str:
    if not found.serves:
        return ""
    model = found.model.rstrip("/").rpartition("/")[2]
    return plain(model) or plain(found.engine.partition(" behind ")[0]) or "engines"


def plain(name: str) -> str:
    """Without what separates names elsewhere.

    >>> plain("meta-llama/Llama 3")
    'meta-llama-Llama-3'
    """
    return re.sub(r"[^\w.:@-]+", "-", name).strip("-")


def page_sentence(watched: Watched) -> str:
    """`http://…/metrics: vLLM, model X – replica Y of pool X; 1 of 8 signals missing: …`."""
    found = watched.found
    said = f"{found.address}: {found.engine}"
    if found.gpus:
        said += f" with {counted(found.gpus, 'GPU')}"
    if not found.serves:
        return f"{said} ({found.model})" if found.model else said
    if found.model:
        said += f", model {found.model}"
    said += f" – replica {watched.replica} of pool {watched.pool}"
    if found.lacks:
        all_ = len(_LEVELS) + len(_COUNTERS)
        said += f"; {len(found.lacks)} of {all_} signals missing: {', '.join(found.lacks)}"
    return said


def pools_sentence(watched: Sequence[Watched]) -> str:
    """`12 vLLM replicas in 2 pools (a: 8, b: 4) and 16 GPUs of 2 targets`."""
    gpus = [one.found.gpus for one in watched if one.found.gpus or not one.found.serves]
    said = f"{counted(sum(gpus), 'GPU')} of {counted(len(gpus), 'target')}" if gpus else ""
    watched = [one for one in watched if one.found.serves]
    if not watched:
        return said
    engines = Counter(one.found.engine or "silent" for one in watched)
    pools = Counter(one.pool for one in watched)
    kinds = " and ".join(f"{counted(n, f'{name} replica')}" for name, n in engines.most_common())
    each = ", ".join(f"{pool}: {n}" for pool, n in sorted(pools.items())[:_SHOWN])
    more = f", and {len(pools) - _SHOWN} more" if len(pools) > _SHOWN else ""
    replicas = f"{kinds} in {counted(len(pools), 'pool')} ({each}{more})"
    return f"{replicas} and {said}" if said else replicas


def pools_of(watched: Iterable[Watched]) -> list[str]:
    return sorted({one.pool for one in watched if one.pool})


def counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def statuses(
    watched: Sequence[Watched], now_us: int, cluster: str
) -> list[PoolStatus | ReplicaStatus]:
    """As the page shows them; nobody drives these pools."""
    rows: list[PoolStatus | ReplicaStatus] = []
    for pool in pools_of(watched):
        members = [one for one in watched if one.pool == pool]
        first = members[0].found
        ready = sum(one.found.up for one in members)
        rows.append(
            PoolStatus(
                cluster=cluster,
                pool=pool,
                service=first.engine,
                model=first.model or "model not named",
                at_us=now_us,
                desired=len(members),
                ready=ready,
                failed=len(members) - ready,
            )
        )
        rows += [
            ReplicaStatus(
                cluster=cluster,
                pool=pool,
                replica=one.replica,
                state="ready" if one.found.up else "failed",
                since_us=now_us,
                at_us=now_us,
                address=one.found.address,
                reason="" if one.found.up else "does not answer",
            )
            for one in members
        ]
    return rows
