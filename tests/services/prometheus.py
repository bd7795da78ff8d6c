"""A real Prometheus, from Debian's package: unpacked, not installed."""

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.services.base import Service, answers, cache_dir, free_port
from tests.services.debian import unpacked

_SCRAPES = """global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs: {jobs}
"""


class Prometheus(Service):
    """One server that scrapes what it is told to."""

    size = "about 20 MB download, 100 MB on disk"

    @classmethod
    def prepare(cls) -> Path:
        return unpacked("prometheus", "prometheus", cache_dir() / "prometheus", cls.size)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.binary = self.prepare()
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(
        self, targets: Mapping[str, Sequence[str]], *, scrapes: int = 1, flags: Sequence[str] = ()
    ) -> None:
        """Returns when each was scraped ``scrapes`` times, once a second.

        targets: job -> host:port of its instances.
        """
        jobs = [
            {"job_name": job, "static_configs": [{"targets": list(instances)}]}
            for job, instances in targets.items()
        ]
        config = self.folder / "prometheus.yml"
        config.write_text(_SCRAPES.format(jobs=json.dumps(jobs)))
        argv = [
            str(self.binary),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *flags,
        ]
        enough = f"count_over_time(up[1h]) >= {scrapes}"
        count = sum(map(len, targets.values()))
        self.spawn(
            argv, lambda: answers(f"{self.url}/-/ready") and len(self.query(enough)) >= count
        )

    def query(self, text: str) -> list[Any]:
        """The result of an instant query."""
        where = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': text})}"
        with urllib.request.urlopen(where, timeout=10) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
            return result
