"""What an engine's page does not say is asked for on other paths: version, model, adapters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from yarl import URL

from streams.errors import SourceUnavailableError
from streams.sources.asking import Asker
from streams.sources.engines import MAX_TEXT

MAX_CHARS: Final = 64
MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Ask:
    """A path, and the fields of the answer. model: empty where the page names it."""

    path: str
    version: str = "version"
    model: str = ""


_ASK: Final[Mapping[str, Ask]] = {
    "llamacpp": Ask("/props", "build_info", "model_path"),
    "sglang": Ask("/server_info"),
    "tgi": Ask("/info", model="model_id"),
    "trtllm": Ask("/version"),
    "vllm": Ask("/version"),
}
"""Triton answers on another port than its page."""


@dataclass(frozen=True, slots=True)
class About:
    """What an engine says of itself; empty where it does not."""

    version: str = ""
    model: str = ""


async def about(engine: str, page: str, asker: Asker) -> About:
    """Never raises for what it is answered."""
    ask = _ASK.get(engine)
    if ask is None:
        return About()
    where = str(URL(page).with_path(ask.path).with_query(None))
    try:
        answer = await asker.get(where, max_bytes=MAX_BYTES)
        said: dict[str, Any] = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (SourceUnavailableError, msgspec.MsgspecError):
        return About()
    model = said.get(ask.model)
    # Of a path the file; of `org/name` all.
    name = model.rpartition("/")[2] if engine == "llamacpp" and isinstance(model, str) else model
    return About(_text(said.get(ask.version)), _text(name))


class _Model(msgspec.Struct):
    id: str
    parent: str | None = None
    """The model that an adapter is for."""


class _Models(msgspec.Struct):
    data: list[_Model]


async def loaded(page: str, asker: Asker) -> str:
    """Its LoRA adapters as in ``EngineSample.adapters_loaded``; never raises for an answer."""
    where = str(URL(page).with_path("/v1/models").with_query(None))
    try:
        answer = await asker.get(where, max_bytes=MAX_BYTES)
        models = msgspec.json.decode(answer.body, type=_Models).data
    except (SourceUnavailableError, msgspec.MsgspecError):
        return ""
    names = ",".join(sorted(one.id for one in models if one.parent))
    return names[:MAX_TEXT] or "-"


def _text(value: object) -> str:
    return value[:MAX_CHARS] if isinstance(value, str) else ""
