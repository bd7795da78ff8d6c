"""Why a broker does not let us in: an error of the client in, one sentence out."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from streams.settings import BrokerSettings

NOBODY: Final = "nobody answers"
_TLS_ALERT: Final = 0x1503
"""How the answer begins of a TLS listener to what is no TLS; the client reads it as a length."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and whether trying again could help."""

    why: str
    final: bool = True


def refusal(error: BaseException, broker: BrokerSettings) -> Refusal:  # noqa: PLR0911  # a table
    """Never repeats what was sent: it may hold the password."""
    match error:
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            return Refusal(f"login refused: wrong username or password ({broker.sasl_mechanism})")
        case UnsupportedSaslMechanismError() | AuthenticationMethodNotSupported():
            return Refusal(f"login refused: no {broker.sasl_mechanism} here, set sasl_mechanism")
        case IllegalSaslStateError():
            return Refusal(
                f"login refused: this listener asks for none, set security to {_bare(broker)}"
            )
        case TopicAuthorizationFailedError(args=[str(topic), *_]):
            return Refusal(
                f"{broker.username or 'this user'} is not allowed to read or write {topic}: "
                f"`tidegate topics acls` says what would allow it"
            )
        case ssl.SSLCertVerificationError():
            return Refusal(f"TLS: its certificate is not trusted: {_untrusted(error)}")
        case ssl.SSLError():
            return Refusal(f"TLS: {error.reason or error}", final=False)
        case KafkaConnectionError():
            return _closed(error.__cause__, broker)
        case ConnectionResetError() if broker.security.endswith("ssl"):
            return Refusal("hung up on TLS: is this listener without it?", final=False)
        case OSError():
            return Refusal(NOBODY, final=False)
    return Refusal(str(error), final=False)


def _closed(cause: BaseException | None, broker: BrokerSettings) -> Refusal:
    """The connection stood and was closed before we had an answer."""
    match cause:
        case asyncio.IncompleteReadError() if (cause.expected or 0) >> 16 == _TLS_ALERT:
            return Refusal("this listener speaks TLS, set security to ssl or sasl_ssl")
        case ssl.SSLError():
            return Refusal("TLS: it wants a certificate it trusts, set cert_file and key_file")
    if broker.security.startswith("sasl"):
        return Refusal("hung up", final=False)
    return Refusal("hung up: does this listener ask for a login (sasl)?", final=False)


def _bare(broker: BrokerSettings) -> str:
    return "ssl" if broker.security.endswith("ssl") else "plaintext"


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.rstrip(".")
    return said if "mismatch" in said else f"{said}, see ca_file"
