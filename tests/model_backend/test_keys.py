"""Who is calling."""

import pytest
from pydantic import SecretStr

from model_backend.access.keys import ANONYMOUS, KeyProblem, Keyring, Tenant
from model_backend.settings import KeySettings
from streams.errors import InvalidParameterError

BIRCH = KeySettings(
    tenant="birch", key=SecretStr("sk-birch"), requests_per_minute=9, max_in_flight=3
)
CEDAR = KeySettings(tenant="cedar", key=SecretStr("sk-cedar"))


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        pytest.param("Bearer sk-birch", "birch", id="its-own-key"),
        pytest.param("bearer  sk-cedar ", "cedar", id="spelt-otherwise"),
        pytest.param("Bearer sk-birc", KeyProblem.WRONG, id="almost-a-key"),
        pytest.param("Basic sk-birch", KeyProblem.WRONG, id="not-a-bearer"),
        pytest.param("", KeyProblem.WRONG, id="an-empty-header"),
        pytest.param("Bearer \udcff", KeyProblem.WRONG, id="bytes-that-are-no-text"),
        pytest.param(None, KeyProblem.MISSING, id="no-header"),
    ],
)
def test_a_key_names_its_tenant(header: str | None, answer: str | KeyProblem) -> None:
    found = Keyring([BIRCH, CEDAR], allow_anonymous=False).identify(header)

    assert (found.name if isinstance(found, Tenant) else found) == answer


def test_limits_come_with_the_key() -> None:
    found = Keyring([BIRCH], allow_anonymous=False).identify("Bearer sk-birch")

    assert found == Tenant(name="birch", requests_per_minute=9, max_in_flight=3)


@pytest.mark.parametrize(
    ("keys", "header", "answer"),
    [
        pytest.param([BIRCH], None, ANONYMOUS, id="without-a-key"),
        pytest.param([BIRCH], "Bearer nonsense", KeyProblem.WRONG, id="but-not-with-a-wrong-one"),
        pytest.param([], "Bearer nonsense", ANONYMOUS, id="unless-there-are-no-keys-at-all"),
    ],
)
def test_anonymous_is_let_in_where_allowed(
    keys: list[KeySettings], header: str | None, answer: Tenant | KeyProblem
) -> None:
    assert Keyring(keys, allow_anonymous=True).identify(header) == answer


@pytest.mark.parametrize("keys", [[BIRCH, BIRCH], [KeySettings(tenant="elm", key=SecretStr(""))]])
def test_shared_and_empty_keys_are_an_error_that_hides_the_key(keys: list[KeySettings]) -> None:
    with pytest.raises(InvalidParameterError) as raised:
        Keyring(keys, allow_anonymous=False)

    assert "sk-birch" not in str(raised.value)
