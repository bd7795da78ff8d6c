"""The client as a whole: settings, threads, forks, exit."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tidegate_client import Client, InvalidSettingError
from tidegate_client.settings import read_settings

from tests.clients.telling import Told
from tests.clients.world import Bench, Broker, world
from tests.services.base import free_port


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"broker": "moon"}, "broker must be host:port", id="no-port"),
        pytest.param({"linger_s": 0}, "linger_s must be from 0.01", id="no-linger"),
        pytest.param({"buffer_records": 10}, "at least batch_records, got 10", id="small-buffer"),
        pytest.param({"security": "tls"}, "security must be one of", id="security"),
        pytest.param({"security": "sasl_ssl"}, "username must be given", id="no-user"),
        pytest.param({"ca_file": "/no/such"}, "ca_file must be a file", id="no-authority"),
        pytest.param({"colour": "blue"}, "argument must be one of", id="unknown"),
        pytest.param({"kafka": {"colour": 1}}, "kafka option must be", id="unknown-to-kafka"),
        pytest.param({"spool_dir": "/proc/spool"}, "spool_dir must be a folder", id="no-folder"),
        pytest.param({"compression": "snappy"}, "pip install", id="no-package"),
    ],
)
def test_wrong_settings_are_said_at_once(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettingError, match=said):
        Client(**settings)


def test_settings_come_from_the_environment_and_arguments_win() -> None:
    environ = {"TIDEGATE_CLIENT_BROKER": "kafka://a:1, b:2", "TIDEGATE_CLIENT_LINGER_S": "0.5"}
    settings = read_settings(environ, {"linger_s": 1.0, "password": "open-sesame"})
    assert (settings.broker, settings.linger_s) == ("a:1,b:2", 1.0)
    assert "sesame" not in repr(settings)


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"TIDEGATE_CLIENT_BROKR": "a:1"}, id="misspelt"),
        pytest.param({"TIDEGATE_CLIENT_LINGER_S": "soon"}, id="no-number"),
    ],
)
def test_so_do_mistakes(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidSettingError, match=next(iter(environ))):
        read_settings(environ, {})


def test_no_thread_begins_before_the_first_record() -> None:
    before = threading.active_count()
    Client(world=world(Broker())).close()
    assert threading.active_count() == before


def test_many_threads_and_nothing_is_miscounted() -> None:
    told = Told(buffer_records=1_000)

    def talk() -> None:
        for _ in range(500):
            told.client.request(pool="chat").finished()

    threads = [threading.Thread(target=talk) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.client.close(10.0)

    counters = told.client.counters
    assert counters.emitted == 8_000
    assert counters.sent + sum(counters.dropped.values()) == 8_000
    assert counters.sent == sum(frame.records for frame in told.broker.taken)


def test_closing_twice_is_once_and_what_comes_after_is_counted() -> None:
    told = Told()
    told.client.request(pool="chat")
    assert told.client.close(5.0)
    assert told.client.close(5.0)
    told.client.request(pool="chat")
    assert told.client.counters.dropped == {"closed": 1}


async def test_closing_does_not_block_the_loop() -> None:
    told = Told()
    told.client.request(pool="chat")
    assert await told.client.aclose(5.0)


def test_a_dead_broker_never_makes_a_request_wait_or_fail(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client(broker=f"127.0.0.1:{free_port()}", buffer_records=500)
    for _ in range(5_000):
        client.request(pool="chat").finished()
    client.close(0.0)

    counters = client.counters
    assert counters.emitted == sum(counters.dropped.values()) == 10_000
    assert len([m for m in caplog.messages if "cannot send telemetry" in m]) <= 1


def program(*argv: str) -> "subprocess.CompletedProcess[str]":
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / "clients/python")])
    return subprocess.run(
        [sys.executable, "-m", "tests.clients.processes", *argv],
        env={**os.environ, "PYTHONPATH": path}, cwd=root,
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip


def test_a_fork_has_a_boot_a_buffer_and_a_thread_of_its_own() -> None:
    child, parent = map(json.loads, program("forked").stdout.splitlines())
    assert child == {"child": {"boot-2": 3}, "abandoned": True}
    assert parent == {"parent": {"boot-1": 2}}


def test_at_exit_what_cannot_be_sent_is_spooled(tmp_path: Path) -> None:
    began = time.monotonic()
    program("exiting", f"127.0.0.1:{free_port()}", str(tmp_path))
    assert time.monotonic() - began < 20

    broker = Broker()
    found = Bench(broker, spool=tmp_path)
    found.step()
    assert [frame.records for frame in broker.taken] == [7]
