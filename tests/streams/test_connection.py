import ssl

import pytest
from pydantic import SecretStr

from streams.connection import client_options, wait_for_broker
from streams.errors import BrokerRefusedError, BrokerUnavailableError, InvalidParameterError
from streams.settings import BrokerSettings, StreamSettings
from tests.services.base import free_port


def test_several_addresses_are_given_as_a_list() -> None:
    options = client_options(BrokerSettings(url="kafka://a:1,b:2"))

    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["security_protocol"] == "PLAINTEXT"


def test_credentials_reach_the_client() -> None:
    broker = BrokerSettings(
        security="sasl_ssl", username="tide", password=SecretStr("hidden"), sasl_mechanism="PLAIN"
    )
    options = client_options(broker)

    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "PLAIN")
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("tide", "hidden")
    assert isinstance(options["ssl_context"], ssl.SSLContext)
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED


def test_without_tls_no_context_is_made() -> None:
    assert "ssl_context" not in client_options(BrokerSettings(security="sasl_plaintext"))


def test_a_missing_certificate_is_named() -> None:
    with pytest.raises(InvalidParameterError, match=r"broker.ca_file must be a readable PEM file"):
        client_options(BrokerSettings(security="ssl", ca_file="/nowhere/ca.pem"))


@pytest.mark.broker
async def test_a_refused_login_is_not_tried_for_long(broker_url: str) -> None:
    broker = BrokerSettings(
        url=broker_url, security="sasl_plaintext", username="tide", password=SecretStr("hidden")
    )

    with pytest.raises(BrokerRefusedError, match="login refused") as raised:
        await wait_for_broker(StreamSettings(broker=broker), patience_s=3600)
    assert "hidden" not in str(raised.value)


@pytest.mark.broker
async def test_one_of_several_addresses_is_enough(broker_url: str) -> None:
    url = f"kafka://127.0.0.1:{free_port()},{broker_url.removeprefix('kafka://')}"

    await wait_for_broker(StreamSettings(broker=BrokerSettings(url=url)), patience_s=10)


async def test_a_broker_that_is_not_there_is_named() -> None:
    url = f"kafka://127.0.0.1:{free_port()}"

    with pytest.raises(BrokerUnavailableError, match=f"{url} unavailable"):
        await wait_for_broker(StreamSettings(broker=BrokerSettings(url=url)), patience_s=0.1)
