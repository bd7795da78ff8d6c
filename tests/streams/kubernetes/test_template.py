"""What differs between two pod templates, in words, and what must never be among them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.kubernetes.flags import flags, shown
from streams.sources.kubernetes.template import Shape, differences, is_release, shape, told
from tests.streams.kubernetes.cluster import template

SECRET = "hunter2-hunter2"


def shaped(*args: str, **but: Any) -> Shape:
    return shape(msgspec.Raw(json.dumps(template(*args, **but)).encode()))


def differ(before: list[str], now: list[str]) -> str:
    return told(differences(shaped(*before), shaped(*now)))


def variable(value: str, name: str = "HF_HOME") -> dict[str, str]:
    return {"name": name, "value": value}


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        pytest.param(
            ["--max-model-len", "8192"], ["--max-model-len=16384"],
            "--max-model-len 8192 -> 16384", id="both-ways-of-writing-a-value",
        ),
        pytest.param([], ["--enable-lora"], "--enable-lora added", id="a-switch"),
        pytest.param(["-tp", "2", "--x"], ["--x"], "-tp 2 removed", id="a-short-one"),
        pytest.param(
            ["--lora-modules", "a=/a"], ["--lora-modules", "a=/a", "b=/b"],
            "--lora-modules a=/a -> a=/a b=/b", id="several-values",
        ),
        pytest.param(["serve", "gemma"], ["serve", "llama"],
                     "command serve gemma -> serve llama", id="no-flag-at-all"),
        pytest.param(["--seed", "1"], ["--seed", "-1"], "--seed 1 -> -1", id="a-negative-number"),
        pytest.param(["--max-num-batched-tokens", "2048"], ["--max-num-batched-tokens", "8192"],
                     "--max-num-batched-tokens 2048 -> 8192", id="tokens-that-are-counted"),
        pytest.param(
            ["sh", "-c", "exec vllm serve x --tp 2"], ["sh", "-c", "exec vllm serve x --tp 4"],
            "--tp 2 -> 4", id="a-script-of-a-shell",
        ),
        pytest.param(["sh", "-c", "vllm --a 1 'torn"], ["sh", "-c", "vllm --a 2 'torn"],
                     "--a 1 'torn -> 2 'torn", id="a-script-that-is-torn"),
    ],
)  # fmt: skip
def test_flags_are_told_with_their_values(before: list[str], now: list[str], words: str) -> None:
    assert differ(before, now) == words


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["--api-key", SECRET], id="by-its-name"),
        pytest.param([f"--hf-token={SECRET}"], id="in-one-word"),
        pytest.param(["--db-password", "1234567890"], id="of-digits"),
        pytest.param(["--otlp-headers", f"Authorization=Bearer {SECRET}"], id="by-its-look"),
        pytest.param(["--store", f"redis://user:{SECRET}@cache:6379"], id="in-an-address"),
        pytest.param(["--config", json.dumps({"api_key": SECRET})], id="in-json"),
        pytest.param(["sh", "-c", f"export HF_TOKEN={SECRET}; vllm"], id="in-a-script"),
        pytest.param(
            ["sh", "-c", f"MY_THING={SECRET} vllm --x"], id="in-the-environment-of-a-script"
        ),
        pytest.param(["--extra", f"secret_key={SECRET}"], id="as-a-pair"),
        pytest.param(["--header", f"X-Api-Key: {SECRET}"], id="as-a-header"),
        pytest.param(["--api-key", f"-{SECRET}"], id="that-looks-like-a-flag"),
        pytest.param(["--hub", "hf_AbCdEfGhIjKlMnOp"], id="a-token-of-hugging-face"),
    ],
)
def test_secrets_are_never_told(args: list[str]) -> None:
    words = differ([], args) + differ(args, [f"{word}X" for word in args])
    for secret in (SECRET, "1234567890", "hf_AbCdEfGhIjKlMnOp"):
        assert secret not in words


def test_that_a_secret_changed_is_told_all_the_same() -> None:
    assert differ(["--api-key", "a"], ["--api-key", "b"]) == "--api-key changed"


def test_of_the_environment_only_names_are_told() -> None:
    before = shaped(env=[variable("/a"), variable("1", "GONE")])
    reference = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    words = told(differences(before, shaped(env=[variable(SECRET), reference])))

    assert words == "environment GONE, HF_HOME, TOKEN"


def test_a_whole_secret_is_named_by_its_name() -> None:
    now = shaped(container={"envFrom": [{"secretRef": {"name": "hub"}}, {"configMapRef": {}}]})
    assert told(differences(shaped(), now)) == "environment of config map, of secret hub"


def test_images_come_first_and_containers_are_named_where_there_are_several() -> None:
    side = {"name": "proxy", "image": "envoy:1"}
    before = shaped("--a", "1", more=[side])
    now = shaped("--a", "2", image="vllm:v0.10", more=[side])

    assert differences(before, now) == ["vllm: image vllm:v0.9 -> vllm:v0.10", "vllm: --a 1 -> 2"]
    assert is_release(before, now)
    assert not is_release(before, shaped("--a", "2", more=[side]))


def test_resources_a_restart_and_what_is_not_looked_at() -> None:
    two = shaped(container={"resources": {"limits": {"nvidia.com/gpu": "2", "cpu": 8}}})
    four = shaped(container={"resources": {"limits": {"nvidia.com/gpu": "4", "cpu": 8}}})
    again = shaped(notes={"kubectl.kubernetes.io/restartedAt": "now"})

    assert differences(two, four) == ["nvidia.com/gpu 2 -> 4"]
    assert differences(shaped(), again) == ["a restart"]
    assert differences(shaped(), shaped(notes={"note": "x"})) == ["its pod template"]
    assert differences(shaped(), shaped()) == []


def test_of_many_differences_the_first_are_told() -> None:
    many = [f"--flag{number}" for number in range(20)]
    assert differ([], many).endswith(" and 12 more")


def test_whatever_is_long_is_cut() -> None:
    words = [f"--{'x' * 10_000}{number}={'y' * 10_000}" for number in range(20)]
    variables = [variable("1", f"{number}{'Z' * 10_000}") for number in range(20)]
    told_of = told(differences(shaped(), shaped(*words, image="i" * 10_000, env=variables)))
    assert len(told_of) < 4_000


def test_an_image_shows_its_digest() -> None:
    image = f"registry.example.com:5000/platform/inference/vllm-openai@sha256:{'a' * 63}"
    assert differences(shaped(image=image + "1"), shaped(image=image + "2")) == [
        f"image {image}1 -> {image}2"
    ]


@pytest.mark.parametrize("text", ["{}", '{"metadata": null, "spec": null}', '{"spec": {}}'])
def test_a_template_without_anything_has_a_shape(text: str) -> None:
    assert shape(msgspec.Raw(text.encode())).values == {}


@given(st.lists(st.text(max_size=20), max_size=8))
def test_whatever_the_words_are_they_are_taken_apart(words: list[str]) -> None:
    for flag, values in flags(words).items():
        assert isinstance(shown(flag, values), str)
