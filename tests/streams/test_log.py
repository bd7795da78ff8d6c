import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams.log import configure_logging, get_logger


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Logging is the process's: put it back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    for name in ("aiokafka", "aiokafka.conn", "faust", "mode", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def test_a_line_is_an_event_with_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(as_json=True)
    get_logger("streams.x").info("partition_taken", offset=3)

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["offset"], line["level"]) == ("partition_taken", 3, "info")


def test_requests_to_the_broker_are_never_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", as_json=True)
    logging.getLogger("aiokafka.conn").debug("SaslAuthenticateRequest: hidden")

    assert capsys.readouterr().err == ""


def test_libraries_speak_only_when_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", as_json=True)
    logging.getLogger("aiokafka.conn").error("reconnecting")
    assert capsys.readouterr().err == ""

    configure_logging("debug", as_json=True)
    logging.getLogger("aiokafka.conn").error("reconnecting")
    assert "reconnecting" in capsys.readouterr().err
