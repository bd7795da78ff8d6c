"""Schedules of a pool: what is known of its future, read and written by name."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from autoscaler.api.asks import ACCEPTED, REFUSED, Conditions, PoolAsks
from autoscaler.api.bodies import Actor, Ask, Reason, ScheduleBody
from autoscaler.api.openapi import answer, many, problems
from autoscaler.api.problems import unknown
from autoscaler.api.reads import Cluster, PoolName, find_pool
from autoscaler.api.view import View
from autoscaler.schedules.planned import PlannedSchedule, planned
from autoscaler.schedules.settings import NAME
from streams.clock import Clock

ScheduleName = Annotated[str, Path(pattern=NAME, examples=["launch"])]


def router(view: View, asks: PoolAsks, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["pools"], responses=problems(*REFUSED))

    @routes.get("/pools/{pool}/schedules", responses=many(PlannedSchedule, "The next of each."))
    async def schedules(pool: PoolName, cluster: Cluster = "") -> Response:
        """What is known of the pool's future, the soonest first."""
        found = find_pool(view, pool, cluster)
        return answer(planned(view.rules(cluster=found.cluster, pool=found.pool), clock()))

    @routes.put("/pools/{pool}/schedules/{name}", status_code=202, responses=ACCEPTED)
    async def schedule(
        pool: PoolName, name: ScheduleName, on: Conditions, body: ScheduleBody
    ) -> Response:
        """Set what is to be ready, or expected, at a time; replaces one of the same name."""
        terms = body.schedule()
        return await asks.ask("schedule", pool, on, body, name=name, schedule=terms)

    @routes.delete("/pools/{pool}/schedules/{name}", status_code=202, responses=ACCEPTED)
    async def unschedule(
        pool: PoolName,
        name: ScheduleName,
        on: Conditions,
        actor: Annotated[Actor, Query()] = "operator",
        reason: Annotated[Reason, Query()] = "",
    ) -> Response:
        """Forget it."""
        found = find_pool(view, pool, on.cluster)
        known = [rule.name for rule in view.rules(cluster=found.cluster, pool=found.pool)]
        if name not in known:
            raise unknown("schedule", name, [one for one in known if one])
        return await asks.ask("unschedule", pool, on, Ask(actor=actor, reason=reason), name=name)

    return routes
