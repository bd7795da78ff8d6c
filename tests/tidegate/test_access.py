"""What roles may do beyond their own topics, and the table of it for operators."""

import re
from pathlib import Path

from streams.receive.settings import ReceiveSettings
from streams.settings import StreamSettings
from tidegate.access import ACCESS, Grant, grants


def test_the_door_may_read_the_topics_that_it_is_told_to() -> None:
    settings = StreamSettings(receive=ReceiveSettings(metric_topics=("otlp_metrics",)))
    other = Grant("Read", "topic", "otlp_metrics")

    assert [role for role in ("receive", "ingest") if other in grants(role, settings)] == [
        "receive"
    ]


def test_operators_read_the_same() -> None:
    """Words between the names (mapped topics, when a topic is read) are for people."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    table = page.split("| user | reads | writes |")[1].split("\n\n")[0]
    rows = [row.split("|")[1:4] for row in table.splitlines()[2:]]
    named = {role.strip(): (_topics(reads), _topics(writes)) for role, reads, writes in rows}

    assert named == {role: (set(one.reads), set(one.writes)) for role, one in ACCESS.items()}


def _topics(cell: str) -> set[str]:
    known = {topic for one in ACCESS.values() for topic in (*one.reads, *one.writes)}
    return known.intersection(re.split(r"[ ,]+", cell))
