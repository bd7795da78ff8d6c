import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from detectors.alerts.http import PublicResolver, RefusedAddressError, checked_url, is_public
from streams.errors import InvalidParameterError


class Names(AbstractResolver):
    """Every name has these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=0)
            for a in self.addresses
        ]

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_belong_to_the_internet(address: str, *, public: bool) -> None:
    assert is_public(address) == public


async def test_a_public_name_is_resolved() -> None:
    found = await PublicResolver(Names("93.184.216.34")).resolve("pager.example", 443)
    assert [each["host"] for each in found] == ["93.184.216.34"]


async def test_one_private_address_among_public_ones_is_too_many() -> None:
    resolver = PublicResolver(Names("93.184.216.34", "10.0.0.1"))
    with pytest.raises(RefusedAddressError, match=r"pager\.example resolves to a private address"):
        await resolver.resolve("pager.example")


async def test_the_resolver_behind_is_closed() -> None:
    names = Names()
    await PublicResolver(names).close()
    assert names.closed


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://x:port/", "//pager/hook", ""])
def test_what_is_no_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidParameterError, match="channel pager: url must be") as refused:
        checked_url("pager", url, allow_private=True)
    assert "hook" not in str(refused.value)
