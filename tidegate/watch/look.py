"""Addresses in, a feed out: what answers there is found by asking."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from streams.errors import InvalidParameterError, SourceUnavailableError
from streams.sources.access import Access
from streams.sources.asking import Asker
from streams.sources.prometheus_query import PrometheusQuery
from streams.sources.prometheus_text import names_on
from streams.sources.recognise import READ, said_by
from streams.sources.targets import shown
from tidegate.settings import Settings
from tidegate.watch.feed import Feed
from tidegate.watch.pages import PagesFeed, found_on
from tidegate.watch.prometheus import PrometheusFeed
from tidegate.watch.settings import WatchSettings
from tidegate.watch.understood import Found

WE_READ: Final = f"we read those of {', '.join(sorted(READ.values(), key=str.lower))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found at one address; ``tried`` says why it is nothing."""

    page: Found | None = None
    feed: PrometheusFeed | None = None
    tried: tuple[str, ...] = ()


async def asker_for(settings: WatchSettings) -> Asker:
    """Raises InvalidParameterError for files that cannot be read."""
    hint = "set TIDEGATE_WATCH__TOKEN, or TIDEGATE_WATCH__USERNAME and __PASSWORD"
    access = await asyncio.to_thread(Access, settings, section="watch", hint=hint)
    return Asker(access, timeout_s=settings.timeout_s)


async def look(
    urls: Sequence[str], asker: Asker, settings: Settings, now_us: int
) -> tuple[Feed, list[str]]:
    """One feed of all that was found, and what was tried in vain.

    Raises SourceUnavailableError where nothing was found, InvalidParameterError for what does not
    go together.
    """
    looks = await asyncio.gather(*(_at(_whole(url), asker, settings, now_us) for url in urls))
    failed = [sentence for one in looks for sentence in one.tried]
    feeds = [one.feed for one in looks if one.feed]
    found = [one.page for one in looks if one.page]
    if len(feeds) > 1 or (feeds and found):
        allowed = "pages of engines, or one Prometheus"
        raise InvalidParameterError("URL", " ".join(map(shown, urls)), allowed)
    if feeds:
        return feeds[0], failed
    if found:
        every_s = settings.watch.every_s
        return PagesFeed(asker, found, every_s=every_s, cluster=settings.cluster), failed
    raise SourceUnavailableError("; ".join(failed), "– there is nothing to look at")


async def _at(url: str, asker: Asker, settings: Settings, now_us: int) -> Look:
    """A path is taken at its word first; without one, the usual places are tried."""
    path = urlsplit(url).path.rstrip("/")
    tried: list[str] = []
    page = url if path.endswith("metrics") else f"{url.rstrip('/')}/metrics"
    try:
        text = (await asker.page(page)).body
        if found := found_on(page, text):
            return Look(page=found)
        whose = said_by(names_on(text))
        of_whom = f" of {whose}" if whose else ""
        tried.append(f"{page} has metrics{of_whom}, but none that we know: {WE_READ}")
    except SourceUnavailableError as exc:
        tried.append(str(exc))
    query = PrometheusQuery(asker, url.partition("/api/v1")[0].removesuffix("/metrics"))
    try:
        history_s, cluster = settings.watch.history_s, settings.cluster
        feed = await PrometheusFeed.open(query, now_us, history_s=history_s, cluster=cluster)
    except SourceUnavailableError as exc:
        return Look(tried=(*tried, str(exc)))
    if feed is None:
        return Look(tried=(f"{query.url} is a Prometheus without metrics that we know: {WE_READ}",))
    return Look(feed=feed)


def _whole(url: str) -> str:
    """With a scheme, which people leave out.

    >>> _whole("127.0.0.1:8000")
    'http://127.0.0.1:8000'
    """
    whole = url if "://" in url else f"http://{url}"
    parts = urlsplit(whole)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidParameterError("URL", shown(url), "http://HOST:PORT… or https://…")
    if parts.username or parts.password:
        allowed = "without a password: set TIDEGATE_WATCH__USERNAME and TIDEGATE_WATCH__PASSWORD"
        raise InvalidParameterError("URL", shown(url), allowed)
    return whole
