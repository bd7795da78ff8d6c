"""Deployments, StatefulSets and DaemonSets as they were and as they are in, changes out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from streams.clock import SECOND_US
from streams.schemas.telemetry import Change, ChangeKind
from streams.sources.kubernetes.line import Line
from streams.sources.kubernetes.objects import (
    RECENT_US,
    Entry,
    Meta,
    WorkloadObject,
    condition,
    instant,
    micros,
)
from streams.sources.kubernetes.template import Shape, differences, is_release, shape, told

KINDS: Final = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
}
"""Resource of `apps/v1` -> what one of them is called."""
OURS: Final = "tidegate"
"""What our own scaling sets it reports itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One workload, as far as it is compared.

    done: every pod is of the newest template and serves. stuck: why it will not come to that.
    rolling: what the rollout under way is about, and since when; empty if none is.
    """

    meta: Meta
    kind: str
    shape: Shape
    replicas: int
    done: bool
    progress: str
    stuck: str
    rolling: str = ""
    rolling_us: int = 0

    @property
    def uid(self) -> str:
        return self.meta.uid

    @property
    def spec_by(self) -> Entry:
        return self.meta.last(status=False)


def workload(resource: str, found: WorkloadObject) -> Workload:
    """Raises msgspec.ValidationError for one whose template is none."""
    meta, spec, status = found.metadata, found.spec, found.status
    wanted = spec.replicas if spec.replicas is not None else status.desired_number_scheduled or 1
    updated = status.updated_replicas or status.updated_number_scheduled
    available = status.available_replicas or status.number_available
    running = status.replicas or status.desired_number_scheduled
    progressing = condition(status.conditions, "Progressing")
    return Workload(
        meta=meta,
        kind=KINDS[resource],
        shape=shape(spec.template),
        replicas=wanted,
        done=status.observed_generation >= meta.generation
        and updated == available == running == wanted,
        progress=f"{updated} of {wanted} pods are new, {available} serve",
        stuck=progressing.said if progressing.status == "False" else "",
    )


def told_of(
    before: Workload | None, now: Workload, line: Line, now_us: int
) -> tuple[Workload, list[Change]]:
    """What to remember, and what happened; of what was not known before only what is recent."""
    if before is None:
        return _met(now, line, now_us)
    changes: list[Change] = []
    about = _About(now, line, now_us)
    rolling, rolling_us = before.rolling, before.rolling_us
    if different := differences(before.shape, now.shape):
        rolling, rolling_us = told(different), about.spec_us
        release = is_release(before.shape, now.shape)
        kind: ChangeKind = "deployed" if release else "configured"
        changes.append(about.change(kind, f"{about.name} is rolled out: {rolling}", word="rolled"))
    if _was_set(before, now):
        changes.append(about.scaled(before.replicas))
    if now.stuck and not before.stuck and rolling:
        sentence = f"the rollout of {about.name} is stuck ({now.stuck}): {now.progress}"
        changes.append(about.change("other", sentence, status=True))
    if rolling and now.done:
        changes += [] if different else [about.finished(rolling, rolling_us)]
        rolling = ""
    return replace(now, rolling=rolling, rolling_us=rolling_us), changes


def _was_set(before: Workload, now: Workload) -> bool:
    """By others; a DaemonSet grows with its nodes and stays the same generation."""
    anew = now.meta.generation != before.meta.generation
    return anew and now.replicas != before.replicas and not now.spec_by.manager.startswith(OURS)


def gone(was: Workload, line: Line, now_us: int) -> list[Change]:
    about = _About(was, line, now_us)
    return [about.change("deployed", f"{about.name} was deleted", word="deleted", at_us=now_us)]


def _met(now: Workload, line: Line, now_us: int) -> tuple[Workload, list[Change]]:
    """Seen for the first time: what it was before is not known, but when it was last changed is."""
    about = _About(now, line, now_us)
    spec_us, created_us = micros(now.spec_by.time), micros(now.meta.creation_timestamp)
    if not now_us - RECENT_US < max(spec_us, created_us) <= now_us:
        return now, []
    is_new = now_us - RECENT_US < created_us
    rolling = f"image {now.shape.images}"
    sentence = f"{about.name} was {'created' if is_new else 'changed'}: {rolling}"
    # The id is that of who saw the same rollout from its beginning.
    change = about.change("deployed", sentence, word="rolled", at_us=max(spec_us, created_us))
    if not now.done:
        now = replace(now, rolling=rolling, rolling_us=change.at_us)
    return now, [change]


@dataclass(frozen=True, slots=True)
class _About:
    """Changes of one workload; their ids come from its generation, so that they never double."""

    of: Workload
    line: Line
    now_us: int

    @property
    def name(self) -> str:
        return f"{self.of.kind} {self.of.meta.name}"

    @property
    def spec_us(self) -> int:
        return instant(self.of.spec_by.time, self.now_us)

    def scaled(self, before: int) -> Change:
        sentence = f"{self.name} was set from {before} to {self.of.replicas} replicas"
        return self.change("scaled", sentence)

    def finished(self, rolling: str, since_us: int) -> Change:
        at_us = instant(self.of.meta.last(status=True).time, self.now_us)
        took_s = max(0, at_us - since_us) / SECOND_US
        sentence = f"the rollout of {self.name} is done after {took_s:.0f} s: {rolling}"
        return self.change("deployed", sentence, word="finished", status=True)

    def change(
        self,
        kind: ChangeKind,
        sentence: str,
        *,
        word: str = "",
        status: bool = False,
        at_us: int = 0,
    ) -> Change:
        """status: who wrote the status said so, and when."""
        meta, entry = self.of.meta, self.of.meta.last(status=status)
        return Change(
            id=f"{self.line.cluster}/{meta.uid}/{meta.generation}/{word or kind}",
            at_us=at_us or instant(entry.time, self.now_us),
            kind=kind,
            summary=sentence if not entry.manager else f"{sentence} (by {entry.manager})",
            actor=entry.manager,
            cluster=self.line.cluster,
            pool=self.line.pool_of(self.of.shape.labels),
            attributes={"workload": f"{meta.namespace}/{meta.name}", "image": self.of.shape.images},
        )


def pools_rolling(workloads: Iterable[Workload], line: Line) -> dict[str, str]:
    """Pool -> what its rollout under way is about."""
    return {line.pool_of(one.shape.labels): one.rolling for one in workloads if one.rolling}
