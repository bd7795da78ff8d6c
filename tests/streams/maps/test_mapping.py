from typing import Any

import pytest
from pydantic import ValidationError

from streams.maps.settings import MapSettings
from streams.schemas.telemetry import RequestEvent
from streams.windows.check import Reject

FIELDS = {
    "at": "ts_ms|ms",
    "event": "=finished",
    "pool": "deployment",
    "model": "model.name",
    "tenant": "user.team|else nobody",
    "duration_s": "latency_ms|ms",
    "output_tokens": "usage.completion",
}
DOCUMENT = {
    "ts_ms": 1_700_000_000_250,
    "deployment": "codex",
    "model": {"name": "codex-large"},
    "latency_ms": 1_250,
    "usage": {"completion": 42},
}


def record_of(**but: Any) -> object:
    settings = MapSettings.model_validate({"topic": "llm-requests", "fields": FIELDS})
    return settings.mapping().of(DOCUMENT | but)


def test_a_document_becomes_a_record() -> None:
    assert record_of() == RequestEvent(
        kind="finished",
        at_us=1_700_000_000_250_000,
        pool="codex",
        model="codex-large",
        tenant="nobody",
        duration_s=1.25,
        output_tokens=42,
    )


@pytest.mark.parametrize(
    ("but", "reject"),
    [
        pytest.param(
            {"deployment": None},
            Reject("missing_field", "pool: nothing at `deployment`"),
            id="what-must-be-there",
        ),
        pytest.param(
            {"latency_ms": "soon"},
            Reject("wrong_type", "duration_s from `latency_ms` must be a number, got 'soon'"),
            id="no-number",
        ),
        pytest.param(
            {"latency_ms": "nan"},
            Reject("wrong_type", "duration_s from `latency_ms` must be a finite number, got 'nan'"),
            id="not-finite",
        ),
        pytest.param(
            {"usage": {"completion": 1.5}},
            Reject(
                "wrong_type",
                "output_tokens from `usage.completion` must be a whole number, got 1.5",
            ),
            id="not-whole",
        ),
        pytest.param(
            {"deployment": ["a"]},
            Reject("wrong_type", "pool from `deployment` must be a text or a number, got a list"),
            id="no-text",
        ),
        pytest.param(
            {"latency_ms": "my secret prompt, which is long and nobody else's business"},
            Reject(
                "wrong_type",
                "duration_s from `latency_ms` must be a number, got a text of 58 characters",
            ),
            id="what-people-wrote-is-not-told",
        ),
    ],
)
def test_what_is_wrong_names_field_and_path(but: dict[str, object], reject: Reject) -> None:
    assert record_of(**but) == reject


@pytest.mark.parametrize(
    ("but", "message"),
    [
        ({"latency_s": "x"}, "field of request must be one of at, attempt, cluster"),
        ({"duration_s": "x|hours"}, "unit of duration_s must be one of s, min, ms, us, ns"),
        ({"tenant": "x|ms"}, "unit of tenant must be left out, got 'ms'"),
        ({"event": "=done"}, "event must be one of arrived, finished"),
        ({"pool": ""}, "path of pool must be names with dots between them"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(but: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        MapSettings.model_validate({"topic": "t", "fields": FIELDS | but})


def test_fields_that_a_record_needs_are_asked_for() -> None:
    with pytest.raises(ValidationError, match="with event, at, pool among them"):
        MapSettings.model_validate({"topic": "t", "fields": {}})


def test_only_documents_that_are_meant_become_records() -> None:
    settings = MapSettings.model_validate(
        {"topic": "t", "fields": FIELDS, "where": {"type": ["chat", 7]}}
    )
    mapping = settings.mapping()

    kinds = [mapping.of(DOCUMENT | {"type": kind}) for kind in ("chat", 7, "other", None, [1])]

    assert [isinstance(found, RequestEvent) for found in kinds] == [True, True, False, False, False]
