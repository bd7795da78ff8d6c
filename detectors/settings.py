"""Settings of detection, incidents and alerts."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr


class DetectorSettings(BaseModel, frozen=True, extra="forbid"):
    """One detector on one or more values of a series kind.

    ``{kind: ewma, series: engine, values: [inter_token_s_mean], with: {half_life_s: 60}}``
    """

    kind: str
    """A name of ``detectors.banks.BANKS``."""
    series: Literal["request", "engine", "gpu"]
    values: Annotated[tuple[str, ...], Field(min_length=1)]
    """Values of the catalogue; a bank on several (`isolation_forest`) takes them together."""
    options: dict[str, Any] = Field(default_factory=dict, alias="with")
    where: dict[str, str] = {}
    """Labels a series must have, such as `{pool: codex}`."""
    by: tuple[str, ...] = ()
    """Sum series up over all labels but these, such as `[cluster, pool]`; empty: each its own."""
    given: str = ""
    """A value that stands for load: judge each value relative to what alike series show at the same
    load, and only while there is any."""
    smooth_s: Annotated[float, Field(ge=0)] = 0.0
    """Half-life of a mean that is judged instead of single windows; 0 judges each window."""
    direction: Literal["above", "below", "both"] = "both"
    min_abs: Annotated[float, Field(ge=0)] = 0.0
    """Distance from what was expected below which nothing is an anomaly, in the value's unit."""
    min_ratio: Annotated[float, Field(ge=0)] = 0.0
    """The same as a share of what was expected."""
    lag_s: Annotated[float, Field(ge=0)] = 10.0
    """What is learned is this old: an anomaly must not be part of the past it is judged by."""
    after_s: Annotated[float, Field(ge=0)] | None = None
    """Instead of ``DetectionSettings.anomaly_after_s``."""
    pooled: bool = True
    """A new series begins with what its kin have shown (fellows of a pool, GPUs of a model in it),
    unless the beginning is a state of its own, such as that of a cache that is still empty."""
    graced: bool = True
    """Starts nothing for a while after a change of the same object; rules with a fixed meaning and
    what only clients bring about should not be."""

    @property
    def name(self) -> str:
        """By which it is left out: its kind and its first value, `ewma engine.ttft_s_mean`."""
        return f"{self.kind} {self.series}.{self.values[0]}"


class ChannelSettings(BaseModel, frozen=True, extra="forbid"):
    """One place that is told of incidents."""

    kind: Literal["webhook", "alertmanager"] = "webhook"
    name: str
    url: str
    secret: SecretStr = SecretStr("")
    """Standard Webhooks secret, `whsec_` and base64."""
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 5.0
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 5
    min_severity: Literal["info", "warning", "critical"] = "warning"
    allow_private: bool = False
    """Allow loopback and private addresses (refused otherwise: SSRF)."""


class DetectionSettings(BaseModel, frozen=True, extra="forbid"):
    """Everything of `detectors/`."""

    false_pages_per_week: Annotated[float, Field(gt=0)] = 1.0
    """The one knob: how many wrong pages a team stands per week."""
    detectors: tuple[DetectorSettings, ...] = ()
    """Empty: the built-in set (``detectors.defaults.DEFAULTS``)."""
    without: tuple[str, ...] = ()
    """Detectors to leave out, by kind and first value, as an anomaly shows them:
    `["river engine.ttft_s_mean"]`. All of that name are."""
    max_series: Annotated[int, Field(ge=1)] = 2_000
    """Series per shard and kind that detectors keep state of; further ones are not judged."""
    anomaly_after_s: Annotated[float, Field(ge=0)] = 2.0
    """Seconds above the boundary before an anomaly is said."""
    anomaly_ends_after_s: Annotated[float, Field(ge=0)] = 10.0
    grace_after_change_s: Annotated[float, Field(ge=0)] = 10.0
    incident_resolves_after_s: Annotated[float, Field(ge=0)] = 15.0
    channels: tuple[ChannelSettings, ...] = ()
    repeat_after_s: Annotated[float, Field(ge=60)] = 14_400.0
