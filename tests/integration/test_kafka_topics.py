"""The topic table on a real broker: created once, never changed, differences told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from shared.kafka import Difference, TopicsReport, ensure_topics, new_producer
from shared.topics import RESULTS, TOPICS, USAGE, creation_config


@pytest.fixture
async def admin(kafka_url: str, topic_prefix: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await client.start()
    yield client
    await client.delete_topics([name for name in await client.list_topics() if name.startswith(topic_prefix)])
    await client.close()


async def test_all_topics_of_the_table_are_created_as_it_says(
    kafka_url: str, topic_prefix: str, admin: AIOKafkaAdminClient
) -> None:
    report = await ensure_topics(kafka_url, topic_prefix)

    assert set(report.created) == {topic.at(topic_prefix) for topic in TOPICS}
    described = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics(list(report.created))}
    assert described == {topic.at(topic_prefix): topic.partitions for topic in TOPICS}


async def test_a_second_time_nothing_is_created_and_nothing_differs(
    kafka_url: str, topic_prefix: str, admin: AIOKafkaAdminClient
) -> None:
    first = await ensure_topics(kafka_url, topic_prefix)

    assert await ensure_topics(kafka_url, topic_prefix) == TopicsReport((), first.created, ())


async def test_several_processes_may_create_them_at_once(
    kafka_url: str, topic_prefix: str, admin: AIOKafkaAdminClient
) -> None:
    reports = await asyncio.gather(*(ensure_topics(kafka_url, topic_prefix, [USAGE]) for _ in range(4)))

    assert [report.created for report in reports].count((USAGE.at(topic_prefix),)) == 1
    assert not any(report.differences for report in reports)


async def test_a_topic_that_exists_otherwise_is_left_alone_and_told(
    kafka_url: str, topic_prefix: str, admin: AIOKafkaAdminClient
) -> None:
    await ensure_topics(kafka_url, topic_prefix, [replace(RESULTS, partitions=3, retention=RESULTS.retention / 2)])

    report = await ensure_topics(kafka_url, topic_prefix, [RESULTS])

    name, wanted = RESULTS.at(topic_prefix), creation_config(RESULTS)["retention.ms"]
    assert report.differences == (
        Difference(name, "partitions", str(RESULTS.partitions), "3"),
        Difference(name, "retention.ms", wanted, str(int(wanted) // 2)),
    )


async def test_the_producer_delivers_what_it_acknowledges(
    kafka_url: str, topic_prefix: str, admin: AIOKafkaAdminClient
) -> None:
    await ensure_topics(kafka_url, topic_prefix, [USAGE])
    producer = new_producer(kafka_url, "test")
    async with producer:
        await producer.send_and_wait(USAGE.at(topic_prefix), b"{}", key=b"acme")

    consumer = AIOKafkaConsumer(
        USAGE.at(topic_prefix), bootstrap_servers=kafka_url, auto_offset_reset="earliest", group_id=None
    )
    async with consumer:
        record = await asyncio.wait_for(consumer.getone(), 10)
    assert (record.key, record.value) == (b"acme", b"{}")
