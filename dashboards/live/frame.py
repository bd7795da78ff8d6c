"""The view at an instant in, everything the page shows out: fragments of HTML and chart data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from autoscaler.api.health import Health
from autoscaler.api.summary import PoolSummary
from autoscaler.api.view import View
from dashboards.live import wording
from dashboards.live.cards import card, chips, replica_rows
from dashboards.live.curves import demand_chart, latency_charts, span_s
from dashboards.live.engines import load_chart, only_looked_at, tokens_per_s
from dashboards.live.engines import reach_s as engines_reach_s
from dashboards.live.headline import Facts, headline
from dashboards.live.story import tell, turns
from detectors.explain import Why
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Incident

_MAX_INCIDENTS: Final = 12
_MAX_DECISIONS: Final = 10
_MAX_COMPLAINTS: Final = 12
_MAX_EVIDENCE: Final = 6
_DECISIONS_READ: Final = 600


@dataclass(slots=True)
class Frame:
    """``fragments``: element id -> HTML. ``charts``: element id -> what page.js draws."""

    now_us: int
    fragments: dict[str, str] = field(default_factory=dict)
    charts: dict[str, dict[str, Any]] = field(default_factory=dict)
    pools: tuple[tuple[str, str], ...] = ()
    """(cluster, pool) of the cards, in their order."""
    driven: frozenset[tuple[str, str]] = frozenset()
    """Those of them that a scaler may act on; the others are only looked at."""


def dom_id(kind: str, cluster: str, pool: str) -> str:
    """Of the element that holds one pool's part of the page.

    >>> dom_id("card", "local", "codex")
    'card-local-codex'
    """
    return f"{kind}-{cluster}-{pool}".replace("/", "-").replace(".", "-")


class Artist:
    """Draws frames; holds the compiled templates and nothing else."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "number": wording.number,
            "span": wording.span,
            "feature": wording.feature,
            "quantity": wording.quantity,
            "instant": instant,
            "humane": wording.humane,
        }
        self._templates.globals |= {"count": wording.count}

    def why(self, why: Why) -> str:
        """What one anomaly is explained with, for whoever asks."""
        return self._html("why", why=why)

    def draw(self, view: View, now_us: int) -> Frame:
        """The same view and instant give the same frame."""
        frame = Frame(now_us)
        pools, health = view.pools(), view.health(now_us)
        incidents, open_anomalies = view.incidents(), view.anomalies(open_only=True)
        decisions = view.decisions(limit=_DECISIONS_READ)
        facts = Facts(
            health=health,
            pools=pools,
            incidents=incidents,
            anomalies=open_anomalies,
            decisions=decisions,
            starting=[one for one in view.replicas() if one.state == "starting"],
            tokens_per_s=tokens_per_s(view, pools),
        )
        self._put(frame, "headline", head=headline(facts), pools=pools, facts=facts)
        self._put(frame, "story", chapters=tell(incidents, view.changes(), decisions))
        for pool in pools:
            self._pool(frame, view, pool, incidents)
        judges = facts.tokens_per_s is None  # a mere look learns from nobody
        shown = _incidents(view, incidents, open_anomalies)
        self._put(frame, "incidents", judges=judges, **shown)
        newest = turns(decisions)[: -_MAX_DECISIONS - 1 : -1]
        self._put(frame, "decisions", decisions=newest)
        self._put(frame, "gpus", gpus=_gpus(view))
        self._put(frame, "health", health=health, quality=view.quality(), corrupt=view.corrupt)
        complaints, origins = view.complaints(), view.origins()
        self._put(
            frame,
            "quality",
            complaints=complaints[:_MAX_COMPLAINTS],
            hidden=len(complaints[_MAX_COMPLAINTS:]),
            origins=origins,
        )
        self._put(frame, "pulse", health=health, lag_s=_lag_s(health))
        frame.pools = tuple((pool.cluster, pool.pool) for pool in pools)
        frame.driven = frozenset((p.cluster, p.pool) for p in pools if not only_looked_at(p))
        return frame

    def _pool(
        self, frame: Frame, view: View, pool: PoolSummary, incidents: Sequence[Incident]
    ) -> None:
        where = (pool.cluster, pool.pool)
        shown = chips(view.replicas(*where), incidents)
        drawn = card(view, pool, shown)
        frame.fragments[dom_id("card", *where)] = self._html("card", card=drawn)
        frame.fragments[dom_id("ask", *where)] = self._html("ask", card=drawn)
        rows = replica_rows(view, drawn.key, shown, frame.now_us)
        frame.fragments[dom_id("replicas", *where)] = self._html("replicas", rows=rows)
        decisions = view.decisions(*where, limit=_DECISIONS_READ)
        if only_looked_at(pool):
            labels = {"cluster": pool.cluster, "pool": pool.pool}
            reach_s = engines_reach_s(view, labels, frame.now_us)
            demand = load_chart(view, labels, frame.now_us, reach_s)
        else:
            reach_s = span_s(decisions, frame.now_us)
            demand = demand_chart(decisions, frame.now_us, reach_s)
        frame.charts[dom_id("demand", *where)] = demand
        for i, chart in enumerate(latency_charts(view, *where, frame.now_us, reach_s)):
            frame.charts[dom_id(f"latency{i}", *where)] = chart

    def _put(self, frame: Frame, name: str, **context: Any) -> None:
        frame.fragments[name] = self._html(name, **context)

    def _html(self, name: str, **context: Any) -> str:
        return self._templates.get_template(f"{name}.html").render(**context)


def _incidents(
    view: View, incidents: Sequence[Incident], open_anomalies: Sequence[Anomaly]
) -> dict[str, Any]:
    shown = incidents[:_MAX_INCIDENTS]
    evidence = {
        one.id: [found for id_ in one.anomalies[:_MAX_EVIDENCE] if (found := view.anomaly(id_))]
        for one in shown
    }
    explained = {id_ for one in incidents for id_ in one.anomalies}
    alone = [one for one in open_anomalies if one.id not in explained]
    return {"incidents": shown, "evidence": evidence, "alone": alone[:_MAX_EVIDENCE]}


def _gpus(view: View) -> list[dict[str, Any]]:
    """The newest of each GPU's values that say how it is."""
    names = (
        "util_ratio_mean",
        "memory_used_bytes_max",
        "power_w_mean",
        "temperature_c_max",
        "held_idle_s_max",
    )
    gpus: dict[tuple[str, str], dict[str, Any]] = {}
    for name in names:
        for line in view.series("gpu", name):
            if line.values.size:
                key = (line.labels.get("node", ""), line.labels.get("gpu_uuid", ""))
                named = {"node": key[0], "uuid": key[1], "owner": line.labels.get("owner", "")}
                gpus.setdefault(key, named)[name] = float(line.values[-1])
    return [gpus[key] | {name: gpus[key].get(name) for name in names} for key in sorted(gpus)]


def _lag_s(health: Health) -> float | None:
    """How far the slowest shard of WATCH is behind."""
    return max((one.lag_s for one in health.stages if one.lag_s is not None), default=None)


def instant(at_us: int, form: str = "clock") -> Markup:
    """A moment that page.js writes in the reader's own time zone and keeps up to date.

    form: ``clock``, ``ago``, ``for`` (how long it lasts) or ``in`` (how long it takes).
    """
    return Markup('<time data-at="{}" data-as="{}"></time>').format(at_us // 1_000, form)
