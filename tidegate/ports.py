"""Free ports, and a clear word when one is taken."""

import socket

from streams.errors import PortTakenError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, purpose: str, setting: str) -> None:
    """Raises PortTakenError that names the setting to change."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise PortTakenError(purpose, port, setting) from exc
