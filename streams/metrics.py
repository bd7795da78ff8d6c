"""What the stages count of themselves, served to Prometheus on the loopback address."""

from typing import Final

from prometheus_client import Counter, Gauge, start_http_server

from streams.errors import PortTakenError

_STAGE: Final = ("stage",)
_SINK: Final = ("sink",)

RECORDS_IN: Final = Counter("tidegate_stage_records_in", "Messages a stage has read.", _STAGE)
RECORDS_OUT: Final = Counter("tidegate_stage_records_out", "Messages a stage has written.", _STAGE)
BATCHES: Final = Counter("tidegate_stage_batches", "Commits of a stage.", _STAGE)
ERRORS: Final = Counter(
    "tidegate_stage_errors", "Failed commits and steps, after which state is rebuilt.", _STAGE
)
DEAD_LETTERS: Final = Counter("tidegate_stage_dead_letters", "Records set aside.", _STAGE)
LATE: Final = Counter("tidegate_stage_late", "Records later than the lateness allows.", _STAGE)
MISSED_ROWS: Final = Counter(
    "tidegate_stage_missed_rows", "Rows whose windows closed while nobody waited for them.", _STAGE
)
GIVEN_UP: Final = Counter(
    "tidegate_stage_given_up", "Times a source was silent too long; once for each shard.", _STAGE
)
WATERMARK: Final = Gauge(
    "tidegate_stage_watermark_seconds", "Event time a stage has reached, Unix seconds.", _STAGE
)
WATERMARK_LAG: Final = Gauge(
    "tidegate_stage_watermark_lag_seconds", "Clock less watermark when it last moved.", _STAGE
)
COMMIT_SECONDS: Final = Gauge(
    "tidegate_stage_commit_seconds", "How long the last commit of a stage took.", _STAGE
)
SINK_POINTS: Final = Counter("tidegate_sink_points", "Points a sink has stored.", _SINK)
SINK_REFUSED: Final = Counter(
    "tidegate_sink_refused", "Points a sink will never take, set aside.", _SINK
)
SINK_SPOOLED: Final = Gauge(
    "tidegate_sink_spooled", "Points that wait because their sink is down.", _SINK
)
SINK_DOWN: Final = Gauge("tidegate_sink_down", "1 while a sink takes nothing.", _SINK)


def serve_metrics(port: int) -> None:
    """Answer scrapes on 127.0.0.1:``port`` from a thread of its own.

    Raises PortTakenError.
    """
    try:
        start_http_server(port, addr="127.0.0.1")
    except OSError as exc:
        raise PortTakenError("metrics", port, "--metrics-port") from exc
