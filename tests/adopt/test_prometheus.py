"""docs/adopt/prometheus.md, typed, with a real Prometheus."""

from pathlib import Path

from tests.adopt.page import Page, run
from tests.looked_at import ROOT, scraping
from tests.services import dcgm_page
from tests.services.engine_pages import EnginePage

SCRAPES = 12
SOON = "8"


def test_a_look_through_a_prometheus_knows_its_past(tmp_path: Path) -> None:
    (command,) = Page("prometheus").commands()
    with EnginePage() as one, EnginePage() as two, EnginePage(inter_token_s=0.12) as slow:
        targets = {"vllm": [page.netloc for page in (one, two, slow)]}
        with scraping(tmp_path / "prometheus", targets, scrapes=SCRAPES) as prometheus:
            typed = command.replace("prometheus:9090", f"127.0.0.1:{prometheus.port}")
            done = run(typed, tmp_path, PYTHONPATH=str(ROOT), TIDEGATE_WATCH__FIRST_VERDICT_S=SOON)

    assert done.returncode == 3, done.stderr
    understood, verdict = done.stdout.splitlines()
    assert f"{prometheus.url}: Prometheus 2." in understood
    assert "with 3 vLLM replicas in 1 pool (Tide-7B: 3); it scrapes them every 1 s" in understood
    assert f"pool Tide-7B: {slow.netloc} is slow since" in verdict
    assert "times the 0.03 s of its fellows" in verdict


def test_gpus_that_a_prometheus_scrapes_are_looked_at_too(tmp_path: Path) -> None:
    (command,) = Page("prometheus").commands()
    with EnginePage() as engine, EnginePage() as exporter:
        exporter.body = dcgm_page.page("GPU-a", "GPU-b").encode()
        targets = {"vllm": [engine.netloc], "dcgm": [exporter.netloc]}
        with scraping(tmp_path / "prometheus", targets, scrapes=SCRAPES) as prometheus:
            typed = command.replace("prometheus:9090", f"127.0.0.1:{prometheus.port}")
            done = run(typed, tmp_path, PYTHONPATH=str(ROOT), TIDEGATE_WATCH__FIRST_VERDICT_S=SOON)

    assert done.returncode == 0, done.stdout + done.stderr
    understood, verdict = done.stdout.splitlines()
    assert "with 1 vLLM replica in 1 pool (Tide-7B: 1) and 2 GPUs of 1 target" in understood
    assert "nothing wrong: Tide-7B: 1 replica answers" in verdict
    assert verdict.endswith("2 GPUs on 1 node: 63 % busy, 84 of 168 GB in use, 61 °C at most")
