import pytest

from streams.series import SERIES_LABELS, routing_key, series_hex, series_id, shard_of

GPU = {"cluster": "eu", "zone": "a", "node_group": "g5", "node": "n1", "gpu_uuid": "GPU-1"}


def test_attributes_do_not_change_identity() -> None:
    assert series_id("gpu", GPU) == series_id("gpu", GPU | {"pool": "codex", "zone": "b"})


@pytest.mark.parametrize("name", SERIES_LABELS["gpu"])
def test_every_label_of_the_identity_counts(name: str) -> None:
    assert series_id("gpu", GPU) != series_id("gpu", GPU | {name: "another"})


def test_kinds_do_not_share_ids() -> None:
    labels = {"cluster": "eu", "pool": "codex"}

    assert series_id("engine", labels) != series_id("request", labels)


def test_labels_that_only_look_alike_differ() -> None:
    left = {"cluster": 'eu","pool":"x', "pool": ""}

    assert series_id("engine", left) != series_id("engine", {"cluster": "eu", "pool": "x"})


@pytest.mark.parametrize(
    ("series", "text"), [(0, "0" * 16), (-1, "f" * 16), (255, "0" * 14 + "ff")]
)
def test_ids_are_shown_as_sixteen_hex_digits(series: int, text: str) -> None:
    assert series_hex(series) == text


@pytest.mark.parametrize(
    ("kind", "labels", "key"),
    [
        pytest.param(
            "request", {"cluster": "eu", "pool": "codex", "tenant": "x"}, "eu/codex", id="request"
        ),
        pytest.param(
            "engine", {"cluster": "eu", "pool": "codex", "replica": "x"}, "eu/codex", id="engine"
        ),
        pytest.param("gpu", GPU, "eu/a/g5", id="gpu-by-node-group"),
        pytest.param("gpu", {"cluster": "eu", "node": "n1"}, "eu//n1", id="or-by-node"),
    ],
)
def test_fellows_have_one_routing_key(kind: str, labels: dict[str, str], key: str) -> None:
    assert routing_key(kind, labels) == key


def test_shards_never_move() -> None:
    assert [shard_of(f"local/{pool}", 16) for pool in ("codex", "sora", "")] == SHARDS


SHARDS = [6, 2, 5]
"""Stored: another result would scatter the state of a running system."""
