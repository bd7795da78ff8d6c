"""A door to Kafka (HTTP CONNECT) that loses answers: the broker has the frame, and nobody knows."""

import socket
import threading
from contextlib import suppress

PRODUCE = b"\0\0"


class CuttingProxy:
    """Passes everything through, but hangs up instead of passing on the answer to a produce.

    cuts: how often it does so.
    """

    def __init__(self, *, cuts: int) -> None:
        self.cuts = cuts
        self._lost: dict[socket.socket, bytes] = {}
        """By guest, of which request the answer is lost."""
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                guest, _ = self._door.accept()
                threading.Thread(target=self._serve, args=[guest], daemon=True).start()

    def _serve(self, guest: socket.socket) -> None:
        with suppress(OSError, IndexError):
            host, _, port = guest.recv(4096).split()[1].decode().rpartition(":")
            with guest, socket.create_connection((host, int(port))) as broker:
                guest.sendall(b"HTTP/1.1 200 fine\r\n\r\n")
                back = threading.Thread(target=self._answer, args=[broker, guest], daemon=True)
                back.start()
                self._ask(guest, broker)

    def _ask(self, guest: socket.socket, broker: socket.socket) -> None:
        while frame := _frame(guest):
            if self.cuts and frame[4:6] == PRODUCE:
                self.cuts -= 1
                self._lost[guest] = _correlation(frame, 8)
            broker.sendall(frame)

    def _answer(self, broker: socket.socket, guest: socket.socket) -> None:
        with suppress(OSError):
            while frame := _frame(broker):
                # It comes only once what was produced is in the log.
                if self._lost.get(guest) == _correlation(frame, 4):
                    break
                guest.sendall(frame)
            guest.shutdown(socket.SHUT_RDWR)


def _frame(peer: socket.socket) -> bytes:
    """One whole request or answer, with its size before it; nothing at the end."""
    size = peer.recv(4, socket.MSG_WAITALL)
    return size + peer.recv(int.from_bytes(size), socket.MSG_WAITALL) if size else b""


def _correlation(frame: bytes, at: int) -> bytes:
    """The number by which an answer names its request."""
    return frame[at : at + 4]
