"""The client: takes what a service says, at once, and lets nothing that follows get in its way."""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import time
import uuid
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Callable, Final

from tidegate_client.complaints import Complaints
from tidegate_client.counters import Counters
from tidegate_client.decorator import Function, observed
from tidegate_client.errors import InvalidSettingError, UnfitRecordError
from tidegate_client.link import KafkaLink, check
from tidegate_client.records import Row, row_of
from tidegate_client.request import Label, Labels, LabelsOf, Request, Teller, text
from tidegate_client.session import Session, World
from tidegate_client.settings import read_settings

_CLIENTS: Final[weakref.WeakSet[Client]] = weakref.WeakSet()
_PARENTS: Final[list[Session]] = []
"""Of the process we were forked from: kept, or collecting them would close what is theirs."""

WORLD: Final = World(
    open_link=KafkaLink,
    now_us=lambda: time.time_ns() // 1000,
    monotonic_s=time.perf_counter,
    boot=lambda: uuid.uuid4().hex,
    chance=random.random,
)


class Client:
    """Sends records to Tidegate. Any thread, any event loop, any fork may use it.

    Settings (``tidegate_client.settings``) are arguments or ``TIDEGATE_CLIENT_*`` variables; what
    is wrong with them raises InvalidSettingError here. Nothing else ever raises or waits, but for
    ``flush`` and ``close``, which wait as long as they are told to.
    """

    def __init__(self, *, world: World = WORLD, **settings: Any) -> None:
        self._settings = read_settings(os.environ, settings)
        check(self._settings)
        _check_spool(self._settings.spool_dir)
        self._world = world
        self._complaints = Complaints()
        self._session = Session(self._settings, world, self._complaints)
        self._teller = Teller(self._put_request, world.now_us, world.monotonic_s)
        _CLIENTS.add(self)
        atexit.register(self.close)

    def request(  # noqa: PLR0913  they are what a request is about
        self,
        *,
        pool: str,
        model: str = "",
        route: str = "",
        tenant: str = "",
        request_id: str = "",
        prompt_tokens: int = 0,
        attempt: int = 0,
    ) -> Request:
        """A request that has arrived now. ``attempt`` is 0 unless it is tried again."""
        cluster = self._settings.cluster
        labels = Labels(text(pool), cluster, text(model), text(route), text(tenant),
                        text(request_id))  # fmt: skip
        return Request(self._teller, labels, prompt_tokens=prompt_tokens, attempt=attempt)

    def told(self, labels: LabelsOf, *args: Any, **named: Any) -> Request:
        """A request that has arrived now, with labels that are functions of what came."""
        pool, model, route, tenant = (self._label(label, args, named) for label in labels)
        return self.request(pool=pool, model=model, route=route, tenant=tenant)

    def observed(
        self, *, pool: Label, model: Label = "", route: Label = "", tenant: Label = ""
    ) -> Callable[[Function], Function]:
        """Makes each call of a function a request; of generators the first item is the first token.

        Labels are words, or functions of the call's arguments that return one.
        """
        return observed(self.told, LabelsOf(pool, model, route, tenant))

    def emit(self, topic: str, record: Mapping[str, Any]) -> bool:
        """A record of `requests`, `engine`, `gpu` or `changes` by the names of its fields.

        ``at_us`` and ``cluster`` are filled in. False if it is dropped at once, as it does not fit.
        """
        try:
            usual = {"at_us": self._world.now_us(), "cluster": self._settings.cluster}
            row = row_of(topic, {**usual, **record})
        except (UnfitRecordError, TypeError, AttributeError) as exc:
            self._session.tally.unfit()
            self._complaints.complain(f"unfit {topic!r}", f"{exc}; dropped, as all like it")
            return False
        return self._put(topic, row)

    def gauge(self, *, pool: str, queued: float, in_flight: float) -> bool:
        """What a pool holds now: to be said once a second."""
        gauge = {"kind": "gauge", "pool": pool, "queued": queued, "in_flight": in_flight}
        return self.emit("requests", gauge)

    def engine(self, record: Mapping[str, Any]) -> bool:
        """A sample of a replica: docs/schemas/EngineSample.json."""
        return self.emit("engine", record)

    def gpu(self, record: Mapping[str, Any]) -> bool:
        """A sample of a GPU: docs/schemas/GpuSample.json."""
        return self.emit("gpu", record)

    def change(self, record: Mapping[str, Any]) -> bool:
        """Something done to the system: docs/schemas/Change.json; its ``id`` counts once."""
        return self.emit("changes", record)

    @property
    def counters(self) -> Counters:
        """What became of everything that was emitted in this process."""
        return self._session.tally.counters()

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Whether all that was emitted so far is sent, spooled or dropped in time."""
        return self._session.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """Flush, then spool or drop the rest; again does nothing. Also done at exit."""
        atexit.unregister(self.close)
        _CLIENTS.discard(self)
        return self._session.close(self._settings.exit_s if timeout_s is None else timeout_s)

    async def aclose(self, timeout_s: float | None = None) -> bool:
        """``close`` without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(None, self.close, timeout_s)

    def __enter__(self) -> Client:  # noqa: PYI034  Self is not in Python 3.9
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _label(self, label: Label, args: Any, named: Any) -> str:
        if isinstance(label, str):
            return label
        try:
            return label(*args, **named)
        except Exception as exc:  # noqa: BLE001  a label is not worth a request
            self._complaints.complain("label", f"a label stays empty: {exc!r}")
            return ""

    def _put_request(self, row: Row) -> None:
        self._put("requests", row)

    def _put(self, topic: str, row: Row) -> bool:
        try:
            return self._session.put(topic, row)
        except Exception as exc:  # noqa: BLE001  such as no more threads
            self._complaints.complain("fault", f"tidegate-client cannot start: {exc!r}")
            return False

    def _begin_anew(self) -> None:
        """In a forked child: the parent sends what is the parent's."""
        self._session.abandon()
        _PARENTS.append(self._session)
        self._complaints = Complaints()
        self._session = Session(self._settings, self._world, self._complaints)


def _check_spool(folder: str) -> None:
    if not folder:
        return
    try:
        import fcntl  # noqa: F401, PLC0415  there is none on Windows

        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        fits = os.access(folder, os.W_OK | os.X_OK)
    except (ImportError, OSError):
        fits = False
    if not fits:
        raise InvalidSettingError("spool_dir", folder, "a folder that can be written, on POSIX")


def _begin_anew() -> None:
    for client in list(_CLIENTS):
        client._begin_anew()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
