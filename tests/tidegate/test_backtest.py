import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from autoscaler.profile.record import Profile
from autoscaler.region import Limit
from tests.autoscaler.backtest.test_trace import by_second
from tests.looked_at import scraping
from tests.services.engine_pages import EnginePage
from tidegate.cli import main


def test_a_trace_is_held_against_policies_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "chart.svg"
    words = ["backtest", str(by_second(tmp_path)), "--policies", "hpa,keda", "--price", "2"]

    assert main([*words, "--chart", str(chart)]) == 0

    said = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in said[1:5]] == ["policy", "as it begins", "hpa", "keda"]
    assert len(ET.fromstring(chart.read_text()).findall(".//{*}polyline")) == 9


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, tuple[float, float]]:
    """GPU-hours and percent missed, by the name of the row."""
    assert main(["backtest", *words]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    cells = [re.split(r"  +", line) for line in lines]
    return {row[0]: (float(row[1]), float(row[3].removesuffix(" %"))) for row in cells if row[3:]}


def saved(folder: Path, came_s: list[float], service_s: float, lasts_s: float = 900) -> str:
    """Requests that have a slot for so long each."""
    file, came = folder / "trace.npz", np.array([*came_s, lasts_s - 1])
    meta = json.dumps({"profile": {"slots": 4, "prefill_tps": 1e9, "tpot_s": 1.0}})
    tokens = np.full(came.size, service_s)
    np.savez(file, t=came, in_tok=tokens, out_tok=tokens, resolution_s=0.0, meta=meta)
    return str(file)


def test_what_zero_and_sleep_would_save_stands_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two requests a second in the first minute, and again forty minutes later."""
    came_s = [at + half_s for at in (0.0, 2_400.0) for half_s in np.arange(0, 60, 0.5).tolist()]
    options = ["--cold-start", "10", "--zero", "--asleep", "3", "--wake", "2", "--asleep-cost", "0"]
    found = rows(capsys, saved(tmp_path, came_s, 4.0, 3_000), "--policies", "tidegate", *options)

    assert list(found) == [
        "as it begins", "tidegate", "tidegate, to zero", "tidegate, 3 asleep", "tidegate, both"
    ]  # fmt: skip
    assert found["tidegate, to zero"][0] < found["tidegate"][0]
    assert found["tidegate, 3 asleep"][1] < 0.6 * found["tidegate"][1]
    assert found["tidegate, both"][1] < 0.6 * found["tidegate, to zero"][1]


def test_jobs_that_may_wait_take_few_and_end_in_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fifty jobs of 20 s at once."""
    file = saved(tmp_path, [200.0] * 50, 20.0)
    people = rows(capsys, file, "--policies", "tidegate")["tidegate"]
    jobs = rows(capsys, file, "--policies", "tidegate", "--jobs-due", "600")["tidegate"]

    assert jobs[1] == 0
    assert jobs[0] < people[0] / 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of the two"),
        (["x.npz", "--prometheus", "http://127.0.0.1:9"], "one of the two"),
        (["--prometheus", "http://127.0.0.1:9"], "a selector of the pool's engines"),
        (["x.npz"], "a file that exists"),
        (["x.npz", "--asleep", "-1"], "--asleep must be at least 0"),
        (["x.npz", "--asleep-cost", "2"], "--asleep-cost must be from 0 to 1"),
        (["x.npz", "--policies", "best"], "of hindsight, tidegate"),
    ],
)
def test_what_does_not_go_together_is_said(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", *words]) != 0
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_what_a_real_prometheus_knows_of_a_pool_is_lived_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--pool", 'job="vllm"', "--slots", "4", "--hours", "0.02", "--policies", "hpa"]
    with (
        EnginePage(inter_token_s=0.003) as page,
        scraping(tmp_path, {"vllm": [page.netloc]}, scrapes=5) as prometheus,
    ):
        code = main(["backtest", "--prometheus", prometheus.url, *words])

    said = capsys.readouterr()
    assert code == 0, said.err
    assert "service times are exponential" in said.err
    requests = int(said.out.split()[1])
    assert 20 < requests < 200  # 4 in flight, 100 tokens each in 3 ms a token: 13 a second


def test_a_profile_and_a_promise_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "a.npz", "--ttft", "2"]) == 2
    assert "--profile and at least one of --ttft, --itl and --deadline" in capsys.readouterr().err


def test_replicas_batch_as_a_profile_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = Limit(value=2, identified=True)
    profile = Profile(
        url="",
        model="m",
        at_us=0,
        prefill_tokens_per_s=limit,
        decode_tokens_per_s=limit,
        in_flight=limit,
        kv_tokens=Limit(value=9, identified=False),
        prefix_reuse_ratio=0,
        error_ratio=0,
        worst_ratio=0,
        batch_s=[(0, 0.1), (2, 0.2)],
        prompt_token_s=0.001,
        resident_token_s=0,
        requests=1,
        tokens=1,
    )
    (tmp_path / "p.json").write_bytes(msgspec.json.encode(profile))
    asked: dict[str, Any] = {
        "t": np.arange(60.0),
        "in_tok": np.full(60, 100),
        "out_tok": np.full(60, 3),
    }
    meta = '{"profile": {"slots": 4, "prefill_tps": 100.0, "tpot_s": 0.5}}'
    np.savez(tmp_path / "past.npz", **asked, resolution_s=0, meta=meta)
    words = ["backtest", str(tmp_path / "past.npz"), "--profile", str(tmp_path / "p.json")]

    assert main([*words, "--ttft", "0.25", "--policies", "hpa"]) == 0
    assert "0.00 %" in capsys.readouterr().out.splitlines()[-1]
    assert main([*words, "--ttft", "0.15", "--policies", "hpa"]) == 0
    assert "100.00 %" in capsys.readouterr().out.splitlines()[-1]
