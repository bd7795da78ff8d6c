"""Settings of the door for what is pushed to us."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from streams.loopback import LOOPBACK


class ReceiveSettings(BaseModel, frozen=True, extra="forbid"):
    """`tidegate receive`: OTLP over HTTP, Prometheus remote write, changes that CI tells of."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 4318
    token: SecretStr = SecretStr("")
    """Bearer token that senders need; on loopback it may be empty."""
    github_secret: SecretStr = SecretStr("")
    """Of a webhook of GitHub, which signs with it; empty: `/v1/changes/github` is shut."""
    gitlab_token: SecretStr = SecretStr("")
    """Of a webhook of GitLab, which shows it; empty: `/v1/changes/gitlab` is shut."""
    tls_cert: str = ""
    tls_key: str = ""
    metric_topics: tuple[str, ...] = ()
    """Topics of OTLP metrics, without our prefix, that this door reads as if they were posted: for
    totals since a start, which a map cannot read. One copy of the door may read them."""
    max_body_bytes: Annotated[int, Field(ge=1_024)] = 8_388_608
    """As it comes, compressed or not."""
    max_decoded_bytes: Annotated[int, Field(ge=1_024)] = 67_108_864
    max_at_once: Annotated[int, Field(ge=1)] = 16
    """Requests being read; the next one gets 503 with Retry-After."""
    read_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """How long a sender may take for its body."""
    pool_labels: tuple[str, ...] = ("pool", "tidegate.pool", "service.name", "job", "model_name")
    """Labels and attributes of metrics; the first that is there names the pool."""
    replica_labels: tuple[str, ...] = (
        *("replica", "service.instance.id", "k8s.pod.name", "pod", "instance", "host.name"),
    )
    span_pool_attributes: tuple[str, ...] = (
        *("tidegate.pool", "gen_ai.request.model", "gen_ai.response.model", "service.name"),
    )
    tenant_attributes: tuple[str, ...] = ("tidegate.tenant", "enduser.id", "user.id")
    """Of spans; who asks."""

    @model_validator(mode="after")
    def _strangers_need_a_token(self) -> Self:
        known = self.token.get_secret_value() and self.tls_cert and self.tls_key
        if self.host not in LOOPBACK and not known:
            raise ValueError(
                f"receive.host {self.host} is not loopback: set receive.token, receive.tls_cert "
                "and receive.tls_key"
            )
        return self
