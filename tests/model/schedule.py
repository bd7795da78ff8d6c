"""What may happen to a world, step by step, as values that hypothesis draws, prints and shrinks."""

from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
from hypothesis import strategies as st

from streams.clock import SECOND_US
from streams.codec import FrameHeader, encode_frame, encode_record
from streams.schemas.incidents import Command
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent
from tests.model.owner import Fate, LogOwner
from tests.model.world import PROCESSES, STAGES, World

POOLS: Final = ("codex", "qwen")
"""Of different shards."""
TENANTS: Final = ("ash", "birch")
REPLICAS: Final = 3


class Step(Protocol):
    def apply(self, world: World) -> None: ...


@dataclass(frozen=True)
class Traffic:
    """Seconds of usual traffic, with something wrong; everybody gets ``rounds`` turns a second."""

    seconds: int
    rounds: int
    dead: int = -1
    slow: int = -1
    flood: bool = False
    burst: bool = False
    silent: bool = False

    def apply(self, world: World) -> None:
        for second in range(self.seconds):
            if not self.silent:
                self._second(world, second)
            world.broker.advance(SECOND_US)
            world.run(self.rounds)

    def _second(self, world: World, second: int) -> None:
        now_us = world.broker.now_us
        for number, pool in enumerate(POOLS):
            for replica in range(REPLICAS):
                up = 0.0 if replica == self.dead and not number else 1.0
                pace = 0.5 if replica == self.slow and not number else 0.05
                send(world, engine_sample(pool, replica, now_us, up, pace))
            count = 12 if self.burst and number else 2
            for each in range(count):
                tenant = TENANTS[each % 2]
                send(world, request("arrived", pool, tenant, now_us - 1_000), each % 2)
            for _ in range(5 if self.flood and number else 0):
                send(world, request("rejected", pool, TENANTS[0], now_us - 2_000))
        if second % 5 == 0:
            send(world, gpu_sample(97.0 if self.flood else 60.0, now_us))


@dataclass(frozen=True)
class Send:
    """A record whose event time is so far from now, to a partition if there is one."""

    what: str
    offset_s: float
    partition: int = 0
    which: int = 0

    def apply(self, world: World) -> None:
        at_us = world.broker.now_us + round(self.offset_s * SECOND_US)
        pool = POOLS[self.which % 2]
        match self.what:
            case "engine":
                send(world, engine_sample(pool, self.which % REPLICAS, at_us, 1.0, 0.05))
            case "gpu":
                send(world, gpu_sample(60.0, at_us))
            case "gauge":
                event = RequestEvent(kind="gauge", at_us=at_us, pool=pool, queued=3.0)
                send(world, event, self.partition)
            case _:
                send(
                    world, request(self.what, pool, TENANTS[self.which % 2], at_us), self.partition
                )


@dataclass(frozen=True)
class Bad:
    """What is no record, beside one that is, in one message."""

    topic: str

    def apply(self, world: World) -> None:
        good = engine_sample("codex", 0, world.broker.now_us, 1.0, 0.05)
        value = b'{"at_us": "never"}\n' + encode_record(good) if self.topic == "engine" else b"{"
        world.append((self.topic, 0), None, value)


@dataclass(frozen=True)
class Frames:
    """A frame of a producer that may have sent it before."""

    sequence: int
    times: int
    partition: int = 0

    def apply(self, world: World) -> None:
        at_us = world.broker.now_us
        lines = b"\n".join(
            encode_record(request("arrived", pool, TENANTS[0], at_us)) for pool in POOLS
        )
        header = FrameHeader(producer="sdk", boot="b", sequence=self.sequence, count=2)
        for _ in range(self.times):
            world.append(("requests", self.partition), None, encode_frame(header, lines))


@dataclass(frozen=True)
class Changed:
    """Somebody did something."""

    kind: str
    which: int
    offset_s: float = 0.0

    def apply(self, world: World) -> None:
        now_us = world.broker.now_us
        at_us = now_us + round(self.offset_s * SECOND_US)
        pool = POOLS[self.which % 2]
        wide = self.kind in {"scaled", "deployed"}
        change = msgspec.convert(
            {
                "id": f"{self.kind}-{now_us}-{self.which}", "at_us": at_us, "kind": self.kind,
                "summary": "", "pool": pool,
                "replica": "" if wide else f"{pool}-{self.which % REPLICAS}",
            },
            Change,
        )  # fmt: skip
        send(world, change)


@dataclass(frozen=True)
class Held:
    """Somebody reports a change in a transaction, which stays open for now."""

    which: int

    def apply(self, world: World) -> None:
        now_us = world.broker.now_us
        pool = POOLS[self.which % 2]
        change = Change(
            id=f"held-{now_us}", at_us=now_us, kind="replica_lost", summary="", pool=pool,
            replica=f"{pool}-{self.which % REPLICAS}",
        )  # fmt: skip
        world.hold(("changes", 0), encode_record(change))


@dataclass(frozen=True)
class Released:
    """What was held is committed."""

    def apply(self, world: World) -> None:
        world.release()


@dataclass(frozen=True)
class Added:
    """A raw topic gets a further partition, and somebody writes to it at once."""

    announced: bool = True

    def apply(self, world: World) -> None:
        partition = sum(topic == "requests" for topic, _ in world.broker.logs)
        if partition < 4:
            world.add_partition("requests", announced=self.announced)
            at_us = world.broker.now_us
            send(world, request("arrived", POOLS[0], TENANTS[0], at_us), partition)


@dataclass(frozen=True)
class Driven:
    """The driver says how a replica and its pool are."""

    state: str
    which: int
    behind_s: float = 0.0

    def apply(self, world: World) -> None:
        at_us = world.broker.now_us - round(self.behind_s * SECOND_US)
        pool = POOLS[self.which % 2]
        replica = f"{pool}-{self.which % REPLICAS}"
        ready = self.state == "ready"
        status = msgspec.convert(
            {
                "pool": pool,
                "replica": replica,
                "state": self.state,
                "since_us": at_us,
                "at_us": at_us,
            },
            ReplicaStatus,
        )
        whole = PoolStatus(
            pool=pool, service=pool, model="m", at_us=at_us, desired=3, ready=3 if ready else 2
        )
        world.append(("pools", 0), f"local/{pool}/{replica}".encode(), encode_record(status))
        world.append(("pools", 0), f"local/{pool}".encode(), encode_record(whole))


@dataclass(frozen=True)
class Resolved:
    """A person resolves the newest incident there is."""

    def apply(self, world: World) -> None:
        log = world.broker.logs["incidents", 0]
        messages = log.read(0, log.end).messages
        if not messages:
            return
        name = (messages[-1].key or b"").decode()
        at_us = world.broker.now_us
        command = Command(id=f"c{at_us}", at_us=at_us, kind="resolve", actor="ann", incident=name)
        world.append(("commands", 0), command.id.encode(), encode_record(command))


@dataclass(frozen=True)
class Run:
    """One process gets turns, or one of its partitions; batches have at most ``most`` messages."""

    stage: str
    number: int
    turns: int
    most: int = 1_000
    only: int | None = None

    def apply(self, world: World) -> None:
        process = world.processes[self.stage, self.number]
        process.most = self.most
        owners = list(process.owners.values())
        if self.only is not None:
            owners = [owners[self.only % len(owners)]]
        for _ in range(0 if process.frozen else self.turns):
            for owner in owners:
                owner.step()


@dataclass(frozen=True)
class Everybody:
    """All get turns."""

    turns: int

    def apply(self, world: World) -> None:
        world.run(self.turns)


@dataclass(frozen=True)
class Pause:
    """Time passes, and nobody does anything."""

    seconds: float

    def apply(self, world: World) -> None:
        world.broker.advance(round(self.seconds * SECOND_US))


@dataclass(frozen=True)
class Crash:
    """A process dies where it is and starts anew; the group may have moved its partitions."""

    stage: str
    number: int
    moves: bool

    def apply(self, world: World) -> None:
        world.processes[self.stage, self.number].crash()
        if self.moves:
            world.assign(self.stage, [1 - self.number])


@dataclass(frozen=True)
class Freeze:
    """A process stops where it is; if for long, the group moves its partitions."""

    stage: str
    number: int
    long: bool

    def apply(self, world: World) -> None:
        world.processes[self.stage, self.number].frozen = True
        if self.long:
            world.assign(self.stage, [1 - self.number])


@dataclass(frozen=True)
class Wake:
    """It goes on where it was, before it hears of anything."""

    stage: str
    number: int
    turns: int

    def apply(self, world: World) -> None:
        process = world.processes[self.stage, self.number]
        if process.frozen:
            process.frozen = False
            for _ in range(self.turns):
                process.step()
            process.hear()


@dataclass(frozen=True)
class Rebalance:
    """The group spreads the partitions of a stage in another way."""

    stage: str
    numbers: tuple[int, ...]

    def apply(self, world: World) -> None:
        world.assign(self.stage, self.numbers)


@dataclass(frozen=True)
class Fail:
    """The next commit of a process ends with an error, whether or not it happened."""

    stage: str
    number: int
    fate: Fate

    def apply(self, world: World) -> None:
        world.processes[self.stage, self.number].fate = self.fate


@dataclass(frozen=True)
class Again:
    """The transport hands over once more what it has handed over."""

    stage: str
    number: int

    def apply(self, world: World) -> None:
        for owner in world.processes[self.stage, self.number].owners.values():
            if isinstance(owner, LogOwner) and owner.latest is not None:
                owner.inbox.append(owner.latest)


@dataclass(frozen=True)
class Skew:
    """A process's clock is wrong, within what is allowed."""

    stage: str
    number: int
    error_s: float

    def apply(self, world: World) -> None:
        world.processes[self.stage, self.number].error_us = round(self.error_s * SECOND_US)


def engine_sample(pool: str, replica: int, at_us: int, up: float, pace_s: float) -> EngineSample:
    return EngineSample(
        at_us=at_us, pool=pool, replica=f"{pool}-{replica}", up=up, in_flight=2.0,
        inter_token_s=pace_s if up else None,
    )  # fmt: skip


def gpu_sample(temperature_c: float, at_us: int) -> GpuSample:
    return GpuSample(
        at_us=at_us, node="n", gpu_uuid="GPU-1", pool="codex", temperature_c=temperature_c
    )


def request(kind: str, pool: str, tenant: str, at_us: int) -> RequestEvent:
    fields = {"kind": kind, "pool": pool, "tenant": tenant, "at_us": at_us, "status": 200}
    return msgspec.convert(fields, RequestEvent)


_TOPIC: Final = {
    EngineSample: "engine", GpuSample: "gpu", RequestEvent: "requests", Change: "changes",
}  # fmt: skip


def send(world: World, record: msgspec.Struct, partition: int = 0) -> None:
    world.append((_TOPIC[type(record)], partition), None, encode_record(record))


_STAGE: Final = st.sampled_from(STAGES)
_NUMBER: Final = st.integers(0, PROCESSES - 1)
_OFFSET: Final = st.sampled_from([0.0, -0.5, -1.4, -2.5, -3.5, -8.0, 1.0, 4.0, 9.0, 11.0])
_TRAFFIC: Final = st.builds(
    Traffic,
    seconds=st.integers(1, 12),
    rounds=st.sampled_from([0, 1, 6, 30]),
    dead=st.sampled_from([-1, -1, 0, 1]),
    slow=st.sampled_from([-1, -1, 0, 1]),
    flood=st.booleans(),
    burst=st.booleans(),
    silent=st.sampled_from([False, False, False, True]),
)
_RECORD: Final = st.one_of(
    st.builds(
        Send,
        st.sampled_from(["engine", "gpu", "gauge", "arrived", "finished", "rejected"]),
        _OFFSET,
        st.integers(0, 1),
        st.integers(0, 5),
    ),
    st.builds(Bad, st.sampled_from(["requests", "engine", "changes"])),
    st.builds(Frames, st.integers(0, 5), st.integers(1, 2)),
    st.builds(
        Changed,
        st.sampled_from(
            [
                "scaled", "deployed", "replica_started", "replica_ready", "replica_lost",
                "replica_stopped", "set_aside", "taken_back",
            ]
        ),
        st.integers(0, 5),
        _OFFSET,
    ),
    st.builds(
        Driven,
        st.sampled_from(["ready", "starting", "failed", "stopped"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 1.0, 5.0]),
    ),
    st.just(Resolved()),
    st.builds(Held, st.integers(0, 5)),
    st.just(Released()),
    st.just(Added()),
)  # fmt: skip
_TURN: Final = st.one_of(
    st.builds(
        Run,
        _STAGE,
        _NUMBER,
        st.integers(1, 12),
        st.sampled_from([1, 3, 20, 1_000]),
        st.none() | st.integers(0, 4),
    ),
    st.builds(Everybody, st.integers(1, 20)),
    st.builds(Pause, st.sampled_from([0.2, 1.0, 3.5, 7.0])),
)
_FAULT: Final = st.one_of(
    st.builds(Crash, _STAGE, _NUMBER, st.booleans()),
    st.builds(Freeze, _STAGE, _NUMBER, st.booleans()),
    st.builds(Wake, _STAGE, _NUMBER, st.integers(0, 6)),
    st.builds(Rebalance, _STAGE, st.sampled_from([(0,), (1,), (0, 1), (1, 0), (0, 0, 1)])),
    st.builds(Fail, _STAGE, _NUMBER, st.sampled_from(["unsent", "unanswered"])),
    st.builds(Again, st.sampled_from(["ingest", "watch"]), _NUMBER),
    st.builds(Skew, _STAGE, _NUMBER, st.sampled_from([-0.4, 0.0, 0.4])),
)


@st.composite
def _trouble(draw: st.DrawFn) -> list[Step]:
    """There is something to do, a process is on it, and something happens to this process."""
    stage, number = draw(_STAGE), draw(_NUMBER)
    most = draw(st.sampled_from([1, 3, 1_000]))
    only = draw(st.none() | st.integers(0, 4))
    fault = draw(
        st.one_of(
            st.builds(Crash, st.just(stage), st.just(number), st.booleans()),
            st.builds(Freeze, st.just(stage), st.just(number), st.just(True)),
            st.builds(
                Fail, st.just(stage), st.just(number), st.sampled_from(["unsent", "unanswered"])
            ),
            st.builds(Again, st.just(stage), st.just(number)),
        )
    )
    return [
        Traffic(draw(st.integers(1, 3)), rounds=draw(st.sampled_from([0, 6]))),
        Run(stage, number, draw(st.integers(1, 8)), most, only),
        fault,
        Everybody(draw(st.integers(0, 12))),
        Wake(stage, number, draw(st.integers(0, 6))),
    ]


def schedules(longest: int) -> st.SearchStrategy[list[Step]]:
    """Anything that may happen, at most so many times."""
    single = st.one_of(_TRAFFIC, _RECORD, _TURN, _FAULT).map(lambda step: [step])
    parts = st.lists(single | _trouble(), min_size=1, max_size=longest)
    return parts.map(lambda found: [step for part in found for step in part])
