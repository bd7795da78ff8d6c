"""Engines that only have a /metrics page: vLLM's names, a load and a pace that a test sets."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

STREAMS = 4


class EnginePage:
    """One replica: ``STREAMS`` requests run, each of them gets a token in ``inter_token_s``."""

    def __init__(self, *, inter_token_s: float = 0.03, model: str = "test/Tide-7B") -> None:
        self.inter_token_s = inter_token_s
        self.body: bytes | None = None
        """Instead of a page of metrics."""
        self.status, self.headers = 200, {"Content-Type": "text/plain; version=0.0.4"}
        self.asked: list[dict[str, str]] = []
        self._labels = f'model_name="{model}",engine="0"'
        self._tokens, self._token_s, self._at = 0.0, 0.0, time.monotonic()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.netloc}"

    def text(self) -> str:
        now = time.monotonic()
        tokens = STREAMS * (now - self._at) / self.inter_token_s
        self._tokens, self._token_s = (
            self._tokens + tokens,
            self._token_s + STREAMS * (now - self._at),
        )
        self._at = now
        values = {
            "num_requests_running": STREAMS,
            "num_requests_waiting": 0,
            "kv_cache_usage_perc": 0.3,
            "prompt_tokens_total": int(self._tokens / 4),
            "generation_tokens_total": int(self._tokens),
            "request_success_total": int(self._tokens / 100),
            "inter_token_latency_seconds_sum": self._token_s,
            "inter_token_latency_seconds_count": int(self._tokens),
            "time_to_first_token_seconds_sum": 0.2 * int(self._tokens / 100),
            "time_to_first_token_seconds_count": int(self._tokens / 100),
        }
        return "".join(f"vllm:{name}{{{self._labels}}} {value}\n" for name, value in values.items())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.asked.append({"path": self.path, **dict(self.headers)})
                found = page.body is not None or self.path == "/metrics"
                body = page.text().encode() if page.body is None else page.body
                self.send_response(page.status if found else 404)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if found:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        return Handler
