import json
import re
from typing import Any

import pytest

from dashboards.boards import JSON, render
from dashboards.panels import figure, over_time
from streams.errors import InvalidParameterError
from streams.sinks.points import FIELDS
from tests.dashboards.queries import queries

QUOTED = re.compile(r'"([a-z_0-9]+)"')
TAGS = {"pool", "cluster", "replica", "node", "gpu_uuid", "source", "feature", "total"}


def boards() -> dict[str, Any]:
    return {name: json.loads(text) for name, text in render().items()}


def test_the_committed_json_is_what_the_code_renders() -> None:
    committed = {path.name: path.read_text() for path in JSON.glob("*.json")}
    assert committed == render(), "run python -m dashboards.boards"


def test_rendering_again_gives_the_same_bytes() -> None:
    assert render() == render()


def test_every_query_asks_for_what_the_sinks_write() -> None:
    for query in queries():
        measurement = re.findall(r'FROM "([a-z_]+)"', query)[-1]
        unknown = set(QUOTED.findall(query)) - set(FIELDS[measurement]) - TAGS - {measurement}
        assert not unknown, query


def test_a_field_that_nobody_writes_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="field of pool must be one of desired, ready"):
        over_time("pool", "redy")


def test_every_panel_has_a_title_a_place_and_a_query() -> None:
    panels = [one for board in boards().values() for one in board["panels"] if one["type"] != "row"]
    assert len({one["id"] for one in panels}) == len(panels) > 20
    assert all(one["title"] and one["gridPos"]["w"] and one["targets"] for one in panels)


def test_no_two_panels_lie_on_each_other() -> None:
    for board in boards().values():
        cells = [
            (x, y)
            for one in board["panels"]
            for x in range(one["gridPos"]["x"], one["gridPos"]["x"] + one["gridPos"]["w"])
            for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


def test_uids_never_change() -> None:
    assert {board["uid"] for board in boards().values()} == {"tidegate-overview"}


def test_a_panel_names_its_data_source() -> None:
    target = figure("t", "s", over_time("pool", "ready")).build().targets[0].to_json()
    assert target["datasource"] == {"type": "influxdb", "uid": "tidegate"}
