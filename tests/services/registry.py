"""A real Schema Registry: Apicurio, from Maven Central, by its Confluent-compatible interface."""

import json
import shutil
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.services.base import Service, answers, cache_dir, call, free_port, need, say

VERSION: Final = "3.0.9"
"""The newest that runs on Java 17."""
_ARTIFACT: Final = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"


class Registry(Service):
    """Keeps its schemas in memory."""

    size = "about 150 MB download"

    @classmethod
    def prepare(cls) -> Path:
        home = cache_dir() / f"apicurio-{VERSION}"
        if not (home / "ready").exists():
            need("java", "apt-get install openjdk-17-jre-headless")
            need("mvn", "apt-get install maven")
            say(f"fetching Apicurio Registry {VERSION} ({cls.size})")
            home.mkdir(parents=True, exist_ok=True)
            copied = ["dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={home}"]
            call(["mvn", "-q", "-B", *copied])
            (archive,) = home.glob("*.tar.gz")
            shutil.unpack_archive(archive, home)
            archive.unlink()
            (home / "ready").touch()
        return home

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self._jar,) = self.prepare().glob("*-runner.jar")
        self._port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def start(self) -> None:
        door = [f"-Dquarkus.http.port={self._port}", "-Dquarkus.http.host=127.0.0.1"]
        quick = ["-Xmx256m", "-XX:TieredStopAtLevel=1"]
        self.spawn(
            ["java", *quick, *door, "-jar", str(self._jar)], lambda: answers(f"{self.url}/subjects")
        )

    def register(
        self, subject: str, schema: str, kind: str = "AVRO", needs: Sequence[tuple[str, str]] = ()
    ) -> int:
        """Its id. needs: name by which a schema is referred to, and its subject."""
        references = [{"name": name, "subject": of, "version": 1} for name, of in needs]
        body = {"schema": schema, "schemaType": kind, "references": references}
        request = urllib.request.Request(
            f"{self.url}/subjects/{subject}/versions",
            json.dumps(body).encode(),
            {"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return int(found["id"])
