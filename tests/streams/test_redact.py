import pytest

from streams.redact import HEAD_BYTES, redacted_head


@pytest.mark.parametrize(
    ("raw", "head"),
    [
        pytest.param('{"pool":"codex"}', '{"pool":"codex"}', id="plain"),
        pytest.param('{"Api-Key": "k", "a": 1}', '{"Api-Key": [redacted], "a": 1}', id="string"),
        pytest.param('{"prompt_tokens": 5}', '{"prompt_tokens": 5}', id="a-count-is-no-prompt"),
        pytest.param('{"token": null, "a": 1}', '{"token": [redacted], "a": 1}', id="null"),
        pytest.param('{"prompt": "cut', '{"prompt": [redacted]', id="cut-off"),
        pytest.param(
            '{"messages": [{"role": "user"}], "a": 1}',
            '{"messages": [redacted]',
            id="all-after-a-list",
        ),
        pytest.param(
            r'{"body": "x"} {\"password\": \"x\", \"a\": 1}',
            r'{"body": [redacted]} {\"password\": [redacted]',
            id="json-within-json",
        ),
        pytest.param("Bearer abcdefgh and sk-12345678", "[redacted] and [redacted]", id="loose"),
        pytest.param("{'secret': 'x', 'a': 1}", "{'secret': [redacted]", id="python-quotes"),
    ],
)
def test_secrets_and_prompts_do_not_travel(raw: str, head: str) -> None:
    assert redacted_head(raw.encode()) == head


def test_the_head_is_short_and_text() -> None:
    assert redacted_head(b"\xff" * 10_000) == "�" * HEAD_BYTES


def test_a_secret_at_the_edge_of_the_head_is_gone_too() -> None:
    raw = b" " * (HEAD_BYTES - 20) + b'{"secret": "abcdefghijklmnop"}'

    assert redacted_head(raw).strip() == '{"secret": [redacted]'
