"""Every error this project raises on purpose.

* TidegateError
  + InvalidParameterError (also a ValueError)
  + OutdatedError
  + CorruptMessageError
  + SnapshotError
  + BrokerUnavailableError
    - BrokerRefusedError
  + OwnershipLostError
  + OffsetExpiredError
  + SinkUnavailableError
  + SourceUnavailableError
  + RegistryUnavailableError
  + PoolDriverError
  + PortTakenError
  + MissingRequirementError
"""


class TidegateError(Exception):
    """Base class: catch this one at a process boundary, nowhere else."""


class InvalidParameterError(TidegateError, ValueError):
    """A setting or argument is outside its range."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} must be {allowed}, got {value!r}")


class OutdatedError(TidegateError):
    """What was asked for rests on a state of things that is no more; look again, then ask again."""


class CorruptMessageError(TidegateError):
    """Bytes that are not what they claim to be; the reader makes a dead letter of them."""


class SnapshotError(TidegateError):
    """A snapshot that must not be used; an older one or the log itself takes its place."""


class BrokerUnavailableError(TidegateError):
    """No broker answers at the address, or it cannot do what this stage needs."""

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(f"broker {address} unavailable ({cause})")


class BrokerRefusedError(BrokerUnavailableError):
    """A broker is there and does not let us in; trying again will not help."""


class OwnershipLostError(TidegateError):
    """Another worker owns the partition now; drop its state and wait for an assignment."""


class OffsetExpiredError(TidegateError):
    """The log no longer holds what comes after the committed offset."""

    def __init__(self, log: str, offset: int, begin: int) -> None:
        super().__init__(
            f"{log}: offset {offset} has expired, the log begins at {begin}; records are lost, "
            f"reset the group's offset to go on"
        )


class SinkUnavailableError(TidegateError):
    """The destination cannot take records now; retry after the given pause."""

    def __init__(self, sink: str, retry_after_s: float, cause: str) -> None:
        super().__init__(f"sink {sink!r} unavailable ({cause}); retrying in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class SourceUnavailableError(TidegateError):
    """What telemetry should come from does not answer, or not with telemetry.

    trouble: the cause in a word, for counting. status: of the HTTP answer, 0 where there was none.
    """

    def __init__(
        self, url: str, cause: str, *, trouble: str = "unreachable", status: int = 0
    ) -> None:
        super().__init__(f"{url} {cause}")
        self.cause = cause
        self.trouble = trouble
        self.status = status


class RegistryUnavailableError(TidegateError):
    """The Schema Registry does not answer: its topics wait, and nothing is lost."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"schema registry {url} unavailable ({cause}); its topics wait")


class PoolDriverError(TidegateError):
    """The orchestrator refused or failed to change a pool."""


class PortTakenError(TidegateError):
    """Something else listens where we want to."""

    def __init__(self, purpose: str, port: int, setting: str) -> None:
        super().__init__(
            f"port {port} for the {purpose} is taken; stop what listens there or set {setting}"
        )


class MissingRequirementError(TidegateError):
    """A package, program or file is not there; the message says what brings it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is missing; {remedy}")
