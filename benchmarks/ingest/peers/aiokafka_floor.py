"""aiokafka's ``getmany``, nothing done with the records: what reading alone costs."""

import asyncio

from aiokafka import AIOKafkaConsumer
from report import Report, Task, task


async def main(given: Task) -> None:
    report = Report(given)
    consumer = AIOKafkaConsumer(
        given.topic,
        bootstrap_servers=given.bootstrap,
        group_id="floor-" + given.topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=60_000,
    )
    async with consumer:
        while True:
            found = await consumer.getmany(timeout_ms=1_000)
            if report.seen(sum(map(len, found.values()))):
                report.end()


asyncio.run(main(task()))
