"""What the gateway knows of pools and replicas, from the records on `pools` and the settings."""

from collections.abc import Callable, Sequence
from typing import Final

from model_backend.settings import PoolSettings
from streams.schemas.scaling import PoolStatus, ReplicaStatus

MAX_REPLICAS: Final = 1_024
"""Per pool; further ones are not seen, and counted in ``refused``."""


class PoolsView:
    """The newest word on each pool and replica; changes only when fed.

    Fixed replicas of a pool's ``address`` are there from the start, under the names ``pool-1``,
    ``pool-2``...; a record that speaks of the same name or address takes their place. Records of
    pools that are not in the settings are ignored: nothing says who may use them.
    """

    def __init__(self, pools: Sequence[PoolSettings], *, cluster: str) -> None:
        self.pools = tuple(pools)
        self.cluster = cluster
        self.refused = 0
        self._by_name = {pool.name: pool for pool in pools}
        self._statuses: dict[str, PoolStatus] = {}
        self._replicas: dict[str, dict[str, ReplicaStatus]] = {
            pool.name: _fixed_replicas(pool, cluster) for pool in pools
        }
        self._listeners: list[Callable[[str], None]] = []

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with a pool's name whenever its replicas have changed."""
        self._listeners.append(listener)

    def feed(self, record: PoolStatus | ReplicaStatus) -> None:
        """Take a record in; an older one than is known changes nothing."""
        if record.cluster != self.cluster or record.pool not in self._by_name:
            return
        if isinstance(record, PoolStatus):
            known = self._statuses.get(record.pool)
            if known is None or record.at_us >= known.at_us:
                self._statuses[record.pool] = record
        elif self._take(record):
            for listener in self._listeners:
                listener(record.pool)

    def forget(self, pool: str, replica: str) -> None:
        """A tombstone: nobody speaks of the replica any more."""
        if self._replicas.get(pool, {}).pop(replica, None) is not None:
            for listener in self._listeners:
                listener(pool)

    def pool(self, name: str) -> PoolSettings:
        return self._by_name[name]

    def status(self, pool: str) -> PoolStatus | None:
        """What its driver last said, None before that."""
        return self._statuses.get(pool)

    def replicas(self, pool: str) -> list[ReplicaStatus]:
        """Those that are starting, ready or draining."""
        return list(self._replicas[pool].values())

    def slots(self, replica: ReplicaStatus) -> int:
        """Requests it serves at once: its own word, its pool's, or what the settings say."""
        status = self._statuses.get(replica.pool)
        told = replica.slots or (status.slots_per_replica if status else 0)
        return told or self._by_name[replica.pool].slots

    def serving(self, model: str) -> list[PoolSettings]:
        """Pools of a model, asked for by the model's name or by the service's.

        Those of role prefill answer nobody: decode has them read the prompt.
        """
        answering = (pool for pool in self.pools if pool.role != "prefill")
        return [pool for pool in answering if model in {pool.model, pool.service}]

    def _take(self, record: ReplicaStatus) -> bool:
        replicas = self._replicas[record.pool]
        known = replicas.get(record.replica)
        if known is not None and record.at_us < known.at_us:
            return False
        if record.state in {"failed", "stopped"}:  # neither comes back under its name
            return replicas.pop(record.replica, None) is not None
        if known is None and len(replicas) >= MAX_REPLICAS:
            self.refused += 1
            return False
        for other in [one for one in replicas.values() if _takes_the_place_of(record, one)]:
            del replicas[other.replica]
        replicas[record.replica] = record
        return known is None or _differ(known, record)


def _fixed_replicas(pool: PoolSettings, cluster: str) -> dict[str, ReplicaStatus]:
    addresses = [part.strip().rstrip("/") for part in pool.address.split(",") if part.strip()]
    return {
        f"{pool.name}-{number}": ReplicaStatus(
            cluster=cluster,
            pool=pool.name,
            replica=f"{pool.name}-{number}",
            state="ready",
            since_us=0,
            at_us=0,
            address=address,
            slots=pool.slots,
        )
        for number, address in enumerate(addresses, start=1)
    }


def _takes_the_place_of(record: ReplicaStatus, other: ReplicaStatus) -> bool:
    fixed = other.at_us == 0
    return fixed and record.replica != other.replica and record.address == other.address


def _differ(known: ReplicaStatus, record: ReplicaStatus) -> bool:
    return (known.state, known.address, known.pid, known.slots) != (
        record.state,
        record.address,
        record.pid,
        record.slots,
    )
