"""What each engine calls the quantities of ``EngineSample``.

A selector is a metric's name as on the wire, with a condition on one label where it needs one:
``name{label=a|b}`` or ``name{label!=a|b}``; a label that is missing is empty. ``name@label`` takes
the number from a label. Of several selectors the first that finds something counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Names = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Timing:
    """A duration: a histogram, or a sum with a count. scale: seconds per unit."""

    name: str = ""
    sum: str = ""
    count: str = ""
    scale: float = 1.0

    @property
    def parts(self) -> tuple[str, str, str]:
        """Names of buckets, sum and count."""
        if not self.name:
            return "", self.sum, self.count
        return f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNames:
    """The selectors of one engine."""

    levels: Names = field(default_factory=dict)
    counters: Names = field(default_factory=dict)
    timings: Mapping[str, tuple[Timing, ...]] = field(default_factory=dict)
    adapters: str = ""
    """Metric whose labels name LoRA adapters."""


ENGINES: Final[Mapping[str, EngineNames]] = {
    # Our own door before a replica knows best: its engine computes ahead of what it hands out.
    "tidegate": EngineNames(
        levels={
            "running": ("tidegate_replica_requests_running",),
            "waiting": ("tidegate_replica_requests_waiting",),
        },
        counters={
            "output_tokens": ("tidegate_replica_output_tokens_total",),
            "finished": ("tidegate_replica_requests_total",),
        },
    ),
    "llamacpp": EngineNames(
        levels={
            "running": ("llamacpp:requests_processing",),
            "waiting": ("llamacpp:requests_deferred",),
            "kv_use_ratio": ("llamacpp:kv_cache_usage_ratio",),
        },
        counters={
            "prompt_tokens": ("llamacpp:prompt_tokens_total",),
            "cached_tokens": ("llamacpp:prompt_tokens_cached_total",),
            "output_tokens": ("llamacpp:tokens_predicted_total",),
            "spec_drafted": ("llamacpp:spec_decode_num_draft_tokens_total",),
            "spec_accepted": ("llamacpp:spec_decode_num_accepted_tokens_total",),
        },
    ),
    "sglang": EngineNames(
        levels={
            # With priorities the total stands under the empty one.
            "running": ("sglang:num_running_reqs{priority=}",),
            "waiting": ("sglang:num_queue_reqs{priority=}",),
            "deferred": ("sglang:num_grammar_queue_reqs",),
            "kv_use_ratio": ("sglang:token_usage",),
            "kv_capacity_tokens": ("sglang:max_total_num_tokens",),
            "prefix_hit_ratio": ("sglang:cache_hit_rate",),
            "spec_accept_ratio": ("sglang:spec_accept_rate",),
        },
        counters={
            "prompt_tokens": ("sglang:prompt_tokens_total",),
            "cached_tokens": (
                "sglang:cached_tokens_total{cache_source=total}",
                "sglang:cached_tokens_total",
            ),
            "output_tokens": ("sglang:generation_tokens_total",),
            "finished": ("sglang:num_requests_total",),
            "answers": ("sglang:generation_tokens_histogram_count",),
            "answer_tokens": ("sglang:generation_tokens_histogram_sum",),
            "aborted": ("sglang:num_aborted_requests_total",),
            "preemptions": ("sglang:num_retracted_requests_total",),
        },
        timings={
            "ttft": (Timing("sglang:time_to_first_token_seconds"),),
            "inter_token": (
                Timing("sglang:inter_token_latency_seconds"),
                Timing("sglang:time_per_output_token_seconds"),
            ),
            "queue": (Timing("sglang:queue_time_seconds"),),
            "duration": (Timing("sglang:e2e_request_latency_seconds"),),
        },
    ),
    "tgi": EngineNames(
        levels={"running": ("tgi_batch_current_size",), "waiting": ("tgi_queue_size",)},
        counters={
            "prompt_tokens": ("tgi_request_input_length_sum",),
            "output_tokens": ("tgi_request_generated_tokens_sum",),
            "finished": ("tgi_request_success", "tgi_request_success_total"),
            "answers": ("tgi_request_generated_tokens_count",),
            "answer_tokens": ("tgi_request_generated_tokens_sum",),
            "failed": ("tgi_request_failure", "tgi_request_failure_total"),
        },
        timings={
            "inter_token": (Timing("tgi_request_mean_time_per_token_duration"),),
            "queue": (Timing("tgi_request_queue_duration"),),
            "duration": (Timing("tgi_request_duration"),),
        },
    ),
    "trtllm": EngineNames(
        levels={
            "running": ("trtllm_num_requests_running", "trtllm_num_active_requests"),
            "waiting": ("trtllm_num_requests_waiting", "trtllm_server_queue_length"),
            "kv_use_ratio": ("trtllm_kv_cache_utilization",),
            "kv_blocks": ("trtllm_kv_cache_max_blocks",),
            "kv_block_tokens": ("trtllm_kv_cache_tokens_per_block",),
            "prefix_hit_ratio": ("trtllm_kv_cache_hit_rate",),
        },
        counters={
            "prompt_tokens": ("trtllm_prompt_tokens_total",),
            "cached_tokens": ("trtllm_prompt_cached_tokens_total",),
            "output_tokens": ("trtllm_generation_tokens_total",),
            "finished": (
                "trtllm_request_success_total{finished_reason!=abort|cancelled|error}",
                "trtllm_num_requests_completed_total",
            ),
            "truncated": ("trtllm_request_success_total{finished_reason=length}",),
            "ends": ("trtllm_request_success_total{finished_reason!=abort|cancelled|error}",),
            "aborted": ("trtllm_request_success_total{finished_reason=abort|cancelled}",),
            "failed": ("trtllm_request_error_total",),
            "spec_drafted": (
                "trtllm_spec_decode_num_draft_tokens_total",
                "trtllm_spec_decode_drafted_tokens_total",
            ),
            "spec_accepted": (
                "trtllm_spec_decode_num_accepted_tokens_total",
                "trtllm_spec_decode_accepted_tokens_total",
            ),
        },
        timings={
            "ttft": (Timing("trtllm_time_to_first_token_seconds"),),
            "inter_token": (Timing("trtllm_time_per_output_token_seconds"),),
            "queue": (Timing("trtllm_request_queue_time_seconds"),),
            "prefill": (Timing("trtllm_request_prefill_time_seconds"),),
            "duration": (Timing("trtllm_e2e_request_latency_seconds"),),
        },
    ),
    "vllm": EngineNames(
        levels={
            "running": ("vllm:num_requests_running",),
            "waiting": ("vllm:num_requests_waiting",),
            "deferred": ("vllm:num_requests_waiting_by_reason{reason=deferred}",),
            "kv_use_ratio": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
            "kv_blocks": ("vllm:cache_config_info@num_gpu_blocks",),
            "kv_block_tokens": ("vllm:cache_config_info@block_size",),
            "asleep": ("vllm:engine_sleep_state{sleep_state=weights_offloaded|discard_all}",),
            "prefix_hit_ratio": ("vllm:gpu_prefix_cache_hit_rate",),
            "spec_accept_ratio": ("vllm:spec_decode_draft_acceptance_rate",),
        },
        counters={
            "prompt_tokens": ("vllm:prompt_tokens_total",),
            "cached_tokens": ("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
            "prefix_queries": (
                "vllm:prefix_cache_queries_total",
                "vllm:gpu_prefix_cache_queries_total",
            ),
            "output_tokens": ("vllm:generation_tokens_total",),
            "finished": ("vllm:request_success_total{finished_reason!=abort|error}",),
            "truncated": ("vllm:request_success_total{finished_reason=length}",),
            "ends": ("vllm:request_success_total{finished_reason!=abort|error}",),
            "answers": ("vllm:request_generation_tokens_count",),
            "answer_tokens": ("vllm:request_generation_tokens_sum",),
            # It ends answers that repeat themselves where a request asked for that.
            "stretches": ("vllm:request_success_total{finished_reason!=abort|error}",),
            "repeated": ("vllm:request_success_total{finished_reason=repetition}",),
            # With VLLM_COMPUTE_NANS_IN_LOGITS=1.
            "corrupted": ("vllm:corrupted_requests_total",),
            "aborted": ("vllm:request_success_total{finished_reason=abort}",),
            "failed": ("vllm:request_success_total{finished_reason=error}",),
            "preemptions": ("vllm:num_preemptions_total",),
            "spec_drafted": ("vllm:spec_decode_num_draft_tokens_total",),
            "spec_accepted": ("vllm:spec_decode_num_accepted_tokens_total",),
        },
        timings={
            "ttft": (Timing("vllm:time_to_first_token_seconds"),),
            "inter_token": (
                Timing("vllm:inter_token_latency_seconds"),
                Timing("vllm:time_per_output_token_seconds"),
            ),
            "queue": (Timing("vllm:request_queue_time_seconds"),),
            "prefill": (Timing("vllm:request_prefill_time_seconds"),),
            "duration": (Timing("vllm:e2e_request_latency_seconds"),),
        },
        adapters="vllm:lora_requests_info",
    ),
    # Last: where a backend speaks for itself (vLLM's names above), it knows more.
    "triton": EngineNames(
        levels={
            "running": ("nv_trt_llm_request_metrics{request_type=scheduled}",),
            "waiting": (
                "nv_trt_llm_request_metrics{request_type=waiting}",
                "nv_inference_pending_request_count",
            ),
            "kv_use_ratio": ("nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=fraction}",),
            "kv_blocks": ("nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=max}",),
            "kv_block_tokens": (
                "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=tokens_per}",
            ),
        },
        counters={
            "finished": ("nv_inference_request_success",),
            "failed": ("nv_inference_request_failure{reason!=CANCELED}",),
            "aborted": ("nv_inference_request_failure{reason=CANCELED}",),
        },
        timings={
            "ttft": (Timing("nv_inference_first_response_histogram_ms", scale=1e-3),),
            "queue": (
                Timing(
                    sum="nv_inference_queue_duration_us",
                    count="nv_inference_request_success",
                    scale=1e-6,
                ),
            ),
            "duration": (
                Timing(
                    sum="nv_inference_request_duration_us",
                    count="nv_inference_request_success",
                    scale=1e-6,
                ),
            ),
        },
    ),
}
