"""Settings -> the file that child processes read, and back; only its owner may read it."""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from tidegate.settings import Settings


def write_settings(settings: Settings, path: Path) -> None:
    """JSON with the secrets in it, mode 0600 from the first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(plain(settings), file, indent=1)


def plain(value: Any) -> Any:
    """Plain data with secrets in clear; never print it."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case BaseModel():
            fields = type(value).model_fields
            return {fields[name].alias or name: plain(getattr(value, name)) for name in fields}
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value
