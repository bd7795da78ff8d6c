"""`tidegate topics`: what there should be, what there is, and what closes the difference."""

from streams.admin import check_topics, create_topics, mend_topics
from streams.grow import add_partitions
from streams.settings import StreamSettings
from streams.topic_shape import TopicProblem, partitions_of
from streams.topics import TOPICS, Topic
from tidegate.access import commands


async def run(action: str, settings: StreamSettings, topic: str = "", total: int = 0) -> int:
    """The exit code: 1 when something differs from what it should be."""
    match action:
        case "list":
            for each in TOPICS.values():
                print(_line(each, settings))
            return 0
        case "acls":
            print("\n".join(commands(settings)))
            return 0
        case "create":
            return await _create(settings)
        case "add-partitions":
            added = await add_partitions(settings, topic, total)
            print(f"{added} partitions added, {topic} has {total}")
            return 0
        case _:
            return _told(await check_topics(settings), settings)


async def _create(settings: StreamSettings) -> int:
    created = await create_topics(settings)
    print(f"{len(created)} topics created" + "".join(f"\n  {name}" for name in created))
    for mended in await mend_topics(settings):
        print(f"mended {mended.topic}: {mended.what} was {mended.found}")
    left = await check_topics(settings)
    return _told(left, settings) if left else 0


def _told(problems: list[TopicProblem], settings: StreamSettings) -> int:
    missing = [problem for problem in problems if problem.what == "missing"]
    if len(missing) == len(TOPICS) and settings.broker.username:
        print(f"there are no topics, or {settings.broker.username} may not see them")
    for problem in problems:
        print(f"{problem}\n  → {problem.remedy}")
    print(f"{len(TOPICS)} topics checked, {len(problems)} differences")
    return 1 if problems else 0


def _line(topic: Topic, settings: StreamSettings) -> str:
    name = f"{settings.topics.prefix}{topic.name}"
    days = topic.retention_ms / 86_400_000
    return (
        f"{name:32} {partitions_of(topic, settings):>4} partitions  {topic.cleanup:15} "
        f"{days:>5g} d  {topic.what}"
    )
