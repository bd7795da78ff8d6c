"""`tidegate topics`: what there should be, what there is, and the difference."""

from streams.admin import check_topics, create_topics
from streams.settings import StreamSettings
from streams.topics import TOPICS, Topic


async def run(action: str, settings: StreamSettings) -> int:
    """The exit code: 1 when ``check`` found a difference."""
    match action:
        case "list":
            for topic in TOPICS.values():
                print(_line(topic, settings))
        case "create":
            created = await create_topics(settings)
            print(f"{len(created)} topics created" + "".join(f"\n  {name}" for name in created))
        case _:
            problems = await check_topics(settings)
            for problem in problems:
                print(problem)
            print(f"{len(TOPICS)} topics checked, {len(problems)} differ")
            return 1 if problems else 0
    return 0


def _line(topic: Topic, settings: StreamSettings) -> str:
    sizes = settings.topics
    counts = {"raw": sizes.raw_partitions, "shards": sizes.shards}
    partitions = counts.get(str(topic.partitions), topic.partitions)
    name = f"{sizes.prefix}{topic.name}"
    days = topic.retention_ms / 86_400_000
    return f"{name:32} {partitions:>4} partitions  {topic.cleanup:15} {days:>5g} d  {topic.what}"
