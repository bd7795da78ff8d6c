"""Apache Kafka 4.1, broker and controller in one process, from Maven Central."""

import subprocess
from pathlib import Path
from typing import Final

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.services.base import Service, cache_dir, call, free_port, listens, need, say

VERSION = "4.1.1"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tidegate</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
"""

PASSWORD: Final = "open-sesame-5f1c"
"""Of every user; must never be seen in any output."""
USERS: Final = (
    "admin", "ingest", "watch", "respond", "alert", "plan", "drive", "sink", "gateway", "agent",
    "api", "edge", "receive", "nobody",
)  # fmt: skip
"""`admin` may do everything, the others what access lists give them."""

_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"

_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{login},MUTUAL://127.0.0.1:{mutual},FAR://127.0.0.1:{far},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{login},MUTUAL://127.0.0.1:{mutual},FAR://127.0.0.1:{far_end}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL,FAR:PLAINTEXT
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
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.login.scram-sha-512.sasl.jaas.config={scram}
listener.name.login.plain.sasl.jaas.config={plain} {plain_users};
ssl.keystore.type=PEM
ssl.keystore.location={server}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.mutual.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/$1/,DEFAULT
super.users=User:ANONYMOUS;User:admin;User:operator
"""


class Certificates:
    """An authority of the tests' own, and what it has signed, as PEM files in a folder."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.authority)
        self.server = _written(authority.issue_cert("127.0.0.1"), folder / "server.pem")
        operator = authority.issue_cert("operator@example.test", common_name="operator")
        self.operator = _written(operator, folder / "operator.pem")
        self.stranger = folder / "stranger.pem"
        trustme.CA().cert_pem.write_to_path(self.stranger)


def _written(cert: trustme.LeafCert, path: Path) -> Path:
    """Key and chain in one file; Kafka reads keys as PKCS #8 only."""
    key = load_pem_private_key(cert.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + b"".join(blob.bytes() for blob in cert.cert_chain_pems))
    return path


class Kafka(Service):
    """One broker with transactions and access lists; ``restart`` keeps its data.

    Four doors: ``url`` for whom everything is allowed, ``login_url`` with TLS and SASL,
    ``mutual_url`` with TLS that asks for a certificate, and ``far_url``, where clients find
    whatever a test puts between ``far_end`` and the broker's own port ``far``.
    """

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
        self.port, self.login, self.mutual = free_port(), free_port(), free_port()
        self.far, self.far_end = free_port(), free_port()
        self.certificates = Certificates(folder)
        self.properties = folder / "server.properties"
        self.properties.write_text(
            _PROPERTIES.format(
                port=self.port,
                login=self.login,
                mutual=self.mutual,
                far=self.far,
                far_end=self.far_end,
                controller=free_port(),
                logs=folder / "logs",
                scram=_SCRAM,
                plain=_PLAIN,
                plain_users=" ".join(f'user_{user}="{PASSWORD}"' for user in USERS),
                server=self.certificates.server,
                authority=self.certificates.authority,
            )
        )
        self._log_settings()
        storage = ["java", "-cp", self.libraries, "kafka.tools.StorageTool"]
        made = subprocess.run([*storage, "random-uuid"], capture_output=True, text=True, check=True)
        cluster = made.stdout.split()[-1]
        users = [
            word
            for user in USERS
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={PASSWORD}]")
        ]
        call([*storage, "format", "-t", cluster, "-c", str(self.properties), *users])

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    @property
    def login_url(self) -> str:
        return f"kafka://127.0.0.1:{self.login}"

    @property
    def mutual_url(self) -> str:
        return f"kafka://127.0.0.1:{self.mutual}"

    @property
    def far_url(self) -> str:
        return f"kafka://127.0.0.1:{self.far_end}"

    def start(self) -> None:
        self.spawn(
            [
                "java", "-Xmx512m", "-XX:TieredStopAtLevel=1",
                f"-Dlog4j.configuration=file:{self.folder / 'log4j.properties'}",
                "-cp", self.libraries, "kafka.Kafka", str(self.properties),
            ],
            lambda: all(listens(port) for port in (self.port, self.login, self.mutual)),
        )  # fmt: skip

    def _log_settings(self) -> None:
        (self.folder / "log4j.properties").write_text(
            "log4j.rootLogger=WARN, out\n"
            "log4j.appender.out=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.out.layout=org.apache.log4j.PatternLayout\n"
        )
