"""Pods that a label selects, as the Kubernetes API tells: a list, then every change to it."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from streams.errors import InvalidParameterError
from streams.sources.discovery.base import Found
from streams.sources.kubernetes.api import Api, Watching
from streams.sources.kubernetes.line import Line
from streams.sources.kubernetes.objects import PodObject, read
from streams.sources.targets import Target, target

MAX_PODS: Final = 10_000


class KubernetesPods:
    """`kubernetes://default?app=vllm pool=chat`: running pods of a namespace with these labels.

    The annotations `prometheus.io/{port,path,scheme,scrape}` say where their page is; without a
    port, the first of the pod's containers counts. `*` as the namespace means all of them.
    """

    kind = "kubernetes"

    def __init__(self, url: str, labels: Mapping[str, str], cluster: str, *, api: Api) -> None:
        self._line = Line.of(url, labels, cluster)
        self._labels = labels
        self._api = api

    async def run(self, found: Found) -> None:
        path, selector = self._line.path("api/v1", "pods"), self._line.selector
        pods = _Pods(self._line, self._labels, found)
        await Watching(self._api, path, selector, pods).run()


class _Pods:
    """Tells the targets each time that they are others."""

    def __init__(self, line: Line, labels: Mapping[str, str], found: Found) -> None:
        self._line = line
        self._labels = labels
        self._found = found
        self._known: dict[str, Target] = {}

    def listed(self, objects: Sequence[msgspec.Raw]) -> None:
        self._known = {}
        for each in objects:
            self._take("ADDED", each)
        self._found(list(self._known.values()))

    def event(self, what: str, found: msgspec.Raw) -> None:
        if self._take(what, found):
            self._found(list(self._known.values()))

    def _take(self, what: str, found: msgspec.Raw) -> bool:
        """Whether the targets are others now."""
        pod = read(PodObject, lambda one: one, "pods", found)
        if pod is None:
            return False
        before = self._known.pop(pod.metadata.uid, None)
        full = len(self._known) >= MAX_PODS
        now = None if full or what == "DELETED" else self._target(pod)
        if now is not None:
            self._known[pod.metadata.uid] = now
        return now != before

    def _target(self, pod: PodObject) -> Target | None:
        meta, status = pod.metadata, pod.status
        notes, labels = meta.annotations or {}, meta.labels or {}
        address = status.pod_ip
        port = notes.get("prometheus.io/port") or _first_port(pod)
        gone = status.phase != "Running" or meta.deletion_timestamp is not None
        if gone or not address or not port or notes.get("prometheus.io/scrape") == "false":
            return None
        host = f"[{address}]" if ":" in address else address
        path = notes.get("prometheus.io/path") or "/metrics"
        scheme = notes.get("prometheus.io/scheme") or "http"
        known = {"replica": meta.name, **self._labels, "pool": self._line.pool_of(labels)}
        try:
            return target(f"{scheme}://{host}:{port}/{path.lstrip('/')}", known, self._line.cluster)
        except (InvalidParameterError, ValueError):
            return (
                None  # Somebody's annotation is nonsense; the pod's owner sees that it is not read.
            )


def _first_port(pod: PodObject) -> str:
    ports = (port for each in pod.spec.containers or () for port in each.ports or ())
    return str(next((port.container_port for port in ports), ""))
