"""docs/adopt/prometheus.md, typed, with a real Prometheus."""

from pathlib import Path

from tests.adopt.page import Page, run
from tests.looked_at import ROOT, scraping
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
