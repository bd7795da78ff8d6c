"""Points to InfluxDB 1.8+, 2.x or 3.x through the v2 write API."""

import math
from collections.abc import Sequence
from typing import Any, Final, Self

import urllib3
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point as InfluxPoint
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision

from streams.errors import SinkUnavailableError
from streams.settings import InfluxSettings, SinkSettings
from streams.sinks.base import BadPoint, Point

_RETRY_AFTER_S: Final = 2.0
_ASK_AGAIN_S: Final = 30.0
"""Wrong token, no such bucket: a person has to act first."""
_MAX_RETRY_AFTER_S: Final = 300.0
_MAX_REQUESTS: Final = 64
"""To find the bad lines of one batch; what is then still unclear is set aside as a whole."""
_BAD_LINES: Final = {400, 413, 422}
_A_PERSON_MUST_ACT: Final = {401, 403, 404}


class InfluxSink:
    """Writes gzipped batches with microsecond times; the token never reaches a message.

    A batch that the server refuses in part is halved until the bad lines stand alone: writing the
    good ones again does no harm.
    """

    name = "influxdb"

    def __init__(self, settings: InfluxSettings) -> None:
        self.batch_points = settings.batch_points
        self._settings = settings
        self._client: Any = None

    @classmethod
    def from_settings(cls, settings: SinkSettings) -> Self | None:
        return cls(settings.influx) if settings.influx.url else None

    def write(self, points: Sequence[Point]) -> Sequence[BadPoint]:
        bad: list[BadPoint] = []
        waiting = [points]
        requests_left = _MAX_REQUESTS
        while waiting:
            batch = waiting.pop()
            requests_left -= 1
            if not (refusal := self._send(batch)):
                continue
            if len(batch) == 1 or requests_left < len(waiting) + 2:
                bad += (BadPoint(point, refusal) for point in batch)
            else:
                waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
        return bad

    def close(self) -> None:
        if self._client:
            self._client.close()
            self._client = None

    def _send(self, points: Sequence[Point]) -> str:
        """Empty, or why the server refuses some or all of the points."""
        settings = self._settings
        lines = "\n".join(_line(point) for point in points)
        try:
            self._connected().write_api(write_options=SYNCHRONOUS).write(
                settings.bucket, settings.org, lines.encode(), WritePrecision.US
            )
        except InfluxDBError as exc:
            return self._refusal(exc)
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            # Its text may hold the URL with a password in it: only the kind of error is told.
            raise SinkUnavailableError(self.name, _RETRY_AFTER_S, type(exc).__name__) from None
        return ""

    def _refusal(self, exc: InfluxDBError) -> str:
        status = getattr(exc, "status", None) or 0
        cause = f"HTTP {status}: {self._without_token(str(exc.message))}"
        if status in _BAD_LINES:
            return cause
        if status in _A_PERSON_MUST_ACT:
            raise SinkUnavailableError(self.name, _ASK_AGAIN_S, cause) from None
        raise SinkUnavailableError(self.name, retry_after_s(exc.retry_after), cause) from None

    def _without_token(self, text: str) -> str:
        token = self._settings.token.get_secret_value()
        for secret in (token, token.partition(":")[2]):
            text = text.replace(secret, "***") if secret else text
        return text[:500]

    def _connected(self) -> Any:
        if not self._client:
            settings = self._settings
            self._client = InfluxDBClient(
                url=settings.url,
                token=settings.token.get_secret_value(),
                org=settings.org,
                timeout=round(settings.timeout_s * 1_000),
                enable_gzip=True,
                retries=urllib3.Retry(0),  # delivery.py retries, with a bound
            )
        return self._client


def retry_after_s(header: str | None) -> float:
    """The pause a server asks for, in seconds; a date or nonsense counts as no wish.

    >>> retry_after_s("12"), retry_after_s(None), retry_after_s("1e9"), retry_after_s("soon")
    (12.0, 2.0, 300.0, 2.0)
    """
    try:
        asked = float(header or "")
    except ValueError:
        return _RETRY_AFTER_S
    return min(max(asked, 0.0), _MAX_RETRY_AFTER_S) if math.isfinite(asked) else _RETRY_AFTER_S


def _line(point: Point) -> str:
    make: Any = InfluxPoint  # untyped
    line = make(point.measurement)
    line.time(point.at_us, WritePrecision.US)
    for name, tag in point.tags.items():
        line.tag(name, tag)
    for name, value in point.fields.items():
        line.field(name, value)
    return str(line.to_line_protocol())
