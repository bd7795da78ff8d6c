"""The control API as a FastAPI app: a view to read, a publisher for what is asked."""

from typing import Final

from fastapi import FastAPI

from autoscaler.api import problems, reads, rules, schedules, writes
from autoscaler.api.asks import PoolAsks
from autoscaler.api.audit import Publish, Writes
from autoscaler.api.auth import Door
from autoscaler.api.openapi import describe
from autoscaler.api.preconditions import Preconditions
from autoscaler.api.view import View
from autoscaler.settings import ApiSettings
from streams.clock import Clock

DESCRIPTION: Final = """
Pools, decisions and why, incidents, anomalies; and what a person may ask of the scaler.

Reading shows what the topics say. Asking publishes a command, which PLAN carries out within
seconds and keeps in its rules; every write is on record in `audit`. With `api.token` set, every
call needs it as `Authorization: Bearer …`. Instants are microseconds UTC (`_us`).
"""
TAGS: Final = [
    {"name": "pools", "description": "Sizes, loads, decisions and their reasons; people's orders."},
    {"name": "findings", "description": "What is unusual, what it means, who was told."},
    {"name": "health", "description": "Whether the chain itself keeps up."},
]


def create_api(  # noqa: PLR0913  # all that the outside gives it
    view: View,
    publish: Publish,
    settings: ApiSettings,
    clock: Clock,
    recall: reads.Recall | None = None,
    past: reads.PastDecision | None = None,
) -> FastAPI:
    """The API under /v1, its description at /openapi.json; more may be mounted beside it.

    publish: returns when the broker has the message, raises BrokerUnavailableError if it cannot.
    recall, past: what was a day ago, what was decided then, for explanations.
    """
    app = FastAPI(
        title="Tidegate control API",
        summary="How many replicas there are, should be, and why.",
        description=DESCRIPTION,
        version="1",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=TAGS,
        # Their pages load scripts from elsewhere, which must not act here.
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    preconditions = Preconditions(view, required=settings.require_if_match)
    app.include_router(reads.router(view, clock, recall, past))
    asks = PoolAsks(view, Writes(publish, clock, view), preconditions)
    app.include_router(rules.router(view, preconditions))
    app.include_router(schedules.router(view, asks, clock))
    app.include_router(writes.router(view, asks))
    describe(app)
    app.add_middleware(Door, settings=settings)
    return app
