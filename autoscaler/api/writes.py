"""The routes that ask for something: a body in, a command published, 202 out."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from autoscaler.api.asks import ACCEPTED, REFUSED, Conditions, Key, PoolAsks
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
from autoscaler.api.reads import ObjectId, PoolName
from autoscaler.api.view import View
from detectors.member import FIXED
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Command, Feedback
from streams.schemas.telemetry import Change

NO_REASON: Final = Ask()
NO_END: Final = HoldBody()


def router(view: View, asks: PoolAsks) -> APIRouter:
    routes = APIRouter(prefix="/v1", responses=problems(*REFUSED))
    _sizes(routes, asks)
    _leave(routes, asks)
    _judge(routes, view, asks.writes)
    return routes


def _sizes(routes: APIRouter, asks: PoolAsks) -> None:
    @routes.post("/pools/{pool}/override", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def override(pool: PoolName, on: Conditions, body: OverrideBody) -> Response:
        """Set the size by hand; it wins over the planner until released or expired."""
        return await asks.ask("override", pool, on, body, replicas=body.replicas)

    @routes.post("/pools/{pool}/hold", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def hold(pool: PoolName, on: Conditions, body: HoldBody = NO_END) -> Response:
        """Keep the size as it is now."""
        return await asks.ask("hold", pool, on, body)

    @routes.post("/pools/{pool}/limits", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def limits(pool: PoolName, on: Conditions, body: LimitsBody) -> Response:
        """Narrow the bounds between which the planner may move."""
        low, high = body.min_replicas, body.max_replicas
        return await asks.ask("limits", pool, on, body, min_replicas=low, max_replicas=high)


def _leave(routes: APIRouter, asks: PoolAsks) -> None:
    @routes.post("/pools/{pool}/release", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def release(pool: PoolName, on: Conditions, body: Ask = NO_REASON) -> Response:
        """End a hold or an override; the planner decides again."""
        return await asks.ask("release", pool, on, body)

    @routes.post("/pools/{pool}/ladder", tags=["pools"], status_code=202, responses=ACCEPTED)
    async def ladder(pool: PoolName, on: Conditions, body: LadderBody) -> Response:
        """Let the planner act further, or less far."""
        return await asks.ask("ladder", pool, on, body, ladder=body.ladder)


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
