"""What the chain has found in, one verdict in plain words out. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final, Literal

import numpy as np

from autoscaler.api.series_store import Line
from autoscaler.api.view import View
from streams.clock import SECOND_US
from streams.schemas.incidents import Incident
from tidegate.watch.understood import Watched

State = Literal["healthy", "wrong", "unknown"]
EXIT: Final[dict[State, int]] = {"healthy": 0, "wrong": 3, "unknown": 1}
_RECENT_WINDOWS: Final = 4
_SHOWN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``findings``: one sentence for each thing that is wrong."""

    state: State
    sentence: str
    findings: tuple[str, ...] = ()


def judge(view: View, watched: Sequence[Watched], since_us: int) -> Verdict:
    """As of what the view has been fed.

    since_us: incidents that were over before are history that is not told.
    """
    silent = [f"{one.replica} of pool {one.pool} does not answer" for one in _down(watched)]
    found = [*silent, *(finding(one) for one in view.incidents(state="open"))]
    if found:
        return Verdict(state="wrong", sentence="; ".join(found[:_SHOWN]), findings=tuple(found))
    pools = [pool for name in sorted({w.pool for w in watched}) if (pool := _pool(view, name))]
    if not pools:
        return Verdict(state="unknown", sentence="no sample has come in yet")
    over = [one for one in view.incidents(state="resolved") if (one.resolved_at_us or 0) > since_us]
    return Verdict(state="healthy", sentence=f"nothing wrong: {'; '.join(pools)}{_over(over)}")


def finding(incident: Incident) -> str:
    """`pool codex: codex-1 is slow since 14:03:11 UTC – time between tokens of …`."""
    began = datetime.fromtimestamp(incident.started_at_us / SECOND_US, UTC).strftime("%H:%M:%S")
    cause = incident.causes[0].sentence if incident.causes else "the cause is not known yet"
    where = f"pool {incident.pool}: " if incident.pool else ""
    return f"{where}{incident.title.rstrip('.')} since {began} UTC – {cause}"


def _over(incidents: Sequence[Incident]) -> str:
    if not incidents:
        return ""
    last = max(incidents, key=lambda one: one.resolved_at_us or 0)
    ended = datetime.fromtimestamp((last.resolved_at_us or 0) / SECOND_US, UTC).strftime("%H:%M")
    more = f" (and {len(incidents) - 1} before)" if len(incidents) > 1 else ""
    return f". Earlier: {last.title.rstrip('.')}, over since {ended} UTC{more}"


def _down(watched: Iterable[Watched]) -> list[Watched]:
    return [one for one in watched if not one.found.up]


def _pool(view: View, pool: str) -> str:
    """`codex: 3 replicas answer, 12 requests running, 0 waiting, 0.031 s between tokens`."""

    def newest(value: str) -> list[float]:
        return [n for line in view.series("engine", value, {"pool": pool}) if (n := _last(line))
                is not None]  # fmt: skip

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


def _last(line: Line) -> float | None:
    seen = line.values[-_RECENT_WINDOWS:]
    seen = seen[np.isfinite(seen)]
    return float(seen.mean()) if seen.size else None
