"""A door to Kafka (HTTP CONNECT) that loses answers: the broker has the frame, and nobody knows."""

import socket
import threading
from contextlib import suppress
from struct import unpack_from

PRODUCE = 0


class CuttingProxy:
    """Passes everything through, but hangs up instead of passing on the answer to a produce.

    cuts: how often it does so.
    """

    def __init__(self, *, cuts: int) -> None:
        self.cuts = cuts
        self._deaf: set[socket.socket] = set()
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
        while data := guest.recv(1 << 20):
            lose = self.cuts and len(data) > 6 and unpack_from(">h", data, 4)[0] == PRODUCE
            if lose:
                self.cuts -= 1
                # The answer comes only once the frame is in the log; closing then loses it.
                self._deaf.add(guest)
            broker.sendall(data)

    def _answer(self, broker: socket.socket, guest: socket.socket) -> None:
        with suppress(OSError):
            while data := broker.recv(1 << 20):
                if guest in self._deaf:
                    break
                guest.sendall(data)
            guest.shutdown(socket.SHUT_RDWR)
