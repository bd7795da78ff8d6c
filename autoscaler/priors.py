"""Declared limits and pools of the same kind in, what a pool starts from out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from autoscaler.demand import PoolKey
from autoscaler.lead_time import LeadTime
from autoscaler.region import UNKNOWN, Region
from autoscaler.region_settings import CapacitySettings
from model_backend.settings import PoolSettings


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of a pool before it was seen."""

    region: Region = UNKNOWN
    lead_s: float = 0.0


NOTHING: Final = Prior()


class Learner(Protocol):
    """What learns of the replicas of a pool."""

    build: str
    prior: Prior
    lead: LeadTime

    def seen(self, now_us: int) -> Region: ...


class Priors:
    """Declared limits, and what pools have seen that serve the same on the same hardware."""

    def __init__(
        self, declared: Sequence[CapacitySettings], pools: Mapping[PoolKey, PoolSettings]
    ) -> None:
        self._declared = {one.pool: one.region() for one in declared}
        self._kinds = {
            key: (pool.model, pool.variant, pool.hardware, pool.role) for key, pool in pools.items()
        }

    def renew(self, pools: Mapping[PoolKey, Learner], now_us: int) -> None:
        """Set the ``prior`` of each pool by what all of its kind have seen by now."""
        alike: dict[tuple[str, ...], list[PoolKey]] = {}
        for key, kind in self._kinds.items():
            alike.setdefault((*kind, pools[key].build), []).append(key)
        for keys in alike.values():
            shared = _shared([pools[key] for key in keys], now_us)
            for key in keys:
                declared = self._declared.get(key[1], UNKNOWN)
                pools[key].prior = Prior(declared.or_else(shared.region), shared.lead_s)


def _shared(learners: Sequence[Learner], now_us: int) -> Prior:
    region = UNKNOWN
    for learner in learners:
        region = region.or_else(learner.seen(now_us))
    leads_s = sorted(one.lead.seconds() for one in learners if one.lead.learned)
    return Prior(region, leads_s[len(leads_s) // 2] if leads_s else 0.0)
