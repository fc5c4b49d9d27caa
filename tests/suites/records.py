"""What lies on a topic, as bytes."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.topics import Topic
from tests.suites.platform import Platform

__all__ = ["records_of"]


async def records_of(platform: Platform, topic: Topic) -> list[bytes]:
    """All that are on a topic by now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=platform.servers.kafka_url, enable_auto_commit=False)
    await consumer.start()
    try:
        name = topic.at(platform.topic_prefix)
        places = [TopicPartition(name, number) for number in range(topic.partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning()
        ends, found = await consumer.end_offsets(places), []
        async with asyncio.timeout(60):
            while any([await consumer.position(place) < ends[place] for place in places]):
                batches = await consumer.getmany(timeout_ms=200)
                found += [record.value for records in batches.values() for record in records]
        return found
    finally:
        await consumer.stop()
