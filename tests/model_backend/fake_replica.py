"""A tiny replica for tests: `fake_replica.py FD MANNER STATUS`; serves /health and sleep mode.

Manners: obliging; stubborn (ends by force only); sleepless (cannot sleep); dreamy (never wakes).
"""

import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(sys.argv[3]))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"is_sleeping": %s}' % (b"true" if Door.asleep else b"false"))

    asleep = False

    def do_POST(self) -> None:
        manner, slept = sys.argv[2], self.path.startswith("/sleep")
        refused = manner == ("sleepless" if slept else "dreamy")
        if not refused:
            Door.asleep = slept
        self.send_response(404 if refused else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    if sys.argv[2] == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = HTTPServer(("127.0.0.1", 0), Door, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(sys.argv[1]))
    server.serve_forever()
