"""Names on pages of engines and exporters, and who they are taken for."""

import pytest

from streams.sources.prometheus_text import names_on
from streams.sources.recognise import said_by
from tests.streams import engine_pages as pages

TRITON = b'nv_inference_request_success{model="chat",version="1"} 5\n'
VLLM = b'vllm:num_requests_running{engine="0",model_name="m"} 1\n'


@pytest.mark.parametrize(
    ("page", "title"),
    [
        pytest.param(pages.stored("vllm-0.33.0")[0], "vLLM", id="vllm"),
        pytest.param(pages.stored("sglang-0.5.23")[0], "SGLang", id="sglang"),
        pytest.param(pages.stored("triton-2.51")[0], "Triton", id="triton"),
        pytest.param(pages.tgi(1), "TGI", id="tgi"),
        pytest.param(pages.trtllm(1), "TensorRT-LLM", id="trtllm"),
        pytest.param(pages.llamacpp(1), "llama.cpp", id="llama.cpp"),
        pytest.param(TRITON + VLLM, "vLLM behind a Triton", id="an-engine-in-another"),
        pytest.param(b'DCGM_FI_DEV_GPU_TEMP{gpu="0"} 40\n', "dcgm-exporter", id="dcgm"),
        pytest.param(b"go_threads 9\nnode_load1 1\n", "node_exporter", id="a-node"),
        pytest.param(b"process_cpu_seconds_total 1\n", "", id="something-else"),
        pytest.param(b"<html>log in</html>", "", id="a-login-page"),
        pytest.param(b"", "", id="nothing"),
    ],
)
def test_who_speaks(page: bytes, title: str) -> None:
    assert said_by(names_on(page)) == title
