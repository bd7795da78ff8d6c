"""`tidegate up` as its user runs it: on the embedded broker, and on Kafka with InfluxDB."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.services import Influx, Kafka
from tests.services.base import free_port

pytestmark = [pytest.mark.replicas, pytest.mark.slow]


def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "TIDEGATE_STATE": str(tmp_path / "state"),
        "TIDEGATE_API__PORT": str(free_port()),
        "TIDEGATE_BACKEND__GATEWAY__PORT": str(free_port()),
    }


def up(tmp_path: Path, *more: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run it to its end; the report."""
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", "up", "--report", str(report), *more],
        env=env or environment(tmp_path), capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    loaded: dict[str, Any] = json.loads(report.read_text())
    return loaded


def assert_whole(report: dict[str, Any]) -> None:
    assert report["silent_stages"] == []
    assert report["errors"] == []
    assert report["window_rows"]["request"] > 0
    assert report["window_rows"]["engine"] > 0
    raw = report["raw"]
    assert raw["accepted"] > 0
    assert raw["records"] == raw["accepted"] + raw["late"] + raw["far_future"] + raw["dead"]
    assert sum(report["clients"]["answered"].values()) > 0
    assert {d["pool"] for d in report["decisions"]} == {"codex", "sora"}


@pytest.mark.broker
def test_the_flow_is_whole_on_the_embedded_broker(tmp_path: Path) -> None:
    report = up(tmp_path, "--duration", "30", "--no-faults")

    assert_whole(report)
    assert report["delivery"] == "at_least_once"
    assert report["clients"]["failed"] == {}


@pytest.mark.kafka
@pytest.mark.influx
def test_the_flow_is_whole_on_kafka_and_its_results_are_in_influxdb(
    tmp_path: Path, kafka: Kafka, influx: Influx
) -> None:
    env = environment(tmp_path) | {
        "TIDEGATE_STREAM__SINKS__INFLUX__URL": influx.url,
        "TIDEGATE_STREAM__SINKS__INFLUX__TOKEN": influx.token,
        "TIDEGATE_STREAM__SINKS__INFLUX__BUCKET": f"{influx.database}/autogen",
    }

    report = up(tmp_path, "--duration", "30", "--no-faults", "--broker", kafka.url, env=env)

    assert_whole(report)
    assert report["delivery"] == "exactly_once"
    counted = json.loads(influx.query("SELECT COUNT(arrived_per_s) FROM window_request"))
    assert counted["results"][0]["series"][0]["values"][0][1] > 0


@pytest.mark.broker
async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate", "up",
        env=environment(tmp_path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    async for line in process.stdout:
        if b"starting 7 stages" in line:
            break
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGINT)
    rest = (await asyncio.wait_for(process.communicate(), 60))[0]

    assert process.returncode in {0, 130}
    assert b"Traceback" not in rest
    assert [c for c in children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE] == []
