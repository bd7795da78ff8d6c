"""Every place results can go, by the name used in settings, metrics and errors.

To add one: write it in a file of its own here, add a line below, run ``make check``.
tests/conformance/test_sinks.py then tests it like all the others.
"""

from collections.abc import Mapping
from typing import Final

from streams.settings import SinkSettings
from streams.sinks.base import Sink
from streams.sinks.embedded import EmbeddedSink
from streams.sinks.influxdb import InfluxSink
from streams.sinks.jsonl import JsonlSink

SINKS: Final[Mapping[str, type[Sink]]] = {
    "embedded": EmbeddedSink,
    "influxdb": InfluxSink,
    "jsonl": JsonlSink,
}


def enabled_sinks(settings: SinkSettings) -> list[Sink]:
    """The sinks that the settings switch on."""
    made = (kind.from_settings(settings) for kind in SINKS.values())
    return [sink for sink in made if sink]
