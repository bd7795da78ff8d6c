"""Ticks in, decisions and rules out: the thinking of PLAN."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from autoscaler.allocation.market import Market
from autoscaler.concerns import Concerns
from autoscaler.demand import PoolKey, PoolSecond, pool_seconds
from autoscaler.learned import Learned, dumped, meaning, take_up
from autoscaler.legs import Leg, mates_of, slos_of
from autoscaler.pool_memory import Circumstances, PoolMemory
from autoscaler.priors import Priors
from autoscaler.replica_seconds import replica_seconds
from autoscaler.rules import RuleBook, refusal
from autoscaler.schedules.rules import Bounds, declared
from autoscaler.settings import ScalingSettings
from autoscaler.situation import Situation
from model_backend.settings import BackendSettings
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError, OutdatedError
from streams.schemas.anomalies import Anomaly
from streams.schemas.comparison import Comparison
from streams.schemas.incidents import Command, Incident, Rule
from streams.schemas.scaling import Decision, PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.stage import Arrival, Out, Outcome, Tick
from streams.windows.table import Table


class Planner:
    """Decides for every pool of its cluster, every ``decide_every_s`` of event time.

    A pool is decided for once its driver has spoken of it. Kept step by step are the rules of
    people and the open concerns, and now and then all that was learned (``remember``). What was not
    is learned anew; until it has been watched for ``scale_down_after_s``, a pool does not shrink.
    """

    inputs: tuple[str, ...] = ("windows", "incidents", "anomalies", "pools", "commands", "changes")

    def __init__(
        self, scaling: ScalingSettings, backend: BackendSettings, *, cluster: str = "local"
    ) -> None:
        self._scaling = scaling
        self._settings: Final = {
            (pool.cluster, pool.name): pool for pool in backend.pools if pool.cluster == cluster
        }
        self._slos = slos_of(self._settings)
        self._mates = mates_of(self._settings.values())
        self._pools = {
            key: PoolMemory(pool, scaling, Leg(pool.role) if key in self._mates else None)
            for key, pool in self._settings.items()
        }
        self._market = Market(scaling, backend.pools, cluster)
        self._priors = Priors(scaling.capacities, self._settings)
        self._concerns = Concerns()
        self._rules = RuleBook()
        self._decided_us = 0
        self._told = False
        # What cannot be is said at the start, not at the first tick.
        RuleBook().declare([*declared(scaling.schedules, self._settings, 0)], 0)

    def restore(self, state: Mapping[str, bytes]) -> None:
        self._rules.restore(state)
        self._concerns.restore(state)
        self._told = False

    def remember(self) -> bytes:
        return dumped(self._learned())

    def recall(self, memory: bytes) -> list[str]:
        learned, lost = take_up(self._learned(), memory)
        self.restore(learned.state)
        self._decided_us = learned.decided_us
        return lost

    def _learned(self) -> Learned:
        return Learned(
            decided_us=self._decided_us,
            state=self._rules.whole() | self._concerns.whole(),
            pools=self._pools,
            meanings={key: meaning(one, self._scaling) for key, one in self._settings.items()},
            doubts=self._market.doubts,
        )

    def step(self, tick: Tick) -> Outcome:
        """Take in what arrived, end what has run out, and decide if it is time to."""
        out: list[Out] = []
        rules = [*self._declared(tick.now_us)]
        commands = 0
        for arrival in tick.arrivals:
            if isinstance(arrival.record, Command):
                commands += 1
                self._command(arrival.record, tick.now_us, rules, out)
            else:
                self._see(arrival)
        rules.extend(self._rules.expire(tick.now_us))
        out += [Out(topic="rules", key=rule.id, value=rule) for rule in rules]
        out += [
            Out(topic="decisions", key=f"{decision.cluster}/{decision.pool}", value=decision)
            for decision in self._decisions(tick)
        ]
        out += [Out(topic="comparisons", key=day.id, value=day) for day in self._days(tick.now_us)]
        kept = self._rules.state(rules) if rules or commands else {}
        return Outcome(out=out, state=kept | self._concerns.take_changes())

    def _declared(self, now_us: int) -> Sequence[Rule]:
        """What the settings schedule, told once; changes at a restart."""
        if self._told:
            return ()
        self._told = True
        schedules = declared(self._scaling.schedules, self._settings, now_us)
        return self._rules.declare([*schedules], now_us)

    def _see(self, arrival: Arrival) -> None:
        match arrival.record:
            case Table() as table:
                self._see_windows(table, early=arrival.early)
            case PoolStatus() | ReplicaStatus() | Change() as told:
                self._see_told(told)
            case Incident() as incident:
                self._concerns.see_incident(arrival.key, incident)
            case Anomaly() as anomaly:
                self._concerns.see_anomaly(anomaly)
            case None:
                self._forget(arrival)
            case _:
                pass

    def _see_windows(self, table: Table, *, early: bool) -> None:
        match table.kind:
            case "request" if early:
                for key, seconds in self._seconds(table):
                    self._pools[key].glimpse(seconds)
            case "request":
                for key, seconds in self._seconds(table):
                    self._pools[key].see_seconds(seconds, trusted=self._concerns.trusted(key))
            case "engine" if not early:
                for key, rows in replica_seconds(table, self._pools).items():
                    usual = self._concerns.usual(key)
                    self._pools[key].see_replica_seconds(rows, usual=usual)
            case _:
                pass

    def _seconds(self, table: Table) -> Iterator[tuple[PoolKey, Sequence[PoolSecond]]]:
        """By pool; a request that goes through two is told once and goes to both."""
        for key, seconds in pool_seconds(table, self._slos).items():
            yield key, seconds
            if key in self._mates:
                yield self._mates[key], seconds

    def _see_told(self, told: PoolStatus | ReplicaStatus | Change) -> None:
        memory = self._pools.get((told.cluster, told.pool))
        if memory is None:
            return
        match told:
            case PoolStatus():
                memory.see_status(told)
            case ReplicaStatus():
                memory.see_replica(told.replica, told)
            case Change(kind="deployed" | "configured" | "model_loaded"):
                memory.see_change(told)
            case Change():
                pass

    def _forget(self, tombstone: Arrival) -> None:
        cluster, _, rest = tombstone.key.partition("/")
        pool, _, replica = rest.partition("/")
        if tombstone.topic == "incidents":
            self._concerns.see_incident(tombstone.key, None)
        elif tombstone.topic == "pools" and replica and (cluster, pool) in self._pools:
            self._pools[cluster, pool].see_replica(replica, None)

    def _command(self, command: Command, now_us: int, rules: list[Rule], out: list[Out]) -> None:
        bounds = {
            key: Bounds(
                low=self._settings[key].min_replicas,
                high=self._settings[key].max_replicas,
                standing=memory.status.desired,
            )
            for key, memory in self._pools.items()
            if memory.status is not None
        }
        try:
            rules.extend(self._rules.carry_out(command, bounds))
        except (InvalidParameterError, OutdatedError) as exc:
            out.append(refusal(command, exc, now_us))

    def _decisions(self, tick: Tick) -> list[Decision]:
        every_us = round(self._scaling.decide_every_s * SECOND_US)
        # While windows stall every second counts: the floor must not wait for its turn.
        urgent = tick.stalled or any(arrival.early for arrival in tick.arrivals)
        if not urgent and tick.now_us // every_us <= self._decided_us // every_us:
            return []
        self._decided_us = tick.now_us
        learners = {key: memory.replica for key, memory in self._pools.items()}
        self._priors.renew(learners, tick.now_us)
        for key, mate in self._mates.items():
            self._pools[key].budget.borrow(self._pools[mate].budget.unspent)
        situations = [
            self._situation(key, memory, memory.status, tick)
            for key, memory in sorted(self._pools.items())
            if memory.status is not None
        ]
        return [
            self._pools[decision.cluster, decision.pool].decided(decision)
            for decision in self._market.decide(situations)
        ]

    def _days(self, now_us: int) -> Iterator[Comparison]:
        for key, memory in sorted(self._pools.items()):
            yield from memory.days.told(*key, now_us)

    def _situation(
        self, key: PoolKey, memory: PoolMemory, status: PoolStatus, tick: Tick
    ) -> Situation:
        pool = self._settings[key]
        low, high = self._rules.limits(key, pool.min_replicas, pool.max_replicas)
        about = Circumstances(
            ladder=self._rules.ladder(key, self._scaling.ladder),
            low=low,
            high=high,
            order=self._rules.order(key),
            blocks=self._concerns.blocks(key, tick.now_us),
            suspects=self._concerns.suspects(key),
            stalled=tick.stalled,
            calendar=self._rules.calendar(key, tick.now_us),
        )
        return memory.situation(tick.now_us, status, about)
