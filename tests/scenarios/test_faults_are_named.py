"""Raw records to incidents through the real pure chain: INGEST, WATCH on every shard, RESPOND."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from detectors.incidents.respond import Respond
from detectors.settings import DetectionSettings
from detectors.watch import Watch
from streams.batch import Message, RecordBatch
from streams.clock import SECOND_US
from streams.codec import encode_record
from streams.intake import INPUTS, Ingest
from streams.schemas.incidents import Incident
from streams.settings import StreamSettings, TopicSettings, WindowSettings
from streams.stage import Out
from streams.ticked import intervals_us
from streams.ticks import Inputs
from tests.scenarios.pool_simulation import PoolSimulation, Second, traced_arrivals

SETTINGS = StreamSettings(
    topics=TopicSettings(shards=2, raw_partitions=1), windows=WindowSettings(lateness_s=1)
)
SEEDS = (2, 4)
FAULT_S = 45
LAG_US = 300_000
"""Event to broker."""


@dataclass
class Log:
    """Every topic of a broker that only remembers how many records each partition has."""

    counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def messages(self, out: Sequence[Out], at_us: int) -> list[Message]:
        return [self._message(each, at_us) for each in out]

    def _message(self, out: Out, at_us: int) -> Message:
        place = (out.topic, out.partition or 0)
        offset = self.counts[place] = self.counts.get(place, -1) + 1
        value = encode_record(out.value) if isinstance(out.value, msgspec.Struct) else out.value
        return Message(*place, offset, at_us, out.key.encode(), value)


class Chain:
    """What the stages would do, second by second."""

    def __init__(self) -> None:
        detection = DetectionSettings()
        sources = [(topic, 0) for topic in INPUTS]
        self.log = Log()
        self.ingest = {topic: Ingest(topic, 0, SETTINGS) for topic in INPUTS}
        self.watch = [Watch(n, detection, SETTINGS.windows, sources) for n in range(2)]
        self.respond = Respond()
        self.inputs = Inputs(self.respond.inputs, 2, interval_us=intervals_us(SETTINGS.windows))
        self.incidents: dict[str, Incident] = {}
        self.seen_us: dict[tuple[str, str], int] = {}
        """(incident, subject) -> clock when it was first said."""

    def second(self, second: Second, now_us: int) -> None:
        raw: dict[str, Sequence[msgspec.Struct]] = {
            "requests": second.requests,
            "engine": second.engine,
            "changes": second.changes,
        }
        partials: list[Out] = []
        for topic, ingest in self.ingest.items():
            records = [Out(topic=topic, key="", value=record) for record in raw.get(topic, [])]
            messages = self.log.messages(records, now_us + LAG_US)
            if topic == "changes":
                self._hear(messages, now_us)
            start = messages[0].offset if messages else self.log.counts.get((topic, 0), -1) + 1
            batch = RecordBatch(topic, 0, start, start + len(messages), messages)
            partials += ingest.step(batch) + ingest.idle(batch.next, now_us + LAG_US)
        for message in self.log.messages(partials, now_us + 2 * LAG_US):
            if message.topic == "partials":
                found = self.watch[message.partition].step([message])
                self._hear(self.log.messages(found, now_us + 3 * LAG_US), now_us)

    def _hear(self, messages: Sequence[Message], now_us: int) -> None:
        clock_us = now_us + 4 * LAG_US
        for message in messages:
            if message.topic in self.inputs.topics:
                assert self.inputs.add(message, clock_us) is None
        for tick in self.inputs.due(clock_us):
            for out in self.respond.step(tick).out:
                assert isinstance(out.value, Incident)
                self.incidents[out.value.id] = out.value
                self.seen_us.setdefault((out.value.id, out.value.subject.name), clock_us)


Fault = Callable[[PoolSimulation, int], int]
"""Called every second with the seconds since onset; returns how many times the usual traffic."""


def run(seed: int, fault: Fault | None, *, seconds: int, replicas: int = 2) -> Chain:
    simulation, chain = PoolSimulation(seed, replicas=replicas), Chain()
    for at_s, tokens in enumerate(traced_arrivals(seed, seconds)):
        times = fault(simulation, at_s - FAULT_S) if fault and at_s >= FAULT_S else 1
        second = simulation.step([one for one in tokens for _ in range(times)])
        chain.second(second, simulation.now_us)
    return chain


def breathe(simulation: PoolSimulation, at_s: int) -> int:
    """Grow and shrink as a scaler would."""
    at_s += FAULT_S
    if at_s % 30 == 0:
        simulation.scale([3, 2, 3, 1, 2, 3, 2][at_s // 30 % 7])
    return 1


def freeze(simulation: PoolSimulation, since_s: int) -> int:
    if since_s == 0:
        simulation.replica("codex-2").frozen = True
    if since_s == 12:
        simulation.kill("codex-2")
        simulation.scale(2)
    return 1


def kill(simulation: PoolSimulation, since_s: int) -> int:
    if since_s == 0:
        simulation.kill("codex-2")
        simulation.scale(2)
    return 1


def surge(_: PoolSimulation, since_s: int) -> int:
    return 4 if since_s < 25 else 1


def flood(simulation: PoolSimulation, since_s: int) -> int:
    simulation.flood = "dune" if since_s < 22 else ""
    return 1


def leak(simulation: PoolSimulation, since_s: int) -> int:
    simulation.replica("codex-1").extra_s = min(0.08 * (since_s + 1), 1.2) if since_s < 24 else 0
    return 1


FAULTS = [
    pytest.param(freeze, "replica_frozen", "codex-2", id="freeze"),
    pytest.param(kill, "replica_lost", "codex-2", id="kill"),
    pytest.param(surge, "traffic_surge", "codex", id="surge"),
    pytest.param(flood, "client_errors", "dune", id="flood"),
    pytest.param(leak, "replica_slow", "codex-1", id="leak"),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("fault", "kind", "subject"), FAULTS)
def test_a_fault_is_named_in_time(seed: int, fault: Fault, kind: str, subject: str) -> None:
    chain = run(seed, fault, seconds=FAULT_S + 30)
    onset_us = PoolSimulation(seed).now_us + FAULT_S * SECOND_US
    named_s = [
        (us - onset_us) / SECOND_US for (_, name), us in chain.seen_us.items() if name == subject
    ]
    kinds = [i.causes[0].kind for i in chain.incidents.values() if i.subject.name == subject]
    assert min(named_s, default=99) <= 15, [i.title for i in chain.incidents.values()]
    assert kinds == [kind]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found_where_nothing_is_wrong(seed: int) -> None:
    assert [i.title for i in run(seed, breathe, seconds=180).incidents.values()] == []
