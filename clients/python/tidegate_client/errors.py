"""Every error this package raises.

* TidegateClientError
  + InvalidSettingError (also a ValueError): raised when a client is made, never later
"""


class TidegateClientError(Exception):
    """Base class."""


class InvalidSettingError(TidegateClientError, ValueError):
    """An argument or a ``TIDEGATE_CLIENT_*`` variable is outside its range."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} must be {allowed}, got {value!r}")


class UnfitRecordError(TidegateClientError, ValueError):
    """A record that Tidegate could not read; inside of the client it is counted and logged once."""
