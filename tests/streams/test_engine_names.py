"""Names that we look for stand in the code of engines which no package here can run.

TGI: huggingface/text-generation-inference@db931fc, `metrics::…!("tgi_…")` in router/ and backends/.
TensorRT-LLM: NVIDIA/TensorRT-LLM@050f80d, tensorrt_llm/metrics/collector.py.
"""

from collections.abc import Iterator

import pytest

from streams.sources.engine_names import ENGINES
from streams.sources.vocabulary import selector

SOURCES = {
    "tgi": """
        batch_concat batch_concat_duration batch_current_max_tokens batch_current_size
        batch_decode_duration batch_filter_duration batch_forward_duration batch_inference_count
        batch_inference_duration batch_inference_failure batch_inference_success
        batch_max_total_tokens batch_next_size batch_total_tokens queue_size request_count
        request_duration request_failure request_generated_tokens request_inference_duration
        request_input_length request_max_new_tokens request_mean_time_per_token_duration
        request_queue_duration request_skipped_tokens request_success request_validation_duration
    """,
    "trtllm": """
        request_success_total e2e_request_latency_seconds time_to_first_token_seconds
        time_per_output_token_seconds request_queue_time_seconds request_prefill_time_seconds
        request_decode_time_seconds request_inference_time_seconds prompt_tokens_total
        generation_tokens_total prompt_cached_tokens_total prompt_cache_hit_tokens_total
        spec_decode_drafted_tokens_total spec_decode_accepted_tokens_total request_error_total
        kv_cache_hit_rate kv_cache_utilization kv_cache_host_utilization kv_cache_iter_reuse_rate
        num_requests_running num_requests_waiting num_requests_completed_total
        max_num_active_requests iteration_latency_seconds gpu_memory_usage_bytes
        kv_cache_max_blocks kv_cache_free_blocks kv_cache_used_blocks kv_cache_tokens_per_block
        num_paused_requests spec_decode_num_draft_tokens_total
        spec_decode_num_accepted_tokens_total spec_decode_acceptance_length
    """,
}


def looked_for(engine: str) -> Iterator[str]:
    """The newest name of each quantity; older ones stand behind it."""
    names = ENGINES[engine]
    for section in (names.levels, names.counters):
        for texts in section.values():
            yield selector(texts[0]).name.removesuffix("_sum").removesuffix("_count")
    for timings in names.timings.values():
        yield timings[0].name


@pytest.mark.parametrize("engine", SOURCES)
def test_each_quantity_is_looked_for_under_a_name_of_the_code(engine: str) -> None:
    said = {f"{engine}_{name}" for name in SOURCES[engine].split()}

    assert set(looked_for(engine)) <= said
