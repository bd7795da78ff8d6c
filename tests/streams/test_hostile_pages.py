"""Pages with anything in them: read, planned for and measured without an error, and bounded."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from streams.sources.engines import plan_page
from streams.sources.meter import EngineMeter
from streams.sources.page_reader import PageReader, SeriesBook
from streams.sources.prometheus_text import names_on
from streams.sources.recognise import READ, said_by
from streams.sources.vocabulary import EVERYTHING
from streams.windows.spread import MAX_SPREAD_CHARS
from tests.streams import engine_pages as pages

SEEDS = [*pages.stored("vllm-0.33.0"), pages.trtllm(40), pages.triton_trtllm(40)]
WORDS = [b"NaN", b"+Inf", b"-1", b"1e308", b"-1e308", b"0x1", b"9" * 400, b"\xff", b"\n", b"{",
         b"}", b'"', b"\\", b" ", b"le=", b'le="-1"', b'le="nan"', b"\xc2\xb2", b""]  # fmt: skip


def spoilt(seed: int) -> bytes:
    """A page some of whose words are others."""
    rng = random.Random(seed)
    words = rng.choice(SEEDS).replace(b"\n", b" \n ").split(b" ")
    for _ in range(rng.choice([1, 10, 200])):
        at = rng.randrange(len(words))
        words[at] = rng.choice([*WORDS, words[at][: rng.randrange(9)], rng.choice(words)])
    return b" ".join(words).replace(b" \n ", b"\n")


def sample_of(texts: list[bytes]) -> EngineSample:
    reader, meter = (
        PageReader(EVERYTHING, SeriesBook()),
        EngineMeter(cluster="local", pool="chat", replica="a"),
    )
    for second, text in enumerate(texts):
        page = reader.read(text)
        reading = plan_page(page.series).read(page.values)
        sample = meter.sample(reading, second * SECOND_US, 0.01)
    return sample


@given(st.lists(st.integers(0, 2**32), min_size=2, max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_spoilt_page_gives_a_sample_that_can_be_sent(seeds: list[int]) -> None:
    sample = sample_of([spoilt(seed) for seed in seeds])

    assert msgspec.json.decode(msgspec.json.encode(sample), type=EngineSample).up == 1
    assert all(len(getattr(sample, f)) <= MAX_SPREAD_CHARS for f in sample.__struct_fields__
               if f.endswith("_spread"))  # fmt: skip
    counts = (sample.prompt_tokens, sample.output_tokens, sample.finished, sample.preemptions)
    assert all(count >= 0 for count in counts)


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_nothing_makes_recognising_fail(text: bytes) -> None:
    assert said_by(names_on(text)) in {"", *READ.values()}
