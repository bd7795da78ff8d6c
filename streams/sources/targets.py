"""What is scraped, and how many lists of it become one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from streams.errors import InvalidParameterError
from streams.schemas.scaling import ReplicaStatus

MAX_TARGETS: Final = 10_000
DEFAULT_POOL: Final = "engines"
_KNOWN: Final = frozenset({"access", "cluster", "pool", "replica"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One page of metrics, and whose it is. access: who we are there, by name; "": nobody."""

    url: str
    pool: str = DEFAULT_POOL
    replica: str
    cluster: str = "local"
    access: str = ""

    @property
    def key(self) -> str:
        return f"{self.cluster}/{self.pool}/{self.replica}"


def target(url: str, labels: Mapping[str, str], cluster: str) -> Target:
    """A target from its address and what is known of it; the replica is called as its host is.

    >>> target("http://10.0.0.7:8000", {"pool": "chat"}, "local").url
    'http://10.0.0.7:8000/metrics'
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidParameterError("target", shown(url), "http://host[:port][/path] or https://…")
    access = labels.get("access", "")
    if access and parts.username:
        allowed = "without a user, where access= says who we are"
        raise InvalidParameterError("target", shown(url), allowed)
    path = parts.path if parts.path not in {"", "/"} else "/metrics"
    return Target(
        url=parts._replace(path=path, fragment="").geturl(),
        pool=labels.get("pool") or DEFAULT_POOL,
        replica=labels.get("replica") or parts.netloc.rpartition("@")[2],
        cluster=labels.get("cluster") or cluster,
        access=access,
    )


def shown(url: str) -> str:
    """An address without what may be secret in it.

    >>> shown("http://ann:hush@gpu-1:8000/metrics?key=hush"), shown("gpu-1:8000")
    ('http://gpu-1:8000/metrics', 'gpu-1:8000')
    """
    scheme, mark, rest = url.partition("?")[0].rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def target_of(replica: ReplicaStatus, access: str = "") -> Target:
    """The page of a replica that `pools` names."""
    return Target(
        url=replica.metrics_address or f"{replica.address}/metrics",
        pool=replica.pool,
        replica=replica.replica,
        cluster=replica.cluster,
        access=access,
    )


def labels_of(words: Iterable[str]) -> dict[str, str]:
    """`pool=chat replica=a` as labels.

    >>> labels_of(["pool=chat"])
    {'pool': 'chat'}
    """
    labels: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (equals and value and name in _KNOWN):
            raise InvalidParameterError("label of a target", word, f"one of {sorted(_KNOWN)}=…")
        labels[name] = value
    return labels


@dataclass(frozen=True, slots=True)
class Merged:
    """Targets by key. dropped: how many were one too many, or another page of a known replica."""

    targets: Mapping[str, Target]
    dropped: int


def merged(lists: Iterable[Iterable[Target]]) -> Merged:
    """Each page and each replica once: what stands in an earlier list is kept."""
    found: dict[str, Target] = {}
    urls = set[str]()
    dropped = 0
    for one in (one for each in lists for one in each):
        if found.get(one.key) == one:
            continue
        if one.url in urls or one.key in found or len(found) >= MAX_TARGETS:
            dropped += one.url not in urls
            continue
        found[one.key] = one
        urls.add(one.url)
    return Merged(found, dropped)
