"""What others rely on: schemas are as in `docs/`, stored samples are still read."""

import json
import struct
from pathlib import Path
from typing import Any

import crc32c
import jsonschema
import msgspec
import pytest

from streams.codec import FrameHeader, decode_block, decode_frame, decode_record
from streams.frames import decode_columns, shape_of
from streams.schemas.anomalies import Anomaly
from streams.schemas.export import RECORDS, main, pages
from streams.schemas.telemetry import Change, EngineSample, RequestEvent
from streams.windows.blocks import decode_table
from streams.windows.delta import to_table
from tests.streams.samples import T0, assert_same

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "schemas"
SAMPLES = ROOT / "tests" / "data"
STORED = sorted(SAMPLES.glob("v*/*.json"))
V1 = SAMPLES / "v1"
V2 = SAMPLES / "v2"


@pytest.mark.parametrize("name", pages())
def test_docs_hold_what_the_code_says(name: str) -> None:
    stored = (SCHEMAS / name).read_text(encoding="utf-8")

    assert stored == pages()[name], "run: python -m streams.schemas.export docs/schemas"


def test_docs_hold_no_page_of_a_record_that_is_gone(tmp_path: Path) -> None:
    main(tmp_path)

    written = {page.name for page in tmp_path.iterdir()} | {"envelope.md"}
    assert {page.name for page in SCHEMAS.iterdir()} == written


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_has_a_stored_sample(name: str) -> None:
    assert [sample for sample in STORED if sample.stem == name]


@pytest.mark.parametrize("sample", STORED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stored_records_are_still_read_field_by_field(sample: Path) -> None:
    stored = json.loads(sample.read_bytes())

    record = decode_record(sample.read_bytes(), RECORDS[sample.stem])

    # Fields added since then are filled in, so all of the sample has to be there, and maybe more.
    assert_holds(record, stored)


def assert_holds(found: Any, stored: Any) -> None:
    if isinstance(stored, dict):
        for name, value in stored.items():
            inside = found[name] if isinstance(found, dict) else getattr(found, name)
            assert_holds(inside, value)
    elif isinstance(stored, list):
        for left, right in zip(found, stored, strict=True):
            assert_holds(left, right)
    else:
        assert found == stored


@pytest.mark.parametrize("sample", STORED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stored_records_keep_to_the_schema(sample: Path) -> None:
    schema = json.loads((SCHEMAS / sample.name).read_text(encoding="utf-8"))

    jsonschema.validate(json.loads(sample.read_bytes()), schema)


@pytest.mark.parametrize("name", ["frame-none", "frame-lz4", "frame-zstd"])
def test_stored_frames_are_still_read(name: str) -> None:
    header, lines = decode_frame((V1 / f"{name}.bin").read_bytes())

    assert header == FrameHeader(producer="gateway-1", boot="b1", sequence=42, count=3)
    events = [decode_record(line, RequestEvent) for line in lines]
    assert [(e.kind, e.request_id) for e in events] == [
        ("arrived", "r0"),
        ("finished", "r1"),
        ("cancelled", "r2"),
    ]


COLUMNS = [
    {"kind": "arrived", "pool": "codex", "tenant": "潮", "request_id": "r0", "prompt_tokens": 300},
    {"kind": "finished", "pool": "codex", "request_id": "r1", "status": 200, "output_tokens": 70}
    | {"ttft_s": 0.25, "duration_s": 1.5},
    {"kind": "cancelled", "pool": "sora", "request_id": "r2", "status": 499},
]


@pytest.mark.parametrize("name", ["columns-none", "columns-lz4", "columns-zstd"])
def test_stored_frames_of_columns_are_still_read(name: str) -> None:
    frame = decode_columns((V2 / f"{name}.bin").read_bytes(), shape_of(RequestEvent))

    records = [msgspec.convert(frame.values(line), RequestEvent) for line in range(3)]
    assert records == [
        msgspec.convert({"at_us": T0 + line} | values, RequestEvent)
        for line, values in enumerate(COLUMNS)
    ]


@pytest.mark.parametrize("name", ["delta-none", "delta-lz4", "delta-zstd", "window"])
def test_stored_tables_are_still_read(name: str) -> None:
    table = decode_table(decode_block((V1 / f"{name}.bin").read_bytes()))

    samples = [
        EngineSample(
            at_us=T0 + n,
            pool="codex",
            replica=f"codex-{n % 2}",
            up=float(n % 2),
            ttft_s=0.1 * n,
            output_tokens=n,
        )
        for n in range(4)
    ]
    assert_same([table], [to_table("engine", samples, interval_us=1_000_000)])


def test_stored_headers_are_still_read() -> None:
    header = decode_block((V1 / "delta-lz4.bin").read_bytes()).header

    told = (header.kind, header.shard, header.source, header.partition)
    assert told == ("delta", 1, "engine", 2)
    assert (header.from_offset, header.next_offset, header.watermark_us) == (10, 14, T0)


@pytest.mark.parametrize(("name", "kind"), [("control", Change), ("anomaly", Anomaly)])
def test_stored_payloads_are_still_read(name: str, kind: type[msgspec.Struct]) -> None:
    block = decode_block((V1 / f"{name}.bin").read_bytes())

    assert len(msgspec.json.decode(block.payload, type=list[kind])) == 1  # type: ignore[valid-type]


def test_a_frame_can_be_read_by_the_book() -> None:
    """docs/schemas/envelope.md, followed to the letter."""
    data = (V1 / "frame-none.bin").read_bytes()

    magic, version, codec, reserved, crc, h, s, decoded = struct.unpack_from("<4sBBHIIII", data)

    assert (magic, version, codec, reserved) == (b"TGF1", 1, 0, 0)
    assert crc == crc32c.crc32c(data[12:])
    assert (len(data), decoded) == (24 + h + s, s)
    assert json.loads(data[24 : 24 + h])["count"] == data[24 + h :].count(b"\n")


def test_a_frame_of_columns_can_be_read_by_the_book() -> None:
    """The same page, without any code of ours."""
    data = (V2 / "columns-none.bin").read_bytes()
    magic, version, codec, _, crc, h, s, _ = struct.unpack_from("<4sBBHIIII", data)
    header, body, at = json.loads(data[24 : 24 + h]), data[24 + h :], 0
    columns: dict[str, list[Any]] = {}

    for name, dtype in header["columns"]:
        size, code = int(dtype[2:]), {"u1": "B", "u2": "H", "i8": "q", "f8": "d"}[dtype[1:]]
        columns[name] = list(struct.unpack_from(f"<{header['count']}{code}", body, at))
        at += size * header["count"]

    assert (magic, version, codec, crc) == (b"TGF1", 2, 0, crc32c.crc32c(data[12:]))
    assert at == s == len(body)
    assert [header["texts"]["kind"][number] for number in columns["kind"]] == [
        "arrived",
        "finished",
        "cancelled",
    ]
    assert columns["ttft_s?"] == [0, 1, 0]
    assert columns["ttft_s"][1] == 0.25
