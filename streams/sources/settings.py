"""Settings of what is read: pages that are scraped, and answers to golden prompts."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, SecretStr, model_validator


class AccessSettings(BaseModel, frozen=True, extra="forbid"):
    """Who we are, and whom we trust. Files are read again when they have changed."""

    token: SecretStr = SecretStr("")
    """Bearer token."""
    token_file: str = ""
    """Where the token stands, instead; Kubernetes lays one into every pod."""
    username: str = ""
    """Basic authentication, instead of a token."""
    password: SecretStr = SecretStr("")
    ca_file: str = ""
    """PEM; empty: the authorities that the machine trusts."""
    cert_file: str = ""
    """PEM: our own certificate, for those who ask for one."""
    key_file: str = ""
    """PEM, not encrypted: its key; empty: it is in `cert_file`."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        ways = (self.token.get_secret_value(), self.token_file, self.username)
        if sum(map(bool, ways)) > 1:
            raise ValueError("only one of token, token_file and username may be set")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file needs cert_file")
        return self


class NamedAccess(AccessSettings):
    """Who we are to the targets that have `access=NAME` in their line."""

    name: Annotated[str, Field(min_length=1)]


class GoldenPrompt(BaseModel, frozen=True, extra="forbid"):
    """A question with a known answer: ``{prompt: "1, 2, 3, 4, 5, 6,", expect: "7"}``."""

    prompt: Annotated[str, Field(min_length=1, max_length=2_000)]
    expect: Annotated[str, Field(min_length=1, max_length=200)]
    """What the answer must contain, in whatever case."""


class GoldenSettings(BaseModel, frozen=True, extra="forbid"):
    """Golden prompts: a GPU that computes wrongly answers in time, and only its answers tell."""

    prompts: Annotated[tuple[GoldenPrompt, ...], Field(max_length=20)] = ()
    """Empty: nobody is asked. Every model of the pools must know the answers."""
    every_s: Annotated[float, Field(ge=5)] = 60.0
    max_tokens: Annotated[int, Field(ge=1, le=256)] = 16
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 20.0


class ScrapeSettings(BaseModel, frozen=True, extra="forbid"):
    """Which pages are scraped besides those of the replicas of our own pools, and how often."""

    targets: tuple[str, ...] = ()
    """One line each, an address and what it is part of: `http://vllm-0:8000 pool=chat`,
    `dns+http://vllm.default.svc:8000 pool=chat`, `srv+http://_http._tcp.vllm.default.svc`,
    `kubernetes://default?app=vllm pool=chat`, `file:///etc/tidegate/targets.json`. With
    `access=NAME` they are told who we are."""
    access: tuple[NamedAccess, ...] = ()
    """Tokens, passwords and certificates; who is not named by a target is never shown to it."""
    pools_access: str = ""
    """Name in `access`: who we are to the replicas of our own pools, golden prompts too."""
    changes: tuple[str, ...] = ()
    """What Kubernetes is watched for: `kubernetes://default?app=vllm pool=chat` (rollouts,
    pods), `nodes://` or `nodes://?nvidia.com/gpu.present=true` (cordons, taints, readiness)."""
    kubernetes_api: str = ""
    """Where its API is; empty: where every pod finds it. `http://127.0.0.1:8001`: `kubectl
    proxy`."""
    kubernetes_access: str = ""
    """Name in `access`: who we are to it; empty: the service account that every pod is given."""
    signals_every_s: Annotated[float, Field(ge=0.5)] = 1.0
    """Requests running and waiting, cache, tokens: what tells of load."""
    full_every_s: Annotated[float, Field(ge=0.5)] = 1.0
    """The whole page, with the distributions of latencies."""
    pages_per_s: Annotated[int, Field(ge=1)] = 500
    """With more targets than this allows for, all are read less often: 1,000 every 2 s, in full
    every 10 s."""
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 0.8
    discover_every_s: Annotated[float, Field(ge=1)] = 15.0
    """How often names and files are looked at again; Kubernetes tells by itself."""
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Where the agent says how scraping goes, on 127.0.0.1; 0: nowhere."""
    golden: GoldenSettings = GoldenSettings()

    @model_validator(mode="after")
    def _accesses_are_known(self) -> Self:
        names = [one.name for one in self.access]
        if len(names) != len(set(names)):
            raise ValueError(f"each name may be in scrape.access once, got {names}")
        words = {word for line in self.targets for word in line.split()[1:]}
        meant = {word.removeprefix("access=") for word in words if word.startswith("access=")}
        if unknown := sorted((meant | {self.pools_access, self.kubernetes_access}) - {"", *names}):
            raise ValueError(f"access {unknown[0]} is not in scrape.access, which has {names}")
        return self
