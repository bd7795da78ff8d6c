"""Pods that a label selects, as the Kubernetes API tells: a list, then every change to it."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec

from streams.errors import InvalidParameterError
from streams.log import get_logger
from streams.metrics import DISCOVERY_ERRORS
from streams.sources.discovery.base import Found
from streams.sources.targets import Target, target

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
WATCH_S: Final = 300
PAUSE_S: Final = 5.0
MAX_PODS: Final = 10_000
MAX_LINE: Final = 4 * 1024 * 1024
"""Of one pod in the stream of changes."""

log = get_logger(__name__)


class KubernetesPods:
    """`kubernetes://default?app=vllm pool=chat`: running pods of a namespace with these labels.

    The annotations `prometheus.io/{port,path,scheme,scrape}` say where their page is; without a
    port, the first of the pod's containers counts. The pool is the line's, else the pod's label
    `tidegate.dev/pool`, else its label `app`. `*` as the namespace means all of them.

    account: folder with `token` and `ca.crt`; read anew for each request, as tokens change.
    """

    kind = "kubernetes"

    def __init__(
        self,
        url: str,
        labels: Mapping[str, str],
        cluster: str,
        *,
        api: str,
        account: Path = ACCOUNT,
    ) -> None:
        parts = urlsplit(url)
        selector = ",".join(f"{name}={value}" for name, value in parse_qsl(parts.query))
        if not parts.netloc or not selector:
            raise InvalidParameterError("target", url, "kubernetes://namespace?label=value")
        where = "" if parts.netloc == "*" else f"/namespaces/{parts.netloc}"
        self._url = f"{api}/api/v1{where}/pods"
        self._selector = selector
        self._labels = labels
        self._cluster = cluster
        self._account = account
        self._pods: dict[str, Target] = {}

    async def run(self, found: Found) -> None:
        trouble = ""
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=WATCH_S + 30)
        async with aiohttp.ClientSession(timeout=timeout, read_bufsize=MAX_LINE) as client:
            while True:
                try:
                    await self._follow(client, found)
                    trouble = ""
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
                    DISCOVERY_ERRORS.labels(self.kind).inc()
                    if str(exc) != trouble:
                        log.warning(
                            "targets_unknown", source=self._url, cause=str(exc) or repr(exc)
                        )
                    trouble = str(exc)
                await asyncio.sleep(PAUSE_S)

    async def _follow(self, client: aiohttp.ClientSession, found: Found) -> None:
        """From a list on until the API ends the watch, as it does from time to time."""
        asking = await asyncio.to_thread(self._asking, {"limit": str(MAX_PODS)})
        async with client.get(self._url, **asking) as answer:
            answer.raise_for_status()
            listed = msgspec.json.decode(await answer.read())
        self._pods = {}
        for pod in listed.get("items") or ():
            self._take("ADDED", pod)
        found(list(self._pods.values()))
        query = {
            "watch": "1",
            "resourceVersion": listed["metadata"]["resourceVersion"],
            "timeoutSeconds": str(WATCH_S),
            "allowWatchBookmarks": "true",
        }
        asking = await asyncio.to_thread(self._asking, query)
        async with client.get(self._url, **asking) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                event = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    return  # Mostly "too old": a new list tells all.
                if self._take(event["type"], event["object"]):
                    found(list(self._pods.values()))

    def _take(self, event: str, pod: Mapping[str, Any]) -> bool:
        """Whether the targets are others now."""
        if event == "BOOKMARK":
            return False
        meta = pod["metadata"]
        uid = str(meta.get("uid") or f"{meta.get('namespace')}/{meta['name']}")
        before = self._pods.pop(uid, None)
        full = len(self._pods) >= MAX_PODS
        now = None if full or event == "DELETED" else self._target(pod)
        if now is not None:
            self._pods[uid] = now
        return now != before

    def _target(self, pod: Mapping[str, Any]) -> Target | None:
        meta, status = pod["metadata"], pod.get("status") or {}
        notes, labels = meta.get("annotations") or {}, meta.get("labels") or {}
        address = status.get("podIP", "")
        port = notes.get("prometheus.io/port") or _first_port(pod)
        gone = status.get("phase") != "Running" or "deletionTimestamp" in meta
        if gone or not address or not port or notes.get("prometheus.io/scrape") == "false":
            return None
        host = f"[{address}]" if ":" in address else address
        path = notes.get("prometheus.io/path") or "/metrics"
        scheme = notes.get("prometheus.io/scheme") or "http"
        known = {
            "pool": labels.get("tidegate.dev/pool") or labels.get("app", ""),
            "replica": meta["name"],
        }
        try:
            return target(
                f"{scheme}://{host}:{port}/{path.lstrip('/')}",
                {**known, **self._labels},
                self._cluster,
            )
        except (InvalidParameterError, ValueError):
            return (
                None  # Somebody's annotation is nonsense; the pod's owner sees that it is not read.
            )

    def _asking(self, query: Mapping[str, str]) -> dict[str, Any]:
        asking: dict[str, Any] = {"params": {"labelSelector": self._selector, **query}}
        token, authority = self._account / "token", self._account / "ca.crt"
        if token.exists():
            asking["headers"] = {"Authorization": f"Bearer {token.read_text().strip()}"}
        if authority.exists():
            asking["ssl"] = ssl.create_default_context(cafile=authority)
        return asking


def _first_port(pod: Mapping[str, Any]) -> str:
    containers: Sequence[Mapping[str, Any]] = (pod.get("spec") or {}).get("containers") or ()
    ports = (port for each in containers for port in each.get("ports") or ())
    return str(next((port["containerPort"] for port in ports), ""))
