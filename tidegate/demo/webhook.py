"""The receiver of the demo's webhook: checks signatures like a careful customer would."""

from collections import Counter
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

MAX_KEPT = 500


class WebhookReceiver:
    """Accepts signed alerts on loopback; a message with a bad signature is refused and counted."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)
        self.delivered: list[dict[str, Any]] = []
        self.refused = 0
        self.repeated = 0
        self._ids: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        app = web.Application(client_max_size=65_536)
        app.router.add_post("/alerts", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def counts(self) -> dict[str, int]:
        return {
            "delivered": len(self.delivered),
            "repeated": self.repeated,
            "refused": self.refused,
        }

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            message = self._webhook.verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.refused += 1
            return web.json_response({"error": "signature does not match"}, status=401)
        message_id = request.headers["webhook-id"]
        self._ids[message_id] += 1
        if self._ids[message_id] > 1:
            self.repeated += 1
        else:
            self.delivered = [*self.delivered[-MAX_KEPT + 1 :], {"id": message_id, **message}]
        return web.json_response({"ok": True})
