from pathlib import Path

import pytest
from pydantic import ValidationError

from autoscaler.priors import Priors
from autoscaler.region import UNKNOWN, Limit, Region
from autoscaler.region_settings import CapacitySettings
from autoscaler.replica_memory import ReplicaMemory
from autoscaler.replica_seconds import ReplicaSecond
from streams.schemas.telemetry import Change
from tests.autoscaler.test_lead_time import replica
from tests.autoscaler.world import CODEX, at

A, B = ("local", "codex"), ("local", "codex-eu")
TELLS = Region(kv_tokens=Limit(value=4_000, identified=True))


def experienced() -> ReplicaMemory:
    """Its engines told their room, and one took 20 s to start."""
    memory = ReplicaMemory(0.0)
    row = ReplicaSecond(window_us=at(0), replica="codex-1", kv_capacity_tokens=4_000)
    memory.see_replicas([row], {}, slots=4, usual=True)
    memory.lead.see(replica("codex-1", 20))
    return memory


def prior_of_a_new_pool(*declared: CapacitySettings, build: str = "", **but: str) -> ReplicaMemory:
    new = ReplicaMemory(0.0)
    new.build = build
    settings = {A: CODEX, B: CODEX.model_copy(update={"name": "codex-eu", **but})}
    Priors(declared, settings).renew({A: experienced(), B: new}, at(1))
    return new


def test_a_new_pool_starts_from_what_one_of_its_kind_has_seen() -> None:
    new = prior_of_a_new_pool()

    assert new.region(at(1)) == TELLS
    assert new.lead_s() == 20


@pytest.mark.parametrize("but", [{"hardware": "h100"}, {"model": "n"}, {"build": "vllm 0.10 m"}])
def test_a_pool_of_another_kind_is_no_example(but: dict[str, str]) -> None:
    new = prior_of_a_new_pool(**but)

    assert (new.region(at(1)), new.lead_s()) == (UNKNOWN, 0)


def test_what_is_declared_stands_before_what_others_have_seen() -> None:
    declared = CapacitySettings(pool="codex-eu", kv_tokens=3_000)

    assert prior_of_a_new_pool(declared).region(at(1)).value("kv_tokens") == 3_000


PROFILE = """{"url": "http://a", "model": "m", "kv_tokens": {"value": 9, "identified": true},
    "decode_tokens_per_s": {"value": 80, "identified": false}}"""


def test_a_profile_says_what_it_identified_and_what_it_did_not(tmp_path: Path) -> None:
    file = tmp_path / "replica.json"
    file.write_text(PROFILE)
    region = CapacitySettings(pool="codex", profile=file, decode_tokens_per_s=70).region()

    assert region.kv_tokens == Limit(value=9.0, identified=True)
    assert region.decode_tokens_per_s == Limit(value=70.0, identified=True)


@pytest.mark.parametrize("text", ["", "[]", '{"kv_tokens": 7}'])
def test_what_is_no_profile_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "replica.json"
    file.write_text(text)

    with pytest.raises(ValidationError, match="must be a file of `tidegate profile`"):
        CapacitySettings(pool="codex", profile=file)


def change(kind: str, **attributes: str) -> Change:
    return Change(id="c", at_us=at(5), kind=kind, summary="s", pool="codex", attributes=attributes)  # type: ignore[arg-type]


def test_a_change_of_the_engine_frees_no_replica() -> None:
    memory = experienced()

    assert memory.see_change(change("deployed", build="vllm 0.10 m"))
    assert memory.region(at(6)) == TELLS


def test_an_engine_that_only_started_anew_is_the_same() -> None:
    memory = experienced()
    window = ReplicaSecond(window_us=at(1), replica="codex-1", build="vllm 0.9 m")
    memory.see_replicas([window], {}, slots=4, usual=True)

    assert not memory.see_change(change("model_loaded", build="vllm 0.9 m"))
