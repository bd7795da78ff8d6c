"""Columns of each known trace, as their publishers name them, become rows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.errors import InvalidParameterError
from streams.sources.files.kinds import KINDS, named, recognised, rows
from streams.sources.files.row import BadLine, Row

AZURE = {
    "TIMESTAMP": "2023-11-16 18:17:03.9799600",
    "ContextTokens": "4808",
    "GeneratedTokens": "10",
}
AZURE_2024 = AZURE | {"TIMESTAMP": "2024-05-10 00:00:00.009930+00:00"}
BURST = {
    "Timestamp": "5",
    "Model": "ChatGPT",
    "Request tokens": "472",
    "Response tokens": "18",
    "Total tokens": "490",
    "Log Type": "Conversation log",
}
BURST_3 = BURST | {"Session ID": "7", "Elapsed time": "1.5"}


@pytest.mark.parametrize(
    ("values", "kind", "row"),
    [
        (AZURE, "azure", {"at_s": 1700158623.97996, "prompt_tokens": 4808, "output_tokens": 10}),
        (
            AZURE_2024,
            "azure",
            {"at_s": 1715299200.00993} | {"prompt_tokens": 4808, "output_tokens": 10},
        ),
        (
            BURST,
            "burstgpt",
            {"at_s": 5, "prompt_tokens": 472, "output_tokens": 18}
            | {"model": "ChatGPT", "route": "Conversation log"},
        ),
        (
            BURST_3 | {"Response tokens": "0"},
            "burstgpt",
            {"at_s": 5, "prompt_tokens": 472, "duration_s": 1.5, "failed": True}
            | {"model": "ChatGPT", "route": "Conversation log"},
        ),
        (
            {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46]},
            "mooncake",
            {"at_s": 27.482, "prompt_tokens": 6955, "output_tokens": 52},
        ),
        (
            {"request_id": "1", "timestamp": "0.25", "input_tokens": "9.0", "output_tokens": "3"},
            "servegen",
            {"at_s": 0.25, "prompt_tokens": 9, "output_tokens": 3},
        ),
        (
            {"at": datetime(2026, 1, 1, tzinfo=UTC), "tenant": "acme", "prompt_tokens": None},
            "columns",
            {"at_s": 1767225600, "tenant": "acme"},
        ),
    ],
)
def test_a_kind_is_seen_by_its_columns(
    values: Mapping[str, Any], kind: str, row: dict[str, Any]
) -> None:
    assert recognised(values) == kind
    assert list(rows([(9, values)], KINDS[kind])) == [Row(line=9, **row)]


@pytest.mark.parametrize(
    ("but", "reason"),
    [
        ({"ContextTokens": "many"}, "ContextTokens: could not convert string to float: 'many'"),
        ({"ContextTokens": "-1"}, "ContextTokens: must be from 0 to 1,000,000,000, got -1"),
        ({"ContextTokens": "nan"}, "ContextTokens: must be from 0 to 1,000,000,000, got nan"),
        ({"TIMESTAMP": ""}, "TIMESTAMP is missing"),
        ({"TIMESTAMP": "yesterday"}, "TIMESTAMP: Invalid isoformat string: 'yesterday'"),
        ({"TIMESTAMP": "inf"}, "TIMESTAMP: must be an instant from 1970 to 2100, got inf"),
        ({"TIMESTAMP": 10**400}, "TIMESTAMP: int too large to convert to float"),
        ({"ContextTokens": 10**400}, "ContextTokens: int too large to convert to float"),
    ],
)
def test_a_line_that_is_no_request_says_why(but: dict[str, Any], reason: str) -> None:
    assert list(rows([(9, AZURE | but)], KINDS["azure"])) == [BadLine(9, reason)]


@pytest.mark.parametrize("instant", [1767225600, 1767225600e3, 1767225600e6, 1767225600e9])
def test_numbers_since_the_epoch_tell_their_unit_by_their_size(instant: float) -> None:
    (row,) = rows([(1, {"ts": instant})], named({"at": "ts"}, ["ts"]))

    assert row == Row(line=1, at_s=1767225600)


@pytest.mark.parametrize("value", [["x"], {"a": 1}])
@pytest.mark.parametrize("column", ["TIMESTAMP", "ContextTokens"])
def test_a_value_of_another_shape_is_a_bad_line(column: str, value: object) -> None:
    assert isinstance(next(rows([(9, AZURE | {column: value})], KINDS["azure"])), BadLine)


def test_unknown_columns_are_named_with_what_would_help() -> None:
    with pytest.raises(InvalidParameterError, match=r"azure \(TIMESTAMP, .*--columns.*got 'a, b'"):
        recognised(["a", "b"])
    with pytest.raises(InvalidParameterError, match=r"among those there: a, b, got \['c'\]"):
        named({"at": "a", "prompt_tokens": "c"}, ["a", "b"])
    with pytest.raises(InvalidParameterError, match=r"got \['tokens'\]"):
        named({"at": "a", "tokens": "b"}, ["a", "b"])
