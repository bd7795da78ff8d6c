"""A page behind TLS that wants to know who asks: by a header, or by a certificate."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from aiohttp import web

PAGE = 'vllm:num_requests_running{model_name="m"} 2\n'


@dataclass(frozen=True, slots=True)
class Papers:
    """PEM files: whom to trust, and two certificates for clients, one of strangers."""

    authority: Path
    client: Path
    stranger: Path
    server: Path


def papers(folder: Path) -> Papers:
    ours, others = trustme.CA(), trustme.CA()
    made = Papers(*(folder / f"{name}.pem" for name in ("ca", "client", "stranger", "server")))
    ours.cert_pem.write_to_path(made.authority)
    for path, authority, name in (
        (made.client, ours, "tidegate"),
        (made.stranger, others, "tidegate"),
        (made.server, ours, "127.0.0.1"),
    ):
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)
    return made


@asynccontextmanager
async def guarded(
    made: Papers, *, header: str = "", mutual: bool = False, body: str = PAGE
) -> AsyncIterator[str]:
    """Its address. header: the only Authorization that is let in; mutual: only our clients are."""

    async def answer(request: web.Request) -> web.Response:
        if header and request.headers.get("Authorization") != header:
            return web.Response(status=401)
        return web.Response(text=body)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(made.authority)
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()
