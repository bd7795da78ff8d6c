"""The routes that read: parameters in, what the view has out."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from autoscaler.api.health import Health
from autoscaler.api.openapi import answer, many, of, problems
from autoscaler.api.problems import ApiError, unknown
from autoscaler.api.shapes import SeriesLine, shown, unit_of
from autoscaler.api.summary import PoolSummary
from autoscaler.api.view import View
from autoscaler.explain import Explanation, explain
from detectors.explain import Why
from streams.clock import Clock
from streams.conduct import Complaint
from streams.errors import InvalidParameterError
from streams.schemas.anomalies import Anomaly
from streams.schemas.comparison import Comparison
from streams.schemas.incidents import Alert, Incident
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.windows.table import Floats

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$"
PoolName = Annotated[str, Path(pattern=NAME, description="Name of the pool.", examples=["codex"])]
Cluster = Annotated[
    str,
    Query(
        pattern=rf"{NAME}|^$",
        description="Needed only where several clusters have a pool of the name.",
        examples=["local"],
    ),
]
PoolFilter = Annotated[str, Query(pattern=rf"{NAME}|^$", description="Only of this pool.")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many, newest first.")]
AtUs = Annotated[
    int | None,
    Query(ge=0, description="Microseconds since 1970, UTC: the decision of then (the newest)."),
]
ObjectId = Annotated[str, Path(min_length=1, max_length=200)]
Recall = Callable[[Anomaly], Awaitable[Floats | None]]
"""The anomalous value in the minute around the same time a day before; None if nobody knows."""
PastDecision = Callable[[str, str, int], Awaitable[Decision | None]]
"""Of a pool, a cluster and an instant: what was decided then; None if nobody knows."""


def find_pool(view: View, pool: str, cluster: str) -> PoolSummary:
    """Raises ApiError: 404 if there is none, 409 if the name is of several clusters."""
    clusters = [cluster] if cluster else view.clusters_of(pool)
    if len(clusters) > 1:
        raise ApiError(
            HTTPStatus.CONFLICT, f"clusters {', '.join(clusters)} have a pool {pool!r}: name one"
        )
    found = view.pool(clusters[0], pool) if clusters else None
    if found is None:
        raise unknown("pool", pool, [row.pool for row in view.pools()])
    return found


def router(view: View, clock: Clock, recall: Recall | None, past: PastDecision | None) -> APIRouter:
    routes = APIRouter(prefix="/v1", responses=problems(401, 403, 404, 409, 422))
    _pools(routes, view)
    _explained(routes, view, past)
    _findings(routes, view)
    _reasons(routes, view, recall)

    @routes.get("/health", tags=["health"], responses=of(Health, "How far behind each stage is."))
    async def health() -> Response:
        """Whether every stage keeps up, judged by what it wrote last."""
        return answer(view.health(clock()))

    return routes


def _pools(routes: APIRouter, view: View) -> None:
    @routes.get("/pools", tags=["pools"], responses=many(PoolSummary, "Every pool."))
    async def pools() -> Response:
        """Every pool: its size, its load, what the planner wants and why."""
        return answer(view.pools())

    @routes.get("/pools/{pool}", tags=["pools"], responses=of(PoolSummary, "One pool, flat."))
    async def pool(pool: PoolName, cluster: Cluster = "") -> Response:
        """One pool as flat JSON, so that KEDA's metrics-api scaler can read `desired_replicas`."""
        return answer(find_pool(view, pool, cluster))

    @routes.get(
        "/pools/{pool}/replicas",
        tags=["pools"],
        responses=many(ReplicaStatus, "The pool's replicas."),
    )
    async def replicas(pool: PoolName, cluster: Cluster = "") -> Response:
        """Every replica there is, and for a while those that ended."""
        found = find_pool(view, pool, cluster)
        return answer(view.replicas(found.cluster, found.pool))

    @routes.get("/pools/{pool}/days", tags=["pools"], responses=many(Comparison, "Its days."))
    async def days(pool: PoolName, cluster: Cluster = "") -> Response:
        """What the planner would have changed, day by day while it does not act; newest first."""
        found = find_pool(view, pool, cluster)
        return answer(view.days(found.cluster, found.pool))

    @routes.get("/decisions", tags=["pools"], responses=many(Decision, "Decisions."))
    async def decisions(
        pool: PoolFilter = "",
        cluster: Cluster = "",
        limit: Limit = 100,
        *,
        changed_only: bool = False,
    ) -> Response:
        """What the planner decided, newest first; `changed_only`: where the size was to change."""
        return answer(view.decisions(cluster, pool, limit=limit, changed_only=changed_only))


def _explained(routes: APIRouter, view: View, past: PastDecision | None) -> None:
    @routes.get("/pools/{pool}/explain", tags=["pools"], responses=of(Explanation, "One decision."))
    async def explanation(pool: PoolName, cluster: Cluster = "", at_us: AtUs = None) -> Response:
        """Why the pool has, or had, its size: what was seen, planned, said by guards, what if."""
        found = find_pool(view, pool, cluster)
        if at_us is None or past is None:
            newest = view.decisions(found.cluster, found.pool, limit=1)
            decision = newest[0] if newest else None
        else:
            decision = await past(found.pool, found.cluster, at_us)
        if decision is None:
            when = "yet" if at_us is None else f"at {at_us}, or the log does not reach back so far"
            raise ApiError(HTTPStatus.NOT_FOUND, f"nothing was decided for pool {pool!r} {when}")
        return answer(explain(decision))


def _reasons(routes: APIRouter, view: View, recall: Recall | None) -> None:
    @routes.get("/anomalies/{anomaly}/explain", tags=["findings"], responses=of(Why, "Why."))
    async def why(anomaly: ObjectId) -> Response:
        """What moved, its fellows, the nearest normal, a day before, changes nearby."""
        if (found := view.anomaly(anomaly)) is None:
            raise unknown("anomaly", anomaly)
        day_before = None if recall is None else await recall(found)
        return answer(view.why(found, day_before))


def _findings(routes: APIRouter, view: View) -> None:
    @routes.get("/incidents", tags=["findings"], responses=many(Incident, "Incidents."))
    async def incidents(
        state: Literal["", "open", "resolved"] = "", pool: PoolFilter = "", limit: Limit = 100
    ) -> Response:
        """Open ones first, then newest first."""
        return answer(view.incidents(state=state, pool=pool, limit=limit))

    @routes.get("/incidents/{incident}", tags=["findings"], responses=of(Incident, "The incident."))
    async def incident(incident: ObjectId) -> Response:
        """One incident with its causes, evidence and timeline."""
        if (found := view.incident(incident)) is None:
            raise unknown("incident", incident)
        return answer(found)

    @routes.get("/anomalies", tags=["findings"], responses=many(Anomaly, "Anomalies."))
    async def anomalies(
        pool: PoolFilter = "", limit: Limit = 200, *, open_only: bool = False
    ) -> Response:
        """Newest first."""
        return answer(view.anomalies(open_only=open_only, pool=pool, limit=limit))

    @routes.get("/alerts", tags=["findings"], responses=many(Alert, "Alerts."))
    async def alerts(limit: Limit = 100) -> Response:
        """What was sent to whom, newest first."""
        return answer(view.alerts(limit=limit))

    @routes.get("/changes", tags=["findings"], responses=many(Change, "Changes."))
    async def changes(pool: PoolFilter = "", limit: Limit = 100) -> Response:
        """What somebody did to the system, newest first."""
        return answer(view.changes(pool=pool, limit=limit))

    @routes.get("/quality", tags=["findings"], responses=many(Complaint, "What is wrong."))
    async def quality() -> Response:
        """What is wrong with what somebody sends, since when and what to do; the worst first."""
        return answer(view.complaints())

    @routes.get("/series", tags=["findings"], responses=many(SeriesLine, "Lines of points."))
    async def series(
        kind: Annotated[Literal["pool", "request", "engine", "gpu"], Query(examples=["pool"])],
        value: Annotated[str, Query(max_length=80, examples=["queue_s_p95"])],
        pool: PoolFilter = "",
        cluster: Cluster = "",
        since_us: Annotated[int, Query(ge=0, description="Microseconds since 1970, UTC.")] = 0,
    ) -> Response:
        """One value of the catalogue, second by second, of the last 15 minutes."""
        unit = unit_of(kind, value)
        if unit is None:
            raise InvalidParameterError("value", value, f"a value of the catalogue for {kind}")
        where = {"pool": pool, "cluster": cluster}
        lines = view.series(kind, value, {k: v for k, v in where.items() if v}, since_us)
        return answer([shown(line, unit) for line in lines])
