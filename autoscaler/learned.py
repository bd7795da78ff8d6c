"""What the planner has learned -> bytes and back, pool by pool."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from autoscaler.allocation.doubt import Doubt
from autoscaler.demand import PoolKey
from autoscaler.legs import Leg
from autoscaler.plain import Plain
from autoscaler.pool_memory import PoolMemory
from autoscaler.replica_seconds import ReplicaSecond
from autoscaler.settings import ScalingSettings
from autoscaler.shadow import Reactive
from model_backend.settings import PoolSettings
from streams.errors import SnapshotError
from streams.schemas.scaling import PoolStatus, ReplicaStatus

ANEW: Final = "is learned anew"
_SHOWN: Final = PoolMemory(PoolSettings(name="p", service="p", model="m"), ScalingSettings())
_OTHERS: Final = Reactive(0), Doubt(), Leg("decode")
_PLAIN: Final = Plain((_SHOWN, *_OTHERS), (PoolStatus, ReplicaStatus, ReplicaSecond))


def meaning(pool: PoolSettings, scaling: ScalingSettings) -> str:
    """Of the settings, those under which what was learned of a pool means what it does."""
    served = pool.service, pool.model, pool.variant, pool.hardware, pool.role
    taught = (
        pool.longest_wait_s,
        pool.slo_inter_token_s,
        scaling.miss_budget_ratio,
        scaling.scale_down_after_s,
    )
    return " ".join(map(str, (*served, *taught)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """All that a planner knows; ``state`` are its small objects."""

    decided_us: int
    state: Mapping[str, bytes]
    pools: Mapping[PoolKey, PoolMemory]
    meanings: Mapping[PoolKey, str]
    doubts: Mapping[str, Doubt]


class _Pool(msgspec.Struct):
    meaning: str
    memory: Any


class _Kept(msgspec.Struct, kw_only=True):
    schema: Literal[1] = 1
    """Goes up where an attribute stays and means something else; new attributes tell themselves."""
    decided_us: int
    state: dict[str, bytes]
    pools: dict[str, _Pool]
    doubts: dict[str, Any]


def dumped(learned: Learned) -> bytes:
    """Raises SnapshotError for what cannot be kept."""
    pools = {
        "/".join(key): _Pool(learned.meanings[key], _PLAIN.plain(memory))
        for key, memory in learned.pools.items()
    }
    doubts = {pool: _PLAIN.plain(doubt) for pool, doubt in learned.doubts.items()}
    kept = _Kept(
        decided_us=learned.decided_us, state=dict(learned.state), pools=pools, doubts=doubts
    )
    return msgspec.msgpack.encode(kept)


def take_up(fresh: Learned, memory: bytes) -> tuple[Learned, list[str]]:
    """Fills what is ``fresh`` as far as it fits; a sentence for each pool that stays so.

    Raises SnapshotError for a memory of another schema.
    """
    try:
        kept = msgspec.msgpack.decode(memory, type=_Kept)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise SnapshotError(f"memory of the planner: {exc}") from exc
    known = {key: pool for key in fresh.pools if (pool := kept.pools.get("/".join(key)))}
    lost = [why for key, pool in known.items() if (why := _fill(fresh, key, pool))]
    for name, doubt in fresh.doubts.items():
        if name in kept.doubts:
            _PLAIN.fill(doubt, kept.doubts[name])
    return replace(fresh, decided_us=kept.decided_us, state=kept.state), lost


def _fill(fresh: Learned, key: PoolKey, pool: _Pool) -> str:
    """Why not, if not."""
    if pool.meaning != fresh.meanings[key]:
        return f"pool {'/'.join(key)} {ANEW}: it was learned under other settings"
    try:
        _PLAIN.fill(fresh.pools[key], pool.memory)
    except SnapshotError as exc:
        return f"pool {'/'.join(key)} {ANEW}: {exc}"
    return ""
