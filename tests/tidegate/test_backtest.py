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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of the two"),
        (["x.npz", "--prometheus", "http://127.0.0.1:9"], "one of the two"),
        (["--prometheus", "http://127.0.0.1:9"], "a selector of the pool's engines"),
        (["x.npz"], "a file that exists"),
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
