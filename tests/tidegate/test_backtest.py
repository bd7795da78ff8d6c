import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

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
