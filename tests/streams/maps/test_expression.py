import pytest

from streams.errors import InvalidParameterError
from streams.maps.expression import MISSING, Expression
from streams.maps.settings import MapSettings
from streams.maps.units import reader

DOCUMENT = {
    "model": {"name": "codex", "a.b": 1},
    "choices": [{"text": "x"}],
    "status": 503,
    "ok": True,
    "nothing": None,
}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("model.name", "codex", id="names-after-dots"),
        pytest.param('model."a.b"', 1, id="a-name-with-a-dot-in-quotes"),
        pytest.param("choices.0.text", "x", id="places-in-a-list"),
        pytest.param("choices.1.text", MISSING, id="beyond-a-list"),
        pytest.param("model.name.deeper", MISSING, id="beyond-a-text"),
        pytest.param("nothing", MISSING, id="null-is-nothing"),
        pytest.param("nothing|else some", "some", id="what-stands-in-for-it"),
        pytest.param("=finished", "finished", id="a-constant"),
    ],
)
def test_the_short_form_finds(source: str, found: object) -> None:
    assert Expression.parse("tenant", source).find(DOCUMENT) == found


@pytest.mark.parametrize("source", ["", "a..b", ".a", "a.", 'a"b', ".".join("a" * 17)])
def test_what_is_no_path_is_not_taken(source: str) -> None:
    with pytest.raises(InvalidParameterError, match="path of tenant must be"):
        Expression.parse("tenant", source)


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (200, "finished"),
        ("200", "finished"),
        (503, "failed"),
        (429, "rejected"),
        (302, "cancelled"),
    ],
)
def test_a_table_of_values(status: object, event: str) -> None:
    settings = MapSettings.model_validate(
        {
            "topic": "t",
            "fields": {
                "at": "=0",
                "pool": "=p",
                "event": {
                    "path": "status",
                    "values": {200: "finished", 429: "rejected", "5xx": "failed"},
                    "else": "cancelled",
                },
            },
        }
    )

    record = settings.mapping().of({"status": status})

    assert getattr(record, "kind", record) == ("finished" if event == "failed" else event)
    assert getattr(record, "status", 0) == (500 if event == "failed" else 0)


@pytest.mark.parametrize(
    ("field", "unit", "value", "ours"),
    [
        ("at_us", "s", 1.5, 1_500_000),
        ("at_us", "ms", 1_700_000_000_123, 1_700_000_000_123_000),
        ("at_us", "ns", "1700000000123456789", 1_700_000_000_123_456),
        ("at_us", "iso", "1970-01-01T01:00:00+01:00", 0),
        ("duration_s", "ms", "250", 0.25),
        ("duration_s", "", 2, 2),
        ("rss_bytes", "MiB", 2, 2_097_152),
        ("kv_use_ratio", "%", 50, 0.5),
        ("up", "", True, 1),
    ],
)
def test_units(field: str, unit: str, value: object, ours: float) -> None:
    assert reader(field, unit)(value) == pytest.approx(ours, abs=1e-12)
