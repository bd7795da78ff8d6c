"""Sends what a service does with its requests to Tidegate, without ever getting in its way."""

from tidegate_client.asgi import TelemetryMiddleware
from tidegate_client.client import Client
from tidegate_client.counters import Counters
from tidegate_client.errors import InvalidSettingError, TidegateClientError
from tidegate_client.request import Request

__all__ = [
    "Client",
    "Counters",
    "InvalidSettingError",
    "Request",
    "TelemetryMiddleware",
    "TidegateClientError",
]
