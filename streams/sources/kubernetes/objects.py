"""JSON of the Kubernetes API -> what is read of it; what is not named here is not even decoded."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from streams.clock import SECOND_US
from streams.metrics import KUBERNETES_SKIPPED

RECENT_US: Final = 60 * SECOND_US
"""Clocks of API and watcher may differ by less than this before the API's is not believed."""
MAX_SAID: Final = 300
_Labels = dict[str, str] | None
T = TypeVar("T")
S = TypeVar("S")


class Part(msgspec.Struct, frozen=True, rename="camel"):
    """Kubernetes writes names in camel case, and leaves out or nulls what is empty."""


class Entry(Part, frozen=True):
    """Of `managedFields`: who wrote last, and when."""

    manager: str = ""
    time: datetime | None = None
    subresource: str = ""


class Meta(Part, frozen=True):
    name: str
    uid: str
    namespace: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: _Labels = None
    annotations: _Labels = None
    managed_fields: tuple[Entry, ...] | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None

    def last(self, *, status: bool) -> Entry:
        """The newest entry of those who write the status, or of those who write all else."""
        entries = [e for e in self.managed_fields or () if (e.subresource == "status") == status]
        return max(entries, key=lambda entry: micros(entry.time), default=Entry())


class Condition(Part, frozen=True):
    type: str
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None

    @property
    def said(self) -> str:
        return (self.message or self.reason or "no reason given")[:MAX_SAID]


class Port(Part, frozen=True):
    container_port: int


class Resources(Part, frozen=True):
    requests: dict[str, str | int | float] | None = None
    limits: dict[str, str | int | float] | None = None


class Container(Part, frozen=True):
    name: str = ""
    image: str = ""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[msgspec.Raw, ...] | None = None
    """Raw: only names and whether something differs may ever be told."""
    env_from: tuple[msgspec.Raw, ...] | None = None
    ports: tuple[Port, ...] | None = None
    resources: Resources | None = None


class TemplateSpec(Part, frozen=True):
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None


class TemplateMeta(Part, frozen=True):
    labels: _Labels = None
    annotations: _Labels = None


class Template(Part, frozen=True):
    metadata: TemplateMeta | None = None
    spec: TemplateSpec | None = None


class WorkloadSpec(Part, frozen=True):
    replicas: int | None = None
    template: msgspec.Raw = msgspec.Raw(b"{}")


class WorkloadStatus(Part, frozen=True):
    """Of Deployments and StatefulSets; what DaemonSets call otherwise comes after them."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] | None = None
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class WorkloadObject(Part, frozen=True):
    metadata: Meta
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class Ended(Part, frozen=True):
    reason: str = ""
    exit_code: int = 0
    finished_at: datetime | None = None


class ContainerState(Part, frozen=True):
    terminated: Ended | None = None


class ContainerStatus(Part, frozen=True):
    name: str = ""
    restart_count: int = 0
    last_state: ContainerState = ContainerState()


class PodSpec(Part, frozen=True):
    node_name: str = ""
    containers: tuple[Container, ...] | None = None


class PodStatus(Part, frozen=True):
    phase: str = ""
    reason: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None


class PodObject(Part, frozen=True):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Taint(Part, frozen=True):
    key: str
    effect: str = ""


class NodeSpec(Part, frozen=True):
    unschedulable: bool = False
    taints: tuple[Taint, ...] | None = None


class NodeStatus(Part, frozen=True):
    conditions: tuple[Condition, ...] | None = None


class NodeObject(Part, frozen=True):
    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


def read(kind: type[T], make: Callable[[T], S], resource: str, found: msgspec.Raw) -> S | None:
    """What ``make`` makes of an object; None, counted, for what is no such object."""
    try:
        return make(msgspec.json.decode(found, type=kind))
    except msgspec.MsgspecError:
        KUBERNETES_SKIPPED.labels(resource, "not_understood").inc()
        return None


def condition(conditions: tuple[Condition, ...] | None, name: str) -> Condition:
    return next((one for one in conditions or () if one.type == name), Condition(name))


def micros(time: datetime | None) -> int:
    """0 for none."""
    return 0 if time is None else round(time.timestamp() * SECOND_US)


def instant(told: datetime | None, now_us: int) -> int:
    """When something that we hear of now happened: as the API says, unless its clock is off."""
    return recent(micros(told), now_us)


def recent(told_us: int, now_us: int) -> int:
    """The same, of microseconds; 0 is never believed."""
    return told_us if now_us - RECENT_US < told_us <= now_us else now_us
