"""What a run of `up` saw -> the report's JSON and whether it was a good run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.demo.load import Tally
from tidegate.demo.story import Scored, Story, verdict
from tidegate.observer import Observed, as_json, seconds


@dataclass(slots=True)
class Run:
    """Everything a report is made from."""

    seed: int
    start_us: int
    broker: str
    delivery: str
    end_us: int = 0
    first_caption_s: float | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    """Per stage: records_in, records_out, batches, errors, restarts."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Cores: mean used by us, mean free on the machine, per process."""
    captions: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    webhook: dict[str, int] = field(default_factory=dict)

    @property
    def silent(self) -> list[str]:
        """Stages that neither read nor committed anything; without incidents ALERT only reads."""
        return sorted(
            name
            for name, of in self.stages.items()
            if not (of.get("records_in") or of.get("batches"))
        )


def build(run: Run, seen: Observed, tally: Tally, told: Story) -> dict[str, Any]:
    """The report; every instant is in seconds since the first request."""
    stories = [(scored, told.whole(scored)) for scored in told.scored]
    return {
        "seed": run.seed,
        "broker": run.broker,
        "delivery": run.delivery,
        "duration_s": seconds(run.end_us, run.start_us),
        "first_caption_s": run.first_caption_s,
        "machine": run.machine,
        "cpu": run.cpu,
        "stages": run.stages,
        "silent_stages": run.silent,
        "records": dict(seen.records),
        "raw": dict(seen.raw),
        "window_rows": dict(seen.window_rows),
        "clients": tally.as_json(),
        "anomalies": [_anomaly(a, run.start_us) for a in seen.anomalies.values()],
        "incidents": [as_json(incident) for incident in seen.incidents.values()],
        "alerts": [as_json(alert) for alert in seen.alerts.values()],
        "webhook": run.webhook,
        "decisions": _decisions(seen, run.start_us),
        "replicas": [
            {
                "at_s": seconds(at, run.start_us),
                "pool": pool,
                "desired": d,
                "ready": r,
                "starting": s,
            }
            for at, pool, d, r, s in seen.sizes
        ],
        "scaling": scaling(seen),
        "changes": [
            {"at_s": seconds(c.at_us, run.start_us), "kind": c.kind, "summary": c.summary}
            for c in seen.changes
        ],
        "faults": [fault(s, run.start_us) | {"story": story} for s, story in stories],
        "verdict": verdict(told.scored),
        "dead_letters": [as_json(letter) for letter in seen.dead],
        "captions": run.captions,
        "errors": run.errors,
    }


def fault(scored: Scored, start_us: int) -> dict[str, Any]:
    truth = scored.truth
    return {
        "fault": truth.fault,
        "pool": truth.pool,
        "subject": f"{truth.subject_kind} {truth.subject}",
        "onset_s": seconds(truth.onset_us, start_us),
        "found_after_s": scored.found_after_s,
        "in_time": scored.in_time,
        "incident": scored.incident,
        "cause": scored.cause,
        "sentence": scored.sentence,
    }


def scaling(seen: Observed) -> Mapping[str, dict[str, int]]:
    """How often each pool's ready replicas grew and shrank, and the extremes."""
    result: dict[str, dict[str, int]] = {}
    last: dict[str, int] = {}
    for _, pool, _, ready, _ in seen.sizes:
        of = result.setdefault(pool, {"ups": 0, "downs": 0, "least": ready, "most": ready})
        before = last.get(pool, ready)
        of["ups"] += ready > before
        of["downs"] += ready < before
        of["least"], of["most"] = min(of["least"], ready), max(of["most"], ready)
        last[pool] = ready
    return result


def _anomaly(anomaly: Any, start_us: int) -> dict[str, Any]:
    return {
        "id": anomaly.id,
        "labels": anomaly.labels,
        "feature": anomaly.feature,
        "detector": anomaly.detector,
        "started_s": seconds(anomaly.started_at_us, start_us),
        "ended_s": seconds(anomaly.ended_at_us, start_us),
        "peak_score": anomaly.peak_score,
        "sentence": anomaly.sentence,
    }


def _decisions(seen: Observed, start_us: int) -> list[dict[str, Any]]:
    """Every decision that wanted another size than there was, and each pool's last."""
    kept = {d.pool: d for d in seen.decisions}
    chosen = [d for d in seen.decisions if d.desired != d.current or kept.get(d.pool) is d]
    return [
        {
            "at_s": seconds(d.at_us, start_us),
            **{k: v for k, v in as_json(d).items() if k != "inputs"},
        }
        for d in chosen
    ]
