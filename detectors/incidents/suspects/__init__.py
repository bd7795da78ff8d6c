"""Every explanation that could be given for what is seen of a pool, as a table.

A suspect finder takes a scene and yields suspects with a weight from 0 to 1 and a sentence with
the numbers. To add one: write it in the file it belongs to, name it below.
"""

from collections.abc import Callable, Iterator
from typing import Final

from detectors.incidents.scene import Scene
from detectors.incidents.suspects.ailing import ailing
from detectors.incidents.suspects.answers import wrong_answers
from detectors.incidents.suspects.base import Suspect
from detectors.incidents.suspects.other import faulty_gpu, recent_change
from detectors.incidents.suspects.retries import retry_storm
from detectors.incidents.suspects.silent import lost_or_frozen
from detectors.incidents.suspects.slow import slow_replica, slower_than_fellows, stalling
from detectors.incidents.suspects.telemetry import metric_stuck, silent_metrics
from detectors.incidents.suspects.traffic import capacity_short, drop, refused_client, surge

SUSPECTS: Final[tuple[Callable[[Scene], Iterator[Suspect]], ...]] = (
    ailing,
    capacity_short,
    drop,
    faulty_gpu,
    lost_or_frozen,
    metric_stuck,
    recent_change,
    refused_client,
    retry_storm,
    silent_metrics,
    slow_replica,
    slower_than_fellows,
    stalling,
    surge,
    wrong_answers,
)
