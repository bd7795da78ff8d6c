"""What the chain has found in, one verdict in plain words out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final, Literal

import numpy as np

from autoscaler.api.series_store import Line
from autoscaler.api.view import View
from streams.clock import SECOND_US
from streams.schemas.incidents import Incident
from tidegate.watch.gpus import gpus_in
from tidegate.watch.understood import Watched, pools_of

State = Literal["healthy", "wrong", "unknown"]
EXIT: Final[dict[State, int]] = {"healthy": 0, "wrong": 3, "unknown": 1}
_SHOWN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``findings``: one sentence for each thing that is wrong."""

    state: State
    sentence: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known beside what the view was fed.

    unseen: one sentence for each address where there was nothing to look at.
    fresh_us: samples from before say nothing of now; gpus_fresh_us: of GPUs.
    told_us: incidents that were over before are not told.
    """

    watched: Sequence[Watched]
    unseen: Sequence[str] = ()
    fresh_us: int = 0
    gpus_fresh_us: int = 0
    told_us: int = 0


def judge(view: View, known: Known) -> Verdict:
    """As of what the view has been fed."""
    # Whom this process itself reads, nobody sends: only its own pace would be complained of.
    opened = [one for one in view.incidents(state="open") if one.subject.kind != "sender"]
    told = {one.subject.name for one in opened}
    silent = [one for one in known.watched if not one.found.up and one.replica not in told]
    gpus = gpus_in(view, known.gpus_fresh_us)
    lost = gpus.missing(sum(one.found.gpus for one in known.watched))
    found = [*known.unseen, *map(_silent, silent), *map(finding, opened), *filter(None, [lost])]
    if found:
        return Verdict(state="wrong", sentence="; ".join(found[:_SHOWN]), findings=tuple(found))
    pools = [_pool(view, name, known.fresh_us) for name in pools_of(known.watched)]
    well = list(filter(None, [*pools, gpus.said]))
    if not well:
        return Verdict(state="unknown", sentence="nothing can be said: no sample comes in")
    over = [
        one for one in view.incidents(state="resolved") if (one.resolved_at_us or 0) > known.told_us
    ]
    return Verdict(state="healthy", sentence=f"nothing wrong: {'; '.join(well)}{_over(over)}")


def finding(incident: Incident) -> str:
    """`pool codex: codex-1 is slow since 14:03:11 UTC – time between tokens of …`."""
    began = datetime.fromtimestamp(incident.started_at_us / SECOND_US, UTC).strftime("%H:%M:%S")
    where = f"pool {incident.pool}: " if incident.pool else ""
    if incident.causes and incident.causes[0].kind == "replica_frozen":
        # Frozen or gone: who only looks from outside cannot tell.
        return f"{where}{incident.subject.name} does not answer since {began} UTC"
    cause = incident.causes[0].sentence if incident.causes else "the cause is not known yet"
    return f"{where}{incident.title.rstrip('.')} since {began} UTC – {cause}"


def _over(incidents: Sequence[Incident]) -> str:
    if not incidents:
        return ""
    last = max(incidents, key=lambda one: one.resolved_at_us or 0)
    ended = datetime.fromtimestamp((last.resolved_at_us or 0) / SECOND_US, UTC).strftime("%H:%M")
    more = f" (and {len(incidents) - 1} before)" if len(incidents) > 1 else ""
    return f". Earlier: {last.title.rstrip('.')}, over since {ended} UTC{more}"


def _silent(watched: Watched) -> str:
    where = f"pool {watched.pool}: " if watched.pool else ""
    return f"{where}{watched.replica} does not answer"


def _pool(view: View, pool: str, fresh_us: int) -> str:
    """`codex: 3 replicas answer, 12 requests running, 0 waiting, 0.031 s between tokens`."""

    def newest(value: str) -> list[float]:
        lines = view.series("engine", value, {"pool": pool}, fresh_us)
        return [number for line in lines if (number := _mean(line)) is not None]

    up = newest("up_mean")
    if not up:
        return ""
    answering = sum(value > 0 for value in up)
    said = [f"{answering} replica{'' if answering == 1 else 's'} answer{'s' * (answering == 1)}"]
    for value, words in (("running_mean", "running"), ("waiting_mean", "waiting")):
        if numbers := newest(value):
            said.append(f"{sum(numbers):.3g} requests {words}")
    if tokens := sum(newest("output_tokens_per_s")):
        said.append(f"{tokens:.3g} tokens/s")
    for value, words in (("inter_token_s_mean", "between tokens"), ("ttft_s_mean", "to the first")):
        if numbers := newest(value):
            said.append(f"{median(numbers):.2g} s {words}")
    return f"{pool}: {', '.join(said)}"


def _mean(line: Line) -> float | None:
    seen = line.values[np.isfinite(line.values)]
    return float(seen.mean()) if seen.size else None
