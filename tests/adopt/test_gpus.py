"""docs/adopt/gpus.md: what a machine without GPUs says, and what a dcgm-exporter's page becomes."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.adopt.page import Page, run

ROOT = str(Path(__file__).parents[2])
LABELS = (
    'gpu="0",UUID="GPU-a",device="nvidia0",modelName="NVIDIA H100",Hostname="n1",'
    'container="main",namespace="ml",pod="chat-0"'
)
VALUES = {"GPU_UTIL": 63, "FB_USED": 40_000, "FB_FREE": 40_000, "POWER_USAGE": 512}
PAGE = "".join(
    f"# TYPE DCGM_FI_DEV_{name} gauge\nDCGM_FI_DEV_{name}{{{LABELS}}} {value}\n"
    for name, value in VALUES.items()
)


class _Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = (PAGE if self.path == "/metrics" else "<html>moon</html>").encode()
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
    here, _ = Page("gpus").commands()
    done = run(here, tmp_path, PYTHONPATH=ROOT)

    assert "no GPU of NVIDIA: " in done.stdout or ": use " in done.stdout
    assert "no GPU of AMD: " in done.stdout or ": use " in done.stdout


def test_a_page_of_dcgm_exporter_is_read(tmp_path: Path, exporter: str) -> None:
    _, there = Page("gpus").commands()
    done = run(there.replace("http://127.0.0.1:9400", exporter), tmp_path, PYTHONPATH=ROOT)

    assert done.returncode == 0, done.stderr
    shown, missing = done.stdout.splitlines()
    assert shown == (
        "n1 GPU-a NVIDIA H100: use 63 %, memory 41.94 GB, power 512 W, held by ml/chat-0"
    )
    assert "temperature_c" in missing


def test_another_page_is_none(tmp_path: Path, exporter: str) -> None:
    done = run(f"tidegate gpus {exporter}/moon", tmp_path, PYTHONPATH=ROOT)

    assert (done.returncode, done.stdout) == (1, "the page has no DCGM_FI_… metric of a GPU\n")
