"""A namespace of a test's own in a real Kubernetes, and what a controller would write there."""

import asyncio
import json
from pathlib import Path
from typing import Any

import yaml

from streams.sources.settings import NamedAccess, ScrapeSettings
from tests.services.kubernetes import Kubernetes

Json = dict[str, Any]


class Space:
    """Its account `tidegate` may do nothing until something is granted."""

    def __init__(self, service: Kubernetes, name: str, folder: Path) -> None:
        self.name = name
        self.service = service
        self._folder = folder
        self._path = service.namespace(name)
        service.account(name, "tidegate", folder)

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """As `helm`."""
        return await asyncio.to_thread(self.service.call, method, path, body, manager="helm")

    async def core(self, method: str, path: str, body: Json | None = None) -> Json:
        return await self.call(method, f"/api/v1/{self._path}/{path}", body)

    async def apps(self, method: str, path: str, body: Json | None = None) -> Json:
        return await self.call(method, f"/apis/apps/v1/{self._path}/{path}", body)

    async def grant(self, *made: Json) -> None:
        """Roles and bindings; the account of a page of docs is the one of this namespace."""
        text = json.dumps(made).replace('"namespace": "tidegate"', f'"namespace": "{self.name}"')
        for one in json.loads(text.replace('"tidegate-', f'"{self.name}-')):
            space = "" if one["kind"].startswith("Cluster") else f"{self._path}/"
            await self.call("POST", f"/apis/{one['apiVersion']}/{space}{one['kind'].lower()}s", one)

    async def revoke(self) -> None:
        """Its tokens are worth nothing any more: they are those of an account that is gone."""
        await self.core("DELETE", "serviceaccounts/tidegate")
        await self.core("POST", "serviceaccounts", {"metadata": {"name": "tidegate"}})

    async def renew(self) -> None:
        await asyncio.to_thread(self.service.token, self.name, "tidegate", self._folder)

    def settings(self, *changes: str) -> ScrapeSettings:
        files = {name: str(self._folder / name) for name in ("token", "ca.crt")}
        known = NamedAccess(name="us", token_file=files["token"], ca_file=files["ca.crt"])
        return ScrapeSettings(
            changes=changes,
            kubernetes_api=self.service.url,
            access=(known,),
            kubernetes_access="us",
        )


def documents(text: str) -> list[Json]:
    return list(yaml.safe_load_all(text))


def deployment(image: str, *args: str, **env: str) -> Json:
    container = {
        "name": "vllm",
        "image": image,
        "args": list(args),
        "env": [{"name": name, "value": value} for name, value in env.items()],
    }
    labels = {"app": "chat"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "chat"}, "spec": spec}


async def rolled_out(space: Space, generation: int) -> None:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
    status = {"status": {**counts, "observedGeneration": generation}}
    await space.apps("PATCH", "deployments/chat/status", status)


async def new_node(space: Space, name: str) -> None:
    """As a kubelet does, with a label: of an object that began empty the API notes no managers."""
    labels = {"kubernetes.io/hostname": name}
    await space.call("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})


async def new_pod(space: Space, name: str, *, node: str = "", port: str = "") -> None:
    container = {"name": "vllm", "image": "vllm", "ports": [{"containerPort": 8000}]}
    notes = {"prometheus.io/port": port} if port else {}
    await space.core("POST", "pods", {
        "metadata": {"name": name, "labels": {"app": "chat"}, "annotations": notes},
        "spec": {"containers": [container], **({"nodeName": node} if node else {})},
    })  # fmt: skip


async def serves(space: Space, pod: str, address: str) -> None:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T12:00:00Z"}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    await space.core("PATCH", f"pods/{pod}/status", {"status": status | {"conditions": [ready]}})
