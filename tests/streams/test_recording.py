"""A recording gives back what was written, and says where it is broken."""

from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from streams.batch import Message
from streams.errors import CorruptMessageError
from streams.recording import MAGIC, RecordingWriter, read_recording

MESSAGES = [
    Message("requests", 0, 7, 1_000_000, b"k", b'{"kind":"arrived"}', [("trace", b"1")]),
    Message("pools", 0, 3, 2_000_000, b"local/codex", None, []),
    Message("requests", 1, 9, 2_000_000, None, b"\x00\xff", []),
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "some.tgr"
    with RecordingWriter(path) as writer:
        for message in MESSAGES:
            writer.write(message)
    return path


def test_every_message_comes_back_with_its_stamp(recording: Path) -> None:
    assert list(read_recording(recording)) == MESSAGES


def test_an_empty_recording_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "empty.tgr"
    with RecordingWriter(path):
        pass
    assert list(read_recording(path)) == []


def test_a_recording_of_this_version_can_still_be_read() -> None:
    stored = Path(__file__).parents[1] / "data" / "v1" / "recording.tgr"
    assert list(read_recording(stored)) == MESSAGES


def bodies(body: bytes) -> bytes:
    return MAGIC + zstandard.ZstdCompressor().compress(body)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", "is no recording", id="empty-file"),
        pytest.param(b"TGR9....", "is no recording of a version that we know", id="other-version"),
        pytest.param(MAGIC + b"nothing", "is broken after 0 messages", id="not-compressed"),
        pytest.param(bodies(b""), "after 0 messages (it was cut off here)", id="without-an-end"),
        pytest.param(bodies(b"\x05\x00\x00\x00ab"), "it was cut off here", id="half-an-entry"),
        pytest.param(
            bodies(b"\xff\xff\xff\xff"), "an entry of 4,294,967,295 bytes", id="too-large"
        ),
        pytest.param(bodies(b"\x01\x00\x00\x00\xc0"), "is broken after 0", id="not-a-message"),
        pytest.param(bodies(bytes(4) + b"\x02" + bytes(7)), "promises 2 messages", id="too-few"),
    ],
)
def test_a_bad_recording_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "bad.tgr"
    path.write_bytes(content)
    with pytest.raises(CorruptMessageError) as error:
        list(read_recording(path))
    assert sentence in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CorruptMessageError, match="cannot be read"):
        list(read_recording(tmp_path / "none.tgr"))


def test_what_was_written_before_a_crash_is_read_and_the_end_missed(tmp_path: Path) -> None:
    path = tmp_path / "cut.tgr"
    with suppress(KeyboardInterrupt), RecordingWriter(path) as writer:
        writer.write(MESSAGES[0])
        raise KeyboardInterrupt
    messages = read_recording(path)
    assert next(messages) == MESSAGES[0]
    with pytest.raises(CorruptMessageError, match="after 1 messages"):
        next(messages)
