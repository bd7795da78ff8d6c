"""A second of requests in, what replicas do of them out: waiting, prefill, tokens, ends."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.laboratory.answers import Speech, begun, found_while_written
from detectors.laboratory.cluster import Cluster
from detectors.laboratory.demand import Demand
from detectors.laboratory.flights import Of
from detectors.laboratory.groups import greatest, mean, sums, sums_before
from detectors.laboratory.routing import kept_at_home, least_in_flight
from streams.windows.table import Floats, Ints

STREAM_STALL_S: Final = 30.0
"""The gateway ends a stream that stands still for so long with an error."""
PREFILL_SHARE: Final = 0.8
"""Of a second that prefill may take from decoding."""
KV_FULL: Final = 0.97
"""Share of the KV cache from which on nothing more is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How replicas are in this second; one entry each."""

    decode: Floats
    prefill: Floats
    before_prefill_s: Floats
    error_ratio: Floats
    up: Floats
    routed: Floats
    hits: Floats
    kv_leaked: Floats
    affine: Floats
    """By pool: the gateway keeps clients to replicas."""
    speech: Speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a second brought; per replica unless said otherwise.

    ended: rows of requests that ended, by how.
    """

    ended: dict[str, Floats]
    batch: Floats
    waiting: Floats
    prefill_tokens: Floats
    cached_tokens: Floats
    hit_ratio: Floats
    tokens: Floats
    prefill_ratio: Floats
    token_s: Floats
    ttft_s: Floats
    kv_use_ratio: Floats
    preempted: Floats
    stalled_s: Floats
    stretches: Floats
    """[stretches of answers that were written, those of them that repeat themselves]."""
    queued: Floats
    """By pool."""


class Serving:
    """All requests in flight of all pools; stepped a second at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._slots = cluster.per_replica("slots")
        self._pool = cluster.pool_of_replica
        self._pool_of_tenant = cluster.pool_of_tenant
        self._flights = np.zeros((0, len(Of)))

    def arrive(self, demand: Demand) -> None:
        new = np.zeros((len(demand), len(Of)))
        new[:, Of.TENANT], new[:, Of.ARRIVED] = demand.tenant, demand.at_s
        new[:, Of.PROMPT], new[:, Of.OUTPUT] = demand.prompt, np.maximum(demand.output, 1)
        new[:, Of.REPLICA], new[:, Of.FIRST], new[:, Of.TRIES] = -1, np.nan, demand.tries
        new[:, Of.LIMIT] = demand.limit
        self._flights = np.concatenate([self._flights, new])

    def begin_anew(self, passed_s: float) -> None:
        """Seconds count from 0 again, so many after the last time."""
        for column in (Of.ARRIVED, Of.STARTED, Of.FIRST, Of.BYTE):
            self._flights[:, column] -= passed_s

    def step(self, at_s: float, pace: Pace, patience_s: Floats, noise: Floats) -> Served:
        """noise: factor on the time between tokens of each replica, 1 in the mean."""
        ended = {"cancelled": self._impatient(at_s, patience_s)}
        failed = [self._stuck(at_s), self._dispatch(at_s, pace)]
        served = self._serve(at_s, pace, noise)
        ended |= {"failed": np.concatenate(failed), "finished": served.pop("finished")}
        return Served(ended=ended, queued=self._queued(), **served)

    def _leave(self, gone: np.ndarray[tuple[int], np.dtype[np.bool_]], at_s: float) -> Floats:
        ended = self._flights[gone]
        ended[:, Of.ENDED] = at_s
        self._flights = self._flights[~gone]
        return ended

    def _impatient(self, at_s: float, patience_s: Floats) -> Floats:
        flights = self._flights
        pools = self._pool_of_tenant[flights[:, Of.TENANT].astype(np.int64)]
        waits = np.isnan(flights[:, Of.FIRST])
        return self._leave(waits & (at_s - flights[:, Of.ARRIVED] > patience_s[pools]), at_s)

    def _stuck(self, at_s: float) -> Floats:
        flights = self._flights
        served = flights[:, Of.REPLICA] >= 0
        return self._leave(served & (at_s - flights[:, Of.BYTE] > STREAM_STALL_S), at_s)

    def _dispatch(self, at_s: float, pace: Pace) -> Floats:
        """To replicas with room; returns what failed there at once."""
        flights = self._flights
        waits = flights[:, Of.REPLICA] < 0
        if not waits.any():
            return flights[:0]
        in_flight = np.bincount(
            flights[~waits, Of.REPLICA].astype(np.int64), minlength=self._pool.size
        )
        queue = np.flatnonzero(waits)
        pools = self._pool_of_tenant[flights[queue, Of.TENANT].astype(np.int64)]
        for pool in np.unique(pools).tolist():
            able = np.flatnonzero((self._pool == pool) & (pace.routed > 0))
            mine = queue[pools == pool]
            room = able, in_flight[able], self._slots[able]
            turns = least_in_flight(*room)
            if pace.affine[pool]:
                turns = kept_at_home(*room, self._places(mine))
            lucky = mine[: turns.size]
            turns = turns[: lucky.size]
            flights[lucky, Of.REPLICA] = turns
            flights[lucky, Of.STARTED] = np.maximum(at_s, flights[lucky, Of.ARRIVED])
            flights[lucky, Of.BYTE] = flights[lucky, Of.STARTED]
            flights[lucky] = begun(flights[lucky], turns, pace.speech)
            hits = pace.hits[turns]
            flights[lucky, Of.PREFILL] = np.maximum(flights[lucky, Of.PROMPT] * (1 - hits), 1)
        return self._unlucky(at_s, pace, queue)

    def _places(self, requests: Ints) -> Floats:
        """Of each request on the ring: prefixes of a client lie beside each other."""
        flights = self._flights[requests]
        tenant = flights[:, Of.TENANT].astype(np.int64)
        pool = self._pool_of_tenant
        first = np.searchsorted(pool, pool[tenant], "left")
        last = np.searchsorted(pool, pool[tenant], "right")
        # A number of its own for each request, the same in every run.
        prefix = flights[:, Of.ARRIVED] * 433.0 % 1.0
        return np.asarray((tenant - first + prefix) / (last - first))

    def _unlucky(self, at_s: float, pace: Pace, queue: Ints) -> Floats:
        fails = np.zeros(len(self._flights), np.bool_)
        started = queue[self._flights[queue, Of.REPLICA] >= 0]
        replica = self._flights[started, Of.REPLICA].astype(np.int64)
        # A number of its own for each request, the same in every run.
        chance = self._flights[started, Of.ARRIVED] * 7919.0 % 1.0
        fails[started] = chance < pace.error_ratio[replica]
        return self._leave(fails, at_s + 0.1)

    def _serve(self, at_s: float, pace: Pace, noise: Floats) -> dict[str, Floats]:
        preempted = self._preempt(pace)
        flights = self._flights
        held = np.flatnonzero(flights[:, Of.REPLICA] >= 0)
        mine = flights[held]
        replica = mine[:, Of.REPLICA].astype(np.int64)
        first, read = self._prefill(at_s, mine, replica, pace)
        size = self._pool.size
        batch = np.bincount(replica[mine[:, Of.PREFILL] <= 0], minlength=size).astype(float)
        speed = self._cluster.per_replica("prefill_per_s") * pace.prefill
        prefill_ratio = np.minimum(read / np.maximum(speed, 1e-9), 1.0)
        crowd = 1 + self._cluster.per_replica("crowd") * np.maximum(batch - 1, 0)
        token_s = self._cluster.per_replica("token_s") * crowd / pace.decode * noise
        token_s = token_s / (1 - 0.6 * prefill_ratio)
        done = mine[:, Of.DONE].copy()
        tokens, finished = self._decode(at_s, mine, replica, token_s, pace.up)
        flights[held] = mine
        cached = np.bincount(
            replica[first], mine[first, Of.PROMPT] * pace.hits[replica[first]], minlength=size
        )
        waited = mine[:, Of.PREFILL] > 0
        ttft = mean(replica[first], mine[first, Of.FIRST] - mine[first, Of.STARTED], size)
        results = {
            "batch": batch,
            "waiting": np.bincount(replica[waited], minlength=size).astype(float),
            "prefill_tokens": read,
            "cached_tokens": cached,
            # Counted when a request is scheduled, as engines do.
            "hit_ratio": np.where(np.isfinite(ttft), pace.hits, np.nan),
            "tokens": tokens,
            "prefill_ratio": prefill_ratio,
            "token_s": np.where(batch * pace.up > 0, token_s, np.nan),
            "ttft_s": ttft,
            "kv_use_ratio": self._kv_use(pace),
            "preempted": preempted,
            "stretches": found_while_written(mine, done, replica, size),
            "stalled_s": greatest(replica, at_s + 1 - mine[:, Of.BYTE], size),
        }
        gone = np.zeros(len(flights), np.bool_)
        gone[held[finished]] = True
        ended = flights[gone]
        self._flights = flights[~gone]
        return results | {"finished": ended}

    def _prefill(self, at_s: float, mine: Floats, replica: Ints, pace: Pace) -> tuple[Ints, Floats]:
        """First come, first served; which got their first token, and tokens read by replica."""
        room = self._cluster.per_replica("prefill_per_s") * PREFILL_SHARE * pace.prefill * pace.up
        room = np.where(self._kv_use(pace) < KV_FULL, room, 0.0)
        able = (at_s + 1 - mine[:, Of.STARTED]) > pace.before_prefill_s[replica]
        wanted = np.where(able, mine[:, Of.PREFILL], 0.0)
        before = sums_before(replica, wanted)
        read = np.clip(room[replica] - before, 0, wanted)
        unread = mine[:, Of.PREFILL] > 0
        mine[:, Of.PREFILL] -= read
        first = np.flatnonzero(unread & (mine[:, Of.PREFILL] <= 0))
        spent_s = (before + wanted)[first] / np.maximum(room[replica[first]], 1e-9)
        begun_s = np.maximum(at_s, mine[first, Of.STARTED] + pace.before_prefill_s[replica[first]])
        mine[first, Of.FIRST] = begun_s + 0.03 + spent_s
        mine[first, Of.BYTE] = np.minimum(mine[first, Of.FIRST], at_s + 1)
        return first, sums(replica, read, self._pool.size)

    def _decode(
        self, at_s: float, mine: Floats, replica: Ints, token_s: Floats, up: Floats
    ) -> tuple[Floats, Ints]:
        """Tokens made by replica, and which requests are done."""
        writes = mine[:, Of.PREFILL] <= 0
        left_s = np.clip(at_s + 1 - np.maximum(mine[:, Of.FIRST], at_s), 0, 1)
        made = np.where(writes, left_s * up[replica] / token_s[replica], 0.0)
        made = np.minimum(made, mine[:, Of.OUTPUT] - mine[:, Of.DONE])
        mine[:, Of.DONE] += made
        # Slow streams have no token in every second.
        gap_s = token_s[replica]
        moved = writes & (made > 0)
        mine[moved, Of.BYTE] = np.maximum(
            mine[moved, Of.BYTE], at_s + 1 - np.minimum(gap_s[moved] / 2, 1e6)
        )
        finished = np.flatnonzero(writes & (mine[:, Of.DONE] >= mine[:, Of.OUTPUT] - 1e-9))
        spent_s = made[finished] * token_s[replica[finished]]
        mine[finished, Of.ENDED] = np.maximum(mine[finished, Of.FIRST], at_s) + spent_s
        return sums(replica, made, self._pool.size), finished

    def _preempt(self, pace: Pace) -> Floats:
        """Throw back the newest request of each replica whose KV cache is over full."""
        flights = self._flights
        preempted = np.zeros(self._pool.size)
        for replica in np.flatnonzero(self._kv_use(pace) >= 1.0).tolist():
            mine = np.flatnonzero(
                (flights[:, Of.REPLICA] == replica) & (flights[:, Of.PREFILL] <= 0)
            )
            if mine.size > 1:
                newest = mine[np.argmax(flights[mine, Of.STARTED])]
                flights[newest, Of.PREFILL] = flights[newest, Of.PROMPT] + flights[newest, Of.DONE]
                preempted[replica] += 1
        return preempted

    def _kv_use(self, pace: Pace) -> Floats:
        flights = self._flights[self._flights[:, Of.REPLICA] >= 0]
        held = flights[:, Of.PREFILL] <= 0
        tokens = np.where(held, flights[:, Of.PROMPT] + flights[:, Of.DONE], 0.0)
        used = np.bincount(flights[:, Of.REPLICA].astype(np.int64), tokens, self._pool.size)
        share = (used + pace.kv_leaked) / self._cluster.per_replica("kv_tokens")
        return np.asarray(np.minimum(share, 1.0))

    def in_flight(self) -> Floats:
        held = self._flights[:, Of.REPLICA]
        return np.bincount(held[held >= 0].astype(np.int64), minlength=self._pool.size).astype(
            float
        )

    def _queued(self) -> Floats:
        tenants = self._flights[self._flights[:, Of.REPLICA] < 0, Of.TENANT].astype(np.int64)
        pools = len(self._cluster.services)
        return np.bincount(self._pool_of_tenant[tenants], minlength=pools).astype(float)
