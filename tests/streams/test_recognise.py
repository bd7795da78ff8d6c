"""Pages of engines and exporters, and who they are taken for."""

import pytest

from streams.sources.recognise import Recognised, recognise

TRITON = b'nv_inference_request_success{model="chat",version="1"} 5\n'
VLLM = b'vllm:num_requests_running{engine="0",model_name="m"} 1\n'


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        pytest.param(VLLM, Recognised(speaker="engine", name="vllm", models=("m",)), id="vllm"),
        pytest.param(
            TRITON, Recognised(speaker="engine", name="triton", models=("chat",)), id="triton"
        ),
        pytest.param(
            TRITON + VLLM,
            Recognised(speaker="engine", name="vllm", models=("m",)),
            id="tritons-backend-says-more",
        ),
        pytest.param(
            b'node_load1 1\nnode_exporter_build_info{version="1.9.0"} 1\n',
            Recognised(speaker="node_exporter", name="node-exporter", version="1.9.0"),
            id="node-exporter",
        ),
        pytest.param(
            b'DCGM_FI_DEV_GPU_TEMP{gpu="0",DCGM_FI_DRIVER_VERSION="570.1"} 40\n',
            Recognised(speaker="gpu_exporter", name="dcgm-exporter", version="570.1"),
            id="dcgm-exporter",
        ),
        pytest.param(
            b"process_cpu_seconds_total 1\n", Recognised(speaker="unknown"), id="something-else"
        ),
        pytest.param(b"<html>log in</html>", Recognised(speaker="not_metrics"), id="a-login-page"),
        pytest.param(b"", Recognised(speaker="not_metrics"), id="nothing"),
    ],
)
def test_recognise(page: bytes, expected: Recognised) -> None:
    assert recognise(page) == expected
