"""What two sites know in one file, and a third that begins with it."""

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from detectors.banks.ewma import EwmaState
from detectors.knowledge import Knowledge
from detectors.settings import DetectionSettings, DetectorSettings
from streams.clock import SECOND_US
from streams.codec import decode_block
from streams.errors import InvalidParameterError
from streams.packing import unpack
from streams.schemas.anomalies import Anomaly
from streams.schemas.telemetry import EngineSample
from streams.settings import StreamSettings, TopicSettings
from streams.stage import Out
from tests.tidegate.edge_site import BEGAN_US, clock_us
from tidegate.edge.memory import Memory
from tidegate.edge.merge_sites import merge_sites
from tidegate.edge.settings import EdgeSettings
from tidegate.edge.site import Sender, settings_of
from tidegate.edge.spool import Spool
from tidegate.settings import Settings

BUSY = DetectorSettings(kind="ewma", series="engine", values=("running_mean",))
RESTS = DetectorSettings(kind="limit", series="engine", values=("up_min",))


def site_settings(name: str, begins_with: str = "", kind: str = "ewma") -> Settings:
    edge = EdgeSettings(site=name, snapshot_s=5, begins_with=begins_with)
    stream = StreamSettings(topics=TopicSettings(shards=4, raw_partitions=1))
    detectors = BUSY.model_copy(update={"kind": kind}), RESTS
    detection = DetectionSettings(detectors=detectors)
    return settings_of(Settings(stream=stream, detection=detection, edge=edge))


def lived(path: Path, settings: Settings, running: float, seconds: int = 80) -> list[Anomaly]:
    """What a site finds whose one replica has about so many requests running."""
    name, found = settings.edge.site, []
    with closing(Spool(path, max_bytes=10**9, born=0)) as spool:
        memory = Memory(settings, spool, Sender(site=name, shard=0))
        for second in range(seconds):
            at_us, now = BEGAN_US + second * SECOND_US, running + second % 3
            sample = EngineSample(
                at_us=at_us, cluster=name, pool="chat", replica="chat-0", running=now
            )
            memory.step([Out(topic="engine", key=name, value=sample)], clock_us(second))
        for waiting in spool.waiting():
            found += anomalies(waiting.out)
    return found


def anomalies(out: Out) -> list[Anomaly]:
    payload = decode_block(out.payload or b"").payload if out.topic == "anomalies" else b""
    return msgspec.json.decode(payload, type=list[Anomaly]) if payload else []


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spools of three sites, whose replicas have 4 to 6, 5 to 7 and 9 to 11 requests running."""
    folder = tmp_path_factory.mktemp("sites")
    for name, running in (("paris", 4.0), ("rome", 5.0), ("oslo", 9.0)):
        lived(folder / name, site_settings(name), running)
    return folder


@pytest.fixture(scope="module")
def merged(sites: Path) -> Path:
    """What the first two know."""
    merge_sites([sites / "paris", sites / "rome"], sites / "known", site_settings("lyon"))
    return sites / "known"


def test_a_new_site_begins_with_what_the_others_know(tmp_path: Path, merged: Path) -> None:
    found = lived(tmp_path / "lyon", site_settings("lyon", str(merged)), 40.0, seconds=10)
    assert found
    assert {one.feature for one in found} == {"engine.running_mean"}
    assert 5 < found[0].expected < 6
    assert lived(tmp_path / "nice", site_settings("nice"), 40.0, seconds=10) == []


def test_no_name_and_no_reading_of_a_site_travels(merged: Path) -> None:
    data = merged.read_bytes()
    assert b"chat" in data
    assert not any(word in data for word in (b"paris", b"rome", b"chat-0"))


def test_what_was_merged_merges_again(sites: Path, merged: Path, tmp_path: Path) -> None:
    out, lyon = tmp_path / "out", site_settings("lyon")
    again = merge_sites([merged, sites / "oslo"], out, lyon)
    at_once = merge_sites([sites / name for name in ("paris", "rome", "oslo")], out, lyon)
    assert numbers(again) == pytest.approx(numbers(at_once))


def numbers(knowledge: Knowledge) -> list[float]:
    ((_, known),) = knowledge.known
    assert list(known.members) == [0]
    state = unpack(known.members[0], EwmaState)
    return [float(each[0]) for each in (state.seen, state.mean, state.variance)]


@pytest.mark.parametrize(
    ("file", "kind", "reason"),
    [
        pytest.param("gone", "ewma", "a file that exists", id="no-file"),
        pytest.param("text", "ewma", "a file of `tidegate merge-sites`", id="another-file"),
        pytest.param(
            "paris", "robust", "a spool with a snapshot of the detectors", id="other-detectors"
        ),
    ],
)
def test_what_cannot_be_merged_says_why(
    sites: Path, tmp_path: Path, file: str, kind: str, reason: str
) -> None:
    (sites / "text").write_text("no state")
    with pytest.raises(InvalidParameterError, match=reason):
        merge_sites([sites / file], tmp_path / "out", site_settings("lyon", kind=kind))


def test_knowledge_of_other_detectors_is_refused(tmp_path: Path, merged: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"edge.begins_with .*these detectors"):
        lived(tmp_path / "lyon", site_settings("lyon", str(merged), kind="robust"), 4.0)
