"""Records as answers, and their JSON Schemas in the API's description."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from starlette.responses import Response

from autoscaler.api.health import Health
from autoscaler.api.problems import MEDIA_TYPE, Problem
from autoscaler.api.shapes import SeriesLine
from autoscaler.api.summary import PoolSummary
from autoscaler.explain import Explanation
from autoscaler.schedules.planned import PlannedSchedule
from detectors.explain import Why
from streams.conduct import Complaint
from streams.schemas.anomalies import Anomaly
from streams.schemas.comparison import Comparison
from streams.schemas.incidents import Alert, Command, Feedback, Incident, Rule
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.schemas.telemetry import Change

SHOWN: Final = (
    Alert,
    Anomaly,
    Change,
    Command,
    Comparison,
    Decision,
    Complaint,
    Explanation,
    Feedback,
    Health,
    Incident,
    PlannedSchedule,
    PoolSummary,
    Problem,
    ReplicaStatus,
    Rule,
    SeriesLine,
    Why,
)
_JSON: Final = msgspec.json.Encoder()


def plain(value: object) -> Any:
    """Records with every field written out: a stream leaves defaults away, people want them."""
    match value:
        case msgspec.Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case Mapping():
            return {key: plain(one) for key, one in value.items()}
        case str() | bytes():
            return value
        case Sequence():
            return [plain(one) for one in value]
        case _:
            return value


def answer(value: object, status: int = 200) -> Response:
    """A record, or {"items": [...]} of many."""
    body = value if isinstance(value, msgspec.Struct) else {"items": value}
    return Response(_JSON.encode(plain(body)), status, media_type="application/json")


def of(record: type, description: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """For a route: it answers with one such record."""
    return {status: _content(description, _ref(record))}


def many(record: type, description: str) -> dict[int | str, dict[str, Any]]:
    """For a route: it answers with {"items": [...]}."""
    items = {
        "type": "object",
        "required": ["items"],
        "properties": {"items": {"type": "array", "items": _ref(record)}},
    }
    return {200: _content(description, items)}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a router: what may go wrong in any of its routes."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        found[status] = {
            "description": "What was wrong (RFC 9457).",
            "content": {MEDIA_TYPE: {"schema": _ref(Problem)}},
        }
    return found


def describe(app: FastAPI) -> None:
    """Put the schemas of ``SHOWN`` into the app's description."""
    plain_description = app.openapi
    _, schemas = msgspec.json.schema_components(SHOWN, ref_template="#/components/schemas/{name}")

    def description() -> dict[str, Any]:
        found = plain_description()
        found["components"]["schemas"].update(schemas)
        return found

    app.openapi = description  # type: ignore[method-assign]  # the way FastAPI documents it


def _content(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(record: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{record.__name__}"}
