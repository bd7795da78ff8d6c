"""What people ordered of a pool, and its ETag for those who want to change it."""

from fastapi import APIRouter
from starlette.responses import Response

from autoscaler.api.openapi import answer, many, problems
from autoscaler.api.preconditions import Preconditions, etag
from autoscaler.api.reads import Cluster, PoolName, find_pool
from autoscaler.api.view import View
from streams.schemas.incidents import Rule


def router(view: View, preconditions: Preconditions) -> APIRouter:
    routes = APIRouter(prefix="/v1", responses=problems(401, 403, 404, 409, 422))

    @routes.get("/pools/{pool}/rules", tags=["pools"], responses=many(Rule, "In force."))
    async def rules(pool: PoolName, cluster: Cluster = "") -> Response:
        """Holds, overrides, limits, the ladder: newest first. `If-Match` takes the `ETag`."""
        found = find_pool(view, pool, cluster)
        told = answer(view.rules(cluster=found.cluster, pool=found.pool))
        told.headers["ETag"] = etag(preconditions.version((found.cluster, found.pool)))
        return told

    return routes
