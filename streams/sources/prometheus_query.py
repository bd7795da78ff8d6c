"""A Prometheus (or what speaks like one) asked over its query API: what it knows of engines out.

Samples are asked for by a range selector in an instant query (`name[60s]` at a time), which gives
each as it was scraped, with its own instant; `query_range` would give what was newest at instants
of our choice, and so count one scrape twice and another never (docs/decisions/0103).
"""

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final

import msgspec

from streams.clock import SECOND_US
from streams.errors import SourceUnavailableError
from streams.sources.asking import Asker
from streams.sources.prometheus_series import SCRAPE_S, UP, Series, TargetKey, target_of

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_SERIES: Final = 20_000
MAX_POINTS: Final = 200_000
"""In one answer; longer times are asked for in pieces."""
MAX_TARGETS: Final = 1_000
SHORTEST_US: Final = SECOND_US
"""A piece that is refused as too much is halved, down to this."""
BY: Final = (
    "__name__", "cluster", "namespace", "job", "instance", "pod", "model_name", "model", "UUID",
)  # fmt: skip
_TOO_MUCH: Final = re.compile(r"too many|limit|too large|exceed|memory", re.IGNORECASE)


class _Result(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    result: list[_Result] = []


class _Reply(msgspec.Struct, rename="camel"):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"{}")
    error_type: str = ""
    error: str = ""
    warnings: list[str] = []
    is_partial: bool = False
    """VictoriaMetrics: some of its storage did not answer."""


class PrometheusQuery:
    """Reads, never writes; works with Prometheus, Thanos, Mimir and VictoriaMetrics.

    url: up to, not including, `/api/v1`.
    """

    def __init__(self, asker: Asker, url: str) -> None:
        self.url = url.rstrip("/")
        self.warnings: set[str] = set()
        """What answers were said to lack."""
        self._asker = asker

    async def version(self) -> str:
        """Empty where it does not say. Raises SourceUnavailableError without a query API."""
        await self._ask("query", {"query": "1"})
        try:
            data = await self._ask("status/buildinfo", {})
        except SourceUnavailableError:
            return ""
        return str(msgspec.json.decode(data, type=dict[str, object]).get("version", ""))

    async def present(self, names: Collection[str]) -> list[Mapping[str, str]]:
        """Labels (``BY``) of the series with these names that have samples now."""
        by = ", ".join(BY)
        query = f"count by ({by}) ({_named(names)})"
        return [dict(one.metric) for one in await self._results("query", {"query": query})]

    async def scraped(self, jobs: Collection[str]) -> list[tuple[TargetKey, bool]]:
        """All targets of these jobs, and whether they answered last."""
        query = f'{UP}{{job=~"{_one_of(jobs)}"}}'
        results = await self._results("query", {"query": query})
        return [(target_of(r.metric), bool(r.value and float(r.value[1]))) for r in results]

    async def samples(
        self, names: Collection[str], targets: Collection[TargetKey], from_us: int, until_us: int
    ) -> list[Series]:
        """All samples of these names after ``from_us`` and up to ``until_us``, as scraped.

        targets: of which it is also asked whether they answered, unless there are very many.
        """
        found = await self._between(_named(names), from_us, until_us)
        if 0 < len(targets) <= MAX_TARGETS:
            found += await self._between(_scrapes_of(targets), from_us, until_us)
        return found

    async def history(
        self,
        names: Collection[str],
        targets: Collection[TargetKey],
        span_us: tuple[int, int],
        piece_us: int,
    ) -> AsyncIterator[list[Series]]:
        """``samples`` of a long time, oldest piece first; each piece fits into memory."""
        start_us, until_us = span_us
        while start_us < until_us:
            end_us = min(start_us + piece_us, until_us)
            yield await self.samples(names, targets, start_us, end_us)
            start_us = end_us

    async def selected(
        self, names: Collection[str], matchers: str, span_us: tuple[int, int], piece_us: int
    ) -> list[Series]:
        """Whole series of a long time, asked for piece by piece.

        matchers: more than the names, as in PromQL: `model_name="codex"`.
        """
        start_us, until_us = span_us
        selector = f"{_named(names)[:-1]},{matchers}}}"
        points: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
        while start_us < until_us:
            end_us = min(start_us + piece_us, until_us)
            for one in await self._between(selector, start_us, end_us):
                points.setdefault(tuple(sorted(one.labels.items())), []).extend(one.points)
            start_us = end_us
        return [Series(dict(labels), found) for labels, found in points.items() if found]

    async def _between(self, selector: str, from_us: int, until_us: int) -> list[Series]:
        length_us = until_us - from_us
        params = {"query": f"{selector}[{length_us // 1_000}ms]", "time": f"{until_us / SECOND_US}"}
        try:
            results = await self._results("query", params)
        except SourceUnavailableError as exc:
            if length_us <= SHORTEST_US or not _TOO_MUCH.search(exc.cause):
                raise
            middle_us = from_us + length_us // 2
            first = await self._between(selector, from_us, middle_us)
            return first + await self._between(selector, middle_us, until_us)
        return [_series(one, from_us) for one in results[:MAX_SERIES]]

    async def _results(self, path: str, params: Mapping[str, str]) -> list[_Result]:
        data = await self._ask(path, params)
        try:
            return msgspec.json.decode(data, type=_Data).result
        except msgspec.MsgspecError as exc:
            cause = f"answers in a form that we do not know ({exc})"
            raise SourceUnavailableError(self.url, cause) from exc

    async def _ask(self, path: str, params: Mapping[str, str]) -> bytes:
        answer = await self._asker.get(f"{self.url}/api/v1/{path}", params, max_bytes=MAX_BYTES)
        if answer.cut:
            cause = f"answers with more than {MAX_BYTES // 1024**2} MiB at once: too many series"
            raise SourceUnavailableError(self.url, cause)
        try:
            reply = msgspec.json.decode(answer.body, type=_Reply)
        except msgspec.MsgspecError as exc:
            known = answer.status >= 300
            cause = self._asker.refusal(answer.status) if known else "has no query API at /api/v1"
            raise SourceUnavailableError(self.url, cause, status=answer.status) from exc
        if reply.status != "success":
            said = f"{reply.error_type}: {reply.error}" if reply.error_type else reply.error
            cause = self._asker.refusal(answer.status, said)
            raise SourceUnavailableError(self.url, cause, status=answer.status)
        self.warnings.update(reply.warnings[:3])
        if reply.is_partial:
            self.warnings.add("part of its storage did not answer")
        return bytes(reply.data)


def piece_us(series: int, every_us: int) -> int:
    """How long a piece of history may be so that it has at most ``MAX_POINTS`` samples.

    >>> piece_us(1_000, 15_000_000) // 60_000_000
    50
    """
    return max(SHORTEST_US, MAX_POINTS // max(series, 1) * every_us)


def _named(names: Collection[str]) -> str:
    return '{__name__=~"' + "|".join(sorted(names)) + '"}'


def _scrapes_of(targets: Collection[TargetKey]) -> str:
    jobs, instances = (_one_of({key[at] for key in targets}) for at in (1, 2))
    return f'{{__name__=~"{UP}|{SCRAPE_S}",job=~"{jobs}",instance=~"{instances}"}}'


def _one_of(values: Collection[str]) -> str:
    r"""As the regular expression of a matcher, inside of its quotes.

    >>> print(_one_of({"10.0.0.1:8000"}))
    10\\.0\\.0\\.1:8000
    """
    escaped = (re.sub(r"([.+*?()|\[\]{}^$\\])", r"\\\1", value) for value in sorted(values))
    return "|".join(value.replace("\\", "\\\\").replace('"', '\\"') for value in escaped)


def _series(result: _Result, from_us: int) -> Series:
    pairs: Sequence[tuple[int, float]] = [
        (at_us, float(text))
        for at_s, text in result.values
        # Prometheus 2 counts the beginning of a range in, 3 does not.
        if (at_us := round(at_s * 1_000) * 1_000) > from_us
    ]
    return Series(result.metric, pairs)
