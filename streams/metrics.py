"""What the stages count of themselves, served to Prometheus on the loopback address."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from streams.errors import PortTakenError
from streams.liveness import Verdict

_STAGE: Final = ("stage",)
_SINK: Final = ("sink",)

# How much, and how far.
RECORDS_IN: Final = Counter("tidegate_stage_records_in", "Messages a stage has read.", _STAGE)
RECORDS_OUT: Final = Counter("tidegate_stage_records_out", "Messages a stage has written.", _STAGE)
LAG: Final = Gauge(
    "tidegate_stage_lag_records",
    "Messages in a stage's partitions of a topic that it has not taken yet.",
    ("stage", "topic"),
)
WATERMARK: Final = Gauge(
    "tidegate_stage_watermark_seconds",
    "Event time that all of a stage's partitions here have reached, Unix seconds.",
    _STAGE,
)
WATERMARK_LAG: Final = Gauge(
    "tidegate_stage_watermark_lag_seconds", "Clock less watermark at the last look.", _STAGE
)
COVERAGE: Final = Gauge(
    "tidegate_stage_coverage_ratio",
    "Share of sources heard of lately, on the shard where it is lowest.",
    _STAGE,
)
OPEN_WINDOWS: Final = Gauge(
    "tidegate_stage_open_windows", "Windows that have not closed, over all shards here.", _STAGE
)

# What was not as it should be with the data.
LATE: Final = Counter("tidegate_stage_late", "Records later than the lateness allows.", _STAGE)
DEAD_LETTERS: Final = Counter("tidegate_stage_dead_letters", "Records set aside.", _STAGE)
DUPLICATES: Final = Counter(
    "tidegate_stage_duplicates", "Frames that a producer sent again, dropped.", _STAGE
)
PROVISIONAL: Final = Counter(
    "tidegate_stage_provisional_windows", "Windows shown early because a source stalled.", _STAGE
)
LATE_AFTER_CLOSE: Final = Counter(
    "tidegate_stage_late_after_close", "Rows for windows that were final: must stay 0.", _STAGE
)
REPEATED_BLOCKS: Final = Counter(
    "tidegate_stage_repeated_blocks", "Blocks dropped as counted already.", _STAGE
)
BROKEN_BLOCKS: Final = Counter(
    "tidegate_stage_broken_blocks", "Blocks dropped for want of a part.", _STAGE
)
LOST_RECORDS: Final = Counter(
    "tidegate_stage_lost_records", "Offsets of the raw log that no block covered.", _STAGE
)
FOLDED_SERIES: Final = Counter(
    "tidegate_stage_folded_series", "Series merged into `other`, summed over windows.", _STAGE
)
FORCED_WINDOWS: Final = Counter(
    "tidegate_stage_forced_windows", "Windows closed early because too much was held.", _STAGE
)

# How it runs.
BATCHES: Final = Counter("tidegate_stage_batches", "Commits of a stage.", _STAGE)
COMMIT_SECONDS: Final = Histogram(
    "tidegate_stage_commit_seconds",
    "How long a commit took.",
    _STAGE,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
IDLE_SECONDS: Final = Counter(
    "tidegate_stage_fetch_idle_seconds", "Time in which partitions had nothing to do.", _STAGE
)
PARTITIONS: Final = Gauge("tidegate_stage_partitions", "Partitions owned by this process.", _STAGE)
REBALANCES: Final = Counter(
    "tidegate_stage_rebalances", "Assignments by the consumer group.", _STAGE
)
FENCED: Final = Counter(
    "tidegate_stage_fenced", "Times that ownership was lost or a commit left in doubt.", _STAGE
)
ERRORS: Final = Counter(
    "tidegate_stage_errors", "Failed commits and steps, after which state is rebuilt.", _STAGE
)
MISSED_ROWS: Final = Counter(
    "tidegate_stage_missed_rows", "Rows whose windows closed while nobody waited for them.", _STAGE
)
WORTH: Final = Gauge(
    "tidegate_detector_share",
    "Times an equal share of the budget of false pages that a detector has earned.",
    ("shard", "detector", "feature"),
)
GIVEN_UP: Final = Counter(
    "tidegate_stage_given_up", "Times a source was silent too long; once for each shard.", _STAGE
)
FAILING: Final = Gauge(
    "tidegate_stage_failures_in_a_row",
    "Of the partition that fails most; it is tried on for ever, nothing is skipped.",
    _STAGE,
)
RESTARTS: Final = Counter(
    "tidegate_stage_restarts", "Times that a supervisor has started the stage again.", _STAGE
)
HANGS: Final = Counter(
    "tidegate_stage_hangs", "Times that the stage was ended because it hung.", _STAGE
)

_PARTITION: Final = ("stage", "partition")
SNAPSHOT_AGE: Final = Gauge(
    "tidegate_snapshot_age_seconds",
    "Time from the last snapshot of a partition to its last commit.",
    _PARTITION,
)
SNAPSHOT_BYTES: Final = Gauge(
    "tidegate_snapshot_bytes", "Size of the last snapshot as written.", _PARTITION
)
SNAPSHOT_PAUSE: Final = Gauge(
    "tidegate_snapshot_pause_seconds", "How long the last snapshot held up the stage.", _PARTITION
)
SNAPSHOTS_REFUSED: Final = Counter(
    "tidegate_snapshots_refused", "Snapshots that were found and not used.", _PARTITION
)
RESTORE_SECONDS: Final = Gauge(
    "tidegate_restore_seconds", "How long restoring and replaying took.", _PARTITION
)
REPLAYED: Final = Counter(
    "tidegate_restore_replayed", "Messages replayed to restore a partition.", _PARTITION
)
LOST_FRAMES: Final = Gauge(
    "tidegate_stage_lost_frames",
    "Frames missing by their numbers in the last ten seconds that are over.",
    _PARTITION,
)
DOUBTFUL: Final = Gauge(
    "tidegate_stage_doubtful_values",
    "Values out of the ordinary in the last ten seconds that are over.",
    _PARTITION,
)
SINK_POINTS: Final = Counter("tidegate_sink_points", "Points a sink has stored.", _SINK)
SINK_REFUSED: Final = Counter(
    "tidegate_sink_refused", "Points a sink will never take, set aside.", _SINK
)
SINK_SPOOLED: Final = Gauge(
    "tidegate_sink_spooled", "Points that wait because their sink is down.", _SINK
)
SINK_DOWN: Final = Gauge("tidegate_sink_down", "1 while a sink takes nothing.", _SINK)

SCRAPE_TARGETS: Final = Gauge("tidegate_scrape_targets", "Targets that are scraped.")
SCRAPE_TARGETS_DROPPED: Final = Gauge(
    "tidegate_scrape_targets_dropped",
    "Targets that were found and are not scraped: too many, or another page of a known replica.",
)
SCRAPES: Final = Counter(
    "tidegate_scrapes",
    "Pages asked for: `read`, `no_engine` on it, what went wrong, `held_up` where we did.",
    ("outcome",),
)
SCRAPE_FLAWS: Final = Counter(
    "tidegate_scrape_flaws", "Lines of scraped pages that were not as they should be.", ("flaw",)
)
SCRAPE_SKIPPED: Final = Counter(
    "tidegate_scrape_skipped", "Scrapes that did not happen because the one before took too long."
)
DISCOVERY_ERRORS: Final = Counter(
    "tidegate_discovery_errors",
    "Times a list of targets, or Kubernetes, could not be had.",
    ("kind",),
)
KUBERNETES_SKIPPED: Final = Counter(
    "tidegate_kubernetes_skipped",
    "Objects of Kubernetes that were passed over: too large, too many, or not understood.",
    ("resource", "why"),
)
DOOR_ITEMS: Final = Counter(
    "tidegate_door_items",
    "What senders pushed: taken, ignored as none of ours, or events moved to when they came.",
    ("door", "outcome"),
)
DOOR_REFUSED: Final = Counter(
    "tidegate_door_refused",
    "Requests, points and spans that a door did not take.",
    ("door", "reason"),
)


def show_from_start(stage: str) -> None:
    """Let what has not happened yet be scraped as 0: a rate needs to begin somewhere."""
    for metric in (LATE, DEAD_LETTERS, FENCED, ERRORS, RESTARTS, HANGS, REBALANCES, IDLE_SECONDS):
        metric.labels(stage)


def serve_metrics(port: int, health: Callable[[], Verdict] = Verdict) -> None:
    """Answer `/metrics` and `/healthz` on 127.0.0.1:``port`` from threads of their own.

    `/healthz` is 200, or 503 with a sentence while ``health`` is not well. Raises PortTakenError.
    """

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/healthz":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
                return
            verdict = health()
            text = f"{verdict.state}: {verdict.why}\n" if verdict.why else "well\n"
            self._answer(503 if verdict.why else 200, "text/plain; charset=utf-8", text.encode())

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass  # A scrape every few seconds is no news.

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Door)
    except OSError as exc:
        raise PortTakenError("metrics", port, "--metrics-port") from exc
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
