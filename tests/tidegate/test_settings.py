import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from streams.errors import InvalidParameterError
from tidegate.demo.plan import Ports, demo_settings
from tidegate.settings import Settings, load_settings
from tidegate.settings_file import write_settings


def test_the_defaults_touch_nothing_and_bind_to_loopback() -> None:
    settings = load_settings({})

    assert settings.scaling.dry_run
    assert settings.scaling.ladder == "shadow"
    assert {settings.api.host, settings.backend.gateway.host} == {"127.0.0.1"}


def test_a_misspelt_variable_is_named() -> None:
    with pytest.raises(InvalidParameterError, match="TIDEGATE_SCALLING__DRY_RUN"):
        load_settings({"TIDEGATE_SCALLING__DRY_RUN": "false"})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"api": {"host": "0.0.0.0"}}, "api.token", id="api-beyond-loopback"),
        pytest.param(
            {"backend": {"gateway": {"host": "::", "allow_anonymous": True}}},
            "gateway.keys",
            id="gateway-beyond-loopback",
        ),
        pytest.param(
            {"stream": {"topics": {"block_bytes": 900_000, "max_message_bytes": 100_000}}},
            "block_bytes must not exceed",
            id="blocks-larger-than-messages",
        ),
        pytest.param({"scaling": {"target_ratio": 0}}, "target_ratio", id="no-target"),
        pytest.param({"scaling": {"lader": "full"}}, "lader", id="misspelt-in-the-file"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings(**wrong)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{")

    with pytest.raises(InvalidParameterError, match=r"broken\.json"):
        load_settings({"TIDEGATE_CONFIG": str(path)})


def test_settings_survive_their_file_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    settings = Settings(
        detection={
            "detectors": [
                {"kind": "limit", "series": "gpu", "values": ["xid_max"], "with": {"upper": 0}}
            ],
            "channels": [
                {"name": "ops", "url": "https://example.org", "secret": SecretStr("whsec_x")}
            ],
        }
    )
    path = tmp_path / "settings.json"

    write_settings(settings, path)

    assert load_settings({"TIDEGATE_CONFIG": str(path)}) == settings
    assert path.stat().st_mode & 0o777 == 0o600


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_API__TOKEN", "hush")
    settings = load_settings()

    assert settings.api.token.get_secret_value() == "hush"
    assert "hush" not in repr(settings) + json.dumps(settings.model_dump(mode="json"))


def test_the_demo_keeps_its_own_settings_beside_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIDEGATE_STREAM__SINKS__INFLUX__URL", "http://127.0.0.1:8086")
    ports = Ports(broker=1, gateway=2, api=3, webhook=4)

    made = demo_settings(
        load_settings(), ports=ports, folder=tmp_path, model_path="m", cap_tokens_per_s=5.0,
        broker="kafka://127.0.0.1:19092",
    ).settings  # fmt: skip

    assert made.stream.broker.url == "kafka://127.0.0.1:19092"
    assert made.stream.sinks.influx.url == "http://127.0.0.1:8086"
    assert made.stream.topics.shards == 2
