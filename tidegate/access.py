"""Which topics each role reads and writes, and the access lists at the broker that follow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from streams.batched import group_id
from streams.settings import StreamSettings

Operation = Literal["Read", "Write"]
Kind = Literal["topic", "group", "transactional-id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a role needs; ``stage`` for one that is a group and writes in transactions.

    many: each that runs has a group of its own, whose name goes on after the role's.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    stage: bool = True
    many: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of an access list; ``prefixed``: for every name that begins like this."""

    operation: Operation
    kind: Kind
    name: str
    prefixed: bool = False


ACCESS: Final[Mapping[str, Access]] = {
    "ingest": Access(
        reads=("requests", "engine", "gpu", "changes", "state.ingest"),
        writes=("partials", "dead-letters", "quality", "state.ingest"),
    ),
    "watch": Access(
        reads=("partials", "anomalies", "snapshots.watch"),
        writes=("windows", "anomalies", "dead-letters", "quality", "snapshots.watch"),
    ),
    "respond": Access(
        reads=(
            *("anomalies", "windows", "changes", "pools", "quality", "commands", "feedback"),
            "state.respond",
        ),
        writes=("incidents", "dead-letters", "state.respond"),
    ),
    "alert": Access(
        reads=("incidents", "rules", "windows", "alerts", "state.alert"),
        writes=("alerts", "dead-letters", "state.alert"),
    ),
    "plan": Access(
        reads=(
            *("windows", "anomalies", "incidents", "pools", "commands", "partials", "changes"),
            "state.plan",
        ),
        writes=("decisions", "comparisons", "rules", "dead-letters", "state.plan"),
    ),
    "drive": Access(reads=("decisions", "drains", "pools"), writes=("pools", "changes")),
    "sink": Access(
        reads=(
            *("windows", "anomalies", "incidents", "decisions", "alerts", "pools", "changes"),
            "quality",
        ),
        writes=("dead-letters",),
    ),
    "gateway": Access(
        reads=("pools",),
        writes=("requests", "engine", "changes", "drains", "usage"),
        stage=False,
    ),
    "edge": Access(
        reads=("quality",),
        writes=("windows", "anomalies", "incidents", "quality", "dead-letters"),
        many=True,
    ),
    "agent": Access(reads=("pools",), writes=("engine", "gpu", "changes"), stage=False),
    "receive": Access(writes=("requests", "engine", "gpu", "changes"), stage=False),
    "api": Access(
        reads=(
            *("windows", "anomalies", "incidents", "decisions", "alerts", "pools", "rules"),
            *("changes", "quality", "comparisons", "commands", "feedback"),
        ),
        writes=("commands", "feedback", "audit", "changes"),
        stage=False,
    ),
}


def grants(role: str, settings: StreamSettings) -> Iterator[Grant]:
    """Everything a role has to be allowed, and no more; Read and Write include Describe."""
    access, prefix = ACCESS[role], settings.topics.prefix
    for topic in access.reads:
        yield Grant("Read", "topic", prefix + topic)
    others = {
        "ingest": {each.topic for each in settings.maps},
        "receive": set(settings.receive.metric_topics),
    }
    for other in sorted(others.get(role, ())):
        yield Grant("Read", "topic", other)
    for topic in access.writes:
        yield Grant("Write", "topic", prefix + topic)
    if access.stage:
        yield Grant("Read", "group", group_id(settings, role), prefixed=access.many)
        yield Grant("Write", "transactional-id", f"{prefix}{role}", prefixed=True)


def commands(settings: StreamSettings) -> Iterator[str]:
    """For `kafka-acls.sh`, with each role's name as its user."""
    for role in ACCESS:
        for grant in grants(role, settings):
            pattern = " --resource-pattern-type prefixed" if grant.prefixed else ""
            yield (
                f"kafka-acls.sh --bootstrap-server {settings.broker.bootstrap} --add "
                f"--allow-principal User:{role} --operation {grant.operation} "
                f"--{grant.kind} {grant.name}{pattern}"
            )
