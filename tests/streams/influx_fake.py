"""An HTTP server that takes line protocol as InfluxDB does, overwrites, and refuses on demand."""

import gzip
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from streams.sinks.base import FieldValue, Point

_PART = r"(?:[^\\ ,=\n]|\\.)+"
_FIELD = r'(?:[^\\ ,=]|\\.)+=(?:"(?:[^"\\]|\\.)*"|[^ ,"]+)'
_LINE = re.compile(rf"({_PART})((?:,{_PART}={_PART})*) ({_FIELD}(?:,{_FIELD})*) (\d+)", re.DOTALL)


class FakeInflux:
    """What the server holds, what it was asked, and what it shall answer next."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.held: dict[tuple[object, ...], Point] = {}
        self.requests: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str], str]] = []
        """Taken one by one before the server goes back to normal."""
        self.poison = "\0"
        """A batch with this text in it is refused with 400."""

    def read(self, measurement: str) -> list[Point]:
        found = [one for one in self.held.values() if one.measurement == measurement]
        return sorted(found, key=lambda one: (one.at_us, one.identity))

    def take(self, body: str) -> tuple[int, dict[str, str], str]:
        if self.answers:
            return self.answers.pop(0)
        if self.poison in body:
            return 400, {}, json.dumps({"code": "invalid", "message": "unable to parse a line"})
        for found in _LINE.finditer(body):
            one = _parse(found)
            self.held[one.identity] = one
        return 204, {}, ""


def _parse(found: re.Match[str]) -> Point:
    measurement, tags, fields, at_us = found.groups()
    pairs = re.findall(rf",({_PART})=({_PART})", tags)
    values = re.findall(rf"({_PART})=(\"(?:[^\"\\]|\\.)*\"|[^ ,\"]+)", fields, re.DOTALL)
    return Point(
        measurement=measurement,
        at_us=int(at_us),
        tags={name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs},
        fields={name: _value(text) for name, text in values},
    )


def _value(text: str) -> FieldValue:
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return int(text[:-1]) if text.endswith("i") else float(text)


@contextmanager
def fake_influx_server() -> Iterator[FakeInflux]:
    class Door(http.server.BaseHTTPRequestHandler):
        fake: ClassVar[FakeInflux]

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.fake.requests.append({"path": self.path, **self.headers})
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            status, headers, text = self.fake.take(body.decode())
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    Door.fake = FakeInflux(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Door.fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
