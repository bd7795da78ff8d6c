"""Steps of a schedule: what others put into the logs."""

from dataclasses import dataclass

import msgspec

from streams.clock import SECOND_US
from streams.codec import FrameHeader, encode_frame, encode_record
from streams.schemas.incidents import Command
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change, RequestEvent
from tests.model.records import POOLS, REPLICAS, TENANTS, engine_sample, gpu_sample, request, send
from tests.model.world import World


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
