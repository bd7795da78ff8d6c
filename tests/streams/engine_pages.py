"""Two pages of each engine with work in between: stored ones, or made in the documented form."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

STORED: Final = Path(__file__).parents[1] / "data" / "engines"
EDGES: Final = ("0.1", "0.25", "0.5", "1.0", "+Inf")


def stored(name: str) -> tuple[bytes, bytes]:
    """What the metric code of a package printed, earlier and later."""
    return (STORED / f"{name}-a.txt").read_bytes(), (STORED / f"{name}-b.txt").read_bytes()


def histogram(name: str, counts: Sequence[int], total: float, labels: str = "") -> str:
    """Cumulative buckets from counts per bucket."""
    comma = "," if labels else ""
    reached = [sum(counts[: at + 1]) for at in range(len(counts))]
    buckets = [
        f'{name}_bucket{{{labels}{comma}le="{edge}"}} {count}'
        for edge, count in zip(EDGES, reached, strict=True)
    ]
    braces = f"{{{labels}}}" if labels else ""
    return "\n".join(
        [f"# TYPE {name} histogram", *buckets, f"{name}_sum{braces} {total}",
         f"{name}_count{braces} {reached[-1]}", ""]
    )  # fmt: skip


def lines(values: Mapping[str, float]) -> str:
    return "".join(f"{series} {value}\n" for series, value in values.items())


def tgi(requests: int) -> bytes:
    """HuggingFace TGI: docs/source/reference/metrics.md of its repository."""
    each = [0, requests, 0, 0, 0]
    timings = ("duration", "queue_duration", "mean_time_per_token_duration")
    return (
        lines({
            "tgi_queue_size": 3, "tgi_batch_current_size": 8,
            "tgi_request_success": requests, "tgi_request_count": requests + 1,
            'tgi_request_failure{err="overloaded"}': requests // 10,
        })
        + "".join(histogram(f"tgi_request_{name}", each, 0.2 * requests) for name in timings)
        + histogram("tgi_request_input_length", [0, 0, 0, 0, requests], 300 * requests)
        + histogram("tgi_request_generated_tokens", [0, 0, 0, 0, requests], 80 * requests)
    ).encode()  # fmt: skip


def trtllm(requests: int) -> bytes:
    """trtllm-serve: names of `tensorrt_llm/metrics/collector.py`."""
    model = 'engine_type="trtllm",model_name="m"'
    each = [0, requests, 0, 0, 0]
    return (
        lines({
            f"trtllm_num_requests_running{{{model}}}": 8,
            f"trtllm_num_requests_waiting{{{model}}}": 3,
            f"trtllm_kv_cache_utilization{{{model}}}": 0.5,
            f"trtllm_kv_cache_hit_rate{{{model}}}": 0.25,
            f"trtllm_kv_cache_max_blocks{{{model}}}": 1000,
            f"trtllm_kv_cache_tokens_per_block{{{model}}}": 32,
            f"trtllm_prompt_tokens_total{{{model}}}": 300 * requests,
            f"trtllm_prompt_cached_tokens_total{{{model}}}": 120 * requests,
            f'trtllm_request_success_total{{finished_reason="stop",{model}}}': requests,
            f'trtllm_request_success_total{{finished_reason="cancelled",{model}}}': requests // 10,
            f"trtllm_spec_decode_num_draft_tokens_total{{{model}}}": 30 * requests,
            f"trtllm_spec_decode_num_accepted_tokens_total{{{model}}}": 15 * requests,
        })
        + histogram("trtllm_time_to_first_token_seconds", each, 0.2 * requests, model)
        + histogram("trtllm_e2e_request_latency_seconds", each, 0.2 * requests, model)
    ).encode()  # fmt: skip


def triton_trtllm(requests: int) -> bytes:
    """Triton with the TensorRT-LLM backend: docs/user_guide/metrics.md and the backend's README."""
    model = 'model="tensorrt_llm",version="1"'
    return lines({
        f'nv_trt_llm_request_metrics{{request_type="waiting",{model}}}': 3,
        f'nv_trt_llm_request_metrics{{request_type="scheduled",{model}}}': 8,
        f'nv_trt_llm_request_metrics{{request_type="max",{model}}}': 512,
        f'nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="fraction",{model}}}': 0.5,
        f'nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="max",{model}}}': 1000,
        f'nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="tokens_per",{model}}}': 64,
        f"nv_inference_request_success{{{model}}}": requests,
        f'nv_inference_request_failure{{reason="CANCELED",{model}}}': requests // 10,
        f'nv_inference_request_failure{{reason="BACKEND",{model}}}': requests // 20,
        f"nv_inference_queue_duration_us{{{model}}}": 50_000 * requests,
        f"nv_inference_request_duration_us{{{model}}}": 200_000 * requests,
    }).encode()  # fmt: skip


def triton_vllm(requests: int) -> bytes:
    """Triton with the vLLM backend: vLLM's names with Triton's labels, beside Triton's own."""
    model = 'model="vllm_model",version="1"'
    each = [0, requests, 0, 0, 0]
    return (
        lines({
            f"nv_inference_request_success{{{model}}}": requests,
            f"nv_inference_pending_request_count{{{model}}}": 3,
            f"vllm:prompt_tokens_total{{{model}}}": 300 * requests,
            f"vllm:generation_tokens_total{{{model}}}": 80 * requests,
        })
        + histogram("vllm:time_to_first_token_seconds", each, 0.2 * requests, model)
        + histogram("vllm:time_per_output_token_seconds", each, 0.2 * requests, model)
    ).encode()  # fmt: skip


def old_vllm(requests: int) -> bytes:
    """Names of vLLM 0.6 to 0.8."""
    model = 'model_name="m"'
    each = [0, requests, 0, 0, 0]
    return (
        lines({
            f"vllm:num_requests_running{{{model}}}": 8,
            f"vllm:num_requests_waiting{{{model}}}": 3,
            f"vllm:gpu_cache_usage_perc{{{model}}}": 0.5,
            f"vllm:gpu_prefix_cache_queries_total{{{model}}}": 300 * requests,
            f"vllm:gpu_prefix_cache_hits_total{{{model}}}": 120 * requests,
            f'vllm:request_success_total{{finished_reason="stop",{model}}}': requests,
        })
        + histogram("vllm:time_per_output_token_seconds", each, 0.2 * requests, model)
    ).encode()  # fmt: skip


def llamacpp(requests: int) -> bytes:
    """llama.cpp's server with `--metrics`."""
    return lines({
        "llamacpp:prompt_tokens_total": 300 * requests,
        "llamacpp:prompt_seconds_total": 0.1 * requests,
        "llamacpp:tokens_predicted_total": 80 * requests,
        "llamacpp:predicted_tokens_seconds": 18.9,
        "llamacpp:kv_cache_usage_ratio": 0.5,
        "llamacpp:requests_processing": 8,
        "llamacpp:requests_deferred": 3,
    }).encode()  # fmt: skip
