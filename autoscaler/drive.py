"""What DRIVE does to one pool: decisions, drains and observations in, a size and records out."""

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from autoscaler.crash_loop import CrashLoop
from autoscaler.past import ACTOR
from autoscaler.sleepers import Sleepers, was_woken
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US
from streams.schemas.scaling import Decision, Drain, Ladder, PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.stage import Out

DECISION_AGE_S: Final = 10.0
"""An older decision is not carried out: what it was made from is no longer so."""
REFRESH_S: Final = 2.0
DRAIN_GRACE_S: Final = 1.0
"""Every gateway has heard of a drain after this long."""
STARTS_REMEMBERED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do now. size: for ``PoolDriver.scale``, None to leave it; stop: replicas to end;
    sleep: replicas to put to sleep.
    """

    size: int | None = None
    sleep: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    out: tuple[Out, ...] = ()


class Drive:
    """The will of one pool: keeps its size, replaces what is lost, lets go of what has drained.

    It starts at ``initial_replicas`` and follows the newest decision younger than 10 s of a pool
    that stands on the ladder at `floor` (only up) or `full`; without one the size stays. It sets
    a size and never adds to one, so that a step repeated does no harm.

    dry_run: carry out no decision, whatever it says of itself.
    ladder: where the pool stands until a decision says otherwise.
    size: where an earlier DRIVE left the pool, None if there was none.
    """

    def __init__(
        self,
        pool: PoolSettings,
        *,
        dry_run: bool,
        ladder: Ladder = "shadow",
        size: int | None = None,
    ) -> None:
        self._pool = pool
        self._dry_run = dry_run
        self._ladder = ladder
        self._target = self._within_bounds(pool.initial_replicas if size is None else size)
        self._decision: Decision | None = None
        self._drains: dict[str, dict[str, Drain]] = {}
        self._seen: dict[str, ReplicaStatus] = {}
        self._said: PoolStatus | None = None
        self._said_all_us = 0
        self._start_s: deque[float] = deque(maxlen=STARTS_REMEMBERED)
        self._sleepers = Sleepers(pool.max_asleep)
        self._news: list[str] = []
        self._crashes = CrashLoop()

    def decided(self, decision: Decision) -> None:
        """A decision came in; the newest counts, in whatever order they come."""
        if self._decision is None or decision.at_us > self._decision.at_us:
            self._decision = decision

    def drained(self, drain: Drain) -> None:
        """A gateway says how much it still has at a replica."""
        if drain.replica in self._seen:
            self._drains.setdefault(drain.replica, {})[drain.gateway] = drain

    def cannot_sleep(self, replica: str, why: str) -> None:
        """Its driver refused: it is stopped, and so are others."""
        self._news.append(self._sleepers.refused(replica, why))

    def hangs(self, after_s: float, now_us: int) -> Out:
        """What to say of a driver that did not come to an end."""
        what = f"its driver did not answer for {after_s:g} s and is asked again"
        return _change_out(self._news_of(f"{self._pool.name}: {what}", now_us))

    def step(self, replicas: Sequence[ReplicaStatus], now_us: int) -> Step:
        """What to do and say, given what the driver sees at ``now_us``."""
        expected = [self._with_expectation(replica) for replica in replicas]
        changes = self._follow(now_us)
        updates: list[Out] = []
        for replica in expected:
            before = self._seen.get(replica.replica)
            if before is None or before.state != replica.state:
                updates.append(self._replica_out(replica))
                changes += self._what_happened(replica)
        gone = self._seen.keys() - {replica.replica for replica in expected}
        updates += [self._out(replica, None) for replica in sorted(gone)]
        self._seen = {replica.replica: replica for replica in expected}
        self._drains = {name: d for name, d in self._drains.items() if name in self._seen}
        size, held = self._size(expected, now_us)
        news, self._news = self._news, []
        changes += held + [self._news_of(one, now_us) for one in news]
        drained = [one for one in expected if one.state == "draining"]
        empty = [one.replica for one in drained if self._is_empty(one, now_us)]
        sleep = self._sleepers.choose(empty, expected)
        late = {one.replica for one in drained if self._is_late(one, now_us)}
        return Step(
            size=size,
            sleep=sleep,
            stop=tuple(sorted((late | set(empty)) - set(sleep))),
            out=(*self._say(expected, updates, now_us), *(_change_out(c) for c in changes)),
        )

    def _follow(self, now_us: int) -> list[Change]:
        """Take over the size of the newest decision, if it may be carried out."""
        decision = self._decision
        if decision is None or now_us - decision.at_us > DECISION_AGE_S * SECOND_US:
            return []
        wanted = self._within_bounds(decision.desired)
        if self._dry_run or decision.dry_run or not _may(decision, self._target, wanted):
            return []
        if wanted == self._target:
            return []
        before, self._target = self._target, wanted
        return [
            self._change(
                id=f"scaled@{decision.at_us}",
                at_us=now_us,
                kind="scaled",
                summary=f"{self._pool.name}: {before} → {wanted} replicas ({decision.reason})",
                attributes={"decision": decision.id, "from": str(before), "to": str(wanted)},
            )
        ]

    def _within_bounds(self, size: int) -> int:
        return min(max(size, self._pool.min_replicas), self._pool.max_replicas)

    def _size(
        self, replicas: Sequence[ReplicaStatus], now_us: int
    ) -> tuple[int | None, list[Change]]:
        """The size to set, and what there is to say about it."""
        live = sum(replica.state in {"starting", "ready"} for replica in replicas)
        if live == self._target:
            return None, []
        if live > self._target or self._crashes.may_start(now_us):
            return self._target, []
        why = self._crashes.news()
        if not why:
            return None, []
        summary = f"{self._pool.name}: {live} of {self._target} replicas, {why}"
        return None, [self._news_of(summary, now_us)]

    def _news_of(self, summary: str, now_us: int) -> Change:
        return self._change(id=f"{summary}@{now_us}", at_us=now_us, kind="other", summary=summary)

    def _what_happened(self, replica: ReplicaStatus) -> list[Change]:
        """The change that a replica's new state is, and what is learned from it."""
        name, at_us = replica.replica, replica.since_us
        before = self._seen.get(name)
        match replica.state:
            case "starting" if before is not None:
                kind, what = "replica_started", "is woken"
            case "starting":
                kind, what = (
                    "replica_started",
                    f"was started, ready in about {self._lead_s():.0f} s",
                )
            case "ready":
                kind, what = "replica_ready", f"is ready, {self._took(replica)}"
            case "asleep":
                kind, what = "replica_stopped", "was put to sleep"
            case "failed":
                self._crashes.lost(at_us, _ready_for_s(before, at_us))
                kind, what = "replica_lost", replica.reason
            case "stopped":
                kind, what = "replica_stopped", "was stopped"
            case "draining":
                return []
        # One that sleeps now and then starts, is ready and stops more than once.
        change_id, summary = f"{name}@{at_us}", f"{name} {what}"
        return [self._change(id=change_id, at_us=at_us, kind=kind, summary=summary, replica=name)]

    def _took(self, replica: ReplicaStatus) -> str:
        took_s = (replica.since_us - replica.ordered_at_us) / SECOND_US
        if was_woken(replica):
            return f"{took_s:.1f} s after it was woken"
        self._start_s.append(took_s)
        return f"{took_s:.1f} s after it was ordered"

    def _is_empty(self, replica: ReplicaStatus, now_us: int) -> bool:
        """Every gateway that spoke since the drain began has nothing left there."""
        words = self._drains.get(replica.replica, {}).values()
        heard = [drain for drain in words if drain.at_us >= replica.since_us]
        done = bool(heard) and all(drain.in_flight == 0 for drain in heard)
        return done and now_us - replica.since_us >= DRAIN_GRACE_S * SECOND_US

    def _is_late(self, replica: ReplicaStatus, now_us: int) -> bool:
        return now_us - replica.since_us > self._pool.drain_timeout_s * SECOND_US

    def _say(self, replicas: Sequence[ReplicaStatus], updates: list[Out], now_us: int) -> list[Out]:
        """The pool and its replicas: what changed at once, all of it every two seconds."""
        status = self._status(replicas, now_us)
        if now_us - self._said_all_us >= REFRESH_S * SECOND_US:
            self._said_all_us = now_us
            gone = [out for out in updates if out.value is None]
            return [self._pool_out(status), *gone, *map(self._replica_out, replicas)]
        if self._said is None or status != self._said.but(at_us=now_us):
            return [self._pool_out(status), *updates]
        return updates

    def _pool_out(self, status: PoolStatus) -> Out:
        self._said = status
        return Out(topic="pools", key=f"{self._pool.cluster}/{self._pool.name}", value=status)

    def _replica_out(self, replica: ReplicaStatus) -> Out:
        return self._out(replica.replica, replica)

    def _out(self, replica: str, value: ReplicaStatus | None) -> Out:
        key = f"{self._pool.cluster}/{self._pool.name}/{replica}"
        return Out(topic="pools", key=key, value=value)

    def _status(self, replicas: Sequence[ReplicaStatus], now_us: int) -> PoolStatus:
        pool, states = self._pool, [replica.state for replica in replicas]
        cap = pool.cap_tokens_per_s
        return PoolStatus(
            cluster=pool.cluster,
            pool=pool.name,
            service=pool.service,
            model=pool.model,
            at_us=now_us,
            desired=self._target,
            ready=states.count("ready"),
            starting=states.count("starting"),
            draining=states.count("draining"),
            failed=states.count("failed"),
            asleep=states.count("asleep"),
            max_asleep=self._sleepers.most,
            min_replicas=pool.min_replicas,
            max_replicas=pool.max_replicas,
            ladder=self._decision.ladder if self._decision else self._ladder,
            driver=pool.driver,
            hardware=pool.hardware,
            start_delay_s=self._lead_s(),
            cap=f"demo cap {cap:g} tokens/s" if cap else "",
            slots_per_replica=pool.slots,
            slo_queue_s=pool.longest_wait_s,
        )

    def _with_expectation(self, replica: ReplicaStatus) -> ReplicaStatus:
        if not replica.ordered_at_us:
            return replica
        before = self._seen.get(replica.replica)
        # Promised once: what is learned later is for those ordered later.
        expected_us = (
            before.expected_ready_at_us
            if before and before.ordered_at_us == replica.ordered_at_us
            else replica.ordered_at_us + round(self._lead_s() * SECOND_US)
        )
        return replica.but(expected_ready_at_us=expected_us)

    def _lead_s(self) -> float:
        """Seconds from order to ready: the median of the last five starts, or as declared."""
        return statistics.median(self._start_s) if self._start_s else self._pool.start_delay_s

    def _change(self, **facts: Any) -> Change:
        """A change of this pool; its id tells the same change again from another one."""
        change = Change(**facts, actor=ACTOR, cluster=self._pool.cluster, pool=self._pool.name)
        return change.but(id=f"{change.cluster}/{change.pool}/{change.id}/{change.kind}")


_BY_HAND: Final = {"hold", "override"}


def _may(decision: Decision, now: int, wanted: int) -> bool:
    """Whether the pool's place on the ladder allows it; a person's word stands above the ladder."""
    if not _BY_HAND.isdisjoint(decision.guards):
        return True
    match decision.ladder:
        case "full":
            return True
        case "floor":
            return wanted > now
        case "shadow" | "recommend":
            return False


def _ready_for_s(before: ReplicaStatus | None, at_us: int) -> float:
    if before is None or before.state != "ready":
        return 0.0
    return (at_us - before.since_us) / SECOND_US


def _change_out(change: Change) -> Out:
    return Out(topic="changes", key=change.id, value=change)
