"""What others need for the same pages: Prometheus itself, and the usual parser in Python."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from typing import Final

import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.scrape.pages import STORED

PAGES: Final = 50


def parser_s() -> float:
    """Seconds of CPU that `prometheus_client.parser` takes for one page."""
    text = STORED.read_text()
    began = time.process_time()
    for _ in range(PAGES):
        list(text_string_to_metric_families(text))
    return (time.process_time() - began) / PAGES


@contextmanager
def prometheus(binary: str, ports: Sequence[str], interval_s: int) -> Iterator[psutil.Process]:
    """A Prometheus that scrapes these targets; only it can say how often, not which lines."""
    with TemporaryDirectory() as folder:
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        config = Path(folder) / "prometheus.yml"
        config.write_text(
            f"global: {{scrape_interval: {interval_s}s, scrape_timeout: {interval_s}s}}\n"
            f"scrape_configs: [{{job_name: x, static_configs: [{{targets: [{targets}]}}]}}]\n"
        )
        argv = [binary, f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                "--web.listen-address=127.0.0.1:0"]  # fmt: skip
        process = Popen(argv, stdout=DEVNULL, stderr=DEVNULL)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()
            process.wait(10)
