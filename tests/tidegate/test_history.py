"""`tidegate import`: from a file to a recording, and what it says on the way."""

from pathlib import Path

import pytest

from streams.codec import decode_record
from streams.recording import read_recording
from streams.schemas.telemetry import RequestEvent
from tidegate.cli import main


def imported(folder: Path, text: str, *words: str) -> int:
    (folder / "a.csv").write_text(text)
    return main(["import", str(folder / "a.csv"), "--out", str(folder / "a.tgr"), *words])


def test_a_recording_has_each_event_stamped_when_it_happened(tmp_path: Path) -> None:
    assert imported(tmp_path, "at,duration_s\n3,2\n4,0.5\n", "--start", "2026-01-31") == 0
    found = list(read_recording(tmp_path / "a.tgr"))
    events = [decode_record(message.value or b"", RequestEvent) for message in found]

    assert [(e.kind, e.request_id) for e in events] == [
        ("arrived", "1"),
        ("arrived", "2"),
        ("finished", "2"),
        ("finished", "1"),
    ]
    assert [message.timestamp_us for message in found] == [event.at_us for event in events]
    assert events[0].at_us == 1_769_817_603_000_000
    assert [message.offset for message in found] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "words", "code", "said"),
    [
        pytest.param(
            "x,y\n1,2\n", (), 2, "columns must be of a known kind: azure (TIMESTAMP,", id="unknown"
        ),
        pytest.param(
            "x,y\n1,2\n",
            ("--columns", "at=z"),
            2,
            "--columns must be among those there: x, y",
            id="another-name",
        ),
        pytest.param(
            "x,y\n1,2\n",
            ("--kind", "azure"),
            2,
            "ContextTokens, GeneratedTokens; it has x, y",
            id="kind",
        ),
        pytest.param(
            "at\n1\nx\n", (), 0, "1 lines are no requests, of them the first:", id="bad-line"
        ),
        pytest.param("at\n1\n", (), 0, "no request has an end", id="no-end"),
        pytest.param("at\nx\n", (), 1, "0 requests of kind columns", id="nothing"),
        pytest.param(
            "at\n1\n",
            ("--columns", "at"),
            2,
            "must be FIELD=COLUMN,FIELD=COLUMN, got at",
            id="half",
        ),
        pytest.param(
            "at\n1\n", ("--served", "0,1"), 2, "must be tokens a second", id="served-by-nothing"
        ),
    ],
)
def test_what_it_says(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    try:
        found = imported(tmp_path, text, *words)
    except SystemExit as exc:  # argparse's own
        found = int(exc.code or 0)

    assert (found, said in capsys.readouterr().err) == (code, True)
