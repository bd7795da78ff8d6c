"""Nodes as they were and as they are in, maintenance and failures out."""

from collections.abc import Iterator
from dataclasses import dataclass

from streams.schemas.telemetry import Change, ChangeKind
from streams.sources.kubernetes.objects import Entry, Meta, NodeObject, condition, micros, recent

_SYSTEM = "node.kubernetes.io/"
"""Taints that repeat what conditions and the cordon say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node, as far as it is compared. unready: why it is not ready, empty if it is."""

    meta: Meta
    cordoned: bool
    taints: frozenset[str]
    unready: str
    turned: Entry

    @property
    def uid(self) -> str:
        return self.meta.uid


def node(found: NodeObject) -> Node:
    ready = condition(found.status.conditions, "Ready")
    taints = (t for t in found.spec.taints or () if not t.key.startswith(_SYSTEM))
    return Node(
        meta=found.metadata,
        cordoned=found.spec.unschedulable,
        taints=frozenset(f"{taint.key}:{taint.effect}" for taint in taints),
        unready="" if ready.status in {"True", ""} else ready.said,
        turned=Entry(time=ready.last_transition_time),
    )


_What = tuple[ChangeKind, int, str]
"""(kind, when as the API says or 0, sentence)"""


def told_of(before: Node | None, now: Node, cluster: str, now_us: int) -> list[Change]:
    """What happened; a node not known before is as it is."""
    return [_change(now, cluster, what, now_us) for what in _told(before, now)] if before else []


def gone(was: Node, cluster: str, now_us: int) -> list[Change]:
    return [_change(was, cluster, ("node_maintenance", 0, "was removed"), now_us)]


def _told(before: Node, now: Node) -> Iterator[_What]:
    spec_us = micros(now.meta.last(status=False).time)
    if now.cordoned != before.cordoned:
        what = "was cordoned: it gets no new pods" if now.cordoned else "was uncordoned"
        yield "node_maintenance", spec_us, what
    for taint in sorted(now.taints ^ before.taints):
        what = f"{'was tainted' if taint in now.taints else 'lost its taint'} {taint}"
        yield "node_maintenance", spec_us, what
    if bool(now.unready) != bool(before.unready):
        what = f"is not ready: {now.unready}" if now.unready else "is ready again"
        yield "other", micros(now.turned.time), what


def _change(of: Node, cluster: str, what: _What, now_us: int) -> Change:
    """The id holds when it was done; the object's version only where that is not known.

    A version counts what is nobody's change, too: two watchers may meet the same under two.
    """
    kind, told_us, sentence = what
    since, said = told_us or of.meta.resource_version, sentence.partition(": ")[0]
    return Change(
        id=f"{cluster}/{of.meta.uid}/{since}/{said}",
        at_us=recent(told_us, now_us),
        kind=kind,
        summary=f"node {of.meta.name} {sentence}",
        actor=of.meta.last(status=False).manager if kind == "node_maintenance" else "",
        cluster=cluster,
        node=of.meta.name,
    )
