"""The routes that ask for something: a body in, a command published, 202 out."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header
from starlette.responses import Response

from autoscaler.api.audit import Asked, Writes
from autoscaler.api.bodies import (
    Ask,
    FeedbackBody,
    HoldBody,
    LadderBody,
    LimitsBody,
    OverrideBody,
)
from autoscaler.api.openapi import answer, of, problems
from autoscaler.api.problems import unknown
from autoscaler.api.reads import Cluster, ObjectId, PoolName, find_pool
from autoscaler.api.summary import PoolSummary
from autoscaler.api.view import View
from detectors.member import FIXED
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Command, Feedback
from streams.schemas.telemetry import Change

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{0,128}$",
        description="The same key again gets the first answer again, and nothing happens twice.",
    ),
]
Kind = Literal["override", "hold", "release", "limits", "ladder", "resolve"]
ACCEPTED: Final = of(Command, "Accepted; PLAN carries it out within seconds.", 202)
NO_REASON: Final = Ask()
NO_END: Final = HoldBody()


def router(view: View, writes: Writes) -> APIRouter:
    routes = APIRouter(prefix="/v1", responses=problems(401, 403, 404, 409, 413, 422, 503))
    asks = _PoolAsks(view, writes)
    _sizes(routes, asks)
    _leave(routes, asks)
    _judge(routes, view, writes)
    return routes


class _PoolAsks:
    """Turns a body for a pool into a command, if the view knows the pool."""

    def __init__(self, view: View, writes: Writes) -> None:
        self._view = view
        self._writes = writes

    async def ask(
        self, kind: Kind, pool: str, cluster: str, body: Ask, key: str, **fields: Any
    ) -> Response:
        """Publishes the command; ``fields`` are more of its fields."""
        found = find_pool(self._view, pool, cluster)
        expires_in_s = getattr(body, "expires_in_s", None)

        def make(name: str, now_us: int) -> Command:
            _check(found, fields)
            return Command(
                id=name,
                at_us=now_us,
                kind=kind,
                actor=body.actor,
                reason=body.reason,
                cluster=found.cluster,
                pool=found.pool,
                expires_at_us=None
                if expires_in_s is None
                else now_us + round(expires_in_s * SECOND_US),
                **fields,
            )

        asked = Asked(
            action=kind,
            target=f"{found.cluster}/{found.pool}",
            actor=body.actor,
            content=body.model_dump_json(),
            key=key,
        )
        return answer(await self._writes.command(asked, make), 202)


def _check(pool: PoolSummary, fields: dict[str, Any]) -> None:
    """Raises InvalidParameterError for a size that PLAN would refuse: better said at once."""
    low, high = pool.min_replicas, pool.max_replicas
    for name in ("replicas", "min_replicas", "max_replicas"):
        asked = fields.get(name)
        if asked is not None and not low <= asked <= high:
            allowed = f"{low} to {high}, the bounds of pool {pool.pool} in the settings"
            raise InvalidParameterError(name, asked, allowed)


def _sizes(routes: APIRouter, asks: _PoolAsks) -> None:
    @routes.post("/pools/{pool}/override", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def override(
        pool: PoolName, body: OverrideBody, cluster: Cluster = "", key: Key = ""
    ) -> Response:
        """Set the size by hand; it wins over the planner until released or expired."""
        return await asks.ask("override", pool, cluster, body, key, replicas=body.replicas)

    @routes.post("/pools/{pool}/hold", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def hold(
        pool: PoolName, body: HoldBody = NO_END, cluster: Cluster = "", key: Key = ""
    ) -> Response:
        """Keep the size as it is now."""
        return await asks.ask("hold", pool, cluster, body, key)

    @routes.post("/pools/{pool}/limits", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def limits(
        pool: PoolName, body: LimitsBody, cluster: Cluster = "", key: Key = ""
    ) -> Response:
        """Narrow the bounds between which the planner may move."""
        return await asks.ask(
            "limits",
            pool,
            cluster,
            body,
            key,
            min_replicas=body.min_replicas,
            max_replicas=body.max_replicas,
        )


def _leave(routes: APIRouter, asks: _PoolAsks) -> None:
    @routes.post("/pools/{pool}/release", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def release(
        pool: PoolName, body: Ask = NO_REASON, cluster: Cluster = "", key: Key = ""
    ) -> Response:
        """End a hold or an override; the planner decides again."""
        return await asks.ask("release", pool, cluster, body, key)

    @routes.post("/pools/{pool}/ladder", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def ladder(
        pool: PoolName, body: LadderBody, cluster: Cluster = "", key: Key = ""
    ) -> Response:
        """Let the planner act further, or less far."""
        return await asks.ask("ladder", pool, cluster, body, key, ladder=body.ladder)


def _judge(routes: APIRouter, view: View, writes: Writes) -> None:
    @routes.post(
        "/incidents/{incident}/resolve", tags=["findings"], status_code=202, responses=ACCEPTED
    )
    async def resolve(incident: ObjectId, body: Ask = NO_REASON, key: Key = "") -> Response:
        """Close an incident by hand."""
        found = view.incident(incident)
        if found is None:
            raise unknown("incident", incident)

        def make(name: str, now_us: int) -> Command:
            return Command(
                id=name,
                at_us=now_us,
                kind="resolve",
                actor=body.actor,
                reason=body.reason,
                cluster=found.cluster,
                pool=found.pool,
                incident=found.id,
            )

        content = body.model_dump_json()
        asked = Asked(action="resolve", target=found.id, actor=body.actor, content=content, key=key)
        return answer(await writes.command(asked, make), 202)

    @routes.post(
        "/anomalies/{anomaly}/feedback",
        tags=["findings"],
        status_code=202,
        responses=of(Feedback, "Accepted.", 202),
    )
    async def feedback(anomaly: ObjectId, body: FeedbackBody, key: Key = "") -> Response:
        """Say whether an anomaly was right or wrong; the boundary of that series follows.

        After `wrong` the same finding would not be told again, unless it grows by a quarter; after
        `withdrawn` the boundary is where it was.
        """
        found = view.anomaly(anomaly)
        if found is None:
            raise unknown("anomaly", anomaly)

        def make(name: str, now_us: int) -> Feedback:
            return Feedback(
                id=name, at_us=now_us, anomaly=found.id, verdict=body.verdict, actor=body.actor
            )

        content = body.model_dump_json()
        asked = Asked(
            action="feedback", target=found.id, actor=body.actor, content=content, key=key
        )
        told = await writes.feedback(asked, make, lambda feedback: change_of(feedback, found))
        return answer(told, 202)


def change_of(feedback: Feedback, anomaly: Anomaly) -> Change:
    """What detectors need to know of an operator's word on an anomaly."""
    where = {name: anomaly.labels.get(name, "") for name in ("cluster", "pool", "replica", "node")}
    said = "took back what was said of" if feedback.verdict == "withdrawn" else "called"
    verdict = "" if feedback.verdict == "withdrawn" else f" {feedback.verdict}"
    what = anomaly.sentence or f"{anomaly.feature} is {anomaly.actual:.3g} {anomaly.unit}".strip()
    stays = "; a rule with a fixed meaning stays" if anomaly.detector in FIXED else ""
    return Change(
        id=feedback.id,
        at_us=feedback.at_us,
        kind="feedback",
        summary=f"{feedback.actor} {said} {anomaly.id}{verdict}: {what}{stays}",
        actor=feedback.actor,
        attributes={
            "anomaly": anomaly.id,
            "verdict": feedback.verdict,
            "series_id": anomaly.series_id,
            "feature": anomaly.feature,
            "peak_score": f"{anomaly.peak_score:.6g}",
        },
        **where,
    )
