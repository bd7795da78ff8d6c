"""Apache Kafka 4.1, broker and controller in one process, from Maven Central."""

import subprocess
from pathlib import Path

from tests.services.base import Service, cache_dir, call, free_port, listens, need, say

VERSION = "4.1.1"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tidegate</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
"""

_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={logs}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
auto.create.topics.enable=false
"""


class Kafka(Service):
    """One broker with transactions; ``restart`` keeps its data."""

    size = "54 MB download, 12 s"

    @classmethod
    def prepare(cls) -> Path:
        home = cache_dir() / f"kafka-{VERSION}"
        if not (home / "ready").exists():
            need("java", "apt-get install openjdk-17-jre-headless")
            need("mvn", "apt-get install maven")
            say(f"fetching Apache Kafka {VERSION} ({cls.size})")
            home.mkdir(parents=True, exist_ok=True)
            (home / "pom.xml").write_text(_POM)
            call(
                ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"],
                cwd=home,
            )
            (home / "ready").touch()
        return home

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.libraries = f"{self.prepare()}/lib/*"
        self.port, controller = free_port(), free_port()
        self.properties = folder / "server.properties"
        self.properties.write_text(
            _PROPERTIES.format(port=self.port, controller=controller, logs=folder / "logs")
        )
        self._log_settings()
        storage = ["java", "-cp", self.libraries, "kafka.tools.StorageTool"]
        made = subprocess.run([*storage, "random-uuid"], capture_output=True, text=True, check=True)
        cluster = made.stdout.split()[-1]
        call([*storage, "format", "-t", cluster, "-c", str(self.properties)])

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.spawn(
            [
                "java", "-Xmx512m", "-XX:TieredStopAtLevel=1",
                f"-Dlog4j.configuration=file:{self.folder / 'log4j.properties'}",
                "-cp", self.libraries, "kafka.Kafka", str(self.properties),
            ],
            lambda: listens(self.port),
        )  # fmt: skip

    def _log_settings(self) -> None:
        (self.folder / "log4j.properties").write_text(
            "log4j.rootLogger=WARN, out\n"
            "log4j.appender.out=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.out.layout=org.apache.log4j.PatternLayout\n"
        )
