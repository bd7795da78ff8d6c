"""What the terminal shows while `up` runs: one table that stays, captions that scroll by."""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tidegate.observer import Observed


class Status:
    """A live table on a terminal; plain caption lines where output goes to a file."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, refresh_per_second=2, auto_refresh=False)

    def __enter__(self) -> "Status":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def update(self, seen: Observed, elapsed_s: int, page: str, down: Sequence[str]) -> None:
        if not self.console.is_terminal:
            return
        self._live.update(Group(_pools(seen), _line(seen, elapsed_s, page, down)), refresh=True)


def _pools(seen: Observed) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("pool", "ready", "wanted", "replicas", "newest decision"):
        table.add_column(column)
    newest = {decision.pool: decision for decision in seen.decisions}
    for pool in seen.pools.values():
        states = [
            f"{r.replica} {r.state}"
            for r in seen.replicas.values()
            if r.pool == pool.pool and r.state != "stopped"
        ]
        decision = newest.get(pool.pool)
        table.add_row(
            pool.pool,
            str(pool.ready),
            str(pool.desired),
            ", ".join(states),
            decision.reason if decision else "",
        )
    return table


def _line(seen: Observed, elapsed_s: int, page: str, down: Sequence[str]) -> Text:
    incidents = [i for i in seen.incidents.values() if i.state == "open"]
    line = Text(
        f"{elapsed_s // 60}:{elapsed_s % 60:02d}  windows {sum(seen.window_rows.values())}  "
    )
    if incidents:
        line.append("; ".join(i.title for i in incidents), style="bold red")
    else:
        line.append("all quiet", style="green")
    if down:
        line.append(f"  down: {', '.join(down)}", style="bold red")
    line.append(f"  page {page}", style="dim")
    return line
