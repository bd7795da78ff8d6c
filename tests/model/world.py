"""INGEST, WATCH and RESPOND on a broker of the model, several processes each, and one clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from detectors.incidents.lifecycle import LifecycleRules
from detectors.settings import DetectionSettings
from streams.clock import SECOND_US
from streams.codec import BlockHeader, encode_block
from streams.settings import StreamSettings, TopicSettings, WindowSettings
from tests.model.broker import Broker, Source, Transaction
from tests.model.owner import Group, LogOwner, Owner, Process
from tests.model.stages import IngestModel, RespondOwner, WatchModel

START_US: Final = 1_767_268_800 * SECOND_US
SHARDS: Final = 2
RAW: Final = {"requests": 2, "engine": 1, "gpu": 1, "changes": 1}
ASKED: Final = {"pools": 1, "commands": 1, "feedback": 1}
"""Inputs of RESPOND that do not come through INGEST."""
WRITTEN: Final = {
    "partials": SHARDS,
    "windows": SHARDS,
    "anomalies": SHARDS,
    "incidents": 1,
    "dead-letters": 1,
    "quality": 1,
    "state.ingest": 4,
    "state.respond": 1,
}
STAGES: Final = ("ingest", "watch", "respond")
PROCESSES: Final = 2
STREAM: Final = StreamSettings(
    topics=TopicSettings(shards=SHARDS, block_bytes=16_384, max_message_bytes=65_536),
    windows=WindowSettings(),
)
DETECTION: Final = DetectionSettings.model_validate(
    {
        "detectors": [
            {
                "kind": "limit", "series": "engine", "values": ["up_min"], "graced": False,
                "after_s": 2, "direction": "below",
                "with": {"limit": 0.5, "normal": 1.0, "armed": 1},
            },
            {
                "kind": "ewma", "series": "engine", "values": ["inter_token_s_mean"], "after_s": 1,
                "smooth_s": 1, "given": "in_flight_mean",
                "with": {"half_life_s": 20, "sigmas": 3, "warmup_s": 5, "floor": 0.01},
            },
            {
                "kind": "limit", "series": "request", "values": ["rejected_per_s"], "after_s": 2,
                "by": ["cluster", "pool", "tenant"], "with": {"limit": 2.0},
            },
            {
                "kind": "ewma", "series": "request", "values": ["arrived_per_s"], "after_s": 1,
                "direction": "above",
                "by": ["cluster", "pool"],
                "with": {"half_life_s": 20, "sigmas": 3, "warmup_s": 5, "floor": 0.3},
            },
            {
                "kind": "limit", "series": "gpu", "values": ["temperature_c_max"], "after_s": 10,
                "with": {"limit": 95},
            },
        ],
        "anomaly_ends_after_s": 4,
        "grace_after_change_s": 5,
    }
)  # fmt: skip
RULES: Final = LifecycleRules(resolves_after_s=8, join_s=8, young_s=10)


@dataclass(frozen=True, slots=True)
class Raw:
    """What is in a log that nobody of us wrote, and since when.

    what: a record, the marker of somebody's transaction, or the partition itself.
    """

    at_us: int
    source: Source
    key: bytes | None = None
    value: bytes | None = None
    what: Literal["record", "marker", "partition"] = "record"


class World:
    """``owner``: how a partition of a log stage is owned; the project's rules or broken ones."""

    def __init__(self, owner: type[LogOwner] = LogOwner) -> None:
        self.broker = Broker(START_US, RAW | ASKED | WRITTEN)
        self.raw: list[Raw] = []
        self._owner = owner
        self._held: list[tuple[Source, Transaction]] = []
        self.groups = {stage: Group(stage) for stage in STAGES}
        self.processes = {
            (stage, number): Process(number, self.groups[stage], self.broker)
            for stage in STAGES
            for number in range(PROCESSES)
        }
        sources = {
            "ingest": [source for source in self.broker.logs if source[0] in RAW],
            "watch": [("partials", shard) for shard in range(SHARDS)],
            "respond": [("feedback", 0)],
        }
        self._sources = tuple(sources["ingest"])
        for stage in STAGES:
            for source in sources[stage]:
                self._join(stage, source)

    def _join(self, stage: str, source: Source) -> None:
        self.groups[stage].owners[source] = len(self.groups[stage].owners) % PROCESSES
        for number in range(PROCESSES):
            process = self.processes[stage, number]
            process.owners[source] = self._new_owner(stage, process, source)
            process.hear()

    def _new_owner(self, stage: str, process: Process, source: Source) -> Owner:
        match stage:
            case "ingest":
                return self._owner(
                    process, source, lambda: IngestModel(source, STREAM, self.broker)
                )
            case "watch":
                return self._owner(
                    process,
                    source,
                    lambda: WatchModel(source[1], DETECTION, STREAM, self._sources),
                )
            case _:
                return RespondOwner(process, STREAM, RULES)

    # What happens to it.

    def append(self, source: Source, key: bytes | None, value: bytes | None) -> None:
        self.take(Raw(self.broker.now_us, source, key, value))

    def take(self, raw: Raw) -> None:
        """Whatever others do to the logs."""
        self.raw.append(raw)
        match raw.what:
            case "record":
                self.broker.append(raw.source, raw.key, raw.value)
            case "marker":
                self.broker.mark(raw.source)
            case "partition":
                self.broker.add_partition(raw.source)
                self._join("ingest", raw.source)

    def hold(self, source: Source, value: bytes) -> None:
        """Somebody writes in a transaction that stays open until ``release``."""
        self.raw.append(Raw(self.broker.now_us, source, None, value))
        self._held.append((source, self.broker.hold(source, value)))

    def release(self) -> None:
        for source, transaction in self._held:
            transaction.settled = True
            self.take(Raw(self.broker.now_us, source, what="marker"))
        self._held.clear()

    def add_partition(self, topic: str, *, announced: bool) -> None:
        """Shards are told to wait for it before anybody can write to it."""
        source = topic, sum(name == topic for name, _ in self.broker.logs)
        for shard in range(SHARDS if announced else 0):
            header = BlockHeader(kind="expect", shard=shard, source=topic, partition=source[1])
            self.append(("partials", shard), str(shard).encode(), encode_block(header))
        self.take(Raw(self.broker.now_us, source, what="partition"))

    def assign(self, stage: str, numbers: Sequence[int]) -> None:
        """The group assigns anew; who is not frozen hears of it."""
        owners = self.groups[stage].owners
        for place, source in enumerate(sorted(owners)):
            owners[source] = numbers[place % len(numbers)]
        for number in range(PROCESSES):
            process = self.processes[stage, number]
            if not process.frozen:
                process.hear()

    def run(self, rounds: int) -> None:
        for _ in range(rounds):
            for process in self.processes.values():
                if not process.frozen:
                    process.step()

    def run_until_quiet(self) -> None:
        """Everything there is to do at this time."""
        before: object = None
        while before != (now := self._progress()):
            before = now
            self.run(12)

    def _progress(self) -> object:
        positions = [
            owner.position
            for process in self.processes.values()
            for owner in process.owners.values()
        ]
        return positions, [log.end for log in self.broker.logs.values()]

    def pass_quietly(self, until_us: int, step_us: int = SECOND_US) -> None:
        """Time goes on and everybody keeps up with it."""
        while self.broker.now_us < until_us:
            self.broker.advance(min(step_us, until_us - self.broker.now_us))
            self.run_until_quiet()

    def heal(self) -> None:
        """Everybody is up, hears, and has a right clock."""
        self.release()
        for process in self.processes.values():
            process.frozen, process.fate, process.error_us, process.most = False, None, 0, 1_000
            process.hear()
