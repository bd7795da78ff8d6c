"""What each topic should look like, and in which ways one that exists differs: pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from streams.inputs import INPUTS
from streams.settings import StreamSettings
from streams.topics import DAY_MS, HOUR_MS, TOPICS, Topic

ABORT_SCAN: Final = "transaction.abort.timed.out.transaction.cleanup.interval.ms"
BROKER_CONFIGURATION: Final[dict[str, str]] = {ABORT_SCAN: "1000"}
"""A worker killed inside a transaction holds its readers until the broker's next scan."""

_AT_LEAST: Final = frozenset(
    {
        "delete.retention.ms",
        "max.message.bytes",
        "min.insync.replicas",
        "replication factor",
        "retention.bytes",
        "retention.ms",
    }
)
_AT_MOST: Final = frozenset(
    {ABORT_SCAN, "min.cleanable.dirty.ratio", "segment.bytes", "segment.ms"}
)
_UNLIMITED: Final = "-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A topic as the broker describes it; what it does not tell is left out."""

    partitions: int
    replication: int = 0
    configuration: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicProblem:
    """One way in which a topic, or a broker, differs from what it should be."""

    topic: str
    """With prefix; for a broker `broker ID`."""
    what: str
    """`missing`, `partitions` or the name of a configuration."""
    expected: str
    found: str
    remedy: str = "tidegate topics create"

    def __str__(self) -> str:
        if self.what == "missing":
            return f"topic {self.topic} is missing"
        name = self.topic if self.topic.startswith("broker ") else f"topic {self.topic}"
        return f"{name}: {self.what} should be {self.expected}, is {self.found}"

    @property
    def mendable(self) -> bool:
        """Whether `create` mends it: it never deletes a record, moves data or renames a shard."""
        return self.remedy == "tidegate topics create"


def partitions_of(topic: Topic, settings: StreamSettings) -> int:
    match topic.partitions:
        case "raw":
            return settings.topics.raw_partitions
        case "shards":
            return settings.topics.shards
        case count:
            return count


def configuration_of(topic: Topic, settings: StreamSettings) -> dict[str, str]:
    """Broker-side settings of a topic."""
    configuration = {
        "cleanup.policy": topic.cleanup,
        "max.message.bytes": str(settings.topics.max_message_bytes),
        "message.timestamp.type": "LogAppendTime" if topic.append_time else "CreateTime",
    }
    if "delete" in topic.cleanup:
        # A limit by size would delete what a restart still has to read.
        configuration |= {"retention.ms": str(topic.retention_ms), "retention.bytes": _UNLIMITED}
    if "compact" in topic.cleanup:
        configuration |= _compaction(topic)
    if settings.broker.replication_factor >= 3:
        configuration["min.insync.replicas"] = "2"
    return configuration


def _compaction(topic: Topic) -> dict[str, str]:
    """The newest segment is never compacted: with Kafka's 7 days and 1 GB a start would read all.

    Tombstones of a state are read at a start only, those of records by whoever was away for a day.
    """
    kept_ms = DAY_MS if "delete" in topic.cleanup else HOUR_MS
    return {
        "segment.ms": str(HOUR_MS // 6),
        "segment.bytes": str(64 * 1024 * 1024),
        "min.cleanable.dirty.ratio": "0.1",
        "delete.retention.ms": str(kept_ms),
    }


def problems(settings: StreamSettings, found: Mapping[str, Found]) -> list[TopicProblem]:
    """What differs; ``found`` by name without prefix."""
    return [
        problem
        for topic in TOPICS.values()
        for problem in _problems(topic, settings, found.get(topic.name), found)
    ]


def broker_problems(broker: str, configuration: Mapping[str, str]) -> list[TopicProblem]:
    """What differs in the settings of one broker."""
    return [
        TopicProblem(
            topic=f"broker {broker}",
            what=what,
            expected=_said(what, value),
            found=configuration[what],
            remedy=f"set {what}={value} in its server.properties and restart it",
        )
        for what, value in BROKER_CONFIGURATION.items()
        if not _fits(what, value, configuration.get(what, value))
    ]


def _problems(
    topic: Topic, settings: StreamSettings, found: Found | None, all_found: Mapping[str, Found]
) -> Iterator[TopicProblem]:
    name = settings.topics.prefix + topic.name
    if found is None:
        yield TopicProblem(topic=name, what="missing", expected="present", found="absent")
        return
    expected = _expected_partitions(topic, settings, all_found)
    # More raw partitions than asked for do no harm; shards are fixed.
    if found.partitions < expected or (topic.partitions != "raw" and found.partitions != expected):
        yield TopicProblem(
            topic=name,
            what="partitions",
            expected=str(expected),
            found=str(found.partitions),
            remedy=_partitions_remedy(topic, settings, expected, found.partitions),
        )
    if 0 < found.replication < settings.broker.replication_factor:
        yield TopicProblem(
            topic=name,
            what="replication factor",
            expected=_said("replication factor", str(settings.broker.replication_factor)),
            found=str(found.replication),
            remedy="kafka-reassign-partitions.sh gives its partitions more replicas",
        )
    for what, value in configuration_of(topic, settings).items():
        is_now = found.configuration.get(what, value)
        if not _fits(what, value, is_now):
            yield TopicProblem(
                topic=name,
                what=what,
                expected=_said(what, value),
                found=is_now,
                remedy=_remedy(name, what, value, is_now),
            )


def _expected_partitions(topic: Topic, settings: StreamSettings, found: Mapping[str, Found]) -> int:
    counts = [found[name].partitions for name in INPUTS if name in found]
    grown = max(counts, default=0) if topic.name == "state.ingest" else 0
    return max(partitions_of(topic, settings), grown)


def _partitions_remedy(topic: Topic, settings: StreamSettings, expected: int, found: int) -> str:
    if topic.name in INPUTS:
        return f"tidegate topics add-partitions {topic.name} {expected}"
    if topic.name == "state.ingest":
        return f"tidegate topics add-partitions requests {expected}"
    if topic.partitions == "shards":
        return (
            f"the number of shards is fixed: set TIDEGATE_STREAM__TOPICS__SHARDS={found}, or begin "
            f"anew under another TIDEGATE_STREAM__TOPICS__PREFIX"
        )
    if topic.partitions == "raw":
        command = f"kafka-topics.sh --alter --topic {settings.topics.prefix}{topic.name}"
        return f"{command} --partitions {expected}, while nobody writes: keys move"
    return "delete the topic and create it again, or begin anew under another prefix"


def _remedy(name: str, what: str, value: str, is_now: str) -> str:
    if what == "cleanup.policy" and "delete" in value and "delete" not in is_now:
        return (
            f"kafka-configs.sh --alter --topic {name} --add-config cleanup.policy=[{value}]: "
            f"deletes what is older than its retention, so nobody does it for you"
        )
    return "tidegate topics create"


def _said(what: str, value: str) -> str:
    if value == _UNLIMITED:
        return value
    return f"{value} or {'more' if what in _AT_LEAST else 'less'}" if _bound(what) else value


def _bound(what: str) -> bool:
    return what in _AT_LEAST or what in _AT_MOST


def _fits(what: str, wanted: str, found: str) -> bool:
    if what in _AT_MOST:
        return float(found) <= float(wanted)
    if what in _AT_LEAST:
        return found == _UNLIMITED or (wanted != _UNLIMITED and float(found) >= float(wanted))
    return set(found.split(",")) == set(wanted.split(","))
