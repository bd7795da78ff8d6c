"""docs/adopt/gpus.md: what a machine without GPUs says, and what a dcgm-exporter's page becomes."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streams.codec import decode_record
from streams.schemas.telemetry import GpuSample
from tests.adopt.doors import first
from tests.adopt.page import Page, run
from tests.services import dcgm_page
from tests.streams.toys import new_prefix, toy_settings

ROOT = str(Path(__file__).parents[2])
PAGE = dcgm_page.page("GPU-a")


class _Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = (PAGE if self.path == "/metrics" else "moon_phase 0.5\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def exporter() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Exporter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_machine_says_what_it_has_or_why_not(tmp_path: Path) -> None:
    here, *_ = Page("gpus").commands()
    done = run(here, tmp_path, PYTHONPATH=ROOT)

    assert "no GPU of NVIDIA: " in done.stdout or ": use " in done.stdout
    assert "no GPU of AMD: " in done.stdout or ": use " in done.stdout


def test_a_page_of_dcgm_exporter_is_read(tmp_path: Path, exporter: str) -> None:
    _, there, *_ = Page("gpus").commands()
    done = run(there.replace("http://127.0.0.1:9400", exporter), tmp_path, PYTHONPATH=ROOT)

    assert done.returncode == 0, done.stderr
    shown, missing = done.stdout.splitlines()
    assert shown == (
        "n1 GPU-a NVIDIA H100: use 63 %, memory 41.94 GB, power 512 W, temperature 61 °C, "
        "held by ml/chat-0"
    )
    assert "power_limit_w" in missing


def test_another_page_is_none(tmp_path: Path, exporter: str) -> None:
    done = run(f"tidegate gpus {exporter}/moon", tmp_path, PYTHONPATH=ROOT)

    assert done.returncode == 1
    assert done.stdout.startswith("the page has no metric of a GPU that we know (DCGM_FI_…")


def test_a_verdict_on_the_gpus_of_a_page(tmp_path: Path, exporter: str) -> None:
    _, _, look, *_ = Page("gpus").commands()
    done = run(
        look.replace("http://127.0.0.1:9400", exporter),
        tmp_path,
        PYTHONPATH=ROOT,
        TIDEGATE_WATCH__FIRST_VERDICT_S="5",
        TIDEGATE_STREAM__WINDOWS__GPU_INTERVAL_S="1",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(
        "nothing wrong: 1 GPU on 1 node: 63 % busy, 42 of 84 GB in use, 61 °C at most"
    )


@pytest.mark.broker
async def test_an_agent_reads_it_for_good(tmp_path: Path, exporter: str, broker_url: str) -> None:
    page, prefix = Page("gpus"), new_prefix()
    page.lay(tmp_path)
    config = tmp_path / "tidegate.json"
    text = config.read_text().replace("http://127.0.0.1:9400", exporter)
    config.write_text(text.replace("kafka://127.0.0.1:9092", broker_url))

    done = await asyncio.to_thread(
        lambda: run(
            page.commands()[-1], tmp_path, PYTHONPATH=ROOT, TIDEGATE_STREAM__TOPICS__PREFIX=prefix
        )
    )

    assert done.returncode == 0, done.stderr
    async with asyncio.timeout(20):
        settings = toy_settings(broker_url, prefix, "at_least_once")
        message = await first(settings, "gpu", lambda _: True)
    gpu = decode_record(message.value or b"", GpuSample)
    assert (gpu.node, gpu.gpu_uuid, gpu.util_ratio, gpu.owner) == ("n1", "GPU-a", 0.63, "ml/chat-0")
