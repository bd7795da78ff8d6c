"""What roles may do beyond their own topics."""

from streams.receive.settings import ReceiveSettings
from streams.settings import StreamSettings
from tidegate.access import Grant, grants


def test_the_door_may_read_the_topics_that_it_is_told_to() -> None:
    settings = StreamSettings(receive=ReceiveSettings(metric_topics=("otlp_metrics",)))
    other = Grant("Read", "topic", "otlp_metrics")

    assert [role for role in ("receive", "ingest") if other in grants(role, settings)] == [
        "receive"
    ]
