"""Requests that go through two pools in, what each of the two has of them out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from autoscaler.demand import PoolKey, PoolSecond, Slo
from autoscaler.mix import FadingMean
from autoscaler.replica_seconds import ReplicaSecond
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError

OTHER: Final[Mapping[str, str]] = {"prefill": "decode", "decode": "prefill"}
SAID_US: Final = 10 * SECOND_US
SHARE_HALF_S: Final = 60.0


def mates_of(pools: Iterable[PoolSettings]) -> dict[PoolKey, PoolKey]:
    """Of each pool of role prefill or decode, the other one of its service, model and variant.

    Raises InvalidParameterError where there are several: nobody knows which goes with which.
    """
    found: dict[tuple[str, ...], list[PoolSettings]] = {}
    for pool in pools:
        if pool.role in OTHER:
            kind = (pool.cluster, pool.service, pool.model, pool.variant)
            found.setdefault(kind, []).append(pool)
    mates: dict[PoolKey, PoolKey] = {}
    for (_, service, *_), legs in found.items():
        roles = sorted(pool.role for pool in legs)
        if len(set(roles)) > 1 and len(roles) > 2:
            raise InvalidParameterError(
                f"pools of service {service}", roles, "one of role prefill and one of role decode"
            )
        if len(set(roles)) > 1:
            first, second = ((pool.cluster, pool.name) for pool in legs)
            mates |= {first: second, second: first}
    return mates


def slos_of(pools: Mapping[PoolKey, PoolSettings]) -> dict[PoolKey, Slo]:
    """What requests of each pool are owed; those of two mates are counted as one pool's."""
    mates = mates_of(pools.values())
    return {
        key: Slo(
            queue_s=pool.longest_wait_s,
            ttft_s=max(pool.slo_ttft_s, pools[mates.get(key, key)].slo_ttft_s),
            inter_token_s=max(pool.slo_inter_token_s, pools[mates.get(key, key)].slo_inter_token_s),
            counted_at=min(key, mates.get(key, key)),
        )
        for key, pool in pools.items()
    }


class Leg:
    """One of the two pools that every request of a service goes through.

    Until its first token a request is with prefill, then with decode. How many each holds, its
    engines say; where they are silent for ten seconds, those in flight are shared out by how long
    either takes (Little's law).
    """

    def __init__(self, role: str) -> None:
        self._role = role
        self._share = FadingMean(SHARE_HALF_S)
        self._said: dict[str, ReplicaSecond] = {}

    def see_replicas(self, rows: Sequence[ReplicaSecond]) -> None:
        self._said |= {row.replica: row for row in rows}

    def part(self, second: PoolSecond) -> PoolSecond:
        """What this pool has of a second of all requests of the service."""
        since_us = second.window_us - SAID_US
        self._said = {name: row for name, row in self._said.items() if row.window_us > since_us}
        own_s = self._own_s(second)
        self._share.see(own_s, second.served_s, passed=1.0)
        held = second.in_flight * min(1.0, self._share.value)
        if self._said:
            held = sum(row.running + row.waiting for row in self._said.values())
        part = replace(second, served_s=own_s, in_flight=held)
        return _reading(part) if self._role == "prefill" else _writing(part)

    def _own_s(self, second: PoolSecond) -> float:
        if self._role != "prefill":
            return max(0.0, second.served_s - second.first_s)
        # By the door's word, the time to first token also holds what decode made it wait.
        told_s = [row.ttft_s for row in self._said.values() if row.ttft_s is not None]
        return second.served_n * sum(told_s) / len(told_s) if told_s else second.first_s


def _reading(second: PoolSecond) -> PoolSecond:
    """Prefill: all that waits waits for it, and it writes nothing."""
    classes = {name: replace(one, output_tokens=0) for name, one in second.classes.items()}
    return replace(second, late=second.late_first, served_tokens=0, classes=classes)


def _writing(second: PoolSecond) -> PoolSecond:
    """Decode: who was sent away for want of room never got there."""
    return replace(second, late=second.late_token, shed=0, queued=0.0)
