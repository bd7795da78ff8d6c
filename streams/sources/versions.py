"""Which version an engine is of: its page does not say, so another path of its server is asked."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from yarl import URL

from streams.sources.page_fetch import PageError, PageFetch

_ASK: Final[Mapping[str, tuple[str, str]]] = {
    "llamacpp": ("/props", "build_info"),
    "sglang": ("/server_info", "version"),
    "tgi": ("/info", "version"),
    "trtllm": ("/version", "version"),
    "vllm": ("/version", "version"),
}
"""Engine -> path, and the field of the answer. Triton answers on another port than its page."""
MAX_CHARS: Final = 64


async def version_of(engine: str, page: URL, fetch: PageFetch) -> str:
    """Empty if the engine does not say."""
    path, field = _ASK.get(engine, ("", ""))
    if not path:
        return ""
    try:
        answer, _ = await fetch.text(page.with_path(path).with_query(None))
        said: dict[str, Any] = msgspec.json.decode(answer, type=dict[str, Any])
    except (PageError, msgspec.MsgspecError):
        return ""
    version = said.get(field)
    return version[:MAX_CHARS] if isinstance(version, str) else ""
