"""Who takes part, and what each does and leaves out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One row of the table.

    script: of the peer, in ``peers/``; empty for Tidegate itself.
    share: how many times ``--events`` it gets, so that the slow end and the fast run long enough.
    closes_s: how far ahead of the rest an event lies that closes its last windows; 0 for none.
    """

    what: str
    share: float
    script: str = ""
    form: str = "json"
    closes_s: float = 0.0
    windows: bool = True
    """Whether it sums up anything: the floor does not."""
    exact: bool = False
    """Results stay right when it is killed."""
    leaves_out: str = ""


CONTENDERS: Final[Mapping[str, Contender]] = {
    "floor": Contender(
        what="aiokafka getmany",
        script="aiokafka_floor.py",
        share=5,
        windows=False,
        leaves_out="everything but reading",
    ),
    "tidegate": Contender(
        what="Tidegate INGEST, transactions, blocks to 16 shards, all request features",
        share=5,
        exact=True,
    ),
    "confluent": Contender(
        what="confluent-kafka consume, msgspec, numpy",
        script="confluent_windows.py",
        share=5,
        leaves_out="output, state, late, bad records",
    ),
    "bytewax": Contender(
        what="Bytewax fold_window, msgspec",
        script="bytewax_windows.py",
        share=2,
        closes_s=70,
        leaves_out="output to Kafka, recovery, bad records",
    ),
    "quix": Contender(
        what="Quix Streams tumbling window, changelog on",
        script="quix_windows.py",
        share=0.5,
        closes_s=8,
        leaves_out="histogram, output to Kafka, bad records; at least once",
    ),
    "faust": Contender(
        what="vanilla Faust agent, raw bytes, msgspec, uvloop",
        script="faust_windows.py",
        share=0.25,
        leaves_out="output, state, late, bad records",
    ),
    "floor-frames": Contender(
        what="aiokafka getmany, JSON-lines frames of 200",
        script="aiokafka_floor.py",
        form="json-frames",
        share=10,
        windows=False,
        leaves_out="everything but reading",
    ),
    "tidegate-frames": Contender(
        what="Tidegate INGEST, JSON-lines frames of 200",
        form="json-frames",
        share=10,
        exact=True,
    ),
    "floor-columns": Contender(
        what="aiokafka getmany, columnar frames of 200",
        script="aiokafka_floor.py",
        form="column-frames",
        share=10,
        windows=False,
        leaves_out="everything but reading",
    ),
    "tidegate-columns": Contender(
        what="Tidegate INGEST, columnar frames of 200",
        form="column-frames",
        share=10,
        exact=True,
    ),
}
