"""What is known of any replica of a pool: what it carries, what is asked of it, how it starts."""

from collections.abc import Mapping, Sequence

from autoscaler.demand import PoolSecond
from autoscaler.knee import Knee
from autoscaler.lead_time import LeadTime
from autoscaler.mix import MixMeter
from autoscaler.priors import NOTHING
from autoscaler.region import Mix, Region
from autoscaler.replica_seconds import ReplicaSecond
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import Change


class ReplicaMemory:
    """Learns from seconds, starts and changes; ``prior`` stands until it has.

    build: engine, version and model by the first window that has them, then by the last change, so
    that only pools of one build share a prior and a mere restart is known to be none.
    """

    def __init__(self, start_delay_s: float) -> None:
        self.lead = LeadTime(start_delay_s)
        self.prior = NOTHING
        self.build = ""
        self._knee = Knee()
        self._mix = MixMeter()

    def see(self, second: PoolSecond) -> None:
        self._mix.see(second)

    def see_replicas(
        self,
        rows: Sequence[ReplicaSecond],
        replicas: Mapping[str, ReplicaStatus],
        *,
        slots: int,
        usual: bool,
    ) -> None:
        """What engines said; usual: nothing is wrong with the pool but that much is asked of it."""
        self.build = self.build or next((row.build for row in rows if row.build), "")
        self._knee.see(rows, slots, trusted=usual)
        if not usual:
            return
        self._mix.see_replicas(rows)
        for row in rows:
            if row.ttft_s is not None and (replica := replicas.get(row.replica)):
                self.lead.see_first_token(replica, row.window_us, row.ttft_s)

    def see_change(self, change: Change) -> bool:
        """Whether another engine or model is served: what was learned of the last one is doubted.

        Its limits stand until new ones are identified: a change frees no replica.
        """
        build = change.attributes.get("build", change.id)
        if change.kind == "model_loaded" and build == self.build:
            return False  # started anew, nothing else
        self.build = build
        self._knee = Knee(earlier=self._knee.region(change.at_us))
        self.lead.changed()
        return True

    def seen(self, now_us: int) -> Region:
        """What was seen here of the region."""
        return self._knee.region(now_us)

    def region(self, now_us: int) -> Region:
        return self.seen(now_us).or_else(self.prior.region)

    def mix(self) -> Mix:
        return self._mix.mix()

    def lead_s(self) -> float:
        return self.lead.seconds() or self.prior.lead_s

    def wake_s(self) -> float:
        """As long as a start until one was seen to wake; then no longer than that."""
        return min(self.lead.wake_s(), self.lead_s())
