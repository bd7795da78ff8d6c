"""Topics of others, for tests: not ours, so nothing of ours creates them."""

from aiokafka.admin import NewTopic

from streams.admin import Admin
from streams.settings import StreamSettings


async def new_topic(settings: StreamSettings, name: str, *, partitions: int = 1) -> None:
    """Wait until the broker lists it."""
    async with Admin(settings) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1)])
        while name not in await admin.list_topics():
            pass
