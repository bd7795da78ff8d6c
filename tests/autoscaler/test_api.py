"""The control API over HTTP, in process: what it answers, what it publishes, whom it turns away."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema
import pytest
from pydantic import SecretStr

from autoscaler.api.app import create_api
from autoscaler.api.view import View
from autoscaler.decide import decide
from autoscaler.settings import ApiSettings
from streams.clock import ManualClock
from streams.errors import BrokerUnavailableError
from streams.schemas.incidents import Audit, Command, Feedback
from streams.schemas.telemetry import Change
from streams.stage import Out
from tests.autoscaler.messages import anomalies, message, windows
from tests.autoscaler.test_concerns import flood, incident
from tests.autoscaler.test_decide import situation
from tests.autoscaler.world import at, pool_status, requests_table

TOKEN = "tg-0123456789"
NOW = ManualClock(at(12))


class Broker:
    """Takes what is published, or says that it is gone."""

    def __init__(self) -> None:
        self.out: list[Out] = []
        self.gone = False

    async def publish(self, out: Out) -> None:
        if self.gone:
            raise BrokerUnavailableError("127.0.0.1:9092", "connection refused")
        self.out.append(out)

    def values(self, kind: type) -> list[Any]:
        return [out.value for out in self.out if isinstance(out.value, kind)]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def view() -> View:
    view = View(shards=1)
    status = pool_status(10, min_replicas=1, max_replicas=4, desired=2, ready=2)
    view.feed(
        [
            message("pools", "local/codex", status),
            message("decisions", "local/codex", decide(situation(now_us=at(10), upper=9.0))),
            message("incidents", "INC-7", incident(users_hurt=True)),
            anomalies(flood()),
            *windows(requests_table(9, arrived=2, queued=3, in_flight=4), watermark_us=at(10)),
        ]
    )
    return view


def client_of(view: View, broker: Broker, *, token: str = "") -> httpx.AsyncClient:
    app = create_api(view, broker.publish, ApiSettings(token=SecretStr(token)), NOW)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://127.0.0.1:8088",
    )


@pytest.fixture
async def client(view: View, broker: Broker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(view, broker) as client:
        yield client


async def test_an_anomaly_is_explained(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/anomalies/a1/explain")

    assert answer.status_code == 200
    assert answer.json()["anomaly"] == "a1"
    assert answer.json()["sentences"] == ["rejected_per_s is 9"]


async def test_an_unknown_anomaly_is_not_explained(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/anomalies/none/explain")

    assert answer.status_code == 404
    assert "no anomaly 'none'" in answer.json()["detail"]


async def test_a_pool_is_flat_json_with_what_keda_reads(client: httpx.AsyncClient) -> None:
    pool = (await client.get("/v1/pools/codex")).json()

    assert (pool["desired_replicas"], pool["queue"], pool["missed"]) == (3, 3.0, 0)
    assert not any(isinstance(value, dict) for value in pool.values())


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("/v1/pools", ("pool", "codex"), id="pools"),
        pytest.param("/v1/decisions?pool=codex&limit=1", ("desired", 3), id="decisions"),
        pytest.param("/v1/incidents?state=open", ("id", "INC-7"), id="incidents"),
        pytest.param("/v1/anomalies?open_only=true", ("id", "a1"), id="anomalies"),
        pytest.param(
            "/v1/series?kind=pool&value=arrived_per_s&pool=codex", ("values", [2.0]), id="series"
        ),
    ],
)
async def test_lists(client: httpx.AsyncClient, path: str, found: tuple[str, object]) -> None:
    items = (await client.get(path)).json()["items"]

    assert [item[found[0]] for item in items] == [found[1]]


@pytest.mark.parametrize(
    "path", ["/v1/alerts", "/v1/changes", "/v1/quality", "/v1/pools/codex/replicas"]
)
async def test_lists_without_anything_are_empty(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).json() == {"items": []}


async def test_an_explanation_goes_step_by_step_and_repeats(client: httpx.AsyncClient) -> None:
    told = (await client.get("/v1/pools/codex/explain")).json()

    assert told["sentence"].startswith("p80 of the highest demand in the next 12 s is 9 slots")
    assert (told["desired"], told["desired_again"]) == (3, 3)
    assert told["inputs"]["slots"] == 4


async def test_health_says_how_far_behind_everything_is(client: httpx.AsyncClient) -> None:
    health = (await client.get("/v1/health")).json()

    assert health["status"] == "starting"
    assert {"stage": "plan", "shard": None, "state": "ok", "lag_s": 2.0} in health["stages"]


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        pytest.param("/v1/pools/nope", 404, "no pool 'nope'; there is codex", id="unknown-pool"),
        pytest.param("/v1/incidents/INC-0", 404, "no incident 'INC-0'", id="unknown-incident"),
        pytest.param("/v1/nothing", 404, "nothing is at /v1/nothing", id="unknown-path"),
        pytest.param("/v1/decisions?limit=0", 422, "query.limit", id="limit"),
        pytest.param("/v1/series?kind=pool&value=x", 422, "value must be a value", id="value"),
        pytest.param("/v1/pools/a%20b", 422, "path.pool", id="a-name-that-cannot-be"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem(
    client: httpx.AsyncClient, path: str, status: int, detail: str
) -> None:
    answer = await client.get(path)

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code == status
    assert detail in answer.json()["detail"]


async def test_a_name_of_several_clusters_must_be_made_clear(
    view: View, client: httpx.AsyncClient
) -> None:
    view.feed([message("pools", "edge/codex", pool_status(10, cluster="edge", desired=7))])

    assert (await client.get("/v1/pools/codex")).status_code == 409
    assert (await client.get("/v1/pools/codex?cluster=edge")).json()["desired_replicas"] == 7


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        pytest.param(
            "/v1/pools/codex/override",
            {"replicas": 4, "expires_in_s": 60},
            {"kind": "override", "replicas": 4, "expires_at_us": at(72)},
            id="override",
        ),
        pytest.param(
            "/v1/pools/codex/hold", None, {"kind": "hold", "expires_at_us": None}, id="hold"
        ),
        pytest.param("/v1/pools/codex/release", None, {"kind": "release"}, id="release"),
        pytest.param(
            "/v1/pools/codex/limits",
            {"min_replicas": 2},
            {"kind": "limits", "min_replicas": 2, "max_replicas": None},
            id="limits",
        ),
        pytest.param(
            "/v1/pools/codex/ladder",
            {"ladder": "floor", "actor": "ann"},
            {"kind": "ladder", "ladder": "floor", "actor": "ann"},
            id="ladder",
        ),
        pytest.param(
            "/v1/incidents/INC-7/resolve",
            {"reason": "false alarm"},
            {"kind": "resolve", "incident": "INC-7", "reason": "false alarm"},
            id="resolve",
        ),
    ],
)
async def test_what_is_asked_for_is_published_as_a_command(
    client: httpx.AsyncClient, broker: Broker, path: str, body: Any, expected: dict[str, Any]
) -> None:
    answer = await client.post(path, json=body)
    command = broker.values(Command)[0]

    assert answer.status_code == 202
    assert {name: getattr(command, name) for name in expected} == expected
    assert [out.topic for out in broker.out] == ["audit", "commands"]


async def test_feedback_goes_to_its_topic(client: httpx.AsyncClient, broker: Broker) -> None:
    await client.post("/v1/anomalies/a1/feedback", json={"verdict": "wrong"})

    assert [(one.anomaly, one.verdict) for one in broker.values(Feedback)] == [("a1", "wrong")]


async def test_and_detectors_are_told_as_of_any_change(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    await client.post("/v1/anomalies/a1/feedback", json={"verdict": "withdrawn", "actor": "ann"})

    (change,) = broker.values(Change)
    assert change.summary.startswith("ann took back what was said of a1: ")
    assert change.attributes.keys() == {
        "anomaly", "verdict", "series_id", "feature", "peak_score",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v1/pools/codex/override", {"replicas": 9}, 422, id="beyond-the-bounds"),
        pytest.param("/v1/pools/codex/limits", {"max_replicas": 0}, 422, id="below-the-bounds"),
        pytest.param("/v1/pools/nope/hold", None, 404, id="unknown-pool"),
        pytest.param("/v1/incidents/INC-0/resolve", None, 404, id="unknown-incident"),
        pytest.param("/v1/anomalies/a0/feedback", {"verdict": "right"}, 404, id="unknown-anomaly"),
        pytest.param("/v1/pools/codex/override", {"replicas": "x"}, 422, id="wrong-type"),
        pytest.param("/v1/pools/codex/override", {"replicas": 2, "x": 1}, 422, id="misspelt"),
        pytest.param(
            "/v1/pools/codex/limits",
            {"min_replicas": 3, "max_replicas": 2},
            422,
            id="contradiction",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_and_not_published(
    client: httpx.AsyncClient, broker: Broker, path: str, body: Any, status: int
) -> None:
    assert (await client.post(path, json=body)).status_code == status
    assert broker.values(Command) == broker.values(Feedback) == []


async def test_a_refusal_is_on_record(client: httpx.AsyncClient, broker: Broker) -> None:
    await client.post("/v1/pools/codex/override", json={"replicas": 9, "actor": "ann"})

    assert [(one.actor, one.status) for one in broker.values(Audit)] == [("ann", 422)]


async def test_what_was_sent_does_not_come_back_in_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/pools/codex/override", json={"replicas": "tg-secret"})

    assert "tg-secret" not in answer.text


async def test_the_same_key_again_changes_nothing(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    first, second = [
        await client.post(
            "/v1/pools/codex/override", json={"replicas": 4}, headers={"Idempotency-Key": "k1"}
        )
        for _ in range(2)
    ]

    assert first.json() == second.json()
    assert [one.id for one in broker.values(Command)] == ["override:local/codex:k1"]


async def test_the_same_key_for_something_else_is_refused(client: httpx.AsyncClient) -> None:
    statuses = [
        (
            await client.post(
                "/v1/pools/codex/override",
                json={"replicas": replicas},
                headers={"Idempotency-Key": "k1"},
            )
        ).status_code
        for replicas in (3, 4)
    ]

    assert statuses == [202, 422]


@pytest.mark.parametrize(("replicas", "status"), [(3, 202), (4, 422)])
async def test_an_api_started_anew_knows_keys_from_the_log(
    client: httpx.AsyncClient, broker: Broker, view: View, replicas: int, status: int
) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await client.post("/v1/pools/codex/override", json={"replicas": 3}, headers=key)
    (command,) = broker.values(Command)
    view.feed([message("commands", command.id, command)])
    async with client_of(view, broker) as anew:
        body = {"replicas": replicas}
        again = await anew.post("/v1/pools/codex/override", json=body, headers=key)

    assert again.status_code == status
    assert (again.json() == first.json()) == (status == 202)
    assert len(broker.values(Command)) == 1


async def test_before_it_has_read_the_log_it_promises_nothing_for_a_key(
    client: httpx.AsyncClient, broker: Broker, view: View
) -> None:
    view.catching_up = True
    body = {"replicas": 3}
    statuses = [
        (await client.post("/v1/pools/codex/override", json=body, headers=headers)).status_code
        for headers in ({"Idempotency-Key": "k1"}, {})
    ]

    assert statuses == [503, 202]


async def test_without_a_broker_nothing_is_accepted(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    broker.gone = True
    answer = await client.post("/v1/pools/codex/hold")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), (TOKEN, 200)])
async def test_the_door_is_shut_without_the_token(
    view: View, broker: Broker, token: str, status: int
) -> None:
    async with client_of(view, broker, token=TOKEN) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        statuses = {(await client.get(path)).status_code for path in ("/v1/pools", "/openapi.json")}

    assert statuses == {status}


async def test_bodies_that_tell_no_length_are_cut_off(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 10_000

    assert (await client.post("/v1/pools/codex/hold", content=endless())).status_code == 413


@pytest.mark.parametrize("path", ["/v1/pools", "/v1/nothing"])
async def test_answers_carry_security_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers


async def test_an_error_of_ours_tells_nothing(
    view: View, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(view, "pools", broken)
    async with client_of(view, broker) as client:
        answer = await client.get("/v1/pools")

    assert (answer.status_code, "hunter2" in answer.text) == (500, False)


async def test_the_description_resolves_and_matches_the_answers(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()
    schema = {
        "$ref": "#/components/schemas/PoolSummary",
        "components": description["components"],
    }

    jsonschema.validate((await client.get("/v1/pools/codex")).json(), schema)
    assert refs_of(description) <= {
        f"#/components/schemas/{name}" for name in description["components"]["schemas"]
    }


def refs_of(part: Any) -> set[str]:
    match part:
        case dict():
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*(refs_of(one) for one in part.values()))
        case list():
            return set().union(*(refs_of(one) for one in part))
        case _:
            return set()
