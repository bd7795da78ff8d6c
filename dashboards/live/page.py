"""One reader's page: laid out once, then told once a second what has changed."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from nicegui import ui

from dashboards.live.frame import Frame, dom_id

_MARK = (
    '<svg class="mark" viewBox="0 0 26 26" fill="none" stroke="currentColor" stroke-width="2"'
    ' stroke-linecap="round" aria-hidden="true"><path d="M4 3v20M22 3v20M4 5h18"/>'
    '<path d="M4 15c3-3 6 3 9 0s6-3 9 0M4 20c3-3 6 3 9 0s6-3 9 0" opacity=".75"/></svg>'
)
_THEMES = "".join(
    f'<button data-theme-wish="{wish}" aria-pressed="{str(wish == "auto").lower()}">{wish}</button>'
    for wish in ("auto", "light", "dark")
)
_DEMAND_KEY = (
    '<small style="--key:var(--chart-demand)">demand</small>'
    '<small class="band" style="--key:var(--chart-forecast)">forecast</small>'
    '<small style="--key:var(--chart-capacity)">capacity, dotted: wanted</small>'
)
_LOAD_KEY = (
    '<small style="--key:var(--chart-demand)">running</small>'
    '<small style="--key:var(--chart-capacity)">waiting</small>'
)
_DEMAND = "Demand and capacity", _DEMAND_KEY
_LOAD = "Requests in the engines", _LOAD_KEY
_LATENCY_KEY = '<small class="band" style="--key:var(--chart-usual)">usual, last 5 min</small>'


class Page:
    """The elements of one browser tab."""

    def __init__(self, draw: Callable[[], Frame]) -> None:
        self._draw = draw
        self._sent: dict[str, Any] = {}
        self._pools: ui.element
        self._shown: tuple[object, object] = ((), ())

    def build(self) -> None:
        """Lay the page out with what is known now; afterwards only changes travel."""
        frame = self._draw()
        self._sent.update(frame.fragments)
        with _div("shell"):
            self._top(frame)
            _fragment("headline", frame)
            with _div("columns"):
                with _div("main"):
                    self._pools = _div("pools")
                    self._lay_pools(frame)
                    with _panel("Incidents"):
                        _fragment("incidents", frame)
                    _fragment("gpus", frame)
                with _div("side", "section"):
                    ui.html("What happened", sanitize=False, tag="h2")
                    _fragment("story", frame, "story")
                with _div("rest"):
                    if frame.driven or not frame.pools:
                        with _panel("Decisions that changed a pool"):
                            _fragment("decisions", frame)
                    with _panel("Data quality"):
                        _fragment("quality", frame)
                    with _panel("Pipeline"):
                        _fragment("health", frame)
            with _div("foot"):
                ui.html(
                    '<a href="openapi.json">Control API</a> <a href="v1/health">health as JSON</a>',
                    sanitize=False,
                    tag="span",
                )
            ui.html("", sanitize=False).props('id="notice" role="status"')
        ui.timer(1.0, self.tell)
        ui.run_javascript("tidegate.settle()")

    def tell(self) -> None:
        """Send what differs from what this browser already shows."""
        frame = self._draw()
        if (frame.pools, frame.charts.keys()) != self._shown:
            self._pools.clear()
            self._lay_pools(frame)
        news = {
            "now": frame.now_us // 1_000,
            "fragments": self._changed(frame.fragments),
            "charts": self._changed(frame.charts),
        }
        ui.run_javascript(f"tidegate.apply({msgspec.json.encode(news).decode()})")

    def _changed(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        changed = {id_: part for id_, part in parts.items() if self._sent.get(id_) != part}
        self._sent.update(changed)
        return changed

    def _top(self, frame: Frame) -> None:
        with _div("top", "header"):
            ui.html(_MARK, sanitize=False, tag="span")
            ui.html("Tidegate", sanitize=False, tag="span").classes("name")
            _div("spring")
            _fragment("pulse", frame)
            ui.html(_THEMES, sanitize=False, tag="span").classes("theme")

    def _lay_pools(self, frame: Frame) -> None:
        self._shown = (frame.pools, frame.charts.keys())
        with self._pools:
            for cluster, pool in frame.pools:
                with _div("card", "section"):
                    _fragment(dom_id("card", cluster, pool), frame)
                    with _div("charts"):
                        title, key = _DEMAND if (cluster, pool) in frame.driven else _LOAD
                        _chart(dom_id("demand", cluster, pool), title, key)
                        for i in range(2):
                            if (chart := dom_id(f"latency{i}", cluster, pool)) in frame.charts:
                                _chart(chart, "", _LATENCY_KEY)
                    _fragment(dom_id("replicas", cluster, pool), frame)
                    if (cluster, pool) in frame.driven:
                        _fragment(dom_id("ask", cluster, pool), frame)


def _div(classes: str, tag: str = "div") -> ui.element:
    return ui.element(tag).classes(classes)


def _panel(title: str) -> ui.element:
    panel = _div("panel", "section")
    with panel:
        ui.html(title, sanitize=False, tag="h2")
    return panel


def _fragment(id_: str, frame: Frame, classes: str = "") -> None:
    # Templates escape what they insert (frame.py); cleaning the result would strip our own marks.
    html = frame.fragments.get(id_, "")
    ui.html(html, sanitize=False).classes(classes).props(f'id="{id_}"')


def _chart(id_: str, title: str, key: str) -> None:
    wide = id_.startswith("demand")
    with _div("wide" if wide else "narrow", "figure"):
        heading = f"<span>{title or '&nbsp;'}</span>{key}"
        ui.html(heading, sanitize=False, tag="figcaption").classes("chart-title").props(
            f'id="{id_}-title"'
        )
        chart = ui.echart({"series": []}).classes("chart" if wide else "chart is-small")
        chart.props(f'id="{id_}" data-element="{chart.id}"')
