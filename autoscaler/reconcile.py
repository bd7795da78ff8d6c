"""DRIVE: decisions and drains in; replicas run and ended, `pools` and `changes` out."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from autoscaler.drive import Drive
from autoscaler.keeper import Keeper
from autoscaler.past import Past
from autoscaler.reconciler import DrivenPool, Reconciler
from autoscaler.settings import ScalingSettings
from model_backend.pools import POOL_DRIVERS
from model_backend.settings import BackendSettings, PoolSettings
from streams import metrics
from streams.app import App
from streams.clock import Clock, system_clock
from streams.lag import watch_lag
from streams.ownership import Owned, attach_owned
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.stage import Out
from streams.together import until_one_ends

LINGER_S: Final = 60.0
"""Replicas outlive a loss of ownership this long: while the broker comes and goes, they stay."""


def attach(
    app: App,
    backend: BackendSettings,
    scaling: ScalingSettings,
    stream: StreamSettings,
    cluster: str,
) -> None:
    """Run DRIVE in ``app`` while it owns `decisions`, for the pools of ``cluster``.

    Replicas write their output to `replicas/` in ``TIDEGATE_STATE``, else in the temporary folder.
    """
    pools = [pool for pool in backend.pools if pool.cluster == cluster]

    async def make() -> Reconciler:
        past = await read_past(stream)
        return create_reconciler(pools, scaling, past, log_dir(), system_clock)

    keeper = Keeper(make, linger_s=LINGER_S)

    async def run(owned: Owned) -> None:
        reconciler = await keeper.take()
        try:
            async with TopicReader(stream, ["decisions", "drains"], start="latest") as reader:
                await until_one_ends(
                    reconciler.run(),
                    reconciler.send(owned.commit),
                    _follow(reader, reconciler, owned),
                    watch_lag(reader, owned),
                )
        finally:
            if app.should_stop:
                await keeper.close()
            else:
                keeper.leave()

    attach_owned(app, stage="drive", control_topic="decisions", run=run)


def create_reconciler(
    pools: Sequence[PoolSettings], scaling: ScalingSettings, past: Past, logs: Path, clock: Clock
) -> Reconciler:
    """The drivers and wills of some pools, going on where an earlier DRIVE left them."""
    driven, farewells = [], list[Out]()
    for pool in pools:
        name = f"{pool.cluster}/{pool.name}"
        driver = POOL_DRIVERS[pool.driver](
            pool, clock=clock, log_dir=logs, first_number=past.next_number(name)
        )
        drive = Drive(pool, dry_run=scaling.dry_run, ladder=scaling.ladder, size=past.size(name))
        driven.append(DrivenPool(name, drive, driver))
        farewells += past.farewells(name, clock())
    reconciler = Reconciler(driven, clock)
    reconciler.say(farewells)
    return reconciler


async def read_past(stream: StreamSettings) -> Past:
    """Everything that `pools` holds now."""
    past = Past()

    async def feed(reader: TopicReader) -> None:
        async for messages in reader.batches():
            past.feed(messages)

    async with TopicReader(stream, ["pools"]) as reader:
        await until_one_ends(feed(reader), reader.caught_up.wait())
    return past


async def _follow(reader: TopicReader, reconciler: Reconciler, owned: Owned) -> None:
    async for messages in reader.batches():
        owned.vital.stir()
        metrics.RECORDS_IN.labels(owned.stage).inc(len(messages))
        reconciler.feed(messages)


def log_dir() -> Path:
    state = os.environ.get("TIDEGATE_STATE") or str(Path(tempfile.gettempdir()) / "tidegate")
    return Path(state) / "replicas"
