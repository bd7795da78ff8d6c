"""What is told of replicas and GPUs as a suspect: metrics that stand still, or stay away."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from detectors.incidents.scene import Family, Scene
from detectors.incidents.suspects.base import Suspect, gpu_of, suspect
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject


def metric_stuck(scene: Scene) -> Iterator[Suspect]:
    stuck = [a for a in scene.of(Family.TELEMETRY) if a.detector == "flat_line"]
    for subject, own in _by_subject(stuck).items():
        worst = max(own, key=lambda a: (a.peak_score, a.id))
        cause = Cause(
            kind="metric_stuck",
            subject=subject,
            weight=0.62,
            sentence=f"what is read of {subject.name} has stood still, while its fellows move: "
            f"{worst.sentence}",
        )
        yield suspect(scene, cause, own)


def silent_metrics(scene: Scene) -> Iterator[Suspect]:
    silent = [a for a in scene.of(Family.TELEMETRY) if a.detector == "silence"]
    nodes = _by_node(silent)
    on_nodes = {a.id for own in nodes.values() for a in own}
    rest = _by_subject([a for a in silent if a.id not in on_nodes])
    replicas = [subject for subject in rest if subject.kind == "replica"]
    if len(replicas) > 1:
        together = [a for subject in replicas for a in rest.pop(subject)]
        rest[Subject(kind="pool", name=scene.pool)] = together
    for subject, own in (nodes | rest).items():
        yield suspect(scene, _silent(subject, own), own)


def _silent(subject: Subject, own: Sequence[Anomaly]) -> Cause:
    longest = max(own, key=lambda a: (a.actual, a.id))
    whose = f"{subject.name} ({len(own)} series)" if len(own) > 1 else subject.name
    return Cause(
        kind="silent_metrics",
        subject=subject,
        weight=0.61 if subject.kind == "node" else 0.6,
        sentence=f"nothing was heard of {whose} for {longest.actual:.0f} s while others are heard: "
        "its clock, its agent or the way to it",
    )


def _by_node(silent: Sequence[Anomaly]) -> dict[Subject, list[Anomaly]]:
    """Of nodes that several GPUs are silent on, these and the replicas that run on them."""
    gpus: dict[str, list[Anomaly]] = defaultdict(list)
    for anomaly in silent:
        if anomaly.kind == "gpu" and (node := anomaly.labels.get("node")):
            gpus[node].append(anomaly)
    found: dict[Subject, list[Anomaly]] = {}
    for node, own in sorted(gpus.items()):
        on_it = {a.labels.get("replica") for a in own}
        engines = [a for a in silent if a.kind == "engine" and a.labels.get("replica") in on_it]
        if len(own) + len(engines) > 1:
            found[Subject(kind="node", name=node)] = own + engines
    return found


def _by_subject(anomalies: Sequence[Anomaly]) -> dict[Subject, list[Anomaly]]:
    found: dict[Subject, list[Anomaly]] = {}
    for anomaly in anomalies:
        found.setdefault(_subject(anomaly), []).append(anomaly)
    return found


def _subject(anomaly: Anomaly) -> Subject:
    if anomaly.kind == "gpu":
        return gpu_of(anomaly)
    return Subject(kind="replica", name=anomaly.labels.get("replica", ""))
