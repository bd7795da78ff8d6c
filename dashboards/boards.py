"""Grafana's dashboards: no input, their JSON out. ``python -m dashboards.boards`` writes it."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.panels import (
    DATASOURCE,
    POOLS,
    Built,
    Query,
    Target,
    figure,
    lines,
    listed,
    one_number,
    over_time,
    records,
    select,
    summed,
)

JSON: Final = Path(__file__).parent / "json"
_REPLICA: Final = ("replica",)
_GPU: Final = ("node", "gpu_uuid")


def render() -> dict[str, str]:
    """File name -> JSON, the same bytes every time."""
    boards = {"tidegate-overview.json": overview()}
    return {
        name: JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"
        for name, board in boards.items()
    }


def overview() -> Any:
    """The live page's story for Grafana: demand, replicas, latency, incidents, GPUs."""
    board = (
        build.Dashboard("Tidegate overview")
        .uid("tidegate-overview")
        .description("What is wrong, where, since when, and what the scaler did about it.")
        .tags(["tidegate"])
        .refresh("5s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            build.QueryVariable("pool")
            .label("pool")
            .datasource(DATASOURCE)
            .query('SHOW TAG VALUES FROM "pool" WITH KEY = "pool"')
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .multi(True)
            .current(models.VariableOption(selected=True, text="All", value="$__all"))
        )
    )
    for name, colour, measurement in (
        ("incidents", "red", "incident"),
        ("anomalies", "orange", "anomaly"),
        ("changes", "blue", "change"),
    ):
        board = board.annotation(_events(name, colour, measurement))
    ids = itertools.count(1)
    for title, panels in _rows().items():
        board = board.with_row(build.Row(title).id(next(ids)))
        for panel in panels:
            board = board.with_panel(panel.id(next(ids)))
    return board


def _rows() -> Mapping[str, list[Any]]:
    return {
        "Now": _now(),
        "Demand and replicas": _demand(),
        "What users feel": _users(),
        "Replicas": _replicas(),
        "GPUs": _gpus(),
        "What happened and why": _story(),
        "Data": _data(),
    }


def _now() -> list[Any]:
    still_open = f'"open" = true AND {POOLS}'
    return [
        figure("Open incidents", "short", one_number("incident", "id", "count", still_open)),
        figure("Replicas ready", "short", over_time("pool", "ready", "last")),
        figure("Replicas wanted", "short", over_time("pool", "desired", "last")),
        figure("Requests", "reqps", summed("window_request", "arrived_per_s")),
        figure(
            "Missed",
            "short",
            one_number("decision", "missed", "sum"),
            about="Requests that waited longer than the SLO, failed, were shed or given up.",
        ),
        figure(
            "Missed by a reactive policy",
            "short",
            one_number("decision", "reactive_missed", "sum"),
            about="The same under a policy that acts on what is already there, from a model.",
        ),
    ]


def _demand() -> list[Any]:
    return [
        lines(
            "Demand and capacity",
            "short",
            over_time("decision", "demand", alias="$tag_pool demand"),
            over_time("decision", "capacity", alias="$tag_pool capacity"),
            over_time("decision", "forecast_low", alias="$tag_pool forecast, low"),
            over_time("decision", "forecast_high", alias="$tag_pool forecast, high"),
            about="In slots. The forecast speaks of the time at which a replica would be ready.",
        ),
        lines(
            "Replicas",
            "short",
            over_time("pool", "desired", "last", alias="$tag_pool wanted"),
            over_time("pool", "ready", "last", alias="$tag_pool ready"),
            over_time("pool", "starting", "last", alias="$tag_pool starting"),
            over_time("decision", "reactive", "last", alias="$tag_pool if reactive"),
        ),
        lines("Waiting in the gateway", "short", summed("window_request", "queued_mean")),
        lines("In flight", "short", summed("window_request", "in_flight_mean")),
    ]


def _users() -> list[Any]:
    return [
        _latency("Time to first token, p95", "ttft_s_p95"),
        _latency("Time between tokens, p95", "inter_token_s_p95"),
        _latency("Time to the end, p95", "duration_s_p95"),
        lines("Errors", "percentunit", over_time("window_request", "error_ratio", "max")),
        lines("Tokens", "short", summed("window_request", "output_tokens_per_s")),
        lines(
            "Refused and given up",
            "reqps",
            summed("window_request", "rejected_per_s", alias="$tag_pool refused"),
            summed("window_request", "cancelled_per_s", alias="$tag_pool given up"),
        ),
    ]


def _latency(title: str, field: str) -> Any:
    """With what was expected while it was anomalous."""
    blamed = f"\"feature\" = 'request.{field}' AND {POOLS}"
    return lines(
        title,
        "s",
        over_time("window_request", field, "max"),
        over_time("anomaly", "expected", where=blamed, alias="$tag_pool expected"),
        over_time("anomaly", "actual", "max", where=blamed, alias="$tag_pool anomalous"),
    )


def _replicas() -> list[Any]:
    def each(title: str, unit: str, field: str, how: str = "mean") -> Any:
        return lines(title, unit, over_time("window_engine", field, how, by=_REPLICA))

    return [
        each("Tokens", "short", "output_tokens_per_s"),
        each("In flight", "short", "in_flight_mean"),
        each("Longest wait for a byte", "s", "stalled_s_max", "max"),
        each("CPU", "short", "cpu_ratio_mean"),
    ]


def _gpus() -> list[Any]:
    def gpu(title: str, unit: str, field: str, how: str = "mean") -> Any:
        query = over_time("window_gpu", field, how, by=_GPU, where="")
        return lines(title, unit, query, span=8)

    return [
        gpu("Use", "percentunit", "util_ratio_mean"),
        gpu("Memory", "bytes", "memory_used_bytes_max", "max"),
        gpu("Power", "watt", "power_w_mean"),
        gpu("Temperature", "celsius", "temperature_c_max", "max"),
        gpu("SM clock, MHz", "short", "sm_clock_mhz_mean"),
        gpu("Uncorrected ECC errors", "short", "ecc_uncorrected_max", "max"),
        gpu("Held without work", "s", "held_idle_s_max", "max"),
        gpu("Tensor cores", "percentunit", "tensor_active_ratio_mean"),
        gpu("PCIe", "Bps", "pcie_bytes_per_s_mean"),
        gpu("NVLink", "Bps", "nvlink_bytes_per_s_mean"),
        gpu("Video encoder", "percentunit", "encoder_util_ratio_mean"),
        gpu("What the driver asks for", "short", "recovery_action_max", "max"),
    ]


def _story() -> list[Any]:
    return [
        records(
            "Incidents",
            listed("incident", "state", "severity", "title", "cause_sentence", "users_hurt"),
        ),
        records(
            "Decisions",
            listed("decision", "current", "desired", "reason", "guards", "ladder", "dry_run"),
        ),
        records("Anomalies", listed("anomaly", "title", "peak_score", "detector", "open")),
    ]


def _data() -> list[Any]:
    def source(title: str, unit: str, field: str, how: str) -> Any:
        query = over_time("quality", field, how, by=("source",), where="")
        return lines(title, unit, query, span=8)

    def sender(title: str, unit: str, field: str, how: str, floor: float | None = 0) -> Any:
        query = over_time("origin", field, how, by=("source", "origin"), where="")
        return lines(title, unit, query, span=8, floor=floor)

    return [
        source("Records", "short", "records", "sum"),
        source("Late", "short", "late", "sum"),
        source("Behind", "s", "behind_s", "max"),
        sender("Clocks: behind by at least", "s", "least_behind_s", "min", floor=None),
        sender("Values out of the ordinary", "short", "doubtful", "sum"),
        sender("Frames lost on the way", "short", "lost_frames", "sum"),
        sender("Late by sender", "short", "late", "sum"),
        sender("Set aside by sender", "short", "dead", "sum"),
        sender("Frames that came again", "short", "repeated_frames", "sum"),
    ]


def _events(name: str, colour: str, measurement: str) -> Any:
    """Marks with text; those that last are shaded."""
    ends = "" if measurement == "change" else ', "end_ms"'
    query = select(f'"title", "pool"{ends}', f'"{measurement}"', POOLS)
    columns = {
        "textColumn": "title",
        "tagsColumn": "pool",
        "timeEndColumn": "end_ms" if ends else "",
    }
    target = Target(Query(influxql=query, form="table"), "Anno", fromAnnotations=True, **columns)
    annotation = build.AnnotationQuery().name(name).enable(True).icon_color(colour)
    return annotation.datasource(DATASOURCE).target(Built(target))


def main() -> None:
    for name, text in render().items():
        (JSON / name).write_text(text)


if __name__ == "__main__":
    main()
