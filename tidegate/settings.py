"""The settings tree: defaults < file (``TIDEGATE_CONFIG``) < environment (``TIDEGATE_*``)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from autoscaler.settings import ApiSettings, ScalingSettings
from detectors.settings import DetectionSettings
from model_backend.settings import BackendSettings
from streams.errors import InvalidParameterError
from streams.settings import StreamSettings
from streams.sources.settings import ScrapeSettings
from tidegate.edge.settings import EdgeSettings
from tidegate.watch.settings import WatchSettings


class Settings(BaseSettings):
    """Everything that can be set. One frozen tree, passed down in parts."""

    model_config = SettingsConfigDict(
        env_prefix="TIDEGATE_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    cluster: str = "local"
    stream: StreamSettings = StreamSettings()
    scrape: ScrapeSettings = ScrapeSettings()
    detection: DetectionSettings = DetectionSettings()
    backend: BackendSettings = BackendSettings()
    scaling: ScalingSettings = ScalingSettings()
    api: ApiSettings = ApiSettings()
    watch: WatchSettings = WatchSettings()
    edge: EdgeSettings = EdgeSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


NOT_SETTINGS = {"TIDEGATE_CONFIG", "TIDEGATE_CACHE", "TIDEGATE_STATE", "TIDEGATE_DEMO"}
"""Where files lie, and whether replicas may be made slow; read elsewhere."""


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the YAML or JSON file in ``TIDEGATE_CONFIG``, overridden by the environment.

    Raises InvalidParameterError for a misspelt ``TIDEGATE_*`` name (pydantic would ignore it) or
    an unreadable file, pydantic's ValidationError for a wrong value.
    """
    environ = os.environ if environ is None else environ
    if unknown := unknown_variables(environ):
        known = ", ".join(sorted(f"TIDEGATE_{name.upper()}__…" for name in Settings.model_fields))
        raise InvalidParameterError("environment variable", unknown[0], f"one of {known}")
    return Settings(**_from_file(environ.get("TIDEGATE_CONFIG", "")))


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """``TIDEGATE_*`` names that no setting answers to."""
    known = {f"TIDEGATE_{field.upper()}" for field in Settings.model_fields}
    return sorted(
        name
        for name in environ
        if name.startswith("TIDEGATE_")
        and name not in NOT_SETTINGS
        and name.partition("__")[0] not in known
    )


def _from_file(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        loaded = yaml.safe_load(Path(path).read_text())
    except (OSError, ValueError, yaml.YAMLError) as exc:
        raise InvalidParameterError(
            "TIDEGATE_CONFIG", path, f"a readable YAML or JSON file ({exc})"
        ) from exc
    if not isinstance(loaded, dict):
        raise InvalidParameterError("TIDEGATE_CONFIG", path, "a table of settings")
    return loaded
