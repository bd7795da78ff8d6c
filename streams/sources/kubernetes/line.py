"""A line such as `kubernetes://default?app=vllm pool=chat`: which pods, and what their pool is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from streams.errors import InvalidParameterError
from streams.sources.targets import DEFAULT_POOL

POOL_LABEL: Final = "tidegate.dev/pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Pods of a namespace (empty: of all) that have these labels.

    pool: what the line itself says; else the pod's label `tidegate.dev/pool`, else `app`.
    """

    namespace: str
    wanted: Mapping[str, str]
    pool: str
    cluster: str

    @classmethod
    def of(cls, address: str, labels: Mapping[str, str], cluster: str) -> Self:
        """Raises InvalidParameterError; a selector is needed, namespaces hold much else."""
        parts = urlsplit(address)
        wanted = dict(parse_qsl(parts.query))
        if not parts.netloc or not wanted:
            raise InvalidParameterError("target", address, "kubernetes://namespace?label=value")
        return cls(
            namespace="" if parts.netloc == "*" else parts.netloc,
            wanted=wanted,
            pool=labels.get("pool", ""),
            cluster=labels.get("cluster") or cluster,
        )

    @property
    def selector(self) -> str:
        """As the API wants it."""
        return ",".join(f"{name}={value}" for name, value in self.wanted.items())

    def path(self, group: str, resource: str) -> str:
        """Of a resource in a group such as `apis/apps/v1`."""
        where = f"namespaces/{self.namespace}/" if self.namespace else ""
        return f"/{group}/{where}{resource}"

    def means(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.wanted.items())

    def pool_of(self, labels: Mapping[str, str]) -> str:
        """Of a pod with these labels."""
        return self.pool or labels.get(POOL_LABEL) or labels.get("app") or DEFAULT_POOL
