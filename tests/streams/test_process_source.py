"""CPU and memory of processes, read from this very test."""

import os

from streams.schemas.scaling import ReplicaStatus
from streams.sources.process import ProcessSource


def replica(pid: int, node: str = "here") -> ReplicaStatus:
    return ReplicaStatus(
        pool="codex", replica="codex-1", state="ready", since_us=0, at_us=0, pid=pid, node=node
    )


async def test_the_second_reading_of_a_process_has_its_cpu() -> None:
    source = ProcessSource(node="here")
    first = await source.read([replica(os.getpid())], 1)
    second = await source.read([replica(os.getpid())], 2)

    assert first[0].cpu_ratio is None
    assert second[0].cpu_ratio is not None
    assert (second[0].source, second[0].at_us) == ("process", 2)


async def test_memory_is_in_bytes() -> None:
    samples = await ProcessSource(node="here").read([replica(os.getpid())], 1)

    assert (samples[0].rss_bytes or 0) > 10_000_000


async def test_processes_that_are_gone_or_elsewhere_are_left_out() -> None:
    source = ProcessSource(node="here")

    assert await source.read([replica(2**22 + 1), replica(os.getpid(), "there")], 1) == []
    await source.close()
