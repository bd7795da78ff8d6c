"""ALERT: incidents and rules in, alerts out, and each pending alert to its channel."""

import asyncio
from random import Random

from detectors.alerts.alerts import Alerts
from detectors.alerts.channels import CHANNELS
from detectors.alerts.channels.base import Channel
from detectors.alerts.delivery import ChannelWorker, Surroundings
from detectors.alerts.plan import Audience
from detectors.alerts.sender import Sender
from detectors.settings import ChannelSettings, DetectionSettings
from streams.batched import App
from streams.clock import system_clock
from streams.errors import InvalidParameterError
from streams.log import get_logger
from streams.ownership import Owned, attach_owned
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.incidents import Alert
from streams.settings import StreamSettings
from streams.stage import Out
from streams.ticked import attach_ticked_stage

log = get_logger(__name__)


def attach(app: App, detection: DetectionSettings, stream: StreamSettings) -> None:
    """Run ALERT and its sender while this worker owns the single partition of `rules`.

    Raises InvalidParameterError for a channel that can never work.
    """
    make_channels(detection.channels)
    audiences = [
        Audience(channel=channel.name, min_severity=channel.min_severity)
        for channel in detection.channels
    ]
    attach_ticked_stage(
        app,
        stage="alert",
        control_topic="rules",
        thinker=lambda: Alerts(audiences, repeat_after_s=detection.repeat_after_s),
    )

    async def send(_: Owned) -> None:
        await send_alerts(detection, stream)

    # On its own, so that a receiver that hangs never holds up what is decided.
    attach_owned(app, stage="alert-sender", control_topic="rules", run=send)


def make_channels(channels: tuple[ChannelSettings, ...]) -> dict[str, Channel]:
    """Name -> channel; raises InvalidParameterError for wrong settings or a name used twice."""
    made: dict[str, Channel] = {}
    for settings in channels:
        if settings.name in made:
            raise InvalidParameterError("channel name", settings.name, "used once")
        made[settings.name] = CHANNELS[settings.kind](settings)
    return made


async def send_alerts(detection: DetectionSettings, stream: StreamSettings) -> None:
    """Deliver what is pending on `alerts`, without end; cancel to stop."""
    async with Publisher(stream) as publisher, TopicReader(stream, ["alerts"]) as reader:

        def publish(alert: Alert) -> None:
            if not publisher.offer(Out(topic="alerts", key=alert.id, value=alert)):
                # It stays pending: after a restart it is sent again, under the same id.
                log.warning("delivery_not_noted", alert=alert.id, delivery=alert.delivery)

        # Not seeded: workers that failed together must not come back together.
        world = Surroundings(publish=publish, clock=system_clock, rng=Random(), sleep=asyncio.sleep)
        channels = make_channels(detection.channels)
        workers = {
            settings.name: ChannelWorker(channels[settings.name], settings.max_attempts, world)
            for settings in detection.channels
        }
        await Sender(workers, world).run(reader.batches(), reader.caught_up)
