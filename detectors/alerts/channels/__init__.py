"""Every kind of place that can be told of incidents, by the name used in settings.

To add one: write it in a file of its own here, add a line below and the name to
``ChannelSettings.kind``, run ``make check``. tests/conformance/test_channels.py then tests it like
all the others.
"""

from collections.abc import Callable, Mapping
from typing import Final

from detectors.alerts.channels.alertmanager import AlertmanagerChannel
from detectors.alerts.channels.base import Channel
from detectors.alerts.channels.webhook import WebhookChannel
from detectors.settings import ChannelSettings

CHANNELS: Final[Mapping[str, Callable[[ChannelSettings], Channel]]] = {
    "alertmanager": AlertmanagerChannel,
    "webhook": WebhookChannel,
}
