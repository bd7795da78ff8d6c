"""The real API server of Kubernetes, built from its Go module, on an etcd of Debian's.

No controller, scheduler or kubelet runs: what these would write, a test writes.
"""

import json
import re
import shutil
import ssl
import urllib.request
from pathlib import Path
from typing import Any, Final

from tests.services.base import Service, answers, cache_dir, call, free_port, need, say
from tests.services.debian import unpacked
from tests.services.guarded_page import papers

VERSION: Final = "1.34.2"
_PROGRAM: Final = "k8s.io/kubernetes/cmd/kube-apiserver"
_NAMED: Final = f"-s -w -X k8s.io/component-base/version.gitVersion=v{VERSION}"
_ADMIN: Final = "only-for-tests"
Json = dict[str, Any]


class Etcd(Service):
    """One member, which keeps nothing beyond its folder."""

    size = "about 8 MB download"

    @classmethod
    def prepare(cls) -> Path:
        return unpacked("etcd-server", "etcd", cache_dir() / "etcd", cls.size)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.binary = self.prepare()
        self.url, self._peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))

    def start(self) -> None:
        argv = [
            *(str(self.binary), "--unsafe-no-fsync", f"--data-dir={self.folder / 'data'}"),
            *(f"--listen-client-urls={self.url}", f"--advertise-client-urls={self.url}"),
            *(f"--listen-peer-urls={self._peers}", f"--initial-cluster=default={self._peers}"),
            f"--initial-advertise-peer-urls={self._peers}",
        ]
        self.spawn(argv, lambda: answers(f"{self.url}/health"))

    def compact(self) -> None:
        """Forget all that is not as it is now."""
        revision = self._ask("kv/range", {"key": "AA=="})["header"]["revision"]
        self._ask("kv/compaction", {"revision": revision, "physical": True})

    def _ask(self, path: str, body: Json) -> Any:
        request = urllib.request.Request(f"{self.url}/v3/{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


class Kubernetes(Service):
    """All built-in kinds, roles that are enforced, tokens of service accounts.

    A namespace is each test's own; nodes are everybody's.
    """

    size = "about 60 MB of Go modules, 100 MB on disk, 3 to 10 minutes to build, once"

    @classmethod
    def prepare(cls) -> Path:
        Etcd.prepare()
        home = cache_dir() / f"kubernetes-{VERSION}"
        if not (home / "kube-apiserver").exists():
            need("go", "install Go 1.24 or newer")
            say(f"building kube-apiserver {VERSION} ({cls.size})")
            home.mkdir(parents=True, exist_ok=True)
            cls._build(home)
        return home / "kube-apiserver"

    @staticmethod
    def _build(home: Path) -> None:
        """`go install` refuses it: parts that are released beside it are replaced by folders."""
        module = ["module tidegate.test/kubernetes", "", "go 1.24.0", ""]
        (home / "go.mod").write_text("\n".join([*module, f"require k8s.io/kubernetes v{VERSION}"]))
        found = call(["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}"], cwd=home)
        theirs = Path(json.loads(found)["GoMod"]).read_text()
        released = f"v0.{VERSION.partition('.')[2]}"
        replaced = [
            f"replace {name} => {name} {released}"
            for name in re.findall(r"(\S+) => \./staging", theirs)
        ]
        with (home / "go.mod").open("a") as out:
            out.write("\n".join(["", *replaced, ""]))
        made = home / "building"
        call(
            [
                "go",
                "build",
                "-mod=mod",
                "-trimpath",
                f"-ldflags={_NAMED}",
                "-o",
                str(made),
                _PROGRAM,
            ],
            cwd=home,
        )
        shutil.move(made, home / "kube-apiserver")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.binary = self.prepare()
        self.etcd = Etcd(folder / "etcd")
        self.url = f"https://127.0.0.1:{free_port()}"
        self._papers = papers(folder)
        self._trust = ssl.create_default_context(cafile=self._papers.authority)
        (folder / "tokens.csv").write_text(f"{_ADMIN},admin,1,system:masters\n")

    def start(self) -> None:
        self.etcd.start()
        self.resume()

    def resume(self) -> None:
        """After ``pause``: with all that it held."""
        keys = self._papers.server
        argv = [
            *(str(self.binary), f"--etcd-servers={self.etcd.url}", "--bind-address=127.0.0.1"),
            *(f"--secure-port={self.url.rpartition(':')[2]}", "--authorization-mode=RBAC"),
            *(f"--tls-cert-file={keys}", f"--tls-private-key-file={keys}"),
            *(f"--service-account-key-file={keys}", f"--service-account-signing-key-file={keys}"),
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            # Its controller, which makes an account in each namespace, does not run.
            "--disable-admission-plugins=ServiceAccount",
        ]
        self.spawn(argv, self._is_ready, 120)

    def pause(self) -> None:
        """The API is gone, without a word to those who watch; what it held stays."""
        if self.process is not None:
            self.process.kill()
        super().stop()

    def stop(self) -> None:
        self.pause()
        self.etcd.stop()

    def call(self, method: str, path: str, body: Json | None = None, *, manager: str = "") -> Json:
        """As an administrator; PATCH merges. manager: who is to stand in `managedFields`."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {_ADMIN}", "Content-Type": kind}
        where = f"{self.url}{path}{f'?fieldManager={manager}' if manager else ''}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(where, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10, context=self._trust) as answer:
            found: Json = json.load(answer)
            return found

    def namespace(self, name: str) -> str:
        """Its path in a group of the API."""
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return f"namespaces/{name}"

    def account(self, namespace: str, name: str, folder: Path) -> Path:
        """A new service account; the folder is as pods of it find theirs."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.call("POST", path, {"metadata": {"name": name}})
        self.token(namespace, name, folder)
        shutil.copy(self._papers.authority, folder / "ca.crt")
        return folder

    def token(self, namespace: str, name: str, folder: Path) -> None:
        """A new one for an account that exists."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        made = self.call("POST", path, {"spec": {"expirationSeconds": 600}})
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(made["status"]["token"])

    def _is_ready(self) -> bool:
        headers = {"Authorization": f"Bearer {_ADMIN}"}
        return answers(urllib.request.Request(f"{self.url}/readyz", headers=headers), self._trust)
